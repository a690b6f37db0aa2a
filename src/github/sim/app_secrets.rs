//! The app's secrets as its owner changes them: several private keys may be good at a time, one webhook secret is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use super::Sim;
use super::app_key::AppKey;

/// The keys, the newest last, and the secret that signs webhooks.
pub(super) struct AppSecrets(Mutex<Inner>);

struct Inner {
    keys: Vec<AppKey>,
    webhook: SecretString,
}

impl AppSecrets {
    pub(super) fn new(key: AppKey, webhook: SecretString) -> Self {
        Self(Mutex::new(Inner { keys: vec![key], webhook }))
    }

    /// The newest key, in PEM, and the webhook secret.
    pub(super) fn current(&self) -> (SecretString, SecretString) {
        let inner = self.lock();
        let newest = inner.keys.last().map(|key| key.private_pem.clone());
        (newest.unwrap_or_default(), inner.webhook.clone())
    }

    /// Checks a JWT against each key.
    pub(super) fn verify(&self, jwt: &str, issuers: &[String], now: i64) -> Result<(), String> {
        let inner = self.lock();
        let mut verdicts = inner.keys.iter().map(|key| key.verify(jwt, issuers, now));
        let newest = verdicts.next_back().unwrap_or_else(|| Err("The app has no key".to_owned()));
        newest.or_else(|error| verdicts.find(Result::is_ok).unwrap_or(Err(error)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim {
    /// Makes a further private key, which counts beside the others; gives it in PEM.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn add_private_key(&self) -> std::io::Result<SecretString> {
        let key = AppKey::generate().map_err(std::io::Error::other)?;
        let pem = key.private_pem.clone();
        self.shared.secrets.lock().keys.push(key);
        Ok(pem)
    }

    /// Deletes a private key: what it signs is refused from now on. Tokens that it helped to make stay good.
    pub fn delete_private_key(&self, pem: &SecretString) {
        self.shared.secrets.lock().keys.retain(|key| key.private_pem.expose_secret() != pem.expose_secret());
    }

    /// Signs webhooks with another secret from now on.
    pub fn change_webhook_secret(&self, secret: &str) {
        self.shared.secrets.lock().webhook = SecretString::from(secret);
    }
}
