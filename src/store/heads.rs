//! Which pull requests stand on a commit: several may have the same head, and share its check run.

use super::{Result, Store};

/// A pull request that stands on a commit, as it was assessed there last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnHead {
    /// Number.
    pub pull_request: i64,
    /// Id of the assessment.
    pub assessment: String,
    /// 0-100.
    pub score: i64,
    /// What was concluded, in GitHub's word.
    pub conclusion: String,
}

impl Store {
    /// Pull requests that were assessed, or are expected to be, on a commit.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn pull_requests_of_head(&self, repository_id: i64, head_sha: &str) -> Result<Vec<i64>> {
        let rows = self.db.query(PULL_REQUESTS, vec![repository_id.into(), head_sha.into()]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// Pull requests other than `except` whose newest assessment is of this commit.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn others_on_head(&self, repository_id: i64, head_sha: &str, except: i64) -> Result<Vec<OnHead>> {
        let args = vec![repository_id.into(), head_sha.into(), except.into()];
        let rows = self.db.query(OTHERS, args).await?;
        let read = |mut row: super::db::Row| {
            let (pull_request, assessment) = (row.take(0)?, row.take(1)?);
            Ok(OnHead { pull_request, assessment, score: row.take(2)?, conclusion: row.take(3)? })
        };
        rows.into_iter().map(read).collect()
    }
}

pub(super) const STATEMENTS: &[&str] = &[PULL_REQUESTS, OTHERS];

const PULL_REQUESTS: &str = "\
SELECT pull_request FROM check_runs WHERE repository_id = $1 AND head_sha = $2 AND pull_request IS NOT NULL \
UNION \
SELECT pull_request FROM assessments WHERE repository_id = $1 AND head_sha = $2 AND pull_request IS NOT NULL \
ORDER BY pull_request LIMIT 20";

const OTHERS: &str = "\
SELECT a.pull_request, a.id, a.score, a.conclusion FROM assessments a \
WHERE a.repository_id = $1 AND a.head_sha = $2 AND a.pull_request <> $3 \
  AND NOT EXISTS (SELECT 1 FROM assessments b WHERE b.repository_id = a.repository_id \
    AND b.pull_request = a.pull_request AND (b.at > a.at OR (b.at = a.at AND b.id > a.id))) \
ORDER BY a.pull_request LIMIT 20";
