//! What is old is forgotten: deliveries, the facts behind scores, jobs at rest, cached answers. Scores stay, and so does
//! the ledger of overrides.
//!
//! Rows go in small batches with pauses between, so that the writer is never held for long. The pages that become free
//! are used again, so that the file stops growing once as much goes as comes; it is not made smaller.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::{App, metrics};
use crate::store::StoreError;

pub use crate::config::Retention;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(300);
/// Rows in one statement: with bodies of usual size a few milliseconds of the writer's time.
const AT_ONCE: usize = 100;
/// What others get of the writer between two batches.
const PAUSE: Duration = Duration::from_millis(20);
/// A job at rest holds nothing that its next request would not bring; longer than the sweep looks back.
const JOBS: TimeDelta = TimeDelta::days(30);
/// An answer of GitHub's that was not asked for again for so long will hardly be.
const CACHED: TimeDelta = TimeDelta::days(30);
/// The longest window of the DORA metrics is two years, and half a year before it still decides about it.
const DEPLOYMENTS: TimeDelta = TimeDelta::days(3 * 365);

/// What is forgotten, as metrics name it.
pub(super) const KINDS: [&str; 9] =
    ["deliveries", "commands", "merge_groups", "moves", "facts", "coverage", "deployments", "jobs", "cached"];

/// Looks at once, then now and again until `stop`.
pub(super) async fn keep(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        for what in KINDS {
            if let Err(error) = forget(&app, what, &stop).await {
                tracing::error!(%error, what, "what is old could not be forgotten");
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Forgets all that is too old, batch by batch.
async fn forget(app: &App, what: &'static str, stop: &CancellationToken) -> Result<(), StoreError> {
    let mut all = 0;
    while !stop.is_cancelled() {
        let rows = batch(app, what).await?;
        all += rows;
        metrics::forgotten(what, rows);
        if rows < AT_ONCE as u64 {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if all > 0 {
        tracing::info!(what, rows = all, "old rows are forgotten");
    }
    Ok(())
}

async fn batch(app: &App, what: &'static str) -> Result<u64, StoreError> {
    let Retention { deliveries, facts } = app.retention;
    let before = |age: TimeDelta| (app.clock.now() - age).timestamp_millis();
    match what {
        "deliveries" => app.store.forget_deliveries(before(deliveries), AT_ONCE).await,
        "commands" => app.store.forget_commands(before(deliveries), AT_ONCE).await,
        "merge_groups" => app.store.forget_merge_groups(before(deliveries), AT_ONCE).await,
        // GitHub hands a command over within three days; deliveries are kept for more.
        "moves" => app.store.forget_moves(before(deliveries), AT_ONCE).await,
        "facts" => app.store.forget_facts(before(facts), AT_ONCE).await,
        "coverage" => app.store.forget_coverage(before(facts), AT_ONCE).await,
        "deployments" => app.store.forget_deployments(before(DEPLOYMENTS), AT_ONCE).await,
        "jobs" => app.store.forget_jobs(before(JOBS), AT_ONCE).await,
        _ => app.store.forget_cached(before(CACHED), AT_ONCE).await,
    }
}
