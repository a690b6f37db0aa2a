//! Deliveries: accepted once and durably, claimed in the order they came with a lease, then finished, retried or buried.

use std::time::Duration;

use super::{
    Result, Store,
    db::{Row, Statement, Val, limit},
    jobs::{self, JobRequest},
};

/// A delivery as it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// `X-GitHub-Delivery`: the key that makes duplicates one.
    pub delivery_id: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// `action` of the payload, if it has one.
    pub action: Option<String>,
    /// Installation that sent it, if it names one.
    pub installation_id: Option<i64>,
    /// When it came, in milliseconds since 1970.
    pub received_at: i64,
    /// The JSON payload, byte for byte.
    pub body: Vec<u8>,
    /// Whether there is anything to do.
    pub state: DeliveryState,
}

/// Whether an accepted delivery is to be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for a worker.
    Queued,
    /// It is kept, and nothing follows from it.
    Ignored,
}

/// What became of a delivery that came in. Both mean that it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is new.
    Stored,
    /// It was there already.
    Duplicate,
}

/// A claimed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its key.
    pub delivery_id: String,
    /// The event's name.
    pub event: String,
    /// The payload's action, if it has one.
    pub action: Option<String>,
    /// Installation that sent it, if it names one.
    pub installation_id: Option<i64>,
    /// When it came, in milliseconds since 1970.
    pub received_at: i64,
    /// The JSON payload, byte for byte.
    pub body: Vec<u8>,
    /// How often it was claimed, this time included.
    pub attempts: i64,
}

/// How work on a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// What follows from it is done or is a job.
    Done,
    /// Nothing follows from it.
    Ignored,
}

/// How many deliveries there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting, or being worked on.
    pub queued: i64,
    /// Finished.
    pub done: i64,
    /// Nothing followed from them.
    pub ignored: i64,
    /// Given up.
    pub buried: i64,
    /// When the oldest of the queued came, in milliseconds since 1970.
    pub oldest_queued_at: Option<i64>,
}

/// What waits and what was given up, of deliveries or of jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Waiting, or being worked on.
    pub queued: i64,
    /// Given up.
    pub buried: i64,
    /// Since when the oldest of the queued has been, in milliseconds since 1970.
    pub oldest_queued_at: Option<i64>,
}

impl Backlog {
    /// Rows of state, count and oldest.
    pub(super) fn read(rows: Vec<Row>) -> Result<Self> {
        let mut backlog = Self::default();
        for mut row in rows {
            match row.take::<String>(0)?.as_str() {
                "queued" => (backlog.queued, backlog.oldest_queued_at) = (row.take(1)?, row.take(2)?),
                _ => backlog.buried = row.take(1)?,
            }
        }
        Ok(backlog)
    }
}

/// Bytes of bodies that are claimed at a time: hundreds of usual size, and few enough of the largest (25 MB) that a
/// backlog of them does not fill the memory.
const CLAIM_BYTES: i64 = 8 << 20;

/// The states of a delivery that waits for nothing.
const AT_REST: [&str; 3] = ["done", "ignored", "buried"];

impl Store {
    /// Keeps a delivery; it survives a power cut once this returns `Ok`. One that was given up and is delivered again is
    /// taken up again.
    ///
    /// # Errors
    /// [`super::StoreError::Full`] and [`super::StoreError::Busy`] pass; then the sender is to come again.
    pub async fn accept(&self, delivery: &NewDelivery) -> Result<Accepted> {
        let (state, done_at) = match delivery.state {
            DeliveryState::Queued => ("queued", None),
            DeliveryState::Ignored => ("ignored", Some(delivery.received_at)),
        };
        let args = vec![
            Val::from(&delivery.delivery_id),
            Val::from(&delivery.event),
            delivery.action.as_ref().into(),
            delivery.installation_id.into(),
            delivery.received_at.into(),
            state.into(),
            done_at.into(),
            delivery.body.clone().into(),
        ];
        let done = self.db.exec(ACCEPT, args).await?;
        Ok(if done.changed == 0 { Accepted::Duplicate } else { Accepted::Stored })
    }

    /// Claims up to `most` deliveries that are due at `now`, oldest first, and no more than [`CLAIM_BYTES`] of them, or a
    /// single larger one: whoever claims holds all of them in memory. None means that none is due. A claim that is
    /// neither finished, retried nor buried within `lease` may be claimed again.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is claimed.
    pub async fn claim_deliveries(&self, now: i64, lease: Duration, most: usize) -> Result<Vec<Delivery>> {
        let args = vec![now.into(), lease_end(now, lease).into(), limit(most), CLAIM_BYTES.into()];
        let rows = self.db.exec(CLAIM, args).await?.rows;
        let mut claimed = rows.into_iter().map(delivery).collect::<Result<Vec<_>>>()?;
        // RETURNING promises no order.
        claimed.sort_by(|a, b| (a.received_at, &a.delivery_id).cmp(&(b.received_at, &b.delivery_id)));
        Ok(claimed)
    }

    /// Ends work on a delivery and requests the jobs that follow from it, all in one transaction. A delivery that was
    /// finished meanwhile by somebody else requests nothing again.
    ///
    /// # Errors
    /// Whatever the database fails with; then the delivery is as it was.
    pub async fn finish_delivery(
        &self,
        delivery_id: &str,
        now: i64,
        outcome: DeliveryOutcome,
        jobs: &[JobRequest],
    ) -> Result<()> {
        let state = match outcome {
            DeliveryOutcome::Done => "done",
            DeliveryOutcome::Ignored => "ignored",
        };
        let mut statements: Vec<Statement> =
            jobs.iter().map(|job| jobs::request_from_delivery(job, now, delivery_id)).collect();
        statements.push((FINISH, vec![delivery_id.into(), now.into(), state.into()]));
        self.db.tx(statements).await.map(drop)
    }

    /// Puts a delivery back until `run_at`.
    ///
    /// # Errors
    /// Whatever the database fails with; then its lease lapses by itself.
    pub async fn retry_delivery(&self, delivery_id: &str, run_at: i64, error: &str) -> Result<()> {
        self.db.exec(RETRY, vec![delivery_id.into(), run_at.into(), error.into()]).await.map(drop)
    }

    /// Gives a delivery up; it is kept and counted.
    ///
    /// # Errors
    /// Whatever the database fails with; then its lease lapses by itself.
    pub async fn bury_delivery(&self, delivery_id: &str, now: i64, error: &str) -> Result<()> {
        self.db.exec(BURY, vec![delivery_id.into(), now.into(), error.into()]).await.map(drop)
    }

    /// How many deliveries there are in each state.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn inbox_counts(&self) -> Result<Counts> {
        let mut counts = Counts::default();
        for mut row in self.db.query(COUNTS, Vec::new()).await? {
            let count = row.take(1)?;
            match row.take::<String>(0)?.as_str() {
                "queued" => (counts.queued, counts.oldest_queued_at) = (count, row.take(2)?),
                "done" => counts.done = count,
                "ignored" => counts.ignored = count,
                _ => counts.buried = count,
            }
        }
        Ok(counts)
    }

    /// When the next delivery may be claimed, in milliseconds since 1970; `None` if none is queued.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn next_delivery_due(&self) -> Result<Option<i64>> {
        self.db.query_one(NEXT_DUE, Vec::new()).await?.map_or(Ok(None), |mut row| row.take(0))
    }

    /// How many deliveries wait or were given up; those that are done are not counted, which would take time where there
    /// are many.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn inbox_backlog(&self) -> Result<Backlog> {
        Backlog::read(self.db.query(BACKLOG, Vec::new()).await?)
    }

    /// Forgets deliveries that wait for nothing and came before `before`, up to `most` of each state; says how many.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_deliveries(&self, before: i64, most: usize) -> Result<u64> {
        let forget = |state: &str| (FORGET, vec![before.into(), limit(most), state.into()]);
        let done = self.db.tx(AT_REST.map(forget).into()).await?;
        Ok(done.iter().map(|done| done.changed).sum())
    }
}

/// The instant at which a lease taken at `now` lapses.
pub(super) fn lease_end(now: i64, lease: Duration) -> i64 {
    now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}

fn delivery(mut row: Row) -> Result<Delivery> {
    Ok(Delivery {
        delivery_id: row.take(0)?,
        event: row.take(1)?,
        action: row.take(2)?,
        installation_id: row.take(3)?,
        received_at: row.take(4)?,
        body: row.take(5)?,
        attempts: row.take(6)?,
    })
}

pub(super) const STATEMENTS: &[&str] = &[ACCEPT, CLAIM, FINISH, RETRY, BURY, COUNTS, BACKLOG, NEXT_DUE, FORGET];

const ACCEPT: &str = "\
INSERT INTO inbox (delivery_id, event, action, installation_id, received_at, state, run_at, done_at, body) \
VALUES ($1, $2, $3, $4, $5, $6, $5, $7, $8) \
ON CONFLICT (delivery_id) DO UPDATE SET state = excluded.state, run_at = excluded.run_at, attempts = 0, \
  lease_until = NULL, done_at = excluded.done_at WHERE inbox.state = 'buried'";

/// The innermost SELECT takes sizes along, not bodies. `total` counts the row itself, so the oldest is always taken.
const CLAIM: &str = "\
UPDATE inbox SET lease_until = $2, attempts = attempts + 1 \
WHERE delivery_id IN ( \
  SELECT delivery_id FROM ( \
    SELECT delivery_id, SUM(size) OVER (ORDER BY received_at, delivery_id) AS total, \
      ROW_NUMBER() OVER (ORDER BY received_at, delivery_id) AS place FROM ( \
      SELECT delivery_id, received_at, LENGTH(body) AS size FROM inbox \
      WHERE state = 'queued' AND run_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) \
      ORDER BY received_at, delivery_id LIMIT $3) AS due) AS summed \
  WHERE total <= $4 OR place = 1) \
RETURNING delivery_id, event, action, installation_id, received_at, body, attempts";

const FINISH: &str = "\
UPDATE inbox SET state = $3, done_at = $2, lease_until = NULL, last_error = NULL \
WHERE delivery_id = $1 AND state = 'queued'";

const RETRY: &str = "\
UPDATE inbox SET run_at = $2, lease_until = NULL, last_error = $3 \
WHERE delivery_id = $1 AND state = 'queued'";

const BURY: &str = "\
UPDATE inbox SET state = 'buried', done_at = $2, lease_until = NULL, last_error = $3 \
WHERE delivery_id = $1 AND state = 'queued'";

pub(super) const COUNTS: &str = "\
SELECT state, COUNT(*), MIN(received_at) FROM inbox GROUP BY state";

const BACKLOG: &str = "\
SELECT state, COUNT(*), MIN(received_at) FROM inbox WHERE state IN ('queued', 'buried') GROUP BY state";

const NEXT_DUE: &str = "\
SELECT MIN(CASE WHEN lease_until > run_at THEN lease_until ELSE run_at END) FROM inbox WHERE state = 'queued'";

const FORGET: &str = "\
DELETE FROM inbox WHERE delivery_id IN ( \
  SELECT delivery_id FROM inbox WHERE state = $3 AND received_at < $1 \
  ORDER BY received_at LIMIT $2)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use std::collections::BTreeSet;

    const LEASE: Duration = Duration::from_millis(60_000);

    async fn claimed_ids(store: &Store, now: i64, most: usize) -> Vec<String> {
        store.claim_deliveries(now, LEASE, most).await.unwrap().into_iter().map(|d| d.delivery_id).collect()
    }

    #[tokio::test]
    async fn what_was_accepted_is_on_the_disk() {
        let place = Place::new();
        let store = place.open().await;
        for n in 0..20 {
            assert_eq!(store.accept(&delivery_at(n)).await, Ok(Accepted::Stored));
        }
        // As a crash would leave it: whatever the files hold while the store still runs.
        let crashed = place.copy();
        drop(store);
        for place in [crashed, place] {
            let store = place.open().await;
            let claimed = store.claim_deliveries(100, LEASE, 100).await.unwrap();
            assert_eq!(claimed.len(), 20);
            let first = delivery_at(0);
            assert_eq!(
                claimed[0],
                Delivery {
                    delivery_id: first.delivery_id,
                    event: first.event,
                    action: first.action,
                    installation_id: first.installation_id,
                    received_at: 0,
                    body: first.body,
                    attempts: 1,
                }
            );
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_same_delivery_from_many_tasks_is_one() {
        let place = Place::new();
        let store = place.open().await;
        let answers = at_once(64, |_| {
            let store = store.clone();
            async move { store.accept(&delivery_at(1)).await.unwrap() }
        });
        let stored = answers.await.into_iter().filter(|answer| *answer == Accepted::Stored).count();
        assert_eq!(stored, 1);
        assert_eq!(store.inbox_counts().await.unwrap().queued, 1);
    }

    #[tokio::test]
    async fn claims_follow_arrival_and_lapse() {
        let place = Place::new();
        let store = place.open().await;
        for n in [3, 1, 2] {
            store.accept(&delivery_at(n)).await.unwrap();
        }
        assert_eq!(claimed_ids(&store, 10, 2).await, [id(1), id(2)]);
        assert_eq!(claimed_ids(&store, 10, 2).await, [id(3)]);
        assert_eq!(store.next_delivery_due().await, Ok(Some(60_010)));
        assert!(claimed_ids(&store, 60_009, 9).await.is_empty());

        store.finish_delivery(&id(2), 50, DeliveryOutcome::Done, &[]).await.unwrap();
        store.retry_delivery(&id(3), 70_000, "GitHub answered 500").await.unwrap();
        assert_eq!(store.next_delivery_due().await, Ok(Some(60_010)));
        let again = store.claim_deliveries(60_010, LEASE, 9).await.unwrap();
        assert_eq!(again.iter().map(|d| (d.delivery_id.clone(), d.attempts)).collect::<Vec<_>>(), [(id(1), 2)]);

        store.bury_delivery(&id(1), 60_020, "no such event").await.unwrap();
        assert!(claimed_ids(&store, 69_999, 9).await.is_empty());
        assert_eq!(claimed_ids(&store, 70_000, 9).await, [id(3)]);
        let expected = Counts { queued: 1, done: 1, buried: 1, oldest_queued_at: Some(3), ..Default::default() };
        assert_eq!(store.inbox_counts().await, Ok(expected));
    }

    #[tokio::test]
    async fn no_more_is_claimed_at_a_time_than_memory_is_for() {
        let place = Place::new();
        let store = place.open().await;
        let sizes_mb = [3, 3, 3, 25, 1, 4, 4, 1, 1];
        for (n, mb) in (0..).zip(sizes_mb) {
            let body = vec![b'x'; mb << 20];
            store.accept(&NewDelivery { body, ..delivery_at(n) }).await.unwrap();
        }
        let mut claims = Vec::new();
        loop {
            let claimed = store.claim_deliveries(100, LEASE, 64).await.unwrap();
            if claimed.is_empty() {
                break;
            }
            claims.push(claimed.iter().map(|one| one.body.len() >> 20).collect::<Vec<_>>());
        }
        assert_eq!(claims, [vec![3, 3], vec![3], vec![25], vec![1, 4], vec![4, 1, 1]]);
        // A body that is just the limit leaves no place for another.
        for (n, bytes) in (10..).zip([CLAIM_BYTES as usize, 1, 1]) {
            store.accept(&NewDelivery { body: vec![b'x'; bytes], ..delivery_at(n) }).await.unwrap();
        }
        assert_eq!(claimed_ids(&store, 100, 64).await, [id(10)]);
        assert_eq!(claimed_ids(&store, 100, 64).await, [id(11), id(12)]);
    }

    #[tokio::test]
    async fn what_is_ignored_is_kept_for_a_while() {
        let place = Place::new();
        let store = place.open().await;
        store.accept(&NewDelivery { state: DeliveryState::Ignored, ..delivery_at(1) }).await.unwrap();
        store.accept(&delivery_at(2)).await.unwrap();
        assert_eq!(claimed_ids(&store, 10, 9).await, [id(2)]);
        store.finish_delivery(&id(2), 10, DeliveryOutcome::Ignored, &[]).await.unwrap();
        assert_eq!(store.next_delivery_due().await, Ok(None));
        assert_eq!(store.inbox_counts().await, Ok(Counts { ignored: 2, ..Default::default() }));
        assert_eq!(store.accept(&delivery_at(1)).await, Ok(Accepted::Duplicate));
        assert_eq!(store.forget_deliveries(2, 9).await, Ok(1));
        assert_eq!(store.forget_deliveries(3, 9).await, Ok(1));
        assert_eq!(store.inbox_counts().await, Ok(Counts::default()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_backlog_is_claimed_whole_by_a_crowd_and_each_once() {
        let place = Place::new();
        let store = place.open().await;
        at_once(5_000, |n| {
            let store = store.clone();
            async move { store.accept(&delivery_at(n)).await.unwrap() }
        })
        .await;
        let claims = at_once(16, |_| {
            let store = store.clone();
            async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = claimed_ids(&store, 10_000, 37).await;
                    if claimed.is_empty() {
                        return mine;
                    }
                    for id in &claimed {
                        store.finish_delivery(id, 10_000, DeliveryOutcome::Done, &[]).await.unwrap();
                    }
                    mine.extend(claimed);
                }
            }
        });
        let claimed = claims.await.concat();
        assert_eq!(claimed.len(), 5_000);
        assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 5_000);
        assert_eq!(store.inbox_counts().await, Ok(Counts { done: 5_000, ..Default::default() }));
    }
}
