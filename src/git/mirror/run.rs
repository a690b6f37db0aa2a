//! Runs git for a mirror: an environment of its own, one protocol, a deadline, and an end for it and its children.

use std::{
    ffi::OsString,
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{MirrorError, Progress, Remote, Watch};
use crate::clock::Stopwatch;

/// What git may inherit: where programs and certificates lie, and which proxy to take. Nothing else: a user's `.netrc`,
/// helpers and settings are not for a server's mirrors.
const INHERITED: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "GIT_EXEC_PATH",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// Settings of every command. A redirect would carry the token along; a transfer that crawls is ended by git itself.
const SETTINGS: &[(&str, &str)] = &[
    ("protocol.allow", "never"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("credential.helper", ""),
    ("core.askPass", ""),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.writeCommitGraph", "true"),
    ("transfer.bundleURI", "false"),
    ("maintenance.auto", "false"),
    ("gc.auto", "0"),
];

/// Standard error that is kept for the complaint, in bytes; progress is not counted.
const SAID_MAX: usize = 16 << 10;
/// Between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(50);
/// What git gets to clear away its half files before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a command that talks to the remote; gives its standard output. `input` is its standard input.
pub(super) fn remote(
    directory: &Path,
    remote: &Remote,
    arguments: &[String],
    input: &str,
    watch: &Watch<'_>,
) -> Result<Vec<u8>, MirrorError> {
    let mut command = command(directory, &remote.settings());
    command.env("GIT_ALLOW_PROTOCOL", remote.protocol()).args(arguments);
    run(command, input, watch, |said| MirrorError::read(&remote.without_token(said)))
}

/// Runs a command that talks to nobody.
pub(super) fn local(directory: &Path, arguments: &[&str], watch: &Watch<'_>) -> Result<Vec<u8>, MirrorError> {
    let mut command = command(directory, &[]);
    // An empty list allows no protocol at all.
    command.env("GIT_ALLOW_PROTOCOL", "").args(arguments);
    run(command, "", watch, MirrorError::read)
}

fn command(directory: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    let inherited = |name: &&str| Some((OsString::from(name), std::env::var_os(name)?));
    command.envs(INHERITED.iter().filter_map(inherited));
    // What the rest of the program trusts, git trusts as well.
    if let (Some(file), None) = (std::env::var_os("SSL_CERT_FILE"), std::env::var_os("GIT_SSL_CAINFO")) {
        command.env("GIT_SSL_CAINFO", file);
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        // What is missing of what was fetched is a damage, not a reason for one more fetch for each object.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_DIR", directory)
        .env("LC_ALL", "C");
    let own = SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let all: Vec<(String, String)> = own.chain(settings.iter().cloned()).collect();
    command.env("GIT_CONFIG_COUNT", all.len().to_string());
    for (at, (key, value)) in all.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{at}"), key).env(format!("GIT_CONFIG_VALUE_{at}"), value);
    }
    command.current_dir(directory).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(
    mut command: Command,
    input: &str,
    watch: &Watch<'_>,
    failure: impl Fn(&str) -> MirrorError,
) -> Result<Vec<u8>, MirrorError> {
    let timer = Stopwatch::start();
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => MirrorError::GitMissing,
        _ => error.into(),
    })?;
    let mut group = Group(child);
    let mut stdin = group.0.stdin.take().expect("standard input is piped");
    let mut stdout = group.0.stdout.take().expect("standard output is piped");
    let stderr = group.0.stderr.take().expect("standard error is piped");
    let input = input.to_owned();
    // A git that ends early does not read it; what it says of that is on its standard error.
    thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let (tell, output) = mpsc::channel();
    thread::spawn(move || {
        let mut printed = Vec::new();
        let _ = tell.send(stdout.read_to_end(&mut printed).map(|_| printed));
    });
    let lines = lines(stderr);
    let mut said = Said::default();
    let status = loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => said.hear(&line, watch),
            // All is said; what is left is its end.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(2)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if (watch.stopped)() {
            return Err(MirrorError::Stopped);
        }
        if timer.elapsed() >= watch.deadline {
            return Err(MirrorError::Deadline);
        }
        if let Some(status) = group.0.try_wait()? {
            break status;
        }
    };
    // A child that outlives it may hold its output open; what git itself said is there by now.
    while let Ok(line) = lines.recv_timeout(GRACE) {
        said.hear(&line, watch);
    }
    if !status.success() {
        return Err(failure(&said.0));
    }
    Ok(output.recv_timeout(GRACE).map_err(|_| MirrorError::Deadline)??)
}

/// What git said besides its progress.
#[derive(Default)]
struct Said(String);

impl Said {
    fn hear(&mut self, line: &str, watch: &Watch<'_>) {
        match Progress::read(line) {
            Some(progress) => (watch.progress)(progress),
            None if self.0.len() + line.len() < SAID_MAX => {
                self.0.push_str(line);
                self.0.push('\n');
            }
            None => {}
        }
    }
}

/// What is said on standard error, line by line; progress is told in lines that end with a carriage return.
fn lines(mut stderr: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = mpsc::channel();
    thread::spawn(move || {
        let (mut line, mut bytes) = (Vec::new(), [0; 4_096]);
        while let Ok(read @ 1..) = stderr.read(&mut bytes) {
            for byte in &bytes[..read] {
                match byte {
                    b'\r' | b'\n' => {
                        let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
                        line.clear();
                    }
                    byte if line.len() < SAID_MAX => line.push(*byte),
                    _ => {}
                }
            }
        }
        let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
    });
    lines
}

/// git and all that it started. Dropping it ends them.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(group) = Pid::from_raw(self.0.id().cast_signed()) else { return };
        if !matches!(self.0.try_wait(), Ok(None)) {
            // It ended by itself, and its number may be another's by now.
            return;
        }
        let _ = kill_process_group(group, Signal::TERM);
        let timer = Stopwatch::start();
        while matches!(self.0.try_wait(), Ok(None)) && timer.elapsed() < GRACE {
            thread::sleep(LOOK);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}
