//! Incidents, as they are told over the API by whoever keeps them elsewhere; and what a person says of the cause of one.

mod cause;
mod list;
mod told;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use http_body_util::Limited;
use serde::de::DeserializeOwned;

use super::{
    App,
    caller::Caller,
    deployments::scope,
    refusal::{failed, later, not_json, of_body, of_caller, refuse},
};
use crate::store::Teller;

pub(super) use cause::post as cause;
pub(super) use list::get;

/// Largest body; an incident is told in a few KB, with the notes to it.
const BODY_LIMIT: usize = 256 * 1024;

/// Why what was sent is not taken.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    /// It is no JSON of that shape.
    #[error("the body cannot be read: {0}")]
    Json(serde_json::Error),
    /// A field holds what it cannot.
    #[error("{0} {1}")]
    Field(&'static str, &'static str),
}

/// `POST /api/v1/incidents`.
pub(super) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    match receive(&app, &headers, body).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn receive(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Response> {
    let (_, teller) = known(app, headers).await?;
    let told: told::Told = read(app, headers, body).await?;
    let telling = told.telling(&scope(teller)).map_err(|wrong| unusable(&wrong))?;
    let incident = format!("api:{}", telling.incident.id);
    let saved = app.store.save_tellings(&[telling], teller).await;
    let is_new = saved.map_err(|error| failed(&error))? > 0;
    tracing::info!(incident, new = is_new, "incident received");
    let (status, word) = if is_new { (StatusCode::CREATED, "stored") } else { (StatusCode::OK, "known") };
    Ok((status, Json(serde_json::json!({ "status": word, "incident": incident }))).into_response())
}

/// Who calls, within their pace.
async fn known(app: &App, headers: &HeaderMap) -> Result<(Caller, Teller), Response> {
    let caller = Caller::of(app, headers).await.map_err(of_caller)?;
    let teller = caller.speaks_for(app).await.map_err(of_caller)?;
    let whose = teller.repository_id.or(teller.installation_id.map(|id| -id)).unwrap_or_default();
    app.incidents.take(whose, app.clock.now_ms()).map_err(|wait_s| {
        let refused = "too much was told in a minute";
        later(StatusCode::TOO_MANY_REQUESTS, refused, "tell what has changed, once", wait_s)
    })?;
    Ok((caller, teller))
}

async fn read<T: DeserializeOwned>(app: &App, headers: &HeaderMap, body: Body) -> Result<T, Response> {
    not_json(headers).map_or(Ok(()), Err)?;
    let body = app.bodies.read(Body::new(Limited::new(body, BODY_LIMIT))).await;
    let held = body.map_err(|unread| of_body(&unread, "an incident is told in at most 256 KB"))?;
    serde_json::from_slice(&held.bytes).map_err(|error| unusable(&Wrong::Json(error)))
}

fn unusable(wrong: &Wrong) -> Response {
    let status = match wrong {
        Wrong::Json(_) => StatusCode::BAD_REQUEST,
        Wrong::Field(..) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    refuse(status, &wrong.to_string(), "see /api/v1/openapi.json")
}
