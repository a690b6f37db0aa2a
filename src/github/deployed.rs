//! What webhooks tell of deployments and releases: only the fields that are read, and nobody's name among them.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::{
    event::Origin,
    payload::{lenient_time, null_is_default},
};

/// `deployment` and `deployment_status`, action `created`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// GitHub's id of the deployment.
    pub id: u64,
    /// Commit that is deployed.
    pub sha: String,
    /// Branch, tag or commit that was asked for. Untrusted.
    pub git_ref: String,
    /// Environment. Untrusted.
    pub environment: String,
    /// Users are on the environment, by GitHub's word; `false` says nothing.
    pub production: bool,
    /// Service, where the payload that came with the deployment names one. Untrusted.
    pub service: Option<String>,
    /// Whether a program started it, where that is known.
    pub automated: Option<bool>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// How far it is now; `None` when it was created.
    pub status: Option<DeploymentStatus>,
}

/// A status of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// How far it is.
    pub state: DeploymentState,
    /// Environment, which a status may name anew. Untrusted.
    pub environment: Option<String>,
    /// When it was set.
    pub created_at: Option<DateTime<Utc>>,
}

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// It waits.
    Waiting,
    /// It has begun.
    InProgress,
    /// It runs.
    Success,
    /// It did not get there.
    Failure,
    /// Anything else, such as `inactive`.
    Other,
}

/// `release`, actions `published` and `released`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseEvent {
    /// Where it comes from.
    pub origin: Origin,
    /// Its tag. Untrusted.
    pub tag: String,
    /// Branch or commit that the tag was made from, if it was made for the release. Untrusted.
    pub target: String,
    /// It is no release yet: a draft, or for trying out.
    pub preliminary: bool,
    /// When it was published.
    pub published_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
pub(super) struct DeploymentBody {
    deployment: Deployment,
    deployment_status: Option<Status>,
    workflow_run: Option<WorkflowRun>,
}

#[derive(Deserialize)]
struct Deployment {
    id: u64,
    sha: String,
    #[serde(rename = "ref", default, deserialize_with = "null_is_default")]
    git_ref: String,
    #[serde(default, deserialize_with = "null_is_default")]
    environment: String,
    original_environment: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    production_environment: bool,
    /// Whatever its maker put there.
    #[serde(default, deserialize_with = "null_is_default")]
    payload: Value,
    creator: Option<Creator>,
    #[serde(default, deserialize_with = "lenient_time")]
    created_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Creator {
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default, deserialize_with = "null_is_default")]
    state: String,
    environment: Option<String>,
    #[serde(default, deserialize_with = "lenient_time")]
    created_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct WorkflowRun {
    event: Option<String>,
}

impl DeploymentBody {
    pub(super) fn into_event(self, origin: Origin) -> DeploymentEvent {
        let Self { deployment, deployment_status, workflow_run } = self;
        // A person can press a button for a workflow; whoever else made the deployment is a program only if it says so.
        let by_workflow = workflow_run.and_then(|run| run.event).map(|event| event != "workflow_dispatch");
        let by_bot = || deployment.creator.as_ref().filter(|creator| creator.kind == "Bot").map(|_| true);
        // Whoever made it may have given it as a text that holds JSON.
        let payload = match &deployment.payload {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            payload => payload.clone(),
        };
        let service = payload["service"].as_str().filter(|name| !name.trim().is_empty());
        DeploymentEvent {
            origin,
            id: deployment.id,
            automated: by_workflow.or_else(by_bot),
            service: service.map(str::to_owned),
            sha: deployment.sha,
            git_ref: deployment.git_ref,
            // What it was called at first is told by every payload alike.
            environment: deployment.original_environment.unwrap_or(deployment.environment),
            production: deployment.production_environment,
            created_at: deployment.created_at,
            status: deployment_status.map(|status| DeploymentStatus {
                state: DeploymentState::of(&status.state),
                environment: status.environment,
                created_at: status.created_at,
            }),
        }
    }
}

impl DeploymentState {
    fn of(state: &str) -> Self {
        match state {
            "pending" | "queued" | "waiting" => Self::Waiting,
            "in_progress" => Self::InProgress,
            "success" => Self::Success,
            "failure" | "error" => Self::Failure,
            _ => Self::Other,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ReleaseBody {
    release: Release,
}

#[derive(Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    target_commitish: String,
    #[serde(default, deserialize_with = "null_is_default")]
    draft: bool,
    #[serde(default, deserialize_with = "null_is_default")]
    prerelease: bool,
    #[serde(default, deserialize_with = "lenient_time")]
    published_at: Option<DateTime<Utc>>,
}

impl ReleaseBody {
    pub(super) fn into_event(self, origin: Origin) -> ReleaseEvent {
        let Release { tag_name, target_commitish, draft, prerelease, published_at } = self.release;
        ReleaseEvent { origin, tag: tag_name, target: target_commitish, preliminary: draft || prerelease, published_at }
    }
}
