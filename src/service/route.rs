//! A stored delivery -> the jobs it asks for. Nothing is asked of GitHub here; most deliveries ask for nothing.

use chrono::{DateTime, Utc};

use super::{
    App,
    assess::{COMMIT, CommitJob, PULL_REQUEST, PullRequestJob},
    check_run::RUNS,
    commands, installations, merge_group, mirrors, number, overrides,
    turns::Kind,
};
use crate::{
    codeowners::PLACES,
    config::repository,
    github::webhook::{CheckRunAction, CheckSuiteAction, Event, Origin, PullRequestAction, PullSummary, PushEvent},
    report::check_run::{ACKNOWLEDGE, RESCORE},
    risk::revert::claim,
    store::{Delivery, DeliveryOutcome, JobRequest, Pushed, StoreError},
};

/// What a delivery leads to.
pub(super) struct Routed {
    pub outcome: DeliveryOutcome,
    pub jobs: Vec<JobRequest>,
}

/// Why a delivery could not be routed.
pub(super) enum Error {
    /// It is not what its event must hold; trying again will not mend it.
    Unreadable(String),
    Store(StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A commit on which something happened, and the pull requests that the payload lists for it (none for forks).
struct OnCommit<'a> {
    origin: &'a Origin,
    sha: &'a str,
    pulls: &'a [u64],
}

pub(super) async fn route(app: &App, delivery: &Delivery) -> Result<Routed, Error> {
    let event = Event::parse(&delivery.event, &delivery.body).map_err(|error| Error::Unreadable(error.to_string()))?;
    if event.is_ours(app.app_id) {
        return Ok(ignored());
    }
    let now = app.clock.now_ms();
    let burst = now + app.timing.burst.as_millis() as i64;
    match &event {
        Event::PullRequest(event) => {
            let run_at = match event.action {
                PullRequestAction::Enqueued | PullRequestAction::Dequeued => return Ok(ignored()),
                PullRequestAction::Edited { base: false, title: false, body: false } => return Ok(ignored()),
                PullRequestAction::Labeled
                | PullRequestAction::Unlabeled
                | PullRequestAction::ReviewRequested
                | PullRequestAction::ReviewRequestRemoved => burst,
                _ => now,
            };
            let job = pull_job(&event.origin, &event.pull);
            if let Some(job) = &job {
                overrides::heard(app, event, job).await?;
            }
            Ok(wanted(job, run_at))
        }
        Event::PullRequestReview(event) => Ok(wanted(pull_job(&event.origin, &event.pull), now)),
        Event::CheckRun(event) => {
            let on = OnCommit { origin: &event.origin, sha: &event.head_sha, pulls: &event.pulls };
            match &event.action {
                CheckRunAction::Created => Ok(ignored()),
                CheckRunAction::Completed => seen_commit(app, &on, burst).await,
                CheckRunAction::Rerequested => again(app, &on, now).await,
                CheckRunAction::RequestedAction { identifier } if identifier == RESCORE => again(app, &on, now).await,
                CheckRunAction::RequestedAction { identifier } if identifier == ACKNOWLEDGE => {
                    Ok(commands::acknowledged(app, delivery, event).await?.unwrap_or_else(ignored))
                }
                CheckRunAction::RequestedAction { .. } => Ok(ignored()),
            }
        }
        Event::CheckSuite(event) => {
            let on = OnCommit { origin: &event.origin, sha: &event.head_sha, pulls: &event.pulls };
            match event.action {
                CheckSuiteAction::Completed => seen_commit(app, &on, burst).await,
                CheckSuiteAction::Rerequested => again(app, &on, now).await,
                CheckSuiteAction::Requested => Ok(ignored()),
            }
        }
        Event::Status(event) => {
            seen_commit(app, &OnCommit { origin: &event.origin, sha: &event.sha, pulls: &[] }, burst).await
        }
        Event::WorkflowRun(event) => {
            let on = OnCommit { origin: &event.origin, sha: &event.head_sha, pulls: &event.pulls };
            seen_commit(app, &on, burst).await
        }
        Event::Installation(event) => {
            // A token keeps the permissions that it was made with.
            app.github.forget(event.installation_id).await;
            Ok(reread(event.installation_id, now))
        }
        Event::Repository(event) => Ok(event.origin.installation_id.map_or_else(ignored, |id| reread(id, burst))),
        Event::MergeGroup(event) => merge_group::route(app, event, now).await,
        Event::IssueComment(event) => Ok(commands::commented(app, delivery, event).await?.unwrap_or_else(ignored)),
        Event::Push(event) => pushed(app, event).await,
        Event::Ping | Event::Ignored(_) => Ok(ignored()),
    }
}

/// A push asks for no job, but the mirror may have to follow, and where it changes who owns what or the policy, the open pull
/// requests of its branch are looked at again. Where a base branch is pushed anew without commits that it had, nothing says
/// what changed.
async fn pushed(app: &App, event: &PushEvent) -> Result<Routed, Error> {
    let repository_id = number(event.origin.repository.id);
    let Some(branch) = event.branch() else { return Ok(ignored()) };
    let followed = mirrors::pushed(app, repository_id, branch).await?;
    let owners = (event.forced && followed) || event.paths.iter().any(|path| PLACES.contains(&path.as_str()));
    let policy = event.paths.iter().any(|path| path == repository::PATH);
    let pushed = if owners { Some(Pushed::Owners) } else { policy.then_some(Pushed::Policy) };
    if let Some(pushed) = pushed {
        let now = app.clock.now_ms();
        app.store.note_rules_pushed(repository_id, branch, pushed, now).await?;
        app.turns.soon(Kind::Heads, now);
    }
    let outcome = if followed || pushed.is_some() { DeliveryOutcome::Done } else { DeliveryOutcome::Ignored };
    Ok(Routed { outcome, jobs: Vec::new() })
}

/// A check or status ended on a commit. Only heads that were scored matter: a head that was not gets its own event.
async fn seen_commit(app: &App, on: &OnCommit<'_>, run_at: i64) -> Result<Routed, Error> {
    let pulls = app.store.pull_requests_of_head(number(on.origin.repository.id), on.sha).await?;
    Ok(all_wanted(on, &pulls, run_at))
}

/// Somebody wants our run on a commit again. What it says may not have changed, but it must be written.
async fn again(app: &App, on: &OnCommit<'_>, now: i64) -> Result<Routed, Error> {
    let id = number(on.origin.repository.id);
    if let Some(routed) = merge_group::again(app, on.origin, on.sha, now).await? {
        return Ok(routed);
    }
    for name in RUNS {
        app.store.reopen_check_run(id, on.sha, name).await?;
    }
    let known = app.store.pull_requests_of_head(id, on.sha).await?;
    if !known.is_empty() {
        return Ok(all_wanted(on, &known, now));
    }
    if let Some(pull) = on.pulls.first() {
        return Ok(wanted(commit_job(on, *pull), now));
    }
    // The database does not know this commit and a fork's payload lists no pull request: GitHub is asked by a job.
    let Some(installation_id) = on.origin.installation_id else { return Ok(ignored()) };
    let job = CommitJob {
        installation_id,
        repository_id: id,
        repository: on.origin.repository.name.to_string(),
        sha: on.sha.to_owned(),
    };
    Ok(Routed {
        outcome: DeliveryOutcome::Done,
        jobs: vec![JobRequest {
            key: job.key(),
            kind: COMMIT.to_owned(),
            payload: text(&job),
            run_at: now,
            replaces: true,
        }],
    })
}

fn pull_job(origin: &Origin, pull: &PullSummary) -> Option<PullRequestJob> {
    Some(PullRequestJob {
        installation_id: origin.installation_id?,
        repository_id: number(origin.repository.id),
        repository: origin.repository.name.to_string(),
        number: pull.number,
        head_sha: Some(pull.head_sha.clone()),
        updated_at: pull.updated_at,
        undoes: claim(&pull.title, &pull.body),
    })
}

fn commit_job(on: &OnCommit<'_>, pull: u64) -> Option<PullRequestJob> {
    Some(PullRequestJob {
        installation_id: on.origin.installation_id?,
        repository_id: number(on.origin.repository.id),
        repository: on.origin.repository.name.to_string(),
        number: pull,
        head_sha: None,
        updated_at: None::<DateTime<Utc>>,
        undoes: None,
    })
}

/// The request for a score, due at `run_at` (unix ms).
pub(super) fn request(job: &PullRequestJob, run_at: i64) -> JobRequest {
    JobRequest {
        key: job.key(),
        kind: PULL_REQUEST.to_owned(),
        payload: text(job),
        run_at,
        // An event about a check does not know the pull request's head; what waits may know it.
        replaces: job.head_sha.is_some(),
    }
}

/// Something changed about an installation; GitHub is asked what.
fn reread(installation_id: u64, run_at: i64) -> Routed {
    Routed { outcome: DeliveryOutcome::Done, jobs: vec![installations::request(installation_id, run_at)] }
}

/// A delivery without an installation came through a repository's own hook; the App cannot act on it.
fn wanted(job: Option<PullRequestJob>, run_at: i64) -> Routed {
    job.map_or_else(ignored, |job| Routed { outcome: DeliveryOutcome::Done, jobs: vec![request(&job, run_at)] })
}

/// A request for each pull request that stands on the commit.
fn all_wanted(on: &OnCommit<'_>, pulls: &[i64], run_at: i64) -> Routed {
    let jobs: Vec<JobRequest> =
        pulls.iter().filter_map(|pull| commit_job(on, pull.unsigned_abs())).map(|job| request(&job, run_at)).collect();
    if jobs.is_empty() { ignored() } else { Routed { outcome: DeliveryOutcome::Done, jobs } }
}

pub(super) fn ignored() -> Routed {
    Routed { outcome: DeliveryOutcome::Ignored, jobs: Vec::new() }
}

pub(super) fn text(job: &impl serde::Serialize) -> String {
    serde_json::to_string(job).expect("a job is plain data")
}
