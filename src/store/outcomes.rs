//! What is asked of what was told of deployments, besides all of it.

use chrono::{DateTime, Utc};

use super::{
    Result, Store, StoreError,
    db::{Row, Val},
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

pub(super) const STATEMENTS: &[&str] = &[ANY_SIGHTING, AROUND];

const ANY_SIGHTING: &str = "\
SELECT digest FROM deployments_said WHERE kind = 'sighting' LIMIT 1";

const AROUND: &str = "\
SELECT slo, asked_at, burn_before, burn_after FROM slo_windows WHERE deployment = $1 ORDER BY slo";

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
}
