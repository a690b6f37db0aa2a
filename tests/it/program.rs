//! The program as a process: started on the simulated GitHub, killed, or stopped.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use mergecast::github::sim::Sim;
use rusqlite::{Connection, OpenFlags};
use secrecy::ExposeSecret;

/// Longest time to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time until the work ends: some waits after a rate limit are of minutes.
const REST: Duration = Duration::from_secs(420);

/// Jobs that are to be done before all is quiet: an override that is in force is looked at when its time is over.
pub(crate) const DUE: &str = "state = 'queued' AND NOT \
    (kind = 'override' AND run_at > 1000 * CAST(strftime('%s', 'now') AS INTEGER) + 60000)";

/// The running program. It dies with this.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Length of the log before this start.
    log_from: usize,
    directory: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    pub(crate) fn spawn(sim: &Sim, directory: &Path) -> Self {
        let app = sim.app();
        let secrets = [
            ("GITHUB_PRIVATE_KEY", app.private_key_pem.expose_secret()),
            ("GITHUB_WEBHOOK_SECRET", app.webhook_secret.expose_secret()),
        ];
        Self::spawn_with(sim, directory, &secrets)
    }

    /// With an environment of its own besides the usual, which has no secrets.
    pub(crate) fn spawn_with(sim: &Sim, directory: &Path, environment: &[(&str, &str)]) -> Self {
        let log = directory.join("log");
        let log_from = fs::metadata(&log).map_or(0, |file| file.len() as usize);
        let stderr: File = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let app = sim.app();
        let child = Command::new(env!("CARGO_BIN_EXE_mergecast"))
            .args(["serve", "--log-format", "json"])
            .env_clear()
            .env("RUST_LOG", "info")
            .env("MERGECAST_LISTEN", "127.0.0.1:0")
            .env("MERGECAST_DATABASE", format!("sqlite://{}", database(directory).display()))
            .env("GITHUB_APP_ID", app.app_id.to_string())
            .env("GITHUB_CLIENT_ID", &app.client_id)
            .env("GITHUB_API_URL", sim.api_url())
            .envs(environment.iter().copied())
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, log, log_from, directory: directory.to_owned() }
    }

    /// Waits until it listens; says where.
    pub(crate) async fn listening(&mut self) -> String {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines = log[self.log_from..].lines().filter_map(|line| serde_json::from_str(line).ok());
            for line in lines.map(|line: serde_json::Value| line["fields"].clone()) {
                if let (Some("listening"), Some(address)) = (line["message"].as_str(), line["address"].as_str()) {
                    return address.to_owned();
                }
            }
            assert_eq!(self.child.try_wait().unwrap(), None, "the program ended by itself");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the program does not start");
    }

    /// Waits until nothing is on its way to it, and nothing left to do.
    pub(crate) async fn quiet(&mut self, sim: &Sim) {
        let start = Instant::now();
        let mut times = 0;
        while times < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let open = read(&self.directory, |database| {
                let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
                count("SELECT COUNT(*) FROM inbox WHERE state = 'queued'")
                    + count(&format!("SELECT COUNT(*) FROM jobs WHERE {DUE}"))
            });
            times = if sim.is_settled() && open == 0 { times + 1 } else { 0 };
            assert_eq!(self.child.try_wait().unwrap(), None, "the program ended by itself");
            if start.elapsed() > REST {
                panic!("{open} jobs and deliveries do not end: {:#?}", read(&self.directory, leftovers));
            }
        }
    }

    /// The most memory that it held at a time so far, in KiB, by the kernel's account.
    pub(crate) fn memory_peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        // It may have been stopped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it logged since this start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()[self.log_from..].to_owned()
    }

    /// Waits until it ends by itself with a failure; gives what it said.
    pub(crate) fn ended(mut self) -> String {
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(1));
        self.log()
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// As [`Self::stop`]; gives what it logged to the end.
    pub(crate) fn stop_and_read(self) -> String {
        let (log, from) = (self.log.clone(), self.log_from);
        self.stop();
        fs::read_to_string(log).unwrap()[from..].to_owned()
    }

    /// SIGTERM, as an operator stops it: it is to end what it does and say that all went well.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the program does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(crate) fn database(directory: &Path) -> PathBuf {
    directory.join("mergecast.db")
}

/// Looks into the database of a program that may be running.
pub(crate) fn read<T>(directory: &Path, look: impl FnOnce(&Connection) -> T) -> T {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database(directory), flags).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    look(&connection)
}

fn leftovers(database: &Connection) -> Vec<String> {
    let sql = "SELECT job_key || ' attempts ' || attempts || ' run_at ' || run_at || ' ' || COALESCE(last_error, '') \
               FROM jobs WHERE state = 'queued' UNION ALL \
               SELECT delivery_id || ' ' || event || ' ' || COALESCE(last_error, '') FROM inbox WHERE state = 'queued'";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
