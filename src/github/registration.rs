//! The end of the manifest flow: the code that GitHub sent back is exchanged, once, for the new App's credentials.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::auth::SecretText;
use super::client::Options;
use super::error::Error;
use super::installation::judge;
use super::rate::{Bucket, Gate};
use super::transport::{Call, Transport};
use crate::clock::Clock;

/// An App that was just created. GitHub shows its secrets this once.
#[derive(Debug)]
pub struct NewApp {
    /// Number.
    pub id: u64,
    /// Name in URLs.
    pub slug: String,
    /// Client id.
    pub client_id: String,
    /// Its public page.
    pub html_url: String,
    /// Client secret.
    pub client_secret: SecretString,
    /// Secret that signs its webhooks; GitHub's documents let it be missing.
    pub webhook_secret: Option<SecretString>,
    /// RSA private key in PEM.
    pub private_key_pem: SecretString,
}

#[derive(Deserialize)]
struct Body {
    id: u64,
    #[serde(default)]
    slug: String,
    client_id: String,
    #[serde(default)]
    html_url: String,
    client_secret: SecretText,
    webhook_secret: Option<SecretText>,
    pem: SecretText,
}

/// Exchanges a code, which is good once and for an hour. [`Error::NotFound`] for one that is no longer good;
/// [`Error::AnswerLost`] when the exchange may have happened: the code is spent then, and its secrets are lost.
pub async fn exchange_code(api: &Url, code: &str, clock: &Clock, options: &Options) -> Result<NewApp, Error> {
    let transport = Transport::new(api.clone(), options)?;
    let url = transport.url(["app-manifests", code, "conversions"], &[]);
    let call = Call { body: None, ..Call::write(reqwest::Method::POST, url, Vec::new()) };
    let answer = transport.exchange_openly(&call).await?;
    let answer = judge(answer, call.write, Bucket::Core, &Gate::default(), clock)?;
    let Body { id, slug, client_id, html_url, client_secret, webhook_secret, pem } = answer.json()?;
    Ok(NewApp {
        id,
        slug,
        client_id,
        html_url,
        client_secret: client_secret.0,
        webhook_secret: webhook_secret.map(|secret| secret.0),
        private_key_pem: pem.0,
    })
}
