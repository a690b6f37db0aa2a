//! Verbs on repositories: what people do on GitHub, each followed by the webhooks that GitHub sends for it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::objects::{Edits, NewCommit, ZERO};
use super::pull_verbs::PullHandle;
use super::pulls::{Pull, PullState};
use super::state::{Permission, Repo, State, Team, UserKind, key};
use super::{Permissions, Sim};

/// A repository of the simulated GitHub. Setting up (`base_file`, `member`, `team`) sends no webhook.
#[derive(Clone)]
pub struct SimRepository {
    pub(super) sim: Sim,
    pub(super) name: String,
}

/// A pull request to open.
#[derive(Clone, Debug, Default)]
pub struct PullSpec {
    /// Title.
    pub title: String,
    /// Login of the author; one ending in `[bot]` is a bot.
    pub author: String,
    /// Head branch; the default is made of the author and the number.
    pub branch: Option<String>,
    /// Base branch; the default is the default branch.
    pub base: Option<String>,
    /// The first commit.
    pub files: Edits,
    /// Further commits.
    pub commits: Vec<Edits>,
    /// Description.
    pub body: Option<String>,
    /// Not ready for review.
    pub draft: bool,
    /// Owner of the fork that holds the head; `None` for a branch of the repository itself.
    pub fork: Option<String>,
    /// Labels from the start.
    pub labels: Vec<String>,
}

impl PullSpec {
    /// A pull request with one commit, from a branch of the repository itself.
    pub fn new(title: impl Into<String>, author: impl Into<String>, files: impl Into<Edits>) -> Self {
        Self { title: title.into(), author: author.into(), files: files.into(), ..Self::default() }
    }
}

impl Sim {
    /// The repository `owner/name`, made on first use with a first commit on `main`; the app is installed on its owner.
    pub fn repository(&self, full_name: &str) -> SimRepository {
        self.act(|state| state.make_repo(full_name));
        SimRepository { sim: self.clone(), name: full_name.to_owned() }
    }

    /// Id of the installation on an account that owns a repository.
    pub fn installation_id(&self, account: &str) -> Option<u64> {
        self.shared.state().installation_of(account).map(|i| i.id)
    }

    /// Changes what the installation grants, as an owner does who accepts new permissions.
    pub fn grant(&self, account: &str, permissions: Permissions) {
        self.act(|state| {
            if let Some(i) = state.installations.values_mut().find(|i| i.account.eq_ignore_ascii_case(account)) {
                i.permissions = permissions;
                let id = i.id;
                state.send_installation("new_permissions_accepted", id);
            }
        });
    }

    /// Suspends the installation on an account, or lifts the suspension.
    pub fn suspend(&self, account: &str, suspended: bool) {
        self.act(|state| {
            let now = state.now();
            if let Some(i) = state.installations.values_mut().find(|i| i.account.eq_ignore_ascii_case(account)) {
                i.suspended_at = suspended.then_some(now);
                let id = i.id;
                state.tokens.retain(|_, t| !suspended || t.installation != id);
                state.send_installation(if suspended { "suspend" } else { "unsuspend" }, id);
            }
        });
    }

    /// Sends `installation.created` for an account, as after a fresh installation.
    pub fn announce_installation(&self, account: &str) {
        self.act(|state| {
            if let Some(id) = state.installation_of(account).map(|i| i.id) {
                state.send_installation("created", id);
            }
        });
    }

    /// Makes every installation token expire now.
    pub fn expire_tokens(&self) {
        self.act(|state| {
            let now = state.now();
            state.tokens.values_mut().for_each(|t| t.expires_at = now);
        });
    }

    /// Deletes an account: answers show null, or the ghost, in its place.
    pub fn delete_account(&self, login: &str) {
        self.act(|state| {
            if let Some(user) = state.users.get_mut(&login.to_lowercase()) {
                user.ghost = true;
            }
        });
    }
}

impl SimRepository {
    /// `owner/name`.
    pub fn full_name(&self) -> &str {
        &self.name
    }

    /// Id of the repository.
    pub fn id(&self) -> u64 {
        self.sim.shared.state().known(&self.name).id
    }

    /// Tip of a branch.
    pub fn branch_sha(&self, branch: &str) -> Option<String> {
        self.sim.shared.state().known(&self.name).branches.get(branch).cloned()
    }

    /// Puts a file on the default branch.
    pub fn base_file(&self, path: &str, content: impl Into<Vec<u8>>) -> &Self {
        self.base_files(Edits::new().write(path, content).message(format!("Add {path}")))
    }

    /// Commits to the default branch.
    pub fn base_files(&self, edits: impl Into<Edits>) -> &Self {
        let edits = edits.into();
        self.sim.act(|state| {
            let branch = state.known(&self.name).default_branch.clone();
            state.commit_to(&self.name, &branch, &edits, "octocat");
        });
        self
    }

    /// Gives a person a permission.
    pub fn member(&self, login: &str, permission: Permission) -> &Self {
        self.sim.act(|state| {
            state.person(login);
            state.known_mut(&self.name).members.insert(login.to_lowercase(), permission);
        });
        self
    }

    /// Makes a team of the owner with write access to this repository.
    pub fn team(&self, slug: &str, members: &[&str]) -> &Self {
        self.team_with(slug, members, Permission::Write)
    }

    /// Makes a team of the owner with the given access to this repository.
    pub fn team_with(&self, slug: &str, members: &[&str], permission: Permission) -> &Self {
        self.sim.act(|state| {
            members.iter().for_each(|m| state.person(m));
            let members = members.iter().map(|m| m.to_lowercase()).collect();
            let team = Team { id: state.new_id(), slug: slug.to_owned(), members, permission };
            state.known_mut(&self.name).teams.insert(slug.to_owned(), team);
        });
        self
    }

    /// Makes the repository private.
    pub fn private(&self) -> &Self {
        self.sim.act(|state| state.known_mut(&self.name).private = true);
        self
    }

    /// Archives the repository: writes to it are refused.
    pub fn archive(&self) -> &Self {
        self.sim.act(|state| state.known_mut(&self.name).archived = true);
        self
    }

    /// Makes a branch at the tip of the default branch, if it is not there.
    pub fn branch(&self, name: &str) -> &Self {
        self.sim.act(|state| {
            let repo = state.known_mut(&self.name);
            let tip = repo.branches.get(&repo.default_branch).cloned().unwrap_or_default();
            repo.branches.entry(name.to_owned()).or_insert(tip);
        });
        self
    }

    /// Pushes to the default branch; returns the new tip.
    pub fn push_base(&self, edits: impl Into<Edits>) -> String {
        let branch = self.sim.shared.state().known(&self.name).default_branch.clone();
        self.push_to(&branch, edits)
    }

    /// Pushes to a branch of the repository itself; returns the new tip.
    pub fn push_to(&self, branch: &str, edits: impl Into<Edits>) -> String {
        let edits = edits.into();
        self.sim.act(|state| {
            let before = state.known(&self.name).branches.get(branch).cloned();
            let sha = state.commit_to(&self.name, branch, &edits, "octocat");
            state.pushed(&self.name, branch, before.as_deref().unwrap_or(ZERO), &sha, "octocat");
            sha
        })
    }

    /// Opens a pull request.
    pub fn open(&self, spec: PullSpec) -> PullHandle {
        let number = self.sim.act(|state| state.open_pull(&self.name, &spec));
        self.pull(number)
    }

    /// The pull request with this number.
    pub fn pull(&self, number: u64) -> PullHandle {
        PullHandle { sim: self.sim.clone(), repo: self.name.clone(), number }
    }

    /// Sets or changes a commit status on a commit.
    pub fn status(&self, sha: &str, context: &str, state: &str) -> &Self {
        self.sim.act(|s| s.set_status(&self.name, sha, context, state));
        self
    }

    /// Puts the pull request into a merge queue group; returns the SHA on which the checks are wanted.
    pub fn queue(&self, number: u64) -> String {
        self.sim.act(|state| state.queue_pull(&self.name, number))
    }

    /// Takes the group away again; `reason` is `merged`, `invalidated` or `dequeued`.
    pub fn destroy_group(&self, number: u64, sha: &str, reason: &str) {
        self.sim.act(|state| {
            if let Some(pull) = state.known_mut(&self.name).pulls.get_mut(&number) {
                pull.queued = false;
            }
            state.send_merge_group(&self.name, number, sha, "destroyed", Some(reason));
        });
    }
}

impl State {
    fn make_repo(&mut self, full_name: &str) {
        if self.repo(full_name).is_some() {
            return;
        }
        let (owner, name) = full_name.split_once('/').unwrap_or(("octo-org", full_name));
        self.user(owner, UserKind::Organization);
        self.person("octocat");
        self.installation_for(owner);
        let id = self.add_repo(owner, name, None);
        let full_name = format!("{owner}/{name}");
        let first = Edits::new().write("README.md", format!("# {name}\n")).message("Initial commit");
        self.commit_to(&full_name, "main", &first, "octocat");
        debug_assert!(self.repo_by_id(id).is_some());
    }

    fn add_repo(&mut self, owner: &str, name: &str, fork_of: Option<(String, u64)>) -> u64 {
        let (id, now) = (self.new_id(), self.now());
        let repo = Repo {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            private: false,
            archived: false,
            default_branch: "main".to_owned(),
            branches: BTreeMap::new(),
            pulls: BTreeMap::new(),
            next_number: 1,
            members: BTreeMap::new(),
            teams: BTreeMap::new(),
            labels: BTreeMap::new(),
            network: fork_of.as_ref().map_or(id, |(_, network)| *network),
            fork_of: fork_of.map(|(parent, _)| parent),
            created_at: now,
            pushed_at: now,
        };
        self.repos.insert(key(&format!("{owner}/{name}")), repo);
        id
    }

    /// Full name of the fork that `owner` has of a repository, made on first use.
    fn fork(&mut self, parent: &str, owner: &str) -> String {
        let parent = self.known(parent);
        let full_name = format!("{owner}/{}", parent.name);
        if self.repo(&full_name).is_none() {
            let (name, network, from) = (parent.name.clone(), parent.network, parent.full_name());
            let branches = parent.branches.clone();
            self.person(owner);
            self.add_repo(owner, &name, Some((from, network)));
            self.known_mut(&full_name).branches = branches;
        }
        full_name
    }

    /// Commits to a branch, which starts at the default branch's tip; returns the new tip.
    pub(super) fn commit_to(&mut self, full_name: &str, branch: &str, edits: &Edits, author: &str) -> String {
        let now = self.now();
        let repo = self.known(full_name);
        let network = repo.network;
        let parent = repo.branches.get(branch).or_else(|| repo.branches.get(&repo.default_branch)).cloned();
        let mut tree = parent.as_deref().map(|p| (*self.objects.tree(p)).clone()).unwrap_or_default();
        edits.apply(&mut tree);
        let author = edits.author.as_deref().unwrap_or(author).to_owned();
        self.person(&author);
        let message = edits.message.clone().unwrap_or_else(|| edits.default_message());
        let parents = parent.into_iter().collect();
        let sha = self.objects.commit(NewCommit { network, parents, tree, message, author, at: now });
        let repo = self.known_mut(full_name);
        repo.pushed_at = now;
        repo.branches.insert(branch.to_owned(), sha.clone());
        sha
    }

    /// What GitHub does after a push: the `push` webhook, check suites, `synchronize` on pull requests of that head.
    pub(super) fn pushed(&mut self, full_name: &str, branch: &str, before: &str, after: &str, by: &str) {
        self.send_push(full_name, branch, before, after, by);
        let repo = self.known(full_name);
        // A push to a fork makes no suite anywhere that the app could see.
        if repo.fork_of.is_none() {
            let id = repo.id;
            let suite = self.suite_for(id, self.app.id, after, Some(before.to_owned()));
            self.send_suite("requested", suite, by);
        }
    }

    fn open_pull(&mut self, full_name: &str, spec: &PullSpec) -> u64 {
        self.person(&spec.author);
        let repo = self.known(full_name);
        let number = repo.next_number;
        let base_ref = spec.base.clone().unwrap_or_else(|| repo.default_branch.clone());
        let base_sha = repo.branches.get(&base_ref).cloned().unwrap_or_default();
        let owner = repo.owner.clone();
        self.known_mut(full_name).next_number += 1;
        let head_repo = match &spec.fork {
            Some(fork) => self.fork(full_name, fork),
            None => full_name.to_owned(),
        };
        let plain_login = spec.author.replace(['[', ']'], "-");
        let head_ref = spec.branch.clone().unwrap_or_else(|| format!("{plain_login}-patch-{number}"));
        self.known_mut(&head_repo).branches.insert(head_ref.clone(), base_sha.clone());
        let mut head_sha = base_sha.clone();
        for edits in std::iter::once(&spec.files).chain(&spec.commits) {
            head_sha = self.commit_to(&head_repo, &head_ref, edits, &spec.author);
        }
        let (id, now) = (self.new_id(), self.now());
        let head_owner = spec.fork.clone().unwrap_or(owner);
        let place = Place { id, number, now, base_ref, base_sha, head_owner, head_repo, head_ref, head_sha };
        self.add_pull(full_name, spec, place);
        number
    }

    fn add_pull(&mut self, full_name: &str, spec: &PullSpec, at: Place) {
        for label in &spec.labels {
            self.ensure_label(full_name, label);
        }
        let (head_repo, head_ref, head_sha) = (at.head_repo.clone(), at.head_ref.clone(), at.head_sha.clone());
        let number = at.number;
        let pull = Pull {
            id: at.id,
            number,
            title: spec.title.clone(),
            body: spec.body.clone(),
            author: spec.author.clone(),
            draft: spec.draft,
            state: PullState::Open,
            created_at: at.now,
            updated_at: at.now,
            closed_at: None,
            merged_by: None,
            merge_commit: None,
            base_ref: at.base_ref,
            base_sha: at.base_sha,
            head_owner: at.head_owner,
            head_repo: Some(at.head_repo),
            head_ref: at.head_ref,
            head_sha: at.head_sha,
            labels: spec.labels.clone(),
            requests: Vec::new(),
            reviews: Vec::new(),
            threads: Vec::new(),
            comments: Vec::new(),
            mergeable_asked: false.into(),
            queued: false,
        };
        self.known_mut(full_name).pulls.insert(number, pull);
        if head_repo == full_name {
            self.pushed(&head_repo, &head_ref, ZERO, &head_sha, &spec.author);
        }
        self.send_pull("opened", full_name, number, &spec.author, json!({}));
    }

    pub(super) fn ensure_label(&mut self, full_name: &str, label: &str) {
        let id = self.new_id();
        self.known_mut(full_name).labels.entry(label.to_owned()).or_insert(id);
    }
}

/// Where a new pull request stands.
struct Place {
    id: u64,
    number: u64,
    now: DateTime<Utc>,
    base_ref: String,
    base_sha: String,
    head_owner: String,
    head_repo: String,
    head_ref: String,
    head_sha: String,
}
