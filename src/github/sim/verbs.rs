//! Verbs on repositories: what people do on GitHub, each followed by the webhooks that GitHub sends for it.

use super::objects::{Edits, ZERO};
use super::pull_verbs::PullHandle;
use super::state::{Permission, Team};
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
            let inherited = Default::default();
            let team = Team { id: state.new_id(), slug: slug.to_owned(), members, inherited, permission };
            state.known_mut(&self.name).teams.insert(slug.to_owned(), team);
        });
        self
    }

    /// Makes people members of a child team of a team, and so of that.
    pub fn child_team(&self, parent: &str, members: &[&str]) -> &Self {
        self.sim.act(|state| {
            members.iter().for_each(|login| state.person(login));
            if let Some(team) = state.known_mut(&self.name).teams.get_mut(parent) {
                team.inherited.extend(members.iter().map(|login| login.to_lowercase()));
            }
        });
        self
    }

    /// A ruleset asks this of reviews on a branch: the parameters of a rule of the kind `pull_request`.
    pub fn review_rule(&self, branch: &str, parameters: serde_json::Value) -> &Self {
        self.sim.act(|state| {
            state.known_mut(&self.name).review_rules.entry(branch.to_owned()).or_default().push(parameters);
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
            state.base_moved(&self.name, branch);
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
}
