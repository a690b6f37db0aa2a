//! `GET /api/v1/incidents`: what incidents are put down to, with the evidence, and how the pull requests of each candidate had
//! been scored before they were merged.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{failed, refuse};
use crate::{
    report::incidents,
    service::{App, dora::window, outcomes},
};

/// What may stand behind the question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Asked {
    from: Option<String>,
    to: Option<String>,
}

pub(in super::super) async fn get(
    State(app): State<Arc<App>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let now = app.clock.now();
    let asked = asked.map_err(|_| "the query has a part that is not known");
    let (from, to) = match asked.and_then(|Query(asked)| window(&asked.from, &asked.to, now)) {
        Ok(window) => window,
        Err(what) => {
            let hint = "from and to are: a day such as 2026-03-01, or a time such as 2026-03-01T00:00:00Z";
            return refuse(StatusCode::BAD_REQUEST, what, hint);
        }
    };
    // One at a time: whoever asks, and however often, takes one core at most.
    let _turn = app.outcomes.turn.lock().await;
    let found = async {
        let reckoning = outcomes::reckoned(&app.store, &app.rules().await?, from, now).await?;
        let before = outcomes::before_merge(&app, &reckoning, (from, to)).await?;
        Ok(Json(incidents::json(&reckoning, (from, to), &before, now)).into_response())
    };
    found.await.unwrap_or_else(|error| failed(&error))
}
