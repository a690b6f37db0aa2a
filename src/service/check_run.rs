//! Writes the check runs of a head commit: of each name one, whatever happens in between.
//!
//! Every write is noted before it is sent. Where one stands unanswered, its answer was lost: the next waits until it
//! has certainly ended at GitHub, and then looks at what it did. Annotations are appended by GitHub and can not be
//! withdrawn, so they are counted.

use chrono::{DateTime, TimeDelta, Utc};

use super::{App, assess::Outcome, number, stored::digest};
use crate::{
    github::{
        self, Annotation, AnnotationLevel, Button, CheckRun, CheckRunDraft, CheckRunOutput, CheckRunStatus,
        Conclusion as GitHubConclusion, Installation, PullRequest, RepoName, Retry,
    },
    report::{
        self,
        check_run::{self, CheckRunText},
    },
    risk::assessment::Conclusion,
    store::{CheckRunRow, CheckRunState},
};

/// GitHub takes at most so many annotations in one request.
const ANNOTATIONS_A_REQUEST: usize = 50;

/// How long a job waits for another one that creates the run of the same head.
const ELSEWHERE: TimeDelta = TimeDelta::seconds(2);

/// Names of the check runs of ours.
pub(super) const RUNS: [&str; 2] = [check_run::NAME, report::owners::NAME];

/// A head commit that gets a check run.
#[derive(Clone)]
pub(super) struct Head {
    /// Name of the check run.
    pub name: &'static str,
    pub repository_id: i64,
    /// The pull request whose head it is; `None` for a merge group's.
    pub pull_request: Option<i64>,
    pub sha: String,
}

impl Head {
    /// For the check run of the score.
    pub(super) fn of(pull: &PullRequest) -> Self {
        Self {
            name: check_run::NAME,
            repository_id: number(pull.repository_id),
            pull_request: Some(number(pull.number)),
            sha: pull.head_sha.clone(),
        }
    }

    /// Whether the first conclusion stands: a merge queue acts on it.
    fn is_final(&self) -> bool {
        self.pull_request.is_none()
    }

    /// The same for a check run of another name, if we write such.
    pub(super) fn named(&self, name: &str) -> Option<Self> {
        let name = RUNS.into_iter().find(|run| *run == name)?;
        Some(Self { name, ..self.clone() })
    }
}

/// What a check run is to say.
pub(super) struct Said<'a> {
    pub text: CheckRunText,
    pub conclusion: GitHubConclusion,
    /// The assessment whose facts it rests on.
    pub external_id: &'a str,
}

impl Said<'_> {
    /// Equal ones need not be written again; which assessment it rests on is not read by people.
    fn digest(&self) -> String {
        let CheckRunText { title, summary, text, .. } = &self.text;
        digest(&format!("{:?}\n{title}\n{summary}\n{text:?}", self.conclusion))
    }
}

/// Has the run on `head` say this: created as such, or written again where it says something else. A request, or none
/// where it says so already.
pub(super) async fn say(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    head: &Head,
    listed: Option<&[CheckRun]>,
    said: Said<'_>,
) -> Result<(), Outcome> {
    let digest = said.digest();
    let found = Writer::find(app, installation, repo, head, listed, said.external_id).await?;
    if let Some(mut run) = found {
        let same = run.row.output_digest.as_ref() == Some(&digest);
        if run.completed() && (same || head.is_final()) {
            return Ok(());
        }
        return run.conclude(&said.text, said.conclusion, &digest).await;
    }
    let annotations = said.text.annotations.len().min(ANNOTATIONS_A_REQUEST);
    let now = app.clock.now();
    let draft = CheckRunDraft {
        started_at: Some(now),
        ..completed(app, &said.text, said.conclusion, said.external_id, &said.text.annotations[..annotations], now)
    };
    create(app, installation, repo, head, draft, &said.text.annotations[..annotations]).await?;
    let (id, sha) = (head.repository_id, head.sha.as_str());
    Ok(app.store.check_run_completed(id, sha, head.name, said.external_id, &digest, annotations as i64).await?)
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
        if let Some(found) = Self::find(app, installation, repo, head, listed, external_id).await? {
            return Ok(found);
        }
        let draft = CheckRunDraft {
            status: Some(CheckRunStatus::InProgress),
            external_id: Some(external_id.to_owned()),
            started_at: Some(app.clock.now()),
            output: Some(output(&check_run::in_progress(), &[])),
            ..CheckRunDraft::default()
        };
        create(app, installation, repo, head, draft, &[]).await?;
        let created = Self::find(app, installation, repo, head, None, external_id).await?;
        created.ok_or_else(|| Outcome::Retry("the check run's row is gone".to_owned()))
    }

    /// Finds our run on `head`, which GitHub is asked for only where an earlier creation may have been done.
    pub(super) async fn find(
        app: &'a App,
        installation: &'a Installation,
        repo: &'a RepoName,
        head: &Head,
        listed: Option<&[CheckRun]>,
        external_id: &'a str,
    ) -> Result<Option<Self>, Outcome> {
        let (id, sha) = (head.repository_id, head.sha.as_str());
        let stored = app.store.check_run(id, sha, head.name).await?;
        settled(app, stored.as_ref())?;
        if let Some(row) = stored.as_ref().filter(|row| row.run_id.is_some()) {
            let mut run = Self::new(app, installation, repo, row, external_id);
            if head.is_final() {
                run.keep_if_concluded().await?;
            }
            return Ok(Some(run));
        }
        let unanswered = stored.and_then(|row| row.unanswered_since);
        let known = match listed {
            Some(listed) if unanswered.is_none() => first(listed, head.name),
            _ => first(&installation.find_check_runs(repo, sha, &app.look_for(head.name)).await?, head.name),
        };
        let now = app.clock.now_ms();
        let Some(run) = known else {
            if let Some(since) = unanswered {
                app.store.check_run_undone(id, sha, head.name, since).await?;
            }
            return Ok(None);
        };
        app.store.check_run_expected(id, sha, head.name, head.pull_request, now).await?;
        app.store.check_run_created(id, sha, head.name, number(run.id), now).await?;
        if head.is_final() && run.status == CheckRunStatus::Completed {
            keep(app, (id, sha, head.name), &run).await?;
        }
        let row = app.store.check_run(id, sha, head.name).await?;
        Ok(row.map(|row| Self::new(app, installation, repo, &row, external_id)))
    }

    fn new(
        app: &'a App,
        installation: &'a Installation,
        repo: &'a RepoName,
        row: &CheckRunRow,
        external_id: &'a str,
    ) -> Self {
        let run_id = row.run_id.unwrap_or_default().unsigned_abs();
        Self { app, installation, repo, row: row.clone(), run_id, external_id }
    }

    /// Leaves a conclusion as it is that reached GitHub although its answer was lost: another one would come too late.
    async fn keep_if_concluded(&mut self) -> Result<(), Outcome> {
        if self.completed() || self.row.unanswered_since.is_none() {
            return Ok(());
        }
        let run = self.installation.check_run(self.repo, self.run_id).await?;
        if run.status == CheckRunStatus::Completed && run.external_id == self.row.external_id {
            keep(self.app, (self.row.repository_id, &self.row.head_sha, &self.row.name), &run).await?;
            self.row.state = CheckRunState::Completed;
        }
        Ok(())
    }

    /// The same run, to show another assessment.
    pub(super) fn showing<'b>(self, external_id: &'b str) -> Writer<'b>
    where
        'a: 'b,
    {
        Writer { external_id, ..self }
    }

    /// Whether the run already says what it should.
    pub(super) fn completed(&self) -> bool {
        self.row.state == CheckRunState::Completed
    }

    /// Whether what it says is that assessment: one may be stored whose text never reached GitHub.
    pub(super) fn shows(&self, assessment: &str) -> bool {
        self.completed() && self.row.external_id.as_deref() == Some(assessment)
    }

    /// Completes the run with the text.
    pub(super) async fn complete(&mut self, text: &CheckRunText, conclusion: Conclusion) -> Result<(), Outcome> {
        self.conclude(text, github_conclusion(conclusion), "").await
    }

    /// Completes the run; annotations beyond the first 50 go ahead of it in requests of their own.
    async fn conclude(
        &mut self,
        text: &CheckRunText,
        conclusion: GitHubConclusion,
        digest: &str,
    ) -> Result<(), Outcome> {
        let sent = self.annotations_sent().await?;
        let store = &self.app.store;
        let CheckRunRow { repository_id, head_sha: head, name, .. } = &self.row;
        let (order, left) = unsent(&self.row.annotations, sent, &text.annotations);
        let now = self.app.clock.now();
        let now_ms = now.timestamp_millis();
        store.check_run_planned(*repository_id, head, name, self.external_id, &order, now_ms).await?;
        let ahead = left.len().saturating_sub(1) / ANNOTATIONS_A_REQUEST * ANNOTATIONS_A_REQUEST;
        let (pages, last) = left.split_at(ahead);
        for page in pages.chunks(ANNOTATIONS_A_REQUEST) {
            self.write(CheckRunDraft { output: Some(output(text, page)), ..CheckRunDraft::default() }).await?;
        }
        self.write(completed(self.app, text, conclusion, self.external_id, last, now)).await?;
        store.check_run_completed(*repository_id, head, name, self.external_id, digest, order.len() as i64).await?;
        Ok(())
    }

    async fn write(&self, draft: CheckRunDraft) -> Result<(), Outcome> {
        let CheckRunRow { repository_id, head_sha, name, .. } = &self.row;
        let draft = CheckRunDraft { name: name.clone(), ..draft };
        let updated = self.installation.update_check_run(self.repo, self.run_id, &draft).await;
        written(self.app, (*repository_id, head_sha, name), updated).await.map(drop)
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

/// Notes that a run says what it should, as GitHub has it.
async fn keep(app: &App, (repository_id, sha, name): (i64, &str, &str), run: &CheckRun) -> Result<(), Outcome> {
    let (shown, annotations) = (run.external_id.as_deref().unwrap_or_default(), number(run.annotations.unwrap_or(0)));
    Ok(app.store.check_run_completed(repository_id, sha, name, shown, "", annotations).await?)
}

/// Were there ever two runs of a name, the first stays ours, whichever GitHub lists first.
fn first(runs: &[CheckRun], name: &str) -> Option<CheckRun> {
    runs.iter().filter(|run| run.name == name).min_by_key(|run| run.id).cloned()
}

/// What is to be sent of `wanted` where GitHub holds the first `sent` of the annotations `known`, and all of them in their order
/// afterwards. GitHub only ever adds: one of the same kind at the same place is not sent again, though its words have changed.
fn unsent(
    known: &[String],
    sent: usize,
    wanted: &[check_run::Annotation],
) -> (Vec<String>, Vec<check_run::Annotation>) {
    let mut order: Vec<String> = known.iter().take(sent).cloned().collect();
    // Where it is not known which the first ones were, they were those that stand first now.
    let unknown = sent - order.len();
    order.extend(std::iter::repeat_n(String::new(), unknown));
    let mut left = Vec::new();
    for one in wanted.iter().skip(if known.is_empty() { unknown } else { 0 }) {
        let place = place_of(one);
        if !order.contains(&place) {
            order.push(place);
            left.push(one.clone());
        }
    }
    (order, left)
}

/// Tells annotations of one kind at one place from others.
fn place_of(annotation: &check_run::Annotation) -> String {
    let check_run::Annotation { path, start_line, end_line, title, .. } = annotation;
    let mut digest = super::stored::digest(&format!("{path}\n{start_line}\n{end_line}\n{title}"));
    digest.truncate(16);
    digest
}

/// Creates the run under a stored intent, with these annotations.
async fn create(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    head: &Head,
    draft: CheckRunDraft,
    annotations: &[check_run::Annotation],
) -> Result<(), Outcome> {
    let now = app.clock.now();
    let (id, sha) = (head.repository_id, head.sha.as_str());
    if !app.store.check_run_intent(id, sha, head.name, head.pull_request, now.timestamp_millis()).await? {
        let until = now + ELSEWHERE;
        return Err(Outcome::Wait { until, why: "another pull request with this head creates the run".to_owned() });
    }
    if !annotations.is_empty() {
        // Should the answer be lost, GitHub is asked how many it took.
        let external_id = draft.external_id.as_deref().unwrap_or_default();
        let now = now.timestamp_millis();
        let order: Vec<String> = annotations.iter().map(place_of).collect();
        app.store.check_run_planned(id, sha, head.name, external_id, &order, now).await?;
    }
    let draft = CheckRunDraft { name: head.name.to_owned(), head_sha: sha.to_owned(), ..draft };
    let created = installation.create_check_run(repo, &draft).await;
    let run = written(app, (id, sha, head.name), created).await?;
    app.store.check_run_created(id, sha, head.name, number(run.id), app.clock.now_ms()).await?;
    Ok(())
}

/// A run that says what it should.
fn completed(
    app: &App,
    text: &CheckRunText,
    conclusion: GitHubConclusion,
    external_id: &str,
    annotations: &[check_run::Annotation],
    now: DateTime<Utc>,
) -> CheckRunDraft {
    CheckRunDraft {
        status: Some(CheckRunStatus::Completed),
        conclusion: Some(conclusion),
        completed_at: Some(now),
        external_id: Some(external_id.to_owned()),
        details_url: details_url(app, external_id),
        output: Some(output(text, annotations)),
        actions: text.buttons.iter().map(button).collect(),
        ..CheckRunDraft::default()
    }
}

/// Notes for a failed write whether it may have been done, or may yet be.
async fn written<T>(app: &App, run: (i64, &str, &str), result: Result<T, github::Error>) -> Result<T, Outcome> {
    match result {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let since = (error.retry() == Retry::LookFirst).then(|| app.clock.now_ms());
            let (repository_id, sha, name) = run;
            app.store.check_run_unanswered(repository_id, sha, name, since).await?;
            match error {
                // A replica that does not know the commit yet calls it invalid.
                github::Error::Invalid { .. } => Err(Outcome::Retry(error.to_string())),
                _ => Err(error.into()),
            }
        }
    }
}

/// A write whose answer was lost may still be under way; until it has certainly ended, looking proves nothing, and
/// another one could be overtaken by it. A process that died may have sent it with its last breath, but not after we
/// started.
fn settled(app: &App, row: Option<&CheckRunRow>) -> Result<(), Outcome> {
    let Some(since) = row.and_then(|row| row.unanswered_since) else { return Ok(()) };
    let since = DateTime::<Utc>::from_timestamp_millis(since).unwrap_or_default().max(app.started_at);
    let until = since + app.timing.answer_lost;
    if app.clock.now() < until {
        return Err(Outcome::Wait { until, why: "an earlier write may still be under way at GitHub".to_owned() });
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
