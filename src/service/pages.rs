//! The pages and the read-only API. What they show is computed again from stored facts, so it cannot drift from the score.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use chrono::DateTime;

use super::{App, FactsForgotten, Stored};
use crate::{
    report::{
        self,
        histories::{self, HistoryRow, HistoryState},
        page,
    },
    risk::assessment::{Conclusion, Level},
    store::{AssessmentRow, AssessmentSummary, MirrorRow},
};

/// Assessments on the first page.
const RECENT: usize = 50;
/// Repositories on the page of histories; what failed comes first.
const HISTORIES: usize = 500;
/// Nothing but our own stylesheet: a page can neither run a script nor reach another host.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn index(State(app): State<Arc<App>>) -> Response {
    match app.store.recent(RECENT).await {
        Ok(rows) => html(page::index(&rows.iter().map(line).collect::<Vec<_>>())),
        Err(error) => failed(&error),
    }
}

pub(super) async fn histories(State(app): State<Arc<App>>) -> Response {
    match app.store.mirrors(HISTORIES).await {
        Ok(rows) => html(histories::page(&rows.iter().map(|row| history(&app, row)).collect::<Vec<_>>())),
        Err(error) => failed(&error),
    }
}

fn history(app: &App, row: &MirrorRow) -> HistoryRow {
    let loading = || app.mirrors.as_ref().and_then(|mirrors| mirrors.percent(row.repository_id)).unwrap_or(0);
    let state = match (&row.failure, row.fetched_at.and_then(DateTime::from_timestamp_millis)) {
        (Some(why), _) => HistoryState::Failed(why.clone()),
        (None, Some(at)) => HistoryState::Ready { changes: row.changes.unwrap_or(0).unsigned_abs(), at },
        (None, None) => HistoryState::Loading(loading()),
    };
    HistoryRow { repository: row.repository.clone(), state }
}

fn line(row: &AssessmentSummary) -> page::Row {
    page::Row {
        id: row.id.clone(),
        repository: row.repository.clone(),
        pull_request: row.pull_request.and_then(|number| u64::try_from(number).ok()),
        title: row.title.clone(),
        score: row.score,
        level: Level::of(row.score),
        conclusion: Conclusion::from_word(&row.conclusion).unwrap_or(Conclusion::Neutral),
        at: DateTime::from_timestamp_millis(row.at).unwrap_or_default(),
    }
}

/// What a row says without its facts.
fn remains(row: &AssessmentRow) -> page::Row {
    page::Row {
        id: row.id.clone(),
        repository: row.repository.clone(),
        pull_request: row.pull_request.and_then(|number| u64::try_from(number).ok()),
        title: row.title.clone(),
        score: row.score,
        level: Level::of(row.score),
        conclusion: Conclusion::from_word(&row.conclusion).unwrap_or(Conclusion::Neutral),
        at: DateTime::from_timestamp_millis(row.at).unwrap_or_default(),
    }
}

pub(super) async fn assessment(State(app): State<Arc<App>>, path: Result<Path<String>, PathRejection>) -> Response {
    let Ok(Path(id)) = path else { return unreadable() };
    match app.store.assessment(&id).await {
        Ok(Some(row)) if row.facts.is_empty() => {
            (StatusCode::GONE, html(page::forgotten(&remains(&row)))).into_response()
        }
        Ok(Some(row)) => rendered(&app, row, |stored| html(page::assessment(&stored.subject()))).await,
        Ok(None) => missing("no assessment has this id"),
        Err(error) => failed(&error),
    }
}

pub(super) async fn by_pull_request(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String, i64)>, PathRejection>,
) -> Response {
    let Ok(Path((owner, repo, pull))) = path else { return unreadable() };
    match app.store.by_repository_pr(&format!("{owner}/{repo}"), pull).await {
        Ok(Some(row)) => rendered(&app, row, json).await,
        Ok(None) => missing("this pull request has not been assessed"),
        Err(error) => failed(&error),
    }
}

pub(super) async fn by_sha(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Response {
    let Ok(Path((owner, repo, sha))) = path else { return unreadable() };
    match app.store.by_repository_sha(&format!("{owner}/{repo}"), &sha).await {
        Ok(Some(row)) => rendered(&app, row, json).await,
        Ok(None) => missing("no assessment has this head commit"),
        Err(error) => failed(&error),
    }
}

async fn rendered(app: &App, row: AssessmentRow, render: impl FnOnce(&Stored) -> Response) -> Response {
    let score = row.score;
    match Stored::load(&app.store, row, app.links.clone()).await {
        Ok(stored) => render(&stored),
        Err(error) if error.is::<FactsForgotten>() => problem(
            StatusCode::GONE,
            &format!("the score was {score}; {FactsForgotten}"),
            "MERGECAST_RETENTION_FACTS says how long facts are kept",
        ),
        Err(error) => {
            tracing::error!(%error, "a stored assessment could not be computed again");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the stored facts could not be read", "see the log")
        }
    }
}

fn json(stored: &Stored) -> Response {
    Json(report::json::render(&stored.subject())).into_response()
}

fn html(body: String) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY), (header::REFERRER_POLICY, "no-referrer")], Html(body))
        .into_response()
}

pub(super) async fn stylesheet() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], page::CSS)
        .into_response()
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

pub(super) async fn nowhere() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "nothing is at this address",
        "the pages begin at /, the API at /api/v1/openapi.json",
    )
}

pub(super) async fn not_so() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "this address is not asked with this method", "see /api/v1/openapi.json")
}

fn unreadable() -> Response {
    problem(StatusCode::BAD_REQUEST, "a part of the address cannot be read", "a pull request is given by its number")
}

fn missing(what: &str) -> Response {
    problem(StatusCode::NOT_FOUND, what, "an assessment is made when GitHub tells of a pull request")
}

fn failed(error: &crate::store::StoreError) -> Response {
    tracing::error!(%error, "an assessment could not be read");
    problem(StatusCode::SERVICE_UNAVAILABLE, "the database could not be read", "try again")
}

fn problem(status: StatusCode, error: &str, hint: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error, "hint": hint }))).into_response()
}
