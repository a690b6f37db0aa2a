//! A pull request as GitHub tells it, in the product's types: everything but its changed files.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::auth::Permissions;
use super::base_files::{BaseFiles, Both};
use super::check_run::{CheckRun, CheckRunLook};
use super::error::Error;
use super::fold;
use super::graphql::{Partial, Refusals};
use super::installation::Installation;
use super::name::RepoName;
use super::wire::{CommitNode, Connection, Data, HeadCommit, PlainCommit, Pull, Repository};
use crate::risk::facts::{Author, ChangeState, Checks, Commit, Known, Reason, Review, Source, Unknown};

/// Asks for all of it.
const QUERY: &str = include_str!("queries/pull_request.graphql");
/// Asks for further pages.
const PAGE_QUERY: &str = include_str!("queries/pull_request_page.graphql");
/// Further pages at most: of a longer list a part is known, and the facts say so.
const MAX_PAGES: usize = 10;

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

/// What is asked for.
struct Ask<'a> {
    repo: &'a RepoName,
    number: u64,
    look: &'a CheckRunLook,
    with_teams: bool,
}

/// What was answered, all pages together.
struct Told {
    repository_id: Option<u64>,
    full_name: Option<String>,
    pull: Pull,
    /// The head commit; `None` until it is found.
    head: Option<HeadCommit>,
    refusals: Refusals,
}

impl Ask<'_> {
    fn variables(&self) -> Value {
        json!({
            "owner": self.repo.owner(),
            "name": self.repo.name(),
            "number": self.number,
            "appId": self.look.app_id,
            "checkName": self.look.name,
            "withTeams": self.with_teams,
        })
    }

    /// Variables of the next page; `None` when nothing is missing.
    fn further(&self, told: &Told) -> Option<Value> {
        let pull = &told.pull;
        let contexts = told.head.as_ref().and_then(|h| h.contexts());
        let after = [
            ("commits", pull.commits.as_ref().and_then(Connection::next)),
            ("opinions", pull.opinions.as_ref().and_then(Connection::next)),
            ("threads", pull.review_threads.as_ref().and_then(Connection::next)),
            ("contexts", contexts.and_then(Connection::next)),
        ];
        if told.head.is_some() && after.iter().all(|(_, cursor)| cursor.is_none()) {
            return None;
        }
        let mut variables = self.variables();
        variables["head"] = json!(pull.head_ref_oid);
        variables["ownRuns"] = json!(told.head.is_none());
        for (list, cursor) in after {
            variables[list] = json!(cursor.is_some() || (list == "contexts" && told.head.is_none()));
            variables[format!("{list}After")] = json!(cursor);
        }
        Some(variables)
    }
}

impl Told {
    fn read(data: Data, refusals: Refusals) -> Result<Self, Error> {
        let Some(Repository { database_id, name_with_owner, pull_request: Some(mut pull), .. }) = data.repository
        else {
            return Err(refusals.as_error());
        };
        // The list of commits ends at 250, so its last one need not be the head.
        let last = pull.head_commit.take().into_iter().flat_map(|c| c.nodes).flatten().next().map(|n| n.commit);
        let head = last.filter(|commit| commit.oid == pull.head_ref_oid);
        Ok(Self { repository_id: database_id, full_name: name_with_owner, pull, head, refusals })
    }

    fn add(&mut self, page: Data, refusals: Refusals) -> Result<(), Error> {
        let Some(Repository { pull_request: Some(page), object, .. }) = page.repository else {
            return Err(refusals.as_error());
        };
        if page.head_ref_oid != self.pull.head_ref_oid {
            return Err(Error::unavailable("the pull request was pushed to while it was read"));
        }
        append(&mut self.pull.commits, page.commits);
        append(&mut self.pull.opinions, page.opinions);
        append(&mut self.pull.review_threads, page.review_threads);
        match (&mut self.head, object) {
            (None, object) => self.head = object,
            (Some(head), Some(object)) => head.append_contexts(object),
            (Some(_), None) => {}
        }
        self.refusals.extend(refusals);
        Ok(())
    }

    fn checks(&self, granted: &Permissions, look: &CheckRunLook) -> (Known<Checks>, Known<Vec<CheckRun>>) {
        let Some(head) = &self.head else {
            let reason = Reason::Unavailable("GitHub does not show the head commit".to_owned());
            let unknown = Unknown { source: Source::Checks, reason };
            return (Err(unknown.clone()), Err(unknown));
        };
        let suites = head.check_suites.as_ref();
        let own = fold::own_runs(suites, &self.refusals, granted, look, &self.pull.head_ref_oid);
        (fold::checks(head.contexts(), &self.refusals, granted, look.app_id), own)
    }

    fn into_pull_request(self, ask: &Ask<'_>, granted: Permissions, base: Both) -> Result<PullRequest, Error> {
        let (checks, own_check_runs) = self.checks(&granted, ask.look);
        let review = fold::review(&self.pull, &self.refusals, &granted, ask.with_teams);
        let Self { repository_id, full_name, pull, head, .. } = self;
        let missing = |what: &str| Error::contract(format!("a pull request without {what}"));
        let full_name = full_name.as_deref().and_then(RepoName::parse);
        let created_at = pull.created_at.ok_or_else(|| missing("a date"))?;
        let (codeowners, policy) = base;
        Ok(PullRequest {
            repository_id: repository_id.ok_or_else(|| missing("the id of its repository"))?,
            repository: full_name.ok_or_else(|| missing("the name of its repository"))?,
            number: ask.number,
            title: pull.title,
            body: pull.body.unwrap_or_default(),
            author: fold::author(pull.author.as_ref()),
            state: state(&pull.state),
            draft: pull.is_draft,
            from_fork: pull.is_cross_repository,
            head_sha: pull.head_ref_oid,
            head_ref: pull.head_ref_name,
            base_sha: pull.base_ref_oid,
            base_ref: pull.base_ref_name,
            created_at,
            updated_at: pull.updated_at.unwrap_or(created_at),
            labels: pull.labels.into_iter().flat_map(|c| c.nodes).flatten().map(|l| l.name).collect(),
            commits_total: pull.commits.as_ref().map_or(0, Connection::total),
            commits: pull.commits.into_iter().flat_map(|c| c.nodes).flatten().map(commit).collect(),
            head_message: head.map(|h| h.message).unwrap_or_default(),
            files_total: pull.changed_files,
            review,
            checks,
            codeowners,
            policy,
            own_check_runs,
            permissions: granted,
        })
    }
}

fn append<T>(list: &mut Option<Connection<T>>, page: Option<Connection<T>>) {
    if let (Some(list), Some(page)) = (list, page) {
        list.append(page);
    }
}

fn commit(CommitNode { commit }: CommitNode<PlainCommit>) -> Commit {
    Commit { sha: commit.oid, headline: commit.message_headline, committed_at: commit.committed_date }
}

fn state(word: &str) -> ChangeState {
    match word {
        "OPEN" => ChangeState::Open,
        "MERGED" => ChangeState::Merged,
        _ => ChangeState::Closed,
    }
}

impl Installation {
    /// Everything about a pull request but its files: one GraphQL call, and one for each further hundred of its
    /// longest list.
    pub async fn pull_request(&self, repo: &RepoName, number: u64, look: &CheckRunLook) -> Result<PullRequest, Error> {
        let granted = self.permissions().await?;
        let ask = Ask { repo, number, look, with_teams: granted.can_read("members") };
        let Partial { data, refusals } = self.graphql::<Data>(QUERY, &ask.variables()).await?;
        let mut told = Told::read(data, refusals)?;
        for _ in 0..MAX_PAGES {
            let Some(variables) = ask.further(&told) else { break };
            let Partial { data, refusals } = self.graphql::<Data>(PAGE_QUERY, &variables).await?;
            told.add(data, refusals)?;
        }
        let base = told.pull.base_ref.take().and_then(|b| b.target);
        let files = BaseFiles { repo, granted: &granted, refusals: &told.refusals };
        let base = self.base_files(&files, base).await?;
        told.into_pull_request(&ask, granted, base)
    }
}
