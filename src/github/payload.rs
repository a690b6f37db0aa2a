//! The shapes of webhook payloads: only the fields that are read, each as lenient as its use allows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use super::event::{Account, InstallationAction, InstallationEvent, PullRequestAction, PullSummary, Repository};
use super::name::RepoName;

/// What every payload has, more or less.
#[derive(Deserialize)]
pub(super) struct Common {
    #[serde(default)]
    pub(super) action: String,
    pub(super) installation: Option<Id>,
    pub(super) repository: Option<RepositoryBody>,
    pub(super) sender: Option<AccountBody>,
}

#[derive(Deserialize)]
pub(super) struct Id {
    pub(super) id: u64,
}

#[derive(Deserialize)]
pub(super) struct RepositoryBody {
    id: u64,
    full_name: String,
    default_branch: Option<String>,
}

impl From<RepositoryBody> for Option<Repository> {
    fn from(body: RepositoryBody) -> Self {
        let name = RepoName::parse(&body.full_name)?;
        Some(Repository { id: body.id, name, default_branch: body.default_branch })
    }
}

#[derive(Deserialize)]
pub(super) struct AccountBody {
    id: Option<u64>,
    login: Option<String>,
    #[serde(rename = "type", default)]
    kind: String,
}

impl From<AccountBody> for Option<Account> {
    fn from(body: AccountBody) -> Self {
        Some(Account { id: body.id?, login: body.login?, bot: body.kind == "Bot" })
    }
}

#[derive(Deserialize)]
pub(super) struct PullBody {
    pub(super) pull_request: Pull,
    #[serde(default)]
    changes: Changes,
}

#[derive(Deserialize, Default)]
struct Changes {
    base: Option<IgnoredAny>,
    title: Option<IgnoredAny>,
    body: Option<IgnoredAny>,
}

impl PullBody {
    pub(super) fn edited(&self) -> PullRequestAction {
        let Changes { base, title, body } = &self.changes;
        PullRequestAction::Edited { base: base.is_some(), title: title.is_some(), body: body.is_some() }
    }
}

#[derive(Deserialize)]
pub(super) struct Pull {
    number: u64,
    #[serde(default, deserialize_with = "null_is_default")]
    title: String,
    #[serde(default, deserialize_with = "null_is_default")]
    body: String,
    head: Side,
    base: Side,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    state: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) merged: bool,
    #[serde(default, deserialize_with = "lenient_time")]
    updated_at: Option<DateTime<Utc>>,
    user: Option<AccountBody>,
}

#[derive(Deserialize)]
struct Side {
    sha: String,
    #[serde(rename = "ref")]
    name: String,
    repo: Option<Id>,
}

impl Pull {
    pub(super) fn into_summary(self) -> PullSummary {
        PullSummary {
            number: self.number,
            title: self.title,
            body: self.body,
            head_sha: self.head.sha,
            head_ref: self.head.name,
            head_repository_id: self.head.repo.map(|r| r.id),
            base_sha: self.base.sha,
            base_ref: self.base.name,
            draft: self.draft,
            open: self.state != "closed",
            updated_at: self.updated_at,
            author: self.user.and_then(Into::into),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ReviewBody {
    pub(super) pull_request: Pull,
    pub(super) review: Review,
}

#[derive(Deserialize)]
pub(super) struct Review {
    pub(super) state: String,
    pub(super) user: Option<AccountBody>,
}

#[derive(Deserialize)]
pub(super) struct CheckRunBody {
    pub(super) check_run: CheckRun,
    pub(super) requested_action: Option<Pressed>,
}

#[derive(Deserialize)]
pub(super) struct Pressed {
    pub(super) identifier: String,
}

#[derive(Deserialize)]
pub(super) struct CheckRun {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) name: String,
    pub(super) head_sha: String,
    pub(super) external_id: Option<String>,
    pub(super) app: Option<Id>,
    #[serde(rename = "pull_requests", default)]
    pub(super) pulls: Pulls,
}

#[derive(Deserialize)]
pub(super) struct CheckSuiteBody {
    pub(super) check_suite: CheckSuite,
}

#[derive(Deserialize)]
pub(super) struct CheckSuite {
    pub(super) head_sha: String,
    pub(super) app: Option<Id>,
    #[serde(rename = "pull_requests", default)]
    pub(super) pulls: Pulls,
}

#[derive(Deserialize)]
pub(super) struct WorkflowRunBody {
    pub(super) workflow_run: WorkflowRun,
}

#[derive(Deserialize)]
pub(super) struct WorkflowRun {
    pub(super) id: u64,
    pub(super) head_sha: String,
    #[serde(rename = "pull_requests", default)]
    pub(super) pulls: Pulls,
}

/// Pull requests that GitHub thinks of; null now and then.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Pulls(Option<Vec<Option<PullRef>>>);

#[derive(Deserialize)]
struct PullRef {
    number: u64,
    base: Option<PullRefBase>,
}

#[derive(Deserialize)]
struct PullRefBase {
    repo: Option<Id>,
}

impl Pulls {
    /// Those of repository `id`: a commit of a fork may be the head of pull requests elsewhere.
    pub(super) fn of(self, id: u64) -> Vec<u64> {
        let here = |p: &PullRef| p.base.as_ref().and_then(|b| b.repo.as_ref()).is_none_or(|r| r.id == id);
        self.0.into_iter().flatten().flatten().filter(here).map(|p| p.number).collect()
    }
}

#[derive(Deserialize)]
pub(super) struct StatusBody {
    pub(super) sha: String,
    #[serde(default)]
    pub(super) context: String,
    #[serde(default)]
    pub(super) state: String,
}

#[derive(Deserialize)]
pub(super) struct PushBody {
    #[serde(rename = "ref")]
    pub(super) git_ref: String,
    pub(super) after: String,
    #[serde(default)]
    pub(super) forced: bool,
    #[serde(default)]
    pub(super) commits: Vec<PushedCommit>,
    pub(super) head_commit: Option<HeadCommit>,
}

#[derive(Deserialize)]
pub(super) struct HeadCommit {
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PushedCommit {
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
}

impl PushedCommit {
    pub(super) fn into_paths(self) -> impl Iterator<Item = String> {
        self.added.into_iter().chain(self.removed).chain(self.modified)
    }
}

#[derive(Deserialize)]
pub(super) struct MergeGroupBody {
    pub(super) reason: Option<String>,
    pub(super) merge_group: MergeGroup,
}

#[derive(Deserialize)]
pub(super) struct MergeGroup {
    pub(super) head_sha: String,
    pub(super) head_ref: String,
    pub(super) base_sha: String,
    pub(super) base_ref: String,
    pub(super) head_commit: Option<MergeGroupCommit>,
}

#[derive(Deserialize)]
pub(super) struct MergeGroupCommit {
    #[serde(default, deserialize_with = "lenient_time")]
    pub(super) timestamp: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
pub(super) struct IssueCommentBody {
    pub(super) issue: Issue,
    pub(super) comment: Comment,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) pull_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) body: Option<String>,
    pub(super) user: Option<AccountBody>,
    pub(super) performed_via_github_app: Option<Id>,
    pub(super) author_association: Option<String>,
    #[serde(default, deserialize_with = "lenient_time")]
    pub(super) created_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
pub(super) struct InstallationBody {
    installation: Id,
    #[serde(default)]
    repositories: Vec<InstalledRepository>,
    #[serde(default)]
    repositories_added: Vec<InstalledRepository>,
    #[serde(default)]
    repositories_removed: Vec<InstalledRepository>,
}

#[derive(Deserialize)]
struct InstalledRepository {
    full_name: String,
}

impl InstallationBody {
    pub(super) fn into_event(self, action: InstallationAction) -> InstallationEvent {
        let lists = self.repositories.into_iter().chain(match action {
            InstallationAction::RepositoriesRemoved => self.repositories_removed,
            _ => self.repositories_added,
        });
        let repositories = lists.filter_map(|r| RepoName::parse(&r.full_name)).collect();
        InstallationEvent { installation_id: self.installation.id, action, repositories }
    }
}

pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A time as text or as seconds since 1970; anything else is no time.
pub(super) fn lenient_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => DateTime::parse_from_rfc3339(&text).ok().map(|at| at.to_utc()),
        Value::Number(seconds) => seconds.as_i64().and_then(|s| DateTime::from_timestamp(s, 0)),
        _ => None,
    })
}
