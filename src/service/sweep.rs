//! Now and again: check runs that stand unfinished with nobody at work on them are asked for again (what an outage
//! leaves behind that lasted longer than the tries of a job), and deliveries of long ago are forgotten.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::{App, assess::pull_request_key};
use crate::store::StoreError;

/// Time between two looks. Where GitHub is still down, each costs as many requests as a job has tries.
const EVERY: Duration = Duration::from_secs(300);
/// Older ones GitHub itself has marked as stale.
const OLDEST: TimeDelta = TimeDelta::days(14);

/// How long deliveries are kept, so that they can be worked on again.
const RETENTION: TimeDelta = TimeDelta::days(90);
/// Deliveries forgotten in one statement, so that none holds up the writer for long.
const FORGOTTEN_AT_ONCE: usize = 500;

/// Looks at once, then now and again until `stop`.
pub(super) async fn sweep(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = look(&app).await {
            tracing::error!(%error, "unfinished check runs could not be looked for");
        }
        if let Err(error) = forget(&app).await {
            tracing::error!(%error, "old deliveries could not be forgotten");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn look(app: &App) -> Result<(), StoreError> {
    let oldest = (app.clock.now() - OLDEST).timestamp_millis();
    let mut revived = false;
    for row in app.store.unfinished_check_runs().await? {
        let Some(pull_request) = row.pull_request.filter(|_| row.attempted_at > oldest) else { continue };
        let key = pull_request_key(row.repository_id, pull_request);
        if app.store.revive_job(&key, app.clock.now_ms()).await? {
            tracing::warn!(job.key = %key, head = %row.head_sha, "a check run was left unfinished; it is taken up again");
            revived = true;
        }
    }
    if revived {
        app.jobs.notify_waiters();
    }
    Ok(())
}

async fn forget(app: &App) -> Result<(), StoreError> {
    let before = (app.clock.now() - RETENTION).timestamp_millis();
    while app.store.forget_deliveries(before, FORGOTTEN_AT_ONCE).await? == FORGOTTEN_AT_ONCE as u64 {}
    while app.store.forget_commands(before, FORGOTTEN_AT_ONCE).await? == FORGOTTEN_AT_ONCE as u64 {}
    Ok(())
}
