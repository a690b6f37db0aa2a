//! Claims stored deliveries and jobs, hands them on, and finishes, retries or buries them. It decides nothing else.
//!
//! A delivery becomes jobs (one row per pull request); a job is held by a lease while it runs, so one pull request is
//! never worked on twice at a time, and whatever a crash leaves behind is claimed again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{
    App,
    assess::{self, Outcome},
    commands, failure, metrics, route, trace,
};
use crate::store::{Delivery, Job};

/// Deliveries claimed at a time, at most; the store bounds their bytes.
const BATCH: usize = 64;
/// How long a claim stands without being renewed. Longer than any job should take, short enough after a crash.
const LEASE: Duration = Duration::from_secs(60);
/// A lease is renewed this often while its job runs.
const RENEWAL: Duration = Duration::from_secs(20);
/// The longest sleep between looks at the store; notifications wake it earlier.
const POLL: Duration = Duration::from_secs(1);
/// First wait after a failure; doubled each time.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait between tries.
const BACKOFF_LIMIT: Duration = Duration::from_secs(300);
/// Tries before a delivery or a job is buried: about 17 minutes of failures.
const ATTEMPTS: i64 = 10;

/// Further tries, each [`BACKOFF_LIMIT`] after the last, of a job whose failure could not be told: about three days.
const PATIENCE: i64 = 1_000;

/// Starts the workers; they end when `stop` is cancelled, after what they hold is finished or given back.
pub(super) fn start(app: &Arc<App>, tasks: &TaskTracker, stop: &CancellationToken) {
    tasks.spawn(deliveries(app.clone(), stop.clone()));
    for _ in 0..app.workers {
        tasks.spawn(jobs(app.clone(), stop.clone()));
    }
}

async fn deliveries(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let claimed = match app.store.claim_deliveries(app.clock.now_ms(), LEASE, BATCH).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(%error, "deliveries could not be claimed");
                Vec::new()
            }
        };
        let some = !claimed.is_empty();
        for delivery in claimed {
            let span = trace::of_delivery(&delivery.delivery_id, &delivery.event, &delivery.body);
            dispatch(&app, &delivery).instrument(span).await;
        }
        if !some {
            tokio::select! {
                () = stop.cancelled() => {}
                () = app.deliveries.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// Turns one delivery into jobs; a failure of the store is retried, a delivery that cannot be read is buried.
async fn dispatch(app: &App, delivery: &Delivery) {
    let result = match route::route(app, delivery).await {
        Ok(routed) => {
            let wakes = !routed.jobs.is_empty();
            let now = app.clock.now_ms();
            let finished = app.store.finish_delivery(&delivery.delivery_id, now, routed.outcome, &routed.jobs).await;
            if wakes {
                app.jobs.notify_waiters();
            }
            finished
        }
        Err(route::Error::Unreadable(why)) => {
            tracing::warn!(why, "delivery buried: it cannot be read");
            metrics::buried("delivery");
            app.store.bury_delivery(&delivery.delivery_id, app.clock.now_ms(), &why).await
        }
        Err(route::Error::Store(error)) => Err(error),
    };
    if let Err(error) = result {
        let run_at = app.clock.now_ms() + backoff(app, delivery.attempts).as_millis() as i64;
        tracing::error!(%error, "the delivery is tried again");
        metrics::retried("delivery");
        // If this fails too, the lease lapses and the delivery is claimed again.
        let _ = app.store.retry_delivery(&delivery.delivery_id, run_at, &error.to_string()).await;
    }
}

async fn jobs(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let woken = app.jobs.notified();
        app.rounds.begun.fetch_add(1, Ordering::SeqCst);
        let worked = round(&app).await;
        app.rounds.ended.fetch_add(1, Ordering::SeqCst);
        if worked {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = woken => {}
            () = tokio::time::sleep(wait(&app).await) => {}
        }
    }
}

/// Claims one job and works on it; `false` if there was none.
async fn round(app: &Arc<App>) -> bool {
    let token = app.clock.new_id();
    match app.store.claim_job(app.clock.now_ms(), LEASE, &token).await {
        Ok(Some(job)) => {
            let span = trace::of_job(&job);
            alone(app, job).instrument(span).await;
            return true;
        }
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "no job could be claimed"),
    }
    false
}

/// Until the next job is due, at most [`POLL`].
async fn wait(app: &App) -> Duration {
    let due = app.store.next_due().await.ok().flatten();
    let wait = due.map_or(POLL.as_millis() as i64, |at| at - app.clock.now_ms());
    Duration::from_millis(wait.clamp(1, POLL.as_millis() as i64) as u64)
}

/// Runs a job unless this process still works on the same key under a claim that has lapsed.
async fn alone(app: &Arc<App>, job: Job) {
    let key = job.key.clone();
    if app.running().insert(key.clone()) {
        run(app, job).await;
        app.running().remove(&key);
        return;
    }
    tracing::warn!("the claim on the job lapsed while it was still worked on");
    let again = app.clock.now_ms() + POLL.as_millis() as i64;
    if let Err(error) = app.store.postpone_job(&job, again, "still being worked on", false).await {
        tracing::error!(%error, "the job could not be put back");
    }
}

/// Runs one job in a task of its own, so that a panic in it is one failed job and not a dead worker.
async fn run(app: &Arc<App>, job: Job) {
    let job = Arc::new(job);
    let mut task = tokio::spawn({
        let (app, job) = (app.clone(), job.clone());
        async move { assess::run(&app, &job).await }.in_current_span()
    });
    let outcome = loop {
        tokio::select! {
            ended = &mut task => break ended,
            () = tokio::time::sleep(RENEWAL) => {
                if matches!(app.store.renew_job(&job, app.clock.now_ms(), LEASE).await, Ok(false)) {
                    tracing::error!("the claim on the job was lost; its work is abandoned");
                    task.abort();
                }
            }
        }
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) if error.is_cancelled() => return,
        Err(_) => Outcome::Broken("a defect in Mergecast ended the work (panic)".to_owned()),
    };
    if let Err(error) = settle(app, &job, outcome).await {
        // The lease lapses and the job is claimed again; every step of it may run twice.
        tracing::error!(%error, "the end of the job could not be stored");
    }
}

async fn settle(app: &App, job: &Job, outcome: Outcome) -> Result<(), crate::store::StoreError> {
    let now = app.clock.now_ms();
    match outcome {
        Outcome::Done => {
            app.store.finish_job(job, now).await?;
            metrics::ended(job.received_at, now);
        }
        Outcome::Wait { until, why } => {
            tracing::info!(%until, why, "the job waits");
            app.store.postpone_job(job, due(until, now), &why, false).await?;
        }
        Outcome::Retry(why) if job.attempts < ATTEMPTS => {
            let wait = backoff(app, job.attempts);
            tracing::warn!(why, wait_ms = wait.as_millis() as u64, "the job is tried again");
            metrics::retried("job");
            app.store.postpone_job(job, now + wait.as_millis() as i64, &why, true).await?;
        }
        Outcome::Retry(why) | Outcome::Broken(why) => give_up(app, job, &why).await?,
    }
    Ok(())
}

/// Buries a job once people can see on the pull request that it failed. Where GitHub takes no writes either, the job
/// stays, so that no check run is left unfinished and no pull request without a word.
async fn give_up(app: &App, job: &Job, why: &str) -> Result<(), crate::store::StoreError> {
    let reference = app.clock.new_id();
    let unsaid = failure::say_failure(app, job, &reference).await;
    let now = app.clock.now_ms();
    let later = match &unsaid {
        Some(Outcome::Wait { until, .. }) => Some(due(*until, now)),
        Some(Outcome::Retry(_)) => Some(now + app.clock.jitter(BACKOFF_LIMIT).as_millis() as i64),
        None | Some(Outcome::Done | Outcome::Broken(_)) => None,
    };
    if let Some(run_at) = later.filter(|_| job.attempts < ATTEMPTS + PATIENCE) {
        tracing::error!(why, ?unsaid, "the job failed, and GitHub takes no word of it; both are tried again");
        metrics::retried("job");
        app.store.postpone_job(job, run_at, why, true).await?;
        return Ok(());
    }
    let command = if job.kind == commands::COMMANDS { commands::give_up(app, job).await? } else { None };
    tracing::error!(why, ?unsaid, reference, command.key = command, "job buried");
    metrics::buried("job");
    app.store.bury_job(job, now, &format!("{why} (reference {reference})")).await?;
    Ok(())
}

/// The first whole millisecond after `until`: just before it, a rate limit still stands.
fn due(until: DateTime<Utc>, now: i64) -> i64 {
    until.timestamp_millis().max(now) + 1
}

/// Exponential backoff, with jitter so that what failed together does not come back together.
fn backoff(app: &App, attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or(0);
    let wait = BACKOFF.saturating_mul(1 << doublings).min(BACKOFF_LIMIT);
    app.clock.jitter(wait)
}
