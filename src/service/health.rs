//! `/healthz` (the process answers) and `/readyz` (it can do its work).

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::App;
use crate::github::Error;

/// How long GitHub's answer about our credentials is believed, so that probes cost no rate limit.
const CREDENTIALS_AGE: TimeDelta = TimeDelta::seconds(60);

/// How long a probe waits for GitHub; Kubernetes gives up after a second.
const PATIENCE: Duration = Duration::from_millis(700);

/// The last answer about our credentials.
#[derive(Default)]
pub(super) struct Credentials(Mutex<Option<Answer>>);

/// What GitHub said, and when.
struct Answer {
    at: DateTime<Utc>,
    said: Said,
}

/// What is known of our credentials.
#[derive(Clone)]
enum Said {
    Good,
    /// GitHub refuses them.
    Refused(String),
    /// GitHub cannot be asked.
    Nothing(String),
}

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

pub(super) async fn ready(State(app): State<Arc<App>>) -> impl IntoResponse {
    let database = app.store.ping_write().await.map_err(|error| error.to_string());
    let said = credentials(&app).await;
    let fit = database.is_ok() && !matches!(said, Said::Refused(_));
    let status = if fit { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let github = match said {
        Said::Good => "ok".to_owned(),
        Said::Refused(why) => why,
        Said::Nothing(why) => format!("not known: {why}"),
    };
    let database = database.map_or_else(|why| why, |()| "ok".to_owned());
    (status, Json(serde_json::json!({ "database": database, "github": github })))
}

/// A GitHub that is down does not make us unfit: what it still sends is stored and worked on later, and whoever took
/// us out of service would lose that, since GitHub does not send it again.
async fn credentials(app: &App) -> Said {
    let mut last = app.credentials.0.lock().await;
    if let Some(answer) = &*last
        && app.clock.now() - answer.at < CREDENTIALS_AGE
    {
        return answer.said.clone();
    }
    let said = match tokio::time::timeout(PATIENCE, app.github.app()).await {
        Ok(Ok(_)) => Said::Good,
        Ok(Err(error @ (Error::Unauthorized | Error::Forbidden { .. } | Error::NotFound))) => {
            Said::Refused(error.to_string())
        }
        Ok(Err(error)) => Said::Nothing(error.to_string()),
        Err(_) => Said::Nothing("GitHub did not answer in time".to_owned()),
    };
    *last = Some(Answer { at: app.clock.now(), said: said.clone() });
    said
}
