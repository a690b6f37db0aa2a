//! Deployments as they are told: over the API by pipelines, with `mergecast deploy` or without, and by GitHub's webhooks.

pub(super) mod backfill;
pub(super) mod heard;
mod told;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use http_body_util::Limited;

use super::{
    App,
    body::Unread,
    caller::Caller,
    coverage::pace::Pace,
    outcomes::Last,
    refusal::{failed, later, not_json, of_body, of_caller, refuse},
};
use crate::{
    catalog,
    github::RepoName,
    store::{DueRepository, Teller},
};
use told::{Told, Wrong};

pub(super) use told::{instant, maybe_instant};

/// Largest body; a deployment is told in a few hundred bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// What receives deployments, and reads them back.
pub(super) struct Desk {
    pace: Pace,
    /// When what came late was looked for.
    late: Last,
    /// The window in which events are read, in seconds.
    window_s: AtomicI64,
}

impl Default for Desk {
    fn default() -> Self {
        Self { pace: Pace::default(), late: Last::default(), window_s: AtomicI64::new(backfill::WINDOWS_S[0]) }
    }
}

impl Desk {
    fn window(&self) -> TimeDelta {
        TimeDelta::seconds(self.window_s.load(Ordering::Relaxed))
    }

    fn shorter(&self) {
        self.window_s.store((self.window().num_seconds() / 2).max(backfill::WINDOWS_S[1]), Ordering::Relaxed);
    }

    fn longer(&self) {
        self.window_s.store((self.window().num_seconds() * 2).min(backfill::WINDOWS_S[0]), Ordering::Relaxed);
    }
}

pub(super) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    match receive(&app, &headers, body).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn receive(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Response> {
    let caller = Caller::of(app, headers).await.map_err(of_caller)?;
    let teller = caller.speaks_for(app).await.map_err(of_caller)?;
    let whose = teller.repository_id.or(teller.installation_id.map(|id| -id)).unwrap_or_default();
    app.deployments.pace.take(whose, app.clock.now_ms()).map_err(|wait_s| {
        let refused = "too many deployments in a minute";
        later(StatusCode::TOO_MANY_REQUESTS, refused, "tell each deployment once", wait_s)
    })?;
    not_json(headers).map_or(Ok(()), Err)?;
    let smaller = "a deployment is told in at most 64 KB";
    let body = app.bodies.read(Body::new(Limited::new(body, BODY_LIMIT))).await;
    let held = body.map_err(|unread: Unread| of_body(&unread, smaller))?;
    let told = Told::read(&held.bytes).map_err(|wrong| unusable(&wrong))?;
    let repository = repository(app, &caller, &told).await?;
    let teller = Teller { repository_id: teller.repository_id.or(repository.map(|one| one.repository_id)), ..teller };
    let sighting = told.sighting(&scope(teller), app.clock.now());
    let saved = app.store.save_sightings(std::slice::from_ref(&sighting), teller).await;
    let is_new = saved.map_err(|error| failed(&error))? > 0;
    let witness = sighting.witness.to_string();
    tracing::info!(deployment = %witness, new = is_new, "deployment received");
    let (status, word) = if is_new { (StatusCode::CREATED, "stored") } else { (StatusCode::OK, "known") };
    Ok((status, Json(serde_json::json!({ "status": word, "deployment": witness }))).into_response())
}

/// Ids are the callers' own: nobody's can be taken for another's.
pub(super) fn scope(teller: Teller) -> String {
    match (teller.repository_id, teller.installation_id) {
        (Some(id), _) => format!("repository-{id}"),
        (None, Some(id)) => format!("installation-{id}"),
        (None, None) => "nobody".to_owned(),
    }
}

/// The repository that it names, where the caller speaks for it.
async fn repository(app: &App, caller: &Caller, told: &Told) -> Result<Option<DueRepository>, Response> {
    let Some(address) = told.repository_url() else { return Ok(None) };
    let unheard = || {
        let hint = "the App has to be installed there; leave git out where it cannot be";
        refuse(StatusCode::NOT_FOUND, "no repository of this address is covered", hint)
    };
    let (host, name) = catalog::repository_of(address).ok_or_else(unheard)?;
    let name = RepoName::parse(&name).filter(|_| host.eq_ignore_ascii_case(app.links.host())).ok_or_else(unheard)?;
    let found = app.store.repository_named(&name.to_string()).await.map_err(|error| failed(&error))?;
    let found = found.ok_or_else(unheard)?;
    if !caller.may(&found) {
        let hint = "`mergecast token create --repo OWNER/NAME` makes one for it";
        return Err(refuse(StatusCode::FORBIDDEN, "the token is for another repository", hint));
    }
    Ok(Some(found))
}

fn unusable(wrong: &Wrong) -> Response {
    let status = match wrong {
        Wrong::Json(_) => StatusCode::BAD_REQUEST,
        Wrong::Field(..) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    refuse(status, &wrong.to_string(), "see /api/v1/openapi.json")
}
