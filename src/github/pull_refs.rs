//! Pull requests in a few words, and where a commit stands: what finds the pull request of a fork's commit, and what
//! shows whether a change that is said to be undone was ever merged.

use serde::Deserialize;

use super::check_run::full_sha;
use super::error::Error;
use super::installation::Installation;
use super::name::RepoName;
use super::pull_request;
use super::wire::{Compared, UndonePull};
use crate::risk::{facts::ChangeState, revert::Claim};

/// A pull request in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRef {
    /// Number.
    pub number: u64,
    /// Title. Untrusted.
    pub title: String,
    /// Description, empty when there is none. Untrusted.
    pub body: String,
    /// Open, closed or merged.
    pub state: ChangeState,
    /// Head commit.
    pub head_sha: String,
    /// Base branch. Untrusted.
    pub base_ref: String,
    /// Id of the base repository, where the answer says.
    pub base_repository_id: Option<u64>,
    /// How many files it changes; lists do not say.
    pub changed_files: Option<u64>,
}

/// What GitHub told, along with a pull request, of the change that it claims to undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// A commit.
    Commit {
        /// Its whole id.
        sha: String,
        /// Whether it lies on the base branch.
        merged: bool,
    },
    /// A pull request.
    PullRequest(PullRef),
}

impl Undone {
    /// What an answer holds of it; nothing when GitHub does not know it.
    pub(super) fn read(claim: &Claim, pull: Option<UndonePull>, commit: Option<Compared>) -> Option<Self> {
        match claim {
            Claim::PullRequest(_) => pull.map(|pull| Self::PullRequest(pull.into_ref())),
            Claim::Commit(sha) => {
                // The base branch is compared with the commit: one that it holds is behind it.
                let status = commit?.compare?.status;
                Some(Self::Commit { sha: sha.clone(), merged: matches!(status.as_str(), "BEHIND" | "IDENTICAL") })
            }
        }
    }
}

impl UndonePull {
    fn into_ref(self) -> PullRef {
        PullRef {
            number: self.number,
            title: self.title,
            body: self.body.unwrap_or_default(),
            state: pull_request::state(&self.state),
            head_sha: self.head_ref_oid,
            base_ref: self.base_ref_name,
            base_repository_id: None,
            changed_files: self.changed_files,
        }
    }
}

#[derive(Deserialize)]
struct Body {
    number: u64,
    #[serde(default)]
    title: String,
    body: Option<String>,
    #[serde(default)]
    state: String,
    merged_at: Option<String>,
    head: Side,
    base: Side,
    changed_files: Option<u64>,
}

#[derive(Deserialize)]
struct Side {
    sha: String,
    #[serde(rename = "ref", default)]
    name: String,
    repo: Option<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    id: u64,
}

impl Body {
    fn into_ref(self) -> PullRef {
        let state = match (self.merged_at, self.state.as_str()) {
            (Some(_), _) => ChangeState::Merged,
            (None, "open") => ChangeState::Open,
            (None, _) => ChangeState::Closed,
        };
        PullRef {
            number: self.number,
            title: self.title,
            body: self.body.unwrap_or_default(),
            state,
            head_sha: self.head.sha,
            base_ref: self.base.name,
            base_repository_id: self.base.repo.map(|r| r.id),
            changed_files: self.changed_files,
        }
    }
}

impl Installation {
    /// One pull request in a few words.
    pub async fn pull(&self, repo: &RepoName, number: u64) -> Result<PullRef, Error> {
        let url = self.transport().url(["repos", repo.owner(), repo.name(), "pulls", &number.to_string()], &[]);
        Ok(self.get(url).await?.json::<Body>()?.into_ref())
    }

    /// Pull requests that a commit belongs to, at most 100, merged ones included.
    pub async fn pulls_of_commit(&self, repo: &RepoName, sha: &str) -> Result<Vec<PullRef>, Error> {
        let segments = ["repos", repo.owner(), repo.name(), "commits", full_sha(sha)?, "pulls"];
        let answer = self.get(self.transport().url(segments, &[("per_page", "100")])).await?;
        Ok(answer.json::<Vec<Body>>()?.into_iter().map(Body::into_ref).collect())
    }

    /// Whether `ancestor` is `descendant` or lies before it: a commit of a fork can be read through the base
    /// repository too, so reading it proves nothing about where it was merged. Both are whole commit ids.
    pub async fn is_ancestor(&self, repo: &RepoName, ancestor: &str, descendant: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Comparison {
            status: String,
        }
        let range = format!("{}...{}", full_sha(ancestor)?, full_sha(descendant)?);
        let segments = ["repos", repo.owner(), repo.name(), "compare", &range];
        // The files stand on the first page only, and only the verdict is read.
        let url = self.transport().url(segments, &[("per_page", "1"), ("page", "2")]);
        let verdict = self.get(url).await?.json::<Comparison>()?.status;
        Ok(matches!(verdict.as_str(), "ahead" | "identical"))
    }
}
