//! `/api/v1/learning` and `/learning`: how right scores have been, which models there are, and putting one in force.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{MoveError, NAME_MAX, activate, roll_back, versions};
use crate::{
    outcome::recalibrate::{
        Assessed, rates,
        record::{Asked, Record, record},
    },
    report::recalibration::{Version, html, json as document},
    risk::Model,
    service::{App, champion, coverage::token_digest, labels},
    store::{JudgementRow, ModelMove, ModelProposal, Moving, WHOLE_APP},
};

/// How a token begins that may put models in force.
pub const MODELS_TOKEN_PREFIX: &str = "mergecast_models_";

/// Looks at outcomes that are listed.
const LOOKS: usize = 30;
/// Outcomes that were read serve every report for so long.
const READ_AGE: TimeDelta = TimeDelta::minutes(5);
/// The last quarter, unless another time is asked for. Days.
const DAYS: u16 = 90;
/// "High" unless another score is asked for.
const THRESHOLD: u8 = 70;

/// Outcomes that were read last, for which repository and when. One report is made at a time, so that nobody keeps more
/// than one processor busy by asking.
#[derive(Default)]
pub(super) struct LastRead(Mutex<Option<Read>>);

#[derive(Clone)]
struct Read {
    repository: Option<i64>,
    at: DateTime<Utc>,
    assessed: Arc<Vec<Assessed>>,
}

/// What may stand behind the question mark.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::service) struct Options {
    days: u16,
    threshold: u8,
    repository: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { days: DAYS, threshold: THRESHOLD, repository: None }
    }
}

type Wanted = Result<Query<Options>, QueryRejection>;

pub(in crate::service) async fn report(State(app): State<Arc<App>>, options: Wanted) -> Response {
    let Ok(Query(options)) = options else { return not_asked_so() };
    match recorded(&app, &options).await {
        Ok((record, model, versions)) => Json(document::render(&record, &model, &versions)).into_response(),
        Err(answer) => answer,
    }
}

pub(in crate::service) async fn page(State(app): State<Arc<App>>, options: Wanted) -> Response {
    let Ok(Query(options)) = options else { return not_asked_so() };
    match recorded(&app, &options).await {
        Ok((record, model, versions)) => {
            let policy = format!(
                "default-src 'none'; style-src {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                style_source()
            );
            let headers =
                [(header::CONTENT_SECURITY_POLICY, policy.as_str()), (header::REFERRER_POLICY, "no-referrer")];
            (headers, Html(html::render(&record, &model, &versions))).into_response()
        }
        Err(answer) => answer,
    }
}

/// The page's own stylesheet, by its digest, and no other.
fn style_source() -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(html::style())))
}

async fn recorded(app: &App, options: &Options) -> Result<(Record, String, Vec<Version>), Response> {
    if !(1..=100).contains(&options.threshold) || options.days == 0 {
        return Err(not_asked_so());
    }
    let repository = match &options.repository {
        None => None,
        Some(name) => {
            let found = app.store.repository_named(name).await.map_err(failed)?;
            let unheard =
                || problem(StatusCode::NOT_FOUND, "no repository of this name is covered", "see the spelling");
            Some(found.ok_or_else(unheard)?.repository_id)
        }
    };
    let model = app.champion().await.map_err(failed)?;
    let now = app.clock.now();
    let mut last = app.learning.last_read.0.lock().await;
    let fresh = last.clone().filter(|read| read.repository == repository && now - read.at < READ_AGE);
    let read = match fresh {
        Some(read) => read,
        None => {
            let found = labels::outcomes(&app.store, repository, now.timestamp()).await.map_err(failed)?;
            Read { repository, at: now, assessed: Arc::new(found.assessed) }
        }
    };
    *last = Some(read.clone());
    let (since, now) = ((now - TimeDelta::days(options.days.into())).timestamp(), now.timestamp());
    let (asked, version) = (Asked { since, now, threshold: options.threshold }, model.version.clone());
    let made = tokio::task::spawn_blocking(move || {
        let platt = rates(&read.assessed, &model, now);
        record(&read.assessed, &model, platt, asked)
    });
    let record = made.await.map_err(|error| broken(&error))?;
    let versions = versions(&app.store).await.map_err(|error| broken(&error))?;
    Ok((record, version, versions))
}

/// Which model is in force, what is proposed, who did what, and what the latest looks came to.
pub(in crate::service) async fn show(State(app): State<Arc<App>>) -> Response {
    match shown(&app).await {
        Ok(shown) => Json(shown).into_response(),
        Err(error) => broken(&error),
    }
}

async fn shown(app: &App) -> anyhow::Result<Value> {
    let in_force = champion::in_force(&app.store).await?.version;
    let open = app.store.open_proposal(&in_force).await?;
    let mut proposals = Vec::new();
    for one in app.store.model_proposals().await?.iter().rev() {
        let shadow = app.store.shadow(&one.version).await?;
        let shadow = shadow.since.map(|since| {
            json!({
                "assessments": shadow.assessments, "higher": shadow.higher, "lower": shadow.lower, "since": at(since),
            })
        });
        proposals.push(proposal(one, open.as_deref() == Some(&one.version), shadow));
    }
    let moves: Vec<Value> = app.store.model_moves().await?.iter().rev().map(moved).collect();
    let looks: Vec<Value> = app.store.judgements(LOOKS).await?.iter().map(look).collect();
    Ok(json!({
        "schema": "mergecast.learning/1", "in_force": in_force, "shipped": Model::baseline().version,
        "proposals": proposals, "moves": moves, "looks": looks,
    }))
}

fn proposal(one: &ModelProposal, open: bool, shadow: Option<Value>) -> Value {
    json!({
        "version": one.version, "champion": one.champion, "prior": one.prior, "made_at": at(one.made_at),
        "changes": one.changes, "failed": one.failed, "open": open, "shadow": shadow, "said": one.said,
    })
}

fn moved(entry: &ModelMove) -> Value {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| Model::baseline().version.clone());
    let what = match entry.what {
        Moving::Activated => "activated",
        Moving::RolledBack => "rolled_back",
    };
    json!({
        "at": at(entry.at), "what": what, "before": version(&entry.before), "after": version(&entry.after),
        "by": entry.made_by,
    })
}

fn look(row: &JudgementRow) -> Value {
    let z = |hundredths: i64| row.drifts.map(|_| hundredths as f64 / 100.0);
    json!({
        "at": at(row.made_at), "champion": row.champion, "changes": row.changes, "failed": row.failed,
        "verdict": if row.verdict.is_empty() { None } else { Some(&row.verdict) },
        "proposed": if row.proposed.is_empty() { None } else { Some(&row.proposed) },
        "drifts": row.drifts, "level_z": z(row.level_z100), "spread_z": z(row.spread_z100),
    })
}

fn at(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms)
}

/// Which model is to be put in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct Activation {
    version: String,
}

pub(in crate::service) async fn put_in_force(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Json<Activation>, JsonRejection>,
) -> Response {
    let by = match caller(&app, &headers).await {
        Ok(by) => by,
        Err(answer) => return answer,
    };
    let Ok(Json(Activation { version })) = body else {
        let hint = "send {\"version\": \"…\"} as application/json";
        return problem(StatusCode::BAD_REQUEST, "the body is not what is asked for", hint);
    };
    match activate(&app.store, &app.clock, &version, &by).await {
        Ok(before) => moved_to(&version, &before),
        Err(error) => refused(&error),
    }
}

pub(in crate::service) async fn take_back(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let by = match caller(&app, &headers).await {
        Ok(by) => by,
        Err(answer) => return answer,
    };
    match roll_back(&app.store, &app.clock, &by).await {
        Ok((before, now)) => moved_to(&now, &before),
        Err(error) => refused(&error),
    }
}

fn moved_to(now: &str, before: &str) -> Response {
    tracing::info!(model = now, before, "another model was put in force");
    Json(json!({ "in_force": now, "before": before })).into_response()
}

/// Who asks, as the ledger names it, by a token that may put models in force.
async fn caller(app: &App, headers: &HeaderMap) -> Result<String, Response> {
    let unknown = |error| problem(StatusCode::UNAUTHORIZED, error, "`mergecast token create --models` makes a token");
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| header.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.ok_or_else(|| unknown("the header Authorization is not Bearer with a token"))?;
    let row = app.store.token(&token_digest(token)).await.map_err(failed)?;
    let row = row.ok_or_else(|| unknown("the token is not known, or was revoked"))?;
    if row.installation_id != WHOLE_APP {
        let hint = "`mergecast token create --models` makes one that may";
        return Err(problem(StatusCode::FORBIDDEN, "the token may upload, and put no model in force", hint));
    }
    if let Err(error) = app.store.token_used(&row, app.clock.now_ms()).await {
        tracing::warn!(%error, token.id = row.token_id, "that a token was used could not be noted");
    }
    let by = format!("token {} {}", row.token_id, row.label);
    Ok(by.trim_end().chars().filter(|c| !c.is_control()).take(NAME_MAX).collect())
}

fn refused(error: &MoveError) -> Response {
    let status = match error {
        MoveError::NoModel(_) => StatusCode::NOT_FOUND,
        MoveError::InForce(_) | MoveError::NothingBefore | MoveError::Raced => StatusCode::CONFLICT,
        MoveError::Name => StatusCode::BAD_REQUEST,
        MoveError::Store(error) => return failed(error.clone()),
    };
    let text = error.to_string();
    let (said, _) = text.split_once("\nhint: ").unwrap_or((&text, ""));
    problem(status, said, "see /api/v1/learning for what is in force and what is proposed")
}

fn not_asked_so() -> Response {
    let hint = "days 1-65535, threshold 1-100 and repository OWNER/NAME may be given";
    problem(StatusCode::BAD_REQUEST, "the query cannot be read", hint)
}

fn failed(error: crate::store::StoreError) -> Response {
    tracing::error!(%error, "outcomes or models could not be read");
    problem(StatusCode::SERVICE_UNAVAILABLE, "the database could not be read", "try again")
}

fn broken(error: &impl std::fmt::Display) -> Response {
    tracing::error!(%error, "what was learned could not be told");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "what was learned could not be told", "see the log")
}

fn problem(status: StatusCode, error: &str, hint: &str) -> Response {
    (status, Json(json!({ "error": error, "hint": hint }))).into_response()
}
