//! The database, and the only place with SQL: what came in, what is to be done, and what was made of it.
//!
//! Every text is a constant in the file of its table, written for SQLite and PostgreSQL alike; `db` carries it to the
//! engine. Times are milliseconds since 1970 and come from the caller. No secret is ever handed to the store.

mod assessments;
mod backfills;
mod backup;
mod brought;
mod change_outcomes;
mod check_runs;
mod commands;
mod coverage_reports;
mod db;
mod deflate;
mod deployments;
mod erase;
mod error;
mod file;
mod heads;
mod http_cache;
mod inbox;
mod inspect;
mod installations;
mod jobs;
mod judgements;
mod merge_groups;
mod migrate;
mod mirrors;
mod models;
mod outcomes;
mod overrides;
mod owners_changed;
mod path;
mod policies;
mod recent_pulls;
mod recovery;
mod sendings;
mod services;
mod sqlite;
#[cfg(test)]
mod testing;
mod tokens;

pub use assessments::{AssessmentRow, AssessmentSummary, RECENT_SCORES_LIMIT};
pub use backfills::Backfill;
pub use backup::{Copied, Restored, backup, restore};
pub use brought::{Between, ReadBetween};
pub use change_outcomes::{FailureRow, OutcomeRow, StoredOutcome};
pub use check_runs::{CheckRunRow, CheckRunState};
pub use commands::{CommandLimits, CommandRow, CommandState, Decision, Feedback, NewCommand, ReaderLimits};
pub use coverage_reports::{CoverageRow, REPORTS_PER_COMMIT, SavedReport};
pub use deflate::{INFLATED_LIMIT, compress, decompress};
pub use deployments::Teller;
pub use erase::Erasing;
pub use error::StoreError;
pub use heads::OnHead;
pub use http_cache::{CACHE_ENTRY_LIMIT, CACHE_ROWS_LIMIT};
pub use inbox::{Accepted, Backlog, Counts, Delivery, DeliveryOutcome, DeliveryState, NewDelivery};
pub use inspect::{GivenUp, Inspection, Integrity, LearningSeen, MirrorsSeen, inspect};
pub use installations::{CoveredRepository, DueRepository, InstallationRow};
pub use jobs::{Job, JobCounts, JobRequest};
pub use judgements::{JudgementRow, ShadowRow, ShadowSeen};
pub use merge_groups::{MergeGroupRow, MergeGroupSeen};
pub use mirrors::{DueMirror, MirrorCounts, MirrorRequest, MirrorRow, ReadBranch};
pub use models::{ModelMove, ModelProposal, Moving};
pub use overrides::{Ended, Move};
pub use owners_changed::Pushed;
pub use path::StorePath;
pub use policies::PolicyRow;
pub use recent_pulls::{RECENT_PULLS_LIMIT, RecentPull};
pub use recovery::{LogWalk, MissedCounts, MissedDelivery, RecoveryState};
pub use sendings::Sending;
pub use services::NO_SERVICE;
pub use tokens::{TokenRow, WHOLE_APP};

use db::Db;
use file::Owner;

use std::{path::PathBuf, sync::Arc};

/// What the store's calls give.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Reader threads unless told otherwise: two answer pages and counts while a third reads facts.
pub const READERS_DEFAULT: usize = 3;

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Store {
    db: Db,
    file: Arc<PathBuf>,
    /// Where this process has the database to itself.
    _owner: Option<Arc<Owner>>,
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where it lies.
    pub path: StorePath,
    /// Threads that read, at least one.
    pub readers: usize,
    /// Most pages of 32 KB that the file may grow to; `None` leaves it to the disk.
    pub max_pages: Option<u32>,
    /// Whether this process is the one that runs on the database. There is one at a time; others may look on.
    pub owner: bool,
    /// Whether it is made where there is none.
    pub create: bool,
}

impl StoreOptions {
    /// The database at `path`, with everything else as usual.
    pub fn new(path: StorePath) -> Self {
        Self { path, readers: READERS_DEFAULT, max_pages: None, owner: false, create: true }
    }

    /// The same, of a database that is there: a mistyped name makes no new one.
    pub fn existing(path: StorePath) -> Self {
        Self { create: false, ..Self::new(path) }
    }
}

impl Store {
    /// Opens the database, creates what is missing and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`] if the file cannot be had, [`StoreError::Newer`] or [`StoreError::Altered`] if its schema is
    /// not one of ours, [`StoreError::InUse`] if it is to be this process's own and is another's, and whatever a
    /// migration fails with.
    pub async fn open(options: StoreOptions) -> Result<Self> {
        let StorePath::File(file) = options.path;
        if !options.create && !file.exists() {
            let why = "there is none; `mergecast serve` makes it".to_owned();
            return Err(StoreError::Open { path: file.display().to_string(), why });
        }
        let owner = if options.owner { Some(Arc::new(Owner::take(&file)?)) } else { None };
        let db = Db::open_sqlite(file.clone(), options.readers.max(1), options.max_pages).await?;
        Ok(Self { db, file: Arc::new(file), _owner: owner })
    }

    /// Writes that wait for the writer.
    pub fn writes_waiting(&self) -> usize {
        self.db.writes_waiting()
    }

    /// Bytes of the file and of its write-ahead log.
    pub fn size_bytes(&self) -> u64 {
        file::size_bytes(&self.file)
    }

    /// Writes what is queued, then lets go of the file. Clones answer [`StoreError::Closed`] from then on.
    pub async fn close(self) {
        self.db.close().await;
    }

    /// Writes a row, so that a caller may say that the database can be written.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ping_write(&self) -> Result<()> {
        self.db.exec(PING, Vec::new()).await.map(drop)
    }
}

const PING: &str = "\
INSERT INTO readiness (id, writes) VALUES (1, 1) \
ON CONFLICT (id) DO UPDATE SET writes = readiness.writes + 1";

/// Every text there is, by file; drivers size their statement caches by it, and a test prepares each.
const STATEMENTS: &[&[&str]] = &[
    &[PING],
    inbox::STATEMENTS,
    jobs::STATEMENTS,
    check_runs::STATEMENTS,
    heads::STATEMENTS,
    merge_groups::STATEMENTS,
    mirrors::STATEMENTS,
    commands::STATEMENTS,
    overrides::STATEMENTS,
    assessments::STATEMENTS,
    models::STATEMENTS,
    judgements::STATEMENTS,
    change_outcomes::STATEMENTS,
    policies::STATEMENTS,
    owners_changed::STATEMENTS,
    recent_pulls::STATEMENTS,
    http_cache::STATEMENTS,
    inspect::STATEMENTS,
    installations::STATEMENTS,
    recovery::STATEMENTS,
    erase::STATEMENTS,
    tokens::STATEMENTS,
    coverage_reports::STATEMENTS,
    services::STATEMENTS,
    outcomes::STATEMENTS,
    deployments::STATEMENTS,
    sendings::STATEMENTS,
    backfills::STATEMENTS,
    brought::STATEMENTS,
];

#[cfg(test)]
mod tests {
    use super::{testing::*, *};
    use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

    /// The parts of this folder that hold texts, above their tests.
    fn sources() -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = paths.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
        files.map(|text| text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()).collect()
    }

    #[tokio::test]
    async fn every_statement_prepares_on_the_migrated_schema() {
        let place = Place::new();
        place.open().await.close().await;
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        for sql in STATEMENTS.iter().copied().flatten() {
            let prepared = connection.prepare(&sqlite::rewrite_placeholders(sql));
            let prepared = prepared.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let mut used: Vec<usize> = sql
                .split('$')
                .skip(1)
                .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap())
                .collect();
            used.sort_unstable();
            used.dedup();
            assert_eq!(used, (1..=prepared.parameter_count()).collect::<Vec<_>>(), "placeholders of {sql}");
            assert!(!sql.contains('?'), "a foreign placeholder in {sql}");
        }
    }

    #[test]
    fn every_statement_is_listed_and_reads_as_postgresql() {
        let listed: Vec<_> = STATEMENTS.iter().copied().flatten().collect();
        let text = regex::Regex::new(r#": &str =\s+("\\\n|concat!\()"#).unwrap();
        let written = text.find_iter(&sources()).count();
        assert_eq!(written, listed.len(), "texts written and texts listed");
        for sql in listed {
            Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }

    #[tokio::test]
    async fn a_ping_is_a_write_and_a_closed_store_says_so() {
        let place = Place::new();
        let store = place.open().await;
        store.ping_write().await.unwrap();
        store.ping_write().await.unwrap();
        let clone = store.clone();
        store.close().await;
        assert_eq!(clone.ping_write().await, Err(StoreError::Closed));
        assert_eq!(clone.model("baseline").await, Err(StoreError::Closed));
        clone.close().await;
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        let writes: i64 = connection.query_row("SELECT writes FROM readiness", [], |row| row.get(0)).unwrap();
        assert_eq!(writes, 2);
    }
}
