//! Assessments: the score with the facts and the policy it was made of. Never changed once they are saved.

use super::{
    INFLATED_LIMIT, Result, Store, StoreError, compress,
    db::{Row, Val, limit},
    decompress,
};

/// Most scores that a threshold is read off.
pub const RECENT_SCORES_LIMIT: usize = 500;

/// An assessment and all that it takes to make it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssessmentRow {
    /// UUID version 7: identifiers sort by time.
    pub id: String,
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// `owner/name` at that time.
    pub repository: String,
    /// The pull request, if it is about one.
    pub pull_request: Option<i64>,
    /// Title at that time; from outside.
    pub title: String,
    /// The commit that was assessed.
    pub head_sha: String,
    /// The commit it was compared with.
    pub base_sha: String,
    /// For which instant the facts hold, in milliseconds since 1970.
    pub at: i64,
    /// 0-100.
    pub score: u8,
    /// The score in a word.
    pub level: String,
    /// What the check run concluded, in GitHub's word.
    pub conclusion: String,
    /// Signals that could not be read.
    pub unknowns: i64,
    /// Version of the model.
    pub model_version: String,
    /// Digest of `facts`.
    pub facts_digest: String,
    /// Digest of the assessment's JSON as it was when it was scored.
    pub document_digest: String,
    /// The facts as JSON; the store deflates and inflates them. Empty once they were forgotten.
    pub facts: String,
    /// The policy in force as JSON.
    pub policy: String,
}

/// What a list shows of an assessment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssessmentSummary {
    /// UUID version 7.
    pub id: String,
    /// `owner/name` at that time.
    pub repository: String,
    /// The pull request, if it is about one.
    pub pull_request: Option<i64>,
    /// Title at that time; from outside.
    pub title: String,
    /// The commit that was assessed.
    pub head_sha: String,
    /// For which instant the facts hold, in milliseconds since 1970.
    pub at: i64,
    /// 0-100.
    pub score: u8,
    /// The score in a word.
    pub level: String,
    /// What the check run concluded, in GitHub's word.
    pub conclusion: String,
    /// Signals that could not be read.
    pub unknowns: i64,
}

impl Store {
    /// Keeps an assessment. One of the same identifier stays as it is: a job may run twice.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if the facts could not be read back, or whatever the database fails with.
    pub async fn save_assessment(&self, row: &AssessmentRow) -> Result<()> {
        if row.facts.len() > INFLATED_LIMIT {
            return Err(StoreError::TooLarge { what: "the facts of a change", limit: INFLATED_LIMIT });
        }
        let plain = row.facts.clone();
        let facts = off_thread(move || compress(plain.as_bytes())).await?;
        let args = vec![
            Val::from(&row.id),
            row.repository_id.into(),
            Val::from(&row.repository),
            row.pull_request.into(),
            Val::from(&row.title),
            Val::from(&row.head_sha),
            Val::from(&row.base_sha),
            row.at.into(),
            i64::from(row.score).into(),
            Val::from(&row.level),
            Val::from(&row.conclusion),
            row.unknowns.into(),
            Val::from(&row.model_version),
            Val::from(&row.facts_digest),
            Val::from(&row.document_digest),
            facts.into(),
            Val::from(&row.policy),
        ];
        self.db.exec(SAVE, args).await.map(drop)
    }

    /// The assessment of this identifier.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn assessment(&self, id: &str) -> Result<Option<AssessmentRow>> {
        self.one_assessment(BY_ID, vec![id.into()]).await
    }

    /// The newest assessment of a pull request.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn latest_assessment(&self, repository_id: i64, pull_request: i64) -> Result<Option<AssessmentRow>> {
        self.one_assessment(LATEST, vec![repository_id.into(), pull_request.into()]).await
    }

    /// The newest assessment of a commit.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn latest_for_head(&self, repository_id: i64, head_sha: &str) -> Result<Option<AssessmentRow>> {
        self.one_assessment(LATEST_FOR_HEAD, vec![repository_id.into(), head_sha.into()]).await
    }

    /// When a commit of a pull request was assessed first since another of its commits was assessed last, in milliseconds since 1970.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn first_assessed(&self, repository_id: i64, pull_request: i64, head_sha: &str) -> Result<Option<i64>> {
        let args = vec![repository_id.into(), pull_request.into(), head_sha.into()];
        self.db.query_one(FIRST_AT, args).await?.map_or(Ok(None), |mut row| row.take(0))
    }

    /// The newest assessment of a pull request of the repository that bore this name last; case does not matter.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn by_repository_pr(&self, repository: &str, pull_request: i64) -> Result<Option<AssessmentRow>> {
        self.one_assessment(BY_NAME_AND_PULL_REQUEST, vec![repository.into(), pull_request.into()]).await
    }

    /// The newest assessment of a commit of the repository that bore this name last; case does not matter.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn by_repository_sha(&self, repository: &str, sha: &str) -> Result<Option<AssessmentRow>> {
        self.one_assessment(BY_NAME_AND_HEAD, vec![repository.into(), sha.into()]).await
    }

    /// The newest assessments, newest first, without their facts.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn recent(&self, most: usize) -> Result<Vec<AssessmentSummary>> {
        self.db.query(RECENT, vec![limit(most)]).await?.into_iter().map(summary).collect()
    }

    /// Identifiers in rising order, those after `after`; an empty page is the end. Rows that come in meanwhile are newer,
    /// so that none of those there at the start is passed over.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn all_ids(&self, after: Option<&str>, most: usize) -> Result<Vec<String>> {
        let rows = self.db.query(ALL_IDS, vec![after.unwrap_or("").into(), limit(most)]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// The latest score of each other pull request of a repository, newest first: at most `most`, and never more than
    /// [`RECENT_SCORES_LIMIT`].
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn recent_scores(&self, repository_id: i64, except: i64, most: usize) -> Result<Vec<u8>> {
        let args = vec![repository_id.into(), except.into(), limit(most.min(RECENT_SCORES_LIMIT))];
        self.db.query(RECENT_SCORES, args).await?.into_iter().map(|mut row| score(row.take(0)?)).collect()
    }

    /// Score of the last other head of a pull request that was assessed before `before` (milliseconds since 1970).
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn previous_score(
        &self,
        repository_id: i64,
        pull_request: i64,
        head_sha: &str,
        before: i64,
    ) -> Result<Option<u8>> {
        let args = vec![repository_id.into(), pull_request.into(), head_sha.into(), before.into()];
        self.db.query_one(PREVIOUS_SCORE, args).await?.map_or(Ok(None), |mut row| score(row.take(0)?).map(Some))
    }

    /// Forgets the facts of up to `most` assessments made before `before`; says of how many. Their scores stay.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_facts(&self, before: i64, most: usize) -> Result<u64> {
        let args = vec![before.into(), limit(most), Vec::new().into()];
        self.db.exec(FORGET_FACTS, args).await.map(|done| done.changed)
    }

    async fn one_assessment(&self, sql: &'static str, args: Vec<Val>) -> Result<Option<AssessmentRow>> {
        let Some(row) = self.db.query_one(sql, args).await? else { return Ok(None) };
        off_thread(move || assessment(row)).await?.map(Some)
    }
}

/// Facts of large changes take long enough to (de)compress to hold up other tasks.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)
}

fn assessment(mut row: Row) -> Result<AssessmentRow> {
    let deflated = row.take::<Vec<u8>>(15)?;
    let facts = if deflated.is_empty() { Vec::new() } else { decompress(&deflated)? };
    Ok(AssessmentRow {
        id: row.take(0)?,
        repository_id: row.take(1)?,
        repository: row.take(2)?,
        pull_request: row.take(3)?,
        title: row.take(4)?,
        head_sha: row.take(5)?,
        base_sha: row.take(6)?,
        at: row.take(7)?,
        score: score(row.take(8)?)?,
        level: row.take(9)?,
        conclusion: row.take(10)?,
        unknowns: row.take(11)?,
        model_version: row.take(12)?,
        facts_digest: row.take(13)?,
        document_digest: row.take(14)?,
        facts: String::from_utf8(facts).map_err(|_| StoreError::Unreadable("facts"))?,
        policy: row.take(16)?,
    })
}

fn summary(mut row: Row) -> Result<AssessmentSummary> {
    Ok(AssessmentSummary {
        id: row.take(0)?,
        repository: row.take(1)?,
        pull_request: row.take(2)?,
        title: row.take(3)?,
        head_sha: row.take(4)?,
        at: row.take(5)?,
        score: score(row.take(6)?)?,
        level: row.take(7)?,
        conclusion: row.take(8)?,
        unknowns: row.take(9)?,
    })
}

pub(super) fn score(stored: i64) -> Result<u8> {
    u8::try_from(stored).map_err(|_| StoreError::Unreadable("a score"))
}

pub(super) const STATEMENTS: &[&str] = &[
    SAVE,
    BY_ID,
    LATEST,
    LATEST_FOR_HEAD,
    FIRST_AT,
    BY_NAME_AND_PULL_REQUEST,
    BY_NAME_AND_HEAD,
    RECENT,
    ALL_IDS,
    RECENT_SCORES,
    PREVIOUS_SCORE,
    FORGET_FACTS,
];

/// The columns of an assessment, in the order in which they are written and read.
macro_rules! columns {
    () => {
        "\
id, repository_id, repository, pull_request, title, head_sha, base_sha, at, score, level, conclusion, unknowns, \
model_version, facts_digest, document_digest, facts, policy"
    };
}

/// The number of the repository that bears the name `$1`, or else of the one that bore it last.
macro_rules! named {
    () => {
        "\
COALESCE( \
  (SELECT repository_id FROM installation_repositories \
    WHERE LOWER(repository) = LOWER($1) AND removed_at IS NULL ORDER BY repository_id DESC LIMIT 1), \
  (SELECT repository_id FROM assessments WHERE LOWER(repository) = LOWER($1) ORDER BY at DESC LIMIT 1))"
    };
}

const SAVE: &str = concat!(
    "INSERT INTO assessments (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT (id) DO NOTHING"
);

const FORGET_FACTS: &str = "\
UPDATE assessments SET facts = $3 WHERE id IN ( \
  SELECT id FROM assessments WHERE at < $1 AND LENGTH(facts) > 0 ORDER BY at, id LIMIT $2)";

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM assessments WHERE id = $1");

const LATEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM assessments WHERE repository_id = $1 AND pull_request = $2 ORDER BY at DESC, id DESC LIMIT 1"
);

const LATEST_FOR_HEAD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM assessments WHERE repository_id = $1 AND head_sha = $2 ORDER BY at DESC, id DESC LIMIT 1"
);

const FIRST_AT: &str = "\
SELECT MIN(at) FROM assessments WHERE repository_id = $1 AND pull_request = $2 AND head_sha = $3 AND at > COALESCE(( \
  SELECT MAX(at) FROM assessments WHERE repository_id = $1 AND pull_request = $2 AND head_sha <> $3), -1)";

const BY_NAME_AND_PULL_REQUEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM assessments WHERE repository_id = ",
    named!(),
    " AND pull_request = $2 ORDER BY at DESC, id DESC LIMIT 1"
);

const BY_NAME_AND_HEAD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM assessments WHERE repository_id = ",
    named!(),
    " AND head_sha = $2 ORDER BY at DESC, id DESC LIMIT 1"
);

const RECENT: &str = "\
SELECT id, repository, pull_request, title, head_sha, at, score, level, conclusion, unknowns \
FROM assessments ORDER BY at DESC, id DESC LIMIT $1";

const ALL_IDS: &str = "\
SELECT id FROM assessments WHERE id > $1 ORDER BY id LIMIT $2";

const PREVIOUS_SCORE: &str = "\
SELECT score FROM assessments \
WHERE repository_id = $1 AND pull_request = $2 AND head_sha <> $3 AND at < $4 \
ORDER BY at DESC, id DESC LIMIT 1";

const RECENT_SCORES: &str = "\
SELECT a.score FROM assessments a \
WHERE a.repository_id = $1 AND a.pull_request <> $2 AND NOT EXISTS ( \
  SELECT 1 FROM assessments b WHERE b.repository_id = a.repository_id AND b.pull_request = a.pull_request \
  AND (b.at, b.id) > (a.at, a.id)) \
ORDER BY a.at DESC, a.id DESC LIMIT $3";

#[cfg(test)]
pub(super) mod tests {
    use super::{super::testing::*, *};

    pub(crate) fn row(id: &str, pull_request: i64, at: i64, score: u8) -> AssessmentRow {
        AssessmentRow {
            id: id.to_owned(),
            repository_id: 1,
            repository: "acme/shop".to_owned(),
            pull_request: Some(pull_request),
            title: "Charge in the currency of the order".to_owned(),
            head_sha: format!("head{at}"),
            base_sha: "base".to_owned(),
            at,
            score,
            level: "low".to_owned(),
            conclusion: "success".to_owned(),
            unknowns: 9,
            model_version: "baseline-1".to_owned(),
            facts_digest: "c0ffee".to_owned(),
            document_digest: "decade".to_owned(),
            facts: "{\"at\":\"2025-10-09T08:53:20Z\"}".to_owned(),
            policy: "{}".to_owned(),
        }
    }

    #[tokio::test]
    async fn is_found_by_all_its_names_and_never_overwritten() {
        let place = Place::new();
        let store = place.open().await;
        let (old, new) = (row("a1", 7, 100, 30), row("a2", 7, 200, 40));
        let elsewhere = AssessmentRow { repository_id: 2, at: 50, ..row("a0", 7, 100, 90) };
        let group = AssessmentRow { pull_request: None, ..row("a3", 0, 300, 20) };
        for row in [&new, &old, &elsewhere, &group] {
            store.save_assessment(row).await.unwrap();
        }
        store.save_assessment(&AssessmentRow { score: 99, ..old.clone() }).await.unwrap();
        assert_eq!(store.assessment("a1").await, Ok(Some(old.clone())));
        assert_eq!(store.assessment("a9").await, Ok(None));
        assert_eq!(store.latest_assessment(1, 7).await, Ok(Some(new.clone())));
        assert_eq!(store.latest_assessment(1, 8).await, Ok(None));
        assert_eq!(store.latest_for_head(1, "head100").await, Ok(Some(old.clone())));
        assert_eq!(store.by_repository_pr("Acme/Shop", 7).await, Ok(Some(new.clone())));
        assert_eq!(store.by_repository_sha("acme/shop", "head100").await, Ok(Some(old)));
        assert_eq!(store.by_repository_sha("acme/other", "head100").await, Ok(None));
        let recent = store.recent(2).await.unwrap();
        assert_eq!(
            recent.iter().map(|row| (row.id.as_str(), row.pull_request)).collect::<Vec<_>>(),
            [("a3", None), ("a2", Some(7))]
        );
    }

    #[tokio::test]
    async fn facts_are_forgotten_oldest_first_and_scores_stay() {
        let place = Place::new();
        let store = place.open().await;
        for (id, at) in [("a1", 10), ("a2", 20), ("a3", 30)] {
            store.save_assessment(&row(id, 7, at, 40)).await.unwrap();
        }
        assert_eq!(store.forget_facts(30, 1).await, Ok(1));
        let facts = async |id: &str| store.assessment(id).await.unwrap().unwrap().facts;
        assert_eq!((facts("a1").await.as_str(), facts("a2").await.is_empty()), ("", false));
        assert_eq!(store.forget_facts(30, 9).await, Ok(1), "each once");
        assert_eq!(store.forget_facts(30, 9).await, Ok(0));
        let kept = AssessmentRow { facts: String::new(), ..row("a2", 7, 20, 40) };
        assert_eq!(store.assessment("a2").await, Ok(Some(kept)));
        assert!(!facts("a3").await.is_empty());
    }

    #[tokio::test]
    async fn recent_scores_are_the_latest_of_each_other_pull_request() {
        let place = Place::new();
        let store = place.open().await;
        let rows = [("a1", 1, 10, 11), ("a2", 2, 20, 22), ("a3", 1, 30, 13), ("a4", 3, 40, 34), ("a5", 2, 40, 25)];
        for (id, pull_request, at, score) in rows {
            store.save_assessment(&row(id, pull_request, at, score)).await.unwrap();
        }
        store.save_assessment(&AssessmentRow { repository_id: 2, ..row("b1", 9, 50, 99) }).await.unwrap();
        store.save_assessment(&AssessmentRow { pull_request: None, ..row("b2", 0, 60, 98) }).await.unwrap();
        assert_eq!(store.recent_scores(1, 99, 500).await, Ok(vec![25, 34, 13]));
        assert_eq!(store.recent_scores(1, 3, 500).await, Ok(vec![25, 13]));
        assert_eq!(store.recent_scores(1, 3, 1).await, Ok(vec![25]));

        let connection = rusqlite::Connection::open(place.file()).unwrap();
        let sql = super::super::sqlite::rewrite_placeholders(&format!("EXPLAIN QUERY PLAN {RECENT_SCORES}"));
        let mut plan = connection.prepare(&sql).unwrap();
        let plan = plan.query_map((1, 2, 500), |row| row.get::<_, String>(3)).unwrap().map(|step| step.unwrap());
        insta::assert_snapshot!(plan.collect::<Vec<_>>().join("\n"), @r"
        SEARCH a USING COVERING INDEX assessments_scores (repository_id=?)
        CORRELATED SCALAR SUBQUERY 1
        SEARCH b USING COVERING INDEX assessments_by_pull_request (repository_id=? AND pull_request=? AND at>?)
        ");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn paging_over_a_growing_table_passes_over_nothing() {
        let place = Place::new();
        let store = place.open().await;
        let save = |prefix: &'static str| {
            let store = store.clone();
            move |n| {
                let store = store.clone();
                async move { store.save_assessment(&row(&format!("{prefix}{n:05}"), n, n, 1)).await.unwrap() }
            }
        };
        at_once(5_000, save("a")).await;
        let growing = tokio::spawn(at_once(500, save("b")));
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = store.all_ids(seen.last().map(String::as_str), 199).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        growing.await.unwrap();
        assert!(seen.is_sorted_by(|a, b| a < b), "each once");
        assert_eq!(seen.iter().filter(|id| id.starts_with('a')).count(), 5_000);
    }

    #[tokio::test]
    async fn facts_that_could_not_be_read_back_are_refused() {
        let place = Place::new();
        let store = place.open().await;
        let huge = AssessmentRow { facts: " ".repeat(INFLATED_LIMIT + 1), ..row("a1", 1, 1, 1) };
        assert!(matches!(store.save_assessment(&huge).await, Err(StoreError::TooLarge { .. })));
    }
}
