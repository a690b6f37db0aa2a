//! Overrides in the running App: what stands for a pull request, what ended it, and the instant at which one expires.
//!
//! The rules are in `risk::overrides`; this tells them what happened and keeps what they say.

use chrono::{DateTime, Utc};

use super::{App, assess::Outcome, assess::PullRequestJob, metrics, number, route};
use crate::{
    github::{PullRequest, webhook::PullRequestAction, webhook::PullRequestEvent},
    risk::overrides::{Happening, Made, Override, ended_by, standing},
    store::{Ended, JobRequest, StoreError},
};

/// Kind of the jobs that look at an override when its time is over.
pub(super) const OVERRIDE: &str = "override";

/// The override that stands for a pull request, for the facts: what no longer holds is ended first.
pub(super) async fn in_force(
    app: &App,
    pull: &PullRequest,
    wanted: &PullRequestJob,
) -> Result<Option<Override>, Outcome> {
    let (head_sha, base_ref) = (pull.head_sha.as_str(), pull.base_ref.as_str());
    let happening = Happening::Seen { head_sha, base_ref, now: app.clock.now() };
    Ok(happened(app, wanted, happening).await?.map(|made| made.terms))
}

/// What a webhook about a pull request means for its override: a push ends it even if the commit comes back later.
pub(super) async fn heard(app: &App, event: &PullRequestEvent, job: &PullRequestJob) -> Result<(), StoreError> {
    let at = event.pull.updated_at;
    let happening = match event.action {
        PullRequestAction::Synchronize => Happening::Pushed { head_sha: &event.pull.head_sha, at },
        PullRequestAction::Edited { base: true, .. } => Happening::Retargeted { at },
        _ => return Ok(()),
    };
    happened(app, job, happening).await.map(drop)
}

/// Tells the override of a pull request what happened; gives the one that still stands.
async fn happened(app: &App, job: &PullRequestJob, happening: Happening<'_>) -> Result<Option<Made>, StoreError> {
    let pull_request = number(job.number);
    let ledger = app.store.override_ledger(job.repository_id, pull_request).await?;
    let Some(made) = standing(&ledger) else { return Ok(None) };
    let Some(end) = ended_by(made, happening) else { return Ok(Some(made.clone())) };
    let (id, at) = (made.terms.id.as_str(), app.clock.now());
    let ended = Ended { id, repository_id: job.repository_id, pull_request, at, end, by: None };
    app.store.end_override(&ended, &[due(job, at)]).await?;
    metrics::overridden(end.word());
    tracing::info!(
        repository = %job.repository, pr.number = job.number, head = %made.terms.head_sha, end = end.word(),
        "an override ended"
    );
    Ok(None)
}

/// The request to look at an override at an instant: when it expires, or at once when it has ended otherwise, so that
/// nothing is left waiting for it.
pub(super) fn due(job: &PullRequestJob, at: DateTime<Utc>) -> JobRequest {
    JobRequest {
        key: format!("override:{}:{}", job.repository_id, job.number),
        kind: OVERRIDE.to_owned(),
        payload: serde_json::to_string(job).expect("a job is plain data"),
        run_at: at.timestamp_millis(),
        replaces: true,
    }
}

/// Looks at an override whose time may be over; the check run is then written again without it.
pub(super) async fn run(app: &App, job: &PullRequestJob) -> Result<(), Outcome> {
    let before = app.store.override_ledger(job.repository_id, number(job.number)).await?;
    let Some(until) = standing(&before).map(|made| made.terms.until) else { return Ok(()) };
    let now = app.clock.now();
    if now < until {
        return Err(Outcome::Wait { until, why: "the override holds until then".to_owned() });
    }
    // Asked for first: should this process end in between, the pull request is looked at once too often, not once too
    // seldom. What it finds to be over it ends itself.
    app.store.request_job(&route::request(job, now.timestamp_millis()), now.timestamp_millis()).await?;
    happened(app, job, Happening::Clock { now }).await?;
    app.jobs.notify_waiters();
    Ok(())
}
