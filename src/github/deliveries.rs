//! The App's own log of webhook deliveries: what GitHub could not hand over can be found there, and asked for again.
//!
//! GitHub keeps it for three days and never delivers again by itself.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::client::GitHub;
use super::error::Error;
use super::transport::{Call, clip};

/// Deliveries on a page: GitHub's most.
const PER_PAGE: &str = "100";
/// GitHub's word for a delivery that was answered with 2xx. Anything else failed: a status of 4xx or 5xx, but also a
/// time-out or a refused connection, which have no status code.
const DELIVERED: &str = "OK";

/// One attempt of GitHub's to deliver a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookDelivery {
    /// Id of the attempt.
    pub id: u64,
    /// `X-GitHub-Delivery`: the same for every attempt at one delivery.
    pub guid: String,
    /// When it was attempted.
    pub delivered_at: DateTime<Utc>,
    /// It was answered with 2xx.
    pub delivered: bool,
    /// How it went, in GitHub's words, cut to 300 characters. Untrusted.
    pub status: String,
    /// Name of the event.
    pub event: String,
    /// Action of the payload, if it has one.
    pub action: Option<String>,
}

/// A page of the log, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    /// What is on it.
    pub deliveries: Vec<HookDelivery>,
    /// Where the next page, with older ones, begins; `None` at the end.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    id: u64,
    guid: String,
    delivered_at: DateTime<Utc>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    event: String,
    action: Option<String>,
}

impl From<Body> for HookDelivery {
    fn from(body: Body) -> Self {
        Self {
            id: body.id,
            guid: clip(&body.guid),
            delivered_at: body.delivered_at,
            delivered: body.status == DELIVERED,
            status: clip(&body.status),
            event: clip(&body.event),
            action: body.action.as_deref().map(clip),
        }
    }
}

impl GitHub {
    /// One page of the log: the newest deliveries, or those from `cursor` on. Never asked by `status`, which knows of
    /// status codes only.
    pub async fn hook_deliveries(&self, cursor: Option<&str>) -> Result<DeliveryPage, Error> {
        let app = self.app_client();
        let mut query = vec![("per_page", PER_PAGE)];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer = app.get(app.transport.url(["app", "hook", "deliveries"], &query)).await?;
        let next = answer.next_link().map(|link| app.transport.on_base(link)).transpose()?;
        let deliveries = answer.json::<Vec<Body>>()?.into_iter().map(Into::into).collect();
        Ok(DeliveryPage { deliveries, next: next.and_then(|url| cursor_of(&url)) })
    }

    /// Asks GitHub to attempt a delivery once more. That it is accepted says nothing of how the attempt will end.
    pub async fn redeliver(&self, id: u64) -> Result<(), Error> {
        let app = self.app_client();
        let url = app.transport.url(["app", "hook", "deliveries", &id.to_string(), "attempts"], &[]);
        app.call(&Call { method: Method::POST, url, body: None, etag: None, write: true }).await.map(drop)
    }
}

fn cursor_of(url: &Url) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scripted::{Reply, Scripted, json, with};
    use super::*;

    #[tokio::test]
    async fn the_log_is_paged_by_cursor_on_our_own_host() {
        let s = Scripted::start(|a| match a.target.as_str() {
            "/app/hook/deliveries?per_page=100" => {
                let next = "<https://elsewhere.test/app/hook/deliveries?per_page=100&cursor=v1_2%2B3>; rel=\"next\"";
                Some(with(
                    200,
                    &[("link", next)],
                    &json!([
                        {"id": 9, "guid": "a", "delivered_at": "2026-03-03T10:00:00Z", "status": "OK", "event": "push"},
                        {"id": 8, "guid": "b", "delivered_at": "2026-03-03T09:00:00Z", "status": "timed out",
                         "status_code": 0, "event": "pull_request", "action": "opened"},
                    ]),
                ))
            }
            "/app/hook/deliveries?per_page=100&cursor=v1_2%2B3" => Some(json(200, &json!([]))),
            _ => None,
        })
        .await;
        let first = s.github.hook_deliveries(None).await.unwrap();
        let ends: Vec<_> = first.deliveries.iter().map(|d| (d.id, d.guid.as_str(), d.delivered)).collect();
        assert_eq!(ends, [(9, "a", true), (8, "b", false)]);
        assert_eq!(first.deliveries[1].action.as_deref(), Some("opened"));
        assert_eq!(first.next.as_deref(), Some("v1_2+3"));
        assert_eq!(s.github.hook_deliveries(first.next.as_deref()).await, Ok(DeliveryPage::default()));
    }

    #[tokio::test]
    async fn asking_again_is_never_repeated_by_itself() {
        let s = Scripted::start(|a| match a.target.as_str() {
            "/app/hook/deliveries/8/attempts" => Some(json(202, &json!({}))),
            "/app/hook/deliveries/9/attempts" => Some(Reply::Reset),
            _ => None,
        })
        .await;
        assert_eq!(s.github.redeliver(8).await, Ok(()));
        let asked = s.asked().remove(0);
        assert_eq!((asked.method.as_str(), asked.body.as_str()), ("POST", ""));
        assert_eq!(s.github.redeliver(9).await, Err(Error::AnswerLost { status: None }));
        assert_eq!(s.asked().len(), 1);
        assert_eq!(s.github.redeliver(7).await, Err(Error::NotFound));
    }
}
