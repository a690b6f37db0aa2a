//! Pull requests that were pushed of late, each with what a series is told by: whose it is, where, and how many lines.

use super::{
    Result, Store,
    db::{Row, Val, limit},
};

/// Pull requests of one author that are looked at, the latest ones.
pub const RECENT_PULLS_LIMIT: usize = 20;

/// A pull request that was pushed of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentPull {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// Number.
    pub pull_request: i64,
    /// Name of the base branch.
    pub base_ref: String,
    /// Login of who opened it.
    pub author: String,
    /// Head commit.
    pub head_sha: String,
    /// When that commit was seen first, in milliseconds since 1970.
    pub pushed_at: i64,
    /// Effective added lines.
    pub added: i64,
    /// Effective deleted lines.
    pub deleted: i64,
    /// Where it makes changes: services, files and what usually changes along, as JSON.
    pub places: String,
    /// It is on the base branch by now.
    pub merged: bool,
}

impl Store {
    /// Keeps a pull request as it is now; `false` if all but the time was so already. A head that was seen before keeps
    /// its time. Those of the repository that were pushed before `oldest` are forgotten.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_recent_pull(&self, pull: &RecentPull, oldest: i64) -> Result<bool> {
        self.db.exec(FORGET_OLD, vec![pull.repository_id.into(), oldest.into()]).await?;
        let args = vec![
            pull.repository_id.into(),
            pull.pull_request.into(),
            Val::from(&pull.base_ref),
            Val::from(&pull.author),
            Val::from(&pull.head_sha),
            pull.pushed_at.into(),
            pull.added.into(),
            pull.deleted.into(),
            Val::from(&pull.places),
        ];
        self.db.exec(SAVE, args).await.map(|done| done.changed == 1)
    }

    /// A pull request as it was kept.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn recent_pull(&self, repository_id: i64, pull_request: i64) -> Result<Option<RecentPull>> {
        self.db.query_one(BY_NUMBER, vec![repository_id.into(), pull_request.into()]).await?.map(read).transpose()
    }

    /// The latest pull requests of the author of `pull` to its base branch, apart from itself, that were pushed after
    /// `since` and are open or merged.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn recent_pulls_beside(&self, pull: &RecentPull, since: i64) -> Result<Vec<RecentPull>> {
        let args = vec![
            pull.repository_id.into(),
            Val::from(&pull.author),
            Val::from(&pull.base_ref),
            since.into(),
            pull.pull_request.into(),
            limit(RECENT_PULLS_LIMIT),
        ];
        self.db.query(BESIDE, args).await?.into_iter().map(read).collect()
    }

    /// A pull request was merged.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn recent_pull_merged(&self, repository_id: i64, pull_request: i64) -> Result<()> {
        self.db.exec(MERGED, vec![repository_id.into(), pull_request.into()]).await.map(drop)
    }

    /// Forgets a pull request that was closed without being merged.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_recent_pull(&self, repository_id: i64, pull_request: i64) -> Result<()> {
        self.db.exec(FORGET, vec![repository_id.into(), pull_request.into()]).await.map(drop)
    }
}

fn read(mut row: Row) -> Result<RecentPull> {
    Ok(RecentPull {
        repository_id: row.take(0)?,
        pull_request: row.take(1)?,
        base_ref: row.take(2)?,
        author: row.take(3)?,
        head_sha: row.take(4)?,
        pushed_at: row.take(5)?,
        added: row.take(6)?,
        deleted: row.take(7)?,
        places: row.take(8)?,
        merged: row.take::<i64>(9)? != 0,
    })
}

pub(super) const STATEMENTS: &[&str] = &[FORGET_OLD, SAVE, BY_NUMBER, BESIDE, MERGED, FORGET];

const FORGET_OLD: &str = "\
DELETE FROM recent_pulls WHERE repository_id = $1 AND pushed_at < $2";

const SAVE: &str = "\
INSERT INTO recent_pulls \
  (repository_id, pull_request, base_ref, author, head_sha, pushed_at, added, deleted, places, merged) \
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) \
ON CONFLICT (repository_id, pull_request) DO UPDATE SET base_ref = excluded.base_ref, author = excluded.author, \
  pushed_at = CASE WHEN recent_pulls.head_sha = excluded.head_sha THEN recent_pulls.pushed_at \
    ELSE excluded.pushed_at END, \
  head_sha = excluded.head_sha, added = excluded.added, deleted = excluded.deleted, places = excluded.places, merged = 0 \
WHERE recent_pulls.base_ref <> excluded.base_ref OR recent_pulls.author <> excluded.author \
  OR recent_pulls.head_sha <> excluded.head_sha OR recent_pulls.added <> excluded.added \
  OR recent_pulls.deleted <> excluded.deleted OR recent_pulls.places <> excluded.places OR recent_pulls.merged <> 0";

const BY_NUMBER: &str = "\
SELECT repository_id, pull_request, base_ref, author, head_sha, pushed_at, added, deleted, places, merged \
FROM recent_pulls WHERE repository_id = $1 AND pull_request = $2";

const BESIDE: &str = "\
SELECT repository_id, pull_request, base_ref, author, head_sha, pushed_at, added, deleted, places, merged \
FROM recent_pulls WHERE repository_id = $1 AND author = $2 AND base_ref = $3 AND pushed_at > $4 AND pull_request <> $5 \
ORDER BY pushed_at DESC, pull_request DESC LIMIT $6";

const MERGED: &str = "\
UPDATE recent_pulls SET merged = 1 WHERE repository_id = $1 AND pull_request = $2";

const FORGET: &str = "\
DELETE FROM recent_pulls WHERE repository_id = $1 AND pull_request = $2";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[tokio::test]
    async fn a_head_keeps_its_time_and_what_ended_or_is_old_is_beside_nothing() {
        let place = Place::new();
        let store = place.open().await;
        let pull = |pull_request: i64, head: &str, pushed_at| RecentPull {
            repository_id: 1,
            pull_request,
            base_ref: "main".to_owned(),
            author: "ada".to_owned(),
            head_sha: head.to_owned(),
            pushed_at,
            added: 5,
            deleted: 1,
            places: "[]".to_owned(),
            merged: false,
        };
        assert_eq!(store.save_recent_pull(&pull(7, "a", 100), 0).await, Ok(true));
        assert_eq!(store.save_recent_pull(&pull(7, "a", 200), 0).await, Ok(false), "nothing new");
        let larger = RecentPull { added: 9, ..pull(7, "a", 300) };
        assert_eq!(store.save_recent_pull(&larger, 0).await, Ok(true), "compared with another base");
        assert_eq!(store.recent_pull(1, 7).await, Ok(Some(RecentPull { pushed_at: 100, ..larger.clone() })));
        assert_eq!(store.save_recent_pull(&pull(7, "b", 400), 0).await, Ok(true));
        let others = [
            pull(8, "c", 500),
            pull(9, "d", 300),
            RecentPull { author: "lin".to_owned(), ..pull(10, "e", 500) },
            RecentPull { base_ref: "next".to_owned(), ..pull(11, "f", 500) },
            RecentPull { repository_id: 2, ..pull(12, "g", 500) },
        ];
        for other in &others {
            store.save_recent_pull(other, 0).await.unwrap();
        }
        let beside = async |since: i64| {
            let found = store.recent_pulls_beside(&pull(7, "b", 0), since).await.unwrap();
            found.iter().map(|pull| (pull.pull_request, pull.merged)).collect::<Vec<_>>()
        };
        assert_eq!(beside(0).await, [(8, false), (9, false)]);
        assert_eq!(beside(300).await, [(8, false)]);
        store.recent_pull_merged(1, 8).await.unwrap();
        store.forget_recent_pull(1, 9).await.unwrap();
        assert_eq!(beside(0).await, [(8, true)]);
        assert_eq!(store.save_recent_pull(&pull(13, "h", 900), 450).await, Ok(true));
        assert_eq!(store.recent_pull(1, 7).await, Ok(None), "it is of an earlier day");
    }
}
