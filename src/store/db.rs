//! The seam between texts and engines: values, rows, and a driver per engine. It knows no table.

use std::path::PathBuf;

use super::{Result, StoreError, sqlite::Sqlite};

/// A text and its arguments, for `$1`, `$2` and so on.
pub(super) type Statement = (&'static str, Vec<Val>);

/// A database engine.
#[derive(Clone)]
pub(super) enum Db {
    /// A SQLite file.
    Sqlite(Sqlite),
}

/// A value on its way in or out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    /// No value.
    Null,
    /// BIGINT.
    I64(i64),
    /// DOUBLE PRECISION.
    F64(f64),
    /// TEXT.
    Text(String),
    /// BYTEA.
    Bytes(Vec<u8>),
}

/// One row of an answer.
#[derive(Debug)]
pub(super) struct Row(pub(super) Vec<Val>);

/// What a statement that writes has done.
#[derive(Debug)]
pub(super) struct Done {
    /// Rows inserted, updated or deleted.
    pub(super) changed: u64,
    /// What it returned, if it has a RETURNING clause.
    pub(super) rows: Vec<Row>,
}

impl Db {
    /// Opens and migrates a SQLite file.
    pub(super) async fn open_sqlite(file: PathBuf, readers: usize, max_pages: Option<u32>) -> Result<Self> {
        Sqlite::open(file, readers, max_pages).await.map(Self::Sqlite)
    }

    /// Rows of a statement that only reads.
    pub(super) async fn query(&self, sql: &'static str, args: Vec<Val>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(sqlite) => sqlite.query(sql, args).await,
        }
    }

    /// First row of a statement that only reads.
    pub(super) async fn query_one(&self, sql: &'static str, args: Vec<Val>) -> Result<Option<Row>> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// One statement that writes, durable when this returns.
    pub(super) async fn exec(&self, sql: &'static str, args: Vec<Val>) -> Result<Done> {
        let mut all = self.tx(vec![(sql, args)]).await?;
        all.pop().ok_or(StoreError::Closed)
    }

    /// All of the statements or none, durable when this returns. A caller that goes away does not undo them.
    pub(super) async fn tx(&self, statements: Vec<Statement>) -> Result<Vec<Done>> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tx(statements).await,
        }
    }

    /// Writes that wait for the writer.
    pub(super) fn writes_waiting(&self) -> usize {
        match self {
            Self::Sqlite(sqlite) => sqlite.writes_waiting(),
        }
    }

    /// Finishes what is queued and lets go of the database.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}

impl Row {
    /// Moves the value of a column out.
    pub(super) fn take<T: FromVal>(&mut self, column: usize) -> Result<T> {
        let val = self.0.get_mut(column).map(|val| std::mem::replace(val, Val::Null));
        val.and_then(T::from_val).ok_or(StoreError::Unreadable("a value of another type"))
    }
}

/// A type that a column is read as.
pub(super) trait FromVal: Sized {
    /// The value, unless it is of another type.
    fn from_val(val: Val) -> Option<Self>;
}

impl FromVal for i64 {
    fn from_val(val: Val) -> Option<Self> {
        if let Val::I64(number) = val { Some(number) } else { None }
    }
}

impl FromVal for f64 {
    fn from_val(val: Val) -> Option<Self> {
        if let Val::F64(number) = val { Some(number) } else { None }
    }
}

impl FromVal for String {
    fn from_val(val: Val) -> Option<Self> {
        if let Val::Text(text) = val { Some(text) } else { None }
    }
}

impl FromVal for Vec<u8> {
    fn from_val(val: Val) -> Option<Self> {
        if let Val::Bytes(bytes) = val { Some(bytes) } else { None }
    }
}

impl<T: FromVal> FromVal for Option<T> {
    fn from_val(val: Val) -> Option<Self> {
        if val == Val::Null { Some(None) } else { T::from_val(val).map(Some) }
    }
}

impl From<i64> for Val {
    fn from(number: i64) -> Self {
        Self::I64(number)
    }
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Val {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Vec<u8>> for Val {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<T: Into<Val>> From<Option<T>> for Val {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `limit` as an argument; more than fits means all.
pub(super) fn limit(limit: usize) -> Val {
    Val::I64(i64::try_from(limit).unwrap_or(i64::MAX))
}
