//! `mergecast backup` and `restore` with the real program, while it runs and writes.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use mergecast::{
    clock::Clock,
    github::sim::{Sim, SimOptions},
};
use rusqlite::Connection;

use crate::{
    program::{Server, database},
    work::change,
};

fn mergecast(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.env_clear().current_dir(directory).args(arguments);
    command.output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn rows(file: &Path, table: &str) -> i64 {
    let connection = Connection::open(file).unwrap();
    connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Deliveries that are finished and whose job is not there. The two are written together, in tables of their own, so no
/// instant of the database has any.
fn torn(file: &Path) -> i64 {
    let without_job = "SELECT COUNT(*) FROM inbox WHERE event = 'pull_request' AND state = 'done' AND NOT EXISTS ( \
                         SELECT 1 FROM jobs WHERE job_key = 'pr:' || json_extract(CAST(inbox.body AS TEXT), \
                         '$.repository.id') || ':' || json_extract(CAST(inbox.body AS TEXT), '$.number'))";
    Connection::open(file).unwrap().query_row(without_job, [], |row| row.get(0)).unwrap()
}

fn run(test: impl AsyncFnOnce(Sim, tempfile::TempDir)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::system();
        let sim = Sim::start(SimOptions::new(move || clock.now())).await.unwrap();
        test(sim, tempfile::tempdir().unwrap()).await;
    });
}

#[test]
fn a_copy_is_made_while_the_app_writes_and_is_put_back() {
    run(async |sim, directory| {
        let folder = directory.path();
        let mut server = Server::spawn(&sim, folder);
        let address = server.listening().await;
        sim.deliver_to(&format!("http://{address}/webhooks/github"));
        let shop = sim.repository("acme/shop");
        for n in 0..10 {
            shop.open(change(n));
        }
        // Copies in the thick of it: each is whole, of one instant, and nobody else's to read.
        for n in 0..4 {
            let name = format!("copy-{n}.db");
            for m in 0..5 {
                shop.open(change(100 + n * 10 + m));
            }
            let made = mergecast(folder, &["backup", &name]);
            assert!(made.status.success(), "{}", err(&made));
            assert_eq!(String::from_utf8_lossy(&made.stdout), format!("{name}\n"));
            let copy = folder.join(&name);
            assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(torn(&copy), 0);
            assert!(!copy.with_extension("db-wal").exists() && !folder.join(format!("{name}.partial")).exists());
        }
        server.quiet(&sim).await;
        let last = mergecast(folder, &["backup", "last.db"]);
        assert!(last.status.success(), "{}", err(&last));
        let scored = rows(&folder.join("last.db"), "assessments");
        assert_eq!(scored, rows(&database(folder), "assessments"));
        assert!(scored >= 30);
        // A copy of two instants would be seen: the jobs of the first copy in the last.
        let mixed = folder.join("mixed.db");
        fs::copy(folder.join("last.db"), &mixed).unwrap();
        let jobs = format!(
            "ATTACH '{}' AS early; DELETE FROM jobs; INSERT INTO jobs SELECT * FROM early.jobs",
            folder.join("copy-0.db").display()
        );
        Connection::open(&mixed).unwrap().execute_batch(&jobs).unwrap();
        assert!(torn(&mixed) > 0);

        let again = mergecast(folder, &["backup", "last.db"]);
        assert_eq!(again.status.code(), Some(1));
        assert!(err(&again).contains("exists") && err(&again).contains("--force"), "{}", err(&again));
        assert!(mergecast(folder, &["backup", "--force", "last.db"]).status.success());
        assert_eq!(mergecast(folder, &["backup", "--force", "mergecast.db"]).status.code(), Some(1), "itself");

        // Nothing is put back under a running process.
        let refused = mergecast(folder, &["restore", "copy-0.db"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(err(&refused).contains("in use"), "{}", err(&refused));
        assert_eq!(rows(&database(folder), "assessments"), scored);
        server.stop();

        let early = rows(&folder.join("copy-0.db"), "inbox");
        let restored = mergecast(folder, &["restore", "copy-0.db"]);
        assert!(restored.status.success(), "{}", err(&restored));
        assert_eq!(rows(&database(folder), "inbox"), early);
        let aside = folder.join(String::from_utf8(restored.stdout).unwrap().trim());
        assert_eq!(rows(&aside, "assessments"), scored, "the database before is kept");

        // And the App goes on from there: what the copy had queued is worked off.
        let mut server = Server::spawn(&sim, folder);
        let address = server.listening().await;
        sim.deliver_to(&format!("http://{address}/webhooks/github"));
        shop.open(change(999));
        server.quiet(&sim).await;
        server.stop();
    });
}

#[test]
fn a_log_that_was_left_behind_is_not_played_back_over_the_copy() {
    run(async |sim, directory| {
        let folder = directory.path();
        let mut server = Server::spawn(&sim, folder);
        let address = server.listening().await;
        sim.deliver_to(&format!("http://{address}/webhooks/github"));
        let shop = sim.repository("acme/shop");
        shop.open(change(1));
        server.quiet(&sim).await;
        assert!(mergecast(folder, &["backup", "copy.db"]).status.success());
        let saved = rows(&folder.join("copy.db"), "inbox");
        shop.open(change(2));
        server.quiet(&sim).await;
        let log = folder.join("mergecast.db-wal");
        let left = fs::read(&log).unwrap();
        server.stop();
        // Somebody removes the one file that looks like the database.
        fs::remove_file(database(folder)).unwrap();
        fs::write(&log, &left).unwrap();
        let restored = mergecast(folder, &["restore", "copy.db"]);
        assert!(restored.status.success(), "{}", err(&restored));
        assert!(!log.exists() && restored.stdout.is_empty());
        assert_eq!(rows(&database(folder), "inbox"), saved);
        // It is kept, as all that was there.
        let kept = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let kept: Vec<_> = kept.filter(|path| path.to_string_lossy().contains(".before-")).collect();
        assert!(kept.iter().any(|path| fs::read(path).unwrap() == left), "{kept:?}");
    });
}

#[test]
fn what_is_no_copy_of_ours_is_refused_and_changes_nothing() {
    run(async |sim, directory| {
        let folder = directory.path();
        let mut server = Server::spawn(&sim, folder);
        server.listening().await;
        server.stop();
        assert!(mergecast(folder, &["backup", "good.db"]).status.success());
        let before = fs::read(database(folder)).unwrap();

        let good = fs::read(folder.join("good.db")).unwrap();
        fs::write(folder.join("text.db"), "not a database, but long enough to be looked at as one".repeat(50)).unwrap();
        fs::write(folder.join("half.db"), &good[..good.len() / 2]).unwrap();
        let mut bitten = good.clone();
        // The head of its second page.
        bitten[32_768..36_000].fill(0xa5);
        fs::write(folder.join("bitten.db"), bitten).unwrap();
        Connection::open(folder.join("other.db")).unwrap().execute_batch("CREATE TABLE orders (id BIGINT)").unwrap();
        fs::copy(folder.join("good.db"), folder.join("newer.db")).unwrap();
        let newer = "INSERT INTO schema_migrations VALUES (9999, '9999_later', 'x', 0)";
        Connection::open(folder.join("newer.db")).unwrap().execute_batch(newer).unwrap();
        for (name, why) in [
            ("absent.db", "no such file"),
            ("text.db", "not a whole"),
            ("half.db", "not a whole"),
            ("bitten.db", "not a whole"),
            ("other.db", "no tables of ours"),
            ("newer.db", "schema 9999"),
        ] {
            let refused = mergecast(folder, &["restore", name]);
            assert_eq!(refused.status.code(), Some(1), "{name}");
            assert!(err(&refused).contains(why), "{name}: {}", err(&refused));
            assert_eq!(fs::read(database(folder)).unwrap(), before, "{name}");
        }
        // A database that is broken itself is what restore is for.
        fs::write(database(folder), "gone").unwrap();
        let restored = mergecast(folder, &["restore", "good.db"]);
        assert!(restored.status.success(), "{}", err(&restored));
        let mut server = Server::spawn(&sim, folder);
        server.listening().await;
        // One database, one App.
        let second = Server::spawn(&sim, folder).ended();
        assert!(second.contains("in use by another process"), "{second}");
        server.stop();
    });
}
