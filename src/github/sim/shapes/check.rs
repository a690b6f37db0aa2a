//! Check runs and suites as JSON.

use serde_json::{Value, json};

use super::super::checks::{Run, Suite};
use super::super::state::{Repo, State};
use super::{node_id, time};

impl State {
    fn check_pulls(&self, repo: &Repo, sha: &str) -> Vec<Value> {
        self.pulls_with_head(repo, sha).map(|p| self.pull_stub(repo, p)).collect()
    }

    /// A check run as REST shows it.
    pub(in super::super) fn run_shape(&self, repo: &Repo, run: &Run) -> Value {
        let own = format!("{}/check-runs/{}", self.repo_api(repo), run.id);
        let page = format!("{}/runs/{}", self.repo_html(repo), run.id);
        json!({
            "id": run.id,
            "name": run.name,
            "node_id": node_id("CR", run.id),
            "head_sha": run.head_sha,
            "external_id": run.external_id,
            "url": own,
            "html_url": page,
            "details_url": run.details_url.clone().unwrap_or(page.clone()),
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": run.started_at.map(time),
            "completed_at": run.completed_at.map(time),
            "output": {
                "title": run.title,
                "summary": run.summary,
                "text": run.text,
                "annotations_count": run.annotations.len(),
                "annotations_url": format!("{own}/annotations"),
            },
            "check_suite": {"id": run.suite},
            "app": self.app_shape_by_id(run.app),
            "pull_requests": self.check_pulls(repo, &run.head_sha),
        })
    }

    /// A check run as webhooks carry it: with its suite.
    pub(in super::super) fn run_hook_shape(&self, repo: &Repo, run: &Run) -> Value {
        let mut shape = self.run_shape(repo, run);
        let Some(suite) = self.suites.get(&run.suite) else { return shape };
        let mut suite = self.suite_shape(repo, suite);
        if let Value::Object(fields) = &mut suite {
            for field in
                ["head_commit", "latest_check_runs_count", "check_runs_url", "rerequestable", "runs_rerequestable"]
            {
                fields.remove(field);
            }
        }
        shape["check_suite"] = suite;
        shape
    }

    pub(in super::super) fn suite_shape(&self, repo: &Repo, suite: &Suite) -> Value {
        let own = format!("{}/check-suites/{}", self.repo_api(repo), suite.id);
        let runs = self.latest_runs(repo.id, &suite.head_sha).iter().filter(|r| r.suite == suite.id).count();
        let commit = self.objects.get(&suite.head_sha);
        json!({
            "id": suite.id,
            "node_id": node_id("CS", suite.id),
            "head_branch": suite.head_branch,
            "head_sha": suite.head_sha,
            "status": suite.status,
            "conclusion": suite.conclusion,
            "url": own,
            "before": suite.before,
            "after": suite.before.as_ref().map(|_| &suite.head_sha),
            "pull_requests": self.check_pulls(repo, &suite.head_sha),
            "app": self.app_shape_by_id(suite.app),
            "created_at": time(suite.created_at),
            "updated_at": time(suite.updated_at),
            "rerequestable": true,
            "runs_rerequestable": true,
            "latest_check_runs_count": runs,
            "check_runs_url": format!("{own}/check-runs"),
            "head_commit": commit.map(|c| self.simple_commit_shape(c)),
        })
    }
}
