//! What deployments brought, as it was read of the graph and of GitHub; and which services are deployed from where.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Result, Store, StoreError,
    db::{Row, Val, limit},
};
use crate::deployment::change::{Commit, PullRequest};

/// What is read at once.
const PAGE: usize = 1_000;
/// The one row of what services are called.
const SERVICES: &str = "services";

/// From one deployed commit of a service to the next.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    /// GitHub's number of the repository.
    pub repository_id: i64,
    /// The service.
    pub service: &'a str,
    /// The earlier commit, as it was told.
    pub before_sha: &'a str,
    /// The later one.
    pub sha: &'a str,
}

/// The same, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadBetween {
    /// `owner/name` today.
    pub repository: String,
    /// The service.
    pub service: String,
    /// The earlier commit.
    pub before_sha: String,
    /// The later one.
    pub sha: String,
    /// What lies between.
    pub commits: Vec<Commit>,
}

impl Store {
    /// Whether it is known what lies between.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_between_known(&self, between: Between<'_>) -> Result<bool> {
        Ok(self.db.query_one(KNOWN, key(between)).await?.is_some())
    }

    /// Whether it is known what deployments from a repository brought.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_deployed_from(&self, repository_id: i64) -> Result<bool> {
        Ok(self.db.query_one(DEPLOYED_FROM, vec![repository_id.into()]).await?.is_some())
    }

    /// Keeps what lies between.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_between(&self, between: Between<'_>, commits: &[Commit], now: DateTime<Utc>) -> Result<()> {
        let mut args = key(between);
        args.extend([now.timestamp_millis().into(), Val::from(&json(&commits)?)]);
        self.db.exec(SAVE_BETWEEN, args).await.map(drop)
    }

    /// All that is known to lie between deployed commits of repositories that are covered.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn all_between(&self) -> Result<Vec<ReadBetween>> {
        let (mut all, mut after) = (Vec::new(), (0_i64, String::new(), String::new(), String::new()));
        loop {
            let args = vec![after.0.into(), Val::from(&after.1), Val::from(&after.2), Val::from(&after.3), limit(PAGE)];
            let rows = self.db.query(ALL_BETWEEN, args).await?;
            let read = rows.len();
            for mut row in rows {
                let one = ReadBetween {
                    repository: row.take(1)?,
                    service: row.take(2)?,
                    before_sha: row.take(3)?,
                    sha: row.take(4)?,
                    commits: body(&mut row, 5)?,
                };
                after = (row.take(0)?, one.service.clone(), one.before_sha.clone(), one.sha.clone());
                all.push(one);
            }
            if read < PAGE {
                return Ok(all);
            }
        }
    }

    /// Whether a number is that of a merged pull request; `None` where that is not known.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_landed(&self, repository_id: i64, pull_request: u64) -> Result<Option<bool>> {
        let row = self.db.query_one(LANDED, vec![repository_id.into(), number(pull_request)]).await?;
        row.map(|mut row| Ok(body::<Option<PullRequest>>(&mut row, 0)?.is_some())).transpose()
    }

    /// Keeps that a number is that of no merged pull request.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_stranger(&self, repository_id: i64, pull_request: u64, now: DateTime<Utc>) -> Result<()> {
        let nothing = json(&None::<PullRequest>)?;
        let args = vec![repository_id.into(), number(pull_request), now.timestamp_millis().into(), Val::from(&nothing)];
        self.db.exec(SAVE_LANDED, args).await.map(drop)
    }

    /// Keeps a merged pull request.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_landed(&self, repository_id: i64, pull: &PullRequest, now: DateTime<Utc>) -> Result<()> {
        let args =
            vec![repository_id.into(), number(pull.number), now.timestamp_millis().into(), Val::from(&json(pull)?)];
        self.db.exec(SAVE_LANDED, args).await.map(drop)
    }

    /// All merged pull requests that are known, each with `owner/name` of its repository today.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn all_landed(&self) -> Result<Vec<(String, PullRequest)>> {
        let (mut all, mut after) = (Vec::new(), (0_i64, 0_i64));
        loop {
            let rows = self.db.query(ALL_LANDED, vec![after.0.into(), after.1.into(), limit(PAGE)]).await?;
            let read = rows.len();
            for mut row in rows {
                after = (row.take(0)?, row.take(2)?);
                let (repository, pull) = (row.take(1)?, body::<Option<PullRequest>>(&mut row, 3)?);
                all.extend(pull.map(|pull| (repository, pull)));
            }
            if read < PAGE {
                return Ok(all);
            }
        }
    }

    /// `owner/name` of all repositories that are covered, by GitHub's number.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn covered_repositories(&self) -> Result<BTreeMap<i64, String>> {
        let rows = self.db.query(COVERED, Vec::new()).await?;
        rows.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
    }

    /// What services were called last, and whose they were; `None` before anybody looked.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn service_names<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.db.query_one(NAMES, vec![Val::from(SERVICES)]).await?.map(|mut row| body(&mut row, 0)).transpose()
    }

    /// Keeps what services are called.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_service_names(&self, names: &impl Serialize) -> Result<()> {
        self.db.exec(SAVE_NAMES, vec![Val::from(SERVICES), Val::from(&json(names)?)]).await.map(drop)
    }
}

fn key(between: Between<'_>) -> Vec<Val> {
    let Between { repository_id, service, before_sha, sha } = between;
    vec![repository_id.into(), service.into(), before_sha.into(), sha.into()]
}

fn number(pull_request: u64) -> Val {
    i64::try_from(pull_request).unwrap_or(i64::MAX).into()
}

fn json(words: &impl Serialize) -> Result<String> {
    serde_json::to_string(words).map_err(|_| StoreError::Unreadable("what deployments brought"))
}

fn body<T: DeserializeOwned>(row: &mut Row, column: usize) -> Result<T> {
    let text: String = row.take(column)?;
    serde_json::from_str(&text).map_err(|_| StoreError::Unreadable("what deployments brought"))
}

pub(super) const STATEMENTS: &[&str] =
    &[KNOWN, DEPLOYED_FROM, SAVE_BETWEEN, ALL_BETWEEN, LANDED, SAVE_LANDED, ALL_LANDED, COVERED, NAMES, SAVE_NAMES];

const KNOWN: &str = "\
SELECT read_at FROM commits_between WHERE repository_id = $1 AND service = $2 AND before_sha = $3 AND sha = $4";

const DEPLOYED_FROM: &str = "\
SELECT read_at FROM commits_between WHERE repository_id = $1 LIMIT 1";

const SAVE_BETWEEN: &str = "\
INSERT INTO commits_between (repository_id, service, before_sha, sha, read_at, body) \
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (repository_id, service, before_sha, sha) DO NOTHING";

const ALL_BETWEEN: &str = "\
SELECT b.repository_id, r.repository, b.service, b.before_sha, b.sha, b.body FROM commits_between b \
JOIN installation_repositories r ON r.repository_id = b.repository_id AND r.removed_at IS NULL \
WHERE (b.repository_id, b.service, b.before_sha, b.sha) > ($1, $2, $3, $4) \
ORDER BY b.repository_id, b.service, b.before_sha, b.sha LIMIT $5";

const LANDED: &str = "\
SELECT body FROM landed_pulls WHERE repository_id = $1 AND pull_request = $2";

const SAVE_LANDED: &str = "\
INSERT INTO landed_pulls (repository_id, pull_request, read_at, body) VALUES ($1, $2, $3, $4) \
ON CONFLICT (repository_id, pull_request) DO NOTHING";

const ALL_LANDED: &str = "\
SELECT p.repository_id, r.repository, p.pull_request, p.body FROM landed_pulls p \
JOIN installation_repositories r ON r.repository_id = p.repository_id AND r.removed_at IS NULL \
WHERE (p.repository_id, p.pull_request) > ($1, $2) ORDER BY p.repository_id, p.pull_request LIMIT $3";

const COVERED: &str = "\
SELECT repository_id, repository FROM installation_repositories WHERE removed_at IS NULL ORDER BY repository_id";

const NAMES: &str = "\
SELECT body FROM deployment_names WHERE name = $1";

const SAVE_NAMES: &str = "\
INSERT INTO deployment_names (name, body) VALUES ($1, $2) \
ON CONFLICT (name) DO UPDATE SET body = excluded.body WHERE deployment_names.body <> excluded.body";

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::store::CoveredRepository;

    #[tokio::test]
    async fn what_was_brought_is_read_back_under_the_name_of_today() {
        let place = Place::new();
        let store = place.open().await;
        let now = DateTime::from_timestamp(1_780_272_000, 0).unwrap();
        let seen = |repository_id: i64, name: &str| CoveredRepository {
            repository_id,
            repository: name.to_owned(),
            archived: false,
        };
        for number in 1..3 {
            store.repository_seen(7, &seen(number, &format!("acme/one-{number}"))).await.unwrap();
        }
        let commit = Commit {
            sha: "c".into(),
            authored_at: now,
            merge: false,
            pull_request: Some(4),
            files: vec!["src/a.rs".into()],
        };
        let between = |repository_id, sha| Between { repository_id, service: "pay", before_sha: "a", sha };
        store.save_between(between(1, "c"), std::slice::from_ref(&commit), now).await.unwrap();
        store.save_between(between(2, "d"), &[], now).await.unwrap();
        // Nobody covers it any more.
        store.save_between(between(3, "d"), &[], now).await.unwrap();
        assert_eq!(store.is_between_known(between(1, "c")).await, Ok(true));
        assert_eq!(store.is_between_known(between(1, "d")).await, Ok(false));
        store.repository_seen(7, &seen(1, "acme/renamed")).await.unwrap();
        let all = store.all_between().await.unwrap();
        let found: Vec<_> = all.iter().map(|one| (one.repository.as_str(), one.commits.len())).collect();
        assert_eq!(found, [("acme/renamed", 1), ("acme/one-2", 0)]);
        assert_eq!(all[0].commits, [commit]);
    }
}
