//! `GET /api/v1/sources`: what of Datadog can be read, and what is missing without it.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use serde_json::{Value, json};
use url::Url;

use super::App;
use crate::{
    clock::Clock,
    datadog::{self, Access, Age, Datadog, DatadogSource, Error, Keys, Site, SourceCheck},
};

/// How long an answer stands, so that whoever asks costs no rate limit.
const CHECKLIST_AGE: Duration = Duration::from_secs(300);

/// Datadog's two keys.
pub type DatadogKeys = Keys;

/// How Datadog is connected.
#[derive(Clone, Debug)]
pub struct DatadogSettings {
    /// Base of its API.
    pub url: Url,
    /// The organisation's site.
    pub site: Site,
    /// Its keys.
    pub keys: DatadogKeys,
    /// How the client behaves.
    pub options: datadog::Options,
}

/// Datadog's client, where it is connected; asks nothing yet.
pub(super) fn connect(settings: Option<DatadogSettings>, clock: &Clock) -> Result<Option<Datadog>, Error> {
    settings.map(|one| Datadog::new(&one.url, one.site, one.keys, clock.clone(), one.options)).transpose()
}

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
    let cached = datadog.checklist(Age::within(CHECKLIST_AGE)).await;
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
