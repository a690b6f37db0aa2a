//! What the verbs on repositories do to the state: repositories, forks, commits, pushes, new pull requests.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::objects::{Edits, NewCommit, ZERO};
use super::pulls::{Pull, PullState};
use super::state::{Repo, State, UserKind, key};
use super::verbs::PullSpec;

impl State {
    pub(super) fn make_repo(&mut self, full_name: &str) {
        if self.repos.contains_key(&key(full_name)) {
            return;
        }
        // A name that a repository once had is free, and leads there no more once another one takes it.
        self.redirects.remove(&key(full_name));
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
            queues: BTreeMap::new(),
            members: BTreeMap::new(),
            teams: BTreeMap::new(),
            labels: BTreeMap::new(),
            review_rules: BTreeMap::new(),
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
        let id = edits.id.clone();
        let sha = self.objects.commit(NewCommit { network, parents, tree, message, author, at: now, id });
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

    pub(super) fn open_pull(&mut self, full_name: &str, spec: &PullSpec) -> u64 {
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

    /// Another pull request for the head commit of `of`, from a branch of its own.
    pub(super) fn open_twin(&mut self, full_name: &str, of: u64, spec: &PullSpec) -> u64 {
        self.person(&spec.author);
        let repo = self.known(full_name);
        let number = repo.next_number;
        let base_ref = spec.base.clone().unwrap_or_else(|| repo.default_branch.clone());
        let tip = repo.branches.get(&repo.default_branch).cloned().unwrap_or_default();
        let (head_owner, head_ref) = (repo.owner.clone(), format!("twin-{number}"));
        let head_sha = repo.pulls.get(&of).map(|pull| pull.head_sha.clone()).unwrap_or_default();
        let repo = self.known_mut(full_name);
        repo.next_number += 1;
        let base_sha = repo.branches.entry(base_ref.clone()).or_insert(tip).clone();
        repo.branches.insert(head_ref.clone(), head_sha.clone());
        let (id, now) = (self.new_id(), self.now());
        let head_repo = full_name.to_owned();
        self.add_pull(
            full_name,
            spec,
            Place { id, number, now, base_ref, base_sha, head_owner, head_repo, head_ref, head_sha },
        );
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
            locked: false,
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
