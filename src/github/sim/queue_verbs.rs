//! Verbs on merge queues and on the check runs of their groups.

use serde_json::json;

use super::pull_verbs::PullHandle;
use super::queue::{Queue, Standing};
use super::verbs::SimRepository;

/// A group as it stands in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimGroup {
    /// The pull request that it ends with; those ahead of it in the queue are in it too.
    pub number: u64,
    /// What it stands on.
    pub base_sha: String,
    /// The commit on which the checks are wanted.
    pub head_sha: String,
    /// The required checks have not all concluded.
    pub waiting: bool,
}

impl SimRepository {
    /// Sets up the default branch's merge queue; these checks are required.
    pub fn merge_queue(&self, required: &[&str]) -> &Self {
        self.set_queue(required, false)
    }

    /// The same, where a pull request that stands on the tip of the branch is merged as it is: its group's commit is its
    /// own head.
    pub fn fast_forward_queue(&self, required: &[&str]) -> &Self {
        self.set_queue(required, true)
    }

    fn set_queue(&self, required: &[&str], fast_forward: bool) -> &Self {
        self.sim.act(|state| {
            let id = state.new_id();
            let repo = state.known_mut(&self.name);
            let required = required.iter().map(|name| (*name).to_owned()).collect();
            let queue = Queue { id, required, fast_forward, entries: Vec::new() };
            repo.queues.insert(repo.default_branch.clone(), queue);
        });
        self
    }

    /// The groups of the default branch's queue, first to last.
    pub fn groups(&self) -> Vec<SimGroup> {
        let state = self.sim.shared.state();
        let repo = state.known(&self.name);
        let Some(queue) = repo.queues.get(&repo.default_branch) else { return Vec::new() };
        let group = |entry: &super::queue::Entry| SimGroup {
            number: entry.number,
            base_sha: entry.base.clone(),
            head_sha: entry.head.clone(),
            waiting: state.queue_standing(repo, queue, entry) == Standing::Waiting,
        };
        queue.entries.iter().map(group).collect()
    }

    /// GitHub Actions completes a check on a commit.
    pub fn check_on(&self, sha: &str, name: &str, conclusion: &str) {
        self.sim.act(|state| state.report_check(&self.name, sha, "github-actions", name, Some(conclusion)));
    }

    /// Somebody presses "Re-run" on our newest check run of a commit; false if there is none.
    pub fn rerequest_on(&self, sha: &str) -> bool {
        self.sim.act(|state| state.rerequest_ours(&self.name, sha))
    }

    /// Somebody presses a button of our newest check run of a commit; false if it has no such button.
    pub fn press_on(&self, sha: &str, identifier: &str) -> bool {
        self.sim.act(|state| state.press_ours(&self.name, sha, "octocat", identifier))
    }
}

impl PullHandle {
    /// Puts it into its base branch's merge queue; gives the commit of the group that ends with it.
    pub fn enqueue(&self) -> String {
        self.sim.act(|state| state.enqueue(&self.repo, self.number))
    }

    /// Somebody takes it out of the merge queue again.
    pub fn dequeue(&self) {
        self.sim.act(|state| state.dequeue(&self.repo, self.number, "MANUAL"));
    }

    /// Whether it is in a merge queue.
    pub fn is_queued(&self) -> bool {
        self.read(|pull| pull.queued)
    }

    /// Whether it was merged.
    pub fn is_merged(&self) -> bool {
        self.read(|pull| pull.merge_commit.is_some())
    }
}

impl super::state::State {
    pub(super) fn rerequest_ours(&mut self, full_name: &str, sha: &str) -> bool {
        let Some(run) = self.our_run(full_name, sha) else { return false };
        if let Some(suite) = self.suites.get_mut(&run.suite) {
            (suite.status, suite.conclusion) = ("queued".to_owned(), None);
        }
        self.send_run("rerequested", run.id, "octocat", json!({}));
        true
    }

    pub(super) fn press_ours(&mut self, full_name: &str, sha: &str, login: &str, identifier: &str) -> bool {
        let Some(run) = self.our_run(full_name, sha) else { return false };
        let there = run.status == "completed" && run.actions.iter().any(|a| a["identifier"] == identifier);
        if there {
            let action = json!({"requested_action": {"identifier": identifier}});
            self.send_run("requested_action", run.id, login, action);
        }
        there
    }

    fn our_run(&self, full_name: &str, sha: &str) -> Option<super::checks::Run> {
        let (repo, app) = (self.known(full_name).id, self.app.id);
        self.runs_on(repo, sha).filter(|run| run.app == app).last().cloned()
    }
}
