//! A webhook sent by hand: every part of the request can be wrong on purpose.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::Sha256;

use crate::support::Ctx;

/// A request to the webhook's address; a part that is `None` is left out.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) signature: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// The value of `X-Hub-Signature-256`.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

impl Post {
    /// A delivery as GitHub sends it, signed with the App's secret.
    pub(crate) fn new(ctx: &Ctx, id: &str, event: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            id: Some(id.to_owned()),
            event: Some(event.to_owned()),
            content_type: Some("application/json".to_owned()),
            signature: Some(signature(ctx.sim.app().webhook_secret.expose_secret(), &body)),
            body,
        }
    }

    /// Sends it; gives the status, `Retry-After` and the JSON of the answer.
    pub(crate) async fn send(&self, ctx: &Ctx) -> (u16, Option<String>, Value) {
        let headers = [
            ("x-github-delivery", &self.id),
            ("x-github-event", &self.event),
            ("content-type", &self.content_type),
            ("x-hub-signature-256", &self.signature),
        ];
        let mut request = ctx.http.post(ctx.url("/webhooks/github")).body(self.body.clone());
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
        let body = answer.bytes().await.expect("a body");
        (status, retry_after, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Sends it and gives the status alone.
    pub(crate) async fn status(&self, ctx: &Ctx) -> u16 {
        self.send(ctx).await.0
    }
}
