//! Check runs: what we are about to create, have created and have said, by repository, head and name. Written before
//! GitHub is asked, so that a crash in between is known afterwards.

use super::{
    Result, Store, StoreError,
    db::{Row, Val},
};

/// One of our check runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRunRow {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The commit it stands on.
    pub head_sha: String,
    /// Its name.
    pub name: String,
    /// The pull request, if it is about one.
    pub pull_request: Option<i64>,
    /// GitHub's number of the run; `None` until it is known that there is one.
    pub run_id: Option<i64>,
    /// How far it is.
    pub state: CheckRunState,
    /// When its creation was last attempted, in milliseconds since 1970.
    pub attempted_at: i64,
    /// The assessment that it shows or is about to show.
    pub external_id: Option<String>,
    /// Digest of the text that it showed when it was completed last.
    pub output_digest: Option<String>,
    /// Annotations that it is to carry.
    pub annotations_planned: i64,
    /// Digests of those, in the order in which GitHub gets them; fewer where it is not known of the first which they are.
    pub annotations: Vec<String>,
    /// Annotations that GitHub has taken; it appends, so that these are never sent again.
    pub annotations_sent: i64,
    /// Since when a write is under way whose answer is not known, in milliseconds since 1970.
    pub unanswered_since: Option<i64>,
}

/// How far a check run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckRunState {
    /// It is not known to exist. Where a write is unanswered GitHub may have been asked to create it: look before asking
    /// again.
    Creating,
    /// It exists and is not completed, or its text is being replaced.
    Open,
    /// It says what it should.
    Completed,
}

impl Store {
    /// The check run of this name on this head.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run(&self, repository_id: i64, head_sha: &str, name: &str) -> Result<Option<CheckRunRow>> {
        self.one_check_run(BY_KEY, key(repository_id, head_sha, name)).await
    }

    /// Notes that a head is about to be looked at, so that what happens to it meanwhile is known to be of interest.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run_expected(
        &self,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        pull_request: impl Into<Option<i64>>,
        now: i64,
    ) -> Result<()> {
        let more = vec![pull_request.into().into(), now.into()];
        self.write_check_run(EXPECTED, repository_id, head_sha, name, more).await
    }

    /// Notes, before GitHub is asked, that a run is about to be created; `false` if it exists already or somebody else
    /// (another pull request with the same head) is creating it.
    ///
    /// # Errors
    /// Whatever the database fails with; then GitHub is not to be asked.
    pub async fn check_run_intent(
        &self,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        pull_request: Option<i64>,
        now: i64,
    ) -> Result<bool> {
        let mut args = key(repository_id, head_sha, name);
        args.extend([pull_request.into(), now.into()]);
        self.db.exec(INTENT, args).await.map(|done| done.changed == 1)
    }

    /// Notes that the run exists and is open: created, found, or set back to work. Another run than the one known so far
    /// starts without annotations.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run_created(
        &self,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        run_id: i64,
        now: i64,
    ) -> Result<()> {
        self.write_check_run(CREATED, repository_id, head_sha, name, vec![run_id.into(), now.into()]).await
    }

    /// Notes, before it is sent, what the run is about to say, and all its annotations in the order in which GitHub gets them.
    /// It is open and the write unanswered until [`Store::check_run_completed`].
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is to be sent.
    pub async fn check_run_planned(
        &self,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        external_id: &str,
        annotations: &[String],
        now: i64,
    ) -> Result<()> {
        let list: String = annotations.iter().map(|digest| format!("{digest},")).collect();
        let more = vec![external_id.into(), (annotations.len() as i64).into(), now.into(), list.as_str().into()];
        self.write_check_run(PLANNED, repository_id, head_sha, name, more).await
    }

    /// Notes how a write ended: that its answer was lost at `since`, or that it was certainly not done.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run_unanswered(
        &self,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        since: Option<i64>,
    ) -> Result<()> {
        self.write_check_run(UNANSWERED, repository_id, head_sha, name, vec![since.into()]).await
    }

    /// Notes that the write that has been unanswered since then was certainly not done; one that is newer stays.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run_undone(&self, repository_id: i64, head_sha: &str, name: &str, since: i64) -> Result<()> {
        self.write_check_run(UNDONE, repository_id, head_sha, name, vec![since.into()]).await
    }

    /// Forgets a run that was never created.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn forget_check_run(&self, repository_id: i64, head_sha: &str, name: &str) -> Result<()> {
        self.write_check_run(FORGET, repository_id, head_sha, name, Vec::new()).await
    }

    /// Notes how many annotations GitHub has taken so far.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run_annotated(
        &self,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        annotations_sent: i64,
    ) -> Result<()> {
        self.write_check_run(ANNOTATED, repository_id, head_sha, name, vec![annotations_sent.into()]).await
    }

    /// Notes that the run says what it should.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run_completed(
        &self,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        external_id: &str,
        output_digest: &str,
        annotations_sent: i64,
    ) -> Result<()> {
        let more = vec![external_id.into(), output_digest.into(), annotations_sent.into()];
        self.write_check_run(COMPLETED, repository_id, head_sha, name, more).await
    }

    /// Sets a run that says what it should back to work, so that it is written again even if nothing changed.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn reopen_check_run(&self, repository_id: i64, head_sha: &str, name: &str) -> Result<()> {
        self.write_check_run(REOPEN, repository_id, head_sha, name, Vec::new()).await
    }

    /// The check run that shows an assessment.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn check_run_by_external_id(&self, external_id: &str) -> Result<Option<CheckRunRow>> {
        self.one_check_run(BY_EXTERNAL_ID, vec![external_id.into()]).await
    }

    /// The pull request that a head was last seen on: events about forks do not name it.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn pull_request_of_head(&self, repository_id: i64, head_sha: &str) -> Result<Option<i64>> {
        let row = self.db.query_one(PULL_REQUEST_OF_HEAD, vec![repository_id.into(), head_sha.into()]).await?;
        row.map_or(Ok(None), |mut row| row.take(0))
    }

    /// Every check run that does not yet say what it should, the oldest first.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn unfinished_check_runs(&self) -> Result<Vec<CheckRunRow>> {
        self.db.query(UNFINISHED, Vec::new()).await?.into_iter().map(check_run).collect()
    }

    async fn one_check_run(&self, sql: &'static str, args: Vec<Val>) -> Result<Option<CheckRunRow>> {
        self.db.query_one(sql, args).await?.map(check_run).transpose()
    }

    async fn write_check_run(
        &self,
        sql: &'static str,
        repository_id: i64,
        head_sha: &str,
        name: &str,
        more: Vec<Val>,
    ) -> Result<()> {
        let mut args = key(repository_id, head_sha, name);
        args.extend(more);
        self.db.exec(sql, args).await.map(drop)
    }
}

fn key(repository_id: i64, head_sha: &str, name: &str) -> Vec<Val> {
    vec![repository_id.into(), head_sha.into(), name.into()]
}

fn check_run(mut row: Row) -> Result<CheckRunRow> {
    Ok(CheckRunRow {
        repository_id: row.take(0)?,
        head_sha: row.take(1)?,
        name: row.take(2)?,
        pull_request: row.take(3)?,
        run_id: row.take(4)?,
        state: match row.take::<String>(5)?.as_str() {
            "creating" => CheckRunState::Creating,
            "open" => CheckRunState::Open,
            "completed" => CheckRunState::Completed,
            _ => return Err(StoreError::Unreadable("the state of a check run")),
        },
        attempted_at: row.take(6)?,
        external_id: row.take(7)?,
        output_digest: row.take(8)?,
        annotations_planned: row.take(9)?,
        annotations_sent: row.take(10)?,
        unanswered_since: row.take(11)?,
        annotations: row.take::<String>(12)?.split_terminator(',').map(str::to_owned).collect(),
    })
}

pub(super) const STATEMENTS: &[&str] = &[
    EXPECTED,
    INTENT,
    CREATED,
    PLANNED,
    UNANSWERED,
    UNDONE,
    ANNOTATED,
    COMPLETED,
    REOPEN,
    FORGET,
    BY_KEY,
    BY_EXTERNAL_ID,
    PULL_REQUEST_OF_HEAD,
    UNFINISHED,
];

const EXPECTED: &str = "\
INSERT INTO check_runs (repository_id, head_sha, name, pull_request, state, attempted_at) \
VALUES ($1, $2, $3, $4, 'creating', $5) \
ON CONFLICT (repository_id, head_sha, name) DO UPDATE SET \
  pull_request = COALESCE(excluded.pull_request, check_runs.pull_request)";

const INTENT: &str = "\
INSERT INTO check_runs (repository_id, head_sha, name, pull_request, state, attempted_at, unanswered_since) \
VALUES ($1, $2, $3, $4, 'creating', $5, $5) \
ON CONFLICT (repository_id, head_sha, name) DO UPDATE SET attempted_at = excluded.attempted_at, \
  unanswered_since = excluded.unanswered_since, \
  pull_request = COALESCE(excluded.pull_request, check_runs.pull_request) \
WHERE check_runs.run_id IS NULL AND check_runs.unanswered_since IS NULL";

const CREATED: &str = "\
INSERT INTO check_runs (repository_id, head_sha, name, run_id, state, attempted_at) \
VALUES ($1, $2, $3, $4, 'open', $5) \
ON CONFLICT (repository_id, head_sha, name) DO UPDATE SET run_id = excluded.run_id, state = 'open', \
  unanswered_since = NULL, \
  annotations_sent = CASE WHEN check_runs.run_id = excluded.run_id THEN check_runs.annotations_sent ELSE 0 END, \
  annotations = CASE WHEN check_runs.run_id IS NULL OR check_runs.run_id = excluded.run_id \
    THEN check_runs.annotations ELSE '' END";

const PLANNED: &str = "\
UPDATE check_runs SET state = CASE WHEN run_id IS NULL THEN 'creating' ELSE 'open' END, \
  external_id = $4, annotations_planned = $5, unanswered_since = $6, annotations = $7 \
WHERE repository_id = $1 AND head_sha = $2 AND name = $3";

const UNANSWERED: &str = "\
UPDATE check_runs SET unanswered_since = $4 WHERE repository_id = $1 AND head_sha = $2 AND name = $3";

const UNDONE: &str = "\
UPDATE check_runs SET unanswered_since = NULL \
WHERE repository_id = $1 AND head_sha = $2 AND name = $3 AND unanswered_since = $4";

const ANNOTATED: &str = "\
UPDATE check_runs SET annotations_sent = $4 WHERE repository_id = $1 AND head_sha = $2 AND name = $3";

const COMPLETED: &str = "\
UPDATE check_runs SET state = 'completed', external_id = $4, output_digest = $5, annotations_sent = $6, \
  unanswered_since = NULL \
WHERE repository_id = $1 AND head_sha = $2 AND name = $3";

const REOPEN: &str = "\
UPDATE check_runs SET state = 'open' \
WHERE repository_id = $1 AND head_sha = $2 AND name = $3 AND state = 'completed'";

const FORGET: &str = "\
DELETE FROM check_runs WHERE repository_id = $1 AND head_sha = $2 AND name = $3 AND run_id IS NULL";

/// The columns of a check run, in the order in which they are read.
macro_rules! select {
    () => {
        "\
SELECT repository_id, head_sha, name, pull_request, run_id, state, attempted_at, external_id, output_digest, \
annotations_planned, annotations_sent, unanswered_since, annotations FROM check_runs "
    };
}

const BY_KEY: &str = concat!(select!(), "WHERE repository_id = $1 AND head_sha = $2 AND name = $3");
const BY_EXTERNAL_ID: &str = concat!(select!(), "WHERE external_id = $1 ORDER BY attempted_at DESC LIMIT 1");
const UNFINISHED: &str =
    concat!(select!(), "WHERE state <> 'completed' ORDER BY attempted_at, repository_id, head_sha");

const PULL_REQUEST_OF_HEAD: &str = "\
SELECT pull_request FROM check_runs WHERE repository_id = $1 AND head_sha = $2 AND pull_request IS NOT NULL \
ORDER BY attempted_at DESC LIMIT 1";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    const NAME: &str = "mergecast/risk";

    fn row(head_sha: &str, attempted_at: i64) -> CheckRunRow {
        CheckRunRow {
            repository_id: 1,
            head_sha: head_sha.to_owned(),
            name: NAME.to_owned(),
            pull_request: Some(7),
            run_id: None,
            state: CheckRunState::Creating,
            attempted_at,
            external_id: None,
            output_digest: None,
            annotations_planned: 0,
            annotations: Vec::new(),
            annotations_sent: 0,
            unanswered_since: Some(attempted_at),
        }
    }

    #[tokio::test]
    async fn goes_from_intent_to_completed_and_back_to_work() {
        let place = Place::new();
        let store = place.open().await;
        assert_eq!(store.check_run(1, "sha", NAME).await, Ok(None));
        store.check_run_intent(1, "sha", NAME, Some(7), 100).await.unwrap();
        let mut expected = row("sha", 100);
        assert_eq!(store.check_run(1, "sha", NAME).await, Ok(Some(expected.clone())));

        store.check_run_created(1, "sha", NAME, 4, 101).await.unwrap();
        let annotations: Vec<String> = (0..60).map(|n| n.to_string()).collect();
        store.check_run_planned(1, "sha", NAME, "a1", &annotations, 102).await.unwrap();
        store.check_run_annotated(1, "sha", NAME, 50).await.unwrap();
        expected = CheckRunRow {
            run_id: Some(4),
            state: CheckRunState::Open,
            external_id: Some("a1".to_owned()),
            annotations_planned: 60,
            annotations,
            annotations_sent: 50,
            unanswered_since: Some(102),
            ..expected
        };
        assert_eq!(store.check_run_by_external_id("a1").await, Ok(Some(expected.clone())));
        assert_eq!(store.unfinished_check_runs().await, Ok(vec![expected.clone()]));

        store.check_run_completed(1, "sha", NAME, "a1", "digest", 60).await.unwrap();
        expected = CheckRunRow {
            state: CheckRunState::Completed,
            output_digest: Some("digest".to_owned()),
            annotations_sent: 60,
            unanswered_since: None,
            ..expected
        };
        assert_eq!(store.check_run(1, "sha", NAME).await, Ok(Some(expected.clone())));
        assert_eq!(store.unfinished_check_runs().await, Ok(vec![]));

        assert_eq!(store.check_run_intent(1, "sha", NAME, None, 200).await, Ok(false), "there is a run");
        assert_eq!(store.check_run(1, "sha", NAME).await, Ok(Some(expected.clone())), "an intent undoes nothing");

        store.check_run_created(1, "sha", NAME, 4, 201).await.unwrap();
        expected = CheckRunRow { state: CheckRunState::Open, unanswered_since: None, ..expected };
        assert_eq!(store.check_run(1, "sha", NAME).await, Ok(Some(expected.clone())), "the same run keeps its count");
        store.check_run_created(1, "sha", NAME, 5, 202).await.unwrap();
        expected = CheckRunRow { run_id: Some(5), annotations_sent: 0, annotations: Vec::new(), ..expected };
        assert_eq!(store.check_run(1, "sha", NAME).await, Ok(Some(expected)));
    }

    #[tokio::test]
    async fn knows_whether_a_write_is_unanswered_and_forgets_what_never_was() {
        let place = Place::new();
        let store = place.open().await;
        store.check_run_expected(1, "sha", NAME, 7, 90).await.unwrap();
        let since = async || store.check_run(1, "sha", NAME).await.unwrap().unwrap().unanswered_since;
        assert_eq!(store.pull_request_of_head(1, "sha").await, Ok(Some(7)));
        assert_eq!(since().await, None);
        store.check_run_intent(1, "sha", NAME, None, 100).await.unwrap();
        store.check_run_expected(1, "sha", NAME, 7, 101).await.unwrap();
        assert_eq!(since().await, Some(100), "to look at it again answers nothing");
        store.check_run_unanswered(1, "sha", NAME, Some(120)).await.unwrap();
        assert_eq!(since().await, Some(120));
        store.check_run_unanswered(1, "sha", NAME, None).await.unwrap();
        assert_eq!(since().await, None);
        assert!(store.check_run_intent(1, "sha", NAME, None, 130).await.unwrap());
        store.check_run_undone(1, "sha", NAME, 120).await.unwrap();
        assert!(!store.check_run_intent(1, "sha", NAME, None, 131).await.unwrap(), "a newer one stays");
        store.check_run_undone(1, "sha", NAME, 130).await.unwrap();
        assert!(store.check_run_intent(1, "sha", NAME, None, 132).await.unwrap());
        store.forget_check_run(1, "sha", NAME).await.unwrap();
        assert_eq!(store.check_run(1, "sha", NAME).await, Ok(None));
        store.check_run_created(1, "sha", NAME, 4, 130).await.unwrap();
        store.forget_check_run(1, "sha", NAME).await.unwrap();
        assert!(store.check_run(1, "sha", NAME).await.unwrap().is_some(), "it exists");
    }

    #[tokio::test]
    async fn knows_heads_and_what_is_unfinished() {
        let place = Place::new();
        let store = place.open().await;
        store.check_run_intent(1, "b", NAME, Some(8), 200).await.unwrap();
        store.check_run_intent(1, "a", NAME, Some(7), 100).await.unwrap();
        store.check_run_created(1, "found", NAME, 9, 300).await.unwrap();
        let heads: Vec<_> = store.unfinished_check_runs().await.unwrap().into_iter().map(|row| row.head_sha).collect();
        assert_eq!(heads, ["a", "b", "found"]);
        assert_eq!(store.pull_request_of_head(1, "b").await, Ok(Some(8)));
        assert_eq!(store.pull_request_of_head(2, "b").await, Ok(None));
        assert_eq!(store.pull_request_of_head(1, "found").await, Ok(None));
        assert_eq!(store.check_run_by_external_id("a1").await, Ok(None));
    }
}
