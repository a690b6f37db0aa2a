//! What the API says where it does not do as it was asked: in JSON, with a way out.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{body::Unread, caller::Unknown};
use crate::store::StoreError;

/// When to try again, in seconds.
const RETRY_AFTER_S: i64 = 10;

/// A refusal, and a hint at what to do.
pub(super) fn refuse(status: StatusCode, error: &str, hint: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error, "hint": hint }))).into_response()
}

/// One that says when to try again.
pub(super) fn later(status: StatusCode, error: &str, hint: &str, after_s: i64) -> Response {
    ([(header::RETRY_AFTER, after_s.to_string())], refuse(status, error, hint)).into_response()
}

/// Who asks is not known.
pub(super) fn of_caller(unknown: Unknown) -> Response {
    match unknown {
        Unknown::Refused(why) => {
            let hint = "send Authorization: Bearer with a token of `mergecast token create`, or with a workflow's own";
            let refused = refuse(StatusCode::UNAUTHORIZED, why, hint);
            ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response()
        }
        Unknown::Unavailable => {
            let refused = "whether the workflow's token is good cannot be told now";
            later(StatusCode::SERVICE_UNAVAILABLE, refused, "try again", RETRY_AFTER_S)
        }
        Unknown::Uncovered => refuse(
            StatusCode::FORBIDDEN,
            "the workflow's repository is not covered",
            "the App has to be installed there",
        ),
        Unknown::Store(error) => failed(&error),
    }
}

/// The body could not be read; `smaller` is what to do about one that is too large.
pub(super) fn of_body(unread: &Unread, smaller: &str) -> Response {
    match unread {
        Unread::Late => refuse(StatusCode::REQUEST_TIMEOUT, "the body came too slowly", "try again"),
        Unread::TooLarge => refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", smaller),
        Unread::Broken => refuse(StatusCode::BAD_REQUEST, "the body could not be read", "try again"),
        Unread::Crowded => {
            let refused = "too many large bodies are being received";
            later(StatusCode::SERVICE_UNAVAILABLE, refused, "try again", RETRY_AFTER_S)
        }
    }
}

/// The body is not said to be JSON.
pub(super) fn not_json(headers: &HeaderMap) -> Option<Response> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let refused = || {
        let hint = "send it with Content-Type: application/json";
        refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not said to be JSON", hint)
    };
    (kind != "application/json" && !kind.ends_with("+json")).then(refused)
}

/// The database fails.
pub(super) fn failed(error: &StoreError) -> Response {
    tracing::error!(%error, "what was sent could not be kept for the database");
    later(StatusCode::SERVICE_UNAVAILABLE, "the database could not be used", "try again", RETRY_AFTER_S)
}
