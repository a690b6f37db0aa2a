//! `POST /api/v1/causes`: a person, or a program on their behalf, says what an incident was caused by, or not. The same as
//! `/risk attribute` on a pull request.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Wrong, failed, known, read, refuse, scope, unusable};
use crate::{
    deployment::{
        attribution::{Correction, Target, Verdict},
        incident::IncidentId,
        sighting::WitnessId,
    },
    github::RepoName,
    service::{App, caller::Caller, gather::outcomes::Named, outcomes},
    store::Teller,
};

/// Deployments that may still be named: incidents may for 90 days.
const LOOKED_BACK: TimeDelta = TimeDelta::days(120);

/// What is said of a cause.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// The incident, as people name it.
    incident: String,
    verdict: Word,
    pull_request: Option<Pull>,
    deployment: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Attribute,
    Unattribute,
    NoDeployment,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pull {
    repository: String,
    number: u64,
}

pub(in super::super) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    match receive(&app, &headers, body).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn receive(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Response> {
    let (caller, teller) = known(app, headers).await?;
    let said: Said = read(app, headers, body).await?;
    let target = target(app, &caller, teller, &said).await?;
    let incident = named(app, teller, &said.incident).await?;
    let verdict = match (said.verdict, target) {
        (Word::Attribute, Some(target)) => Verdict::Attribute(target),
        (Word::Unattribute, Some(target)) => Verdict::Unattribute(target),
        (Word::NoDeployment, None) => Verdict::NoDeployment,
        (Word::NoDeployment, Some(_)) => {
            return Err(unusable(&Wrong::Field("no_deployment", "names neither pull_request nor deployment")));
        }
        (_, None) => {
            return Err(unusable(&Wrong::Field("pull_request or deployment", "is missing: exactly one of them")));
        }
    };
    let at = app.clock.now();
    let words = serde_json::to_vec(&(&incident, &verdict, at)).unwrap_or_default();
    let id = format!("{}/{}", scope(teller), hex::encode(&Sha256::digest(words)[..16]));
    let correction = Correction { at, id: id.clone(), incident, verdict };
    app.store.save_corrections(&[correction], teller).await.map_err(|error| failed(&error))?;
    tracing::info!(correction = id, "the cause of an incident was corrected");
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "status": "stored", "correction": id }))).into_response())
}

/// What is said to be the cause, or not. A pull request is spoken for by whoever may tell of its repository; what is not of
/// one repository, by a token for the whole account.
async fn target(app: &App, caller: &Caller, teller: Teller, said: &Said) -> Result<Option<Target>, Response> {
    match (&said.pull_request, &said.deployment) {
        (Some(pull), None) => {
            let unheard = || {
                let hint = "the App has to be installed there; see the spelling too";
                refuse(StatusCode::NOT_FOUND, "no repository of this name is covered", hint)
            };
            let name = RepoName::parse(&pull.repository).ok_or_else(unheard)?;
            let found = app.store.repository_named(&name.to_string()).await.map_err(|error| failed(&error))?;
            let found = found.ok_or_else(unheard)?;
            if !caller.may(&found) {
                let hint = "`mergecast token create --repo OWNER/NAME` makes one for it";
                return Err(refuse(StatusCode::FORBIDDEN, "the token is for another repository", hint));
            }
            let repository = outcomes::repository(&app.links, &found.repository);
            Ok(Some(Target::PullRequest { repository, number: pull.number }))
        }
        (None, deployment) => {
            if teller.repository_id.is_some() {
                let hint = "`mergecast token create --org ACCOUNT` makes one";
                return Err(refuse(StatusCode::FORBIDDEN, "this takes a token for the whole account", hint));
            }
            let Some(word) = deployment else { return Ok(None) };
            let wrong = || unusable(&Wrong::Field("deployment", "is no record, such as api:repository-7/run-1"));
            let witness = WitnessId::parse(word).ok_or_else(wrong)?;
            let told = app.store.sightings(app.clock.now() - LOOKED_BACK).await.map_err(|error| failed(&error))?;
            if !told.iter().any(|one| one.witness == witness) {
                let hint = "GET /api/v1/incidents names the deployments that may be meant";
                return Err(refuse(StatusCode::NOT_FOUND, "no such deployment was told of", hint));
            }
            Ok(Some(Target::Deployment(witness)))
        }
        (Some(_), Some(_)) => Err(unusable(&Wrong::Field("pull_request or deployment", "is needed, not both"))),
    }
}

async fn named(app: &App, teller: Teller, name: &str) -> Result<IncidentId, Response> {
    match outcomes::incident_named(app, name, teller).await.map_err(|error| failed(&error))? {
        Named::Known(incident) => Ok(incident),
        Named::Unknown => {
            let hint = "an incident is named by its id, or by its number at Datadog, such as IR-7";
            Err(refuse(StatusCode::NOT_FOUND, "no incident of the last 90 days is known by that name", hint))
        }
        Named::Untold(_) => {
            let hint = "try again once Datadog answers";
            Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "whether there is such an incident is not known now", hint))
        }
    }
}
