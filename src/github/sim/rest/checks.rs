//! Routes of check runs, check suites and statuses.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::answer::{Answer, Outcome, Paging, Request};
use super::super::checks::{Run, SimCheckWrite, Suite};
use super::super::state::State;
use super::pulls::no_commit;
use super::{Call, check_rules};

impl Call<'_> {
    pub(super) fn create_run(&mut self, repo: &str) -> Outcome {
        self.need("checks", "write")?;
        let body = &self.request.body;
        check_rules::check(body, true)?;
        let (sha, name) = (text(body, "head_sha"), text(body, "name"));
        let known = self.state.known(repo);
        // Only a full SHA names a commit here, not a branch.
        let commit = self.state.objects.get(&sha).filter(|c| c.network == known.network);
        let sha = commit.map(|c| c.sha.clone()).ok_or_else(|| no_commit(&sha))?;
        let (repo_id, app, now) = (known.id, self.state.app.id, self.state.now());
        let suite = self.state.suite_for(repo_id, app, &sha, None);
        let id = self.state.new_id();
        let mut run = Run::new(id, repo_id, suite, app, &sha, &name, now);
        write(&mut run, self.request, "POST", now);
        let completed = run.status == "completed";
        self.state.runs.insert(id, run);
        self.state.send_run("created", id, &our_login(self.state), json!({}));
        self.written(id, suite, completed);
        Ok(Answer::new(201, self.shape(id)))
    }

    pub(super) fn update_run(&mut self, repo: &str, id: &str) -> Outcome {
        self.need("checks", "write")?;
        let (_, run) = self.find_run(repo, id)?;
        if run.app != self.state.app.id {
            return Err(Answer::error(403, "Invalid app_id: the check run belongs to another app."));
        }
        check_rules::check(&self.request.body, false)?;
        let (id, suite, was_completed) = (run.id, run.suite, run.status == "completed");
        let now = self.state.now();
        let request = self.request;
        let run = self.state.runs.get_mut(&id).ok_or_else(Answer::not_found)?;
        write(run, request, "PATCH", now);
        let completed = run.status == "completed" && !was_completed;
        self.written(id, suite, completed);
        Ok(Answer::ok(self.shape(id)))
    }

    /// The webhooks that follow a write of ours.
    fn written(&mut self, run: u64, suite: u64, completed: bool) {
        let login = our_login(self.state);
        if completed {
            self.state.send_run("completed", run, &login, json!({}));
        }
        if self.state.settle_suite(suite) {
            self.state.send_suite("completed", suite, &login);
        }
        if let Some(repo) = self.state.runs.get(&run).map(|run| run.repo) {
            self.state.settle_queues(repo);
        }
    }

    fn shape(&self, id: u64) -> Value {
        let run = self.state.runs.get(&id);
        let shape = run.and_then(|r| Some(self.state.run_shape(self.state.repo_by_id(r.repo)?, r)));
        shape.unwrap_or_default()
    }

    pub(super) fn run(&self, repo: &str, id: &str) -> Outcome {
        self.need("checks", "read")?;
        let (repo, run) = self.find_run(repo, id)?;
        Ok(Answer::ok(self.state.run_shape(repo, run)))
    }

    pub(super) fn annotations(&self, repo: &str, id: &str) -> Outcome {
        self.need("checks", "read")?;
        let (repo, run) = self.find_run(repo, id)?;
        let page = self.state.repo_html(repo);
        self.page(&run.annotations, |a| {
            let mut shape = json!({"blob_href": format!("{page}/blob/{}/{}", run.head_sha, text(a, "path"))});
            for field in [
                "path",
                "start_line",
                "end_line",
                "start_column",
                "end_column",
                "annotation_level",
                "title",
                "message",
                "raw_details",
            ] {
                shape[field] = a[field].clone();
            }
            shape
        })
    }

    pub(super) fn rerequest_run(&mut self, repo: &str, id: &str) -> Outcome {
        self.need("checks", "write")?;
        let run = self.find_run(repo, id)?.1.clone();
        if let Some(suite) = self.state.suites.get_mut(&run.suite) {
            (suite.status, suite.conclusion) = ("queued".to_owned(), None);
        }
        self.state.send_run("rerequested", run.id, "octocat", json!({}));
        Ok(Answer::new(201, json!({})))
    }

    pub(super) fn commit_runs(&self, repo: &str, git_ref: &str) -> Outcome {
        self.need("checks", "read")?;
        let sha = self.find_ref(repo, git_ref).ok_or_else(|| no_commit(git_ref))?;
        let id = self.state.known(repo).id;
        let all = self.request.param("filter") == Some("all");
        let runs = if all { self.state.runs_on(id, &sha).collect() } else { self.state.latest_runs(id, &sha) };
        self.run_list(repo, runs)
    }

    pub(super) fn suite_runs(&self, repo: &str, suite: &str) -> Outcome {
        self.need("checks", "read")?;
        let suite = self.find_suite(repo, suite)?;
        let runs = self.state.runs_on(suite.repo, &suite.head_sha).filter(|r| r.suite == suite.id);
        self.run_list(repo, runs.collect())
    }

    fn run_list(&self, repo: &str, runs: Vec<&Run>) -> Outcome {
        let (name, status) = (self.request.param("check_name"), self.request.param("status"));
        let app: Option<u64> = self.request.param("app_id").and_then(|a| a.parse().ok());
        let fits = |r: &&Run| {
            name.is_none_or(|n| n == r.name) && status.is_none_or(|s| s == r.status) && app.is_none_or(|a| a == r.app)
        };
        // Newest first.
        let runs: Vec<&Run> = runs.into_iter().rev().filter(fits).collect();
        let (repo, paging) = (self.state.known(repo), Paging::of(self.request)?);
        let shapes: Vec<Value> = paging.slice(&runs).iter().map(|r| self.state.run_shape(repo, r)).collect();
        let body = json!({"total_count": runs.len(), "check_runs": shapes});
        Ok(self.linked(Answer::ok(body), &paging, runs.len()))
    }

    fn find_suite(&self, repo: &str, id: &str) -> Result<&Suite, Answer> {
        let repo = self.state.known(repo).id;
        let id: u64 = id.parse().map_err(|_| Answer::not_found())?;
        self.state.suites.get(&id).filter(|s| s.repo == repo).ok_or_else(Answer::not_found)
    }

    pub(super) fn suite(&self, repo: &str, id: &str) -> Outcome {
        self.need("checks", "read")?;
        Ok(Answer::ok(self.suite_body(repo, self.find_suite(repo, id)?)))
    }

    fn suite_body(&self, repo: &str, suite: &Suite) -> Value {
        let repo = self.state.known(repo);
        let mut shape = self.state.suite_shape(repo, suite);
        shape["repository"] = self.state.repo_shape(repo);
        shape
    }

    pub(super) fn commit_suites(&self, repo: &str, git_ref: &str) -> Outcome {
        self.need("checks", "read")?;
        let sha = self.find_ref(repo, git_ref).ok_or_else(|| no_commit(git_ref))?;
        let id = self.state.known(repo).id;
        let app: Option<u64> = self.request.param("app_id").and_then(|a| a.parse().ok());
        let on_commit = self.state.suites.values().filter(|s| s.repo == id && s.head_sha == sha);
        let suites: Vec<&Suite> = on_commit.filter(|s| app.is_none_or(|a| a == s.app)).collect();
        let paging = Paging::of(self.request)?;
        let shapes: Vec<Value> = paging.slice(&suites).iter().map(|s| self.suite_body(repo, s)).collect();
        let body = json!({"total_count": suites.len(), "check_suites": shapes});
        Ok(self.linked(Answer::ok(body), &paging, suites.len()))
    }

    pub(super) fn combined_status(&self, repo: &str, git_ref: &str) -> Outcome {
        self.need("statuses", "read")?;
        let sha = self.find_ref(repo, git_ref).ok_or_else(|| no_commit(git_ref))?;
        let repo = self.state.known(repo);
        let statuses = self.state.latest_statuses(repo.id, &sha);
        let has = |wanted: &[&str]| statuses.iter().any(|s| wanted.contains(&s.state.as_str()));
        let state = match () {
            () if has(&["failure", "error"]) => "failure",
            () if statuses.is_empty() || has(&["pending"]) => "pending",
            () => "success",
        };
        let paging = Paging::of(self.request)?;
        let shapes: Vec<Value> = paging.slice(&statuses).iter().map(|s| self.state.status_shape(repo, s)).collect();
        let api = self.state.repo_api(repo);
        let body = json!({
            "state": state,
            "statuses": shapes,
            "sha": sha,
            "total_count": statuses.len(),
            "repository": self.state.repo_shape(repo),
            "commit_url": format!("{api}/commits/{sha}"),
            "url": format!("{api}/commits/{sha}/status"),
        });
        Ok(self.linked(Answer::ok(body), &paging, statuses.len()))
    }
}

fn our_login(state: &State) -> String {
    format!("{}[bot]", state.app.slug)
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_default().to_owned()
}

/// Puts a checked body into a run. Annotations are appended, everything else is replaced.
fn write(run: &mut Run, request: &Request, method: &'static str, now: DateTime<Utc>) {
    let body = &request.body;
    run.writes.push(SimCheckWrite { at: now, method, body: body.clone() });
    let given = |field: &str| body[field].as_str().map(str::to_owned);
    let time = |field: &str| given(field).and_then(|t| t.parse::<DateTime<Utc>>().ok());
    run.name = given("name").unwrap_or(std::mem::take(&mut run.name));
    run.external_id = given("external_id").unwrap_or(std::mem::take(&mut run.external_id));
    run.details_url = given("details_url").or(run.details_url.take());
    run.started_at = time("started_at").or(run.started_at);
    if let Some(conclusion) = given("conclusion") {
        (run.status, run.conclusion) = ("completed".to_owned(), Some(conclusion));
        run.completed_at = time("completed_at").or(Some(now));
    } else if let Some(status) = given("status") {
        (run.status, run.conclusion, run.completed_at) = (status, None, None);
    }
    if let Some(output) = body.get("output") {
        let part = |field: &str| output[field].as_str().map(str::to_owned);
        (run.title, run.summary) = (part("title"), part("summary"));
        run.text = part("text").or(run.text.take());
        run.annotations.extend(output["annotations"].as_array().into_iter().flatten().cloned());
    }
    if let Some(actions) = body["actions"].as_array() {
        run.actions.clone_from(actions);
    }
}
