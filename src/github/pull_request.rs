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
use super::pull_refs::Undone;
use super::wire::{
    CodeownersError, CommitNode, Connection, Data, GitActor, HeadCommit, PlainCommit, Pull, Repository, UndonePull,
};
use crate::risk::facts::{Author, ChangeState, Checks, Commit, Known, Reason, Review, Source, Unknown};
use crate::risk::revert::Claim;

/// Asks for all of it.
const QUERY: &str = include_str!("queries/pull_request.graphql");
/// Asks for further pages.
const PAGE_QUERY: &str = include_str!("queries/pull_request_page.graphql");
/// Hexadecimal digits of a whole object id. GitHub refuses branches of such a name.
const WHOLE_SHA: usize = 40;
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
    /// Tip of the base branch as GitHub last took it for this pull request.
    pub base_sha: String,
    /// Commit at which the head left the base branch; `None` where its commits do not tell.
    pub merge_base_sha: Option<String>,
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
    /// The head commit's author as git has it; compared with those of earlier changes and kept nowhere. `None` when it
    /// could not be read.
    pub head_author: Option<GitAuthor>,
    /// How many files it changes.
    pub files_total: u64,
    /// Reviews, folded per reviewer.
    pub review: Known<Review>,
    /// Checks and statuses on the head commit, those of our App left out.
    pub checks: Known<Checks>,
    /// The CODEOWNERS file in force on the base branch; `Ok(None)` when there is none.
    pub codeowners: Known<Option<TextFile>>,
    /// Owners in it whom GitHub does not take: unknown, without write access, or a team that is not visible. Empty
    /// where GitHub was not asked: it checks the default branch only.
    pub unusable_owners: Vec<OwnerPlace>,
    /// `.github/mergecast.yml` of the base branch; `Ok(None)` when there is none.
    pub policy: Known<Option<TextFile>>,
    /// Our App's check runs on the head commit, of whatever name, newest first.
    pub own_check_runs: Known<Vec<CheckRun>>,
    /// What the installation allows the App.
    pub permissions: Permissions,
    /// Whether a token had to be fetched for this answer, which cost a request.
    pub token_fetched: bool,
    /// The change that it was said to undo when it was asked for; `None` if GitHub does not know that, or was not asked.
    pub undone: Option<Undone>,
}

/// Who a commit says wrote it. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitAuthor {
    /// Name.
    pub name: String,
    /// Address; empty when it is not told.
    pub email: String,
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

/// Where an owner stands in a CODEOWNERS file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerPlace {
    /// 1-based line.
    pub line: u64,
    /// 1-based column of its first character.
    pub column: u64,
}

/// What is asked for.
struct Ask<'a> {
    repo: &'a RepoName,
    number: u64,
    look: &'a CheckRunLook,
    undoes: Option<&'a Claim>,
    with_teams: bool,
    token_fetched: bool,
}

/// What was answered, all pages together.
struct Told {
    repository_id: Option<u64>,
    full_name: Option<String>,
    pull: Pull,
    /// What GitHub finds wrong with the CODEOWNERS file of the base branch, where that is the default branch.
    codeowners_errors: Vec<CodeownersError>,
    undone_pull: Option<UndonePull>,
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
            "withTeams": self.with_teams,
        })
    }

    /// With what only the first question asks. A shortened commit id is not compared: a branch may be named like one.
    fn first_variables(&self) -> Value {
        let mut variables = self.variables();
        match self.undoes {
            Some(Claim::PullRequest(number)) => {
                (variables["undonePull"], variables["withUndonePull"]) = (json!(number), json!(true));
            }
            Some(Claim::Commit(sha)) if sha.len() == WHOLE_SHA => {
                (variables["undoneCommit"], variables["withUndoneCommit"]) = (json!(sha), json!(true));
            }
            _ => {}
        }
        variables
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
        let Some(Repository {
            database_id,
            name_with_owner,
            default_branch_ref,
            codeowners,
            pull_request: Some(mut pull),
            undone_pull,
            ..
        }) = data.repository
        else {
            return Err(refusals.as_error());
        };
        let on_default = default_branch_ref.is_some_and(|branch| branch.name == pull.base_ref_name);
        let codeowners_errors = codeowners.filter(|_| on_default).map(|found| found.errors).unwrap_or_default();
        // The list of commits ends at 250, so its last one need not be the head.
        let last = pull.head_commit.take().into_iter().flat_map(|c| c.nodes).flatten().next().map(|n| n.commit);
        let head = last.filter(|commit| commit.oid == pull.head_ref_oid);
        let (repository_id, full_name) = (database_id, name_with_owner);
        Ok(Self { repository_id, full_name, pull, codeowners_errors, undone_pull, head, refusals })
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
        let own = fold::own_runs(suites, &self.refusals, granted, &self.pull.head_ref_oid);
        (fold::checks(head.contexts(), &self.refusals, granted, look.app_id), own)
    }

    fn into_pull_request(self, ask: &Ask<'_>, granted: Permissions, base: Both) -> Result<PullRequest, Error> {
        let (checks, own_check_runs) = self.checks(&granted, ask.look);
        let review = fold::review(&self.pull, self.head.as_ref(), &self.refusals, &granted, ask.with_teams);
        let Self { repository_id, full_name, mut pull, codeowners_errors, undone_pull, head, .. } = self;
        let undone_commit = pull.undone_commit.take();
        let merge_base_sha = fold::merge_base(pull.commits.as_ref(), &pull.head_ref_oid);
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
            merge_base_sha,
            base_ref: pull.base_ref_name,
            created_at,
            updated_at: pull.updated_at.unwrap_or(created_at),
            labels: pull.labels.into_iter().flat_map(|c| c.nodes).flatten().map(|l| l.name).collect(),
            commits_total: pull.commits.as_ref().map_or(0, Connection::total),
            commits: pull.commits.into_iter().flat_map(|c| c.nodes).flatten().map(commit).collect(),
            head_author: head.as_ref().and_then(|h| h.author.as_ref()).and_then(git_author),
            head_message: head.map(|h| h.message).unwrap_or_default(),
            files_total: pull.changed_files,
            review,
            checks,
            codeowners,
            unusable_owners: codeowners_errors.iter().filter_map(unusable).collect(),
            policy,
            own_check_runs,
            permissions: granted,
            token_fetched: ask.token_fetched,
            undone: ask.undoes.and_then(|claim| Undone::read(claim, undone_pull, undone_commit)),
        })
    }
}

/// Where an owner stands whom GitHub does not take.
fn unusable(error: &CodeownersError) -> Option<OwnerPlace> {
    let is_owner = error.kind.eq_ignore_ascii_case("Unknown owner");
    is_owner.then_some(OwnerPlace { line: error.line, column: error.column })
}

fn append<T>(list: &mut Option<Connection<T>>, page: Option<Connection<T>>) {
    if let (Some(list), Some(page)) = (list, page) {
        list.append(page);
    }
}

fn git_author(actor: &GitActor) -> Option<GitAuthor> {
    Some(GitAuthor { name: actor.name.clone()?, email: actor.email.clone().unwrap_or_default() })
}

fn commit(CommitNode { commit }: CommitNode<PlainCommit>) -> Commit {
    Commit { sha: commit.oid, headline: commit.message_headline, committed_at: commit.committed_date }
}

pub(super) fn state(word: &str) -> ChangeState {
    match word {
        "OPEN" => ChangeState::Open,
        "MERGED" => ChangeState::Merged,
        _ => ChangeState::Closed,
    }
}

impl Installation {
    /// Everything about a pull request but its files: one GraphQL call, and one for each further hundred of its
    /// longest list. `undoes` is what it is known to claim: GitHub is asked about that in the same call.
    pub async fn pull_request(
        &self,
        repo: &RepoName,
        number: u64,
        look: &CheckRunLook,
        undoes: Option<&Claim>,
    ) -> Result<PullRequest, Error> {
        let token_fetched = !self.has_token().await;
        let granted = self.permissions().await?;
        let ask = Ask { repo, number, look, undoes, with_teams: granted.can_read("members"), token_fetched };
        let Partial { data, refusals } = self.graphql::<Data>(QUERY, &ask.first_variables()).await?;
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::scripted::{Reply, SHA, Scripted, json, look, repo};
    use super::*;
    use crate::risk::facts::{AuthorKind, ReviewVerdict};

    fn connection(nodes: Value) -> Value {
        json!({"totalCount": nodes.as_array().map(Vec::len), "nodes": nodes, "pageInfo": {"hasNextPage": false}})
    }

    fn entry(path: &str, text: &str) -> Value {
        let blob = json!({"isBinary": false, "isTruncated": false, "text": text});
        json!({"path": path, "mode": 33188, "size": text.len(), "oid": SHA, "object": blob})
    }

    fn review(who: &str, state: &str, minute: u32) -> Value {
        json!({"state": state, "submittedAt": format!("2027-01-15T08:{minute:02}:00Z"), "commit": {"oid": SHA},
            "author": {"__typename": "User", "login": who, "id": format!("U_{who}")}, "authorCanPushToRepository": true,
            "onBehalfOf": connection(json!([{"combinedSlug": "acme/core"}]))})
    }

    fn check(name: &str, status: &str, conclusion: Value, app: u64) -> Value {
        json!({"__typename": "CheckRun", "name": name, "status": status, "conclusion": conclusion,
            "checkSuite": {"app": {"databaseId": app}}})
    }

    fn body() -> Value {
        let contexts = json!([
            check("build", "COMPLETED", json!("SUCCESS"), 1),
            check("test", "COMPLETED", json!("TIMED_OUT"), 1),
            check("test", "COMPLETED", json!("STALE"), 1),
            check("lint", "IN_PROGRESS", json!(null), 1),
            check("new", "COMPLETED", json!("SHRUG"), 1),
            check("mergecast/risk", "COMPLETED", json!("FAILURE"), 7),
            {"__typename": "StatusContext", "context": "ci", "state": "ERROR"},
            {"__typename": "StatusContext", "context": "cov", "state": "EXPECTED"},
            {"__typename": "StatusContext", "context": "ok", "state": "SUCCESS"},
        ]);
        let own = json!({"databaseId": 3_000_000_000_u64, "name": "mergecast/risk", "status": "COMPLETED",
            "conclusion": "NEUTRAL", "externalId": "a1"});
        let head = json!({"oid": SHA, "message": "Fix\n\nThis reverts commit x.",
            "statusCheckRollup": {"contexts": connection(contexts)},
            "checkSuites": connection(json!([{"checkRuns": connection(json!([own]))}]))});
        let plain = json!({"commit": {"oid": SHA, "messageHeadline": "Fix", "committedDate": "2027-01-15T07:00:00Z"}});
        let pull = json!({
            "number": 4, "title": "T", "body": null, "state": "OPEN", "isDraft": true, "isCrossRepository": true,
            "createdAt": "2027-01-14T08:00:00Z", "updatedAt": "2027-01-15T08:00:00Z", "author": null,
            "headRefName": "topic", "headRefOid": SHA, "baseRefName": "main", "baseRefOid": SHA, "changedFiles": 3,
            "labels": connection(json!([{"name": "bug"}])),
            "commits": connection(json!([plain])),
            "headCommit": connection(json!([{"commit": head}])),
            "opinions": connection(json!([
                review("ann", "CHANGES_REQUESTED", 1),
                review("bob", "APPROVED", 2),
                review("ann", "APPROVED", 3),
                review("bob", "DISMISSED", 4),
            ])),
            "comments": {"totalCount": 5},
            "reviewRequests": connection(json!([
                {"requestedReviewer": {"__typename": "User", "login": "cy"}},
                {"requestedReviewer": {"__typename": "Bot", "login": "copilot"}},
                {"requestedReviewer": {"__typename": "Team", "combinedSlug": "acme/core"}},
                {"requestedReviewer": null},
            ])),
            "reviewThreads": connection(json!([{"isResolved": true}, {"isResolved": false}])),
            "baseRef": {"target": {"codeowners1": null, "codeowners2": entry("CODEOWNERS", "* @ann"),
                "codeowners3": entry("docs/CODEOWNERS", "* @bob"), "policy": null}},
        });
        json!({"data": {"repository": {"databaseId": 9, "nameWithOwner": "acme/shop2", "pullRequest": pull}}})
    }

    /// The pull request that GitHub tells with `body` after `change`.
    async fn told(change: impl FnOnce(&mut Value)) -> Result<PullRequest, Error> {
        let mut body = body();
        change(&mut body);
        let s = Scripted::start(move |a| a.is("POST", "/graphql").then(|| json(200, &body))).await;
        s.installation().pull_request(&repo(), 4, &look(), None).await
    }

    fn pull(body: &mut Value) -> &mut Value {
        &mut body["data"]["repository"]["pullRequest"]
    }

    fn refuse(body: &mut Value, kind: &str, path: Value) {
        body["errors"] = json!([{"type": kind, "message": "no", "path": path}]);
    }

    #[tokio::test]
    async fn a_pull_request_is_told_in_our_words() {
        let p = told(|_| {}).await.unwrap();
        assert_eq!((p.repository_id, p.repository.to_string(), p.number), (9, "acme/shop2".to_owned(), 4));
        assert_eq!((p.state, p.draft, p.from_fork, p.files_total), (ChangeState::Open, true, true, 3));
        assert_eq!(p.author, Author { login: "ghost".to_owned(), kind: AuthorKind::Ghost });
        assert_eq!((p.body.as_str(), p.labels.as_slice()), ("", ["bug".to_owned()].as_slice()));
        assert_eq!((p.commits.len(), p.commits_total, p.head_message.lines().count()), (1, 1, 3));
        let checks = p.checks.unwrap();
        assert_eq!((checks.failed, checks.passed), (vec!["test".to_owned(), "ci".to_owned()], 2));
        assert_eq!(checks.pending, ["lint", "new", "cov"]);
        let own = p.own_check_runs.unwrap();
        assert_eq!((own.len(), own[0].id, own[0].conclusion.as_deref()), (1, 3_000_000_000, Some("neutral")));
        let review = p.review.unwrap();
        let opinions: Vec<_> = review.opinions.iter().map(|o| (o.reviewer.as_str(), o.verdict, o.can_write)).collect();
        assert_eq!(opinions, [("ann", ReviewVerdict::Approved, true)]);
        assert_eq!(review.opinions[0].on_behalf_of, Ok(vec!["acme/core".to_owned()]));
        assert_eq!((review.comments, review.unresolved_threads), (5, 1));
        assert_eq!(review.requested, ["cy", "copilot[bot]", "acme/core"]);
        let owners = p.codeowners.unwrap().unwrap();
        assert_eq!((owners.path.as_str(), owners.text.as_str()), ("CODEOWNERS", "* @ann"));
        assert_eq!(p.policy, Ok(None));
    }

    #[tokio::test]
    async fn the_merge_base_is_the_one_commit_before_those_of_the_head() {
        let check = async |total: u64, commits: &[(&str, &[&str])], expected: Option<&str>| {
            let commit = |(oid, parents): &(&str, &[&str])| {
                let parents = connection(parents.iter().map(|oid| json!({"oid": oid})).collect());
                json!({"commit": {"oid": oid, "committedDate": "2027-01-15T07:00:00Z", "parents": parents}})
            };
            let nodes: Vec<Value> = commits.iter().map(commit).collect();
            let list = json!({"totalCount": total, "nodes": nodes});
            let found = told(|b| pull(b)["commits"] = list).await.unwrap().merge_base_sha;
            assert_eq!(found.as_deref(), expected, "{total} of {commits:?}");
        };
        check(1, &[(SHA, &["base"])], Some("base")).await;
        check(2, &[("one", &["base"]), (SHA, &["one"])], Some("base")).await;
        // Two branches of the topic that were merged.
        check(3, &[("one", &["base"]), ("two", &["base"]), (SHA, &["one", "two"])], Some("base")).await;
        // The base branch was merged into it.
        check(2, &[("one", &["base"]), (SHA, &["one", "later"])], None).await;
        // Not all of it is here, or it is of another head.
        check(3, &[("one", &["base"]), (SHA, &["one"])], None).await;
        check(1, &[("one", &["base"])], None).await;
        check(1, &[(SHA, &[])], None).await;
        let p = told(|_| {}).await.unwrap();
        assert_eq!(p.merge_base_sha, None, "GitHub told no parents");
        let p = told(|b| {
            let more = json!({"totalCount": 3, "nodes": [{"oid": "base"}, {"oid": "base"}]});
            pull(b)["commits"]["nodes"][0]["commit"]["parents"] = more;
        })
        .await
        .unwrap();
        assert_eq!(p.merge_base_sha, None, "a merge of three");
    }

    #[tokio::test]
    async fn remarks_of_bots_and_of_the_author_are_told_apart() {
        let by = |kind: &str, login: &str| json!({"author": {"__typename": kind, "login": login}});
        let thread = |opening: Value| json!({"isResolved": true, "comments": {"nodes": [opening]}});
        let p = told(|b| {
            let pull = pull(b);
            pull["author"] = by("User", "Ada")["author"].take();
            let remarks = [by("User", "ada"), by("Bot", "reviewer"), by("User", "cy"), json!({"author": null})];
            pull["comments"] = json!({"totalCount": 130, "nodes": remarks});
            let openings = remarks.map(thread);
            pull["reviewThreads"] = json!({"totalCount": 5, "nodes": openings, "pageInfo": {"hasNextPage": false}});
        })
        .await
        .unwrap();
        let review = p.review.unwrap();
        assert_eq!((review.comments, review.circumstances.comments_aside), (130, 2));
        assert_eq!((review.circumstances.threads, review.circumstances.threads_aside), (5, 2));
    }

    #[tokio::test]
    async fn what_is_refused_is_unknown_and_the_rest_is_used() {
        let rollup = json!(["repository", "pullRequest", "headCommit", "nodes", 0, "commit", "statusCheckRollup"]);
        let p = told(|b| {
            pull(b)["headCommit"]["nodes"][0]["commit"]["statusCheckRollup"] = json!(null);
            refuse(b, "FORBIDDEN", rollup);
        })
        .await
        .unwrap();
        let reason = Reason::Forbidden(Some("statuses=read".to_owned()));
        assert_eq!(p.checks, Err(Unknown { source: Source::Checks, reason }));
        assert!(p.review.is_ok() && p.own_check_runs.is_ok());

        let p = told(|b| {
            pull(b)["opinions"] = json!(null);
            refuse(b, "SERVICE_UNAVAILABLE", json!(["repository", "pullRequest", "opinions"]));
        })
        .await
        .unwrap();
        assert!(matches!(p.review, Err(Unknown { reason: Reason::Unavailable(_), .. })));

        let teams = json!(["repository", "pullRequest", "opinions", "nodes", 0, "onBehalfOf"]);
        let p = told(|b| refuse(b, "FORBIDDEN", teams)).await.unwrap();
        let review = p.review.unwrap();
        let on_behalf_of = &review.opinions[0].on_behalf_of;
        assert!(matches!(on_behalf_of, Err(Unknown { reason: Reason::Forbidden(None), .. })), "{on_behalf_of:?}");
    }

    #[tokio::test]
    async fn files_of_the_base_that_cannot_be_read_say_why() {
        let why = async |place: &'static str, change: fn(&mut Value)| {
            let p = told(|b| change(&mut pull(b)["baseRef"]["target"][place])).await.unwrap();
            let file = if place == "policy" { p.policy } else { p.codeowners };
            file.map(|f| f.map(|f| f.path)).map_err(|u| format!("{:?}", u.reason))
        };
        let unusable = |what: &str| Err(format!("Unusable(\"CODEOWNERS {what}\")"));
        let owners = "codeowners2";
        let large = "is 3 MB or more, which GitHub does not load either: make it smaller";
        assert_eq!(why(owners, |e| e["size"] = json!(3 * 1024 * 1024)).await, unusable(large));
        assert_eq!(why(owners, |e| e["mode"] = json!(0o120_000)).await, unusable("is a symbolic link, not a file"));
        assert_eq!(why(owners, |e| e["object"]["isBinary"] = json!(true)).await, unusable("is no text"));
        // A directory of that name: the next place counts.
        assert_eq!(why(owners, |e| e["object"] = json!({})).await, Ok(Some("docs/CODEOWNERS".to_owned())));
        let gone = told(|b| pull(b)["baseRef"] = json!(null)).await.unwrap();
        assert!(gone.codeowners.is_err() && gone.policy.is_err());
    }

    #[tokio::test]
    async fn a_cut_text_is_fetched_whole() {
        let mut body = body();
        pull(&mut body)["baseRef"]["target"]["codeowners2"]["object"]["isTruncated"] = json!(true);
        let s = Scripted::start(move |a| match a.target.as_str() {
            "/graphql" => Some(json(200, &body)),
            t if t.contains("/git/blobs/") => {
                Some(json(200, &json!({"encoding": "base64", "content": "KiBA\nYW5u\n"})))
            }
            _ => None,
        })
        .await;
        let p = s.installation().pull_request(&repo(), 4, &look(), None).await.unwrap();
        assert_eq!(p.codeowners.unwrap().unwrap().text, "* @ann");
    }

    #[tokio::test]
    async fn long_lists_are_read_page_by_page() {
        let page = |after: &str| {
            let opinions =
                json!({"totalCount": 2, "nodes": [review("bob", "APPROVED", 9)], "pageInfo": {"hasNextPage": false}});
            let contexts = json!({"totalCount": 10, "nodes": [check("late", "COMPLETED", json!("FAILURE"), 1)],
                "pageInfo": {"hasNextPage": after == "c1", "endCursor": "c2"}});
            let pull = json!({"headRefOid": SHA, "opinions": (after == "c1").then_some(opinions)});
            let object = json!({"oid": SHA, "statusCheckRollup": {"contexts": contexts}});
            json!({"data": {"repository": {"pullRequest": pull, "object": object}}})
        };
        let s = Scripted::start(move |a| {
            if !a.is("POST", "/graphql") {
                return None;
            }
            let asked: Value = serde_json::from_str(&a.body).unwrap();
            let variables = &asked["variables"];
            if let Some(after) = variables["contextsAfter"].as_str() {
                assert_eq!((&variables["head"], &variables["commits"]), (&json!(SHA), &json!(false)));
                assert_eq!(variables["opinions"], json!(after == "c1"));
                return Some(json(200, &page(after)));
            }
            let mut first = body();
            let more = |cursor: &str| json!({"hasNextPage": true, "endCursor": cursor});
            pull(&mut first)["opinions"]["pageInfo"] = more("o1");
            pull(&mut first)["headCommit"]["nodes"][0]["commit"]["statusCheckRollup"]["contexts"]["pageInfo"] =
                more("c1");
            Some(json(200, &first))
        })
        .await;
        let p = s.installation().pull_request(&repo(), 4, &look(), None).await.unwrap();
        assert_eq!(p.checks.unwrap().failed, ["test", "ci", "late"]);
        let reviewers: Vec<_> = p.review.unwrap().opinions.into_iter().map(|o| o.reviewer).collect();
        assert_eq!(reviewers, ["ann", "bob"]);
        assert_eq!(s.asked().len(), 3);
    }

    #[tokio::test]
    async fn the_head_is_found_past_the_end_of_the_list_of_commits() {
        let moved = "f".repeat(40);
        for (head, expected) in [(SHA.to_owned(), Ok(2)), (moved, Err(()))] {
            let s = Scripted::start(move |a| {
                let asked: Value = serde_json::from_str(&a.body).ok()?;
                let mut first = body();
                let commit = pull(&mut first)["headCommit"]["nodes"][0]["commit"].take();
                pull(&mut first)["headCommit"]["nodes"] = json!([{"commit": {"oid": "e".repeat(40)}}]);
                if asked["variables"]["ownRuns"].is_null() {
                    return Some(json(200, &first)).filter(|_| a.is("POST", "/graphql"));
                }
                let data = json!({"repository": {"pullRequest": {"headRefOid": head}, "object": commit}});
                Some(json(200, &json!({"data": data})))
            })
            .await;
            let p = s.installation().pull_request(&repo(), 4, &look(), None).await;
            assert_eq!(p.map(|p| p.checks.unwrap().passed).map_err(|_| ()), expected);
        }
    }

    #[tokio::test]
    async fn nothing_at_all_is_an_error() {
        let check = async |reply: Value, expected: Error| {
            let s = Scripted::start(move |a| a.is("POST", "/graphql").then(|| json(200, &reply))).await;
            assert_eq!(s.installation().pull_request(&repo(), 4, &look(), None).await.map(|_| ()), Err(expected));
        };
        let none = json!({"repository": null});
        let errors = |kind: &str| json!([{"type": kind, "message": "m", "path": ["repository"]}]);
        check(json!({"data": none, "errors": errors("NOT_FOUND")}), Error::NotFound).await;
        check(json!({"data": none, "errors": errors("FORBIDDEN")}), Error::Forbidden { needs: None }).await;
        check(json!({"data": null, "errors": errors("OOPS")}), Error::unavailable("GraphQL answered with an error"))
            .await;
        let fault = json!([{"message": "Field 'x' doesn't exist", "extensions": {"code": "undefinedField"}}]);
        let refused = Error::contract("GraphQL refuses the query: Field 'x' doesn't exist");
        check(json!({"errors": fault}), refused).await;
        check(json!({}), Error::contract("GraphQL gave neither data nor errors")).await;
        let s = Scripted::start(|a| a.is("POST", "/graphql").then_some(Reply::Reset)).await;
        let broke = s.installation().pull_request(&repo(), 4, &look(), None).await.map(|_| ());
        assert_eq!((broke, s.asked().len()), (Err(Error::unavailable("the connection broke")), 2));
    }
}
