//! What a webhook says, in the product's types: a closed enum with only the fields that are read.

use chrono::{DateTime, Utc};

use super::deployed::{DeploymentEvent, ReleaseEvent};
use super::name::RepoName;

/// A webhook of which something is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// GitHub tries the hook.
    Ping,
    /// A pull request was opened, pushed to, edited, closed …
    PullRequest(PullRequestEvent),
    /// A review was given, edited or dismissed.
    PullRequestReview(ReviewEvent),
    /// A check run of any App was completed, or one of ours is to be re-run or had a button pressed.
    CheckRun(CheckRunEvent),
    /// A check suite of any App was completed, or ours is to be re-run.
    CheckSuite(CheckSuiteEvent),
    /// A commit status was set.
    Status(StatusEvent),
    /// A workflow run was completed.
    WorkflowRun(WorkflowRunEvent),
    /// Commits were pushed.
    Push(PushEvent),
    /// A merge group wants its checks, or is gone.
    MergeGroup(MergeGroupEvent),
    /// A comment was written below a pull request.
    IssueComment(IssueCommentEvent),
    /// A deployment was asked for, or has come further.
    Deployment(DeploymentEvent),
    /// A version was released.
    Release(ReleaseEvent),
    /// The App was installed, suspended, removed, or its repositories or permissions changed.
    Installation(InstallationEvent),
    /// A repository has another name or owner, was archived, or is gone.
    Repository(RepositoryEvent),
    /// Nothing is done with it.
    Ignored(Ignored),
}

/// Why nothing is done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The event is not one that is read.
    Event,
    /// The action is not one that is read.
    Action,
    /// A comment below an issue that is not a pull request.
    NotAPullRequest,
}

/// Where an event comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `None` for events that come through a repository's own hook.
    pub installation_id: Option<u64>,
    /// The repository (the base repository for a pull request).
    pub repository: Repository,
    /// Who caused it; `None` for a deleted account.
    pub sender: Option<Account>,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Id; it outlives renames.
    pub id: u64,
    /// Owner and name.
    pub name: RepoName,
    /// Default branch, where the payload says.
    pub default_branch: Option<String>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Id; it outlives renames.
    pub id: u64,
    /// Login. Untrusted.
    pub login: String,
    /// A bot or an App.
    pub bot: bool,
}

/// `pull_request`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// What happened.
    pub action: PullRequestAction,
    /// The pull request, as it was then.
    pub pull: PullSummary,
}

/// What happened to a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestAction {
    /// Opened.
    Opened,
    /// Opened again.
    Reopened,
    /// Pushed to.
    Synchronize,
    /// Ready for review.
    ReadyForReview,
    /// A draft again.
    ConvertedToDraft,
    /// Title, description or base branch were changed.
    Edited {
        /// The base branch is another one: so are the diff and the CODEOWNERS file.
        base: bool,
        /// The title is another one.
        title: bool,
        /// The description is another one.
        body: bool,
    },
    /// Got a label.
    Labeled,
    /// Lost a label.
    Unlabeled,
    /// Closed.
    Closed {
        /// By being merged.
        merged: bool,
    },
    /// Somebody was asked for a review.
    ReviewRequested,
    /// Somebody is no longer asked for a review.
    ReviewRequestRemoved,
    /// Put into the merge queue.
    Enqueued,
    /// Taken out of the merge queue.
    Dequeued,
}

/// A pull request as a payload tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSummary {
    /// Number.
    pub number: u64,
    /// Title. Untrusted.
    pub title: String,
    /// Description, empty when there is none or the payload does not say. Untrusted.
    pub body: String,
    /// Head commit.
    pub head_sha: String,
    /// Head branch. Untrusted.
    pub head_ref: String,
    /// Id of the head's repository; `None` once a fork is deleted.
    pub head_repository_id: Option<u64>,
    /// Commit of the base branch.
    pub base_sha: String,
    /// Base branch.
    pub base_ref: String,
    /// Not ready for review; reviews do not always say.
    pub draft: bool,
    /// Not closed.
    pub open: bool,
    /// When anything of it changed last, where the payload says.
    pub updated_at: Option<DateTime<Utc>>,
    /// Who opened it; `None` for a deleted account.
    pub author: Option<Account>,
}

/// `pull_request_review`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// What happened.
    pub action: ReviewAction,
    /// The pull request, as it was then.
    pub pull: PullSummary,
    /// The review's state as GitHub writes it, lower case (`approved`, `changes_requested`, `commented`, `dismissed`).
    pub state: String,
    /// Who reviewed; `None` for a deleted account.
    pub reviewer: Option<Account>,
}

/// What happened to a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewAction {
    /// Given.
    Submitted,
    /// Its text was changed.
    Edited,
    /// Dismissed.
    Dismissed,
}

/// `check_run`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRunEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// What happened.
    pub action: CheckRunAction,
    /// GitHub's id of the run.
    pub id: u64,
    /// Name. Untrusted unless the App is ours.
    pub name: String,
    /// Commit it stands on.
    pub head_sha: String,
    /// The id that its App gave it.
    pub external_id: Option<String>,
    /// App it belongs to.
    pub app_id: Option<u64>,
    /// Open pull requests of this repository whose head it is; empty for forks.
    pub pulls: Vec<u64>,
}

/// What happened to a check run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckRunAction {
    /// Created.
    Created,
    /// Completed.
    Completed,
    /// Somebody wants it run again; only its own App is told.
    Rerequested,
    /// Somebody pressed a button; only its own App is told.
    RequestedAction {
        /// The button's identifier.
        identifier: String,
    },
}

/// `check_suite`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSuiteEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// What happened.
    pub action: CheckSuiteAction,
    /// Commit it stands on.
    pub head_sha: String,
    /// App it belongs to.
    pub app_id: Option<u64>,
    /// Open pull requests of this repository whose head it is; empty for forks.
    pub pulls: Vec<u64>,
}

/// What happened to a check suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckSuiteAction {
    /// All its runs are completed.
    Completed,
    /// Commits were pushed; each App with write access to checks gets its own suite.
    Requested,
    /// Somebody wants all its runs again; only its own App is told.
    Rerequested,
}

/// `status`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// Commit it stands on.
    pub sha: String,
    /// Its name. Untrusted.
    pub context: String,
    /// `error`, `failure`, `pending` or `success`.
    pub state: String,
}

/// `workflow_run`, action `completed`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowRunEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// GitHub's id of the run.
    pub id: u64,
    /// Commit it ran on.
    pub head_sha: String,
    /// Open pull requests of this repository whose head it is; empty for forks.
    pub pulls: Vec<u64>,
}

/// `push`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// Full name of the ref, `refs/heads/…` or `refs/tags/…`. Untrusted.
    pub git_ref: String,
    /// Object it points to now, which is a commit unless it is a tag with a text; zeros when it was deleted.
    pub after: String,
    /// Commit it leads to now, where the payload says.
    pub head_commit: Option<String>,
    /// Commits that it pointed to before are no longer on it.
    pub forced: bool,
    /// Paths that the payload's commits touch, each once; GitHub names at most 2,048 commits. Untrusted.
    pub paths: Vec<String>,
}

impl PushEvent {
    /// The branch that was pushed to; `None` for tags.
    pub fn branch(&self) -> Option<&str> {
        self.git_ref.strip_prefix("refs/heads/")
    }

    /// The tag that was made or moved; `None` for branches, and for a tag that was deleted.
    pub fn tag(&self) -> Option<&str> {
        self.git_ref.strip_prefix("refs/tags/").filter(|_| !self.after.bytes().all(|digit| digit == b'0'))
    }
}

/// `merge_group`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeGroupEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// What happened.
    pub action: MergeGroupAction,
    /// Commit that the checks must stand on.
    pub head_sha: String,
    /// Full name of the group's branch. Untrusted.
    pub head_ref: String,
    /// Commit it was built on.
    pub base_sha: String,
    /// Full name of the base branch.
    pub base_ref: String,
    /// When GitHub made the group's commit, as far as it says so.
    pub committed_at: Option<DateTime<Utc>>,
}

/// What happened to a merge group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeGroupAction {
    /// The queue waits for its checks.
    ChecksRequested,
    /// It is gone.
    Destroyed {
        /// Why, in GitHub's word: `merged`, `invalidated` or `dequeued`. Untrusted; empty when it was not said.
        reason: String,
    },
}

/// `issue_comment`, action `created`, on a pull request
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueCommentEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// The pull request's number.
    pub number: u64,
    /// GitHub's id of the comment.
    pub comment_id: u64,
    /// Text. Untrusted.
    pub body: String,
    /// Who wrote it; `None` for a deleted account.
    pub author: Option<Account>,
    /// App through which it was written.
    pub app_id: Option<u64>,
    /// By GitHub's word its author owns the repository, is in its organisation or was invited to it. No permission: that is
    /// asked for.
    pub insider: bool,
    /// When it was written, where the payload says.
    pub created_at: Option<DateTime<Utc>>,
}

/// `installation`, `installation_repositories` and `installation_target`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationEvent {
    /// Installation.
    pub installation_id: u64,
    /// What happened.
    pub action: InstallationAction,
    /// Repositories that came or went; names are left out when GitHub's allowed characters are not kept.
    pub repositories: Vec<RepoName>,
}

/// What happened to an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallationAction {
    /// Installed.
    Created,
    /// Removed.
    Deleted,
    /// Suspended.
    Suspended,
    /// No longer suspended.
    Unsuspended,
    /// New permissions were accepted.
    PermissionsAccepted,
    /// Repositories were added.
    RepositoriesAdded,
    /// Repositories were removed.
    RepositoriesRemoved,
    /// The account has another name, and so have its repositories.
    AccountRenamed,
}

/// `repository`: what happened is for GitHub to say when it is asked, for events come in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryEvent {
    /// Where it comes from: the repository by its name of then.
    pub origin: Origin,
}

impl Event {
    /// Caused by App `app_id` itself and not by somebody who asks something of it: nothing is to be done.
    pub fn is_ours(&self, app_id: u64) -> bool {
        match self {
            Self::CheckRun(e) => {
                e.app_id == Some(app_id) && matches!(e.action, CheckRunAction::Created | CheckRunAction::Completed)
            }
            Self::CheckSuite(e) => e.app_id == Some(app_id) && e.action != CheckSuiteAction::Rerequested,
            Self::IssueComment(e) => e.app_id == Some(app_id),
            _ => false,
        }
    }

    /// Where it comes from, for those that come from a repository.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::PullRequest(e) => Some(&e.origin),
            Self::PullRequestReview(e) => Some(&e.origin),
            Self::CheckRun(e) => Some(&e.origin),
            Self::CheckSuite(e) => Some(&e.origin),
            Self::Status(e) => Some(&e.origin),
            Self::WorkflowRun(e) => Some(&e.origin),
            Self::Push(e) => Some(&e.origin),
            Self::MergeGroup(e) => Some(&e.origin),
            Self::IssueComment(e) => Some(&e.origin),
            Self::Repository(e) => Some(&e.origin),
            Self::Deployment(e) => Some(&e.origin),
            Self::Release(e) => Some(&e.origin),
            Self::Ping | Self::Installation(_) | Self::Ignored(_) => None,
        }
    }
}
