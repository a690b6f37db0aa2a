//! The App's login: its signed token (JWT) and the installations' tokens. Secrets stay inside and are never printed.
//!
//! An installation has one token for all its repositories, not one for each: that saves a call per repository and hour,
//! and the token never leaves this process. A token that is handed out (to git) must be narrowed to its repository.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::error::Error;

/// GitHub refuses a JWT that seems to come from the future.
const JWT_BACKDATE: TimeDelta = TimeDelta::seconds(60);
/// GitHub's bound is ten minutes from its own now.
const JWT_LIFETIME: TimeDelta = TimeDelta::minutes(9);
/// A token is renewed this long before it ends, so that none ends under way.
const TOKEN_MARGIN: TimeDelta = TimeDelta::minutes(5);
/// Lifetime of a token whose answer names none.
const TOKEN_LIFETIME_UNSAID: TimeDelta = TimeDelta::minutes(10);

/// The App's identity.
#[derive(Clone, Debug)]
pub struct AppCredentials {
    /// Number of the App.
    pub app_id: u64,
    /// Its client id, which GitHub recommends as the issuer of tokens.
    pub client_id: Option<String>,
    /// RSA private key in PEM.
    pub private_key_pem: SecretString,
}

/// What an installation allows: permission name to `read`, `write` or `admin`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub BTreeMap<String, String>);

impl Permissions {
    /// Whether it allows at least to read.
    pub fn can_read(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether it allows to write.
    pub fn can_write(&self, name: &str) -> bool {
        matches!(self.0.get(name).map(String::as_str), Some("write" | "admin"))
    }
}

/// Signs as the App.
pub(super) struct Signer {
    issuer: Issuer,
    key: EncodingKey,
}

/// Client ids are text, App ids are numbers, and GitHub wants each as it is.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Issuer {
    Client(String),
    App(u64),
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a Issuer,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Refuses what is no RSA key, by signing with it once.
    pub(super) fn new(app: &AppCredentials) -> Result<Self, Error> {
        let invalid = || Error::Invalid { message: "the App's private key is not an RSA key in PEM".into() };
        let key = EncodingKey::from_rsa_pem(app.private_key_pem.expose_secret().as_bytes()).map_err(|_| invalid())?;
        let issuer = app.client_id.clone().map_or(Issuer::App(app.app_id), Issuer::Client);
        let signer = Self { issuer, key };
        signer.jwt(DateTime::UNIX_EPOCH).map_err(|_| invalid())?;
        Ok(signer)
    }

    /// A token of the App itself, good for a few minutes.
    pub(super) fn jwt(&self, now: DateTime<Utc>) -> Result<SecretString, Error> {
        let iat = (now - JWT_BACKDATE).timestamp();
        let claims = Claims { iat, exp: (now + JWT_LIFETIME).timestamp(), iss: &self.issuer };
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key);
        jwt.map(SecretString::from).map_err(|_| Error::contract("the App's key does not sign"))
    }
}

/// A token of an installation.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    pub(super) permissions: Permissions,
    pub(super) expires_at: DateTime<Utc>,
}

/// What GitHub answers to a request for a token.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    token: SecretText,
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

/// Text that is secret from the moment it is parsed.
pub(super) struct SecretText(pub(super) SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(from)?.into()))
    }
}

impl Token {
    pub(super) fn new(answer: TokenAnswer, now: DateTime<Utc>) -> Self {
        Self {
            secret: answer.token.0,
            permissions: Permissions(answer.permissions),
            expires_at: answer.expires_at.unwrap_or(now + TOKEN_LIFETIME_UNSAID),
        }
    }

    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.expires_at - TOKEN_MARGIN > now
    }
}

/// The one token of an installation. However many ask at once, one of them fetches it; if that fails, those who were
/// waiting share the failure instead of each failing in turn.
#[derive(Debug, Default)]
pub(super) struct TokenSlot {
    fetches: AtomicU64,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    token: Option<Arc<Token>>,
    failure: Option<Error>,
}

impl TokenSlot {
    /// The token, fetched by `fetch` if there is no fresh one.
    pub(super) async fn get<F>(&self, now: DateTime<Utc>, fetch: impl FnOnce() -> F) -> Result<Arc<Token>, Error>
    where
        F: Future<Output = Result<Token, Error>>,
    {
        let seen = self.fetches.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(token) = state.token.as_ref().filter(|t| t.is_fresh(now)) {
            return Ok(Arc::clone(token));
        }
        if let Some(failure) = state.failure.as_ref().filter(|_| self.fetches.load(Ordering::Acquire) != seen) {
            return Err(failure.clone());
        }
        let fetched = fetch().await.map(Arc::new);
        self.fetches.fetch_add(1, Ordering::Release);
        state.token = fetched.as_ref().ok().cloned();
        state.failure = fetched.as_ref().err().cloned();
        fetched
    }

    /// Whether the next [`TokenSlot::get`] finds one.
    pub(super) async fn is_filled(&self, now: DateTime<Utc>) -> bool {
        self.state.lock().await.token.as_ref().is_some_and(|token| token.is_fresh(now))
    }

    /// Drops whatever token there is.
    pub(super) async fn clear(&self) {
        self.state.lock().await.token = None;
    }

    /// Drops `refused`, unless it was replaced already.
    pub(super) async fn drop_token(&self, refused: &Arc<Token>) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|t| Arc::ptr_eq(t, refused)) {
            state.token = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::super::scripted::{KEY, Scripted, json, start_time};
    use super::*;

    fn credentials(client_id: Option<&str>) -> AppCredentials {
        let private_key_pem = SecretString::from(KEY.as_str());
        AppCredentials { app_id: 7, client_id: client_id.map(str::to_owned), private_key_pem }
    }

    #[test]
    fn the_jwt_is_short_lived_and_names_its_issuer() {
        let check = |client_id: Option<&str>, issuer: Value| {
            let jwt = Signer::new(&credentials(client_id)).unwrap().jwt(start_time()).unwrap();
            let claims = jwt.expose_secret().split('.').nth(1).unwrap().to_owned();
            let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
            let now = start_time().timestamp();
            assert_eq!(claims, json!({"iat": now - 60, "exp": now + 540, "iss": issuer}));
        };
        check(Some("Iv23liExample"), json!("Iv23liExample"));
        check(None, json!(7));
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for bad in ["", "SENTINEL", "-----BEGIN RSA PRIVATE KEY-----\nU0VOVElORUw=\n-----END RSA PRIVATE KEY-----\n"] {
            let app = AppCredentials { private_key_pem: SecretString::from(bad), ..credentials(None) };
            let error = Signer::new(&app).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }));
            assert!(!format!("{error} {error:?} {app:?}").contains("SENTINEL"));
        }
    }

    #[tokio::test]
    async fn fifty_calls_at_once_fetch_one_token() {
        let s = Scripted::start(|a| a.target.contains("check-runs").then(|| json(200, &json!({"id": 1})))).await;
        let i = s.installation();
        let repo = super::super::scripted::repo();
        let calls = join_all((0..50).map(|n| i.check_run(&repo, n))).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        assert_eq!((s.mints(), s.asked().len()), (1, 50));
        // Renewed five minutes before its end, not earlier.
        s.clock.advance(std::time::Duration::from_secs(54 * 60));
        i.check_run(&repo, 1).await.unwrap();
        assert_eq!(s.mints(), 1);
        s.clock.advance(std::time::Duration::from_secs(61));
        i.check_run(&repo, 1).await.unwrap();
        assert_eq!(s.mints(), 2);
        // A forgotten installation starts anew.
        s.github.forget(1).await;
        s.installation().check_run(&repo, 1).await.unwrap();
        assert_eq!(s.mints(), 3);
    }

    #[tokio::test]
    async fn those_who_wait_share_a_failure() {
        let s = Scripted::start(|a| a.target.ends_with("/access_tokens").then(|| json(500, &json!({})))).await;
        let i = s.installation();
        let results = join_all((0..50).map(|_| i.permissions())).await;
        let distinct: std::collections::BTreeSet<_> = results.iter().map(|r| format!("{r:?}")).collect();
        assert_eq!(distinct.len(), 1, "{distinct:?}");
        assert!(matches!(results[0], Err(Error::Unavailable { status: Some(500), .. })));
        let first = s.log_len();
        assert_eq!(first, 1);
        // Who comes later tries again.
        assert!(i.permissions().await.is_err());
        assert_eq!(s.log_len(), 2);
    }

    #[tokio::test]
    async fn a_lost_installation_is_told_apart() {
        for (status, message, expected) in [
            (404, "Not Found", Error::NotFound),
            (403, "This installation has been suspended", Error::Suspended),
            (401, "Bad credentials", Error::Unauthorized),
        ] {
            let s = Scripted::start(move |_| Some(json(status, &json!({"message": message})))).await;
            assert_eq!(s.installation().permissions().await, Err(expected));
        }
    }
}
