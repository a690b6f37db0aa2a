//! Webhook delivery: signed, one attempt each as GitHub does it, logged; redelivery on demand.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;

use super::faults::{self, WebhookFaultKind};
use super::state::State;
use super::{Shared, Sim};

/// How a webhook body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookContentType {
    /// The payload itself.
    Json,
    /// A form with the payload in the field `payload`.
    Form,
}

/// What became of one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver answered with this status.
    Answered(u16),
    /// No answer: refused, reset or too late.
    Failed(String),
    /// No hook address was set, or a fault swallowed it.
    NotSent,
}

/// One attempt to deliver a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Id of the attempt.
    pub id: u64,
    /// `X-GitHub-Delivery`: the same for redeliveries.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The payload's action.
    pub action: Option<String>,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Sent again on demand or by a fault.
    pub redelivery: bool,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// The payload.
    pub payload: Value,
}

/// A webhook on its way: what it says was settled when the event happened.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) guid: String,
    pub(super) event: String,
    pub(super) action: Option<String>,
    pub(super) installation: Option<u64>,
    pub(super) repository: Option<u64>,
    pub(super) redelivery: bool,
    /// The JSON text, or whatever bytes a test sends.
    pub(super) body: Arc<[u8]>,
}

impl Outgoing {
    fn new(guid: String, event: &str, payload: &Value, raw: Option<Vec<u8>>) -> Self {
        Self {
            guid,
            event: event.to_owned(),
            action: payload["action"].as_str().map(str::to_owned),
            installation: payload["installation"]["id"].as_u64(),
            repository: payload["repository"]["id"].as_u64(),
            redelivery: false,
            body: raw.unwrap_or_else(|| payload.to_string().into_bytes()).into(),
        }
    }

    pub(super) fn payload(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An attempt as the log keeps it.
pub(super) struct Attempt {
    pub(super) id: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) outcome: DeliveryOutcome,
    pub(super) sent: Outgoing,
}

impl From<&Attempt> for Delivery {
    fn from(attempt: &Attempt) -> Self {
        let Attempt { id, at, outcome, sent } = attempt;
        Self {
            id: *id,
            guid: sent.guid.clone(),
            event: sent.event.clone(),
            action: sent.action.clone(),
            at: *at,
            redelivery: sent.redelivery,
            outcome: outcome.clone(),
            payload: sent.payload(),
        }
    }
}

/// Attempts kept in the log, some 25 KB each.
const ATTEMPTS_MAX: usize = 10_000;
/// How long a reordered delivery waits for one that could overtake it.
const OVERTAKE_WAIT: Duration = Duration::from_millis(100);

impl State {
    /// Queues a webhook. Payloads are built when the event happens and do not change afterwards.
    pub(super) fn send(&mut self, event: &str, payload: Value) {
        let guid = self.new_guid();
        self.outbox.push_back(Outgoing::new(guid, event, &payload, None));
    }

    fn new_guid(&mut self) -> String {
        let bits = hex::encode(self.rng.u128(..).to_be_bytes());
        format!("{}-{}-4{}-a{}-{}", &bits[..8], &bits[8..12], &bits[13..16], &bits[17..20], &bits[20..])
    }

    fn log(&mut self, out: &Outgoing, outcome: DeliveryOutcome) {
        let (id, at) = (self.new_id(), self.now());
        self.attempts.push_back(Attempt { id, at, outcome, sent: out.clone() });
        if self.attempts.len() > ATTEMPTS_MAX {
            self.attempts.pop_front();
        }
    }
}

impl Sim {
    /// Sends webhooks to `url` from now on. Without an address they are logged as not sent.
    pub fn deliver_to(&self, url: &str) {
        self.act(|state| state.hook_url = Some(url.to_owned()));
    }

    /// Holds webhooks back, so that several can be waiting at once.
    pub fn hold(&self) {
        self.act(|state| state.held = true);
    }

    /// Lets held webhooks go.
    pub fn release(&self) {
        self.act(|state| state.held = false);
    }

    /// Whether no webhook is waiting to be sent or under way (held ones do not count).
    pub fn is_settled(&self) -> bool {
        let state = self.shared.state();
        state.in_flight == 0 && (state.outbox.is_empty() || state.held)
    }

    /// Waits until every webhook that is to be sent has been attempted (held ones are not waited for).
    pub async fn settle(&self) {
        loop {
            let idle = self.shared.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            {
                let state = self.shared.state();
                if state.in_flight == 0 && (state.outbox.is_empty() || state.held) {
                    return;
                }
            }
            tokio::select! {
                () = idle => {}
                () = self.shared.stop.cancelled() => return,
            }
        }
    }

    /// Every attempt so far, oldest first (the latest 10,000).
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.state().attempts.iter().map(Delivery::from).collect()
    }

    /// Sends a payload of the caller's making, signed like any other; returns the delivery id.
    pub fn send(&self, event: &str, payload: Value) -> String {
        self.send_raw(event, &payload, None)
    }

    /// Sends arbitrary bytes as the body, correctly signed; returns the delivery id.
    pub fn send_bytes(&self, event: &str, body: impl Into<Vec<u8>>) -> String {
        self.send_raw(event, &Value::Null, Some(body.into()))
    }

    fn send_raw(&self, event: &str, payload: &Value, raw: Option<Vec<u8>>) -> String {
        self.act(|state| {
            let guid = state.new_guid();
            state.outbox.push_back(Outgoing::new(guid.clone(), event, payload, raw));
            guid
        })
    }

    /// Delivers again what was delivered, or not, under this id; false if the log does not know it.
    pub fn redeliver(&self, guid: &str) -> bool {
        self.act(|state| state.redeliver(|a| a.sent.guid == guid))
    }
}

impl State {
    pub(super) fn redeliver(&mut self, which: impl Fn(&Attempt) -> bool) -> bool {
        let Some(found) = self.attempts.iter().rev().find(|a| which(a)) else { return false };
        let again = Outgoing { redelivery: true, ..found.sent.clone() };
        self.outbox.push_back(again);
        true
    }
}

/// One delivery worker, until the simulator stops.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let woken = shared.wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        if let Some((out, fault)) = next(&shared) {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = dispatch(&shared, out, fault) => {}
            }
            continue;
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = woken => {}
        }
    }
}

fn next(shared: &Shared) -> Option<(Outgoing, Option<WebhookFaultKind>)> {
    let mut state = shared.state();
    if state.held {
        return None;
    }
    let out = state.outbox.pop_front()?;
    state.in_flight += 1;
    let State { webhook_faults, rng, .. } = &mut *state;
    let fault = faults::strike_webhook(webhook_faults, rng, &out.event);
    Some((out, fault))
}

async fn dispatch(shared: &Arc<Shared>, out: Outgoing, fault: Option<WebhookFaultKind>) {
    match fault {
        None => deliver(shared, out).await,
        Some(WebhookFaultKind::Lost) => shared.state().log(&out, DeliveryOutcome::NotSent),
        Some(WebhookFaultKind::Duplicated) => {
            deliver(shared, out.clone()).await;
            deliver(shared, Outgoing { redelivery: true, ..out }).await;
        }
        Some(WebhookFaultKind::Delayed(wait)) => return later(shared, out, wait, false),
        Some(WebhookFaultKind::Reordered) => return later(shared, out, OVERTAKE_WAIT, true),
    }
    done(shared);
}

/// Delivers after `wait`, or after the next delivery if that comes first and `overtaken` is set.
fn later(shared: &Arc<Shared>, out: Outgoing, wait: Duration, overtaken: bool) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let late = async {
            let next = shared.delivered.notified();
            if overtaken {
                tokio::select! { () = next => {}, () = tokio::time::sleep(wait) => {} }
            } else {
                tokio::time::sleep(wait).await;
            }
            deliver(&shared, out).await;
        };
        tokio::select! { () = shared.stop.cancelled() => {}, () = late => {} }
        done(&shared);
    });
}

fn done(shared: &Shared) {
    shared.state().in_flight -= 1;
    shared.delivered.notify_waiters();
    shared.idle.notify_waiters();
}

async fn deliver(shared: &Shared, out: Outgoing) {
    let hook_url = shared.state().hook_url.clone();
    let outcome = match hook_url {
        None => DeliveryOutcome::NotSent,
        Some(url) => attempt(shared, &url, &out).await,
    };
    shared.state().log(&out, outcome);
}

async fn attempt(shared: &Shared, url: &str, out: &Outgoing) -> DeliveryOutcome {
    let (body, content_type) = match shared.options.content_type {
        HookContentType::Json => (out.body.to_vec(), "application/json"),
        HookContentType::Form => (form(&out.body), "application/x-www-form-urlencoded"),
    };
    let request = shared
        .hooks
        .post(url)
        .header("accept", "*/*")
        .header("content-type", content_type)
        .header("x-github-delivery", &out.guid)
        .header("x-github-event", &out.event)
        .header("x-github-hook-id", "512345678")
        .header("x-github-hook-installation-target-id", shared.app.app_id.to_string())
        .header("x-github-hook-installation-target-type", "integration")
        .header("x-hub-signature-256", signature(&shared.secrets.current().1, &body))
        .body(body);
    match request.send().await {
        Ok(answer) => DeliveryOutcome::Answered(answer.status().as_u16()),
        Err(e) if e.is_timeout() => DeliveryOutcome::Failed("timed out".to_owned()),
        Err(e) => DeliveryOutcome::Failed(if e.is_connect() { "failed to connect" } else { "no answer" }.to_owned()),
    }
}

fn form(json: &[u8]) -> Vec<u8> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", &String::from_utf8_lossy(json));
    form.finish().into_bytes()
}

/// The value of `X-Hub-Signature-256` for a body.
pub(super) fn signature(secret: &SecretString, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let mut mac = mac.expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
