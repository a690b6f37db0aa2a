//! A pull request as GitHub tells it, in the product's types: everything but its changed files.

use chrono::{DateTime, Utc};

use super::auth::Permissions;
use super::check_run::CheckRun;
use super::name::RepoName;
use crate::risk::facts::{Author, ChangeState, Checks, Commit, Known, Review};

/// One pull request at one instant. What GitHub refused or cut is unknown, with the reason. All text is untrusted.
#[derive(Clone, Debug, PartialEq)]
pub struct PullRequest {
    /// GitHub's id of the base repository; it outlives renames.
    pub repository_id: u64,
    /// Name of the base repository today, which may differ from the one asked for (renamed, moved).
    pub repository: RepoName,
    /// Number.
    pub number: u64,
    /// Title.
    pub title: String,
    /// Description, empty when there is none.
    pub body: String,
    /// Who opened it. A bot's login ends in `[bot]`, as in git authors and webhooks.
    pub author: Author,
    /// Open, closed or merged.
    pub state: ChangeState,
    /// Not ready for review.
    pub draft: bool,
    /// The head lives in another repository.
    pub from_fork: bool,
    /// Head commit; it exists in the base repository for a fork, too.
    pub head_sha: String,
    /// Head branch.
    pub head_ref: String,
    /// Commit of the base branch that GitHub compares with.
    pub base_sha: String,
    /// Base branch.
    pub base_ref: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When anything of it changed last.
    pub updated_at: DateTime<Utc>,
    /// Label names, at most 100 (GitHub's own bound).
    pub labels: Vec<String>,
    /// Commits, oldest first; GitHub lists at most 250.
    pub commits: Vec<Commit>,
    /// How many commits there are as far as GitHub counts.
    pub commits_total: u64,
    /// Whole message of the head commit; empty when it could not be read.
    pub head_message: String,
    /// How many files it changes.
    pub files_total: u64,
    /// Reviews, folded per reviewer.
    pub review: Known<Review>,
    /// Checks and statuses on the head commit, those of our App left out.
    pub checks: Known<Checks>,
    /// The CODEOWNERS file in force on the base branch; `Ok(None)` when there is none.
    pub codeowners: Known<Option<TextFile>>,
    /// `.github/mergecast.yml` of the base branch; `Ok(None)` when there is none.
    pub policy: Known<Option<TextFile>>,
    /// Our check runs of the asked name on the head commit, newest first.
    pub own_check_runs: Known<Vec<CheckRun>>,
    /// What the installation allows the App.
    pub permissions: Permissions,
}

/// A text file of the base branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// Where it stands.
    pub path: String,
    /// Object id of its content: equal ids, equal text.
    pub oid: String,
    /// Content. Untrusted.
    pub text: String,
}
