//! Merge queues of the simulated GitHub: groups stack on one another, wait for the required checks on their own commits,
//! and are merged or thrown out by what those conclude. The queue acts on the first conclusion that it sees.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::objects::{NewCommit, Tree};
use super::pulls::{Pull, PullState};
use super::state::{Repo, State};

/// The merge queue of one branch.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    pub(super) id: u64,
    /// Names of the checks that must pass on a group's commit.
    pub(super) required: Vec<String>,
    /// A pull request that stands on the tip of the branch is taken as it is, without a merge commit.
    pub(super) fast_forward: bool,
    pub(super) entries: Vec<Entry>,
}

/// A pull request in a queue, with the group that ends with it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) at: DateTime<Utc>,
    /// What the group stands on: the tip of the branch, or the group ahead.
    pub(super) base: String,
    /// The commit on which the checks are wanted.
    pub(super) head: String,
}

/// How the required checks on a group stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Waiting,
    Passed,
    Failed,
}

/// Conclusions that let a required check pass.
const PASSING: [&str; 3] = ["success", "neutral", "skipped"];

impl State {
    /// The queue of a branch. A test that queues without one has forgotten to set it up.
    fn queue_mut(&mut self, full_name: &str, branch: &str) -> &mut Queue {
        self.known_mut(full_name).queues.get_mut(branch).expect("the branch has a merge queue")
    }

    pub(super) fn queue_standing(&self, repo: &Repo, queue: &Queue, entry: &Entry) -> Standing {
        let runs = self.latest_runs(repo.id, &entry.head);
        let standing = |name: &String| {
            let run = runs.iter().find(|run| run.name == *name && run.status == "completed");
            match run.and_then(|run| run.conclusion.as_deref()) {
                None => Standing::Waiting,
                Some(conclusion) if PASSING.contains(&conclusion) => Standing::Passed,
                Some(_) => Standing::Failed,
            }
        };
        let all: Vec<Standing> = queue.required.iter().map(standing).collect();
        let has = |wanted| all.contains(&wanted);
        if has(Standing::Failed) {
            Standing::Failed
        } else if has(Standing::Waiting) {
            Standing::Waiting
        } else {
            Standing::Passed
        }
    }

    /// Puts a pull request at the end of its base branch's queue; gives the commit of its group.
    pub(super) fn enqueue(&mut self, full_name: &str, number: u64) -> String {
        let (id, at) = (self.new_id(), self.now());
        let pull = self.pull_mut(full_name, number);
        pull.queued = true;
        let (branch, author) = (pull.base_ref.clone(), pull.author.clone());
        let queue = self.queue_mut(full_name, &branch);
        queue.entries.push(Entry { id, number, at, base: String::new(), head: String::new() });
        let place = queue.entries.len() - 1;
        self.send_pull("enqueued", full_name, number, &author, json!({}));
        self.build_groups(full_name, &branch, place);
        let head = self.queue_mut(full_name, &branch).entries[place].head.clone();
        self.settle_queue(full_name, &branch);
        head
    }

    /// Builds the groups from a place on; those behind stand on it.
    fn build_groups(&mut self, full_name: &str, branch: &str, from: usize) {
        for place in from..self.queue_mut(full_name, branch).entries.len() {
            let ahead = place.checked_sub(1).map(|ahead| self.queue_mut(full_name, branch).entries[ahead].head.clone());
            let base = ahead.or_else(|| self.known(full_name).branches.get(branch).cloned()).unwrap_or_default();
            let number = self.queue_mut(full_name, branch).entries[place].number;
            let head = self.build_group(full_name, branch, number, &base);
            let entry = &mut self.queue_mut(full_name, branch).entries[place];
            (entry.base, entry.head) = (base.clone(), head.clone());
            let name = group_branch(branch, number, &base);
            self.known_mut(full_name).branches.insert(name.clone(), head.clone());
            self.pushed(full_name, &name, super::objects::ZERO, &head, "octocat");
            self.send_merge_group(full_name, number, (&base, &head), "checks_requested", None);
        }
    }

    fn build_group(&mut self, full_name: &str, branch: &str, number: u64, base: &str) -> String {
        let at = self.now();
        let (repo, pull) = self.pull(full_name, number).expect("a handle's pull request exists");
        let forward = repo.queues.get(branch).is_some_and(|queue| queue.fast_forward);
        if forward && self.objects.contains(&pull.head_sha, base) {
            return pull.head_sha.clone();
        }
        let message = format!("Merge pull request #{number}\n\n{}", pull.title);
        let (network, tree) = (repo.network, self.merged_tree(repo, pull, base));
        let parents = vec![base.to_owned(), pull.head_sha.clone()];
        self.objects.commit(NewCommit { network, parents, tree, message, author: "octocat".to_owned(), at, id: None })
    }

    /// The tree of `onto` with what a pull request changes.
    pub(super) fn merged_tree(&self, repo: &Repo, pull: &Pull, onto: &str) -> Tree {
        let mut tree = (*self.objects.tree(onto)).clone();
        let head = self.objects.tree(&pull.head_sha);
        for file in self.pull_files(repo, pull).iter() {
            tree.remove(file.previous.as_deref().unwrap_or(&file.path));
            if let Some(entry) = head.get(&file.path) {
                tree.insert(file.path.clone(), entry.clone());
            }
        }
        tree
    }

    /// Takes a pull request out of the queue; the groups behind it are built anew.
    pub(super) fn dequeue(&mut self, full_name: &str, number: u64, reason: &str) {
        let pull = self.pull_mut(full_name, number);
        if !pull.queued {
            return;
        }
        let branch = pull.base_ref.clone();
        let entries = &mut self.queue_mut(full_name, &branch).entries;
        let Some(place) = entries.iter().position(|entry| entry.number == number) else { return };
        let gone = entries.remove(place);
        self.left(full_name, &gone, reason, "dequeued");
        self.rebuild(full_name, &branch, place);
        self.settle_queue(full_name, &branch);
    }

    /// The branch moved under its queue: every group is built anew.
    pub(super) fn base_moved(&mut self, full_name: &str, branch: &str) {
        if self.known(full_name).queues.contains_key(branch) {
            self.rebuild(full_name, branch, 0);
            self.settle_queue(full_name, branch);
        }
    }

    fn rebuild(&mut self, full_name: &str, branch: &str, from: usize) {
        let behind = self.queue_mut(full_name, branch).entries[from..].to_vec();
        for entry in &behind {
            self.destroy_group(full_name, branch, entry, "invalidated");
        }
        self.build_groups(full_name, branch, from);
    }

    fn left(&mut self, full_name: &str, entry: &Entry, reason: &str, destroyed: &str) {
        let pull = self.pull_mut(full_name, entry.number);
        pull.queued = false;
        let branch = pull.base_ref.clone();
        self.send_pull("dequeued", full_name, entry.number, "octocat", json!({"reason": reason}));
        self.destroy_group(full_name, &branch, entry, destroyed);
    }

    fn destroy_group(&mut self, full_name: &str, branch: &str, entry: &Entry, reason: &str) {
        self.known_mut(full_name).branches.remove(&group_branch(branch, entry.number, &entry.base));
        let commits = (entry.base.as_str(), entry.head.as_str());
        self.send_merge_group(full_name, entry.number, commits, "destroyed", Some(reason));
    }

    /// Does what follows from the checks that have concluded: throws out, builds anew, merges.
    pub(super) fn settle_queue(&mut self, full_name: &str, branch: &str) {
        loop {
            let repo = self.known(full_name);
            let Some(queue) = repo.queues.get(branch) else { return };
            let standing: Vec<Standing> =
                queue.entries.iter().map(|entry| self.queue_standing(repo, queue, entry)).collect();
            if let Some(place) = standing.iter().position(|standing| *standing == Standing::Failed) {
                let gone = self.queue_mut(full_name, branch).entries.remove(place);
                self.left(full_name, &gone, "CI_FAILURE", "dequeued");
                self.rebuild(full_name, branch, place);
            } else if standing.first() == Some(&Standing::Passed) {
                self.merge_first(full_name, branch);
            } else {
                return;
            }
        }
    }

    /// The same for every queue of a repository.
    pub(super) fn settle_queues(&mut self, repo: u64) {
        let Some(repo) = self.repo_by_id(repo) else { return };
        let (full_name, branches) = (repo.full_name(), repo.queues.keys().cloned().collect::<Vec<_>>());
        for branch in branches {
            self.settle_queue(&full_name, &branch);
        }
    }

    fn merge_first(&mut self, full_name: &str, branch: &str) {
        let now = self.now();
        let entry = self.queue_mut(full_name, branch).entries.remove(0);
        let pull = self.pull_mut(full_name, entry.number);
        (pull.state, pull.closed_at, pull.updated_at) = (PullState::Merged, Some(now), now);
        pull.merged_by = Some("octocat".to_owned());
        (pull.merge_commit, pull.base_sha) = (Some(entry.head.clone()), entry.base.clone());
        self.known_mut(full_name).branches.insert(branch.to_owned(), entry.head.clone());
        self.left(full_name, &entry, "MERGE", "merged");
        self.send_pull("closed", full_name, entry.number, "octocat", json!({}));
        self.pushed(full_name, branch, &entry.base, &entry.head, "octocat");
    }
}

/// Name of a group's branch.
pub(super) fn group_branch(base_ref: &str, number: u64, base_sha: &str) -> String {
    format!("gh-readonly-queue/{base_ref}/pr-{number}-{base_sha}")
}
