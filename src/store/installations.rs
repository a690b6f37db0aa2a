//! Where the App is installed and which repositories that covers, as GitHub said last. Rows are keyed by id: names follow.

use super::{
    Result, Store,
    db::{Row, Statement, Val, limit},
};

/// Repositories written in one transaction, so that none holds up the writer for long.
const AT_ONCE: usize = 500;

/// An installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationRow {
    /// GitHub's number of it.
    pub installation_id: i64,
    /// Login of the account that installed the App.
    pub account: String,
    /// Whether that is an organisation.
    pub organization: bool,
    /// What it grants, as JSON.
    pub permissions: String,
    /// The events that it is subscribed to, as JSON.
    pub events: String,
    /// Since when it is suspended, in milliseconds since 1970.
    pub suspended_at: Option<i64>,
    /// Since when it is gone, in milliseconds since 1970.
    pub deleted_at: Option<i64>,
    /// When its repositories were listed last, in milliseconds since 1970.
    pub listed_at: Option<i64>,
}

/// A repository as an installation's list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredRepository {
    /// GitHub's number of it.
    pub repository_id: i64,
    /// `owner/name`.
    pub repository: String,
    /// Nothing can be written to it.
    pub archived: bool,
}

/// A repository whose open pull requests are to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRepository {
    /// GitHub's number of it.
    pub repository_id: i64,
    /// The installation that covers it.
    pub installation_id: i64,
    /// `owner/name`.
    pub repository: String,
    /// Where the last look stopped.
    pub cursor: Option<String>,
}

impl Store {
    /// Keeps what GitHub says of an installation that exists.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_installation(&self, row: &InstallationRow) -> Result<()> {
        let args = vec![
            row.installation_id.into(),
            Val::from(&row.account),
            i64::from(row.organization).into(),
            Val::from(&row.permissions),
            Val::from(&row.events),
            row.suspended_at.into(),
        ];
        self.db.exec(SAVE, args).await.map(drop)
    }

    /// Notes that an installation is gone, with all that it covered. What was noted first stays.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn installation_deleted(&self, installation_id: i64, now: i64) -> Result<()> {
        let args = || vec![installation_id.into(), now.into()];
        self.db.tx(vec![(DELETED, args()), (ALL_REMOVED, args())]).await.map(drop)
    }

    /// An installation, gone ones included.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn installation(&self, installation_id: i64) -> Result<Option<InstallationRow>> {
        self.db.query_one(BY_ID, vec![installation_id.into()]).await?.map(installation).transpose()
    }

    /// Every installation that is not known to be gone.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn installations(&self) -> Result<Vec<InstallationRow>> {
        self.db.query(PRESENT, Vec::new()).await?.into_iter().map(installation).collect()
    }

    /// Keeps GitHub's whole list of what an installation covers; what is not on it is no longer covered. `listing` is to
    /// be a new one for each list. A repository that is covered anew is due to be swept.
    ///
    /// # Errors
    /// Whatever the database fails with; a part may be kept then, and nothing is taken for removed.
    pub async fn save_covered(
        &self,
        installation_id: i64,
        listing: &str,
        repositories: &[CoveredRepository],
        now: i64,
    ) -> Result<()> {
        for some in repositories.chunks(AT_ONCE) {
            let covered = some.iter().map(|each| covered(each, installation_id, listing)).collect();
            self.db.tx(covered).await?;
        }
        let removed = (REMOVED, vec![installation_id.into(), listing.into(), now.into()]);
        let seen = (SEEN, vec![installation_id.into()]);
        self.db.tx(vec![removed, seen, (LISTED, vec![installation_id.into(), now.into()])]).await.map(drop)
    }

    /// Notes what GitHub just said of one repository, asked by this installation's token: it covers it, under this name.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn repository_seen(&self, installation_id: i64, seen: &CoveredRepository) -> Result<()> {
        let CoveredRepository { repository_id, repository, archived } = seen;
        let same =
            vec![(*repository_id).into(), installation_id.into(), Val::from(repository), i64::from(*archived).into()];
        // Asked for with every score, and nearly always nothing new.
        if self.db.query_one(SAME, same).await?.is_none() {
            self.db.tx(vec![covered(seen, installation_id, "")]).await?;
        }
        Ok(())
    }

    /// The name that a repository has today, as far as GitHub said; `None` for one that is not covered.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn repository_name(&self, repository_id: i64) -> Result<Option<String>> {
        self.db.query_one(NAME, vec![repository_id.into()]).await?.map(|mut row| row.take(0)).transpose()
    }

    /// The repository that has this name today, whatever its case, and the installation that covers it; `None` if none
    /// does.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn repository_named(&self, name: &str) -> Result<Option<DueRepository>> {
        self.db.query_one(NAMED, vec![name.into()]).await?.map(due).transpose()
    }

    /// The installation in an account, by its login, whatever its case.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn installation_named(&self, account: &str) -> Result<Option<InstallationRow>> {
        self.db.query_one(OF_ACCOUNT, vec![account.into()]).await?.map(installation).transpose()
    }

    /// Whether work on a repository makes sense: neither is its installation suspended or gone, nor has it been taken
    /// from it. What was never heard of is taken for covered.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_covered(&self, installation_id: i64, repository_id: i64) -> Result<bool> {
        let row = self.db.query_one(UNCOVERED, vec![installation_id.into(), repository_id.into()]).await?;
        Ok(row.is_none())
    }

    /// Whether a repository has been taken from its installation, or that is suspended or gone.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_out_of_reach(&self, repository_id: i64) -> Result<bool> {
        Ok(self.db.query_one(OUT_OF_REACH, vec![repository_id.into()]).await?.is_some())
    }

    /// Installations that are at work and cover repositories that were last swept before `before`.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn installations_to_sweep(&self, before: i64) -> Result<Vec<i64>> {
        self.db.query(TO_SWEEP, vec![before.into()]).await?.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// At most `most` repositories of an installation that were last swept before `before`, the longest ago first.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn repositories_to_sweep(
        &self,
        installation_id: i64,
        before: i64,
        most: usize,
    ) -> Result<Vec<DueRepository>> {
        let args = vec![installation_id.into(), before.into(), limit(most)];
        let rows = self.db.query(REPOSITORIES_TO_SWEEP, args).await?;
        rows.into_iter().map(due).collect()
    }

    /// Makes all that an installation covers due to be swept: it did not hear of anything for a while.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn sweep_anew(&self, installation_id: i64) -> Result<()> {
        self.db.exec(SWEEP_ANEW, vec![installation_id.into()]).await.map(drop)
    }

    /// Notes how far the sweep of a repository is. Where owners changed since `began`, when this process took it up, the
    /// pages before the cursor have to be read once more, and nothing is noted.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn swept_to(&self, repository_id: i64, cursor: &str, began: i64) -> Result<()> {
        self.db.exec(SWEPT_TO, vec![repository_id.into(), cursor.into(), began.into()]).await.map(drop)
    }

    /// Notes that the sweep of a repository is at its end.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn repository_swept(&self, repository_id: i64, now: i64) -> Result<()> {
        self.db.exec(SWEPT, vec![repository_id.into(), now.into()]).await.map(drop)
    }
}

fn covered(each: &CoveredRepository, installation_id: i64, listing: &str) -> Statement {
    let CoveredRepository { repository_id, repository, archived } = each;
    let args = vec![
        (*repository_id).into(),
        installation_id.into(),
        Val::from(repository),
        i64::from(*archived).into(),
        listing.into(),
    ];
    (COVERED, args)
}

fn installation(mut row: Row) -> Result<InstallationRow> {
    Ok(InstallationRow {
        installation_id: row.take(0)?,
        account: row.take(1)?,
        organization: row.take::<i64>(2)? != 0,
        permissions: row.take(3)?,
        events: row.take(4)?,
        suspended_at: row.take(5)?,
        deleted_at: row.take(6)?,
        listed_at: row.take(7)?,
    })
}

fn due(mut row: Row) -> Result<DueRepository> {
    Ok(DueRepository {
        repository_id: row.take(0)?,
        installation_id: row.take(1)?,
        repository: row.take(2)?,
        cursor: row.take(3)?,
    })
}

pub(super) const STATEMENTS: &[&str] = &[
    SAVE,
    DELETED,
    ALL_REMOVED,
    BY_ID,
    PRESENT,
    COVERED,
    SAME,
    NAME,
    REMOVED,
    SEEN,
    LISTED,
    UNCOVERED,
    OUT_OF_REACH,
    NAMED,
    OF_ACCOUNT,
    TO_SWEEP,
    REPOSITORIES_TO_SWEEP,
    SWEPT_TO,
    SWEPT,
    SWEEP_ANEW,
];

const SAVE: &str = "\
INSERT INTO installations (installation_id, account, organization, permissions, events, suspended_at) \
VALUES ($1, $2, $3, $4, $5, $6) \
ON CONFLICT (installation_id) DO UPDATE SET account = excluded.account, organization = excluded.organization, \
  permissions = excluded.permissions, events = excluded.events, suspended_at = excluded.suspended_at, \
  deleted_at = NULL";

const DELETED: &str = "\
INSERT INTO installations (installation_id, account, organization, permissions, events, deleted_at) \
VALUES ($1, '', 0, '{}', '[]', $2) \
ON CONFLICT (installation_id) DO UPDATE SET deleted_at = COALESCE(installations.deleted_at, excluded.deleted_at)";

const ALL_REMOVED: &str = "\
UPDATE installation_repositories SET removed_at = $2 WHERE installation_id = $1 AND removed_at IS NULL";

const BY_ID: &str = "\
SELECT installation_id, account, organization, permissions, events, suspended_at, deleted_at, listed_at \
FROM installations WHERE installation_id = $1";

const PRESENT: &str = "\
SELECT installation_id, account, organization, permissions, events, suspended_at, deleted_at, listed_at \
FROM installations WHERE deleted_at IS NULL ORDER BY installation_id";

/// A row that is there already and comes back, or from another installation, is due to be swept. One that is only seen
/// stays on the list that it is on: a list may be in the middle of being kept.
const COVERED: &str = "\
INSERT INTO installation_repositories (repository_id, installation_id, repository, archived, listing) \
VALUES ($1, $2, $3, $4, $5) \
ON CONFLICT (repository_id) DO UPDATE SET installation_id = excluded.installation_id, \
  repository = excluded.repository, archived = excluded.archived, removed_at = NULL, \
  listing = CASE WHEN excluded.listing = '' AND installation_repositories.removed_at IS NULL \
    AND installation_repositories.installation_id = excluded.installation_id \
    THEN installation_repositories.listing ELSE excluded.listing END, \
  swept_at = CASE WHEN installation_repositories.removed_at IS NULL AND installation_repositories.archived = 0 \
    AND installation_repositories.installation_id = excluded.installation_id \
    THEN installation_repositories.swept_at ELSE NULL END, \
  sweep_cursor = CASE WHEN installation_repositories.removed_at IS NULL \
    THEN installation_repositories.sweep_cursor ELSE NULL END";

const SAME: &str = "\
SELECT 1 FROM installation_repositories \
WHERE repository_id = $1 AND installation_id = $2 AND repository = $3 AND archived = $4 AND removed_at IS NULL";

const NAME: &str = "\
SELECT repository FROM installation_repositories WHERE repository_id = $1 AND removed_at IS NULL";

/// What was seen and never listed may have come after the list was read: it has until the next one.
const REMOVED: &str = "\
UPDATE installation_repositories SET removed_at = $3 \
WHERE installation_id = $1 AND listing NOT IN ($2, '') AND removed_at IS NULL";

const SEEN: &str = "\
UPDATE installation_repositories SET listing = 'seen' WHERE installation_id = $1 AND listing = ''";

const LISTED: &str = "\
UPDATE installations SET listed_at = $2 WHERE installation_id = $1";

const UNCOVERED: &str = "\
SELECT 1 FROM installations \
WHERE installation_id = $1 AND (suspended_at IS NOT NULL OR deleted_at IS NOT NULL) \
UNION ALL \
SELECT 1 FROM installation_repositories \
WHERE repository_id = $2 AND installation_id = $1 AND removed_at IS NOT NULL";

const OUT_OF_REACH: &str = "\
SELECT 1 FROM installation_repositories r LEFT JOIN installations i ON i.installation_id = r.installation_id \
WHERE r.repository_id = $1 \
  AND (r.removed_at IS NOT NULL OR i.suspended_at IS NOT NULL OR i.deleted_at IS NOT NULL)";

const NAMED: &str = "\
SELECT r.repository_id, r.installation_id, r.repository, NULL FROM installation_repositories r \
LEFT JOIN installations i ON i.installation_id = r.installation_id \
WHERE LOWER(r.repository) = LOWER($1) AND r.removed_at IS NULL \
  AND i.suspended_at IS NULL AND i.deleted_at IS NULL ORDER BY r.repository_id LIMIT 1";

const OF_ACCOUNT: &str = "\
SELECT installation_id, account, organization, permissions, events, suspended_at, deleted_at, listed_at \
FROM installations WHERE LOWER(account) = LOWER($1) AND deleted_at IS NULL ORDER BY installation_id LIMIT 1";

const TO_SWEEP: &str = "\
SELECT DISTINCT r.installation_id FROM installation_repositories r \
JOIN installations i ON i.installation_id = r.installation_id \
WHERE i.suspended_at IS NULL AND i.deleted_at IS NULL AND r.removed_at IS NULL AND r.archived = 0 \
  AND COALESCE(r.swept_at, 0) < $1 \
ORDER BY r.installation_id";

const REPOSITORIES_TO_SWEEP: &str = "\
SELECT repository_id, installation_id, repository, sweep_cursor FROM installation_repositories \
WHERE installation_id = $1 AND removed_at IS NULL AND archived = 0 AND COALESCE(swept_at, 0) < $2 \
ORDER BY COALESCE(swept_at, 0), repository_id LIMIT $3";

const SWEPT_TO: &str = "\
UPDATE installation_repositories SET sweep_cursor = $2 WHERE repository_id = $1 \
  AND NOT EXISTS (SELECT 1 FROM owners_changed c WHERE c.repository_id = $1 AND c.changed_at >= $3)";

const SWEPT: &str = "\
UPDATE installation_repositories SET sweep_cursor = NULL, swept_at = $2 WHERE repository_id = $1";

const SWEEP_ANEW: &str = "\
UPDATE installation_repositories SET sweep_cursor = NULL, swept_at = NULL WHERE installation_id = $1";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn row(installation_id: i64) -> InstallationRow {
        InstallationRow {
            installation_id,
            account: "acme".to_owned(),
            organization: true,
            permissions: "{\"checks\":\"write\"}".to_owned(),
            events: "[]".to_owned(),
            suspended_at: None,
            deleted_at: None,
            listed_at: None,
        }
    }

    fn repository(repository_id: i64, repository: &str) -> CoveredRepository {
        CoveredRepository { repository_id, repository: repository.to_owned(), archived: false }
    }

    async fn to_sweep(store: &Store, installation_id: i64, before: i64) -> Vec<(i64, String)> {
        let due = store.repositories_to_sweep(installation_id, before, 9).await.unwrap();
        due.into_iter().map(|each| (each.repository_id, each.repository)).collect()
    }

    #[tokio::test]
    async fn what_is_seen_while_a_list_is_kept_is_not_taken_for_removed() {
        let place = Place::new();
        let store = place.open().await;
        store.save_installation(&row(1)).await.unwrap();
        store.save_covered(1, "a", &[repository(9, "acme/shop")], 100).await.unwrap();
        // The list "b" is half kept when a score sees one of its repositories, and one that is newer than the list.
        store.db.tx(vec![covered(&repository(9, "acme/shop"), 1, "b")]).await.unwrap();
        for seen in [repository(9, "acme/store"), repository(8, "acme/new")] {
            store.repository_seen(1, &seen).await.unwrap();
        }
        store.save_covered(1, "b", &[], 200).await.unwrap();
        assert_eq!((store.is_covered(1, 9).await, store.is_covered(1, 8).await), (Ok(true), Ok(true)));
        // The next list knows better.
        store.save_covered(1, "c", &[repository(9, "acme/store")], 300).await.unwrap();
        assert_eq!((store.is_covered(1, 9).await, store.is_covered(1, 8).await), (Ok(true), Ok(false)));
    }

    #[tokio::test]
    async fn a_list_says_what_came_what_went_and_what_it_is_called() {
        let place = Place::new();
        let store = place.open().await;
        store.save_installation(&row(1)).await.unwrap();
        store.save_covered(1, "a", &[repository(9, "acme/shop"), repository(8, "acme/old")], 100).await.unwrap();
        for id in [8, 9] {
            store.repository_swept(id, 200).await.unwrap();
        }
        assert_eq!(store.installations_to_sweep(200).await, Ok(vec![]));
        let archived = CoveredRepository { archived: true, ..repository(7, "acme/archive") };
        store.save_covered(1, "b", &[repository(9, "acme/store"), archived], 300).await.unwrap();
        assert_eq!(to_sweep(&store, 1, 201).await, [(9, "acme/store".to_owned())]);
        assert_eq!((store.is_covered(1, 9).await, store.is_covered(1, 8).await), (Ok(true), Ok(false)));
        assert_eq!(store.is_covered(1, 1_000).await, Ok(true), "what was never heard of");
        // What comes back is due at once.
        store.save_covered(1, "c", &[repository(9, "acme/store"), repository(8, "acme/old")], 400).await.unwrap();
        assert_eq!(to_sweep(&store, 1, 200).await, [(8, "acme/old".to_owned())]);
        assert_eq!(store.installation(1).await.unwrap().unwrap().listed_at, Some(400));
    }

    #[tokio::test]
    async fn a_transfer_is_covered_in_whichever_order_it_is_told() {
        for late in [false, true] {
            let place = Place::new();
            let store = place.open().await;
            for id in [1, 2] {
                store.save_installation(&row(id)).await.unwrap();
            }
            store.save_covered(1, "a", &[repository(9, "acme/shop")], 100).await.unwrap();
            let given = store.save_covered(1, "b", &[], 200);
            let taken = [repository(9, "globex/shop")];
            let taken = store.save_covered(2, "c", &taken, 200);
            if late {
                taken.await.unwrap();
                given.await.unwrap();
            } else {
                given.await.unwrap();
                taken.await.unwrap();
            }
            assert_eq!((store.is_covered(2, 9).await, store.is_out_of_reach(9).await), (Ok(true), Ok(false)));
            assert_eq!(to_sweep(&store, 2, 1).await, [(9, "globex/shop".to_owned())]);
        }
    }

    #[tokio::test]
    async fn suspended_and_deleted_installations_rest() {
        let place = Place::new();
        let store = place.open().await;
        store.save_installation(&row(1)).await.unwrap();
        store.save_covered(1, "a", &[repository(9, "acme/shop")], 100).await.unwrap();
        store.save_installation(&InstallationRow { suspended_at: Some(150), ..row(1) }).await.unwrap();
        assert_eq!((store.is_covered(1, 9).await, store.is_out_of_reach(9).await), (Ok(false), Ok(true)));
        assert_eq!(store.installations_to_sweep(i64::MAX).await, Ok(vec![]));
        store.save_installation(&row(1)).await.unwrap();
        store.repository_swept(9, 160).await.unwrap();
        assert_eq!(store.installations_to_sweep(160).await, Ok(vec![]));
        store.sweep_anew(1).await.unwrap();
        assert_eq!(store.installations_to_sweep(160).await, Ok(vec![1]));
        for now in [200, 300] {
            store.installation_deleted(1, now).await.unwrap();
        }
        assert_eq!(store.installation(1).await.unwrap().unwrap().deleted_at, Some(200));
        assert_eq!((store.is_covered(1, 9).await, store.installations().await), (Ok(false), Ok(vec![])));
        // It was installed again under another number.
        store.save_installation(&row(2)).await.unwrap();
        store.save_covered(2, "b", &[repository(9, "acme/shop")], 400).await.unwrap();
        assert_eq!((store.is_covered(2, 9).await, to_sweep(&store, 2, 1).await.len()), (Ok(true), 1));
    }

    #[tokio::test]
    async fn a_sweep_goes_on_where_it_stopped() {
        let place = Place::new();
        let store = place.open().await;
        store.save_installation(&row(1)).await.unwrap();
        let seen = repository(9, "acme/shop");
        store.repository_seen(1, &seen).await.unwrap();
        store.swept_to(9, "c1", 100).await.unwrap();
        store.repository_seen(1, &seen).await.unwrap();
        let due = store.repositories_to_sweep(1, 1, 9).await.unwrap();
        assert_eq!(due[0].cursor.as_deref(), Some("c1"));
        store.repository_swept(9, 200).await.unwrap();
        assert_eq!(store.repositories_to_sweep(1, 200, 9).await, Ok(vec![]));
        assert_eq!(store.repositories_to_sweep(1, 201, 9).await.unwrap()[0].cursor, None);
    }
}
