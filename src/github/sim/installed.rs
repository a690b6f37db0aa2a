//! Where the app is installed and what owners do about it: install, choose repositories, uninstall, rename, transfer.

use serde_json::{Value, json};

use super::Sim;
use super::shapes::node_id;
use super::state::{InstallationRecord, Repo, State, UserKind, key};
use super::verbs::SimRepository;

impl Sim {
    /// Installs the app anew on an account from which it was removed; gives the installation's id, a new one.
    pub fn install(&self, account: &str) -> u64 {
        self.act(|state| {
            let id = state.installation_for(account);
            state.send_installation("created", id);
            id
        })
    }

    /// Removes the app from an account; its tokens end at once.
    pub fn uninstall(&self, account: &str) {
        self.act(|state| {
            let Some(id) = state.installation_of(account).map(|i| i.id) else { return };
            state.send_installation("deleted", id);
            state.installations.remove(&id);
            state.tokens.retain(|_, token| token.installation != id);
        });
    }

    /// Lets the installation cover the account's repositories of now instead of all of them, those to come included.
    pub fn choose_repositories(&self, account: &str) {
        self.act(|state| {
            let chosen = state.repos.values().filter(|r| r.owner.eq_ignore_ascii_case(account)).map(|r| r.id).collect();
            if let Some(i) = state.installation_mut(account) {
                i.repositories = Some(chosen);
            }
        });
    }

    /// Unsubscribes an installation from an event, as one that has not accepted what the app asks for by now.
    pub fn unsubscribe(&self, account: &str, event: &str) {
        self.act(|state| {
            if let Some(i) = state.installation_mut(account) {
                i.events.retain(|e| e != event);
            }
        });
    }

    /// Renames an account with all its repositories. GitHub redirects from the old names.
    pub fn rename_account(&self, old: &str, new: &str) {
        self.act(|state| {
            let Some(mut user) = state.users.remove(&key(old)) else { return };
            user.login = new.to_owned();
            state.users.insert(key(new), user);
            let ids = state.repos.values().filter(|r| r.owner.eq_ignore_ascii_case(old)).map(|r| r.id);
            for id in ids.collect::<Vec<_>>() {
                state.move_repo(id, |repo| repo.owner = new.to_owned());
            }
            let Some(i) = state.installation_mut(old) else { return };
            i.account = new.to_owned();
            let id = i.id;
            state.send_target_renamed(id, old);
        });
    }
}

impl SimRepository {
    /// Adds the repository to those that the installation covers.
    pub fn cover(&self) {
        self.set_covered(true);
    }

    /// Takes the repository from those that the installation covers.
    pub fn uncover(&self) {
        self.set_covered(false);
    }

    fn set_covered(&self, covered: bool) {
        self.sim.act(|state| {
            let (id, owner) = { (state.known(&self.name).id, state.known(&self.name).owner.clone()) };
            let all = state.repos.values().filter(|r| r.owner == owner).map(|r| r.id).collect();
            let Some(i) = state.installation_mut(&owner) else { return };
            let chosen = i.repositories.get_or_insert(all);
            let changed = if covered { chosen.insert(id) } else { chosen.remove(&id) };
            let installation = i.id;
            if changed {
                state.send_repositories(installation, id, covered);
            }
        });
    }

    /// Renames the repository. GitHub redirects from the old name until another repository takes it.
    pub fn rename(&self, name: &str) -> SimRepository {
        let full_name = self.sim.act(|state| {
            let (id, old) = { (state.known(&self.name).id, state.known(&self.name).name.clone()) };
            state.move_repo(id, |repo| repo.name = name.to_owned());
            let full_name = state.known(&self.name).full_name();
            let changes = json!({"repository": {"name": {"from": old}}});
            state.send_repository("renamed", &full_name, json!({"changes": changes}));
            full_name
        });
        SimRepository { sim: self.sim.clone(), name: full_name }
    }

    /// Gives the repository to another account, on which the app is installed too.
    pub fn transfer(&self, owner: &str) -> SimRepository {
        let full_name = self.sim.act(|state| {
            state.user(owner, UserKind::Organization);
            state.installation_for(owner);
            let (id, from) = { (state.known(&self.name).id, state.known(&self.name).owner.clone()) };
            let from = state.sender_shape(&from);
            state.move_repo(id, |repo| repo.owner = owner.to_owned());
            let full_name = state.known(&self.name).full_name();
            let changes = json!({"owner": {"from": {"organization": {
                "login": from["login"], "id": from["id"], "node_id": from["node_id"], "url": from["url"],
                "repos_url": from["repos_url"], "events_url": from["events_url"], "hooks_url": from["repos_url"],
                "issues_url": from["repos_url"], "members_url": "", "public_members_url": "",
                "avatar_url": from["avatar_url"], "description": null,
            }}}});
            state.send_repository("transferred", &full_name, json!({"changes": changes}));
            full_name
        });
        SimRepository { sim: self.sim.clone(), name: full_name }
    }
}

impl InstallationRecord {
    /// Whether it covers a repository.
    pub(super) fn covers(&self, repo: &Repo) -> bool {
        let chosen = self.repositories.as_ref().is_none_or(|ids| ids.contains(&repo.id));
        chosen && self.account.eq_ignore_ascii_case(&repo.owner)
    }

    pub(super) fn selection(&self) -> &'static str {
        if self.repositories.is_some() { "selected" } else { "all" }
    }
}

impl State {
    fn installation_mut(&mut self, account: &str) -> Option<&mut InstallationRecord> {
        self.installations.values_mut().find(|i| i.account.eq_ignore_ascii_case(account))
    }

    /// Changes what a repository is called, and remembers what it was called.
    fn move_repo(&mut self, id: u64, change: impl FnOnce(&mut Repo)) {
        let Some(old) = self.repo_by_id(id).map(|r| key(&r.full_name())) else { return };
        let Some(mut repo) = self.repos.remove(&old) else { return };
        change(&mut repo);
        let new = key(&repo.full_name());
        self.redirects.remove(&new);
        self.repos.insert(new, repo);
        self.redirects.insert(old, id);
    }

    pub(super) fn send_installation(&mut self, action: &str, installation: u64) {
        let Some(installation) = self.installations.get(&installation) else { return };
        let own: Vec<Value> = self.repos.values().filter(|r| installation.covers(r)).map(repository_in_brief).collect();
        let payload = json!({
            "action": action,
            "installation": self.installation_shape(installation),
            "repositories": own,
            "sender": self.sender_shape("octocat"),
        });
        self.send("installation", payload);
    }

    fn send_repositories(&mut self, installation: u64, repo: u64, added: bool) {
        let (Some(installation), Some(repo)) = (self.installations.get(&installation), self.repo_by_id(repo)) else {
            return;
        };
        let brief = vec![repository_in_brief(repo)];
        let (came, went) = if added { (brief, Vec::new()) } else { (Vec::new(), brief) };
        let payload = json!({
            "action": if added { "added" } else { "removed" },
            "installation": self.installation_shape(installation),
            "repository_selection": installation.selection(),
            "repositories_added": came,
            "repositories_removed": went,
            "requester": null,
            "sender": self.sender_shape("octocat"),
        });
        self.send("installation_repositories", payload);
    }

    fn send_target_renamed(&mut self, installation: u64, old: &str) {
        let Some(installation) = self.installations.get(&installation) else { return };
        let account = self.sender_shape(&installation.account);
        let payload = json!({
            "action": "renamed",
            "account": account,
            "changes": {"login": {"from": old}},
            "installation": {"id": installation.id, "node_id": node_id("MDIzOk", installation.id)},
            "sender": self.sender_shape("octocat"),
            "target_type": account["type"],
        });
        self.send("installation_target", payload);
    }

    fn send_repository(&mut self, action: &str, full_name: &str, more: Value) {
        self.emit("repository", full_name, "octocat", json!({"action": action}), more);
    }
}

/// A repository as the lists of `installation` and `installation_repositories` have it.
fn repository_in_brief(repo: &Repo) -> Value {
    json!({
        "id": repo.id,
        "node_id": node_id("R", repo.id),
        "name": repo.name,
        "full_name": repo.full_name(),
        "private": repo.private,
    })
}
