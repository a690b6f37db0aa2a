//! A look at a database from outside: whether it can be used, without creating, migrating or changing it. Works beside
//! a process that has it open.

use std::{path::Path, sync::mpsc, thread, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{MirrorCounts, Result, StoreError, StorePath, inbox, jobs, migrate, mirrors, sqlite::to_store_error};

/// Longest wait for another process that holds the database; longer than a busy service's own, which may come before us.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What a look at a database found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Migrations that it has.
    pub schema: usize,
    /// Migrations that this version knows.
    pub schema_known: usize,
    /// Whether a write could begin.
    pub writable: Result<()>,
    /// Whether its pages are sound.
    pub integrity: Integrity,
    /// What was given up; `None` while the schema is not the one known here.
    pub given_up: Option<GivenUp>,
    /// How the mirrors are; `None` while the schema is not the one known here.
    pub mirrors: Option<MirrorsSeen>,
    /// What the latest look at the outcomes came to; `None` before there was one, or while the schema is another one.
    pub learning: Option<LearningSeen>,
}

/// What the latest look at the outcomes came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearningSeen {
    /// Version of the model in force.
    pub champion: String,
    /// Whether its stated rates are off by more than chance; `None` while that cannot be told.
    pub drifts: Option<bool>,
}

/// How the mirrors are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorsSeen {
    /// In figures.
    pub counts: MirrorCounts,
    /// When one was fetched last, in milliseconds since 1970.
    pub fetched_at: Option<i64>,
    /// One that failed: its repository, and why. Untrusted.
    pub failure: Option<(String, String)>,
}

/// Whether the pages of a database are sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// They are.
    Sound,
    /// They are not; what SQLite found first.
    Broken(String),
    /// Looking took too long.
    Unfinished,
}

/// Work that was given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Deliveries.
    pub deliveries: i64,
    /// Jobs.
    pub jobs: i64,
    /// What the latest one was about, and why.
    pub latest: Option<String>,
}

/// Looks at a database; `None` if there is no file yet. Reading its pages ends after `limit`.
///
/// # Errors
/// It cannot be opened or read, or its schema is not one of ours.
pub async fn inspect(path: &StorePath, limit: Duration) -> Result<Option<Inspection>> {
    let StorePath::File(file) = path.clone();
    let looking = tokio::task::spawn_blocking(move || look(&file, limit));
    looking.await.unwrap_or(Err(StoreError::Closed))
}

fn look(file: &Path, limit: Duration) -> Result<Option<Inspection>> {
    let failed = |why: String| StoreError::Open { path: file.display().to_string(), why };
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    }
    let told = |error: rusqlite::Error| match to_store_error(&error) {
        StoreError::Sql(why) => failed(why),
        told_apart => told_apart,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(told)?;
    connection.busy_timeout(LOCK_WAIT).map_err(told)?;
    let (schema, schema_known) = migrate::standing(&connection).map_err(|error| match error {
        StoreError::Sql(why) => failed(why),
        told_apart => told_apart,
    })?;
    // SQLite lets a write begin on a file that it may only read.
    let writable = match connection.is_readonly("main").map_err(told)? {
        true => Err(StoreError::Sql("it may only be read".to_owned())),
        false => connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(|error| to_store_error(&error)),
    };
    let given_up = (schema == schema_known).then(|| given_up(&connection)).transpose().map_err(told)?;
    let mirrors = (schema == schema_known).then(|| mirrors(&connection)).transpose().map_err(told)?;
    let learning = (schema == schema_known).then(|| learning(&connection)).transpose().map_err(told)?.flatten();
    let integrity = integrity(&connection, limit).map_err(told)?;
    Ok(Some(Inspection { schema, schema_known, writable, integrity, given_up, mirrors, learning }))
}

/// Reads every page, unless that takes longer than `limit`.
fn integrity(connection: &Connection, limit: Duration) -> rusqlite::Result<Integrity> {
    let handle = connection.get_interrupt_handle();
    let (done, is_done) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if is_done.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            handle.interrupt();
        }
    });
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    // It ends at once now, and it has nothing to say.
    let _ = watch.join();
    match found {
        Ok(word) if word == "ok" => Ok(Integrity::Sound),
        Ok(fault) => Ok(Integrity::Broken(fault)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(Integrity::Unfinished),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(Integrity::Broken(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

fn given_up(connection: &Connection) -> rusqlite::Result<GivenUp> {
    let buried = |sql: &str| -> rusqlite::Result<i64> {
        let mut statement = connection.prepare(sql)?;
        let counts = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let counts = counts.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(counts.into_iter().find(|(state, _)| state == "buried").map_or(0, |(_, count)| count))
    };
    let latest = |sql: &str| -> rusqlite::Result<Option<String>> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (what, why): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        Ok(Some(why.map_or(what.clone(), |why| format!("{what}: {why}"))))
    };
    Ok(GivenUp {
        deliveries: buried(inbox::COUNTS)?,
        jobs: buried(jobs::COUNTS)?,
        latest: latest(LATEST_JOB)?.map_or_else(|| latest(LATEST_DELIVERY), |job| Ok(Some(job)))?,
    })
}

fn mirrors(connection: &Connection) -> rusqlite::Result<MirrorsSeen> {
    let counts = connection.query_row(mirrors::COUNTS, [], |row| {
        Ok(MirrorCounts { ready: row.get(0)?, loading: row.get(1)?, failed: row.get(2)?, bytes: row.get(3)? })
    })?;
    let fetched_at = connection.query_row(LATEST_FETCH, [], |row| row.get(0))?;
    let mut statement = connection.prepare(FAILED_MIRROR)?;
    let mut rows = statement.query([])?;
    let failure = rows.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?))).transpose()?;
    Ok(MirrorsSeen { counts, fetched_at, failure })
}

fn learning(connection: &Connection) -> rusqlite::Result<Option<LearningSeen>> {
    let mut statement = connection.prepare(LATEST_LOOK)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let drifts: Option<i64> = row.get(1)?;
    Ok(Some(LearningSeen { champion: row.get(0)?, drifts: drifts.map(|drifts| drifts != 0) }))
}

pub(super) const STATEMENTS: &[&str] = &[LATEST_DELIVERY, LATEST_JOB, LATEST_FETCH, FAILED_MIRROR, LATEST_LOOK];

const LATEST_LOOK: &str = "\
SELECT champion, drifts FROM model_judgements ORDER BY made_at DESC LIMIT 1";

const LATEST_FETCH: &str = "\
SELECT MAX(fetched_at) FROM mirrors";

const FAILED_MIRROR: &str = "\
SELECT r.repository, m.failure FROM mirrors m \
JOIN installation_repositories r ON r.repository_id = m.repository_id \
WHERE r.removed_at IS NULL AND m.failure IS NOT NULL ORDER BY m.attempts DESC, m.repository_id LIMIT 1";

const LATEST_DELIVERY: &str = "\
SELECT event, last_error FROM inbox WHERE state = 'buried' ORDER BY done_at DESC LIMIT 1";

const LATEST_JOB: &str = "\
SELECT job_key, last_error FROM jobs WHERE state = 'buried' ORDER BY run_at DESC LIMIT 1";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use std::{fs, os::unix::fs::FileExt};

    const LONG: Duration = Duration::from_secs(60);

    async fn at(place: &Place) -> Result<Option<Inspection>> {
        inspect(&StorePath::File(place.file()), LONG).await
    }

    #[tokio::test]
    async fn a_database_is_looked_at_beside_its_process_and_left_alone() {
        let place = Place::new();
        assert_eq!(at(&place).await, Ok(None));
        assert!(!place.file().exists());
        let store = place.open().await;
        let good = at(&place).await.unwrap().unwrap();
        assert_eq!((good.schema, &good.writable, &good.integrity), (good.schema_known, &Ok(()), &Integrity::Sound));
        assert_eq!(good.given_up, Some(GivenUp::default()));

        store.accept(&delivery_at(1)).await.unwrap();
        store.claim_deliveries(2, LONG, 1).await.unwrap();
        store.bury_delivery(&id(1), 3, "no such thing").await.unwrap();
        let given_up = at(&place).await.unwrap().unwrap().given_up.unwrap();
        assert_eq!((given_up.deliveries, given_up.jobs), (1, 0));
        assert_eq!(given_up.latest.as_deref(), Some("pull_request: no such thing"));
        store.close().await;
    }

    #[tokio::test]
    async fn what_is_wrong_with_it_is_told_apart() {
        let place = Place::new();
        place.open().await.close().await;
        let file = fs::OpenOptions::new().write(true).open(place.file()).unwrap();
        // A write version above 2 is how SQLite's format says that a file must not be written.
        file.write_all_at(&[3], 18).unwrap();
        let found = at(&place).await.unwrap().unwrap();
        assert!(found.writable.is_err(), "{found:?}");
        file.write_all_at(&[2], 18).unwrap();
        // Rubbish in a page that nobody reads but who checks all of them.
        let schema = rusqlite::Connection::open(place.file()).unwrap();
        let root = "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'shadow_scores'";
        let (page, size): (u32, u32) = schema.query_row(root, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        file.write_all_at(&[0xa5; 512], u64::from(page - 1) * u64::from(size)).unwrap();
        let found = at(&place).await;
        let broken = found.as_ref().is_ok_and(|f| matches!(f.as_ref().unwrap().integrity, Integrity::Broken(_)));
        assert!(broken, "{found:?}");

        let text = place.file().with_file_name("notes.txt");
        fs::write(&text, "not a database at all, but long enough to look like a file".repeat(100)).unwrap();
        let error = inspect(&StorePath::File(text), LONG).await.unwrap_err();
        assert!(error.to_string().ends_with("file is not a database"), "{error}");
    }
}
