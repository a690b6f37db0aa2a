//! The last policy of each branch that held no mistake: it stays in force while the branch's file holds one, or cannot be
//! read. What another branch says never stands in for it: whoever may push to some branch may not judge this one.

use super::{Result, Store};

/// A policy that was read without a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// Name of the branch whose file it is.
    pub base_ref: String,
    /// `owner/name` at that time.
    pub repository: String,
    /// Git's name for the file's content.
    pub blob_sha: String,
    /// The policy as JSON.
    pub body: String,
    /// When it was read, in milliseconds since 1970.
    pub stored_at: i64,
}

impl Store {
    /// The last good policy of a branch.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn last_good_policy(&self, repository_id: i64, base_ref: &str) -> Result<Option<PolicyRow>> {
        let args = vec![repository_id.into(), base_ref.into()];
        let Some(mut row) = self.db.query_one(LAST_GOOD, args).await? else { return Ok(None) };
        Ok(Some(PolicyRow {
            repository_id,
            base_ref: base_ref.to_owned(),
            repository: row.take(0)?,
            blob_sha: row.take(1)?,
            body: row.take(2)?,
            stored_at: row.take(3)?,
        }))
    }

    /// Keeps a policy in place of the branch's earlier one.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_policy(&self, row: &PolicyRow) -> Result<()> {
        let PolicyRow { repository_id, base_ref, repository, blob_sha, body, stored_at } = row;
        let args = vec![
            (*repository_id).into(),
            base_ref.into(),
            repository.into(),
            blob_sha.into(),
            body.into(),
            (*stored_at).into(),
        ];
        self.db.exec(SAVE, args).await.map(drop)
    }

    /// The last good policies of a repository's branches, each as JSON.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn last_good_bodies(&self, repository_id: i64) -> Result<Vec<String>> {
        let rows = self.db.query(BODIES, vec![repository_id.into()]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// Keeps none for a branch: its file is gone.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_policy(&self, repository_id: i64, base_ref: &str) -> Result<()> {
        self.db.exec(FORGET, vec![repository_id.into(), base_ref.into()]).await.map(drop)
    }
}

pub(super) const STATEMENTS: &[&str] = &[SAVE, LAST_GOOD, BODIES, FORGET];

const SAVE: &str = "\
INSERT INTO policies (repository_id, base_ref, repository, blob_sha, body, stored_at) VALUES ($1, $2, $3, $4, $5, $6) \
ON CONFLICT (repository_id, base_ref) DO UPDATE SET repository = excluded.repository, blob_sha = excluded.blob_sha, \
  body = excluded.body, stored_at = excluded.stored_at";

const LAST_GOOD: &str = "\
SELECT repository, blob_sha, body, stored_at FROM policies WHERE repository_id = $1 AND base_ref = $2";

const BODIES: &str = "\
SELECT body FROM policies WHERE repository_id = $1 ORDER BY base_ref";

const FORGET: &str = "\
DELETE FROM policies WHERE repository_id = $1 AND base_ref = $2";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[tokio::test]
    async fn the_later_policy_of_the_branch_holds_until_it_is_gone() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.last_good_policy(1, "main").await, Ok(None));
        let first = PolicyRow {
            repository_id: 1,
            base_ref: "main".to_owned(),
            repository: "acme/shop".to_owned(),
            blob_sha: "b6fc4c62".to_owned(),
            body: "{}".to_owned(),
            stored_at: 1,
        };
        let second = PolicyRow { body: "{\"mode\":\"enforce\"}".to_owned(), stored_at: 2, ..first.clone() };
        let elsewhere = PolicyRow { base_ref: "own".to_owned(), ..first.clone() };
        for row in [&first, &second, &PolicyRow { repository_id: 2, ..first.clone() }, &elsewhere] {
            store.save_policy(row).await.unwrap();
        }
        assert_eq!(store.last_good_policy(1, "main").await, Ok(Some(second)));
        store.forget_policy(1, "main").await.unwrap();
        assert_eq!(store.last_good_policy(1, "main").await, Ok(None));
        assert_eq!(store.last_good_policy(1, "own").await, Ok(Some(elsewhere)));
    }
}
