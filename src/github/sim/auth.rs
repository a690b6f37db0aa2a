//! Logins of the simulated GitHub: who a request comes from, and what it may do.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};

use super::Shared;
use super::answer::{Answer, Request};
use super::state::{Permissions, Repo, State, key};

/// An installation token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) installation: u64,
    pub(super) expires_at: DateTime<Utc>,
    /// What it was narrowed to, or all that the installation grants.
    pub(super) permissions: Permissions,
    /// Lower-case full names; `None` for every repository of the installation.
    pub(super) repositories: Option<Vec<String>>,
}

/// Hours that an installation token lives.
const TOKEN_LIFE_H: i64 = 1;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// The app itself, by JWT.
    App,
    /// An installation, by token.
    Installation(Token),
}

impl Caller {
    pub(super) fn installation(&self) -> Option<u64> {
        match self {
            Self::App => None,
            Self::Installation(token) => Some(token.installation),
        }
    }

    pub(super) fn permissions(&self) -> Option<&Permissions> {
        match self {
            Self::App => None,
            Self::Installation(token) => Some(&token.permissions),
        }
    }

    /// Whether a permission is granted at this level, or at a higher one.
    pub(super) fn may(&self, permission: &str, level: &str) -> bool {
        let granted = self.permissions().and_then(|p| p.get(permission)).map(String::as_str);
        granted == Some(level)
            || matches!((granted, level), (Some("write" | "admin"), "read") | (Some("admin"), "write"))
    }
}

/// Finds out who asks. Errors are the 401 that GitHub gives.
pub(super) fn authenticate(shared: &Shared, request: &Request) -> Result<Caller, Answer> {
    let Some(header) = request.header("authorization") else {
        return Err(Answer::error(401, "Requires authentication"));
    };
    let (scheme, credential) = header.split_once(' ').unwrap_or((header, ""));
    let bearer = scheme.eq_ignore_ascii_case("bearer");
    if !bearer && !scheme.eq_ignore_ascii_case("token") {
        return Err(Answer::error(401, "Bad credentials"));
    }
    if credential.starts_with("ghs_") {
        return by_token(&shared.state(), credential);
    }
    let (login, now) = {
        let state = shared.state();
        (Arc::clone(&state.login), state.now().timestamp())
    };
    let issuers = [login.app.app_id.to_string(), login.app.client_id.clone()];
    let verdict = login.verify(credential, &issuers, now);
    verdict.map_err(|why| Answer::error(401, why))?;
    // GitHub takes a JWT as a bearer token only.
    if bearer { Ok(Caller::App) } else { Err(Answer::error(401, "Bad credentials")) }
}

fn by_token(state: &State, credential: &str) -> Result<Caller, Answer> {
    let token = state.tokens.get(credential).filter(|t| t.expires_at > state.now());
    token.cloned().map(Caller::Installation).ok_or_else(|| Answer::error(401, "Bad credentials"))
}

impl State {
    /// Makes an installation token: some 520 characters with dots, or the old 40 where that form is asked for.
    pub(super) fn issue_token(&mut self, token: Token, old_form: bool) -> String {
        let random = |rng: &mut fastrand::Rng, bytes: usize| {
            let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(bytes).collect();
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let text = if old_form {
            let letters = std::iter::repeat_with(|| self.rng.alphanumeric()).take(36);
            format!("ghs_{}", letters.collect::<String>())
        } else {
            let (header, claims) = (random(&mut self.rng, 60), random(&mut self.rng, 66));
            format!("ghs_{}_{header}.{claims}.{}", self.app.id, random(&mut self.rng, 256))
        };
        self.tokens.insert(text.clone(), token);
        text
    }

    pub(super) fn token_end(&self) -> DateTime<Utc> {
        self.now() + TimeDelta::hours(TOKEN_LIFE_H)
    }

    /// The repository, if the caller may see it.
    pub(super) fn visible(&self, caller: &Caller, owner: &str, name: &str) -> Option<&Repo> {
        let full_name = format!("{owner}/{name}");
        let repo = self.repo(&full_name)?;
        let Caller::Installation(token) = caller else { return Some(repo) };
        let own = self.installations.get(&token.installation)?.covers(repo);
        let narrowed_out = token.repositories.as_ref().is_some_and(|r| !r.contains(&key(&repo.full_name())));
        (own && !narrowed_out).then_some(repo)
    }
}
