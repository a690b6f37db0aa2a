//! Deployments and releases: what pipelines and people do, each followed by the webhook that GitHub sends for it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::shapes::{node_id, time};
use super::state::{Repo, State};
use super::verbs::SimRepository;

/// A deployment to ask for.
#[derive(Clone, Debug)]
pub struct SimDeployment {
    /// Commit.
    pub sha: String,
    /// Branch, tag or commit that was asked for.
    pub git_ref: String,
    /// Environment.
    pub environment: String,
    /// Login of who made it; one ending in `[bot]` is a bot.
    pub creator: String,
    /// What came with it.
    pub payload: Value,
}

impl SimDeployment {
    /// A commit to an environment, by a bot.
    pub fn new(sha: impl Into<String>, environment: impl Into<String>) -> Self {
        let sha = sha.into();
        Self {
            git_ref: sha.clone(),
            sha,
            environment: environment.into(),
            creator: "deployer[bot]".to_owned(),
            payload: json!({}),
        }
    }
}

/// A deployment that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Deployed {
    repo: u64,
    spec: SimDeployment,
    created_at: DateTime<Utc>,
}

impl SimRepository {
    /// Asks for a deployment; returns its id.
    pub fn deploy(&self, spec: SimDeployment) -> u64 {
        self.sim.act(|state| {
            state.person(&spec.creator);
            let (id, repo, created_at) = (state.new_id(), state.known(&self.name).id, state.now());
            state.deployments.insert(id, Deployed { repo, spec, created_at });
            state.send_deployment(&self.name, id, None);
            id
        })
    }

    /// Sets a status of a deployment, such as `in_progress`, `success` or `failure`.
    pub fn deployment_status(&self, deployment: u64, status: &str) -> &Self {
        self.sim.act(|state| {
            let id = state.new_id();
            state.send_deployment(&self.name, deployment, Some((id, status)));
        });
        self
    }

    /// Publishes a release of a commit under a new tag.
    pub fn release(&self, tag: &str, sha: &str) -> &Self {
        self.sim.act(|state| {
            state.send_tag(&self.name, tag, sha);
            let id = state.new_id();
            for action in ["published", "released"] {
                state.send_release(action, &self.name, id, tag, sha);
            }
        });
        self
    }

    /// Pushes a tag.
    pub fn tag(&self, tag: &str, sha: &str) -> &Self {
        self.sim.act(|state| state.send_tag(&self.name, tag, sha));
        self
    }
}

impl State {
    /// The deployment was created, or got a status.
    fn send_deployment(&mut self, full_name: &str, id: u64, status: Option<(u64, &str)>) {
        let repo = self.known(full_name);
        let Some(deployed) = self.deployments.get(&id).filter(|one| one.repo == repo.id) else { return };
        let (creator, environment) = (deployed.spec.creator.clone(), deployed.spec.environment.clone());
        let mut payload = json!({
            "action": "created",
            "deployment": self.deployment_shape(repo, id, deployed),
            "workflow": null,
            "workflow_run": null,
        });
        let Some((status_id, status)) = status else {
            return self.emit("deployment", full_name, &creator, payload, Value::Null);
        };
        let own = format!("{}/deployments/{id}", self.repo_api(repo));
        let now = time(self.now());
        payload["check_run"] = Value::Null;
        payload["deployment_status"] = json!({
            "url": format!("{own}/statuses/{status_id}"),
            "id": status_id,
            "node_id": node_id("DES", status_id),
            "state": status,
            "creator": self.user_shape(&creator),
            "description": "",
            "environment": environment,
            "target_url": "",
            "created_at": now,
            "updated_at": now,
            "deployment_url": own,
            "repository_url": self.repo_api(repo),
        });
        self.emit("deployment_status", full_name, &creator, payload, Value::Null);
    }

    fn deployment_shape(&self, repo: &Repo, id: u64, deployed: &Deployed) -> Value {
        let Deployed { spec, created_at, .. } = deployed;
        let own = format!("{}/deployments/{id}", self.repo_api(repo));
        json!({
            "url": own,
            "id": id,
            "node_id": node_id("DE", id),
            "sha": spec.sha,
            "ref": spec.git_ref,
            "task": "deploy",
            "payload": spec.payload,
            "original_environment": spec.environment,
            "environment": spec.environment,
            "description": null,
            "creator": self.user_shape(&spec.creator),
            "created_at": time(*created_at),
            "updated_at": time(*created_at),
            "statuses_url": format!("{own}/statuses"),
            "repository_url": self.repo_api(repo),
            "performed_via_github_app": null,
            // As long as nobody says otherwise.
            "production_environment": spec.environment == "production",
            "transient_environment": false,
        })
    }

    fn send_release(&mut self, action: &str, full_name: &str, id: u64, tag: &str, sha: &str) {
        let repo = self.known(full_name);
        let (api, html) = (self.repo_api(repo), self.repo_html(repo));
        let now = time(self.now());
        let release = json!({
            "url": format!("{api}/releases/{id}"),
            "assets_url": format!("{api}/releases/{id}/assets"),
            "upload_url": format!("{api}/releases/{id}/assets{{?name,label}}"),
            "html_url": format!("{html}/releases/tag/{tag}"),
            "id": id,
            "node_id": node_id("RE", id),
            "tag_name": tag,
            "target_commitish": sha,
            "name": tag,
            "draft": false,
            "prerelease": false,
            "immutable": false,
            "author": self.user_shape("octocat"),
            "created_at": now,
            "updated_at": now,
            "published_at": now,
            "assets": [],
            "tarball_url": format!("{api}/tarball/{tag}"),
            "zipball_url": format!("{api}/zipball/{tag}"),
            "body": "",
        });
        self.emit("release", full_name, "octocat", json!({"action": action, "release": release}), Value::Null);
    }
}
