//! Erases what is kept of repositories and installations that the App left, a bounded number of rows at a time. Each text
//! asks again whether it is still so: the App may be installed anew meanwhile.

use super::{
    Result, Store,
    db::{Statement, Val, limit},
};

/// What one go at erasing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasing {
    /// So many rows went, and more may be left.
    Rows(u64),
    /// Nothing was left but its own row, and that went.
    Done,
    /// Nothing went: it came back, or it waits for what belongs to it.
    Kept,
}

impl Store {
    /// Repositories that were taken from the App before `before`.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn repositories_to_erase(&self, before: i64, most: usize) -> Result<Vec<i64>> {
        let rows = self.db.query(REPOSITORIES, vec![before.into(), limit(most)]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// Erases at most `most` rows in each place that knows of a repository which was taken from the App before `before`,
    /// and its own row after the last of them.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is erased.
    pub async fn erase_repository(&self, repository_id: i64, before: i64, most: usize) -> Result<Erasing> {
        let rows = || vec![repository_id.into(), before.into(), limit(most)];
        let jobs = |prefix: &str| {
            let (from, to) = (format!("{prefix}:{repository_id}:"), format!("{prefix}:{repository_id};"));
            let mut args = rows();
            args.extend([Val::from(&from), Val::from(&to)]);
            (JOBS, args)
        };
        let mut statements: Vec<Statement> = [
            ASSESSMENTS,
            CHECK_RUNS,
            POLICIES,
            MERGE_GROUPS,
            COMMANDS,
            OVERRIDES,
            MOVES,
            FEEDBACK,
            BRANCHES,
            WAITS,
            MIRROR,
            RECENT_PULLS,
            OWNERS_CHANGED,
            SERVICES,
            REMEDIATIONS,
            COVERAGE,
            SAID,
            COMMITS_BETWEEN,
            LANDED_PULLS,
            TOKENS,
            OUTCOMES,
            SHADOWS,
        ]
        .into_iter()
        .map(|sql| (sql, rows()))
        .collect();
        statements.extend(["pr", "commit", "group", "commands", "receipts", "override"].map(jobs));
        self.erase(statements, (REPOSITORY, vec![repository_id.into(), before.into()])).await
    }

    /// Installations that have been gone since before `before`.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn installations_to_erase(&self, before: i64, most: usize) -> Result<Vec<i64>> {
        let rows = self.db.query(INSTALLATIONS, vec![before.into(), limit(most)]).await?;
        rows.into_iter().map(|mut row| row.take(0)).collect()
    }

    /// The same for an installation that has been gone since before `before`: its deliveries and what was kept of
    /// GitHub's answers. Its own row goes after those of its repositories.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is erased.
    pub async fn erase_installation(&self, installation_id: i64, before: i64, most: usize) -> Result<Erasing> {
        let rows = || vec![installation_id.into(), before.into(), limit(most)];
        let job = vec![installation_id.into(), before.into(), Val::from(&format!("installation:{installation_id}"))];
        let own = vec![installation_id.into(), before.into()];
        self.erase(
            vec![
                (DELIVERIES, rows()),
                (ANSWERS, rows()),
                (ALL_TOKENS, rows()),
                (ALL_SAID, rows()),
                (INSTALLATION_JOB, job),
            ],
            (INSTALLATION, own),
        )
        .await
    }

    /// Runs the statements, or the last one where they find nothing any more: while its own row is there, it is known
    /// that something may be left.
    async fn erase(&self, statements: Vec<Statement>, last: Statement) -> Result<Erasing> {
        let rows: u64 = self.db.tx(statements).await?.iter().map(|done| done.changed).sum();
        if rows > 0 {
            return Ok(Erasing::Rows(rows));
        }
        let own = self.db.exec(last.0, last.1).await?.changed;
        Ok(if own > 0 { Erasing::Done } else { Erasing::Kept })
    }
}

pub(super) const STATEMENTS: &[&str] = &[
    REPOSITORIES,
    ASSESSMENTS,
    CHECK_RUNS,
    POLICIES,
    MERGE_GROUPS,
    COMMANDS,
    OVERRIDES,
    MOVES,
    FEEDBACK,
    BRANCHES,
    WAITS,
    MIRROR,
    RECENT_PULLS,
    OWNERS_CHANGED,
    SERVICES,
    REMEDIATIONS,
    COVERAGE,
    SAID,
    ALL_SAID,
    COMMITS_BETWEEN,
    LANDED_PULLS,
    TOKENS,
    OUTCOMES,
    SHADOWS,
    ALL_TOKENS,
    JOBS,
    REPOSITORY,
    INSTALLATIONS,
    DELIVERIES,
    ANSWERS,
    INSTALLATION_JOB,
    INSTALLATION,
];

/// Repository `$1` was taken from the App before `$2`, still.
macro_rules! left {
    () => {
        "EXISTS (SELECT 1 FROM installation_repositories WHERE repository_id = $1 AND removed_at < $2)"
    };
}

/// Installation `$1` has been gone since before `$2`, still.
macro_rules! gone {
    () => {
        "EXISTS (SELECT 1 FROM installations WHERE installation_id = $1 AND deleted_at < $2)"
    };
}

const REPOSITORIES: &str = "\
SELECT repository_id FROM installation_repositories WHERE removed_at < $1 ORDER BY removed_at, repository_id LIMIT $2";

const ASSESSMENTS: &str = concat!(
    "DELETE FROM assessments WHERE id IN (SELECT id FROM assessments WHERE repository_id = $1 ORDER BY at, id LIMIT $3) AND ",
    left!()
);

const CHECK_RUNS: &str = concat!(
    "\
DELETE FROM check_runs WHERE (repository_id, head_sha, name) IN ( \
  SELECT repository_id, head_sha, name FROM check_runs WHERE repository_id = $1 ORDER BY head_sha, name LIMIT $3) AND ",
    left!()
);

const POLICIES: &str = concat!(
    "\
DELETE FROM policies WHERE (repository_id, base_ref) IN ( \
  SELECT repository_id, base_ref FROM policies WHERE repository_id = $1 ORDER BY base_ref LIMIT $3) AND ",
    left!()
);

const MERGE_GROUPS: &str = concat!(
    "\
DELETE FROM merge_groups WHERE (repository_id, head_sha) IN ( \
  SELECT repository_id, head_sha FROM merge_groups WHERE repository_id = $1 ORDER BY head_sha LIMIT $3) AND ",
    left!()
);

const COMMANDS: &str = concat!(
    "\
DELETE FROM commands WHERE command_key IN ( \
  SELECT command_key FROM commands WHERE repository_id = $1 ORDER BY received_at, command_key LIMIT $3) AND ",
    left!()
);

/// The one thing that takes from the ledger of overrides: whoever removes the App takes all of it along.
const OVERRIDES: &str = concat!(
    "\
DELETE FROM override_events WHERE (override_id, ends) IN ( \
  SELECT override_id, ends FROM override_events WHERE repository_id = $1 ORDER BY override_id, ends LIMIT $3) AND ",
    left!()
);

const MOVES: &str = concat!(
    "\
DELETE FROM pull_request_moves WHERE (repository_id, pull_request) IN ( \
  SELECT repository_id, pull_request FROM pull_request_moves WHERE repository_id = $1 \
  ORDER BY pull_request LIMIT $3) AND ",
    left!()
);

const FEEDBACK: &str = concat!(
    "\
DELETE FROM feedback WHERE feedback_id IN ( \
  SELECT feedback_id FROM feedback WHERE repository_id = $1 ORDER BY feedback_id LIMIT $3) AND ",
    left!()
);

const BRANCHES: &str = concat!(
    "\
DELETE FROM mirror_branches WHERE (repository_id, branch) IN ( \
  SELECT repository_id, branch FROM mirror_branches WHERE repository_id = $1 ORDER BY branch LIMIT $3) AND ",
    left!()
);

const WAITS: &str = concat!(
    "\
DELETE FROM history_waits WHERE (repository_id, pull_request) IN ( \
  SELECT repository_id, pull_request FROM history_waits WHERE repository_id = $1 \
  ORDER BY pull_request LIMIT $3) AND ",
    left!()
);

const MIRROR: &str = concat!(
    "\
DELETE FROM mirrors WHERE repository_id IN ( \
  SELECT repository_id FROM mirrors WHERE repository_id = $1 LIMIT $3) AND ",
    left!()
);

const RECENT_PULLS: &str = concat!(
    "\
DELETE FROM recent_pulls WHERE (repository_id, pull_request) IN ( \
  SELECT repository_id, pull_request FROM recent_pulls WHERE repository_id = $1 \
  ORDER BY pull_request LIMIT $3) AND ",
    left!()
);

const OWNERS_CHANGED: &str = concat!(
    "\
DELETE FROM owners_changed WHERE (repository_id, base_ref) IN ( \
  SELECT repository_id, base_ref FROM owners_changed WHERE repository_id = $1 \
  ORDER BY base_ref LIMIT $3) AND ",
    left!()
);

const SERVICES: &str = concat!(
    "\
DELETE FROM pull_services WHERE (repository_id, pull_request, service) IN ( \
  SELECT repository_id, pull_request, service FROM pull_services WHERE repository_id = $1 \
  ORDER BY pull_request, service LIMIT $3) AND ",
    left!()
);

const REMEDIATIONS: &str = concat!(
    "\
DELETE FROM remediations WHERE (repository_id, pull_request) IN ( \
  SELECT repository_id, pull_request FROM remediations WHERE repository_id = $1 \
  ORDER BY pull_request LIMIT $3) AND ",
    left!()
);

const COVERAGE: &str = concat!(
    "\
DELETE FROM coverage_reports WHERE (repository_id, head_sha, flag, digest) IN ( \
  SELECT repository_id, head_sha, flag, digest FROM coverage_reports WHERE repository_id = $1 \
  ORDER BY head_sha, flag, digest LIMIT $3) AND ",
    left!()
);

const SAID: &str = concat!(
    "\
DELETE FROM deployments_said WHERE (kind, digest) IN ( \
  SELECT kind, digest FROM deployments_said WHERE repository_id = $1 ORDER BY kind, digest LIMIT $3) AND ",
    left!()
);

/// What came for an installation as a whole.
const ALL_SAID: &str = concat!(
    "\
DELETE FROM deployments_said WHERE (kind, digest) IN ( \
  SELECT kind, digest FROM deployments_said WHERE installation_id = $1 ORDER BY kind, digest LIMIT $3) AND ",
    gone!()
);

const COMMITS_BETWEEN: &str = concat!(
    "\
DELETE FROM commits_between WHERE (repository_id, service, before_sha, sha) IN ( \
  SELECT repository_id, service, before_sha, sha FROM commits_between WHERE repository_id = $1 \
  ORDER BY service, before_sha, sha LIMIT $3) AND ",
    left!()
);

const LANDED_PULLS: &str = concat!(
    "\
DELETE FROM landed_pulls WHERE (repository_id, pull_request) IN ( \
  SELECT repository_id, pull_request FROM landed_pulls WHERE repository_id = $1 ORDER BY pull_request LIMIT $3) AND ",
    left!()
);

const TOKENS: &str = concat!(
    "\
DELETE FROM tokens WHERE token_id IN ( \
  SELECT token_id FROM tokens WHERE repository_id = $1 ORDER BY token_id LIMIT $3) AND ",
    left!()
);

const OUTCOMES: &str = concat!(
    "\
DELETE FROM change_outcomes WHERE assessment_id IN ( \
  SELECT assessment_id FROM change_outcomes WHERE repository_id = $1 ORDER BY assessment_id LIMIT $3) AND ",
    left!()
);

const SHADOWS: &str = concat!(
    "\
DELETE FROM shadow_scores WHERE assessment_id IN ( \
  SELECT assessment_id FROM shadow_scores WHERE repository_id = $1 ORDER BY assessment_id LIMIT $3) AND ",
    left!()
);

const ALL_TOKENS: &str = concat!(
    "\
DELETE FROM tokens WHERE token_id IN ( \
  SELECT token_id FROM tokens WHERE installation_id = $1 ORDER BY token_id LIMIT $3) AND ",
    gone!()
);

const JOBS: &str = concat!(
    "\
DELETE FROM jobs WHERE job_key IN ( \
  SELECT job_key FROM jobs WHERE job_key >= $4 AND job_key < $5 ORDER BY job_key LIMIT $3) AND ",
    left!()
);

const REPOSITORY: &str = "\
DELETE FROM installation_repositories WHERE repository_id = $1 AND removed_at < $2";

const INSTALLATIONS: &str = "\
SELECT installation_id FROM installations WHERE deleted_at < $1 ORDER BY deleted_at, installation_id LIMIT $2";

const DELIVERIES: &str = concat!(
    "\
DELETE FROM inbox WHERE delivery_id IN ( \
  SELECT delivery_id FROM inbox WHERE installation_id = $1 ORDER BY delivery_id LIMIT $3) AND ",
    gone!()
);

const ANSWERS: &str = concat!(
    "\
DELETE FROM http_cache WHERE (installation_id, route) IN ( \
  SELECT installation_id, route FROM http_cache WHERE installation_id = $1 ORDER BY route LIMIT $3) AND ",
    gone!()
);

const INSTALLATION_JOB: &str = concat!("DELETE FROM jobs WHERE job_key = $3 AND ", gone!());

const INSTALLATION: &str = "\
DELETE FROM installations WHERE installation_id = $1 AND deleted_at < $2 \
  AND NOT EXISTS (SELECT 1 FROM installation_repositories WHERE installation_id = $1)";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::store::{CoveredRepository, InstallationRow, JobRequest};

    /// Tables that know of a repository or an installation, and columns by which they do.
    fn places(connection: &rusqlite::Connection) -> Vec<String> {
        let sql = "SELECT DISTINCT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
                   WHERE m.type = 'table' AND c.name IN ('repository_id', 'installation_id') ORDER BY m.name";
        let mut select = connection.prepare(sql).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn no_table_that_knows_of_a_repository_is_forgotten() {
        let place = Place::new();
        place.open().await.close().await;
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        let places = places(&connection);
        assert!(places.len() >= 6, "{places:?}");
        for table in places {
            let erased = STATEMENTS.iter().any(|sql| sql.starts_with(&format!("DELETE FROM {table} ")));
            assert!(erased, "nothing erases {table} when the App is removed; add it in src/store/erase.rs");
        }
    }

    #[tokio::test]
    async fn all_of_one_repository_goes_and_nothing_of_another() {
        let place = Place::new();
        let store = place.open().await;
        let installation = |installation_id| InstallationRow {
            installation_id,
            account: "acme".to_owned(),
            organization: true,
            permissions: "{}".to_owned(),
            events: "[]".to_owned(),
            suspended_at: None,
            deleted_at: None,
            listed_at: None,
        };
        for (id, repository) in [(42, 1), (43, 11)] {
            store.save_installation(&installation(id)).await.unwrap();
            let covered =
                CoveredRepository { repository_id: repository, repository: "acme/shop".to_owned(), archived: false };
            store.save_covered(id, "a", &[covered], 10).await.unwrap();
            for n in 0..5 {
                store.check_run_expected(repository, &format!("head{n}"), "mergecast/risk", n, 10).await.unwrap();
                let job = JobRequest {
                    key: format!("pr:{repository}:{n}"),
                    kind: "pull_request".to_owned(),
                    payload: "{}".to_owned(),
                    run_at: 10,
                    replaces: true,
                };
                store.request_job(&job, 10).await.unwrap();
            }
            store.save_cached(id, "/a", "e", b"body", 10).await.unwrap();
        }
        for n in 0..5 {
            store.accept(&delivery_at(n)).await.unwrap();
        }
        assert_eq!(store.erase_repository(1, i64::MAX, 9).await, Ok(Erasing::Kept), "it is still covered");
        store.installation_deleted(42, 20).await.unwrap();
        assert_eq!(store.repositories_to_erase(20, 9).await, Ok(vec![]), "not before its time");
        assert_eq!(store.repositories_to_erase(21, 9).await, Ok(vec![1]));
        let mut rows = Vec::new();
        while let Erasing::Rows(some) = store.erase_installation(42, 21, 2).await.unwrap() {
            rows.push(some);
        }
        assert_eq!(rows, [3, 2, 1], "its own row waits for its repository's");
        assert_eq!(store.installations_to_erase(21, 9).await, Ok(vec![42]));
        let mut rows = Vec::new();
        let mut last = store.erase_repository(1, 21, 2).await.unwrap();
        while let Erasing::Rows(some) = last {
            rows.push(some);
            last = store.erase_repository(1, 21, 2).await.unwrap();
        }
        assert_eq!(
            (rows, last),
            (vec![4, 4, 2], Erasing::Done),
            "two rows of each table at a time, its own after them"
        );
        assert_eq!(store.erase_installation(42, 21, 2).await, Ok(Erasing::Done));
        assert_eq!(store.installations_to_erase(i64::MAX, 9).await, Ok(vec![]));

        store.clone().close().await;
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT COUNT(*) FROM inbox"), 0);
        assert_eq!(count("SELECT COUNT(*) FROM check_runs WHERE repository_id = 1"), 0);
        assert_eq!(count("SELECT COUNT(*) FROM check_runs WHERE repository_id = 11"), 5);
        assert_eq!(count("SELECT COUNT(*) FROM jobs WHERE job_key LIKE 'pr:11:%'"), 5);
        assert_eq!(count("SELECT COUNT(*) FROM jobs"), 5);
        assert_eq!(count("SELECT COUNT(*) FROM http_cache"), 1);
        assert_eq!(count("SELECT COUNT(*) FROM installation_repositories"), 1);
    }

    #[tokio::test]
    async fn what_comes_back_in_time_keeps_everything() {
        let place = Place::new();
        let store = place.open().await;
        let covered = CoveredRepository { repository_id: 1, repository: "acme/shop".to_owned(), archived: false };
        store.save_covered(42, "a", std::slice::from_ref(&covered), 10).await.unwrap();
        store.check_run_expected(1, "head", "mergecast/risk", 7, 10).await.unwrap();
        store.save_covered(42, "b", &[], 20).await.unwrap();
        assert_eq!(store.repositories_to_erase(30, 9).await, Ok(vec![1]));
        store.save_covered(44, "c", &[covered], 25).await.unwrap();
        assert_eq!(store.erase_repository(1, 30, 9).await, Ok(Erasing::Kept));
        assert!(store.check_run(1, "head", "mergecast/risk").await.unwrap().is_some());
    }
}
