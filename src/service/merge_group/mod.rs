//! A job for a merge group: a queue of people's work waits for its check run, so it is answered soon, whatever happens.
//!
//! The queue acts on the first conclusion. So the run is in progress only while the changes are read together, for a
//! bounded time; what cannot be had by then is done without. A concluded run is written again only when somebody asks.

mod facts;
mod members;
mod owners;
mod read;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    App, Stored,
    assess::{Outcome, PullRequestJob, Scored, repository},
    check_run::{Head, RUNS, Writer},
    number,
    route::{Error, Routed, ignored, request, text},
    stored::{digest, document},
};
use crate::{
    github::{
        CheckRun, Installation, RepoName,
        webhook::{MergeGroupAction, MergeGroupEvent, Origin},
    },
    report::{
        self,
        check_run::{CheckRunText, NAME},
    },
    risk::assessment::Conclusion,
    store::{CheckRunState, DeliveryOutcome, JobRequest, MergeGroupRow, MergeGroupSeen, StoreError},
};
use read::Reading;

/// Kind of the jobs that answer merge groups. The store claims these ahead of all others.
pub(super) const MERGE_GROUP: &str = "merge_group";

/// A group that is told of so long after its commit was made is looked at first.
const LATE: TimeDelta = TimeDelta::minutes(10);

/// A merge group that something happened to. What is known of it stands in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GroupJob {
    pub installation_id: u64,
    pub repository_id: i64,
    /// `owner/name`.
    pub repository: String,
    pub head_sha: String,
    /// It was told of long after it began: by a delivery that GitHub sent again, perhaps since the database was put back from
    /// a copy.
    #[serde(default)]
    pub late: bool,
}

/// Key of the job for a merge group: one row for each commit that a queue waits on.
pub(super) fn key(repository_id: i64, head_sha: &str) -> String {
    format!("group:{repository_id}:{head_sha}")
}

/// What an event about a merge group leads to: its state is stored, and a job acts on it.
pub(super) async fn route(app: &App, event: &MergeGroupEvent, now: i64) -> Result<Routed, Error> {
    let seen = MergeGroupSeen {
        repository_id: number(event.origin.repository.id),
        head_sha: &event.head_sha,
        head_ref: &event.head_ref,
        base_sha: &event.base_sha,
        base_ref: &event.base_ref,
    };
    match &event.action {
        MergeGroupAction::ChecksRequested => app.store.merge_group_requested(&seen, now).await?,
        MergeGroupAction::Destroyed { reason } => app.store.merge_group_destroyed(&seen, reason, now).await?,
    }
    let late = event.committed_at.is_some_and(|at| now - at.timestamp_millis() > LATE.num_milliseconds());
    Ok(wanted(&event.origin, &event.head_sha, late, now))
}

/// Somebody wants our run on a commit again; `None` if it is no merge group's. Of a group that is gone nothing is said
/// anew: what stands there is the last word.
pub(super) async fn again(app: &App, origin: &Origin, sha: &str, now: i64) -> Result<Option<Routed>, StoreError> {
    let id = number(origin.repository.id);
    let Some(group) = app.store.merge_group(id, sha).await? else { return Ok(None) };
    if app.store.pull_request_of_head(id, sha).await?.is_some() {
        return Ok(None);
    }
    if group.destroyed.is_some() {
        return Ok(Some(ignored()));
    }
    app.store.merge_group_again(id, sha).await?;
    for name in RUNS {
        app.store.reopen_check_run(id, sha, name).await?;
    }
    Ok(Some(wanted(origin, sha, false, now)))
}

fn wanted(origin: &Origin, sha: &str, late: bool, now: i64) -> Routed {
    let Some(installation_id) = origin.installation_id else { return ignored() };
    let job = GroupJob {
        installation_id,
        repository_id: number(origin.repository.id),
        repository: origin.repository.name.to_string(),
        head_sha: sha.to_owned(),
        late,
    };
    let request = JobRequest {
        key: key(job.repository_id, sha),
        kind: MERGE_GROUP.to_owned(),
        payload: text(&job),
        run_at: now,
        replaces: true,
    };
    Routed { outcome: DeliveryOutcome::Done, jobs: vec![request] }
}

/// A group while it is worked on.
struct Work<'a> {
    app: &'a App,
    wanted: &'a GroupJob,
    repo: RepoName,
    installation: Installation,
}

/// Answers a merge group, or ends what was begun for one that is gone: its score, then its owners' approvals.
pub(super) async fn run(app: &App, wanted: &GroupJob) -> Result<(), Outcome> {
    score(app, wanted).await?;
    Work::new(app, wanted)?.answer_for_owners().await
}

async fn score(app: &App, wanted: &GroupJob) -> Result<(), Outcome> {
    let work = Work::new(app, wanted)?;
    let Some(group) = work.group().await? else { return Ok(()) };
    if let Some(reason) = work.gone(&group).await? {
        return work.end(NAME, &report::merge_group::gone(&reason)).await;
    }
    if let Some(pull) = app.store.pull_request_of_head(wanted.repository_id, &wanted.head_sha).await? {
        return work.leave_to(pull.unsigned_abs()).await;
    }
    let id = app.clock.new_id();
    let mut run = Writer::open(app, &work.installation, &work.repo, &work.head(), work.listed(), &id).await?;
    if run.completed() {
        return Ok(());
    }
    app.store.merge_group_begun(wanted.repository_id, &wanted.head_sha, app.clock.now_ms()).await?;
    let Some(group) = work.group().await? else { return Ok(()) };
    if let Some(made) = &group.assessment {
        return work.show(run, made).await;
    }
    match work.read(&group).await? {
        Reading::Together { facts, policy } => {
            let scored = Scored::new(app, *facts, policy, app.champion().await?, false);
            work.save(&scored, &id).await?;
            work.show(run, &id).await
        }
        // It may have been taken away meanwhile; then the queue waits for nothing, but a run is not left unfinished.
        Reading::Apart { why } => match work.group().await?.as_ref().and_then(MergeGroupRow::gone) {
            Some(reason) => run.complete(&report::merge_group::gone(reason), Conclusion::Neutral).await,
            None => work.answer_from_members(run, &group, &why).await,
        },
    }
}

/// Completes the run of a group whose job is given up as neutral, with the reference under which the log tells more.
pub(super) async fn say_failure(app: &App, wanted: &GroupJob, reference: &str) -> Result<(), Outcome> {
    let work = Work::new(app, wanted)?;
    if app.store.pull_request_of_head(wanted.repository_id, &wanted.head_sha).await?.is_some() {
        return Ok(());
    }
    let text = report::check_run::failure(reference, "Mergecast could not score this merge group");
    if work.is_gone().await? {
        work.end(NAME, &text).await?;
    } else {
        let head = work.head();
        let mut run = Writer::open(app, &work.installation, &work.repo, &head, work.listed(), reference).await?;
        if !run.completed() {
            run.complete(&text, Conclusion::Neutral).await?;
        }
    }
    work.fail_for_owners(reference).await
}

impl<'a> Work<'a> {
    fn new(app: &'a App, wanted: &'a GroupJob) -> Result<Self, Outcome> {
        let repo = repository(&wanted.repository)?;
        Ok(Self { app, wanted, repo, installation: app.github.installation(wanted.installation_id) })
    }

    /// Our runs on the commit, where there are certainly none: nobody but us could have made one on a commit that is new, and
    /// we would have noted it. A database from before that has not.
    fn listed(&self) -> Option<&'static [CheckRun]> {
        (!self.wanted.late).then_some(&[])
    }

    async fn group(&self) -> Result<Option<MergeGroupRow>, StoreError> {
        self.app.store.merge_group(self.wanted.repository_id, &self.wanted.head_sha).await
    }

    fn head(&self) -> Head {
        Head {
            name: NAME,
            repository_id: self.wanted.repository_id,
            pull_request: None,
            sha: self.wanted.head_sha.clone(),
        }
    }

    /// Why the group is gone, if it is. Where its events came out of order, its queue is asked; while that does not
    /// answer, it is taken to live: an answer too many harms nobody.
    async fn gone(&self, group: &MergeGroupRow) -> Result<Option<String>, Outcome> {
        let Some(reason) = group.destroyed.clone() else { return Ok(None) };
        if !group.doubted {
            return Ok(Some(reason));
        }
        let queue = self.installation.merge_queue(&self.repo, base_branch(group), &group.head_sha).await;
        let lives = match queue.map(|queue| queue.group) {
            Ok(Ok(entries)) => entries.is_some(),
            _ => return Ok(None),
        };
        self.app.store.merge_group_settled(group.repository_id, &group.head_sha, lives).await?;
        Ok((!lives).then_some(reason))
    }

    async fn is_gone(&self) -> Result<bool, StoreError> {
        Ok(self.group().await?.is_some_and(|group| group.gone().is_some()))
    }

    /// Leaves nothing unfinished on the commit of a group that is gone, and makes nothing there that nobody waits for. A run
    /// from before the database was put back is looked for.
    async fn end(&self, name: &str, text: &CheckRunText) -> Result<(), Outcome> {
        let Some(head) = self.head().named(name) else { return Ok(()) };
        let store = &self.app.store;
        let row = store.check_run(head.repository_id, &head.sha, head.name).await?;
        let unfinished = match &row {
            Some(row) => row.pull_request.is_none() && row.state != CheckRunState::Completed,
            None => self.wanted.late && store.pull_request_of_head(head.repository_id, &head.sha).await?.is_none(),
        };
        if !unfinished {
            return Ok(());
        }
        let id = row.and_then(|row| row.external_id).unwrap_or_else(|| self.app.clock.new_id());
        match Writer::find(self.app, &self.installation, &self.repo, &head, self.listed(), &id).await? {
            Some(run) if run.completed() => Ok(()),
            Some(mut run) => run.complete(text, Conclusion::Neutral).await,
            None => Ok(store.forget_check_run(head.repository_id, &head.sha, head.name).await?),
        }
    }

    /// The group's commit is the head of a pull request, whose own check run answers the queue too.
    async fn leave_to(&self, pull: u64) -> Result<(), Outcome> {
        let head = self.head();
        let row = self.app.store.check_run(head.repository_id, &head.sha, NAME).await?;
        if row.is_some_and(|row| row.state == CheckRunState::Completed) {
            return Ok(());
        }
        let job = PullRequestJob {
            installation_id: self.wanted.installation_id,
            repository_id: head.repository_id,
            repository: self.wanted.repository.clone(),
            number: pull,
            head_sha: None,
            updated_at: None::<DateTime<Utc>>,
            undoes: None,
        };
        let now = self.app.clock.now_ms();
        self.app.store.request_job(&request(&job, now), now).await?;
        self.app.jobs.notify_waiters();
        Ok(())
    }

    /// Keeps the assessment as the answer: should the write fail, it is not made again.
    async fn save(&self, scored: &Scored, id: &str) -> Result<(), Outcome> {
        let mut row = scored.row(id, self.wanted.repository_id);
        row.document_digest = digest(&document(&scored.subject(self.app, &row, None)));
        self.app.store.save_assessment(&row).await?;
        self.app.store.merge_group_assessed(self.wanted.repository_id, &self.wanted.head_sha, id).await?;
        tracing::info!(
            repository = %row.repository, head = %row.head_sha, assessment = %id, score = row.score, title = %row.title,
            "merge group scored"
        );
        Ok(())
    }

    /// Completes the run with an assessment that is stored.
    async fn show(&self, run: Writer<'_>, id: &str) -> Result<(), Outcome> {
        let row = self.app.store.assessment(id).await?;
        let row = row.ok_or_else(|| Outcome::Broken("the group's assessment is not in the database".to_owned()))?;
        let stored = Stored::load(&self.app.store, row, self.app.links.clone()).await;
        let stored = stored.map_err(|error| Outcome::Broken(format!("{error:#}")))?;
        let text = report::check_run::render(&stored.subject());
        run.showing(id).complete(&text, stored.assessment().verdict.conclusion).await
    }

    /// When the time for reading is over.
    fn until(&self, group: &MergeGroupRow) -> DateTime<Utc> {
        let begun = group.begun_at.and_then(DateTime::from_timestamp_millis).unwrap_or_else(|| self.app.clock.now());
        begun + TimeDelta::from_std(self.app.timing.merge_group).unwrap_or_default()
    }
}

/// Name of the branch that the group would be merged into.
fn base_branch(group: &MergeGroupRow) -> &str {
    group.base_ref.strip_prefix("refs/heads/").unwrap_or(&group.base_ref)
}
