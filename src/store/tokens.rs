//! Tokens that may upload, or put models in force. Each is found by its digest; the token itself is shown once, when it is made, and kept nowhere.
//!
//! The look-up is by equality on an index of digests. What its time could tell is of a digest, from which no token follows.

use super::{Result, Store, db::Row};

/// A token, without what makes it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// UUID version 7.
    pub token_id: String,
    /// SHA-256 of the token, in hex.
    pub digest: String,
    /// The one repository that it is for; `None` for all that the installation covers.
    pub repository_id: Option<i64>,
    /// The installation that it is for; [`WHOLE_APP`] for one that may put models in force.
    pub installation_id: i64,
    /// `owner/name` or `owner` at the time it was made.
    pub scope: String,
    /// What its maker calls it.
    pub label: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was used last, to the hour.
    pub used_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

/// No installation of GitHub's: a token of it is for what concerns the whole App, which is its models, and for no upload.
pub const WHOLE_APP: i64 = 0;

/// Uses of a token within this time are one, so that each upload is not a write more.
const USED_TO_MS: i64 = 3_600_000;

impl Store {
    /// Keeps a new token.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_token(&self, row: &TokenRow) -> Result<()> {
        let TokenRow { token_id, digest, repository_id, installation_id, scope, label, created_at, .. } = row;
        let args = vec![
            token_id.into(),
            digest.into(),
            (*repository_id).into(),
            (*installation_id).into(),
            scope.into(),
            label.into(),
            (*created_at).into(),
        ];
        self.db.exec(SAVE, args).await.map(drop)
    }

    /// The token of a digest, unless it was revoked.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn token(&self, digest: &str) -> Result<Option<TokenRow>> {
        self.db.query_one(BY_DIGEST, vec![digest.into()]).await?.map(token).transpose()
    }

    /// Every token, revoked ones included, the newest last.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>> {
        self.db.query(ALL, Vec::new()).await?.into_iter().map(token).collect()
    }

    /// Notes that a token was used, once an hour at most.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn token_used(&self, row: &TokenRow, now: i64) -> Result<()> {
        if row.used_at.is_some_and(|used| now - used < USED_TO_MS) {
            return Ok(());
        }
        self.db.exec(USED, vec![(&row.token_id).into(), now.into()]).await.map(drop)
    }

    /// Revokes a token; `false` if there is none of this id that still holds.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn revoke_token(&self, token_id: &str, now: i64) -> Result<bool> {
        self.db.exec(REVOKE, vec![token_id.into(), now.into()]).await.map(|done| done.changed == 1)
    }
}

fn token(mut row: Row) -> Result<TokenRow> {
    Ok(TokenRow {
        token_id: row.take(0)?,
        digest: row.take(1)?,
        repository_id: row.take(2)?,
        installation_id: row.take(3)?,
        scope: row.take(4)?,
        label: row.take(5)?,
        created_at: row.take(6)?,
        used_at: row.take(7)?,
        revoked_at: row.take(8)?,
    })
}

pub(super) const STATEMENTS: &[&str] = &[SAVE, BY_DIGEST, ALL, USED, REVOKE];

const SAVE: &str = "\
INSERT INTO tokens (token_id, digest, repository_id, installation_id, scope, label, created_at) \
VALUES ($1, $2, $3, $4, $5, $6, $7)";

const BY_DIGEST: &str = "\
SELECT token_id, digest, repository_id, installation_id, scope, label, created_at, used_at, revoked_at \
FROM tokens WHERE digest = $1 AND revoked_at IS NULL";

const ALL: &str = "\
SELECT token_id, digest, repository_id, installation_id, scope, label, created_at, used_at, revoked_at \
FROM tokens ORDER BY created_at, token_id";

const USED: &str = "\
UPDATE tokens SET used_at = $2 WHERE token_id = $1";

const REVOKE: &str = "\
UPDATE tokens SET revoked_at = $2 WHERE token_id = $1 AND revoked_at IS NULL";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[tokio::test]
    async fn a_token_is_found_by_its_digest_until_it_is_revoked() {
        let place = Place::new();
        let store = place.open().await;
        let row = TokenRow {
            token_id: "t1".to_owned(),
            digest: "d1".to_owned(),
            repository_id: Some(7),
            installation_id: 42,
            scope: "acme/shop".to_owned(),
            label: "CI".to_owned(),
            created_at: 1,
            used_at: None,
            revoked_at: None,
        };
        store.save_token(&row).await.unwrap();
        assert!(store.save_token(&TokenRow { token_id: "t2".to_owned(), ..row.clone() }).await.is_err(), "one digest");
        assert_eq!(store.token("d1").await, Ok(Some(row.clone())));
        store.token_used(&row, 5).await.unwrap();
        let used = TokenRow { used_at: Some(5), ..row };
        store.token_used(&used, 6).await.unwrap();
        assert_eq!(store.token("d1").await, Ok(Some(used.clone())));
        assert_eq!((store.revoke_token("t1", 9).await, store.revoke_token("t1", 10).await), (Ok(true), Ok(false)));
        assert_eq!(store.token("d1").await, Ok(None));
        assert_eq!(store.tokens().await, Ok(vec![TokenRow { revoked_at: Some(9), ..used }]));
    }
}
