//! Mirrors of repositories: which are wanted, how the last fetch went, and which scores wait for one.

use super::{
    Result, Store,
    db::{Row, Statement, Val, limit},
    jobs::REQUEST_AGAIN,
};

/// Branches of one mirror; those asked for last stay.
const BRANCHES_MAX: usize = 32;

/// A wish that a repository be mirrored, or its mirror be brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorRequest<'a> {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// A branch to mirror besides the default branch.
    pub branch: Option<&'a str>,
    /// Not before this instant, in milliseconds since 1970. After a failure it is tried again in its own time.
    pub run_at: i64,
    /// Somebody waits for it.
    pub urgent: bool,
}

/// A mirror that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMirror {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The installation that covers it.
    pub installation_id: i64,
    /// `owner/name` today.
    pub repository: String,
    /// Requests so far; a fetch answers these and no later ones.
    pub asked: i64,
    /// Failures since the last fetch that went well.
    pub attempts: i64,
}

/// How a mirror is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorRow {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// `owner/name` today.
    pub repository: String,
    /// When it was fetched last, in milliseconds since 1970.
    pub fetched_at: Option<i64>,
    /// Bytes on disk after that.
    pub bytes: i64,
    /// Why the last try failed. Untrusted.
    pub failure: Option<String>,
    /// Changes in the longest history that was read off it.
    pub changes: Option<i64>,
    /// A fetch is wanted.
    pub wanted: bool,
}

/// A branch whose history was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBranch {
    /// Name. Untrusted.
    pub branch: String,
    /// Object id of the newest commit that was read.
    pub tip: String,
    /// Changes in its history.
    pub changes: i64,
}

/// All mirrors in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MirrorCounts {
    /// Fetched, and the last try went well.
    pub ready: i64,
    /// Never fetched, without a failure so far.
    pub loading: i64,
    /// The last try failed.
    pub failed: i64,
    /// Bytes on disk.
    pub bytes: i64,
}

impl Store {
    /// Asks for a fetch.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn ask_mirror(&self, request: &MirrorRequest<'_>, now: i64) -> Result<()> {
        let MirrorRequest { repository_id, branch, run_at, urgent } = *request;
        let mut statements: Vec<Statement> =
            vec![(ASK, vec![repository_id.into(), run_at.into(), i64::from(urgent).into()])];
        if let Some(branch) = branch {
            statements.push((ASK_BRANCH, vec![repository_id.into(), branch.into(), now.into()]));
        }
        self.db.tx(statements).await.map(drop)
    }

    /// Asks for a mirror of all that an installation covers and that has none yet, or has another name than the one it
    /// was last tried by.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn ask_mirrors_of(&self, installation_id: i64, now: i64) -> Result<()> {
        let args = || vec![installation_id.into(), now.into()];
        self.db.tx(vec![(ASK_NEW, args()), (ASK_RENAMED, args())]).await.map(drop)
    }

    /// At most `most` mirrors that are due at `now`, those first that somebody waits for. What is out of reach is not
    /// due.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn mirrors_due(&self, now: i64, most: usize) -> Result<Vec<DueMirror>> {
        let rows = self.db.query(DUE, vec![now.into(), limit(most)]).await?;
        let read = |mut row: Row| {
            Ok(DueMirror {
                repository_id: row.take(0)?,
                installation_id: row.take(1)?,
                repository: row.take(2)?,
                asked: row.take(3)?,
                attempts: row.take(4)?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// When the next fetch is due that is no repeated try, in milliseconds since 1970.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn next_mirror_due(&self) -> Result<Option<i64>> {
        self.db.query_one(NEXT_DUE, Vec::new()).await?.map_or(Ok(None), |mut row| row.take(0))
    }

    /// Branches that a mirror is to hold besides the default branch.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn mirrored_branches(&self, repository_id: i64) -> Result<Vec<String>> {
        let rows = self.db.query(BRANCHES, vec![repository_id.into(), limit(BRANCHES_MAX)]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// Whether a mirror is to hold a branch.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_mirrored(&self, repository_id: i64, branch: &str) -> Result<bool> {
        Ok(self.db.query_one(BRANCH, vec![repository_id.into(), branch.into()]).await?.is_some())
    }

    /// Tip of the history that was read last of a branch; `None` if none was.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn history_tip(&self, repository_id: i64, branch: &str) -> Result<Option<String>> {
        let row = self.db.query_one(BRANCH, vec![repository_id.into(), branch.into()]).await?;
        row.map_or(Ok(None), |mut row| row.take(0))
    }

    /// Notes a fetch that went well: it answers the requests up to `due.asked`. Branches that were not asked for since
    /// `before` are dropped.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn mirror_fetched(
        &self,
        due: &DueMirror,
        read: &[ReadBranch],
        bytes: i64,
        before: i64,
        now: i64,
    ) -> Result<()> {
        let id = due.repository_id;
        let fetched = vec![id.into(), due.asked.into(), Val::from(&due.repository), now.into(), bytes.into()];
        let mut statements: Vec<Statement> = vec![(FETCHED, fetched), (UNREAD, vec![id.into()])];
        for ReadBranch { branch, tip, changes } in read {
            statements.push((READ, vec![id.into(), branch.into(), now.into(), tip.into(), (*changes).into()]));
        }
        statements.push((DROP_BRANCHES, vec![id.into(), before.into()]));
        self.db.tx(statements).await.map(drop)
    }

    /// Notes a fetch that failed, and when it is tried again.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn mirror_failed(&self, due: &DueMirror, why: &str, run_at: i64) -> Result<()> {
        let args = vec![due.repository_id.into(), Val::from(&due.repository), why.into(), run_at.into()];
        self.db.exec(FAILED, args).await.map(drop)
    }

    /// How a mirror is; `None` if none was asked for.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn mirror(&self, repository_id: i64) -> Result<Option<MirrorRow>> {
        self.db.query_one(ONE, vec![repository_id.into()]).await?.map(mirror).transpose()
    }

    /// How the mirrors are: failed ones first, then those that load, then those fetched last.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn mirrors(&self, most: usize) -> Result<Vec<MirrorRow>> {
        self.db.query(ALL, vec![limit(most)]).await?.into_iter().map(mirror).collect()
    }

    /// All mirrors in figures.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn mirror_counts(&self) -> Result<MirrorCounts> {
        let Some(mut row) = self.db.query_one(COUNTS, Vec::new()).await? else { return Ok(MirrorCounts::default()) };
        Ok(MirrorCounts { ready: row.take(0)?, loading: row.take(1)?, failed: row.take(2)?, bytes: row.take(3)? })
    }

    /// Notes that the score of a pull request is to be made again after the next fetch.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn wait_for_history(&self, repository_id: i64, pull: i64, base_sha: &str, now: i64) -> Result<()> {
        self.db.exec(WAIT, vec![repository_id.into(), pull.into(), base_sha.into(), now.into()]).await.map(drop)
    }

    /// Whether a fetch has ended since this pull request, on this base commit, began to wait for one.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn has_waited(&self, repository_id: i64, pull: i64, base_sha: &str) -> Result<bool> {
        Ok(self.db.query_one(WAITED, vec![repository_id.into(), pull.into(), base_sha.into()]).await?.is_some())
    }

    /// Notes that a pull request waits no more.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn wait_is_over(&self, repository_id: i64, pull: i64) -> Result<()> {
        self.db.exec(WAIT_OVER, vec![repository_id.into(), pull.into()]).await.map(drop)
    }

    /// At most `most` pull requests of a repository that wait for a fetch and have not been told of one.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn waiting(&self, repository_id: i64, most: usize) -> Result<Vec<i64>> {
        let rows = self.db.query(WAITING, vec![repository_id.into(), limit(most)]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// Repositories with pull requests that wait.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn repositories_waiting(&self) -> Result<Vec<i64>> {
        self.db.query(REPOSITORIES_WAITING, Vec::new()).await?.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// Tells a pull request that waits of a fetch: its job, which has this key, is requested again.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn tell_waiting(&self, repository_id: i64, pull: i64, job_key: &str, now: i64) -> Result<()> {
        let told = (TOLD, vec![repository_id.into(), pull.into()]);
        self.db.tx(vec![told, (REQUEST_AGAIN, vec![job_key.into(), now.into()])]).await.map(drop)
    }
}

fn mirror(mut row: Row) -> Result<MirrorRow> {
    Ok(MirrorRow {
        repository_id: row.take(0)?,
        repository: row.take(1)?,
        fetched_at: row.take(2)?,
        bytes: row.take(3)?,
        failure: row.take(4)?,
        changes: row.take(5)?,
        wanted: row.take::<Option<i64>>(6)?.is_some(),
    })
}

pub(super) const STATEMENTS: &[&str] = &[
    ASK,
    ASK_BRANCH,
    ASK_NEW,
    ASK_RENAMED,
    DUE,
    NEXT_DUE,
    BRANCHES,
    BRANCH,
    FETCHED,
    UNREAD,
    READ,
    DROP_BRANCHES,
    FAILED,
    ONE,
    ALL,
    COUNTS,
    WAIT,
    WAITED,
    WAIT_OVER,
    WAITING,
    REPOSITORIES_WAITING,
    TOLD,
];

/// The pause after a failure is not cut short: a burst of events would hammer a remote that has trouble.
const ASK: &str = "\
INSERT INTO mirrors (repository_id, asked, run_at, urgent) VALUES ($1, 1, $2, $3) \
ON CONFLICT (repository_id) DO UPDATE SET asked = mirrors.asked + 1, \
  run_at = CASE WHEN mirrors.run_at IS NOT NULL AND (mirrors.attempts > 0 OR mirrors.run_at < excluded.run_at) \
    THEN mirrors.run_at ELSE excluded.run_at END, \
  urgent = CASE WHEN mirrors.urgent > excluded.urgent THEN mirrors.urgent ELSE excluded.urgent END";

const ASK_BRANCH: &str = "\
INSERT INTO mirror_branches (repository_id, branch, asked_at) VALUES ($1, $2, $3) \
ON CONFLICT (repository_id, branch) DO UPDATE SET asked_at = excluded.asked_at";

const ASK_NEW: &str = "\
INSERT INTO mirrors (repository_id, asked, run_at) \
SELECT repository_id, 1, $2 FROM installation_repositories \
WHERE installation_id = $1 AND removed_at IS NULL AND archived = 0 \
ON CONFLICT (repository_id) DO NOTHING";

const ASK_RENAMED: &str = "\
UPDATE mirrors SET asked = asked + 1, attempts = 0, run_at = $2 \
WHERE EXISTS (SELECT 1 FROM installation_repositories r WHERE r.repository_id = mirrors.repository_id \
  AND r.installation_id = $1 AND r.removed_at IS NULL AND r.repository <> mirrors.tried_as)";

/// From here on: mirrors `m` of repositories `r` that are covered, not archived, and whose installation is at work.
macro_rules! within_reach {
    () => {
        "\
FROM mirrors m JOIN installation_repositories r ON r.repository_id = m.repository_id \
LEFT JOIN installations i ON i.installation_id = r.installation_id \
WHERE r.removed_at IS NULL AND i.suspended_at IS NULL AND i.deleted_at IS NULL "
    };
}

const DUE: &str = concat!(
    "\
SELECT m.repository_id, r.installation_id, r.repository, m.asked, m.attempts ",
    within_reach!(),
    "AND m.run_at <= $1 ORDER BY m.urgent DESC, m.run_at, m.repository_id LIMIT $2"
);

const NEXT_DUE: &str = concat!(
    "\
SELECT MIN(m.run_at) ",
    within_reach!(),
    "AND m.attempts = 0"
);

const BRANCHES: &str = "\
SELECT branch FROM mirror_branches WHERE repository_id = $1 ORDER BY asked_at DESC, branch LIMIT $2";

const BRANCH: &str = "\
SELECT tip FROM mirror_branches WHERE repository_id = $1 AND branch = $2";

const FETCHED: &str = "\
UPDATE mirrors SET run_at = CASE WHEN asked = $2 THEN NULL ELSE $4 END, urgent = 0, attempts = 0, failure = NULL, \
  tried_as = $3, fetched_at = $4, bytes = $5 \
WHERE repository_id = $1";

const UNREAD: &str = "\
UPDATE mirror_branches SET tip = NULL, changes = NULL WHERE repository_id = $1";

const READ: &str = "\
INSERT INTO mirror_branches (repository_id, branch, asked_at, tip, changes) VALUES ($1, $2, $3, $4, $5) \
ON CONFLICT (repository_id, branch) DO UPDATE SET tip = excluded.tip, changes = excluded.changes";

const DROP_BRANCHES: &str = "\
DELETE FROM mirror_branches WHERE repository_id = $1 AND asked_at < $2";

const FAILED: &str = "\
UPDATE mirrors SET attempts = attempts + 1, tried_as = $2, failure = $3, run_at = $4 WHERE repository_id = $1";

macro_rules! shown {
    () => {
        "\
SELECT m.repository_id, r.repository, m.fetched_at, m.bytes, m.failure, \
  (SELECT MAX(b.changes) FROM mirror_branches b WHERE b.repository_id = m.repository_id), m.run_at \
FROM mirrors m JOIN installation_repositories r ON r.repository_id = m.repository_id WHERE r.removed_at IS NULL "
    };
}

const ONE: &str = concat!("", shown!(), "AND m.repository_id = $1");

const ALL: &str = concat!(
    "",
    shown!(),
    "ORDER BY CASE WHEN m.failure IS NOT NULL THEN 0 WHEN m.fetched_at IS NULL THEN 1 ELSE 2 END, \
  m.fetched_at DESC, m.repository_id LIMIT $1"
);

pub(super) const COUNTS: &str = "\
SELECT COALESCE(SUM(CASE WHEN m.failure IS NULL AND m.fetched_at IS NOT NULL THEN 1 ELSE 0 END), 0), \
  COALESCE(SUM(CASE WHEN m.failure IS NULL AND m.fetched_at IS NULL THEN 1 ELSE 0 END), 0), \
  COALESCE(SUM(CASE WHEN m.failure IS NOT NULL THEN 1 ELSE 0 END), 0), CAST(COALESCE(SUM(m.bytes), 0) AS BIGINT) \
FROM mirrors m JOIN installation_repositories r ON r.repository_id = m.repository_id WHERE r.removed_at IS NULL";

const WAIT: &str = "\
INSERT INTO history_waits (repository_id, pull_request, base_sha, since) VALUES ($1, $2, $3, $4) \
ON CONFLICT (repository_id, pull_request) DO UPDATE SET base_sha = excluded.base_sha, since = excluded.since, told = 0";

const WAITED: &str = "\
SELECT 1 FROM history_waits WHERE repository_id = $1 AND pull_request = $2 AND base_sha = $3 AND told = 1";

const WAIT_OVER: &str = "\
DELETE FROM history_waits WHERE repository_id = $1 AND pull_request = $2";

const WAITING: &str = "\
SELECT pull_request FROM history_waits WHERE repository_id = $1 AND told = 0 ORDER BY since, pull_request LIMIT $2";

const REPOSITORIES_WAITING: &str = "\
SELECT DISTINCT repository_id FROM history_waits WHERE told = 0 ORDER BY repository_id";

const TOLD: &str = "\
UPDATE history_waits SET told = 1 WHERE repository_id = $1 AND pull_request = $2";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::store::CoveredRepository;

    fn request(repository_id: i64, run_at: i64) -> MirrorRequest<'static> {
        MirrorRequest { repository_id, branch: None, run_at, urgent: false }
    }

    async fn due(store: &Store, now: i64) -> Vec<i64> {
        store.mirrors_due(now, 9).await.unwrap().into_iter().map(|due| due.repository_id).collect()
    }

    async fn covered(store: &Store, repositories: &[(i64, &str)]) {
        let covered: Vec<_> = repositories
            .iter()
            .map(|(id, name)| CoveredRepository { repository_id: *id, repository: (*name).to_owned(), archived: false })
            .collect();
        store.save_covered(42, &format!("{repositories:?}"), &covered, 10).await.unwrap();
    }

    #[tokio::test]
    async fn requests_coalesce_and_one_that_comes_meanwhile_leads_to_another_fetch() {
        let place = Place::new();
        let store = place.open().await;
        covered(&store, &[(1, "acme/shop"), (2, "acme/till")]).await;
        store.ask_mirrors_of(42, 100).await.unwrap();
        store.ask_mirrors_of(42, 200).await.unwrap();
        assert_eq!(due(&store, 99).await, Vec::<i64>::new());
        assert_eq!(due(&store, 100).await, [1, 2]);
        store.ask_mirror(&MirrorRequest { urgent: true, ..request(2, 50) }, 50).await.unwrap();
        store.ask_mirror(&request(2, 500), 50).await.unwrap();
        assert_eq!(due(&store, 100).await, [2, 1], "the earlier time holds, and who is waited for comes first");
        assert_eq!(store.next_mirror_due().await, Ok(Some(50)));
        let first = store.mirrors_due(100, 1).await.unwrap().remove(0);
        store.ask_mirror(&request(2, 101), 101).await.unwrap();
        store.mirror_fetched(&first, &[], 7, 0, 110).await.unwrap();
        assert_eq!(due(&store, 110).await, [1, 2], "asked for after it was taken");
        let second = store.mirrors_due(110, 9).await.unwrap().remove(1);
        store.mirror_fetched(&second, &[], 9, 0, 120).await.unwrap();
        assert_eq!(due(&store, i64::MAX).await, [1]);
        let counts = MirrorCounts { ready: 1, loading: 1, failed: 0, bytes: 9 };
        assert_eq!(store.mirror_counts().await, Ok(counts));
    }

    #[tokio::test]
    async fn a_failure_is_tried_again_in_its_own_time_or_by_another_name() {
        let place = Place::new();
        let store = place.open().await;
        covered(&store, &[(1, "acme/shop")]).await;
        store.ask_mirror(&request(1, 10), 10).await.unwrap();
        let tried = store.mirrors_due(10, 9).await.unwrap().remove(0);
        store.mirror_failed(&tried, "the remote refuses access", 1_000).await.unwrap();
        store.ask_mirror(&request(1, 20), 20).await.unwrap();
        assert_eq!(due(&store, 999).await, Vec::<i64>::new());
        assert_eq!(store.next_mirror_due().await, Ok(None), "a repeated try is nobody's work");
        assert_eq!(store.mirrors_due(1_000, 9).await.unwrap()[0].attempts, 1);
        let row = store.mirror(1).await.unwrap().unwrap();
        assert_eq!((row.failure.as_deref(), row.wanted), (Some("the remote refuses access"), true));
        covered(&store, &[(1, "acme/store")]).await;
        store.ask_mirrors_of(42, 30).await.unwrap();
        let again = store.mirrors_due(30, 9).await.unwrap().remove(0);
        assert_eq!((again.repository.as_str(), again.attempts), ("acme/store", 0));
        store.installation_deleted(42, 40).await.unwrap();
        assert_eq!(due(&store, i64::MAX).await, Vec::<i64>::new(), "out of reach");
    }

    #[tokio::test]
    async fn branches_are_kept_while_they_are_asked_for() {
        let place = Place::new();
        let store = place.open().await;
        covered(&store, &[(1, "acme/shop")]).await;
        for (branch, at) in [("release/1", 10), ("release/2", 50)] {
            store.ask_mirror(&MirrorRequest { branch: Some(branch), ..request(1, 0) }, at).await.unwrap();
        }
        let tried = store.mirrors_due(60, 9).await.unwrap().remove(0);
        let read = |branch: &str| ReadBranch { branch: branch.to_owned(), tip: "abc".to_owned(), changes: 3 };
        store.mirror_fetched(&tried, &[read("main"), read("release/2")], 7, 20, 60).await.unwrap();
        assert_eq!(store.mirrored_branches(1).await.unwrap(), ["main", "release/2"]);
        assert!(store.is_mirrored(1, "release/2").await.unwrap() && !store.is_mirrored(1, "release/1").await.unwrap());
        assert_eq!(store.history_tip(1, "main").await, Ok(Some("abc".to_owned())));
        // Gone at the remote: what was read of it holds no more.
        store.mirror_fetched(&tried, &[read("main")], 7, 20, 70).await.unwrap();
        assert_eq!(store.history_tip(1, "release/2").await, Ok(None));
        assert_eq!(store.mirror(1).await.unwrap().unwrap().changes, Some(3));
    }

    #[tokio::test]
    async fn a_score_waits_until_it_is_told_and_asks_only_once() {
        let place = Place::new();
        let store = place.open().await;
        store.wait_for_history(1, 7, "aaa", 10).await.unwrap();
        store.wait_for_history(1, 8, "aaa", 9).await.unwrap();
        assert_eq!(store.repositories_waiting().await, Ok(vec![1]));
        assert_eq!(store.waiting(1, 9).await, Ok(vec![8, 7]));
        store.tell_waiting(1, 7, "pr:1:7", 30).await.unwrap();
        assert_eq!(store.waiting(1, 9).await, Ok(vec![8]));
        assert_eq!(store.has_waited(1, 7, "aaa").await, Ok(true));
        assert_eq!(store.has_waited(1, 7, "bbb").await, Ok(false), "another base commit");
        assert_eq!(store.has_waited(1, 8, "aaa").await, Ok(false));
        store.wait_for_history(1, 7, "bbb", 20).await.unwrap();
        assert_eq!(store.waiting(1, 9).await, Ok(vec![8, 7]));
        store.wait_is_over(1, 7).await.unwrap();
        assert_eq!(store.waiting(1, 9).await, Ok(vec![8]));
    }
}
