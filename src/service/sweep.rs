//! Now and again: check runs that stand unfinished with nobody at work on them are asked for again, which is what an
//! outage leaves behind that lasted longer than the tries of a job.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::{App, assess::pull_request_key, merge_group};
use crate::store::StoreError;

/// Time between two looks. Where GitHub is still down, each costs as many requests as a job has tries.
const EVERY: Duration = Duration::from_secs(300);
/// Older ones GitHub itself has marked as stale.
const OLDEST: TimeDelta = TimeDelta::days(14);

/// Looks at once, then now and again until `stop`.
pub(super) async fn sweep(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = look(&app).await {
            tracing::error!(%error, "unfinished check runs could not be looked for");
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
        if row.attempted_at <= oldest || app.store.is_out_of_reach(row.repository_id).await? {
            continue;
        }
        let key = match row.pull_request {
            Some(pull_request) => pull_request_key(row.repository_id, pull_request),
            None => merge_group::key(row.repository_id, &row.head_sha),
        };
        if app.store.revive_job(&key, app.clock.now_ms()).await? {
            let repository = app.store.repository_name(row.repository_id).await?;
            tracing::warn!(
                job.key = %key, repository, pr.number = row.pull_request, head = %row.head_sha,
                "a check run was left unfinished; it is taken up again"
            );
            revived = true;
        }
    }
    if revived {
        app.jobs.notify_waiters();
    }
    Ok(())
}
