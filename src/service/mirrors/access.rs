//! What opens a repository for git: its name today, and a token that reads its contents and nothing else.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::super::App;
use crate::github::{Error, HandedToken, RepoName};

/// A token that ends sooner than this may end while a large repository is fetched.
const LEAST: TimeDelta = TimeDelta::minutes(15);

/// Tokens for git, each for one repository. They are in memory only.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<i64, HandedToken>>);

impl Tokens {
    /// Drops the token of a repository.
    pub(super) fn drop_of(&self, repository_id: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&repository_id);
    }

    fn get(&self, repository_id: i64, now: DateTime<Utc>) -> Option<SecretString> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.expires_at > now + LEAST);
        tokens.get(&repository_id).map(|token| token.secret.clone())
    }

    fn keep(&self, repository_id: i64, token: HandedToken) -> SecretString {
        let secret = token.secret.clone();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(repository_id, token);
        secret
    }
}

/// Owner and name, each fit for a path; `None` for what GitHub would not call a repository.
pub(super) fn name(repository: &str) -> Option<(String, String)> {
    let name = RepoName::parse(repository)?;
    Some((name.owner().to_owned(), name.name().to_owned()))
}

/// A token for one repository.
pub(super) async fn token(
    app: &App,
    tokens: &Tokens,
    installation_id: i64,
    repository_id: i64,
) -> Result<SecretString, Error> {
    if let Some(token) = tokens.get(repository_id, app.clock.now()) {
        return Ok(token);
    }
    let installation = app.github.installation(installation_id.unsigned_abs());
    Ok(tokens.keep(repository_id, installation.contents_token(repository_id.unsigned_abs()).await?))
}

/// Until when an installation's rate limit is left alone.
pub(super) fn kept_until(app: &App, installation_id: i64) -> Option<DateTime<Utc>> {
    app.github.installation(installation_id.unsigned_abs()).kept_until()
}
