//! What sources said of deployments and incidents, and what people said of causes. Only added to: what is made of it is a
//! function of the set, so that said twice is said once.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{
    Result, Store, StoreError,
    db::{Row, Statement, Val, limit},
};
use crate::deployment::attribution::Correction;
use crate::deployment::failures::BurnWindow;
use crate::deployment::incident::Telling;
use crate::deployment::sighting::{Sighting, WitnessId};

/// What is kept in one transaction.
const BATCH: usize = 500;
/// What is read at once.
const PAGE: usize = 5_000;

/// Kinds of what was said; part of the key.
const SIGHTING: &str = "sighting";
const TELLING: &str = "telling";
const CORRECTION: &str = "correction";

/// By whom something came; it is erased with what is kept of them. The first one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Teller {
    /// GitHub's number of the repository, where it was one.
    pub repository_id: Option<i64>,
    /// GitHub's number of the installation, where it was one.
    pub installation_id: Option<i64>,
}

/// Words on their way in.
struct Words<T> {
    kind: &'static str,
    said_at: DateTime<Utc>,
    received_at: Option<DateTime<Utc>>,
    words: T,
}

impl Store {
    /// Keeps what sources said of deployments. When it was received first is kept with it; what was asked for is never late,
    /// so that it has no such time, whoever else said the same. Gives how many rows that made or changed.
    ///
    /// # Errors
    /// Whatever the database fails with; then part of it may be kept, and to keep all of it again does no harm.
    pub async fn save_sightings(&self, sightings: &[Sighting], teller: Teller) -> Result<u64> {
        let words = sightings.iter().map(|sighting| Words {
            kind: SIGHTING,
            said_at: sighting.said_at,
            received_at: sighting.received_at,
            words: Sighting { received_at: None, ..sighting.clone() },
        });
        self.save_said(words, teller).await
    }

    /// Keeps what was told of incidents, and gives how much of it was new.
    ///
    /// # Errors
    /// Whatever the database fails with; then part of it may be kept, and to keep all of it again does no harm.
    pub async fn save_tellings(&self, tellings: &[Telling], teller: Teller) -> Result<u64> {
        let words = tellings.iter().map(|telling| Words {
            kind: TELLING,
            said_at: telling.said_at,
            received_at: None,
            words: telling,
        });
        self.save_said(words, teller).await
    }

    /// Keeps what people said of causes, and gives how much of it was new.
    ///
    /// # Errors
    /// Whatever the database fails with; then part of it may be kept, and to keep all of it again does no harm.
    pub async fn save_corrections(&self, corrections: &[Correction], teller: Teller) -> Result<u64> {
        self.save_said(corrections.iter().map(corrected), teller).await
    }

    /// All that was said of deployments at `since` or later, by the sources' clocks.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn sightings(&self, since: DateTime<Utc>) -> Result<Vec<Sighting>> {
        self.said(SIGHTING, since, |sighting: Sighting, received_at| Sighting { received_at, ..sighting }).await
    }

    /// All that was told of incidents at `since` or later.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn tellings(&self, since: DateTime<Utc>) -> Result<Vec<Telling>> {
        self.said(TELLING, since, |telling, _| telling).await
    }

    /// All that people said of causes at `since` or later.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn corrections(&self, since: DateTime<Utc>) -> Result<Vec<Correction>> {
        self.said(CORRECTION, since, |correction, _| correction).await
    }

    /// Keeps how an SLO burned around a deployment. What was known before stays; what was not is filled in.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn save_burn(&self, burn: &BurnWindow, now: DateTime<Utc>) -> Result<()> {
        let args = vec![
            Val::from(&burn.deployment.to_string()),
            Val::from(&burn.slo),
            now.timestamp_millis().into(),
            burn.before.map_or(Val::Null, Val::F64),
            burn.after.map_or(Val::Null, Val::F64),
        ];
        self.db.exec(SAVE_BURN, args).await.map(drop)
    }

    /// How SLOs burned around deployments, all that was asked for, each with when that was last; in order of deployments and
    /// SLOs.
    ///
    /// # Errors
    /// Whatever the database fails with.
    pub async fn burns(&self) -> Result<Vec<(BurnWindow, DateTime<Utc>)>> {
        let (mut all, mut after) = (Vec::new(), (String::new(), String::new()));
        loop {
            let rows = self.db.query(BURNS, vec![Val::from(&after.0), Val::from(&after.1), limit(PAGE)]).await?;
            let read = rows.len();
            for row in rows {
                let (burn, asked_at) = burn(row)?;
                after = (burn.deployment.to_string(), burn.slo.clone());
                all.push((burn, asked_at));
            }
            if read < PAGE {
                return Ok(all);
            }
        }
    }

    async fn save_said<T: Serialize>(&self, rows: impl Iterator<Item = Words<T>>, teller: Teller) -> Result<u64> {
        let mut statements = rows.map(|words| saving(&words, teller)).collect::<Result<Vec<Statement>>>()?;
        let mut changed = 0;
        while !statements.is_empty() {
            let rest = statements.split_off(statements.len().min(BATCH));
            let done = self.db.tx(std::mem::replace(&mut statements, rest)).await?;
            changed += done.iter().map(|done| done.changed).sum::<u64>();
        }
        Ok(changed)
    }

    async fn said<T: DeserializeOwned>(
        &self,
        kind: &'static str,
        since: DateTime<Utc>,
        with: impl Fn(T, Option<DateTime<Utc>>) -> T,
    ) -> Result<Vec<T>> {
        let (mut all, mut after) = (Vec::new(), (since.timestamp_millis(), String::new()));
        loop {
            let args = vec![Val::from(kind), after.0.into(), Val::from(&after.1), limit(PAGE)];
            let rows = self.db.query(SAID, args).await?;
            let read = rows.len();
            for row in rows {
                let (words, received_at, at) = words(row)?;
                after = at;
                all.push(with(words, received_at));
            }
            if read < PAGE {
                return Ok(all);
            }
        }
    }
}

/// The statement by which what a person said of a cause is kept.
pub(super) fn correction(correction: &Correction, teller: Teller) -> Result<Statement> {
    saving(&corrected(correction), teller)
}

fn corrected(correction: &Correction) -> Words<&Correction> {
    Words { kind: CORRECTION, said_at: correction.at, received_at: None, words: correction }
}

fn saving<T: Serialize>(words: &Words<T>, teller: Teller) -> Result<Statement> {
    let body = serde_json::to_string(&words.words).map_err(|_| StoreError::Unreadable("what was said"))?;
    let digest = hex::encode(Sha256::digest(&body));
    let args = vec![
        Val::from(words.kind),
        Val::from(&digest),
        words.said_at.timestamp_millis().into(),
        words.received_at.map(|at| at.timestamp_millis()).into(),
        teller.repository_id.into(),
        teller.installation_id.into(),
        Val::from(&body),
    ];
    Ok((SAVE, args))
}

type Said<T> = (T, Option<DateTime<Utc>>, (i64, String));

fn words<T: DeserializeOwned>(mut row: Row) -> Result<Said<T>> {
    let (digest, said_at): (String, i64) = (row.take(0)?, row.take(1)?);
    let received_at = row.take::<Option<i64>>(2)?.and_then(DateTime::from_timestamp_millis);
    let body: String = row.take(3)?;
    let words = serde_json::from_str(&body).map_err(|_| StoreError::Unreadable("what was said"))?;
    Ok((words, received_at, (said_at, digest)))
}

fn burn(mut row: Row) -> Result<(BurnWindow, DateTime<Utc>)> {
    let word: String = row.take(0)?;
    let deployment = WitnessId::parse(&word).ok_or(StoreError::Unreadable("a deployment"))?;
    let slo = row.take(1)?;
    let asked_at = DateTime::from_timestamp_millis(row.take(2)?).ok_or(StoreError::Unreadable("a time"))?;
    Ok((BurnWindow { deployment, slo, before: row.take(3)?, after: row.take(4)? }, asked_at))
}

pub(super) const STATEMENTS: &[&str] = &[SAVE, SAID, SAVE_BURN, BURNS];

/// Whatever comes later under the same words, the earliest time stands, and none before any.
const SAVE: &str = "\
INSERT INTO deployments_said (kind, digest, said_at, received_at, repository_id, installation_id, body) \
VALUES ($1, $2, $3, $4, $5, $6, $7) \
ON CONFLICT (kind, digest) DO UPDATE SET received_at = excluded.received_at \
WHERE deployments_said.received_at IS NOT NULL \
  AND (excluded.received_at IS NULL OR excluded.received_at < deployments_said.received_at)";

const SAID: &str = "\
SELECT digest, said_at, received_at, body FROM deployments_said \
WHERE kind = $1 AND (said_at > $2 OR (said_at = $2 AND digest > $3)) ORDER BY said_at, digest LIMIT $4";

const SAVE_BURN: &str = "\
INSERT INTO slo_windows (deployment, slo, asked_at, burn_before, burn_after) VALUES ($1, $2, $3, $4, $5) \
ON CONFLICT (deployment, slo) DO UPDATE SET asked_at = excluded.asked_at, \
  burn_before = COALESCE(slo_windows.burn_before, excluded.burn_before), \
  burn_after = COALESCE(slo_windows.burn_after, excluded.burn_after) \
WHERE slo_windows.burn_before IS NULL OR slo_windows.burn_after IS NULL";

const BURNS: &str = "\
SELECT deployment, slo, asked_at, burn_before, burn_after FROM slo_windows \
WHERE (deployment, slo) > ($1, $2) ORDER BY deployment, slo LIMIT $3";

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{super::testing::*, *};
    use crate::deployment::attribution::Verdict;
    use crate::deployment::incident::{IncidentId, Keeper};
    use crate::deployment::sighting::Source;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_272_000, 0).unwrap() + TimeDelta::minutes(minute)
    }

    #[tokio::test]
    async fn what_is_said_twice_is_kept_once_with_when_it_came_first() {
        let place = Place::new();
        let store = place.open().await;
        let nobody = Teller::default();
        let said = |id: &str, minute: i64, received: Option<i64>| Sighting {
            service: Some("pay".into()),
            received_at: received.map(at),
            ..Sighting::new(Source::Api, id, at(minute))
        };
        let many: Vec<Sighting> =
            (0..1_200).map(|number| said(&number.to_string(), number, Some(number + 1))).collect();
        let later: Vec<Sighting> =
            many.iter().map(|one| Sighting { received_at: Some(at(9_999)), ..one.clone() }).collect();
        assert_eq!(store.save_sightings(&later[..600], nobody).await, Ok(600));
        assert_eq!(store.save_sightings(&many, nobody).await, Ok(1_200), "the earlier time counts");
        assert_eq!(store.save_sightings(&later, nobody).await, Ok(0));
        assert_eq!(store.sightings(at(0)).await.unwrap(), many);
        assert_eq!(store.sightings(at(1_190)).await.unwrap().len(), 10);
        // What was asked for is never late, whichever came first.
        for received in [[Some(3), None], [None, Some(3)]] {
            let id = format!("{received:?}");
            for received in received {
                store.save_sightings(&[said(&id, 2_000, received)], nobody).await.unwrap();
            }
        }
        let kept = store.sightings(at(2_000)).await.unwrap();
        assert_eq!(kept.iter().map(|one| one.received_at).collect::<Vec<_>>(), [None, None]);
    }

    #[tokio::test]
    async fn kinds_do_not_mix() {
        let place = Place::new();
        let store = place.open().await;
        let nobody = Teller::default();
        let incident = IncidentId { keeper: Keeper::Api, id: "1".into() };
        let telling = Telling::new(incident.clone(), at(0));
        let correction = Correction { at: at(0), id: "c".into(), incident, verdict: Verdict::NoDeployment };
        for expected in [1, 0] {
            assert_eq!(store.save_tellings(std::slice::from_ref(&telling), nobody).await, Ok(expected));
            assert_eq!(store.save_corrections(std::slice::from_ref(&correction), nobody).await, Ok(expected));
        }
        assert_eq!(store.tellings(at(0)).await, Ok(vec![telling]));
        assert_eq!(store.corrections(at(0)).await, Ok(vec![correction]));
        assert_eq!(store.sightings(at(0)).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn what_is_known_of_a_window_stays_and_what_is_not_is_filled_in() {
        let place = Place::new();
        let store = place.open().await;
        let deployment = WitnessId { source: Source::Api, id: "run:1".into() };
        let burn = |before, after| BurnWindow { deployment: deployment.clone(), slo: "abc".into(), before, after };
        for (minute, before, after) in
            [(1, None, None), (2, Some(0.1), None), (3, Some(9.0), Some(3.0)), (4, None, None)]
        {
            store.save_burn(&burn(before, after), at(minute)).await.unwrap();
        }
        assert_eq!(store.burns().await, Ok(vec![(burn(Some(0.1), Some(3.0)), at(3))]));
    }
}
