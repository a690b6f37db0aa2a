//! Jobs: one row for each thing to work on, so that requests for it coalesce and its lease keeps it to one run at a time.

use std::time::Duration;

use super::{
    Result, Store,
    db::{Statement, Val, limit},
    inbox::{Backlog, lease_end},
};

/// A wish that something be worked on.
///
/// A request for what is queued already adds to it: the newest payload replaces the older one, and the earlier `run_at`
/// holds. A request for what runs just now leads to one more run after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// What it is about, such as `pr:{repository id}:{number}`.
    pub key: String,
    /// What to do.
    pub kind: String,
    /// What is needed to do it, as JSON.
    pub payload: String,
    /// Not before this instant, in milliseconds since 1970.
    pub run_at: i64,
    /// Whether the payload replaces the one of a job that is there; one that knows less does not.
    pub replaces: bool,
}

/// A claimed job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it is about.
    pub key: String,
    /// What to do.
    pub kind: String,
    /// What is needed to do it, as JSON: the newest request's.
    pub payload: String,
    /// Requests so far; finishing answers these and no later ones.
    pub wanted: i64,
    /// How often it was claimed since it last ended, this time included.
    pub attempts: i64,
    /// Proof of this claim.
    pub token: String,
    /// The newest delivery that asked for it, if one did.
    pub delivery_id: Option<String>,
    /// When the oldest delivery that it answers came, in milliseconds since 1970.
    pub received_at: Option<i64>,
}

/// How many jobs there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Waiting, or running.
    pub queued: i64,
    /// Nothing to do.
    pub idle: i64,
    /// Given up until the next request.
    pub buried: i64,
    /// Since when the oldest of the queued has been, in milliseconds since 1970.
    pub oldest_queued_at: Option<i64>,
}

impl Store {
    /// Requests a job.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn request_job(&self, request: &JobRequest, now: i64) -> Result<()> {
        self.db.exec(REQUEST, request_args(request, now)).await.map(drop)
    }

    /// Requests once more, with its last payload, a job that was requested before; `false` if it never was.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn request_job_again(&self, key: &str, now: i64) -> Result<bool> {
        self.db.exec(REQUEST_AGAIN, vec![key.into(), now.into()]).await.map(|done| done.changed == 1)
    }

    /// Requests once more, with its last payload, a job that is neither queued nor running; `false` if there is none.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn revive_job(&self, key: &str, now: i64) -> Result<bool> {
        self.db.exec(REVIVE, vec![key.into(), now.into()]).await.map(|done| done.changed == 1)
    }

    /// Whether a job is queued or running.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_job_queued(&self, key: &str) -> Result<bool> {
        Ok(self.db.query_one(IS_QUEUED, vec![key.into()]).await?.is_some())
    }

    /// Whether a job was put back and waits to be tried again.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_job_put_back(&self, key: &str, now: i64) -> Result<bool> {
        Ok(self.db.query_one(IS_PUT_BACK, vec![key.into(), now.into()]).await?.is_some())
    }

    /// How many jobs wait to be claimed at `now` or are running.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn jobs_due(&self, now: i64) -> Result<i64> {
        self.db.query_one(DUE, vec![now.into()]).await?.map_or(Ok(0), |mut row| row.take(0))
    }

    /// Claims the job that has been queued longest among those due at `now`, those of merge groups first: a queue of
    /// people's work waits for each of them. `token` is to be a new one for each claim:
    /// it is what tells this claim from the next one after the lease has lapsed.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is claimed.
    pub async fn claim_job(&self, now: i64, lease: Duration, token: &str) -> Result<Option<Job>> {
        let args = vec![now.into(), lease_end(now, lease).into(), token.into()];
        let Some(mut row) = self.db.exec(CLAIM, args).await?.rows.pop() else { return Ok(None) };
        Ok(Some(Job {
            key: row.take(0)?,
            kind: row.take(1)?,
            payload: row.take(2)?,
            wanted: row.take(3)?,
            attempts: row.take(4)?,
            token: token.to_owned(),
            delivery_id: row.take(5)?,
            received_at: row.take(6)?,
        }))
    }

    /// Gives up every claim on jobs and deliveries: their holder is gone. Only for a process that has the database to
    /// itself, when it starts.
    ///
    /// # Errors
    /// Whatever the database fails with; then the leases lapse by themselves.
    pub async fn release_claims(&self) -> Result<()> {
        self.db.exec(RELEASE_JOBS, Vec::new()).await?;
        self.db.exec(RELEASE_DELIVERIES, Vec::new()).await.map(drop)
    }

    /// Extends the lease; `false` if it was lost, and then the work is somebody else's.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn renew_job(&self, job: &Job, now: i64, lease: Duration) -> Result<bool> {
        self.end_claim(RENEW, job, vec![lease_end(now, lease).into()]).await
    }

    /// Ends a run that did its work. If requests came meanwhile the job is due again at once. `false` if the lease was
    /// lost, and then nothing changes.
    ///
    /// # Errors
    /// Whatever the database fails with; then the lease lapses by itself.
    pub async fn finish_job(&self, job: &Job, now: i64) -> Result<bool> {
        self.end_claim(FINISH, job, vec![job.wanted.into(), now.into()]).await
    }

    /// Puts a job back until `run_at`. An attempt that does not count (nothing was tried, say for want of rate limit) is
    /// given back. `false` if the lease was lost, and then nothing changes.
    ///
    /// # Errors
    /// Whatever the database fails with; then the lease lapses by itself.
    pub async fn postpone_job(&self, job: &Job, run_at: i64, why: &str, counts: bool) -> Result<bool> {
        let given_back = i64::from(!counts);
        self.end_claim(POSTPONE, job, vec![run_at.into(), why.into(), given_back.into()]).await
    }

    /// Gives a job up until its next request; one that came meanwhile counts as the next. `false` if the lease was lost,
    /// and then nothing changes.
    ///
    /// # Errors
    /// Whatever the database fails with; then the lease lapses by itself.
    pub async fn bury_job(&self, job: &Job, now: i64, error: &str) -> Result<bool> {
        self.end_claim(BURY, job, vec![job.wanted.into(), now.into(), error.into()]).await
    }

    /// When the next job may be claimed, in milliseconds since 1970; `None` if none is queued.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn next_due(&self) -> Result<Option<i64>> {
        self.db.query_one(NEXT_DUE, Vec::new()).await?.map_or(Ok(None), |mut row| row.take(0))
    }

    /// How many jobs there are in each state.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn job_counts(&self) -> Result<JobCounts> {
        let mut counts = JobCounts::default();
        for mut row in self.db.query(COUNTS, Vec::new()).await? {
            let count = row.take(1)?;
            match row.take::<String>(0)?.as_str() {
                "queued" => (counts.queued, counts.oldest_queued_at) = (count, row.take(2)?),
                "idle" => counts.idle = count,
                _ => counts.buried = count,
            }
        }
        Ok(counts)
    }

    /// How many jobs wait or were given up; those that rest are not counted, which would take time where many do. One
    /// that is there for the end of an override waits only once that has come: until then nothing is late.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn job_backlog(&self, now: i64) -> Result<Backlog> {
        Backlog::read(self.db.query(BACKLOG, vec![now.into()]).await?)
    }

    /// Forgets up to `most` jobs that rest and were last due before `before`; says how many.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_jobs(&self, before: i64, most: usize) -> Result<u64> {
        self.db.exec(FORGET, vec![before.into(), limit(most)]).await.map(|done| done.changed)
    }

    /// Runs a statement that holds only for whoever holds the lease; says whether it did.
    async fn end_claim(&self, sql: &'static str, job: &Job, more: Vec<Val>) -> Result<bool> {
        let mut args = vec![Val::from(&job.key), Val::from(&job.token)];
        args.extend(more);
        self.db.exec(sql, args).await.map(|done| done.changed == 1)
    }
}

/// A request as one statement among others.
pub(super) fn request(request: &JobRequest, now: i64) -> Statement {
    (REQUEST, request_args(request, now))
}

/// A request that holds only while the delivery it follows from is unfinished.
pub(super) fn request_from_delivery(request: &JobRequest, now: i64, delivery_id: &str) -> Statement {
    let mut args = request_args(request, now);
    args.push(delivery_id.into());
    (REQUEST_FROM_DELIVERY, args)
}

fn request_args(request: &JobRequest, now: i64) -> Vec<Val> {
    let JobRequest { key, kind, payload, run_at, replaces } = request;
    vec![key.into(), kind.into(), payload.into(), (*run_at).into(), now.into(), i64::from(*replaces).into()]
}

pub(super) const STATEMENTS: &[&str] = &[
    REQUEST,
    REQUEST_FROM_DELIVERY,
    REQUEST_AGAIN,
    REVIVE,
    IS_QUEUED,
    IS_PUT_BACK,
    DUE,
    CLAIM,
    RELEASE_JOBS,
    RELEASE_DELIVERIES,
    RENEW,
    FINISH,
    POSTPONE,
    BURY,
    NEXT_DUE,
    COUNTS,
    BACKLOG,
    FORGET,
];

/// Only what is queued is ever leased; to say so spares a look at every delivery there is.
const RELEASE_JOBS: &str = "\
UPDATE jobs SET lease_until = NULL, lease_token = NULL WHERE state = 'queued' AND lease_until IS NOT NULL";

const RELEASE_DELIVERIES: &str = "\
UPDATE inbox SET lease_until = NULL WHERE state = 'queued' AND lease_until IS NOT NULL";

/// What a request does to a job that is there. It makes a job due earlier, but does not cut short a pause that the job
/// was given: a burst of events during an outage would use up all attempts, and a rate limit is to be waited for.
macro_rules! merge {
    () => {
        "\
ON CONFLICT (job_key) DO UPDATE SET \
  kind = excluded.kind, wanted = jobs.wanted + 1, state = 'queued', \
  payload = CASE WHEN $6 = 1 OR jobs.state <> 'queued' THEN excluded.payload ELSE jobs.payload END, \
  run_at = CASE WHEN jobs.state = 'queued' AND (jobs.attempts > 0 OR jobs.last_error IS NOT NULL \
    OR jobs.run_at < excluded.run_at) THEN jobs.run_at ELSE excluded.run_at END, \
  last_error = CASE WHEN jobs.state = 'queued' THEN jobs.last_error ELSE NULL END, \
  queued_at = CASE WHEN jobs.state = 'queued' THEN jobs.queued_at ELSE excluded.queued_at END, \
  attempts = CASE WHEN jobs.state = 'queued' THEN jobs.attempts ELSE 0 END, \
  delivery_id = CASE WHEN jobs.state = 'queued' THEN COALESCE(excluded.delivery_id, jobs.delivery_id) \
    ELSE excluded.delivery_id END, \
  received_at = CASE WHEN jobs.state = 'queued' THEN COALESCE(jobs.received_at, excluded.received_at) \
    ELSE excluded.received_at END"
    };
}

const REQUEST: &str = concat!(
    "\
INSERT INTO jobs (job_key, kind, payload, wanted, state, run_at, queued_at) \
VALUES ($1, $2, $3, 1, 'queued', $4, $5) ",
    merge!()
);

const REQUEST_FROM_DELIVERY: &str = concat!(
    "\
INSERT INTO jobs (job_key, kind, payload, wanted, state, run_at, queued_at, delivery_id, received_at) \
SELECT $1, $2, $3, 1, 'queued', $4, $5, delivery_id, received_at FROM inbox WHERE delivery_id = $7 AND state = 'queued' ",
    merge!()
);

pub(super) const REQUEST_AGAIN: &str = "\
UPDATE jobs SET wanted = wanted + 1, state = 'queued', \
  run_at = CASE WHEN state = 'queued' AND run_at < $2 THEN run_at ELSE $2 END, \
  queued_at = CASE WHEN state = 'queued' THEN queued_at ELSE $2 END, \
  attempts = CASE WHEN state = 'queued' THEN attempts ELSE 0 END \
WHERE job_key = $1";

const REVIVE: &str = "\
UPDATE jobs SET wanted = wanted + 1, state = 'queued', run_at = $2, queued_at = $2, attempts = 0, \
  delivery_id = NULL, received_at = NULL \
WHERE job_key = $1 AND state <> 'queued'";

const IS_QUEUED: &str = "\
SELECT 1 FROM jobs WHERE job_key = $1 AND state = 'queued'";

const IS_PUT_BACK: &str = "\
SELECT 1 FROM jobs WHERE job_key = $1 AND state = 'queued' AND lease_until IS NULL AND run_at > $2 \
  AND (attempts > 0 OR last_error IS NOT NULL)";

const DUE: &str = "\
SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND run_at <= $1";

const CLAIM: &str = "\
UPDATE jobs SET lease_until = $2, lease_token = $3, attempts = attempts + 1 \
WHERE job_key = COALESCE(( \
  SELECT job_key FROM jobs \
  WHERE kind = 'merge_group' AND state = 'queued' AND run_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) \
  ORDER BY queued_at, job_key LIMIT 1), ( \
  SELECT job_key FROM jobs \
  WHERE kind = 'commands' AND state = 'queued' AND run_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) \
  ORDER BY queued_at, job_key LIMIT 1), ( \
  SELECT job_key FROM jobs \
  WHERE state = 'queued' AND run_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) \
  ORDER BY queued_at, job_key LIMIT 1)) \
RETURNING job_key, kind, payload, wanted, attempts, delivery_id, received_at";

const RENEW: &str = "\
UPDATE jobs SET lease_until = $3 WHERE job_key = $1 AND lease_token = $2";

/// Requests that came during the run are answered by the next: of their deliveries the newest is known.
const FINISH: &str = "\
UPDATE jobs SET done = $3, attempts = 0, lease_until = NULL, lease_token = NULL, last_error = NULL, \
  delivery_id = CASE WHEN wanted > $3 THEN delivery_id ELSE NULL END, \
  received_at = CASE WHEN wanted > $3 \
    THEN (SELECT inbox.received_at FROM inbox WHERE inbox.delivery_id = jobs.delivery_id) ELSE NULL END, \
  state = CASE WHEN wanted > $3 THEN 'queued' ELSE 'idle' END, \
  run_at = CASE WHEN wanted > $3 THEN $4 ELSE run_at END, \
  queued_at = CASE WHEN wanted > $3 THEN $4 ELSE NULL END \
WHERE job_key = $1 AND lease_token = $2";

const POSTPONE: &str = "\
UPDATE jobs SET run_at = $3, last_error = $4, attempts = attempts - $5, lease_until = NULL, lease_token = NULL \
WHERE job_key = $1 AND lease_token = $2";

const BURY: &str = "\
UPDATE jobs SET lease_until = NULL, lease_token = NULL, last_error = $5, \
  attempts = CASE WHEN wanted > $3 THEN 0 ELSE attempts END, \
  state = CASE WHEN wanted > $3 THEN 'queued' ELSE 'buried' END, \
  run_at = CASE WHEN wanted > $3 THEN $4 ELSE run_at END, \
  queued_at = CASE WHEN wanted > $3 THEN $4 ELSE NULL END \
WHERE job_key = $1 AND lease_token = $2";

const NEXT_DUE: &str = "\
SELECT MIN(CASE WHEN lease_until > run_at THEN lease_until ELSE run_at END) FROM jobs WHERE state = 'queued'";

pub(super) const COUNTS: &str = "\
SELECT state, COUNT(*), MIN(queued_at) FROM jobs GROUP BY state";

/// Whatever else is put off (for a rate limit, after a failure) goes on waiting since it was asked for.
const BACKLOG: &str = "\
SELECT state, COUNT(*), MIN(CASE WHEN kind = 'override' THEN run_at ELSE queued_at END) FROM jobs \
WHERE state IN ('queued', 'buried') AND (kind <> 'override' OR state = 'buried' OR run_at <= $1) GROUP BY state";

const FORGET: &str = "\
DELETE FROM jobs WHERE job_key IN ( \
  SELECT job_key FROM jobs WHERE state = 'idle' AND run_at < $1 ORDER BY run_at LIMIT $2)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::store::{DeliveryOutcome, StoreError};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const LEASE_MS: i64 = 60_000;
    const LEASE: Duration = Duration::from_millis(60_000);

    fn request(key: &str, payload: &str, run_at: i64) -> JobRequest {
        JobRequest {
            key: key.to_owned(),
            kind: "assess".to_owned(),
            payload: payload.to_owned(),
            run_at,
            replaces: true,
        }
    }

    async fn claim(store: &Store, now: i64, token: &str) -> Option<Job> {
        store.claim_job(now, LEASE, token).await.unwrap()
    }

    #[tokio::test]
    async fn thirty_two_requests_are_one_run() {
        let place = Place::new();
        let store = place.open().await;
        for n in 0..32 {
            store.accept(&delivery_at(n)).await.unwrap();
        }
        for delivery in store.claim_deliveries(100, LEASE, 32).await.unwrap() {
            let job = request("pr:1:7", &delivery.delivery_id, 100);
            store.finish_delivery(&delivery.delivery_id, 100, DeliveryOutcome::Done, &[job]).await.unwrap();
        }
        let job = claim(&store, 100, "a").await.unwrap();
        assert_eq!((job.wanted, job.payload.as_str(), job.attempts), (32, id(31).as_str(), 1));
        assert_eq!(claim(&store, 100, "b").await, None);
        assert!(store.finish_job(&job, 110).await.unwrap());
        assert_eq!(claim(&store, i64::MAX / 2, "c").await, None);
        assert_eq!(store.job_counts().await, Ok(JobCounts { idle: 1, ..Default::default() }));
    }

    #[tokio::test]
    async fn a_job_knows_its_newest_delivery_and_since_when_the_oldest_waits() {
        let place = Place::new();
        let store = place.open().await;
        let deliver = async |n: i64| {
            store.accept(&delivery_at(n)).await.unwrap();
            let jobs = [request("pr:1:7", "{}", n)];
            store.finish_delivery(&id(n), n, DeliveryOutcome::Done, &jobs).await.unwrap();
        };
        deliver(10).await;
        deliver(20).await;
        let first = claim(&store, 30, "a").await.unwrap();
        assert_eq!((first.delivery_id.clone(), first.received_at), (Some(id(20)), Some(10)));
        deliver(40).await;
        deliver(50).await;
        assert!(store.finish_job(&first, 60).await.unwrap());
        // Of what came during the run, the newest is known.
        let second = claim(&store, 60, "b").await.unwrap();
        assert_eq!((second.delivery_id.clone(), second.received_at), (Some(id(50)), Some(50)));
        assert!(store.postpone_job(&second, 70, "GitHub answered 500", true).await.unwrap());
        store.request_job(&request("pr:1:7", "{}", 65), 65).await.unwrap();
        let third = claim(&store, 70, "c").await.unwrap();
        assert_eq!((third.delivery_id.clone(), third.received_at), (Some(id(50)), Some(50)), "it waits on");
        assert!(store.finish_job(&third, 80).await.unwrap());
        // What nobody delivered has no delivery.
        assert!(store.revive_job("pr:1:7", 90).await.unwrap());
        let revived = claim(&store, 90, "d").await.unwrap();
        assert_eq!((revived.delivery_id, revived.received_at), (None, None));
    }

    #[tokio::test]
    async fn jobs_at_rest_are_forgotten_and_others_are_not() {
        let place = Place::new();
        let store = place.open().await;
        for (key, at) in [("pr:1:1", 10), ("pr:1:2", 20), ("pr:1:3", 30), ("pr:1:4", 40)] {
            store.request_job(&request(key, "{}", at), at).await.unwrap();
        }
        for (key, at) in [("pr:1:1", 10), ("pr:1:2", 20)] {
            let job = claim(&store, at, key).await.unwrap();
            assert!(store.finish_job(&job, at).await.unwrap());
        }
        let job = claim(&store, 30, "b").await.unwrap();
        assert!(store.bury_job(&job, 30, "why").await.unwrap());
        let backlog = Backlog { queued: 1, buried: 1, oldest_queued_at: Some(40) };
        assert_eq!(store.job_backlog(1_000).await, Ok(backlog));
        assert_eq!(store.forget_jobs(20, 9).await, Ok(1), "the one before 20");
        assert_eq!(store.forget_jobs(1_000, 9).await, Ok(1), "neither what waits nor what was given up");
        assert_eq!(store.job_backlog(1_000).await, Ok(backlog));
        assert_eq!(store.job_counts().await.unwrap().idle, 0);
    }

    #[tokio::test]
    async fn the_end_of_an_override_is_late_only_once_it_has_come() {
        let place = Place::new();
        let store = place.open().await;
        let end = JobRequest { kind: "override".to_owned(), ..request("override:1:7", "{}", 500) };
        store.request_job(&end, 10).await.unwrap();
        assert_eq!(store.job_backlog(499).await, Ok(Backlog::default()));
        let late = Backlog { queued: 1, buried: 0, oldest_queued_at: Some(500) };
        assert_eq!(store.job_backlog(500).await, Ok(late));
        // What is put off goes on waiting.
        store.request_job(&request("pr:1:7", "{}", 20), 20).await.unwrap();
        let job = claim(&store, 20, "a").await.unwrap();
        assert!(store.postpone_job(&job, 900, "a rate limit", false).await.unwrap());
        let put_off = Backlog { queued: 1, buried: 0, oldest_queued_at: Some(20) };
        assert_eq!(store.job_backlog(499).await, Ok(put_off));
    }

    /// What is looked at when the process starts, each time metrics are asked for, and every five minutes.
    #[tokio::test]
    async fn a_million_finished_rows_are_not_looked_through() {
        let place = Place::new();
        place.open().await.close().await;
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        let looks = super::super::STATEMENTS.iter().copied().flatten().filter(|sql| {
            let often = [RELEASE_JOBS, RELEASE_DELIVERIES, BACKLOG, FORGET, CLAIM, NEXT_DUE].contains(sql);
            often
                || sql.contains("FROM inbox WHERE state")
                || sql.contains("LENGTH(facts)")
                || sql.contains("stored_at < $1")
        });
        let mut looked_at = 0;
        for sql in looks {
            let sql = super::super::sqlite::rewrite_placeholders(&format!("EXPLAIN QUERY PLAN {sql}"));
            let mut explained = connection.prepare(&sql).unwrap();
            for n in 1..=explained.parameter_count() {
                explained.raw_bind_parameter(n, 1).unwrap();
            }
            let mut rows = explained.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                // The state of recovery is one row, and what is claimed at a time is counted row by row.
                let few = ["SCAN recovery", "SCAN due", "SCAN summed"].contains(&step.as_str())
                    || step.starts_with("SCAN (subquery-");
                assert!(!step.starts_with("SCAN") || few, "{step} in {sql}");
            }
            looked_at += 1;
        }
        assert!(looked_at >= 9, "{looked_at}");
    }

    #[tokio::test]
    async fn only_what_rests_is_revived() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.revive_job("pr:1:7", 10).await, Ok(false));
        store.request_job(&request("pr:1:7", "{}", 500), 10).await.unwrap();
        assert_eq!(store.revive_job("pr:1:7", 20).await, Ok(false), "a pause is not cut short");
        let job = claim(&store, 500, "a").await.unwrap();
        assert_eq!(store.revive_job("pr:1:7", 510).await, Ok(false), "it runs");
        assert!(store.bury_job(&job, 520, "why").await.unwrap());
        assert_eq!(store.revive_job("pr:1:7", 600).await, Ok(true));
        assert_eq!(claim(&store, 599, "b").await, None);
        assert_eq!(claim(&store, 600, "c").await.unwrap().attempts, 1);
    }

    #[tokio::test]
    async fn a_delivery_finished_twice_requests_once() {
        let place = Place::new();
        let store = place.open().await;
        store.accept(&delivery_at(1)).await.unwrap();
        let jobs = [request("pr:1:7", "{}", 5), request("pr:1:8", "{}", 5)];
        for _ in 0..2 {
            store.finish_delivery(&id(1), 5, DeliveryOutcome::Done, &jobs).await.unwrap();
        }
        assert_eq!(claim(&store, 5, "a").await.unwrap().wanted, 1);
        assert_eq!(claim(&store, 5, "b").await.unwrap().wanted, 1);
    }

    #[tokio::test]
    async fn a_request_during_a_run_leads_to_one_more_run() {
        let place = Place::new();
        let store = place.open().await;
        store.request_job(&request("pr:1:7", "old", 10), 10).await.unwrap();
        let first = claim(&store, 10, "a").await.unwrap();
        store.request_job(&request("pr:1:7", "new", 11), 11).await.unwrap();
        assert_eq!(claim(&store, 12, "b").await, None, "one at a time");
        assert!(store.finish_job(&first, 20).await.unwrap());
        assert_eq!(store.next_due().await, Ok(Some(20)));
        let second = claim(&store, 20, "b").await.unwrap();
        assert_eq!((second.payload.as_str(), second.wanted, second.attempts), ("new", 2, 1));

        store.request_job(&request("pr:1:7", "newest", 21), 21).await.unwrap();
        assert!(store.bury_job(&second, 30, "no such commit").await.unwrap());
        let third = claim(&store, 30, "c").await.unwrap();
        assert_eq!((third.payload.as_str(), third.wanted), ("newest", 3));
        assert!(store.bury_job(&third, 40, "no such commit").await.unwrap());
        let buried = JobCounts { buried: 1, ..Default::default() };
        assert_eq!((store.job_counts().await, store.next_due().await), (Ok(buried), Ok(None)));
        assert!(store.request_job_again("pr:1:7", 50).await.unwrap());
        assert!(!store.request_job_again("pr:1:8", 50).await.unwrap());
        let fourth = claim(&store, 50, "d").await.unwrap();
        assert_eq!((fourth.payload.as_str(), fourth.attempts), ("newest", 1));
    }

    #[tokio::test]
    async fn a_lapsed_lease_ends_nothing() {
        let place = Place::new();
        let store = place.open().await;
        store.request_job(&request("pr:1:7", "{}", 0), 0).await.unwrap();
        let slow = claim(&store, 0, "slow").await.unwrap();
        assert!(store.renew_job(&slow, 1_000, LEASE).await.unwrap());
        assert_eq!(store.next_due().await, Ok(Some(61_000)));
        assert_eq!(claim(&store, 60_999, "fast").await, None);
        let fast = claim(&store, 61_000, "fast").await.unwrap();
        assert_eq!(fast.attempts, 2);
        assert_eq!(store.renew_job(&slow, 61_001, LEASE).await, Ok(false));
        assert_eq!(store.finish_job(&slow, 61_001).await, Ok(false));
        assert_eq!(store.postpone_job(&slow, 0, "", true).await, Ok(false));
        assert_eq!(store.bury_job(&slow, 61_001, "").await, Ok(false));
        assert_eq!(store.finish_job(&fast, 61_002).await, Ok(true));
        assert_eq!(store.finish_job(&fast, 61_002).await, Ok(false));
    }

    #[tokio::test]
    async fn postponing_keeps_or_gives_back_the_attempt_and_the_earlier_time_holds() {
        let place = Place::new();
        let store = place.open().await;
        store.request_job(&request("pr:1:7", "{}", 500), 0).await.unwrap();
        store.request_job(&request("pr:1:7", "{}", 900), 1).await.unwrap();
        assert_eq!(store.next_due().await, Ok(Some(500)));
        store.request_job(&request("pr:1:7", "{}", 300), 2).await.unwrap();
        assert_eq!(store.next_due().await, Ok(Some(300)));
        assert_eq!(claim(&store, 299, "a").await, None);

        let job = claim(&store, 300, "a").await.unwrap();
        store.postpone_job(&job, 1_000, "GitHub answered 500", true).await.unwrap();
        assert_eq!(store.next_due().await, Ok(Some(1_000)));
        let job = claim(&store, 1_000, "b").await.unwrap();
        assert_eq!(job.attempts, 2);
        store.postpone_job(&job, 2_000, "rate limit", false).await.unwrap();
        assert_eq!(claim(&store, 2_000, "c").await.unwrap().attempts, 2);
    }

    #[tokio::test]
    async fn the_longest_queued_comes_first() {
        let place = Place::new();
        let store = place.open().await;
        for (queued_at, key) in [(3, "c"), (1, "a"), (2, "b")] {
            store.request_job(&request(key, "{}", 10 - queued_at), queued_at).await.unwrap();
        }
        let counts = JobCounts { queued: 3, oldest_queued_at: Some(1), ..Default::default() };
        assert_eq!(store.job_counts().await, Ok(counts));
        for key in ["a", "b", "c"] {
            assert_eq!(claim(&store, 10, key).await.unwrap().key, key);
        }
    }

    #[tokio::test]
    async fn a_merge_group_waits_for_no_backlog() {
        let place = Place::new();
        let store = place.open().await;
        for n in 0..50 {
            store.request_job(&request(&format!("pr:1:{n}"), "{}", n), n).await.unwrap();
        }
        for (n, run_at) in [(1, 100), (2, 100), (3, 999)] {
            let group = JobRequest { kind: "merge_group".to_owned(), ..request(&format!("group:1:{n}"), "{}", run_at) };
            store.request_job(&group, 60 + n).await.unwrap();
        }
        // One that is for later holds nothing up, and what is claimed is not claimed again.
        for key in ["group:1:1", "group:1:2", "pr:1:0", "pr:1:1"] {
            assert_eq!(claim(&store, 100, key).await.unwrap().key, key);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_crowd_claims_each_job_once() {
        let place = Place::new();
        let store = place.open().await;
        at_once(500, |n| {
            let store = store.clone();
            async move { store.request_job(&request(&format!("pr:1:{n}"), "{}", 0), 0).await.unwrap() }
        })
        .await;
        let claims = at_once(64, |worker| {
            let store = store.clone();
            async move {
                let mut mine = Vec::new();
                while let Some(job) = claim(&store, 0, &format!("{worker}/{}", mine.len())).await {
                    mine.push(job.key);
                }
                mine
            }
        });
        let claimed = claims.await.concat();
        assert_eq!(claimed.len(), 500);
        assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 500);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Request(u8, i64),
        Claim,
        Finish(usize),
        Postpone(usize, i64, bool),
        Bury(usize),
        Renew(usize),
        Pass(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3u8, 0..2_000i64).prop_map(|(key, wait)| Step::Request(key, wait)),
            4 => Just(Step::Claim),
            2 => any::<usize>().prop_map(Step::Finish),
            2 => (any::<usize>(), 0..2_000i64, any::<bool>()).prop_map(|(n, wait, counts)| Step::Postpone(n, wait, counts)),
            1 => any::<usize>().prop_map(Step::Bury),
            1 => any::<usize>().prop_map(Step::Renew),
            2 => (0..LEASE_MS * 2).prop_map(Step::Pass),
        ]
    }

    /// What must hold, without the store: who holds which key until when, and how many requests are unanswered.
    #[derive(Default)]
    struct Model {
        now: i64,
        claims: Vec<Job>,
        /// By key: token and end of the lease in force.
        leases: BTreeMap<String, (String, i64)>,
        requested: BTreeMap<String, i64>,
        /// Answered by a run or given up.
        settled: BTreeMap<String, i64>,
    }

    impl Model {
        fn holds(&self, job: &Job) -> bool {
            self.leases.get(&job.key).is_some_and(|(token, _)| *token == job.token)
        }

        fn release(&mut self, job: &Job, settled: bool) {
            self.leases.remove(&job.key);
            if settled {
                self.settled.insert(job.key.clone(), job.wanted);
            }
        }

        async fn take(&mut self, store: &Store, step: Step) -> Result<(), StoreError> {
            let claimed = |model: &Self, n: usize| model.claims.get(n % model.claims.len().max(1)).cloned();
            match step {
                Step::Pass(ms) => self.now += ms,
                Step::Request(key, wait) => {
                    let key = format!("pr:1:{key}");
                    let requested = self.requested.entry(key.clone()).or_default();
                    *requested += 1;
                    store.request_job(&request(&key, &requested.to_string(), self.now + wait), self.now).await?;
                }
                Step::Claim => self.claim(store).await?,
                Step::Finish(n) => {
                    let Some(job) = claimed(self, n) else { return Ok(()) };
                    let held = store.finish_job(&job, self.now).await?;
                    assert_eq!(held, self.holds(&job));
                    if held {
                        self.release(&job, true);
                    }
                }
                Step::Postpone(n, wait, counts) => {
                    let Some(job) = claimed(self, n) else { return Ok(()) };
                    let held = store.postpone_job(&job, self.now + wait, "why", counts).await?;
                    assert_eq!(held, self.holds(&job));
                    if held {
                        self.release(&job, false);
                    }
                }
                Step::Bury(n) => {
                    let Some(job) = claimed(self, n) else { return Ok(()) };
                    let held = store.bury_job(&job, self.now, "why").await?;
                    assert_eq!(held, self.holds(&job));
                    if held {
                        self.release(&job, true);
                    }
                }
                Step::Renew(n) => {
                    let Some(job) = claimed(self, n) else { return Ok(()) };
                    let held = store.renew_job(&job, self.now, LEASE).await?;
                    assert_eq!(held, self.holds(&job));
                    if held {
                        self.leases.insert(job.key, (job.token, self.now + LEASE_MS));
                    }
                }
            }
            Ok(())
        }

        async fn claim(&mut self, store: &Store) -> Result<(), StoreError> {
            let token = self.claims.len().to_string();
            let Some(job) = store.claim_job(self.now, LEASE, &token).await? else { return Ok(()) };
            let lapsed = self.leases.get(&job.key).is_none_or(|(_, until)| *until <= self.now);
            assert!(lapsed, "{} runs twice at {}", job.key, self.now);
            assert_eq!(job.payload, self.requested[&job.key].to_string(), "the newest payload");
            assert!(job.wanted > self.settled.get(&job.key).copied().unwrap_or(0), "nothing asked for {}", job.key);
            self.leases.insert(job.key.clone(), (token, self.now + LEASE_MS));
            self.claims.push(job);
            Ok(())
        }

        /// Whatever was asked for and not answered still runs, sooner or later.
        async fn drain(&mut self, store: &Store) -> Result<(), StoreError> {
            while let Some(due) = store.next_due().await? {
                self.now = self.now.max(due);
                let before = self.claims.len();
                self.claim(store).await?;
                assert_eq!(self.claims.len(), before + 1, "due at {due}, and nothing to claim");
                self.take(store, Step::Finish(before)).await?;
            }
            assert_eq!(self.settled, self.requested);
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_key_runs_twice_at_once_and_no_request_is_lost(steps in prop::collection::vec(step(), 1..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let place = Place::new();
                let store = place.open().await;
                let mut model = Model::default();
                for step in steps {
                    model.take(&store, step).await.unwrap();
                }
                model.drain(&store).await.unwrap();
            });
        }
    }
}
