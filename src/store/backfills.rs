//! How far sources were read back, so that a backfill that ended early goes on where it was; and commits between
//! deployments as they were read from the graph.

use chrono::{DateTime, Utc};

use super::{Result, Store, StoreError, db::Val};

/// How far a source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// What lies before was not asked for.
    pub began: DateTime<Utc>,
    /// All before this is kept.
    pub reached: DateTime<Utc>,
    /// Records that came so far; those that came twice are counted twice.
    pub records: u64,
}

/// Commits between two commits, as they are kept.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The earlier commit.
    pub before_sha: &'a str,
    /// The later one.
    pub sha: &'a str,
    /// Digest of the paths that were looked at.
    pub paths: &'a str,
}

impl Store {
    /// How far a source was read; `None` if it never was.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn backfill(&self, source: &str) -> Result<Option<Backfill>> {
        let Some(mut row) = self.db.query_one(REACHED, vec![Val::from(source)]).await? else { return Ok(None) };
        let at = |ms| DateTime::from_timestamp_millis(ms).ok_or(StoreError::Unreadable("a time"));
        let (began, reached, records) = (at(row.take(0)?)?, at(row.take(1)?)?, row.take::<i64>(2)?);
        Ok(Some(Backfill { began, reached, records: records.unsigned_abs() }))
    }

    /// A source was read as far as that. It never goes back.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn backfilled(&self, source: &str, backfill: Backfill) -> Result<()> {
        let args = vec![
            Val::from(source),
            backfill.began.timestamp_millis().into(),
            backfill.reached.timestamp_millis().into(),
            i64::try_from(backfill.records).unwrap_or(i64::MAX).into(),
        ];
        self.db.exec(REACH, args).await.map(drop)
    }

    /// Commits between two commits, as they were kept.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn commits_between(&self, between: Between<'_>) -> Result<Option<String>> {
        self.db.query_one(COMMITS, key(between)).await?.map(|mut row| row.take(0)).transpose()
    }

    /// Keeps them.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_commits_between(&self, between: Between<'_>, body: &str, now: DateTime<Utc>) -> Result<()> {
        let mut args = key(between);
        args.extend([now.timestamp_millis().into(), Val::from(body)]);
        self.db.exec(SAVE_COMMITS, args).await.map(drop)
    }
}

fn key(between: Between<'_>) -> Vec<Val> {
    let Between { repository_id, before_sha, sha, paths } = between;
    vec![repository_id.into(), before_sha.into(), sha.into(), paths.into()]
}

pub(super) const STATEMENTS: &[&str] = &[REACHED, REACH, COMMITS, SAVE_COMMITS];

const REACHED: &str = "\
SELECT began, reached, records FROM backfills WHERE source = $1";

const REACH: &str = "\
INSERT INTO backfills (source, began, reached, records) VALUES ($1, $2, $3, $4) \
ON CONFLICT (source) DO UPDATE SET reached = excluded.reached, records = excluded.records \
WHERE excluded.reached >= backfills.reached";

const COMMITS: &str = "\
SELECT body FROM commits_between WHERE repository_id = $1 AND before_sha = $2 AND sha = $3 AND paths = $4";

const SAVE_COMMITS: &str = "\
INSERT INTO commits_between (repository_id, before_sha, sha, paths, read_at, body) VALUES ($1, $2, $3, $4, $5, $6) \
ON CONFLICT (repository_id, before_sha, sha, paths) DO NOTHING";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_272_000 + second, 0).unwrap()
    }

    #[tokio::test]
    async fn a_backfill_goes_on_and_never_back() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.backfill("dora").await, Ok(None));
        let reached = |second, records| Backfill { began: at(-100), reached: at(second), records };
        store.backfilled("dora", reached(10, 1_000)).await.unwrap();
        store.backfilled("dora", reached(20, 2_000)).await.unwrap();
        store.backfilled("dora", reached(15, 9)).await.unwrap();
        assert_eq!(store.backfill("dora").await, Ok(Some(reached(20, 2_000))));
        assert_eq!(store.backfill("events").await, Ok(None));
    }

    #[tokio::test]
    async fn commits_are_kept_by_their_two_ends_and_paths() {
        let place = Place::new();
        let store = place.open().await;
        let between = |paths| Between { repository_id: 1, before_sha: "a", sha: "b", paths };
        store.save_commits_between(between("p"), "[1]", at(0)).await.unwrap();
        store.save_commits_between(between("p"), "[2]", at(1)).await.unwrap();
        assert_eq!(store.commits_between(between("p")).await, Ok(Some("[1]".to_owned())));
        assert_eq!(store.commits_between(between("q")).await, Ok(None));
    }
}
