//! The client: one [`GitHub`] for the App, one [`Installation`] for each place where it is installed.

use std::time::Duration;

use url::Url;

use super::auth::AppCredentials;
use super::check_run::{CheckRun, CheckRunDraft, CheckRunLook};
use super::error::Error;
use super::files::{CachedPage, Files};
use super::name::RepoName;
use super::pull_request::PullRequest;
use crate::clock::Clock;
use crate::risk::facts::ChangeState;

/// Addresses of the two APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// Base of the REST API, without a slash at its end.
    pub api: Url,
    /// The GraphQL endpoint.
    pub graphql: Url,
}

impl Urls {
    /// Derives the GraphQL endpoint: beside `/api/v3` on GitHub Enterprise Server, below any other base.
    pub fn new(api: Url) -> Result<Self, Error> {
        todo!()
    }
}

/// How the client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Longest time for one exchange, from connecting to the last byte of the answer.
    pub deadline: Duration,
    /// `User-Agent`.
    pub user_agent: String,
    /// Writes per installation and minute before the client itself makes them wait; `None` for no bound of its own.
    pub writes_per_minute: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        todo!()
    }
}

/// The App at one GitHub. Cheap to clone; clones share tokens, limits and connections.
#[derive(Clone, Debug)]
pub struct GitHub;

/// The App where it is installed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Installation;

/// The App as GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Number.
    pub id: u64,
    /// Name in URLs; its bot's login is `{slug}[bot]`.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Events that it is subscribed to.
    pub events: Vec<String>,
    /// Permissions that it asks for.
    pub permissions: super::Permissions,
}

/// A pull request in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRef {
    /// Number.
    pub number: u64,
    /// Open, closed or merged.
    pub state: ChangeState,
    /// Head commit.
    pub head_sha: String,
    /// Base branch.
    pub base_ref: String,
    /// Id of the base repository.
    pub base_repository_id: u64,
    /// How many files it changes; lists do not say.
    pub changed_files: Option<u64>,
}

impl GitHub {
    /// Checks the key and the addresses; sends nothing.
    pub fn new(app: AppCredentials, urls: Urls, clock: Clock, options: Options) -> Result<Self, Error> {
        todo!()
    }

    /// The App in installation `id`; sends nothing.
    pub fn installation(&self, id: u64) -> Installation {
        todo!()
    }

    /// Forgets the token and the limits of installation `id`: it was deleted or suspended.
    pub fn forget(&self, id: u64) {
        todo!()
    }

    /// The App itself: whether the credentials are good.
    pub async fn app(&self) -> Result<App, Error> {
        todo!()
    }

    /// Which installation covers a repository.
    pub async fn installation_of(&self, repo: &RepoName) -> Result<u64, Error> {
        todo!()
    }
}

impl Installation {
    /// Its id.
    pub fn id(&self) -> u64 {
        todo!()
    }

    /// Everything about a pull request but its files: one GraphQL call, and one for each further hundred of a list.
    pub async fn pull_request(&self, repo: &RepoName, number: u64, look: &CheckRunLook) -> Result<PullRequest, Error> {
        todo!()
    }

    /// Changed files of a pull request, 100 a call. Stops at `expected`, `None` reads to the end of the list.
    /// Pages in `cached` (by [`CachedPage::route`]) are revalidated.
    pub async fn files(
        &self,
        repo: &RepoName,
        number: u64,
        expected: Option<u64>,
        cached: &[CachedPage],
    ) -> Result<Files, Error> {
        todo!()
    }

    /// The routes of the pages that [`Installation::files`] would read: keys for looking up cached ones.
    pub fn files_routes(repo: &RepoName, number: u64, expected: u64) -> Vec<String> {
        todo!()
    }

    /// Changed files of a commit (against its first parent). `sha` may be cut short, to 7 characters at least.
    pub async fn commit_files(&self, repo: &RepoName, sha: &str) -> Result<Files, Error> {
        todo!()
    }

    /// Whether `ancestor` is `descendant` or lies before it: a commit of a fork can be read through the base
    /// repository too, so reading it proves nothing about where it was merged.
    pub async fn is_ancestor(&self, repo: &RepoName, ancestor: &str, descendant: &str) -> Result<bool, Error> {
        todo!()
    }

    /// One pull request in a few words.
    pub async fn pull(&self, repo: &RepoName, number: u64) -> Result<PullRef, Error> {
        todo!()
    }

    /// Pull requests that a commit belongs to.
    pub async fn pulls_of_commit(&self, repo: &RepoName, sha: &str) -> Result<Vec<PullRef>, Error> {
        todo!()
    }

    /// Check runs of a name and an App on a commit, older ones of the same name included, newest first.
    pub async fn find_check_runs(
        &self,
        repo: &RepoName,
        sha: &str,
        look: &CheckRunLook,
    ) -> Result<Vec<CheckRun>, Error> {
        todo!()
    }

    /// One check run.
    pub async fn check_run(&self, repo: &RepoName, id: u64) -> Result<CheckRun, Error> {
        todo!()
    }

    /// Creates a check run. Never repeated inside; [`Error::AnswerLost`] when it may have been created.
    pub async fn create_check_run(&self, repo: &RepoName, draft: &CheckRunDraft) -> Result<CheckRun, Error> {
        todo!()
    }

    /// Changes a check run; annotations are added. Never repeated inside; [`Error::AnswerLost`] when it may be done.
    pub async fn update_check_run(&self, repo: &RepoName, id: u64, draft: &CheckRunDraft) -> Result<CheckRun, Error> {
        todo!()
    }
}
