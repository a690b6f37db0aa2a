//! Branches whose CODEOWNERS file or policy was pushed to, until their open pull requests have been looked at again. A
//! repository with such a branch is due to be swept.

use std::collections::BTreeMap;

use super::{Result, Store};

/// What of a branch was pushed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Who owns what, or all of it: every pull request is looked at again.
    Owners,
    /// The policy alone: whatever was scored under another one is.
    Policy,
}

impl Store {
    /// Notes what of a branch was pushed to, and makes its repository due to be swept from the beginning.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is noted.
    pub async fn note_rules_pushed(&self, repository_id: i64, base_ref: &str, what: Pushed, now: i64) -> Result<()> {
        let owners = i64::from(what == Pushed::Owners);
        let noted = (NOTE, vec![repository_id.into(), base_ref.into(), now.into(), owners.into()]);
        self.db.tx(vec![noted, (SWEEP_ANEW, vec![repository_id.into()])]).await.map(drop)
    }

    /// The branches of a repository whose rules were pushed to.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn rules_pushed(&self, repository_id: i64) -> Result<BTreeMap<String, Pushed>> {
        let rows = self.db.query(CHANGED, vec![repository_id.into()]).await?;
        let what = |owners: i64| if owners == 1 { Pushed::Owners } else { Pushed::Policy };
        rows.into_iter().map(|mut row| Ok((row.take(0)?, what(row.take(1)?)))).collect()
    }

    /// All open pull requests were looked at, from `began` on: what changed before is done. Where something changed since,
    /// the repository is due to be swept once more.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is forgotten.
    pub async fn rules_followed(&self, repository_id: i64, began: i64) -> Result<()> {
        let done = (DONE, vec![repository_id.into(), began.into()]);
        self.db.tx(vec![done, (SWEEP_FOR_REST, vec![repository_id.into()])]).await.map(drop)
    }
}

pub(super) const STATEMENTS: &[&str] = &[NOTE, SWEEP_ANEW, CHANGED, DONE, SWEEP_FOR_REST];

const NOTE: &str = "\
INSERT INTO owners_changed (repository_id, base_ref, changed_at, owners) VALUES ($1, $2, $3, $4) \
ON CONFLICT (repository_id, base_ref) DO UPDATE SET changed_at = excluded.changed_at, \
  owners = CASE WHEN excluded.owners = 1 THEN 1 ELSE owners_changed.owners END";

const SWEEP_ANEW: &str = "\
UPDATE installation_repositories SET sweep_cursor = NULL, swept_at = NULL WHERE repository_id = $1";

const CHANGED: &str = "\
SELECT base_ref, owners FROM owners_changed WHERE repository_id = $1 ORDER BY base_ref";

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
        let pushed = async || store.rules_pushed(9).await.unwrap().into_iter().collect::<Vec<_>>();
        let (main, next) = (|what| ("main".to_owned(), what), ("next".to_owned(), Pushed::Owners));
        store.note_rules_pushed(9, "main", Pushed::Policy, 2_050).await.unwrap();
        assert_eq!((due().await, pushed().await), (1, vec![main(Pushed::Policy)]));
        store.note_rules_pushed(9, "main", Pushed::Owners, 2_060).await.unwrap();
        store.note_rules_pushed(9, "main", Pushed::Policy, 2_100).await.unwrap();
        assert_eq!((due().await, pushed().await), (1, vec![main(Pushed::Owners)]), "the more of the two holds");
        // While its pages are read, another branch's file is pushed to.
        store.note_rules_pushed(9, "next", Pushed::Owners, 2_300).await.unwrap();
        // Where that sweep is then does not matter: it begins anew.
        store.swept_to(9, "c1", 2_200).await.unwrap();
        assert_eq!(store.repositories_to_sweep(1, 1_000, 9).await.unwrap()[0].cursor, None);
        store.repository_swept(9, 2_400).await.unwrap();
        store.rules_followed(9, 2_200).await.unwrap();
        assert_eq!((due().await, pushed().await), (1, vec![next]));
        store.repository_swept(9, 2_600).await.unwrap();
        store.rules_followed(9, 2_500).await.unwrap();
        assert_eq!((due().await, pushed().await), (0, Vec::new()));
        assert_eq!(store.rules_pushed(8).await, Ok(BTreeMap::new()));
    }
}
