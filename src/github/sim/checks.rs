//! Check suites, check runs and commit statuses of the simulated GitHub, and the roll-up of a commit.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::state::State;

#[derive(Clone, Debug)]
pub(super) struct Suite {
    pub(super) id: u64,
    pub(super) repo: u64,
    pub(super) app: u64,
    pub(super) head_sha: String,
    pub(super) head_branch: Option<String>,
    pub(super) before: Option<String>,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) repo: u64,
    pub(super) suite: u64,
    pub(super) app: u64,
    pub(super) head_sha: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) completed_at: Option<DateTime<Utc>>,
    pub(super) external_id: String,
    pub(super) details_url: Option<String>,
    pub(super) title: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) text: Option<String>,
    pub(super) annotations: Vec<Value>,
    pub(super) actions: Vec<Value>,
    pub(super) writes: Vec<SimCheckWrite>,
}

#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) id: u64,
    pub(super) repo: u64,
    pub(super) sha: String,
    pub(super) context: String,
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) target_url: Option<String>,
    pub(super) at: DateTime<Utc>,
}

/// One write to a check run: the request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct SimCheckWrite {
    /// When it was written, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// `POST` or `PATCH`.
    pub method: &'static str,
    /// The request body.
    pub body: Value,
}

/// A check run as it stands, with everything that was written to it.
#[derive(Clone, Debug, PartialEq)]
pub struct SimCheckRun {
    /// Id of the run.
    pub id: u64,
    /// Name, such as `mergecast/risk`.
    pub name: String,
    /// Slug of the app that wrote it.
    pub app: String,
    /// Commit it stands on.
    pub head_sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// Conclusion, once completed.
    pub conclusion: Option<String>,
    /// What the writer calls it.
    pub external_id: String,
    /// Where its Details link leads.
    pub details_url: Option<String>,
    /// `output.title`.
    pub title: Option<String>,
    /// `output.summary`, Markdown.
    pub summary: Option<String>,
    /// `output.text`, Markdown.
    pub text: Option<String>,
    /// Annotations in the order in which they came.
    pub annotations: Vec<Value>,
    /// Buttons.
    pub actions: Vec<Value>,
    /// Every write, oldest first.
    pub writes: Vec<SimCheckWrite>,
}

impl Run {
    pub(super) fn new(id: u64, repo: u64, suite: u64, app: u64, sha: &str, name: &str, now: DateTime<Utc>) -> Self {
        Self {
            id,
            repo,
            suite,
            app,
            head_sha: sha.to_owned(),
            name: name.to_owned(),
            status: "queued".to_owned(),
            conclusion: None,
            started_at: Some(now),
            completed_at: None,
            external_id: String::new(),
            details_url: None,
            title: None,
            summary: None,
            text: None,
            annotations: Vec::new(),
            actions: Vec::new(),
            writes: Vec::new(),
        }
    }
}

/// What a person can see of a check's progress, worst first.
const FAILED: [&str; 5] = ["failure", "timed_out", "cancelled", "action_required", "startup_failure"];

impl State {
    pub(super) fn public_run(&self, run: &Run) -> SimCheckRun {
        SimCheckRun {
            id: run.id,
            name: run.name.clone(),
            app: self.app_by_id(run.app).map(|a| a.slug.clone()).unwrap_or_default(),
            head_sha: run.head_sha.clone(),
            status: run.status.clone(),
            conclusion: run.conclusion.clone(),
            external_id: run.external_id.clone(),
            details_url: run.details_url.clone(),
            title: run.title.clone(),
            summary: run.summary.clone(),
            text: run.text.clone(),
            annotations: run.annotations.clone(),
            actions: run.actions.clone(),
            writes: run.writes.clone(),
        }
    }

    pub(super) fn runs_on<'a>(&'a self, repo: u64, sha: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs.values().filter(move |r| r.repo == repo && r.head_sha == sha)
    }

    /// The newest run of each app and name; re-runs hide the older ones.
    pub(super) fn latest_runs<'a>(&'a self, repo: u64, sha: &'a str) -> Vec<&'a Run> {
        let mut latest: Vec<&Run> = Vec::new();
        for run in self.runs_on(repo, sha) {
            latest.retain(|r| !(r.app == run.app && r.name == run.name));
            latest.push(run);
        }
        latest
    }

    /// The newest status of each context.
    pub(super) fn latest_statuses<'a>(&'a self, repo: u64, sha: &'a str) -> Vec<&'a Status> {
        let mut latest: Vec<&Status> = Vec::new();
        for status in self.statuses.iter().filter(|s| s.repo == repo && s.sha == sha) {
            latest.retain(|s| s.context != status.context);
            latest.push(status);
        }
        latest
    }

    /// The suite of an app on a commit, made on first use.
    pub(super) fn suite_for(&mut self, repo: u64, app: u64, sha: &str, before: Option<String>) -> u64 {
        let same = |s: &&Suite| s.repo == repo && s.app == app && s.head_sha == sha;
        if let Some(found) = self.suites.values().find(same) {
            return found.id;
        }
        let (id, now) = (self.new_id(), self.now());
        let head_branch = self.repo_by_id(repo).and_then(|r| self.branch_of(r, sha)).map(str::to_owned);
        let suite = Suite {
            id,
            repo,
            app,
            head_sha: sha.to_owned(),
            head_branch,
            before,
            status: "queued".to_owned(),
            conclusion: None,
            created_at: now,
            updated_at: now,
        };
        self.suites.insert(id, suite);
        id
    }

    /// Brings a suite up to date with its runs; true if it has just completed.
    pub(super) fn settle_suite(&mut self, suite: u64) -> bool {
        let now = self.now();
        let Some(old) = self.suites.get(&suite) else { return false };
        let runs: Vec<&Run> =
            self.latest_runs(old.repo, &old.head_sha).into_iter().filter(|r| r.suite == suite).collect();
        let done = !runs.is_empty() && runs.iter().all(|r| r.status == "completed");
        let concluded = done.then(|| conclusion_of(&runs));
        let was_done = old.status == "completed";
        let Some(suite) = self.suites.get_mut(&suite) else { return false };
        suite.status = if done { "completed" } else { "in_progress" }.to_owned();
        suite.conclusion = concluded;
        suite.updated_at = now;
        done && !was_done
    }

    /// `statusCheckRollup.state` of a commit; `None` where nothing has reported.
    pub(super) fn rollup(&self, repo: u64, sha: &str) -> Option<&'static str> {
        let (runs, statuses) = (self.latest_runs(repo, sha), self.latest_statuses(repo, sha));
        if runs.is_empty() && statuses.is_empty() {
            return None;
        }
        let failed = |r: &&Run| r.conclusion.as_deref().is_some_and(|c| FAILED.contains(&c));
        if runs.iter().any(failed) || statuses.iter().any(|s| s.state == "failure") {
            Some("FAILURE")
        } else if statuses.iter().any(|s| s.state == "error") {
            Some("ERROR")
        } else if runs.iter().any(|r| r.status != "completed") || statuses.iter().any(|s| s.state == "pending") {
            Some("PENDING")
        } else {
            Some("SUCCESS")
        }
    }
}

fn conclusion_of(runs: &[&Run]) -> String {
    let has = |wanted: &str| runs.iter().any(|r| r.conclusion.as_deref() == Some(wanted));
    let worst = FAILED.into_iter().find(|c| has(c));
    worst.unwrap_or(if has("success") { "success" } else { "neutral" }).to_owned()
}
