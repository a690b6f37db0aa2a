//! Check runs: what is written, what is read back, and the calls for both.

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use serde::{Deserialize, Serialize, Serializer};

use super::error::Error;
use super::installation::Installation;
use super::name::RepoName;
use super::rate::Bucket;
use super::transport::{Answer, Call};

/// Annotations that GitHub takes with one call.
const MAX_ANNOTATIONS: usize = 50;
/// Pages of runs that are read at most; one name on one commit rarely has more than a handful.
const MAX_PAGES: usize = 5;

/// Which check runs are our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRunLook {
    /// The App's id.
    pub app_id: u64,
    /// Name of the check run.
    pub name: String,
}

/// A check run as GitHub has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// GitHub's id.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Commit it stands on.
    pub head_sha: String,
    /// How far it is.
    pub status: CheckRunStatus,
    /// Its conclusion in GitHub's words, lower case; `None` until completed.
    pub conclusion: Option<String>,
    /// The id that we gave it.
    pub external_id: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// How many annotations it has; `None` where the answer does not say (GraphQL).
    pub annotations: Option<u64>,
    /// Page of the run for people.
    pub html_url: Option<String>,
}

/// How far a check run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckRunStatus {
    /// Not begun.
    Queued,
    /// Begun.
    InProgress,
    /// Done; it has a conclusion.
    Completed,
    /// One of the states that only GitHub sets (waiting, requested, pending); never to be written.
    Other,
}

impl CheckRunStatus {
    /// Reads GitHub's word, upper case (GraphQL) or lower (REST).
    pub(super) fn read(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "queued" => Self::Queued,
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            _ => Self::Other,
        }
    }
}

/// How a check run of ours ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Passes.
    Success,
    /// Passes, grey.
    Neutral,
    /// Passes, grey.
    Skipped,
    /// Blocks, and asks somebody to act.
    ActionRequired,
    /// Blocks.
    Failure,
    /// Blocks.
    Cancelled,
    /// Blocks.
    TimedOut,
}

/// What is to be written. Absent fields are not sent, so that an update leaves them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckRunDraft {
    /// Name; needed to create.
    pub name: String,
    /// Commit; needed to create, never sent with an update.
    #[serde(skip)]
    pub head_sha: String,
    /// How far it is; must be absent or `Completed` with a conclusion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<CheckRunStatus>,
    /// How it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// Our own id for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Page with the details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details_url: Option<String>,
    /// When it began; sent in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was completed; sent in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub completed_at: Option<DateTime<Utc>>,
    /// Title, summary, text, annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<CheckRunOutput>,
    /// Buttons, at most 3; GitHub shows them once the run is completed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Button>,
}

/// Text of a check run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckRunOutput {
    /// One line.
    pub title: String,
    /// Markdown, at most 65,535 characters.
    pub summary: String,
    /// Markdown, at most 65,535 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At most 50 a call; those of an update are added to the ones that are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// A remark on lines of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// Path in the repository.
    pub path: String,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line.
    pub end_line: u64,
    /// How loud.
    pub annotation_level: AnnotationLevel,
    /// Text, at most 64 KB.
    pub message: String,
    /// At most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// At most 64 KB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_details: Option<String>,
}

/// How loud an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// Blue.
    Notice,
    /// Yellow.
    Warning,
    /// Red.
    Failure,
}

/// A button of a check run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Button {
    /// What stands on it, at most 20 characters.
    pub label: String,
    /// What it does, at most 40 characters.
    pub description: String,
    /// What comes back when it is pressed, at most 20 characters.
    pub identifier: String,
}

/// GitHub documents times without fractions.
fn seconds<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).serialize(to)
}

/// A check run as REST tells it.
#[derive(Deserialize)]
struct Body {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    head_sha: String,
    #[serde(default)]
    status: String,
    conclusion: Option<String>,
    external_id: Option<String>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    output: Option<BodyOutput>,
    html_url: Option<String>,
    app: Option<BodyApp>,
}

#[derive(Deserialize)]
struct BodyOutput {
    annotations_count: Option<u64>,
}

#[derive(Deserialize)]
struct BodyApp {
    id: Option<u64>,
}

impl Body {
    fn into_run(self) -> CheckRun {
        CheckRun {
            id: self.id,
            name: self.name,
            head_sha: self.head_sha,
            status: CheckRunStatus::read(&self.status),
            conclusion: self.conclusion,
            external_id: self.external_id.filter(|id| !id.is_empty()),
            started_at: self.started_at,
            completed_at: self.completed_at,
            annotations: self.output.and_then(|o| o.annotations_count),
            html_url: self.html_url,
        }
    }
}

impl Installation {
    /// Check runs of a name and an App on a commit, older ones of the same name included, newest first.
    pub async fn find_check_runs(
        &self,
        repo: &RepoName,
        sha: &str,
        look: &CheckRunLook,
    ) -> Result<Vec<CheckRun>, Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            check_runs: Vec<Body>,
        }
        let app_id = look.app_id.to_string();
        let query = [("check_name", look.name.as_str()), ("app_id", &app_id), ("filter", "all"), ("per_page", "100")];
        let mut url =
            self.transport().url(["repos", repo.owner(), repo.name(), "commits", full_sha(sha)?, "check-runs"], &query);
        let mut runs = Vec::new();
        for _ in 0..MAX_PAGES {
            let answer = self.get(url).await?;
            runs.extend(answer.json::<List>()?.check_runs);
            let Some(next) = answer.next_link() else { break };
            url = self.transport().on_base(next)?;
        }
        // GitHub filters; older servers ignore what they do not know, and a foreign run must never be taken for ours.
        let ours = |run: &Body| run.name == look.name && run.app.as_ref().is_none_or(|a| a.id == Some(look.app_id));
        let mut runs: Vec<_> = runs.into_iter().filter(ours).map(Body::into_run).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.id));
        Ok(runs)
    }

    /// One check run.
    pub async fn check_run(&self, repo: &RepoName, id: u64) -> Result<CheckRun, Error> {
        let url = self.transport().url(["repos", repo.owner(), repo.name(), "check-runs", &id.to_string()], &[]);
        Ok(self.get(url).await?.json::<Body>()?.into_run())
    }

    /// Creates a check run. Never repeated inside; [`Error::AnswerLost`] when it may have been created.
    pub async fn create_check_run(&self, repo: &RepoName, draft: &CheckRunDraft) -> Result<CheckRun, Error> {
        #[derive(Serialize)]
        struct New<'a> {
            head_sha: &'a str,
            #[serde(flatten)]
            draft: &'a CheckRunDraft,
        }
        let url = self.transport().url(["repos", repo.owner(), repo.name(), "check-runs"], &[]);
        let body = New { head_sha: full_sha(&draft.head_sha)?, draft };
        self.write(Method::POST, url, draft, &body).await
    }

    /// Changes a check run; annotations are added. Never repeated inside; [`Error::AnswerLost`] when it may be done.
    pub async fn update_check_run(&self, repo: &RepoName, id: u64, draft: &CheckRunDraft) -> Result<CheckRun, Error> {
        let url = self.transport().url(["repos", repo.owner(), repo.name(), "check-runs", &id.to_string()], &[]);
        self.write(Method::PATCH, url, draft, draft).await
    }

    async fn write(
        &self,
        method: Method,
        url: url::Url,
        draft: &CheckRunDraft,
        body: &impl Serialize,
    ) -> Result<CheckRun, Error> {
        let invalid = |message: &str| Err(Error::Invalid { message: message.to_owned() });
        if draft.output.as_ref().is_some_and(|o| o.annotations.len() > MAX_ANNOTATIONS) {
            return invalid("more than 50 annotations in one call");
        }
        let completed = matches!(draft.status, None | Some(CheckRunStatus::Completed));
        if matches!(draft.status, Some(CheckRunStatus::Other)) || (draft.conclusion.is_some() && !completed) {
            return invalid("a status that cannot be written");
        }
        let body = serde_json::to_vec(body).map_err(|_| Error::contract("a draft that is no JSON"))?;
        let answer = self.call(Bucket::Core, &Call::write(method, url, body)).await?;
        written(&answer)
    }
}

/// The run that a write answers with. It was done whatever the answer holds, so an unreadable one is a lost one.
fn written(answer: &Answer) -> Result<CheckRun, Error> {
    let run = answer.json::<Body>().map_err(|_| Error::AnswerLost { status: Some(answer.status) })?;
    Ok(run.into_run())
}

/// A whole commit id, so that no branch name is taken for one.
pub(super) fn full_sha(sha: &str) -> Result<&str, Error> {
    let whole = matches!(sha.len(), 40 | 64) && sha.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then_some(sha).ok_or_else(|| Error::Invalid { message: "not a whole commit id".to_owned() })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::super::scripted::{SHA, Scripted, json, look, repo, start_time};
    use super::*;

    fn draft() -> CheckRunDraft {
        CheckRunDraft { name: "mergecast/risk".to_owned(), head_sha: SHA.to_owned(), ..CheckRunDraft::default() }
    }

    #[tokio::test]
    async fn what_is_absent_is_not_sent() {
        let answer = json!({"id": 5, "name": "mergecast/risk", "head_sha": SHA, "status": "completed", "external_id": "",
            "conclusion": "neutral", "output": {"annotations_count": 2}});
        let s = Scripted::start(move |a| a.target.contains("check-runs").then(|| json(201, &answer))).await;
        let i = s.installation();
        let status = Some(CheckRunStatus::InProgress);
        let begun = CheckRunDraft { status, started_at: Some(start_time() + TimeDelta::milliseconds(7)), ..draft() };
        let created = i.create_check_run(&repo(), &begun).await.unwrap();
        assert_eq!((created.id, created.status, created.annotations), (5, CheckRunStatus::Completed, Some(2)));
        assert_eq!((created.conclusion.as_deref(), created.external_id), (Some("neutral"), None));
        let annotation = Annotation {
            path: "a.rs".to_owned(),
            start_line: 1,
            end_line: 2,
            annotation_level: AnnotationLevel::Warning,
            message: "m".to_owned(),
            title: None,
            raw_details: None,
        };
        let output =
            CheckRunOutput { title: "t".into(), summary: "s".into(), text: None, annotations: vec![annotation] };
        let button = Button { label: "Re-score".into(), description: "d".into(), identifier: "rescore".into() };
        let conclusion = Some(Conclusion::ActionRequired);
        let ended = CheckRunDraft { conclusion, output: Some(output), actions: vec![button], ..draft() };
        i.update_check_run(&repo(), 5, &ended).await.unwrap();
        let sent: Vec<_> =
            s.asked().into_iter().map(|a| (a.method, serde_json::from_str::<Value>(&a.body).unwrap())).collect();
        let name = "mergecast/risk";
        let first =
            json!({"head_sha": SHA, "name": name, "status": "in_progress", "started_at": "2027-01-15T08:00:00Z"});
        let annotation =
            json!({"path": "a.rs", "start_line": 1, "end_line": 2, "annotation_level": "warning", "message": "m"});
        let second = json!({"name": name, "conclusion": "action_required",
            "output": {"title": "t", "summary": "s", "annotations": [annotation]},
            "actions": [{"label": "Re-score", "description": "d", "identifier": "rescore"}]});
        assert_eq!(sent, [("POST".to_owned(), first), ("PATCH".to_owned(), second)]);
    }

    #[tokio::test]
    async fn what_github_would_refuse_is_not_sent() {
        let s = Scripted::start(|_| None).await;
        let i = s.installation();
        let annotation = Annotation {
            path: String::new(),
            start_line: 1,
            end_line: 1,
            annotation_level: AnnotationLevel::Notice,
            message: String::new(),
            title: None,
            raw_details: None,
        };
        let output = CheckRunOutput { annotations: vec![annotation; 51], ..CheckRunOutput::default() };
        let check_run = |output, status, conclusion, head_sha: &str| CheckRunDraft {
            output,
            status,
            conclusion,
            head_sha: head_sha.to_owned(),
            ..draft()
        };
        for bad in [
            check_run(Some(output), None, None, SHA),
            check_run(None, Some(CheckRunStatus::InProgress), Some(Conclusion::Success), SHA),
            check_run(None, Some(CheckRunStatus::Other), None, SHA),
            check_run(None, None, None, "main"),
        ] {
            assert!(matches!(i.create_check_run(&repo(), &bad).await, Err(Error::Invalid { .. })), "{bad:?}");
        }
        assert_eq!((s.asked().len(), s.mints()), (0, 0));
    }

    #[tokio::test]
    async fn only_our_own_runs_are_found() {
        let run =
            |id: u64, name: &str, app: u64| json!({"id": id, "name": name, "app": {"id": app}, "status": "waiting"});
        let runs = json!([
            run(1, "mergecast/risk", 7),
            run(4, "mergecast/risk", 8),
            run(3, "x", 7),
            run(2, "mergecast/risk", 7)
        ]);
        let s =
            Scripted::start(move |a| a.target.contains("/commits/").then(|| json(200, &json!({"check_runs": runs}))))
                .await;
        let found = s.installation().find_check_runs(&repo(), SHA, &look()).await.unwrap();
        assert_eq!(
            found.iter().map(|r| (r.id, r.status)).collect::<Vec<_>>(),
            [(2, CheckRunStatus::Other), (1, CheckRunStatus::Other)]
        );
        let target = s.asked().remove(0).target;
        let query = "check_name=mergecast%2Frisk&app_id=7&filter=all&per_page=100";
        assert_eq!(target, format!("/repos/acme/shop/commits/{SHA}/check-runs?{query}"));
    }
}
