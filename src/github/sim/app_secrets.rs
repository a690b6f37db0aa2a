//! The app's secrets as its owner changes them: several private keys may be good at a time, one webhook secret is.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::Sim;
use super::app_key::{AppKey, AppLogin};

impl Sim {
    /// Makes a further private key, which counts beside the others; gives it in PEM.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn add_private_key(&self) -> std::io::Result<SecretString> {
        let key = AppKey::generate().map_err(std::io::Error::other)?;
        let pem = key.private_pem.clone();
        self.change_login(|login| login.keys.push(key));
        Ok(pem)
    }

    /// Deletes a private key: what it signs is refused from now on. Tokens that it helped to make stay good.
    pub fn delete_private_key(&self, pem: &SecretString) {
        self.change_login(|login| login.keys.retain(|key| key.private_pem.expose_secret() != pem.expose_secret()));
    }

    /// Signs webhooks with another secret from now on.
    pub fn change_webhook_secret(&self, secret: &str) {
        self.change_login(|login| login.app.webhook_secret = SecretString::from(secret));
    }

    pub(super) fn change_login(&self, change: impl FnOnce(&mut AppLogin)) {
        self.act(|state| {
            let login = Arc::make_mut(&mut state.login);
            change(login);
            login.app.private_key_pem = login.keys.last().map(|key| key.private_pem.clone()).unwrap_or_default();
        });
    }
}
