//! The ledger of overrides. Rows are added and never changed; what stands is read off them.

use chrono::{DateTime, Utc};

use super::{
    JobRequest, Result, Store, StoreError,
    db::{Row, Statement, Val, limit},
    jobs,
};
use crate::risk::overrides::{End, Entry, Made, Override};

impl Store {
    /// The ledger of a pull request, in the order of time.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn override_ledger(&self, repository_id: i64, pull_request: i64) -> Result<Vec<Entry>> {
        let rows = self.db.query(LEDGER, vec![repository_id.into(), pull_request.into()]).await?;
        rows.into_iter().map(entry).collect()
    }

    /// Notes that a pull request was moved. Webhooks come in any order: the latest move is kept.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn moved(&self, repository_id: i64, pull_request: i64, moved: &Move) -> Result<()> {
        let at = moved.at.timestamp_millis();
        let args = vec![repository_id.into(), pull_request.into(), moved.head_sha.as_ref().into(), at.into()];
        self.db.exec(MOVED, args).await.map(drop)
    }

    /// The latest move of a pull request.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn latest_move(&self, repository_id: i64, pull_request: i64) -> Result<Option<Move>> {
        let args = vec![repository_id.into(), pull_request.into()];
        let Some(mut row) = self.db.query_one(LATEST_MOVE, args).await? else { return Ok(None) };
        Ok(Some(Move { head_sha: row.take(0)?, at: instant(row.take(1)?)? }))
    }

    /// Forgets up to `most` moves from before `before` (milliseconds since 1970); says how many. An override that was
    /// asked for before one of these must not be decided on any more.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_moves(&self, before: i64, most: usize) -> Result<u64> {
        self.db.exec(FORGET_MOVES, vec![before.into(), limit(most)]).await.map(|done| done.changed)
    }

    /// Adds that an override ended, and requests what is to be done about it, all or nothing. One that has ended already
    /// stays as it ended.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is added.
    pub async fn end_override(&self, end: &Ended<'_>, requests: &[JobRequest]) -> Result<()> {
        let mut statements = vec![ended(end)];
        statements.extend(requests.iter().map(|request| jobs::request(request, end.at.timestamp_millis())));
        self.db.tx(statements).await.map(drop)
    }
}

/// That the head or the base branch of a pull request was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The new head; `None` where the base branch was changed.
    pub head_sha: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The end of an override.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Which one.
    pub id: &'a str,
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The pull request.
    pub pull_request: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// By what.
    pub end: End,
    /// Login of who ended it, if somebody did.
    pub by: Option<&'a str>,
}

pub(super) fn ended(end: &Ended<'_>) -> Statement {
    let Ended { id, repository_id, pull_request, at, end, by } = *end;
    let args = vec![
        Val::from(id),
        Val::from(end.word()),
        repository_id.into(),
        pull_request.into(),
        at.timestamp_millis().into(),
        by.into(),
    ];
    (END, args)
}

pub(super) fn made(made: &Made, repository_id: i64, pull_request: i64, assessment_id: &str) -> Statement {
    let terms = &made.terms;
    let args = vec![
        Val::from(&terms.id),
        repository_id.into(),
        pull_request.into(),
        terms.made_at.timestamp_millis().into(),
        Val::from(&terms.by),
        Val::from(&terms.reason),
        made.asked_at.timestamp_millis().into(),
        terms.until.timestamp_millis().into(),
        Val::from(&terms.head_sha),
        Val::from(&terms.base_ref),
        i64::from(terms.score).into(),
        assessment_id.into(),
    ];
    (MAKE, args)
}

fn entry(mut row: Row) -> Result<Entry> {
    let (id, what, at) = (row.take::<String>(0)?, row.take::<String>(1)?, instant(row.take(2)?)?);
    if let Some(end) = End::from_word(&what) {
        return Ok(Entry::Ended { id, at, end, by: row.take(3)? });
    }
    let terms = Override {
        id,
        by: row.take(3)?,
        reason: row.take(4)?,
        made_at: at,
        until: instant(row.take(6)?)?,
        head_sha: row.take(7)?,
        base_ref: row.take(8)?,
        score: u8::try_from(row.take::<i64>(9)?).map_err(|_| StoreError::Unreadable("a score"))?,
    };
    Ok(Entry::Made(Made { terms, asked_at: instant(row.take(5)?)? }))
}

fn instant(ms: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms).ok_or(StoreError::Unreadable("an instant"))
}

pub(super) const STATEMENTS: &[&str] = &[MAKE, END, LEDGER, MOVED, LATEST_MOVE, FORGET_MOVES];

const MAKE: &str = "\
INSERT INTO override_events (override_id, ends, what, repository_id, pull_request, at, login, reason, asked_at, \
  until_at, head_sha, base_ref, score, assessment_id) \
VALUES ($1, 0, 'made', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (override_id, ends) DO NOTHING";

const END: &str = "\
INSERT INTO override_events (override_id, ends, what, repository_id, pull_request, at, login) \
VALUES ($1, 1, $2, $3, $4, $5, $6) ON CONFLICT (override_id, ends) DO NOTHING";

const LEDGER: &str = "\
SELECT override_id, what, at, login, reason, asked_at, until_at, head_sha, base_ref, score \
FROM override_events WHERE repository_id = $1 AND pull_request = $2 ORDER BY at, override_id, ends";

const MOVED: &str = "\
INSERT INTO pull_request_moves (repository_id, pull_request, head_sha, at) VALUES ($1, $2, $3, $4) \
ON CONFLICT (repository_id, pull_request) DO UPDATE SET head_sha = excluded.head_sha, at = excluded.at \
WHERE excluded.at >= pull_request_moves.at";

const LATEST_MOVE: &str = "\
SELECT head_sha, at FROM pull_request_moves WHERE repository_id = $1 AND pull_request = $2";

const FORGET_MOVES: &str = "\
DELETE FROM pull_request_moves WHERE (repository_id, pull_request) IN ( \
  SELECT repository_id, pull_request FROM pull_request_moves WHERE at < $1 \
  ORDER BY at, repository_id, pull_request LIMIT $2)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::risk::overrides::standing;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(ms).unwrap()
    }

    fn one(id: &str, ms: i64) -> Made {
        let terms = Override {
            id: id.to_owned(),
            by: "nora".to_owned(),
            reason: "The fix cannot wait".to_owned(),
            made_at: at(ms),
            until: at(ms + 1_000),
            head_sha: "a".repeat(40),
            base_ref: "main".to_owned(),
            score: 72,
        };
        Made { terms, asked_at: at(ms - 1) }
    }

    #[tokio::test]
    async fn the_latest_move_is_known_whatever_the_order() {
        let place = Place::new();
        let store = place.open().await;
        let pushed = |ms, head: &str| Move { head_sha: Some(head.to_owned()), at: at(ms) };
        let retargeted = Move { head_sha: None, at: at(300) };
        for moved in [&pushed(200, "b"), &retargeted, &pushed(100, "a")] {
            store.moved(1, 7, moved).await.unwrap();
        }
        assert_eq!(store.latest_move(1, 7).await, Ok(Some(retargeted)));
        assert_eq!(store.latest_move(1, 8).await, Ok(None));
    }

    #[tokio::test]
    async fn old_moves_are_forgotten_the_oldest_first() {
        let place = Place::new();
        let store = place.open().await;
        for (pull, ms) in [(7, 300), (8, 100), (9, 200)] {
            store.moved(1, pull, &Move { head_sha: None, at: at(ms) }).await.unwrap();
        }
        assert_eq!(store.forget_moves(300, 1).await, Ok(1));
        assert_eq!(store.latest_move(1, 8).await, Ok(None));
        assert_eq!((store.forget_moves(300, 9).await, store.forget_moves(300, 9).await), (Ok(1), Ok(0)));
        assert!(store.latest_move(1, 7).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn the_ledger_is_added_to_and_never_changed() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.override_ledger(1, 7).await, Ok(Vec::new()));
        let (first, second) = (one("comment:1", 100), one("comment:2", 200));
        let end = |id, ms, end, by| Ended { id, repository_id: 1, pull_request: 7, at: at(ms), end, by };
        store.db.tx(vec![made(&first, 1, 7, "x"), made(&one("comment:9", 50), 1, 8, "x")]).await.unwrap();
        assert_eq!(standing(&store.override_ledger(1, 7).await.unwrap()), Some(&first));
        let replaced = ended(&end("comment:1", 200, End::Replaced, None));
        store.db.tx(vec![replaced, made(&second, 1, 7, "x")]).await.unwrap();
        // The same again, and another end of what has ended.
        store.db.tx(vec![made(&Made { asked_at: at(0), ..second.clone() }, 1, 7, "y")]).await.unwrap();
        store.end_override(&end("comment:1", 300, End::Pushed, None), &[]).await.unwrap();
        assert_eq!(standing(&store.override_ledger(1, 7).await.unwrap()), Some(&second));
        store.end_override(&end("comment:2", 400, End::Cancelled, Some("omar")), &[]).await.unwrap();
        let ledger = store.override_ledger(1, 7).await.unwrap();
        assert_eq!(
            ledger,
            [
                Entry::Made(first),
                Entry::Ended { id: "comment:1".to_owned(), at: at(200), end: End::Replaced, by: None },
                Entry::Made(second),
                Entry::Ended {
                    id: "comment:2".to_owned(),
                    at: at(400),
                    end: End::Cancelled,
                    by: Some("omar".to_owned())
                },
            ]
        );
        assert_eq!(standing(&ledger), None);
        assert!(standing(&store.override_ledger(1, 8).await.unwrap()).is_some(), "another pull request's");
        // Whoever removes the App takes all of it along.
        let erased = super::super::erase::STATEMENTS;
        let changing = super::super::STATEMENTS
            .iter()
            .copied()
            .flatten()
            .filter(|sql| sql.contains("override_events") && !erased.contains(sql))
            .filter(|sql| sql.contains("UPDATE") || sql.contains("DELETE"));
        assert_eq!(changing.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
