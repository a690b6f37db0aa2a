//! `/healthz` (the process answers) and `/readyz` (it can do its work).

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::App;

/// How long GitHub's answer about our credentials is believed, so that probes cost no rate limit.
const CREDENTIALS_AGE: TimeDelta = TimeDelta::seconds(60);

/// The last answer about our credentials.
#[derive(Default)]
pub(super) struct Credentials(Mutex<Option<Answer>>);

/// What GitHub said, and when.
struct Answer {
    at: DateTime<Utc>,
    good: Result<(), String>,
}

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

pub(super) async fn ready(State(app): State<Arc<App>>) -> impl IntoResponse {
    let database = app.store.ping_write().await.map_err(|error| error.to_string());
    let github = credentials(&app).await;
    let status = if database.is_ok() && github.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |result: Result<(), String>| result.map_or_else(|why| why, |()| "ok".to_owned());
    (status, Json(serde_json::json!({ "database": word(database), "github": word(github) })))
}

async fn credentials(app: &App) -> Result<(), String> {
    let mut last = app.credentials.0.lock().await;
    if let Some(answer) = &*last
        && app.clock.now() - answer.at < CREDENTIALS_AGE
    {
        return answer.good.clone();
    }
    let good = app.github.app().await.map(|_| ()).map_err(|error| error.to_string());
    *last = Some(Answer { at: app.clock.now(), good: good.clone() });
    good
}
