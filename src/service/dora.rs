//! `GET /api/v1/dora`: the DORA metrics of a window.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;

use super::{App, outcomes};
use crate::{
    deployment::{dora::Scope, overview::overview},
    report::dora,
    store::StoreError,
};

/// Figures are of so many days unless asked otherwise.
const DAYS: TimeDelta = TimeDelta::days(90);
/// Longest window: as long as Datadog keeps deployments.
const DAYS_MAX: TimeDelta = TimeDelta::days(731);

/// What may stand behind the question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    service: Option<String>,
    team: Option<String>,
    env: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn show(State(app): State<Arc<App>>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let now = app.clock.now();
    let rules = match app.rules().await {
        Ok(rules) => rules,
        Err(error) => return unread(&error),
    };
    let scope = asked.map_err(|_| "the query has a part that is not known").and_then(|Query(asked)| {
        let environment = asked.env.as_ref().map(|name| rules.ledger.environment(name).name);
        let (from, to) = window(&asked.from, &asked.to, now)?;
        Ok(Scope { service: asked.service, team: asked.team, environment, from, to })
    });
    let scope = match scope {
        Ok(scope) => scope,
        Err(what) => {
            let hint = "service, team, env, from and to are; a time is a day such as 2026-03-01, or such as \
                        2026-03-01T00:00:00Z, and a window has at most 731 days";
            return problem(StatusCode::BAD_REQUEST, what, hint);
        }
    };
    // One at a time: whoever asks, and however often, takes one core at most.
    let _turn = app.outcomes.turn.lock().await;
    match outcomes::reckoned(&app.store, &rules, scope.from, now).await {
        Ok(reckoning) => Json(dora::json(&overview(&reckoning, &scope), now)).into_response(),
        Err(error) => unread(&error),
    }
}

fn unread(error: &StoreError) -> Response {
    tracing::error!(%error, "the DORA metrics could not be read");
    problem(StatusCode::SERVICE_UNAVAILABLE, "the database could not be read", "try again")
}

/// The window that is asked for; the last 90 days where nothing is said.
///
/// # Errors
/// It cannot be one, in words.
pub(super) fn window(
    from: &Option<String>,
    to: &Option<String>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), &'static str> {
    let at = |text: &Option<String>| text.as_deref().map(instant).transpose();
    let to = at(to)?.unwrap_or(now);
    let from = at(from)?.unwrap_or(to - DAYS);
    if from >= to || to - from > DAYS_MAX || to > now + DAYS_MAX {
        return Err("the window cannot be one");
    }
    Ok((from, to))
}

fn instant(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
    let at = DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).or_else(day);
    // What is further off is no time that anybody means, and could not be reckoned with.
    at.filter(|at| (1970..=2200).contains(&chrono::Datelike::year(at))).ok_or("a time cannot be read")
}

fn problem(status: StatusCode, error: &str, hint: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error, "hint": hint }))).into_response()
}
