//! Who tells something over the API: by an upload token, or by a workflow's own token from GitHub Actions.

use axum::http::{HeaderMap, header};

use super::{
    App,
    coverage::{TOKEN_PREFIX, token_digest},
};
use crate::{
    github::{OidcError, Workflow},
    store::{DueRepository, StoreError, Teller, TokenRow},
};

/// Somebody who has shown a good token.
pub(super) enum Caller {
    /// By a token of ours.
    Token(TokenRow),
    /// By a workflow's.
    Workflow(Workflow),
}

/// Why a caller is not known.
pub(super) enum Unknown {
    /// No token, or one that is not good; in words.
    Refused(&'static str),
    /// It cannot be said now.
    Unavailable,
    /// A workflow of a repository that the App does not cover: GitHub makes such a token for whoever asks.
    Uncovered,
    /// The database fails.
    Store(StoreError),
}

impl Caller {
    /// Who it is, by the header `Authorization`.
    pub(super) async fn of(app: &App, headers: &HeaderMap) -> Result<Self, Unknown> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header = header.ok_or(Unknown::Refused("the header Authorization is missing"))?;
        let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim()).filter(|token| !token.is_empty());
        let token = token.ok_or(Unknown::Refused("the header Authorization is not Bearer with a token"))?;
        if token.starts_with(TOKEN_PREFIX) {
            let row = app.store.token(&token_digest(token)).await.map_err(Unknown::Store)?;
            let row = row.ok_or(Unknown::Refused("the token is not known, or was revoked"))?;
            // That it was used is worth knowing, not worth failing for.
            if let Err(error) = app.store.token_used(&row, app.clock.now_ms()).await {
                tracing::warn!(%error, token.id = row.token_id, "that a token was used could not be noted");
            }
            return Ok(Self::Token(row));
        }
        let Some(oidc) = app.coverage.oidc() else {
            return Err(Unknown::Refused("the token is not one of this Mergecast"));
        };
        match oidc.verify(token).await {
            Ok(workflow) => Ok(Self::Workflow(workflow)),
            Err(OidcError::Refused(why)) => Err(Unknown::Refused(why)),
            Err(error @ OidcError::Unavailable(_)) => {
                tracing::error!(%error, "a workflow's token could not be checked");
                Err(Unknown::Unavailable)
            }
        }
    }

    /// Whether it speaks for this repository.
    pub(super) fn may(&self, repository: &DueRepository) -> bool {
        match self {
            Self::Token(row) => {
                row.installation_id == repository.installation_id
                    && row.repository_id.is_none_or(|id| id == repository.repository_id)
            }
            // By the number: a name may be another repository's by now.
            Self::Workflow(workflow) => i64::try_from(workflow.repository_id) == Ok(repository.repository_id),
        }
    }

    /// The installation that it speaks for, and the repository where it is one alone.
    pub(super) async fn speaks_for(&self, app: &App) -> Result<Teller, Unknown> {
        let repository_id = match self {
            Self::Token(row) => {
                return Ok(Teller { repository_id: row.repository_id, installation_id: Some(row.installation_id) });
            }
            Self::Workflow(workflow) => i64::try_from(workflow.repository_id).map_err(|_| Unknown::Uncovered)?,
        };
        let name = app.store.repository_name(repository_id).await.map_err(Unknown::Store)?.ok_or(Unknown::Uncovered)?;
        let found = app.store.repository_named(&name).await.map_err(Unknown::Store)?;
        let found = found.filter(|found| found.repository_id == repository_id).ok_or(Unknown::Uncovered)?;
        Ok(Teller { repository_id: Some(repository_id), installation_id: Some(found.installation_id) })
    }
}
