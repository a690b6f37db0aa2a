//! Coverage that CI uploads: who may, what is taken, and what happens then.

mod inflate;
pub(super) mod pace;
mod upload;

use std::sync::Arc;

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use url::Url;

pub use inflate::{NotInflated, inflate, is_gzip};
pub(super) use upload::put;

use crate::{
    clock::Clock,
    github::{self, Oidc},
};

/// How an upload token begins, so that people and scanners of secrets know one when they see it.
pub const TOKEN_PREFIX: &str = "mergecast_upload_";

/// Reports that are unpacked and read at the same time: each may take some 100 MB while it lasts.
const READ_AT_ONCE: usize = 2;

/// Where coverage comes from besides what is uploaded with a token; the default is from nowhere else.
#[derive(Clone, Debug, Default)]
pub struct CoverageSettings {
    /// The issuer of workflow tokens that are taken in place of upload tokens, and their audience.
    pub oidc: Option<(Url, String)>,
    /// Codecov.
    pub codecov: Option<RemoteSettings>,
    /// SonarQube, Cloud or Server.
    pub sonar: Option<RemoteSettings>,
}

/// Another system's address and token.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// Base of its API.
    pub url: Url,
    /// Its token.
    pub token: SecretString,
}

/// What receives uploads.
pub(super) struct Desk {
    oidc: Option<Oidc>,
    readers: Arc<Semaphore>,
    pace: pace::Pace,
}

impl Desk {
    pub(super) fn new(settings: &CoverageSettings, clock: &Clock) -> Result<Self, github::Error> {
        let oidc = settings.oidc.as_ref().map(|(issuer, audience)| Oidc::new(issuer, audience.clone(), clock.clone()));
        Ok(Self {
            oidc: oidc.transpose()?,
            readers: Arc::new(Semaphore::new(READ_AT_ONCE)),
            pace: pace::Pace::default(),
        })
    }

    /// Whose tokens of workflows are taken.
    pub(super) fn oidc(&self) -> Option<&Oidc> {
        self.oidc.as_ref()
    }
}

/// What is kept of a token.
pub fn token_digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}
