//! The ledger of overrides as the database has it, in the order in which rows were added.

use crate::support::Ctx;

/// A row; what the end of an override has none of is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) what: String,
    pub(super) at: i64,
    pub(super) login: Option<String>,
    pub(super) reason: String,
    pub(super) asked_at: i64,
    pub(super) until: i64,
    pub(super) head: String,
    pub(super) base: String,
    pub(super) score: i64,
    assessment: String,
}

const ROWS: &str = "SELECT override_id, what, at, login, COALESCE(reason, ''), COALESCE(asked_at, 0), \
    COALESCE(until_at, 0), COALESCE(head_sha, ''), COALESCE(base_ref, ''), COALESCE(score, 0), \
    COALESCE(assessment_id, '') FROM override_events ORDER BY rowid";

pub(super) fn read(ctx: &Ctx) -> Vec<Row> {
    let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
    let mut statement = database.prepare(ROWS).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Row {
            id: row.get(0)?,
            what: row.get(1)?,
            at: row.get(2)?,
            login: row.get(3)?,
            reason: row.get(4)?,
            asked_at: row.get(5)?,
            until: row.get(6)?,
            head: row.get(7)?,
            base: row.get(8)?,
            score: row.get(9)?,
            assessment: row.get(10)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Those that were made.
pub(super) fn made(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.what == "made")
}

/// How an override ended, if it did.
pub(super) fn end<'a>(rows: &'a [Row], id: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.id == id && row.what != "made")
}

/// The one that has not ended. There is never a second.
pub(super) fn standing(rows: &[Row]) -> Option<&Row> {
    let mut standing = made(rows).filter(|row| end(rows, &row.id).is_none());
    let one = standing.next();
    assert!(standing.next().is_none(), "two overrides stand: {rows:#?}");
    one
}
