//! Tokens that GitHub Actions gives a workflow about itself (OpenID Connect): who signed one, for whom, and until when.
//!
//! Keys come from the issuer, at `/.well-known/jwks` below it, and are kept; an unknown key has them read again, but not
//! more than once a minute, so that made-up key ids cost the issuer nothing.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{Jwk, JwkSet},
};
use reqwest::redirect;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::{Error, RepoName};
use crate::clock::Clock;

/// GitHub's tokens have some 2,000 bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The issuer has a handful of keys.
const KEYS_BYTES_MAX: usize = 256 * 1024;
/// Longest time for reading the keys.
const DEADLINE: Duration = Duration::from_secs(5);
/// Keys are not read again sooner.
const READ_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// Keys are believed for this long; the issuer may take one back.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// How far the two clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// GitHub's tokens hold for minutes; one that holds for days is none of them.
const LIFE_MAX: TimeDelta = TimeDelta::hours(24);

/// Checks tokens of one issuer for one audience.
pub struct Oidc {
    issuer: String,
    audience: String,
    keys_at: Url,
    client: reqwest::Client,
    clock: Clock,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    keys: Vec<Jwk>,
    read_at: Option<DateTime<Utc>>,
    tried_at: Option<DateTime<Utc>>,
}

/// What a token says of the workflow that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// The repository that it runs in.
    pub repository: RepoName,
    /// GitHub's number of that.
    pub repository_id: u64,
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// It is not a good token of this issuer for this audience.
    #[error("{0}")]
    Refused(&'static str),
    /// The issuer's keys cannot be had, so that nothing can be said of it.
    #[error("the issuer's keys cannot be read: {0}")]
    Unavailable(&'static str),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    repository: String,
    /// GitHub writes it as a text.
    repository_id: String,
}

impl Oidc {
    /// Tokens that `issuer` signed for `audience`.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(issuer: &Url, audience: String, clock: Clock) -> Result<Self, Error> {
        let issuer = issuer.as_str().trim_end_matches('/').to_owned();
        let invalid =
            || Error::Invalid { message: "the address of the issuer of workflow tokens cannot be used".into() };
        let keys_at = Url::parse(&format!("{issuer}/.well-known/jwks")).map_err(|_| invalid())?;
        let mut client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(DEADLINE)
            .timeout(DEADLINE)
            .user_agent(concat!("mergecast/", env!("CARGO_PKG_VERSION")));
        if keys_at.scheme() == "http" {
            client = client.tls_certs_only([]).no_proxy();
        }
        let client = client.build().map_err(|_| invalid())?;
        Ok(Self { issuer, audience, keys_at, client, clock, keys: Mutex::default() })
    }

    /// The audience that a workflow has to ask its token for.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// What a token says, once its signature, issuer, audience and time are found to be good. RS256 alone is taken.
    ///
    /// # Errors
    /// Why it is not believed.
    pub async fn verify(&self, token: &str) -> Result<Workflow, OidcError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(OidcError::Refused("the token is too long"));
        }
        let header = jsonwebtoken::decode_header(token);
        let header = header.map_err(|_| OidcError::Refused("the token is not a JSON web token"))?;
        if header.alg != Algorithm::RS256 {
            return Err(OidcError::Refused("the token is not signed with RS256"));
        }
        let key = self.key(header.kid.as_deref()).await?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[&self.audience]);
        rules.set_issuer(&[&self.issuer]);
        rules.set_required_spec_claims(&["exp", "aud", "iss"]);
        // The time is checked below, by this program's clock.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).map_err(|error| refusal(&error))?.claims;
        self.in_time(&claims)?;
        let repository = RepoName::parse(&claims.repository).filter(|_| claims.iss == self.issuer);
        match (repository, claims.repository_id.parse()) {
            (Some(repository), Ok(repository_id)) => Ok(Workflow { repository, repository_id }),
            _ => Err(OidcError::Refused("the token names no repository")),
        }
    }

    fn in_time(&self, claims: &Claims) -> Result<(), OidcError> {
        let now = self.clock.now().timestamp();
        if claims.exp.saturating_add(LEEWAY.num_seconds()) <= now {
            return Err(OidcError::Refused("the token has expired"));
        }
        if claims.exp > now.saturating_add(LIFE_MAX.num_seconds()) {
            return Err(OidcError::Refused("the token holds for too long"));
        }
        if claims.nbf.is_some_and(|from| from > now.saturating_add(LEEWAY.num_seconds())) {
            return Err(OidcError::Refused("the token does not hold yet"));
        }
        Ok(())
    }

    async fn key(&self, kid: Option<&str>) -> Result<DecodingKey, OidcError> {
        let kid = kid.ok_or(OidcError::Refused("the token does not name its key"))?;
        let mut keys = self.keys.lock().await;
        let now = self.clock.now();
        let fresh = keys.read_at.is_some_and(|at| now - at < KEPT);
        let known = keys.keys.iter().any(|key| key.common.key_id.as_deref() == Some(kid));
        let tried_lately = keys.tried_at.is_some_and(|at| now - at < READ_AGAIN);
        if (!fresh || !known) && !tried_lately {
            keys.tried_at = Some(now);
            keys.keys = self.read().await?;
            keys.read_at = Some(now);
        } else if !fresh {
            return Err(OidcError::Unavailable("they could not be read a moment ago"));
        }
        let key = keys.keys.iter().find(|key| key.common.key_id.as_deref() == Some(kid));
        let key = key.ok_or(OidcError::Refused("the token is signed with a key that the issuer does not have"))?;
        DecodingKey::from_jwk(key).map_err(|_| OidcError::Refused("the issuer's key is not for RS256"))
    }

    async fn read(&self) -> Result<Vec<Jwk>, OidcError> {
        let mut response = self.client.get(self.keys_at.clone()).send().await.map_err(|error| {
            OidcError::Unavailable(if error.is_timeout() { "no answer in time" } else { "no connection" })
        })?;
        if !response.status().is_success() {
            return Err(OidcError::Unavailable("the issuer answers with an error"));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|_| OidcError::Unavailable("the answer broke off"))? {
            if body.len() + part.len() > KEYS_BYTES_MAX {
                return Err(OidcError::Unavailable("the answer is too long"));
            }
            body.extend_from_slice(&part);
        }
        let keys: JwkSet =
            serde_json::from_slice(&body).map_err(|_| OidcError::Unavailable("the answer is not a key set"))?;
        Ok(keys.keys)
    }
}

fn refusal(error: &jsonwebtoken::errors::Error) -> OidcError {
    use jsonwebtoken::errors::ErrorKind;
    OidcError::Refused(match error.kind() {
        ErrorKind::InvalidSignature => "the signature of the token does not fit",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks audience, issuer or expiry",
        _ => "the token cannot be read",
    })
}

#[cfg(test)]
mod tests {
    use super::{super::sim::oidc::SimIssuer, *};
    use serde_json::{Value, json};

    async fn issuer() -> (SimIssuer, Oidc, Clock) {
        let clock = Clock::manual("2026-03-03T10:00:00Z".parse().unwrap());
        let issuer = SimIssuer::start().await.unwrap();
        let oidc = Oidc::new(issuer.url(), "https://mergecast.example".to_owned(), clock.clone()).unwrap();
        (issuer, oidc, clock)
    }

    fn claims(issuer: &SimIssuer, clock: &Clock) -> Value {
        let now = clock.now().timestamp();
        json!({
            "iss": issuer.url().as_str().trim_end_matches('/'), "aud": "https://mergecast.example", "exp": now + 300,
            "nbf": now - 5, "iat": now, "repository": "acme/shop", "repository_id": "7", "sub": "repo:acme/shop:pull_request",
        })
    }

    #[tokio::test]
    async fn good_tokens_name_their_repository_and_others_say_why_not() {
        let (issuer, oidc, clock) = issuer().await;
        let good = claims(&issuer, &clock);
        let expected = Workflow { repository: RepoName::new("acme", "shop").unwrap(), repository_id: 7 };
        assert_eq!(oidc.verify(&issuer.sign(&good)).await, Ok(expected));
        let now = clock.now().timestamp();
        let cases = [
            ("iss", json!("https://elsewhere.example"), "another issuer"),
            ("aud", json!("https://github.com/acme"), "another audience"),
            ("aud", Value::Null, "lacks audience"),
            ("exp", json!(now - 61), "has expired"),
            ("exp", json!(now + 86_401), "too long"),
            ("exp", Value::Null, ""),
            ("nbf", json!(now + 61), "not hold yet"),
            ("repository", json!("../x"), "no repository"),
            ("repository_id", json!("seven"), "no repository"),
        ];
        for (name, value, expected) in cases {
            let mut bad = good.clone();
            bad[name] = value;
            let refused = oidc.verify(&issuer.sign(&bad)).await.unwrap_err();
            assert!(matches!(refused, OidcError::Refused(why) if why.contains(expected)), "{name}: {refused}");
        }
        let forged = SimIssuer::start().await.unwrap().sign(&good);
        for bad in ["", "a.b.c", &forged, &issuer.sign_symmetric(&good), &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(matches!(oidc.verify(bad).await, Err(OidcError::Refused(_))), "{bad}");
        }
        assert_eq!(issuer.reads(), 1, "unknown keys do not have the issuer asked again and again");
    }

    #[tokio::test]
    async fn keys_are_kept_and_an_issuer_that_is_away_refuses_nobody_for_good() {
        let (issuer, oidc, clock) = issuer().await;
        issuer.fail(true);
        let token = |clock: &Clock| issuer.sign(&claims(&issuer, clock));
        assert!(matches!(oidc.verify(&token(&clock)).await, Err(OidcError::Unavailable(_))));
        issuer.fail(false);
        assert!(matches!(oidc.verify(&token(&clock)).await, Err(OidcError::Unavailable(_))), "not at once again");
        clock.advance(Duration::from_secs(61));
        assert!(oidc.verify(&token(&clock)).await.is_ok());
        issuer.fail(true);
        clock.advance(Duration::from_secs(1_800));
        assert!(oidc.verify(&token(&clock)).await.is_ok(), "keys are kept for a while");
        clock.advance(Duration::from_secs(1_801));
        assert!(matches!(oidc.verify(&token(&clock)).await, Err(OidcError::Unavailable(_))));
    }
}
