//! `GET /api/v1/sources`: what of Datadog can be read, and what is missing without it.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::App;
use crate::datadog::{Access, Age, Datadog, DatadogSource, Error, Keys, SourceCheck};

/// How long an answer stands, so that whoever asks costs no rate limit.
const CHECKLIST_AGE: Duration = Duration::from_secs(300);
/// How long each source is waited for. Whoever asks is answered within half a minute, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Datadog's two keys.
pub type DatadogKeys = Keys;

pub(super) async fn show(State(app): State<Arc<App>>) -> Json<Value> {
    let datadog = match &app.datadog {
        Some(datadog) => connected(datadog).await,
        None => off(),
    };
    Json(json!({"schema": "mergecast.sources/1", "datadog": datadog}))
}

fn off() -> Value {
    let rows = DatadogSource::ALL.map(|source| row(source, "off", None));
    json!({"state": "off", "site": null, "as_of": null, "keys": null, "sources": rows})
}

async fn connected(datadog: &Datadog) -> Value {
    let cached = datadog.patient(PATIENCE).checklist(Age::within(CHECKLIST_AGE)).await;
    let key = |result: &Result<(), Error>| match result {
        Ok(()) => json!("good"),
        Err(Error::Unauthorized) => json!("refused"),
        Err(_) => json!("unknown"),
    };
    let keys = json!({"api": key(&cached.value.keys.api), "app": key(&cached.value.keys.app)});
    let rows: Vec<Value> = cached.value.sources.iter().map(checked).collect();
    let as_of = cached.as_of;
    json!({"state": "connected", "site": datadog.site().name(), "as_of": as_of, "keys": keys, "sources": rows})
}

fn checked(check: &SourceCheck) -> Value {
    let (state, detail) = match &check.access {
        Access::Available => ("available", None),
        Access::Forbidden => ("forbidden", None),
        Access::NotOnThisSite => ("not_on_this_site", None),
        Access::Unknown(error) => ("unknown", Some(error.to_string())),
    };
    row(check.source, state, detail)
}

fn row(source: DatadogSource, state: &str, detail: Option<String>) -> Value {
    json!({
        "source": source.id(), "state": state, "permission": source.permission(), "without": source.without(),
        "detail": detail,
    })
}
