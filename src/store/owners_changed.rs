//! Branches whose CODEOWNERS file was pushed to, until their open pull requests have been looked at again. A repository
//! with such a branch is due to be swept.

use std::collections::BTreeSet;

use super::{Result, Store};

impl Store {
    /// Notes that the CODEOWNERS file of a branch was pushed to, and makes its repository due to be swept from the
    /// beginning.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is noted.
    pub async fn note_owners_changed(&self, repository_id: i64, base_ref: &str, now: i64) -> Result<()> {
        let noted = (NOTE, vec![repository_id.into(), base_ref.into(), now.into()]);
        self.db.tx(vec![noted, (SWEEP_ANEW, vec![repository_id.into()])]).await.map(drop)
    }

    /// The branches of a repository whose owners have changed.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn owners_changed(&self, repository_id: i64) -> Result<BTreeSet<String>> {
        let rows = self.db.query(CHANGED, vec![repository_id.into()]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// All open pull requests were looked at, from `began` on: what changed before is done. Where something changed since,
    /// the repository is due to be swept once more.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is forgotten.
    pub async fn owners_followed(&self, repository_id: i64, began: i64) -> Result<()> {
        let done = (DONE, vec![repository_id.into(), began.into()]);
        self.db.tx(vec![done, (SWEEP_FOR_REST, vec![repository_id.into()])]).await.map(drop)
    }
}

pub(super) const STATEMENTS: &[&str] = &[NOTE, SWEEP_ANEW, CHANGED, DONE, SWEEP_FOR_REST];

const NOTE: &str = "\
INSERT INTO owners_changed (repository_id, base_ref, changed_at) VALUES ($1, $2, $3) \
ON CONFLICT (repository_id, base_ref) DO UPDATE SET changed_at = excluded.changed_at";

const SWEEP_ANEW: &str = "\
UPDATE installation_repositories SET sweep_cursor = NULL, swept_at = NULL WHERE repository_id = $1";

const CHANGED: &str = "\
SELECT base_ref FROM owners_changed WHERE repository_id = $1 ORDER BY base_ref";

const DONE: &str = "\
DELETE FROM owners_changed WHERE repository_id = $1 AND changed_at < $2";

const SWEEP_FOR_REST: &str = "\
UPDATE installation_repositories SET sweep_cursor = NULL, swept_at = NULL \
WHERE repository_id = $1 AND EXISTS (SELECT 1 FROM owners_changed c WHERE c.repository_id = $1)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::store::CoveredRepository;

    #[tokio::test]
    async fn a_change_is_followed_once_and_one_that_comes_meanwhile_once_more() {
        let place = Place::new();
        let store = place.open().await;
        let due = async || store.repositories_to_sweep(1, 1_000, 9).await.unwrap().len();
        let seen = CoveredRepository { repository_id: 9, repository: "acme/shop".to_owned(), archived: false };
        store.repository_seen(1, &seen).await.unwrap();
        store.repository_swept(9, 2_000).await.unwrap();
        assert_eq!(due().await, 0);
        store.note_owners_changed(9, "main", 2_100).await.unwrap();
        assert_eq!((due().await, store.owners_changed(9).await), (1, Ok(BTreeSet::from(["main".to_owned()]))));
        // While its pages are read, another branch's file is pushed to.
        store.note_owners_changed(9, "next", 2_300).await.unwrap();
        // Where that sweep is then does not matter: it begins anew.
        store.swept_to(9, "c1", 2_200).await.unwrap();
        assert_eq!(store.repositories_to_sweep(1, 1_000, 9).await.unwrap()[0].cursor, None);
        store.repository_swept(9, 2_400).await.unwrap();
        store.owners_followed(9, 2_200).await.unwrap();
        assert_eq!((due().await, store.owners_changed(9).await), (1, Ok(BTreeSet::from(["next".to_owned()]))));
        store.repository_swept(9, 2_600).await.unwrap();
        store.owners_followed(9, 2_500).await.unwrap();
        assert_eq!((due().await, store.owners_changed(9).await), (0, Ok(BTreeSet::new())));
        assert_eq!(store.owners_changed(8).await, Ok(BTreeSet::new()));
    }
}
