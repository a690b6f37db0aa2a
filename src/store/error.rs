//! What can go wrong with the database, told apart by what a caller does about it.

/// Why the store did not do as it was asked. Holds no values of the statement that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room to write: the disk, the quota or the page limit is used up. Works again once there is.
    #[error("the database cannot grow because its disk is full")]
    Full,
    /// Too much is waiting already, or another process holds the database.
    #[error("the database is busy")]
    Busy,
    /// The schema was written by a later version.
    #[error(
        "the database has schema {found}, and this version knows none above {known}\nhint: run the version that wrote it, or a later one"
    )]
    Newer {
        /// Schema of the database.
        found: i64,
        /// The latest one known here.
        known: i64,
    },
    /// A migration that was applied is not the one that is known here.
    #[error(
        "migration {version} of the database is not the one this version carries ({name})\nhint: restore a backup, or run the version that wrote it"
    )]
    Altered {
        /// Number of the migration.
        version: i64,
        /// Its name here, or in the database if it is unknown here.
        name: String,
    },
    /// The file or its directory cannot be had.
    #[error("cannot open the database {path}: {why}")]
    Open {
        /// The file or directory.
        path: String,
        /// What stands in the way.
        why: String,
    },
    /// Another process runs on it.
    #[error("the database {path} is in use by another process\nhint: stop `mergecast serve` first")]
    InUse {
        /// The file.
        path: String,
    },
    /// A file is there that would be overwritten.
    #[error("{path} exists\nhint: {hint}")]
    Exists {
        /// The file.
        path: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// It is no database of ours, or not a whole one.
    #[error("{path} is not a whole Mergecast database: {why}\nhint: use a file that `mergecast backup` has written")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The setting does not name a database that can be used.
    #[error("{what}\nhint: {hint}")]
    Address {
        /// What is wrong with it; never the setting itself, which may hold a password.
        what: &'static str,
        /// What to write.
        hint: &'static str,
    },
    /// A value is larger than what is kept.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The value.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The database refused, in its own words.
    #[error("the database failed: {0}")]
    Sql(String),
    /// A stored value cannot be read.
    #[error("the database holds {0} that cannot be read")]
    Unreadable(&'static str),
    /// The store is closed, or its writer has stopped.
    #[error("the database is closed")]
    Closed,
}
