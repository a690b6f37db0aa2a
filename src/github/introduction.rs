//! What only a check-up asks of GitHub: who the App is, what time it is there, where its webhooks go, what is left of
//! the hour's requests.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use reqwest::header::DATE;
use serde::Deserialize;

use super::auth::Permissions;
use super::client::GitHub;
use super::error::Error;
use super::installation::Installation;
use super::transport::Answer;

/// The App as GitHub knows it, with what its settings page is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProfile {
    /// Number.
    pub id: u64,
    /// Name in URLs.
    pub slug: String,
    /// Login of its owner.
    pub owner: String,
    /// It is owned by an organisation.
    pub organization: bool,
    /// Its public page.
    pub html_url: String,
    /// Permissions that it asks for.
    pub permissions: Permissions,
    /// Events that it is subscribed to.
    pub events: Vec<String>,
}

/// What came back when the App introduced itself.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// Who GitHub takes it for.
    pub app: Result<AppProfile, Error>,
    /// GitHub's clock minus ours, in seconds, good to about one; `None` if it did not say.
    pub skew_s: Option<i64>,
}

/// Where GitHub sends the App's webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookConfig {
    /// The address; empty for none.
    pub url: String,
    /// Whether its certificate is checked.
    pub verified: bool,
    /// Whether a secret signs them.
    pub signed: bool,
}

/// What is left of an hour's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Budget {
    /// Of how many.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
}

/// The budgets of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Budgets {
    /// REST requests.
    pub core: Budget,
    /// GraphQL points; not every server tells.
    pub graphql: Option<Budget>,
}

impl GitHub {
    /// Asks who the App is. The time is read even from a refusal, since a wrong clock is a reason for one.
    pub async fn introduce(&self) -> Introduction {
        let app = self.app_client();
        let before = app.clock.now();
        let (date, answer) = app.get_dated(app.transport.url(["app"], &[])).await;
        let middle = before + (app.clock.now() - before) / 2;
        let skew_s = date.map(|date| (date - middle).num_seconds());
        Introduction { app: answer.and_then(|answer| profile(&answer)), skew_s }
    }

    /// Where GitHub sends the App's webhooks.
    pub async fn hook_config(&self) -> Result<HookConfig, Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            url: String,
            secret: Option<String>,
            insecure_ssl: Option<InsecureSsl>,
        }
        /// A text or a number, as GitHub's document has it.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum InsecureSsl {
            Text(String),
            Number(f64),
        }
        let app = self.app_client();
        let Body { url, secret, insecure_ssl } =
            app.get(app.transport.url(["app", "hook", "config"], &[])).await?.json()?;
        let verified = match insecure_ssl {
            None => true,
            Some(InsecureSsl::Text(text)) => text == "0",
            Some(InsecureSsl::Number(number)) => number == 0.0,
        };
        Ok(HookConfig { url, verified, signed: secret.is_some_and(|secret| !secret.is_empty()) })
    }
}

impl Installation {
    /// What is left of the hour's budgets. Costs nothing of them.
    pub async fn budgets(&self) -> Result<Budgets, Error> {
        #[derive(Deserialize)]
        struct Body {
            resources: Budgets,
        }
        let url = self.transport().url(["rate_limit"], &[]);
        Ok(self.get(url).await?.json::<Body>()?.resources)
    }
}

fn profile(answer: &Answer) -> Result<AppProfile, Error> {
    #[derive(Deserialize)]
    struct Body {
        id: u64,
        #[serde(default)]
        slug: String,
        owner: Option<Owner>,
        #[serde(default)]
        html_url: String,
        #[serde(default)]
        events: Vec<String>,
        #[serde(default)]
        permissions: BTreeMap<String, String>,
    }
    #[derive(Default, Deserialize)]
    struct Owner {
        #[serde(default)]
        login: String,
        #[serde(default, rename = "type")]
        kind: String,
    }
    let body: Body = answer.json()?;
    let owner = body.owner.unwrap_or_default();
    Ok(AppProfile {
        id: body.id,
        slug: body.slug,
        owner: owner.login,
        organization: owner.kind == "Organization",
        html_url: body.html_url,
        permissions: Permissions(body.permissions),
        events: body.events,
    })
}

/// When an answer was given, by the clock of whoever gave it.
pub(super) fn date(answer: &Answer) -> Option<DateTime<Utc>> {
    let date = DateTime::parse_from_rfc2822(answer.header(DATE.as_str())?).ok()?;
    Some(date.to_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::scripted::{Scripted, json, start_time, with};
    use super::*;

    #[tokio::test]
    async fn the_time_is_read_from_an_answer_and_from_a_refusal() {
        for (status, known) in [(200, true), (401, false)] {
            let date = (start_time() + chrono::TimeDelta::seconds(-90)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let s = Scripted::start(move |a| {
                let body = json!({"id": 7, "slug": "risk", "owner": {"login": "acme", "type": "Organization"}});
                (a.target == "/app").then(|| with(status, &[("date", &date)], &body))
            })
            .await;
            let Introduction { app, skew_s } = s.github.introduce().await;
            assert_eq!(
                app.as_ref().ok().map(|app| (app.id, app.owner.as_str(), app.organization)),
                known.then_some((7, "acme", true))
            );
            assert_eq!(skew_s, Some(-90));
        }
    }

    #[tokio::test]
    async fn a_hook_is_read_in_each_of_githubs_spellings() {
        let check = async |body: Value, verified: bool, signed: bool| {
            let s = Scripted::start(move |a| (a.target == "/app/hook/config").then(|| json(200, &body))).await;
            let found = s.github.hook_config().await.unwrap();
            assert_eq!((found.verified, found.signed), (verified, signed));
        };
        check(json!({"url": "https://a.test", "insecure_ssl": "0", "secret": "********"}), true, true).await;
        check(json!({"url": "https://a.test", "insecure_ssl": 1, "secret": null}), false, false).await;
        check(json!({}), true, false).await;
    }
}
