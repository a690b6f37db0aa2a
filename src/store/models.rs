//! Model versions: saved once, never overwritten.

use super::{Result, Store, StoreError};

impl Store {
    /// Keeps a model under its version; `false` if another one is kept under it already, which then stays.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_model(&self, version: &str, body: &str, now: i64) -> Result<bool> {
        let insert = self.db.exec(SAVE, vec![version.into(), body.into(), now.into()]).await?;
        if insert.changed == 1 {
            return Ok(true);
        }
        let kept = self.model(version).await?.ok_or(StoreError::Unreadable("a model"))?;
        Ok(kept == body)
    }

    /// The model of this version, as it was saved.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn model(&self, version: &str) -> Result<Option<String>> {
        self.db.query_one(BY_VERSION, vec![version.into()]).await?.map(|mut row| row.take(0)).transpose()
    }
}

pub(super) const STATEMENTS: &[&str] = &[SAVE, BY_VERSION];

const SAVE: &str = "\
INSERT INTO models (version, body, stored_at) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING";

const BY_VERSION: &str = "\
SELECT body FROM models WHERE version = $1";

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[tokio::test]
    async fn a_version_is_written_once() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.model("v1").await, Ok(None));
        assert_eq!(store.save_model("v1", "{}", 1).await, Ok(true));
        assert_eq!(store.save_model("v1", "{}", 2).await, Ok(true));
        assert_eq!(store.save_model("v1", "{\"other\":1}", 3).await, Ok(false));
        assert_eq!(store.model("v1").await, Ok(Some("{}".to_owned())));
    }
}
