//! `POST /webhooks/pagerduty`: verify, store, answer, as for GitHub's webhooks; then a job says which service an incident is
//! on and keeps what was told of it. Who was paged is not read.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;

use super::{
    App,
    assess::Outcome,
    body::Unread,
    gather,
    route::{Routed, ignored, text as as_text},
    webhook::{answer, later, media_type, refuse, text},
};
use crate::{
    pagerduty::{self, Catalogue, Mapping, Notice, Said, verify},
    store::{Accepted, DeliveryOutcome, DeliveryState, JobRequest, NewDelivery, Teller},
};

/// What the inbox calls PagerDuty's events.
pub(super) const EVENT: &str = "pagerduty";
/// Kind of the jobs that keep what one of them tells.
pub(super) const PAGING: &str = "pagerduty";

/// Ids of PagerDuty's events have 26 or 36 characters.
const EVENT_ID_LIMIT: usize = 64;
/// How often the catalogue of services is asked for, with growing pauses, before an incident is kept under PagerDuty's own
/// names: about two minutes.
const CATALOGUE_LOOKS: i64 = 7;

/// What is looked at before an event is stored, besides what [`pagerduty::parse`] reads.
#[derive(Deserialize)]
struct Envelope {
    event: Kind,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    event_type: Option<String>,
}

pub(super) async fn receive(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let held = match app.bodies.read(body).await {
        Ok(held) => held,
        Err(unread) => return unreadable(&unread),
    };
    let secrets = app.secrets.pagerduty();
    if secrets.is_empty() {
        // PagerDuty tries again for 48 h, and shows the secret only once the webhook is made: events of the time until it is
        // set here are not lost.
        return later("PagerDuty's webhooks are not taken yet", "set PAGERDUTY_WEBHOOK_SECRET");
    }
    if media_type(&headers).as_deref() != Some("application/json") {
        let hint = "PagerDuty sends version 3 of its webhooks as application/json";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type is not JSON", hint);
    }
    let signature = text(&headers, "x-pagerduty-signature").unwrap_or_default();
    if !verify(&secrets, signature, &held.bytes) {
        let hint = "the secret of the webhook subscription and PAGERDUTY_WEBHOOK_SECRET must be the same";
        return refuse(StatusCode::UNAUTHORIZED, "the signature is missing or does not fit", hint);
    }
    match delivery(&held.bytes, app.clock.now_ms()) {
        Ok(Some(delivery)) => accept(&app, &delivery).await,
        Ok(None) => answer(StatusCode::OK, "ignored"),
        Err(what) => refuse(StatusCode::BAD_REQUEST, &what, "this is no event as PagerDuty sends it"),
    }
}

/// The delivery to store; `None` for an event that tells nothing of an incident.
///
/// Its key is the event's own id, which is signed: the same event is the same delivery, whatever a header calls it.
fn delivery(body: &[u8], now: i64) -> Result<Option<NewDelivery>, String> {
    let notice = pagerduty::parse(body).map_err(|error| error.to_string())?;
    let id = &notice.id;
    if id.is_empty() || id.len() > EVENT_ID_LIMIT || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the event has no usable id".to_owned());
    }
    if notice.said == Said::Nothing {
        return Ok(None);
    }
    let kind = serde_json::from_slice::<Envelope>(body).ok().and_then(|envelope| envelope.event.event_type);
    Ok(Some(NewDelivery {
        delivery_id: format!("{EVENT}:{id}"),
        event: EVENT.to_owned(),
        action: kind,
        installation_id: None,
        received_at: now,
        body: body.to_vec(),
        state: DeliveryState::Queued,
    }))
}

async fn accept(app: &App, delivery: &NewDelivery) -> Response {
    match app.store.accept(delivery).await {
        Ok(Accepted::Stored) => {
            tracing::debug!(delivery.id = %delivery.delivery_id, "event of PagerDuty stored");
            app.deliveries.notify_one();
            answer(StatusCode::ACCEPTED, "stored")
        }
        Ok(Accepted::Duplicate) => answer(StatusCode::OK, "duplicate"),
        Err(error) => {
            tracing::error!(delivery.id = %delivery.delivery_id, %error, "an event of PagerDuty could not be stored");
            later("the event could not be stored", "it is sent again by itself")
        }
    }
}

fn unreadable(unread: &Unread) -> Response {
    match unread {
        Unread::Late => refuse(StatusCode::REQUEST_TIMEOUT, "the body came too slowly", "send it again"),
        Unread::TooLarge => refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", "send at most 1 MB"),
        Unread::Broken => refuse(StatusCode::BAD_REQUEST, "the body could not be read", "send it again"),
        Unread::Crowded => later("too many large bodies are being received", "it is sent again by itself"),
    }
}

/// The job that a stored event asks for.
///
/// # Errors
/// It is no event, in words.
pub(super) fn route(delivery: &crate::store::Delivery, now: i64) -> Result<Routed, String> {
    let notice = pagerduty::parse(&delivery.body).map_err(|error| error.to_string())?;
    if notice.said == Said::Nothing {
        return Ok(ignored());
    }
    let job = JobRequest {
        key: delivery.delivery_id.clone(),
        kind: PAGING.to_owned(),
        payload: as_text(&notice),
        run_at: now,
        replaces: true,
    };
    Ok(Routed { outcome: DeliveryOutcome::Done, jobs: vec![job] })
}

/// Says which service the incident is on, and keeps what was told.
///
/// # Errors
/// The catalogue of services is not known for now, or the database fails.
pub(super) async fn run(app: &App, notice: &Notice, attempts: i64) -> Result<(), Outcome> {
    let mapping = match &notice.said {
        Said::Incident(incident) => {
            let catalogue = match gather::outcomes::catalogue(app).await {
                Ok(catalogue) => catalogue,
                Err(why) if attempts < CATALOGUE_LOOKS => return Err(Outcome::Retry(why)),
                // The surest mapping that an incident ever had is kept: a later event may still bring a better one.
                Err(_) => Catalogue::default(),
            };
            // A webhook carries nothing of the monitor that alerted.
            pagerduty::map(incident, None, &catalogue, app.outcomes.pagerduty_env.as_deref())
        }
        Said::Note { .. } | Said::Nothing => Mapping::default(),
    };
    if let Some(telling) = pagerduty::telling(notice, &mapping) {
        app.store.save_tellings(&[telling], Teller::default()).await?;
    }
    Ok(())
}
