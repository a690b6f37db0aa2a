//! What GitHub could not hand over: up to when nothing is missing, and the deliveries that have not come yet.

use super::{
    Result, Store,
    db::{Row, Statement, Val, limit},
};

/// Rows written in one transaction, so that none holds up the writer for long.
const AT_ONCE: usize = 500;
/// When a delivery is asked for that is not asked for any more.
const NEVER: i64 = i64::MAX;

/// How far GitHub's log of deliveries has been read. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryState {
    /// Up to when every delivery has come or is known to be missing; `None` until the log was read once.
    pub good_until: Option<i64>,
    /// When the log was looked at last; `None` until it was.
    pub looked_at: Option<i64>,
    /// A reading that has not come to its end.
    pub walk: Option<LogWalk>,
}

/// Where a long reading of the log stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWalk {
    /// When it began: nothing newer was read.
    pub started: i64,
    /// Where it goes on.
    pub cursor: String,
}

/// A delivery that has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedDelivery {
    /// `X-GitHub-Delivery`.
    pub delivery_id: String,
    /// GitHub's number of its newest attempt, by which it is asked for.
    pub attempt_id: i64,
    /// The event's name.
    pub event: String,
    /// The payload's action, if it has one.
    pub action: Option<String>,
    /// When the attempt that was seen first was made, in milliseconds since 1970.
    pub delivered_at: i64,
    /// How it went, in GitHub's words.
    pub status: String,
    /// How often it was asked for.
    pub asked: i64,
}

/// How many deliveries are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissedCounts {
    /// Those that are still asked for.
    pub awaited: i64,
    /// Those that GitHub will not send again.
    pub given_up: i64,
    /// When the next one is due to be asked for, in milliseconds since 1970.
    pub next_ask_at: Option<i64>,
}

impl Store {
    /// How far the log has been read.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn recovery(&self) -> Result<RecoveryState> {
        let Some(mut row) = self.db.query_one(STATE, Vec::new()).await? else { return Ok(RecoveryState::default()) };
        let (started, cursor) = (row.take::<Option<i64>>(2)?, row.take::<Option<String>>(3)?);
        Ok(RecoveryState {
            good_until: row.take(0)?,
            looked_at: Some(row.take(1)?),
            walk: started.zip(cursor).map(|(started, cursor)| LogWalk { started, cursor }),
        })
    }

    /// Keeps how far the log has been read, at `now`.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_recovery(&self, good_until: Option<i64>, walk: Option<&LogWalk>, now: i64) -> Result<()> {
        let cursor: Option<&String> = walk.map(|walk| &walk.cursor);
        let args = vec![good_until.into(), now.into(), walk.map(|walk| walk.started).into(), cursor.into()];
        self.db.exec(SAVE_STATE, args).await.map(drop)
    }

    /// Whether a delivery has come.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn has_delivery(&self, delivery_id: &str) -> Result<bool> {
        Ok(self.db.query_one(HAS, vec![delivery_id.into()]).await?.is_some())
    }

    /// When a delivery was tried first that was missing, in milliseconds since 1970; `None` of one that is not known to have been.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn first_delivered_at(&self, delivery_id: &str) -> Result<Option<i64>> {
        let row = self.db.query_one(FIRST_DELIVERED, vec![delivery_id.into()]).await?;
        row.map(|mut row| row.take(0)).transpose()
    }

    /// Whether a delivery was given up.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_buried(&self, delivery_id: &str) -> Result<bool> {
        Ok(self.db.query_one(BURIED, vec![delivery_id.into()]).await?.is_some())
    }

    /// Since when every delivery that was taken is in this database, as far as it knows, in milliseconds since 1970;
    /// `None` for a fresh one. Holds for those that are younger than the shortest time they are kept.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn deliveries_since(&self) -> Result<Option<i64>> {
        self.db.query_one(SINCE, Vec::new()).await?.map_or(Ok(None), |mut row| row.take(0))
    }

    /// Forgets where long readings stopped, of the log and of every repository's heads: they begin anew.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn read_anew(&self) -> Result<()> {
        self.db.tx(vec![(LOG_ANEW, Vec::new()), (HEADS_ANEW, Vec::new())]).await.map(drop)
    }

    /// Takes note of deliveries that are missing, to be asked for from `now` on. Those that have come meanwhile are not
    /// missing; of those that are known the newest attempt counts.
    ///
    /// # Errors
    /// Whatever the database fails with; a part may be kept then.
    pub async fn save_missed(&self, missed: &[MissedDelivery], now: i64) -> Result<()> {
        for some in missed.chunks(AT_ONCE) {
            self.db.tx(some.iter().map(|each| miss(each, now)).collect()).await?;
        }
        Ok(())
    }

    /// Forgets the missing that have come, and those from before `oldest`, which GitHub no longer has. Gives how many of
    /// the latter there were.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_missed(&self, oldest: i64) -> Result<u64> {
        let done = self.db.tx(vec![(FORGET_ARRIVED, Vec::new()), (FORGET_OLD, vec![oldest.into()])]).await?;
        Ok(done.last().map_or(0, |done| done.changed))
    }

    /// At most `most` of the missing that are due to be asked for: merge groups, for which a queue waits, then pull requests, then
    /// comments, and of each the oldest first.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn missed_due(&self, now: i64, most: usize) -> Result<Vec<MissedDelivery>> {
        self.db.query(DUE, vec![now.into(), limit(most)]).await?.into_iter().map(missed).collect()
    }

    /// Notes that a delivery was asked for, and when it may be asked for again if it does not come; `None` is never.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn missed_asked(&self, delivery_id: &str, again_at: Option<i64>) -> Result<()> {
        self.db.exec(ASKED, vec![delivery_id.into(), again_at.unwrap_or(NEVER).into()]).await.map(drop)
    }

    /// How many are missing.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn missed_counts(&self) -> Result<MissedCounts> {
        let Some(mut row) = self.db.query_one(COUNTS, vec![NEVER.into()]).await? else {
            return Ok(MissedCounts::default());
        };
        Ok(MissedCounts { awaited: row.take(0)?, given_up: row.take(1)?, next_ask_at: row.take(2)? })
    }
}

fn miss(missed: &MissedDelivery, now: i64) -> Statement {
    let args = vec![
        Val::from(&missed.delivery_id),
        missed.attempt_id.into(),
        Val::from(&missed.event),
        missed.action.as_ref().into(),
        missed.delivered_at.into(),
        Val::from(&missed.status),
        now.into(),
    ];
    (MISSED, args)
}

fn missed(mut row: Row) -> Result<MissedDelivery> {
    Ok(MissedDelivery {
        delivery_id: row.take(0)?,
        attempt_id: row.take(1)?,
        event: row.take(2)?,
        action: row.take(3)?,
        delivered_at: row.take(4)?,
        status: row.take(5)?,
        asked: row.take(6)?,
    })
}

pub(super) const STATEMENTS: &[&str] = &[
    STATE,
    SAVE_STATE,
    HAS,
    FIRST_DELIVERED,
    BURIED,
    SINCE,
    LOG_ANEW,
    HEADS_ANEW,
    MISSED,
    FORGET_ARRIVED,
    FORGET_OLD,
    DUE,
    ASKED,
    COUNTS,
];

const STATE: &str = "\
SELECT good_until, looked_at, walk_started, walk_cursor FROM recovery WHERE id = 1";

const SAVE_STATE: &str = "\
INSERT INTO recovery (id, good_until, looked_at, walk_started, walk_cursor) VALUES (1, $1, $2, $3, $4) \
ON CONFLICT (id) DO UPDATE SET good_until = excluded.good_until, looked_at = excluded.looked_at, \
  walk_started = excluded.walk_started, walk_cursor = excluded.walk_cursor";

const HAS: &str = "\
SELECT 1 FROM inbox WHERE delivery_id = $1";

const FIRST_DELIVERED: &str = "\
SELECT delivered_at FROM missed_deliveries WHERE delivery_id = $1";

const BURIED: &str = "\
SELECT 1 FROM inbox WHERE delivery_id = $1 AND state = 'buried'";

/// The oldest of each state is the first in the index; of all at once, it would be looked for in all of it.
const SINCE: &str = "\
SELECT MIN(since) FROM ( \
  SELECT MIN(received_at) AS since FROM inbox WHERE state = 'queued' \
  UNION ALL SELECT MIN(received_at) AS since FROM inbox WHERE state = 'done' \
  UNION ALL SELECT MIN(received_at) AS since FROM inbox WHERE state = 'ignored' \
  UNION ALL SELECT MIN(received_at) AS since FROM inbox WHERE state = 'buried' \
  UNION ALL SELECT good_until AS since FROM recovery) AS known";

const LOG_ANEW: &str = "\
UPDATE recovery SET walk_started = NULL, walk_cursor = NULL";

const HEADS_ANEW: &str = "\
UPDATE installation_repositories SET sweep_cursor = NULL WHERE sweep_cursor IS NOT NULL";

const MISSED: &str = "\
INSERT INTO missed_deliveries (delivery_id, attempt_id, event, action, delivered_at, status, ask_at) \
SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM inbox WHERE delivery_id = $1) \
ON CONFLICT (delivery_id) DO UPDATE SET attempt_id = excluded.attempt_id, status = excluded.status \
WHERE missed_deliveries.attempt_id < excluded.attempt_id";

const FORGET_ARRIVED: &str = "\
DELETE FROM missed_deliveries \
WHERE EXISTS (SELECT 1 FROM inbox WHERE inbox.delivery_id = missed_deliveries.delivery_id)";

const FORGET_OLD: &str = "\
DELETE FROM missed_deliveries WHERE delivered_at < $1";

const DUE: &str = "\
SELECT delivery_id, attempt_id, event, action, delivered_at, status, asked FROM missed_deliveries \
WHERE ask_at <= $1 \
ORDER BY CASE event WHEN 'merge_group' THEN 0 WHEN 'pull_request' THEN 1 WHEN 'issue_comment' THEN 2 ELSE 3 END, \
  delivered_at, delivery_id LIMIT $2";

const ASKED: &str = "\
UPDATE missed_deliveries SET asked = asked + 1, ask_at = $2 WHERE delivery_id = $1";

const COUNTS: &str = "\
SELECT COUNT(CASE WHEN ask_at < $1 THEN 1 END), COUNT(CASE WHEN ask_at = $1 THEN 1 END), \
  MIN(CASE WHEN ask_at < $1 THEN ask_at END) \
FROM missed_deliveries";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn missing(n: i64, event: &str) -> MissedDelivery {
        MissedDelivery {
            delivery_id: id(n),
            attempt_id: n,
            event: event.to_owned(),
            action: None,
            delivered_at: n,
            status: "timed out".to_owned(),
            asked: 0,
        }
    }

    async fn due(store: &Store, now: i64, most: usize) -> Vec<String> {
        store.missed_due(now, most).await.unwrap().into_iter().map(|each| each.delivery_id).collect()
    }

    #[tokio::test]
    async fn what_is_missing_is_asked_for_until_it_comes() {
        let place = Place::new();
        let store = place.open().await;
        store.accept(&delivery_at(1)).await.unwrap();
        let all = [missing(1, "push"), missing(2, "push"), missing(3, "pull_request"), missing(4, "push")];
        store.save_missed(&all, 100).await.unwrap();
        assert_eq!(due(&store, 99, 9).await, Vec::<String>::new());
        assert_eq!(store.first_delivered_at(&id(3)).await, Ok(Some(3)));
        assert_eq!(store.first_delivered_at(&id(1)).await, Ok(None));
        assert_eq!(due(&store, 100, 2).await, [id(3), id(2)], "pull requests first, and not what has come");
        store.missed_asked(&id(3), Some(500)).await.unwrap();
        store.missed_asked(&id(2), None).await.unwrap();
        // Seen again with another attempt: asked for by that one, no earlier.
        store.save_missed(&[MissedDelivery { attempt_id: 9, ..missing(3, "pull_request") }], 200).await.unwrap();
        assert_eq!(due(&store, 499, 9).await, [id(4)]);
        let counts = MissedCounts { awaited: 2, given_up: 1, next_ask_at: Some(100) };
        assert_eq!(store.missed_counts().await, Ok(counts));
        let again = store.missed_due(500, 1).await.unwrap().remove(0);
        assert_eq!((again.attempt_id, again.asked), (9, 1));

        assert_eq!((store.has_delivery(&id(1)).await, store.has_delivery(&id(4)).await), (Ok(true), Ok(false)));
        store.accept(&delivery_at(4)).await.unwrap();
        assert_eq!(store.forget_missed(3).await, Ok(1));
        assert_eq!(due(&store, NEVER, 9).await, [id(3)]);
        assert_eq!(store.missed_counts().await.unwrap().given_up, 0);
    }

    #[tokio::test]
    async fn a_database_knows_since_when_it_takes_deliveries() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.deliveries_since().await, Ok(None));
        for n in [30, 20] {
            store.accept(&delivery_at(n)).await.unwrap();
        }
        assert_eq!(store.deliveries_since().await, Ok(Some(20)));
        store.claim_deliveries(20, std::time::Duration::from_secs(9), 1).await.unwrap();
        assert_eq!(store.is_buried(&id(20)).await, Ok(false));
        store.bury_delivery(&id(20), 40, "unreadable").await.unwrap();
        assert_eq!((store.is_buried(&id(20)).await, store.is_buried(&id(30)).await), (Ok(true), Ok(false)));
        assert_eq!(store.deliveries_since().await, Ok(Some(20)));
        store.save_recovery(Some(10), None, 50).await.unwrap();
        assert_eq!(store.deliveries_since().await, Ok(Some(10)), "it was there before the first that is kept");
    }

    #[tokio::test]
    async fn a_reading_goes_on_where_it_stopped() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.recovery().await, Ok(RecoveryState::default()));
        let walk = LogWalk { started: 100, cursor: "v1_2".to_owned() };
        store.save_recovery(None, Some(&walk), 110).await.unwrap();
        store.close().await;
        let store = place.open().await;
        let expected = RecoveryState { good_until: None, looked_at: Some(110), walk: Some(walk) };
        assert_eq!(store.recovery().await, Ok(expected.clone()));
        store.read_anew().await.unwrap();
        assert_eq!(store.recovery().await, Ok(RecoveryState { walk: None, ..expected }));
        store.save_recovery(Some(100), None, 120).await.unwrap();
        let expected = RecoveryState { good_until: Some(100), looked_at: Some(120), walk: None };
        assert_eq!(store.recovery().await, Ok(expected));
    }
}
