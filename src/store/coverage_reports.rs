//! Coverage reports as CI uploads them: several of one commit, each once.

use super::{
    Result, Store, StoreError, compress,
    db::{Row, Val, limit},
    decompress,
};

/// Reports of one commit; a test run that is split into more parts puts some of them together first.
pub const REPORTS_PER_COMMIT: i64 = 100;

/// An uploaded report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageRow {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// Commit that it is of.
    pub head_sha: String,
    /// What its sender calls this part, such as `unit`; empty for no name.
    pub flag: String,
    /// Digest of `body`.
    pub digest: String,
    /// In which form it came.
    pub format: String,
    /// When it came, in milliseconds since 1970.
    pub received_at: i64,
    /// The packed report; the store deflates and inflates it. Empty in a list.
    pub body: Vec<u8>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedReport {
    /// It is kept.
    New,
    /// The very same is kept already.
    Known,
    /// The commit has [`REPORTS_PER_COMMIT`] already.
    TooMany,
}

impl Store {
    /// Keeps a report, unless it is there.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_coverage(&self, row: &CoverageRow) -> Result<SavedReport> {
        let CoverageRow { repository_id, head_sha, flag, digest, format, received_at, body } = row;
        let key = || vec![Val::from(*repository_id), head_sha.into(), flag.into(), digest.into()];
        if self.db.query_one(IS_KNOWN, key()).await?.is_some() {
            return Ok(SavedReport::Known);
        }
        let plain = body.clone();
        let deflated = tokio::task::spawn_blocking(move || compress(&plain)).await.map_err(|_| StoreError::Closed)?;
        let mut args = key();
        args.extend([format.into(), (*received_at).into(), deflated.into(), REPORTS_PER_COMMIT.into()]);
        let saved = self.db.exec(SAVE, args).await?.changed;
        Ok(if saved == 1 { SavedReport::New } else { SavedReport::TooMany })
    }

    /// The reports of a commit without their bodies, in the order of parts and digests.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn coverage_of(&self, repository_id: i64, head_sha: &str) -> Result<Vec<CoverageRow>> {
        let rows = self.db.query(OF_COMMIT, vec![repository_id.into(), head_sha.into()]).await?;
        let read = |mut row: Row| {
            Ok(CoverageRow {
                repository_id,
                head_sha: head_sha.to_owned(),
                flag: row.take(0)?,
                digest: row.take(1)?,
                format: row.take(2)?,
                received_at: row.take(3)?,
                body: Vec::new(),
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// The packed report of a row; `None` if it is gone by now. One at a time: all of a commit may be more than is held at
    /// once.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn coverage_body(&self, row: &CoverageRow) -> Result<Option<Vec<u8>>> {
        let args = vec![row.repository_id.into(), (&row.head_sha).into(), (&row.flag).into(), (&row.digest).into()];
        let Some(mut found) = self.db.query_one(BODY, args).await? else { return Ok(None) };
        let deflated: Vec<u8> = found.take(0)?;
        let inflated = tokio::task::spawn_blocking(move || decompress(&deflated)).await;
        inflated.map_err(|_| StoreError::Closed)?.map(Some)
    }

    /// The commit whose report came last; `None` if none ever came for the repository.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn newest_coverage(&self, repository_id: i64) -> Result<Option<String>> {
        self.db.query_one(NEWEST, vec![repository_id.into()]).await?.map(|mut row| row.take(0)).transpose()
    }

    /// Forgets up to `most` reports that came before `before`; says how many.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_coverage(&self, before: i64, most: usize) -> Result<u64> {
        self.db.exec(FORGET, vec![before.into(), limit(most)]).await.map(|done| done.changed)
    }
}

pub(super) const STATEMENTS: &[&str] = &[IS_KNOWN, SAVE, OF_COMMIT, BODY, NEWEST, FORGET];

const IS_KNOWN: &str = "\
SELECT 1 FROM coverage_reports WHERE repository_id = $1 AND head_sha = $2 AND flag = $3 AND digest = $4";

const SAVE: &str = "\
INSERT INTO coverage_reports (repository_id, head_sha, flag, digest, format, received_at, body) \
SELECT $1, $2, $3, $4, $5, $6, $7 \
WHERE (SELECT COUNT(*) FROM coverage_reports WHERE repository_id = $1 AND head_sha = $2) < $8 \
ON CONFLICT (repository_id, head_sha, flag, digest) DO UPDATE SET received_at = coverage_reports.received_at";

const OF_COMMIT: &str = "\
SELECT flag, digest, format, received_at FROM coverage_reports \
WHERE repository_id = $1 AND head_sha = $2 ORDER BY flag, digest";

const BODY: &str = "\
SELECT body FROM coverage_reports WHERE repository_id = $1 AND head_sha = $2 AND flag = $3 AND digest = $4";

const NEWEST: &str = "\
SELECT head_sha FROM coverage_reports WHERE repository_id = $1 ORDER BY received_at DESC, head_sha LIMIT 1";

const FORGET: &str = "\
DELETE FROM coverage_reports WHERE (repository_id, head_sha, flag, digest) IN ( \
  SELECT repository_id, head_sha, flag, digest FROM coverage_reports WHERE received_at < $1 \
  ORDER BY received_at, repository_id, head_sha, flag, digest LIMIT $2)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn row(flag: &str, digest: &str, at: i64) -> CoverageRow {
        CoverageRow {
            repository_id: 7,
            head_sha: "a1".to_owned(),
            flag: flag.to_owned(),
            digest: digest.to_owned(),
            format: "LCOV".to_owned(),
            received_at: at,
            body: b"packed".to_vec(),
        }
    }

    #[tokio::test]
    async fn each_report_is_kept_once_and_for_a_while() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.newest_coverage(7).await, Ok(None));
        assert_eq!(store.save_coverage(&row("unit", "d1", 1)).await, Ok(SavedReport::New));
        assert_eq!(store.save_coverage(&row("unit", "d1", 2)).await, Ok(SavedReport::Known));
        assert_eq!(store.save_coverage(&row("e2e", "d1", 3)).await, Ok(SavedReport::New));
        let kept = store.coverage_of(7, "a1").await.unwrap();
        let bodiless = |row: CoverageRow| CoverageRow { body: Vec::new(), ..row };
        assert_eq!(kept, [bodiless(row("e2e", "d1", 3)), bodiless(row("unit", "d1", 1))]);
        assert_eq!(store.coverage_body(&kept[0]).await, Ok(Some(b"packed".to_vec())));
        assert_eq!(store.coverage_of(7, "b2").await, Ok(Vec::new()));
        let later = CoverageRow { head_sha: "b2".to_owned(), ..row("", "d2", 9) };
        store.save_coverage(&later).await.unwrap();
        assert_eq!(store.newest_coverage(7).await, Ok(Some("b2".to_owned())));
        assert_eq!(store.newest_coverage(8).await, Ok(None));
        assert_eq!((store.forget_coverage(3, 10).await, store.forget_coverage(3, 10).await), (Ok(1), Ok(0)));
        assert_eq!(store.coverage_of(7, "a1").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_commit_takes_no_more_than_its_reports() {
        let place = Place::new();
        let store = place.open().await;
        for i in 0..REPORTS_PER_COMMIT {
            assert_eq!(store.save_coverage(&row("", &i.to_string(), 1)).await, Ok(SavedReport::New));
        }
        assert_eq!(store.save_coverage(&row("", "more", 1)).await, Ok(SavedReport::TooMany));
        assert_eq!(store.save_coverage(&row("", "3", 1)).await, Ok(SavedReport::Known));
    }
}
