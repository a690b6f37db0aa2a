//! What is asked of what was told of deployments, besides all of it.

use chrono::{DateTime, Utc};

use super::{
    Result, Store, StoreError,
    db::{Row, Val, limit},
};
use crate::deployment::{failures::BurnWindow, sighting::WitnessId};

impl Store {
    /// Whether anything was ever told of a deployment.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn is_any_deployment_told(&self) -> Result<bool> {
        Ok(self.db.query_one(ANY_SIGHTING, Vec::new()).await?.is_some())
    }

    /// Forgets what was told of deployments and incidents, and read for them, before `before`, in milliseconds since 1970: at
    /// most `most` rows in each place.
    ///
    /// # Errors
    /// Whatever the database fails with; then nothing is forgotten.
    pub async fn forget_deployments(&self, before: i64, most: usize) -> Result<u64> {
        let places = [FORGET_SAID, FORGET_BURNS, FORGET_SENDINGS, FORGET_BETWEEN, FORGET_LANDED];
        let statements = places.into_iter().map(|sql| (sql, vec![before.into(), limit(most)])).collect();
        Ok(self.db.tx(statements).await?.into_iter().map(|done| done.changed).sum())
    }

    /// How SLOs burned around a deployment, by this record of it, each with when that was asked for last.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn burns_around(&self, deployment: &WitnessId) -> Result<Vec<(BurnWindow, DateTime<Utc>)>> {
        let rows = self.db.query(AROUND, vec![Val::from(&deployment.to_string())]).await?;
        rows.into_iter().map(|row| burn(deployment, row)).collect()
    }
}

fn burn(deployment: &WitnessId, mut row: Row) -> Result<(BurnWindow, DateTime<Utc>)> {
    let burn =
        BurnWindow { deployment: deployment.clone(), slo: row.take(0)?, before: row.take(2)?, after: row.take(3)? };
    let asked_at = DateTime::from_timestamp_millis(row.take(1)?).ok_or(StoreError::Unreadable("a time"))?;
    Ok((burn, asked_at))
}

pub(super) const STATEMENTS: &[&str] =
    &[ANY_SIGHTING, AROUND, FORGET_SAID, FORGET_BURNS, FORGET_SENDINGS, FORGET_BETWEEN, FORGET_LANDED];

const ANY_SIGHTING: &str = "\
SELECT digest FROM deployments_said WHERE kind = 'sighting' LIMIT 1";

const AROUND: &str = "\
SELECT slo, asked_at, burn_before, burn_after FROM slo_windows WHERE deployment = $1 ORDER BY slo";

const FORGET_SAID: &str = "\
DELETE FROM deployments_said WHERE (kind, digest) IN ( \
  SELECT kind, digest FROM deployments_said WHERE said_at < $1 ORDER BY said_at, kind, digest LIMIT $2)";

const FORGET_BURNS: &str = "\
DELETE FROM slo_windows WHERE (deployment, slo) IN ( \
  SELECT deployment, slo FROM slo_windows WHERE asked_at < $1 ORDER BY asked_at, deployment, slo LIMIT $2)";

const FORGET_SENDINGS: &str = "\
DELETE FROM sendings WHERE (place, subject) IN ( \
  SELECT place, subject FROM sendings WHERE COALESCE(sent_at, claimed_until) < $1 ORDER BY place, subject LIMIT $2)";

const FORGET_BETWEEN: &str = "\
DELETE FROM commits_between WHERE (repository_id, service, before_sha, sha) IN ( \
  SELECT repository_id, service, before_sha, sha FROM commits_between WHERE read_at < $1 \
  ORDER BY read_at, repository_id, service, before_sha, sha LIMIT $2)";

const FORGET_LANDED: &str = "\
DELETE FROM landed_pulls WHERE (repository_id, pull_request) IN ( \
  SELECT repository_id, pull_request FROM landed_pulls WHERE read_at < $1 \
  ORDER BY read_at, repository_id, pull_request LIMIT $2)";

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{super::testing::*, *};
    use crate::{
        deployment::sighting::{Sighting, Source},
        store::Teller,
    };

    #[tokio::test]
    async fn burns_are_found_by_their_deployment() {
        let place = Place::new();
        let store = place.open().await;
        let now = DateTime::from_timestamp(1_780_272_000, 0).unwrap();
        let record = |id: &str| WitnessId { source: Source::Api, id: id.to_owned() };
        let burn = |id: &str, slo: &str, after| BurnWindow {
            deployment: record(id),
            slo: slo.to_owned(),
            before: Some(0.5),
            after,
        };
        for (id, slo, after) in [("1", "b", Some(3.0)), ("1", "a", None), ("10", "a", Some(1.0))] {
            store.save_burn(&burn(id, slo, after), now).await.unwrap();
        }
        assert_eq!(
            store.burns_around(&record("1")).await,
            Ok(vec![(burn("1", "a", None), now), (burn("1", "b", Some(3.0)), now)])
        );
        assert_eq!(store.burns_around(&record("2")).await, Ok(Vec::new()));
        assert_eq!(store.is_any_deployment_told().await, Ok(false));
        let said = Sighting::new(Source::Api, "1", now - TimeDelta::days(900));
        store.save_sightings(&[said], Teller::default()).await.unwrap();
        assert_eq!(store.is_any_deployment_told().await, Ok(true));
    }

    #[tokio::test]
    async fn what_is_old_is_forgotten() {
        let place = Place::new();
        let store = place.open().await;
        let now = DateTime::from_timestamp(1_780_272_000, 0).unwrap();
        let told = |id: &str, days| Sighting::new(Source::Api, id, now - TimeDelta::days(days));
        store.save_sightings(&[told("old", 1_100), told("new", 1_000)], Teller::default()).await.unwrap();
        let before = (now - TimeDelta::days(1_095)).timestamp_millis();
        assert_eq!(store.forget_deployments(before, 100).await, Ok(1));
        let left = store.sightings(DateTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(left.iter().map(|one| one.witness.id.as_str()).collect::<Vec<_>>(), ["new"]);
    }
}
