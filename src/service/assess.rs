//! A job for a pull request, from GitHub's answer to the completed check run.
//!
//! Every step may run twice: what was already done is found in the store or on GitHub before it is done again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    App,
    check_run::{Head, Writer},
    commands::{self, COMMANDS, RECEIPTS},
    gather::{self, Gathered},
    installations::{self, INSTALLATION},
    labels,
    learning::shadow::{self, Shown},
    merge_group::{self, MERGE_GROUP},
    metrics, number,
    overrides::{self, OVERRIDE},
    owners,
    paging::{self, PAGING},
    reverts, series,
    stored::{digest, document, facts_text},
    twins,
};
use crate::{
    github::{self, Installation, PullRequest, RepoName},
    report::{self, Subject, check_run::NAME},
    risk::{
        Model, assess,
        assessment::{Assessment, Conclusion, Contribution},
        facts::{ChangeState, Facts},
        overrides::Override,
        policy::Policy,
        revert::Claim,
        runtime::read_alike,
    },
    store::{AssessmentRow, CheckRunRow, CoveredRepository, Job, StoreError},
};

/// Kind of the jobs that score a pull request.
pub(super) const PULL_REQUEST: &str = "pull_request";
/// Kind of the jobs that look for the pull requests of a commit.
pub(super) const COMMIT: &str = "commit";

/// How often GitHub is asked again, with growing pauses, while its answer is older than the event that led here.
pub(super) const LAG_LOOKS: i64 = 4;

/// What a job is about: a pull request that something happened to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PullRequestJob {
    pub installation_id: u64,
    pub repository_id: i64,
    /// `owner/name`.
    pub repository: String,
    pub number: u64,
    /// Head commit as the newest event knew it.
    pub head_sha: Option<String>,
    /// `updated_at` of the pull request in that event.
    pub updated_at: Option<DateTime<Utc>>,
    /// What it claims to undo in that event: known ahead, GitHub is asked about it along with the pull request.
    #[serde(default)]
    pub undoes: Option<Claim>,
}

impl PullRequestJob {
    /// One row per pull request: this is what makes the work on it strictly sequential.
    pub(super) fn key(&self) -> String {
        pull_request_key(self.repository_id, number(self.number))
    }
}

/// Key of the job for a pull request.
pub(super) fn pull_request_key(repository_id: i64, number: i64) -> String {
    format!("pr:{repository_id}:{number}")
}

/// A commit of ours to find pull requests for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CommitJob {
    pub installation_id: u64,
    pub repository_id: i64,
    pub repository: String,
    pub sha: String,
}

impl CommitJob {
    pub(super) fn key(&self) -> String {
        format!("commit:{}:{}", self.repository_id, self.sha)
    }
}

/// How a job ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing is left to do.
    Done,
    /// Go on at that time; not a failure (rate limits, answers that must settle).
    Wait { until: DateTime<Utc>, why: String },
    /// Failed in a way that may pass.
    Retry(String),
    /// Failed in a way that trying again will not mend.
    Broken(String),
}

impl From<StoreError> for Outcome {
    fn from(error: StoreError) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<github::Error> for Outcome {
    fn from(error: github::Error) -> Self {
        use github::{Error, Retry};
        match (error.retry(), &error) {
            (Retry::At(until), _) => Self::Wait { until, why: error.to_string() },
            (Retry::Backoff | Retry::LookFirst, _) => Self::Retry(error.to_string()),
            (Retry::Never, Error::NotFound | Error::Gone) => {
                tracing::info!(%error, "what the job is about is gone or no longer visible; nothing is left to do");
                Self::Done
            }
            (Retry::Never, Error::Suspended) => {
                tracing::info!("the installation is suspended; nothing is done there");
                Self::Done
            }
            (Retry::Never, _) => Self::Broken(error.to_string()),
        }
    }
}

/// Runs one claimed job.
pub(super) async fn run(app: &App, job: &Job) -> Outcome {
    let result = match job.kind.as_str() {
        PULL_REQUEST => match serde_json::from_str(&job.payload) {
            Ok(wanted) => pull_request(app, &wanted, job.attempts).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        COMMANDS => match serde_json::from_str(&job.payload) {
            Ok(wanted) => commands::run(app, &wanted, job.attempts).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        RECEIPTS => match serde_json::from_str(&job.payload) {
            Ok(wanted) => commands::receive(app, &wanted).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        OVERRIDE => match serde_json::from_str(&job.payload) {
            Ok(wanted) => overrides::run(app, &wanted).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        COMMIT => match serde_json::from_str(&job.payload) {
            Ok(wanted) => commit(app, &wanted).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        INSTALLATION => match serde_json::from_str(&job.payload) {
            Ok(wanted) => installations::refresh(app, &wanted).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        MERGE_GROUP => match serde_json::from_str(&job.payload) {
            Ok(wanted) => merge_group::run(app, &wanted).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        PAGING => match serde_json::from_str(&job.payload) {
            Ok(notice) => paging::run(app, &notice, job.attempts).await,
            Err(error) => Err(Outcome::Broken(format!("the job cannot be read: {error}"))),
        },
        other => Err(Outcome::Broken(format!("no work of kind {other:?} is known to this version"))),
    };
    result.err().unwrap_or(Outcome::Done)
}

async fn pull_request(app: &App, wanted: &PullRequestJob, attempts: i64) -> Result<(), Outcome> {
    if !app.store.is_covered(number(wanted.installation_id), wanted.repository_id).await? {
        tracing::info!("the installation is suspended or no longer covers the repository; nothing is done there");
        return Ok(());
    }
    // GitHub leads from an old name to the new one, unless another repository has it by now.
    let stored = if attempts > 1 { app.store.repository_name(wanted.repository_id).await? } else { None };
    let repo = repository(stored.as_ref().unwrap_or(&wanted.repository))?;
    if let Some(head) = &wanted.head_sha {
        // From here on, a check that ends on it is not missed.
        let (number, now) = (number(wanted.number), app.clock.now_ms());
        app.store.check_run_expected(wanted.repository_id, head, NAME, number, now).await?;
    }
    let installation = writing(app, wanted).await?;
    let pull = match installation.pull_request(&repo, wanted.number, &app.look(), wanted.undoes.as_ref()).await {
        Err(github::Error::NotFound) if attempts < LAG_LOOKS => {
            return Err(Outcome::Retry("GitHub does not know the pull request yet, or no longer".to_owned()));
        }
        answer => answer?,
    };
    if behind(wanted, &pull) && attempts < LAG_LOOKS {
        return Err(Outcome::Retry("GitHub's answer is older than the event".to_owned()));
    }
    seen(app, wanted, &pull).await?;
    series::ended(app, wanted.repository_id, wanted.number, pull.state).await?;
    if pull.state != ChangeState::Open {
        // What happens to its services is no news about it any more.
        app.store.save_services(wanted.repository_id, number(wanted.number), &[]).await?;
    }
    let asked = commands::waiting(app, wanted.repository_id, number(wanted.number)).await?;
    if !asked.is_empty() && pull.state == ChangeState::Open {
        // What the check run says may not change, but it must be written.
        app.store.reopen_check_run(wanted.repository_id, &pull.head_sha, NAME).await?;
    }
    let repo = &pull.repository;
    let overridden = overrides::in_force(app, &pull, wanted).await?;
    let shown = score(app, &installation, repo, &pull, overridden).await?;
    finish_older(app, &installation, repo, &Head::of(&pull), &shown).await?;
    Ok(commands::wake(app, wanted.repository_id, number(wanted.number), &asked).await?)
}

/// The installation with places for what a score writes: its check run is created and completed, or one that is there
/// is written anew. Before anything is read, since what is read and cannot be written is read again.
async fn writing(app: &App, wanted: &PullRequestJob) -> Result<Installation, Outcome> {
    let row = match &wanted.head_sha {
        Some(head) => app.store.check_run(wanted.repository_id, head, NAME).await?,
        None => None,
    };
    let writes = if row.is_some_and(|row| row.run_id.is_some()) { 1 } else { 2 };
    Ok(app.github.installation(wanted.installation_id).reserving(&wanted.key(), writes)?)
}

/// Keeps the name that the repository has today. A name that another repository has by now leads to that one's pull
/// requests: then GitHub's list tells what ours is called, and the job is tried again by that name.
async fn seen(app: &App, wanted: &PullRequestJob, pull: &PullRequest) -> Result<(), Outcome> {
    let (installation_id, repository_id) = (number(wanted.installation_id), number(pull.repository_id));
    if repository_id != wanted.repository_id {
        tracing::info!(repository = %pull.repository, "the repository's name is another one's by now");
        let now = app.clock.now_ms();
        app.store.request_job(&installations::request(wanted.installation_id, now), now).await?;
        app.jobs.notify_waiters();
        return Err(Outcome::Retry("the repository's name is another one's by now".to_owned()));
    }
    let seen = CoveredRepository { repository_id, repository: pull.repository.to_string(), archived: false };
    Ok(app.store.repository_seen(installation_id, &seen).await?)
}

/// Scores the head of a pull request; gives the id of the assessment that its check run shows then.
async fn score(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    overridden: Option<Override>,
) -> Result<String, Outcome> {
    let id = app.clock.new_id();
    let last = app.store.latest_assessment(number(pull.repository_id), number(pull.number)).await?;
    let shown = |last: Option<AssessmentRow>| last.map_or_else(|| id.clone(), |last| last.id);
    let listed = pull.own_check_runs.as_deref().ok();
    let sent = installation.sent();
    let mut run = Writer::open(app, installation, repo, &Head::of(pull), listed, &id).await?;
    let cold = installation.sent() > sent;
    if let Some(last) = last.as_ref().filter(|last| last.head_sha != pull.head_sha) {
        twins::hand_over(app, last).await?;
    }
    if pull.state != ChangeState::Open && run.completed() {
        // What stands there is the last word before it was merged or closed.
        owners::end(app, installation, repo, &Head::of(pull), &id).await?;
        if let Some(last) = &last {
            twins::hand_over(app, last).await?;
            labels::ended(app, installation, repo, pull, last).await?;
        }
        return Ok(shown(last));
    }
    let Gathered { facts, policy, owners_check } =
        gather::facts(app, installation, repo, pull, last.as_ref(), overridden, cold).await?;
    let scored = Scored::new(app, facts, policy, app.champion().await?, commands::answered(&pull.permissions));
    if last.as_ref().is_some_and(|last| run.shows(&last.id) && scored.reads_like(last)) {
        tracing::debug!("nothing that the check run says has changed");
        let shown = shown(last);
        owners::answer(app, installation, repo, pull, owners_check.then_some(&scored.facts), &shown).await?;
        return Ok(shown);
    }
    let mut row = scored.row(&id, number(pull.repository_id));
    let previous = app.store.previous_score(row.repository_id, number(pull.number), &row.head_sha, row.at).await?;
    row.document_digest = digest(&document(&scored.subject(app, &row, previous)));
    app.store.save_assessment(&row).await?;
    metrics::assessed(&scored.assessment);
    let conclusion = scored.assessment.verdict.conclusion;
    let held = if conclusion == Conclusion::ActionRequired {
        None
    } else {
        twins::held(app, installation, repo, pull).await?
    };
    match &held {
        Some(held) => {
            let text =
                report::check_run::shared(report::check_run::render(&held.subject()), &held.subject(), pull.number);
            run.showing(&held.row().id).complete(&text, held.assessment().verdict.conclusion).await?;
        }
        None => {
            let text = report::check_run::render(&scored.subject(app, &row, previous));
            run.complete(&text, conclusion).await?;
        }
    }
    owners::answer(app, installation, repo, pull, owners_check.then_some(&scored.facts), &id).await?;
    scored.shadow(app, &row).await;
    if reverts::is_put_off(pull) {
        let key = pull_request_key(row.repository_id, number(pull.number));
        app.store.request_job_again(&key, app.clock.now_ms()).await?;
    }
    tracing::info!(
        head = %pull.head_sha,
        assessment = %id, score = scored.assessment.score, "scored"
    );
    Ok(id)
}

/// A commit may have been pushed while the run of the one before it was being written; that one is not left unfinished.
async fn finish_older(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    newest: &Head,
    assessment: &str,
) -> Result<(), Outcome> {
    let Some(pull_request) = newest.pull_request else { return Ok(()) };
    for row in unfinished(app, newest.repository_id, pull_request).await? {
        if row.head_sha == newest.sha {
            continue;
        }
        let Some(head) = newest.named(&row.name).map(|head| Head { sha: row.head_sha, ..head }) else { continue };
        let text = if head.name == NAME { report::check_run::superseded(&newest.sha) } else { report::owners::ended() };
        match Writer::find(app, installation, repo, &head, Some(&[]), assessment).await? {
            Some(mut run) => run.complete(&text, Conclusion::Neutral).await?,
            None => app.store.forget_check_run(head.repository_id, &head.sha, head.name).await?,
        }
    }
    Ok(())
}

/// The check runs of a pull request that do not yet say what they should.
pub(super) async fn unfinished(
    app: &App,
    repository_id: i64,
    pull_request: i64,
) -> Result<Vec<CheckRunRow>, StoreError> {
    let mut rows = app.store.unfinished_check_runs().await?;
    rows.retain(|row| row.repository_id == repository_id && row.pull_request == Some(pull_request));
    Ok(rows)
}

pub(super) fn repository(name: &str) -> Result<RepoName, Outcome> {
    RepoName::parse(name).ok_or_else(|| Outcome::Broken(format!("{name:?} is not a repository's name")))
}

/// GitHub's replicas may lag behind its webhooks: the head differs from the event's, and the answer is older.
fn behind(wanted: &PullRequestJob, pull: &PullRequest) -> bool {
    let (Some(head), Some(updated_at)) = (&wanted.head_sha, wanted.updated_at) else { return false };
    *head != pull.head_sha && pull.updated_at < updated_at
}

/// Facts with what model and policy make of them.
pub(super) struct Scored {
    facts: Facts,
    policy: Policy,
    model: Arc<Model>,
    pub(super) assessment: Assessment,
    repository_url: Option<String>,
    commands: bool,
}

impl Scored {
    pub(super) fn new(app: &App, facts: Facts, policy: Policy, model: Arc<Model>, commands: bool) -> Self {
        let assessment = assess(&facts, &model, &policy);
        let repository_url = app.links.repository(&facts.repository);
        Self { facts, policy, model, assessment, repository_url, commands }
    }

    /// Whether the check run that shows `last` would say the same if it were written now.
    fn reads_like(&self, last: &AssessmentRow) -> bool {
        let (Ok(mut before), Ok(policy)) =
            (serde_json::from_str::<Facts>(&last.facts), serde_json::from_str::<Policy>(&last.policy))
        else {
            return false;
        };
        // What happens to a change after it was merged or closed is no news about its risk.
        let ended = before.change.state != ChangeState::Open && before.change.state == self.facts.change.state;
        if ended && last.head_sha == self.facts.change.head_sha {
            return true;
        }
        if last.head_sha != self.facts.change.head_sha
            || last.model_version != self.model.version
            || policy != self.policy
            // One that is over says something else even where the same facts would be judged alike now.
            || before.overridden != self.facts.overridden
            || before.change.title != self.facts.change.title
            || before.lacking != self.facts.lacking
            // What is shown is what an override would be for.
            || before.change.base_ref != self.facts.change.base_ref
        {
            return false;
        }
        before.at = self.facts.at;
        before.recent_scores.clone_from(&self.facts.recent_scores);
        before.in_production.clone_from(&self.facts.in_production);
        let stood = assess(&before, &self.model, &self.policy);
        if let (Ok(then), Ok(now)) = (&mut before.runtime, &self.facts.runtime)
            && read_alike(then, now)
            // Figures that read the same may lie on two sides of a threshold.
            && counts_alike(&stood, &self.assessment)
        {
            then.clone_from(now);
        }
        assess(&before, &self.model, &self.policy) == self.assessment
    }

    /// Keeps what a proposed model would have scored, after everybody who waits for the score has it.
    async fn shadow(&self, app: &App, row: &AssessmentRow) {
        let shown = Shown { model: &self.model.version, assessment: &self.assessment, facts: &self.facts };
        shadow::beside(app, &row.id, row.repository_id, &shown).await;
    }

    pub(super) fn row(&self, id: &str, repository_id: i64) -> AssessmentRow {
        let (change, assessment) = (&self.facts.change, &self.assessment);
        let facts = facts_text(&self.facts);
        AssessmentRow {
            id: id.to_owned(),
            repository_id,
            repository: self.facts.repository.clone(),
            pull_request: change.pull_request.map(number),
            title: change.title.clone(),
            head_sha: change.head_sha.clone(),
            base_sha: change.base_sha.clone(),
            at: self.facts.at.timestamp_millis(),
            score: assessment.score,
            level: assessment.level.word().to_owned(),
            conclusion: assessment.verdict.conclusion.word().to_owned(),
            unknowns: assessment.contributions.iter().filter(|each| each.reading.is_err()).count() as i64,
            model_version: self.model.version.clone(),
            facts_digest: digest(&facts),
            document_digest: String::new(),
            facts,
            policy: serde_json::to_string(&self.policy).expect("a policy is plain data"),
        }
    }

    pub(super) fn subject<'a>(
        &'a self,
        app: &'a App,
        row: &'a AssessmentRow,
        previous_score: Option<u8>,
    ) -> Subject<'a> {
        Subject {
            id: &row.id,
            facts: &self.facts,
            assessment: &self.assessment,
            model_version: &self.model.version,
            model_fitted_at: self.model.fitted_at,
            facts_digest: &row.facts_digest,
            previous_score,
            policy: &self.policy,
            public_url: app.links.public_url.as_deref(),
            repository_url: self.repository_url.as_deref(),
            commands: self.commands,
        }
    }
}

/// Whether the same terms and floors count in two assessments.
fn counts_alike(one: &Assessment, other: &Assessment) -> bool {
    let terms = |each: &Contribution| each.reading.as_ref().ok().map(|measure| measure.terms.clone());
    let counted = |each: &Assessment| -> Vec<_> {
        each.contributions.iter().map(|row| (row.exempt_because, terms(row))).collect()
    };
    one.floors == other.floors && counted(one) == counted(other)
}

/// Looks for the open pull requests of a commit and asks for a score of each.
async fn commit(app: &App, wanted: &CommitJob) -> Result<(), Outcome> {
    let repo = repository(&wanted.repository)?;
    let installation = app.github.installation(wanted.installation_id);
    for pull in installation.pulls_of_commit(&repo, &wanted.sha).await? {
        if pull.state != ChangeState::Open
            || pull.head_sha != wanted.sha
            || pull.base_repository_id.map(number) != Some(wanted.repository_id)
        {
            continue;
        }
        let job = PullRequestJob {
            installation_id: wanted.installation_id,
            repository_id: wanted.repository_id,
            repository: wanted.repository.clone(),
            number: pull.number,
            head_sha: Some(pull.head_sha),
            updated_at: None,
            undoes: None,
        };
        let now = app.clock.now_ms();
        app.store.request_job(&super::route::request(&job, now), now).await?;
    }
    app.jobs.notify_waiters();
    Ok(())
}
