//! The App's login: its signed token (JWT) and the installations' tokens. Secrets stay inside and are never printed.

use std::collections::BTreeMap;

use secrecy::SecretString;

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
