//! What GitHub's webhooks tell of deployments and releases, in the words of the ledger.

use chrono::{DateTime, Utc};

use super::super::{App, number};
use crate::{
    deployment::sighting::{Rollout, Sighting, Source},
    github::webhook::{DeploymentEvent, DeploymentState, Origin, PushEvent, ReleaseEvent},
    store::{Delivery, StoreError, Teller},
};

/// Keeps what is told of a deployment. Each of its webhooks says again how it began, so that one that was lost is not
/// missed; `false` if nothing is told.
pub(in super::super) async fn deployment(
    app: &App,
    delivery: &Delivery,
    event: &DeploymentEvent,
) -> Result<bool, StoreError> {
    let Some(began) = event.created_at else { return Ok(false) };
    let of = |said_at: DateTime<Utc>| Sighting {
        service: event.service.clone(),
        env: Some(event.environment.clone()),
        production: event.production,
        version: Some(event.git_ref.clone()).filter(|git_ref| is_version(git_ref)),
        commit_sha: Some(event.sha.clone()),
        repository: Some(repository(app, &event.origin)),
        automated: event.automated,
        ..Sighting::new(Source::GithubDeployment, event.id.to_string(), said_at)
    };
    let mut told = vec![Sighting { started_at: Some(began), rollout: Rollout::InProgress, ..of(began) }];
    if let Some((status, at)) = event.status.as_ref().and_then(|status| Some((status, status.created_at?))) {
        let env = status.environment.clone().filter(|name| !name.is_empty()).unwrap_or(event.environment.clone());
        let now = Sighting { env: Some(env), ..of(at) };
        let over = |rollout| Sighting { finished_at: Some(at), rollout, ..now.clone() };
        match status.state {
            DeploymentState::InProgress => {
                // It may have waited for somebody's word until now.
                told.push(Sighting { started_at: Some(at), rollout: Rollout::InProgress, ..now });
            }
            DeploymentState::Success => told.push(over(Rollout::Succeeded)),
            DeploymentState::Failure => told.push(over(Rollout::Failed)),
            DeploymentState::Waiting | DeploymentState::Other => {}
        }
    }
    save(app, delivery, &event.origin, told).await
}

/// Keeps that a version was released; `false` of what is none yet.
pub(in super::super) async fn release(
    app: &App,
    delivery: &Delivery,
    event: &ReleaseEvent,
) -> Result<bool, StoreError> {
    let Some(at) = event.published_at.filter(|_| !event.preliminary) else { return Ok(false) };
    let told = tagged(app, &event.origin, &event.tag, &event.target, at);
    save(app, delivery, &event.origin, vec![told]).await
}

/// Keeps that a tag was made, if it is a version's; `false` of any other.
pub(in super::super) async fn tag(app: &App, delivery: &Delivery, event: &PushEvent) -> Result<bool, StoreError> {
    let Some(tag) = event.tag().filter(|tag| is_version(tag)) else { return Ok(false) };
    let Some(at) = DateTime::from_timestamp_millis(delivery.received_at) else { return Ok(false) };
    let commit = event.head_commit.as_deref().unwrap_or(&event.after);
    save(app, delivery, &event.origin, vec![tagged(app, &event.origin, tag, commit, at)]).await
}

/// A tag and the release that is made of it are one record.
fn tagged(app: &App, origin: &Origin, tag: &str, commit: &str, at: DateTime<Utc>) -> Sighting {
    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    Sighting {
        version: Some(tag.to_owned()),
        commit_sha: is_commit.then(|| commit.to_owned()),
        repository: Some(repository(app, origin)),
        ..Sighting::new(Source::GithubRelease, format!("{}/{tag}", origin.repository.id), at)
    }
}

async fn save(app: &App, delivery: &Delivery, origin: &Origin, told: Vec<Sighting>) -> Result<bool, StoreError> {
    let received_at = DateTime::from_timestamp_millis(delivery.received_at);
    let told: Vec<Sighting> = told.into_iter().map(|one| Sighting { received_at, ..one }).collect();
    let teller = Teller {
        repository_id: Some(number(origin.repository.id)),
        installation_id: origin.installation_id.map(number),
    };
    app.store.save_sightings(&told, teller).await.map(|_| true)
}

fn repository(app: &App, origin: &Origin) -> String {
    format!("{}/{}", app.links.host(), origin.repository.name).to_lowercase()
}

/// Whether a name of a branch or tag is a version's: a number, with or without a `v`.
fn is_version(name: &str) -> bool {
    let number = name.strip_prefix('v').unwrap_or(name);
    let is_commit = number.len() == 40 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    number.starts_with(|c: char| c.is_ascii_digit()) && !is_commit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_begins_with_its_number() {
        let all =
            ["v1.2.3", "1.2", "2026.3.1-rc1", "main", "release", "v", "", "0123456789abcdef0123456789abcdef01234567"];
        assert_eq!(all.map(is_version), [true, true, true, false, false, false, false, false]);
    }
}
