//! `POST /webhooks/github`: verify, store durably, answer. Nothing else is done with a delivery here.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{App, body::Unread, metrics, trace};
use crate::{
    clock::Stopwatch,
    github::{
        EVENTS,
        webhook::{form_payload, verify},
    },
    store::{Accepted, DeliveryState, NewDelivery, StoreError},
};

/// GitHub's delivery ids are GUIDs of 36 characters; a longer or stranger one is not GitHub's.
const DELIVERY_ID_LIMIT: usize = 64;
/// When GitHub (or the person who redelivers) should try again after a 503, in seconds.
const RETRY_AFTER_S: &str = "30";

/// What is looked at before a delivery is stored: that the body is a JSON object, and its action.
#[derive(Deserialize)]
struct Envelope {
    action: Option<String>,
    installation: Option<Installation>,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

pub(super) async fn github(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let watch = Stopwatch::start();
    let response = receive(&app, &headers, body).await;
    metrics::answered(text(&headers, "x-github-event"), response.status().as_u16(), watch.elapsed());
    response
}

async fn receive(app: &App, headers: &HeaderMap, body: Body) -> Response {
    let held = match app.bodies.read(body).await {
        Ok(held) => held,
        Err(unread) => return unreadable(&unread, headers),
    };
    let body = &held.bytes;
    let form = match media_type(headers).as_deref() {
        Some("application/json") => false,
        Some("application/x-www-form-urlencoded") => true,
        _ => {
            return refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the content type is neither JSON nor form-encoded",
                "set the webhook's content type to application/json",
            );
        }
    };
    let signature = text(headers, "x-hub-signature-256").unwrap_or_default();
    if !verify(&app.secrets.webhook(), signature, body) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "the signature is missing or does not fit",
            "the webhook secret of the App and GITHUB_WEBHOOK_SECRET must be the same",
        );
    }
    match delivery(headers, body, form, app.clock.now_ms()) {
        Ok(Some(delivery)) => accept(app, delivery).await,
        Ok(None) => answer(StatusCode::OK, "ignored"),
        Err(what) => refuse(StatusCode::BAD_REQUEST, what, "this is not a delivery as GitHub sends it"),
    }
}

/// The delivery to store; `None` for an event that nothing here listens to.
fn delivery(headers: &HeaderMap, body: &Bytes, form: bool, now: i64) -> Result<Option<NewDelivery>, &'static str> {
    let event = text(headers, "x-github-event").filter(|event| !event.is_empty());
    let event = event.ok_or("the header X-GitHub-Event is missing")?;
    let id = delivery_id(headers)?;
    let payload = if form { form_payload(body).ok_or("the form has no field named payload")? } else { body.to_vec() };
    // serde would read a list as a struct too, field by field.
    let object = payload.trim_ascii_start().first() == Some(&b'{');
    let envelope = serde_json::from_slice::<Envelope>(&payload).ok().filter(|_| object);
    let envelope = envelope.ok_or("the payload is not a JSON object as GitHub sends it")?;
    if !EVENTS.iter().any(|known| known.name == event) {
        return Ok(None);
    }
    Ok(Some(NewDelivery {
        delivery_id: id.to_owned(),
        event: event.to_owned(),
        action: envelope.action,
        installation_id: envelope.installation.and_then(|installation| i64::try_from(installation.id).ok()),
        received_at: now,
        body: payload,
        state: DeliveryState::Queued,
    }))
}

fn delivery_id(headers: &HeaderMap) -> Result<&str, &'static str> {
    let id = text(headers, "x-github-delivery").ok_or("the header X-GitHub-Delivery is missing")?;
    if id.is_empty() || id.len() > DELIVERY_ID_LIMIT || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the header X-GitHub-Delivery is not a delivery id");
    }
    Ok(id)
}

async fn accept(app: &App, delivery: NewDelivery) -> Response {
    let (id, event) = (&delivery.delivery_id, &delivery.event);
    match app.store.accept(&delivery).await {
        Ok(Accepted::Stored) => {
            tracing::debug!(delivery.id = %id, event, "delivery stored");
            app.deliveries.notify_one();
            answer(StatusCode::ACCEPTED, "stored")
        }
        Ok(Accepted::Duplicate) => answer(StatusCode::OK, "duplicate"),
        Err(error) => {
            trace::of_delivery(id, event, &delivery.body).in_scope(|| match error {
                StoreError::Full => tracing::error!(
                    "disk full: the delivery could not be stored and was refused; free space, then redeliver it"
                ),
                other => tracing::error!(error = %other, "the delivery could not be stored"),
            });
            later("the delivery could not be stored", "redeliver it when the database can be written again")
        }
    }
}

pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn answer(status: StatusCode, what: &str) -> Response {
    (status, Json(serde_json::json!({ "status": what }))).into_response()
}

fn unreadable(unread: &Unread, headers: &HeaderMap) -> Response {
    match unread {
        Unread::Late => refuse(StatusCode::REQUEST_TIMEOUT, "the body came too slowly", "redeliver it"),
        Unread::TooLarge => refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body could not be read", "send at most 25 MB"),
        Unread::Broken => refuse(StatusCode::BAD_REQUEST, "the body could not be read", "send at most 25 MB"),
        Unread::Crowded => {
            let id = delivery_id(headers).ok();
            tracing::error!(delivery.id = id, "too many large bodies at once; a delivery was refused");
            later("too many large bodies are being received", "redeliver it")
        }
    }
}

pub(super) fn later(error: &str, hint: &str) -> Response {
    let refused = refuse(StatusCode::SERVICE_UNAVAILABLE, error, hint);
    ([(header::RETRY_AFTER, RETRY_AFTER_S)], refused).into_response()
}

pub(super) fn refuse(status: StatusCode, error: &str, hint: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error, "hint": hint }))).into_response()
}
