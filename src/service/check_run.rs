//! Writes the check run of a head commit: one, whatever happens in between.
//!
//! The intent is stored before the run is created. Where an intent stands without an id, an earlier answer was lost:
//! GitHub is asked for our run on that commit before another is made, once a request that may still be under way there
//! has certainly ended. Annotations are appended by GitHub and can not be withdrawn, so they are counted.

use chrono::{DateTime, Utc};

use super::{App, assess::Outcome, number};
use crate::{
    github::{
        Annotation, AnnotationLevel, Button, CheckRun, CheckRunDraft, CheckRunOutput, CheckRunStatus,
        Conclusion as GitHubConclusion, Installation, PullRequest, RepoName, Retry,
    },
    report::check_run::{self, CheckRunText, NAME},
    risk::assessment::Conclusion,
    store::{CheckRunRow, CheckRunState},
};

/// GitHub takes at most so many annotations in one request.
const ANNOTATIONS_A_REQUEST: usize = 50;

/// A head commit that gets a check run.
pub(super) struct Head {
    pub repository_id: i64,
    pub pull_request: i64,
    pub sha: String,
}

impl Head {
    pub(super) fn of(pull: &PullRequest) -> Self {
        Self {
            repository_id: number(pull.repository_id),
            pull_request: number(pull.number),
            sha: pull.head_sha.clone(),
        }
    }
}

/// The check run of one head commit while it is written.
pub(super) struct Writer<'a> {
    app: &'a App,
    installation: &'a Installation,
    repo: &'a RepoName,
    row: CheckRunRow,
    run_id: u64,
    external_id: &'a str,
}

impl<'a> Writer<'a> {
    /// Finds our run on `head`, or creates it as in progress. `listed` are our runs there as GitHub has just told.
    pub(super) async fn open(
        app: &'a App,
        installation: &'a Installation,
        repo: &'a RepoName,
        head: &Head,
        listed: Option<&[CheckRun]>,
        external_id: &'a str,
    ) -> Result<Self, Outcome> {
        let stored = app.store.check_run(head.repository_id, &head.sha, NAME).await?;
        let run_id = match stored.as_ref().and_then(|row| row.run_id) {
            Some(id) => id,
            None => {
                let known = match (&stored, listed) {
                    (None, Some(listed)) => first(listed),
                    (stored, _) => {
                        settled(app, stored.as_ref())?;
                        first(&installation.find_check_runs(repo, &head.sha, &app.look()).await?)
                    }
                };
                begin(app, installation, repo, head, known, external_id).await?
            }
        };
        let row = app.store.check_run(head.repository_id, &head.sha, NAME).await?;
        let row = row.ok_or_else(|| Outcome::Retry("the check run's row is gone".to_owned()))?;
        Ok(Self { app, installation, repo, row, run_id: run_id.unsigned_abs(), external_id })
    }

    /// Whether the run already says what it should.
    pub(super) fn completed(&self) -> bool {
        self.row.state == CheckRunState::Completed
    }

    /// Completes the run with the text; annotations beyond the first 50 go ahead of it in requests of their own.
    pub(super) async fn complete(&mut self, text: &CheckRunText, conclusion: Conclusion) -> Result<(), Outcome> {
        let sent = self.annotations_sent().await?;
        let store = &self.app.store;
        let (repository_id, head) = (self.row.repository_id, self.row.head_sha.as_str());
        let planned = sent.max(text.annotations.len());
        store.check_run_planned(repository_id, head, NAME, self.external_id, "", planned as i64).await?;
        let left = text.annotations.get(sent..).unwrap_or_default();
        let ahead = left.len().saturating_sub(1) / ANNOTATIONS_A_REQUEST * ANNOTATIONS_A_REQUEST;
        let (pages, last) = left.split_at(ahead);
        for page in pages.chunks(ANNOTATIONS_A_REQUEST) {
            self.write(CheckRunDraft { output: Some(output(text, page)), ..CheckRunDraft::default() }).await?;
        }
        let now = self.app.clock.now();
        self.write(CheckRunDraft {
            status: Some(CheckRunStatus::Completed),
            conclusion: Some(github_conclusion(conclusion)),
            completed_at: Some(now),
            external_id: Some(self.external_id.to_owned()),
            details_url: details_url(self.app, self.external_id),
            output: Some(output(text, last)),
            actions: check_run::actions().iter().map(button).collect(),
            ..CheckRunDraft::default()
        })
        .await?;
        store.check_run_completed(repository_id, head, NAME, self.external_id, "", planned as i64).await?;
        Ok(())
    }

    async fn write(&self, draft: CheckRunDraft) -> Result<(), Outcome> {
        let draft = CheckRunDraft { name: NAME.to_owned(), ..draft };
        self.installation.update_check_run(self.repo, self.run_id, &draft).await?;
        Ok(())
    }

    /// How many of our annotations GitHub holds; asked for only where an earlier request may have been half done.
    async fn annotations_sent(&self) -> Result<usize, Outcome> {
        let (sent, planned) = (self.row.annotations_sent, self.row.annotations_planned);
        if planned <= sent {
            return Ok(usize::try_from(sent).unwrap_or(0));
        }
        let run = self.installation.check_run(self.repo, self.run_id).await?;
        Ok(usize::try_from(run.annotations.unwrap_or(0)).unwrap_or(0))
    }
}

/// Completes the runs on older heads of the pull request that were begun and never finished, because `newest` came first.
pub(super) async fn supersede(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    newest: &Head,
) -> Result<(), Outcome> {
    let store = &app.store;
    for row in store.unfinished_check_runs().await? {
        let same = (row.repository_id, row.pull_request) == (newest.repository_id, Some(newest.pull_request));
        if !same || row.head_sha == newest.sha {
            continue;
        }
        let run_id = match row.run_id {
            Some(id) => Some(id.unsigned_abs()),
            None => {
                settled(app, Some(&row))?;
                first(&installation.find_check_runs(repo, &row.head_sha, &app.look()).await?)
            }
        };
        if let Some(id) = run_id {
            let draft = CheckRunDraft {
                name: NAME.to_owned(),
                status: Some(CheckRunStatus::Completed),
                conclusion: Some(GitHubConclusion::Neutral),
                completed_at: Some(app.clock.now()),
                output: Some(output(&check_run::superseded(), &[])),
                ..CheckRunDraft::default()
            };
            installation.update_check_run(repo, id, &draft).await?;
        }
        // Without a run there is nothing to complete; the row only stops to be looked for.
        let external_id = row.external_id.as_deref().unwrap_or_default();
        let sent = row.annotations_sent;
        store.check_run_completed(row.repository_id, &row.head_sha, NAME, external_id, "", sent).await?;
    }
    Ok(())
}

/// Were there ever two runs, the first stays ours, whichever GitHub lists first.
fn first(runs: &[CheckRun]) -> Option<u64> {
    runs.iter().map(|run| run.id).min()
}

/// Adopts the run that is known, or creates one under a stored intent.
async fn begin(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    head: &Head,
    known: Option<u64>,
    external_id: &str,
) -> Result<i64, Outcome> {
    let now = app.clock.now();
    let (id, sha) = (head.repository_id, head.sha.as_str());
    app.store.check_run_intent(id, sha, NAME, Some(head.pull_request), now.timestamp_millis()).await?;
    let run_id = match known {
        Some(run_id) => run_id,
        None => {
            let draft = CheckRunDraft {
                name: NAME.to_owned(),
                head_sha: sha.to_owned(),
                status: Some(CheckRunStatus::InProgress),
                external_id: Some(external_id.to_owned()),
                started_at: Some(now),
                output: Some(output(&check_run::in_progress(), &[])),
                ..CheckRunDraft::default()
            };
            match installation.create_check_run(repo, &draft).await {
                Ok(run) => run.id,
                Err(error) => {
                    if error.retry() != Retry::LookFirst {
                        app.store.check_run_refused(id, sha, NAME).await?;
                    }
                    return Err(error.into());
                }
            }
        }
    };
    app.store.check_run_created(id, sha, NAME, number(run_id), now.timestamp_millis()).await?;
    Ok(number(run_id))
}

/// A request whose answer was lost may still be under way; until it has certainly ended, looking proves nothing.
fn settled(app: &App, row: Option<&CheckRunRow>) -> Result<(), Outcome> {
    let Some(row) = row else { return Ok(()) };
    let until = DateTime::<Utc>::from_timestamp_millis(row.attempted_at).unwrap_or_default() + app.timing.answer_lost;
    if app.clock.now() < until {
        return Err(Outcome::Wait { until, why: "an earlier request may still be under way at GitHub".to_owned() });
    }
    Ok(())
}

/// The assessment's page, where there is an address for it.
fn details_url(app: &App, assessment: &str) -> Option<String> {
    let base = app.links.public_url.as_deref()?;
    Some(format!("{base}{}", crate::report::page::path(assessment)))
}

fn output(text: &CheckRunText, annotations: &[check_run::Annotation]) -> CheckRunOutput {
    CheckRunOutput {
        title: text.title.clone(),
        summary: text.summary.clone(),
        text: text.text.clone(),
        annotations: annotations.iter().map(annotation).collect(),
    }
}

fn annotation(annotation: &check_run::Annotation) -> Annotation {
    Annotation {
        path: annotation.path.clone(),
        start_line: annotation.start_line,
        end_line: annotation.end_line,
        annotation_level: match annotation.level {
            check_run::AnnotationLevel::Notice => AnnotationLevel::Notice,
            check_run::AnnotationLevel::Warning => AnnotationLevel::Warning,
        },
        message: annotation.message.clone(),
        title: Some(annotation.title.clone()),
        raw_details: None,
    }
}

fn button(button: &check_run::Button) -> Button {
    Button {
        label: button.label.to_owned(),
        description: button.description.to_owned(),
        identifier: button.identifier.to_owned(),
    }
}

fn github_conclusion(conclusion: Conclusion) -> GitHubConclusion {
    match conclusion {
        Conclusion::Success => GitHubConclusion::Success,
        Conclusion::Neutral => GitHubConclusion::Neutral,
        Conclusion::ActionRequired => GitHubConclusion::ActionRequired,
    }
}
