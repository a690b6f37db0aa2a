//! The objects of the graph and the fields of those around a pull request: repository, accounts, labels, rate limit.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::checks::{Run as CheckRun, Status, Suite};
use super::super::diff::FileDiff;
use super::super::objects::{Commit, Entry};
use super::super::pulls::{Pull, Review, ReviewRequest, Thread};
use super::super::queue::Queue;
use super::super::shapes::{encode_path, node_id, node_number, time};
use super::super::state::{AppRecord, Repo, Team, User, UserKind};
use super::connection::Connection;
use super::owners::UnknownOwner;
use super::values::Arguments;
use super::{Found, Refused, Resolved, Run, forbidden, scalar};

/// An object of the graph.
#[derive(Clone)]
pub(super) enum Node<'s> {
    Query,
    RateLimit,
    Repository(&'s Repo),
    Pull(&'s Repo, &'s Pull),
    User(&'s User),
    GitActor(&'s str),
    Label(&'s Repo, &'s str),
    Team(&'s Repo, &'s Team),
    Ref(&'s Repo, &'s str),
    Commit(&'s Repo, Arc<Commit>),
    PullCommit(&'s Repo, &'s Pull, Arc<Commit>),
    TreeEntry(&'s Repo, String, Entry),
    Blob(Entry),
    ChangedFile(Arc<Vec<FileDiff>>, usize),
    Rollup(&'s Repo, Arc<Commit>),
    CheckRun(&'s Repo, &'s CheckRun),
    Status(&'s Status),
    Suite(&'s Repo, &'s Suite),
    App(&'s AppRecord),
    Review(&'s Repo, &'s Pull, &'s Review),
    ReviewRequest(&'s Repo, &'s ReviewRequest),
    Thread(&'s Thread),
    ReviewComment(&'s Thread),
    Comparison(&'static str),
    Codeowners(Vec<UnknownOwner>),
    UnknownOwner(UnknownOwner),
    Queue(&'s Repo, &'s Queue),
    QueueEntry(&'s Repo, &'s Queue, usize),
    Connection(Rc<Connection<'s>>),
    Edge(Box<Node<'s>>, String),
    PageInfo { has_next: bool, has_previous: bool, start: Option<String>, end: Option<String> },
}

impl Node<'_> {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::RateLimit => "RateLimit",
            Self::Repository(_) => "Repository",
            Self::Pull(..) => "PullRequest",
            Self::User(user) => match user.kind {
                UserKind::User => "User",
                UserKind::Bot => "Bot",
                UserKind::Organization => "Organization",
            },
            Self::GitActor(_) => "GitActor",
            Self::Label(..) => "Label",
            Self::Team(..) => "Team",
            Self::Ref(..) => "Ref",
            Self::Commit(..) => "Commit",
            Self::PullCommit(..) => "PullRequestCommit",
            Self::TreeEntry(..) => "TreeEntry",
            Self::Blob(_) => "Blob",
            Self::ChangedFile(..) => "PullRequestChangedFile",
            Self::Rollup(..) => "StatusCheckRollup",
            Self::CheckRun(..) => "CheckRun",
            Self::Status(_) => "StatusContext",
            Self::Suite(..) => "CheckSuite",
            Self::App(_) => "App",
            Self::Review(..) => "PullRequestReview",
            Self::ReviewRequest(..) => "ReviewRequest",
            Self::Thread(_) => "PullRequestReviewThread",
            Self::ReviewComment(_) => "PullRequestReviewComment",
            Self::Codeowners(_) => "RepositoryCodeowners",
            Self::UnknownOwner(_) => "RepositoryCodeownersError",
            Self::Queue(..) => "MergeQueue",
            Self::QueueEntry(..) => "MergeQueueEntry",
            Self::Comparison(_) => "Comparison",
            Self::Connection(connection) => connection.type_name,
            Self::Edge(..) => "Edge",
            Self::PageInfo { .. } => "PageInfo",
        }
    }

    /// Whether a type condition fits: the type itself or an interface or union of its.
    pub(super) fn is(&self, wanted: &str) -> bool {
        wanted == self.type_name()
            || match wanted {
                "Node" => !matches!(self, Self::Query | Self::RateLimit | Self::GitActor(_) | Self::TreeEntry(..)),
                "Actor" => matches!(self, Self::User(_)),
                "RequestedReviewer" => matches!(self, Self::User(_) | Self::Team(..)),
                "GitObject" => matches!(self, Self::Commit(..) | Self::Blob(_)),
                "StatusCheckRollupContext" | "RequirableByPullRequest" => {
                    matches!(self, Self::CheckRun(..) | Self::Status(_))
                }
                _ => false,
            }
    }
}

impl<'s> Run<'s> {
    /// One field of one object.
    pub(super) fn resolve(&self, node: &Node<'s>, name: &str, arguments: &Arguments) -> Found<'s> {
        match node {
            Node::Query => self.query(name, arguments),
            Node::RateLimit => self.rate.get(name).map_or(Err(Refused::Undefined), scalar),
            Node::Repository(repo) => self.repository(repo, name, arguments),
            Node::Pull(repo, pull) => self.pull(repo, pull, name, arguments),
            Node::User(user) if name == "team" && user.kind == UserKind::Organization => self.team_of(user, arguments),
            Node::User(user) => self.user(user, name),
            Node::GitActor(login) => self.git_actor(login, name),
            Node::Label(repo, label) => label_field(repo, label, name),
            Node::Team(_, team) if name == "members" => self.team_members(team, arguments),
            Node::Team(repo, team) => self.team(repo, team, name),
            Node::Ref(repo, branch) => self.git_ref(repo, branch, name, arguments),
            Node::Commit(repo, commit) => self.commit(repo, commit, name, arguments),
            Node::PullCommit(repo, pull, commit) => match name {
                "id" => scalar(format!("PURC_{}", commit.sha)),
                "commit" => Ok(Resolved::Node(Node::Commit(repo, Arc::clone(commit)))),
                "pullRequest" => Ok(Resolved::Node(Node::Pull(repo, pull))),
                _ => Err(Refused::Undefined),
            },
            Node::TreeEntry(repo, path, entry) => self.tree_entry(repo, path, entry, name),
            Node::Blob(entry) => super::commits::blob(entry, name),
            Node::ChangedFile(files, at) => super::pulls::changed_file(&files[*at], name),
            Node::Rollup(repo, commit) => self.rollup(repo, commit, name, arguments),
            Node::CheckRun(repo, run) => self.check_run(repo, run, name),
            Node::Status(status) => super::commits::status(status, name),
            Node::Suite(repo, suite) => self.suite(repo, suite, name, arguments),
            Node::App(app) => app_field(app, name),
            Node::Review(repo, pull, review) => self.review(repo, pull, review, name, arguments),
            Node::ReviewRequest(repo, request) => self.review_request(repo, request, name),
            Node::Thread(thread) => self.thread(thread, name, arguments),
            Node::ReviewComment(thread) => self.review_comment(thread, name),
            Node::Comparison(status) => match name {
                "status" => scalar(status.to_uppercase()),
                _ => Err(Refused::Undefined),
            },
            Node::Codeowners(unknown) => match name {
                "errors" => Ok(Resolved::List(unknown.iter().cloned().map(Node::UnknownOwner).collect())),
                _ => Err(Refused::Undefined),
            },
            Node::UnknownOwner(unknown) => unknown.field(name),
            Node::Queue(repo, queue) => self.queue(repo, queue, name, arguments),
            Node::QueueEntry(repo, queue, place) => self.queue_entry(repo, queue, *place, name),
            Node::Connection(connection) => connection.field(name),
            Node::Edge(node, cursor) => match name {
                "node" => Ok(Resolved::Node((**node).clone())),
                "cursor" => scalar(cursor),
                _ => Err(Refused::Undefined),
            },
            Node::PageInfo { has_next, has_previous, start, end } => match name {
                "hasNextPage" => scalar(has_next),
                "hasPreviousPage" => scalar(has_previous),
                "startCursor" => scalar(start),
                "endCursor" => scalar(end),
                _ => Err(Refused::Undefined),
            },
        }
    }

    /// Refuses what the token may not see.
    pub(super) fn need(&self, permission: &str) -> Result<(), Refused> {
        if self.caller.may(permission, "read") { Ok(()) } else { Err(forbidden()) }
    }

    fn query(&self, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "rateLimit" => Ok(Resolved::Node(Node::RateLimit)),
            "repository" => {
                let (owner, repo) =
                    (arguments.text("owner").unwrap_or_default(), arguments.text("name").unwrap_or_default());
                let found = self.state.visible(self.caller, owner, repo);
                let missing = || not_found("Repository", &format!("name '{owner}/{repo}'"));
                found.map(|r| Resolved::Node(Node::Repository(r))).ok_or_else(missing)
            }
            "organization" => self.organization(arguments.text("login").unwrap_or_default()),
            "node" => {
                let id = arguments.text("id").unwrap_or_default();
                let found = node_number(id).and_then(|(prefix, number)| self.by_id(prefix, number));
                found.map(Resolved::Node).ok_or_else(|| {
                    Refused::Null("NOT_FOUND", format!("Could not resolve to a node with the global id of '{id}'"))
                })
            }
            _ => Err(Refused::Undefined),
        }
    }

    fn by_id(&self, prefix: &str, number: u64) -> Option<Node<'s>> {
        let seen = |r: &&Repo| self.state.visible(self.caller, &r.owner, &r.name).is_some();
        let mut repos = self.state.repos.values().filter(seen);
        match prefix {
            "R" => repos.find(|r| r.id == number).map(Node::Repository),
            "PR" => repos.find_map(|r| r.pulls.values().find(|p| p.id == number).map(|p| Node::Pull(r, p))),
            "U" | "BOT" | "O" => self.state.users.values().find(|u| u.id == number && !u.ghost).map(Node::User),
            _ => None,
        }
    }

    fn repository(&self, repo: &'s Repo, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "id" => scalar(node_id("R", repo.id)),
            "databaseId" => scalar(repo.id),
            "name" => scalar(&repo.name),
            "nameWithOwner" => scalar(repo.full_name()),
            "url" => scalar(self.state.repo_html(repo)),
            "isPrivate" => scalar(repo.private),
            "isArchived" => scalar(repo.archived),
            "isFork" => scalar(repo.fork_of.is_some()),
            "owner" => Ok(self.account(&repo.owner)),
            "defaultBranchRef" => Ok(reference(repo, &repo.default_branch).into()),
            "codeowners" => self.codeowners(repo),
            "ref" => {
                let wanted = arguments.text("qualifiedName").unwrap_or_default();
                Ok(reference(repo, wanted.strip_prefix("refs/heads/").unwrap_or(wanted)).into())
            }
            "object" => {
                self.need("contents")?;
                let wanted = arguments.text("oid").or(arguments.text("expression")).unwrap_or_default();
                let sha = repo.branches.get(wanted).map_or(wanted, String::as_str);
                let found = self.state.objects.find(repo.network, sha);
                Ok(found.map(|c| Node::Commit(repo, Arc::clone(c))).into())
            }
            "pullRequest" => {
                self.need("pull_requests")?;
                let number = arguments.number("number").unwrap_or_default();
                let missing = || not_found("PullRequest", &format!("number of {number}"));
                repo.pulls.get(&number).map(|p| Resolved::Node(Node::Pull(repo, p))).ok_or_else(missing)
            }
            "pullRequests" => {
                self.need("pull_requests")?;
                let states = arguments.names("states");
                let fits = |p: &&Pull| states.as_ref().is_none_or(|s| s.contains(&super::pulls::state_name(p)));
                let all = repo.pulls.values().filter(fits).map(|p| Node::Pull(repo, p)).collect();
                Connection::page("PullRequestConnection", all, arguments)
            }
            "mergeQueue" => {
                self.need("merge_queues")?;
                let branch = arguments.text("branch").unwrap_or(&repo.default_branch);
                Ok(repo.queues.get(branch).map(|queue| Node::Queue(repo, queue)).into())
            }
            "deployments" => {
                self.need("deployments")?;
                Connection::page("DeploymentConnection", Vec::new(), arguments)
            }
            "latestRelease" => scalar(Value::Null),
            _ => Err(Refused::Undefined),
        }
    }

    /// An account by login; a deleted one is null.
    pub(super) fn account(&self, login: &str) -> Resolved<'s> {
        self.state.users.get(&login.to_lowercase()).filter(|u| !u.ghost).map(Node::User).into()
    }

    fn user(&self, user: &'s User, name: &str) -> Found<'s> {
        let prefix = match user.kind {
            UserKind::User => "U",
            UserKind::Bot => "BOT",
            UserKind::Organization => "O",
        };
        match name {
            "id" => scalar(node_id(prefix, user.id)),
            "databaseId" => scalar(user.id),
            // GraphQL leaves the suffix off a bot's login.
            "login" => scalar(user.login.strip_suffix("[bot]").unwrap_or(&user.login)),
            "createdAt" => scalar(time(user.created_at)),
            "url" => scalar(format!("{}/{}", self.state.base, encode_path(&user.login))),
            "name" | "email" => scalar(Value::Null),
            _ => Err(Refused::Undefined),
        }
    }

    fn git_actor(&self, login: &'s str, name: &str) -> Found<'s> {
        let (own, email) = self.state.git_identity(login);
        match name {
            "name" => scalar(own),
            "email" => scalar(email),
            // Addresses of programs belong to no user.
            "user" => {
                let user = self.state.users.get(&login.to_lowercase());
                Ok(user.filter(|u| !u.ghost && u.kind == UserKind::User).map(Node::User).into())
            }
            _ => Err(Refused::Undefined),
        }
    }

    fn team(&self, repo: &'s Repo, team: &'s Team, name: &str) -> Found<'s> {
        self.need("members")?;
        match name {
            "id" => scalar(node_id("T", team.id)),
            "databaseId" => scalar(team.id),
            "name" | "slug" => scalar(&team.slug),
            "combinedSlug" => scalar(format!("{}/{}", repo.owner, team.slug)),
            _ => Err(Refused::Undefined),
        }
    }

    fn git_ref(&self, repo: &'s Repo, branch: &'s str, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "id" => scalar(format!("REF_{}_{branch}", repo.id)),
            "name" => scalar(branch),
            "prefix" => scalar("refs/heads/"),
            "target" => {
                self.need("contents")?;
                let tip = repo.branches.get(branch).and_then(|sha| self.state.objects.get(sha));
                Ok(tip.map(|c| Node::Commit(repo, Arc::clone(c))).into())
            }
            "compare" => {
                self.need("contents")?;
                let wanted = arguments.text("headRef").unwrap_or_default();
                let head = repo.branches.get(wanted).map_or(wanted, String::as_str);
                let head = self.state.objects.find(repo.network, head);
                let head = head.ok_or_else(|| not_found("Ref", &format!("name of {wanted}")))?;
                let tip = repo.branches.get(branch).map_or("", String::as_str);
                Ok(Resolved::Node(Node::Comparison(self.state.objects.standing(tip, &head.sha))))
            }
            _ => Err(Refused::Undefined),
        }
    }
}

/// A branch, if it is there.
pub(super) fn reference<'s>(repo: &'s Repo, branch: &str) -> Option<Node<'s>> {
    repo.branches.get_key_value(branch).map(|(name, _)| Node::Ref(repo, name))
}

fn not_found(what: &str, which: &str) -> Refused {
    Refused::Null("NOT_FOUND", format!("Could not resolve to a {what} with the {which}."))
}

fn label_field<'s>(repo: &Repo, label: &str, name: &str) -> Found<'s> {
    match name {
        "id" => scalar(node_id("LA", repo.labels.get(label).copied().unwrap_or_default())),
        "name" => scalar(label),
        "color" => scalar("ededed"),
        "description" => scalar(Value::Null),
        _ => Err(Refused::Undefined),
    }
}

fn app_field<'s>(app: &AppRecord, name: &str) -> Found<'s> {
    match name {
        "id" => scalar(node_id("A", app.id)),
        "databaseId" => scalar(app.id),
        "slug" => scalar(&app.slug),
        "name" => scalar(&app.name),
        "clientId" => scalar(json!(app.client_id)),
        _ => Err(Refused::Undefined),
    }
}
