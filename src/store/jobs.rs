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
mod tests;
