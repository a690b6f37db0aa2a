//! Overrides in the running App: what stands for a pull request, what ended it, and the instant at which one expires.
//!
//! The rules are in `risk::overrides`; this tells them what happened and keeps what they say.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{App, assess::Outcome, assess::PullRequestJob, metrics, number, route};
use crate::{
    github::{PullRequest, webhook::PullRequestAction, webhook::PullRequestEvent},
    risk::overrides::{Happening, Made, Override, ended_by, standing},
    store::{Ended, JobRequest, Move, StoreError},
};

/// Kind of the jobs that look at an override when its time is over.
pub(super) const OVERRIDE: &str = "override";

/// What such a job is about: one override. Each has a job of its own, so that none waits for the end of another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OverrideJob {
    pull: PullRequestJob,
    override_id: String,
}

/// The override that stands for a pull request, for the facts: what no longer holds is ended first.
pub(super) async fn in_force(
    app: &App,
    pull: &PullRequest,
    wanted: &PullRequestJob,
) -> Result<Option<Override>, Outcome> {
    // A push or another base that was heard of just before the override was stored found none to end.
    let moved = app.store.latest_move(wanted.repository_id, number(wanted.number)).await?;
    if let Some(moved) = &moved {
        happened(app, wanted, happening(moved)).await?;
    }
    let (head_sha, base_ref) = (pull.head_sha.as_str(), pull.base_ref.as_str());
    let happening = Happening::Seen { head_sha, base_ref, now: app.clock.now() };
    Ok(happened(app, wanted, happening).await?.map(|made| made.terms))
}

/// What a webhook about a pull request means for its override: a push ends it even if the commit comes back later.
pub(super) async fn heard(app: &App, event: &PullRequestEvent, job: &PullRequestJob) -> Result<(), StoreError> {
    let at = event.pull.updated_at.unwrap_or_else(|| app.clock.now());
    let head_sha = match event.action {
        PullRequestAction::Synchronize => Some(event.pull.head_sha.clone()),
        PullRequestAction::Edited { base: true, .. } => None,
        _ => return Ok(()),
    };
    let moved = Move { head_sha, at };
    app.store.moved(job.repository_id, number(job.number), &moved).await?;
    happened(app, job, happening(&moved)).await.map(drop)
}

/// What a move is to overrides.
pub(super) fn happening(moved: &Move) -> Happening<'_> {
    let at = Some(moved.at);
    match &moved.head_sha {
        Some(head_sha) => Happening::Pushed { head_sha, at },
        None => Happening::Retargeted { at },
    }
}

/// Tells the override of a pull request what happened; gives the one that still stands.
async fn happened(app: &App, job: &PullRequestJob, happening: Happening<'_>) -> Result<Option<Made>, StoreError> {
    let pull_request = number(job.number);
    let ledger = app.store.override_ledger(job.repository_id, pull_request).await?;
    let Some(made) = standing(&ledger) else { return Ok(None) };
    let Some(end) = ended_by(made, happening) else { return Ok(Some(made.clone())) };
    let (id, at) = (made.terms.id.as_str(), app.clock.now());
    let ended = Ended { id, repository_id: job.repository_id, pull_request, at, end, by: None };
    app.store.end_override(&ended, &[due(job, id, at)]).await?;
    metrics::overridden(end.word());
    tracing::info!(
        repository = %job.repository, pr.number = job.number, head = %made.terms.head_sha, end = end.word(),
        "an override ended"
    );
    Ok(None)
}

/// The request to look at an override at an instant: when it expires, or at once when it has ended otherwise, so that
/// nothing is left waiting for it.
pub(super) fn due(pull: &PullRequestJob, override_id: &str, at: DateTime<Utc>) -> JobRequest {
    let job = OverrideJob { pull: pull.clone(), override_id: override_id.to_owned() };
    JobRequest {
        key: format!("override:{}:{}:{override_id}", pull.repository_id, pull.number),
        kind: OVERRIDE.to_owned(),
        payload: route::text(&job),
        run_at: at.timestamp_millis(),
        replaces: true,
    }
}

/// Looks at an override whose time may be over; the check run is then written again without it.
pub(super) async fn run(app: &App, job: &OverrideJob) -> Result<(), Outcome> {
    let OverrideJob { pull: job, override_id } = job;
    let before = app.store.override_ledger(job.repository_id, number(job.number)).await?;
    let terms = standing(&before).map(|made| &made.terms).filter(|terms| terms.id == *override_id);
    let Some(until) = terms.map(|terms| terms.until) else { return Ok(()) };
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
