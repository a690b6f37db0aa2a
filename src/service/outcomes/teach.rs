//! What deployments teach: of each assessed change when it took effect in production and what failed of it, for learning.
//! Said anew each time, so that a correction reaches it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{super::App, reckoned};
use crate::{
    deployment::fates::{By, Failure, Fate, WATCHED, fates},
    store::{FailureRow, StoreError},
};

/// Between two looks.
pub(super) const EVERY: TimeDelta = TimeDelta::hours(1);
/// Deployments that are looked at: incidents may be named, and corrected, for so long; what went out before is settled.
const LOOKED_BACK: TimeDelta = TimeDelta::days(90);

/// Notes what became of the pull requests that went out lately.
pub(super) async fn round(app: &App, now: DateTime<Utc>) -> Result<(), StoreError> {
    if !app.outcomes.taught.is_due(now, EVERY) {
        return Ok(());
    }
    let reckoning = reckoned(&app.store, &app.rules().await?, now - LOOKED_BACK, now).await?;
    let mut known: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for ((repository, number), fate) in fates(&reckoning) {
        let Some(name) = repository.strip_prefix(app.links.host()).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let repository_id = match known.get(name) {
            Some(id) => *id,
            None => {
                let id = app.store.repository_named(name).await?.map(|one| one.repository_id);
                known.insert(name.to_owned(), id);
                id
            }
        };
        let (Some(repository_id), Ok(number)) = (repository_id, i64::try_from(number)) else { continue };
        note(app, (repository_id, number), &fate, now - LOOKED_BACK).await?;
    }
    Ok(())
}

async fn note(app: &App, pull: (i64, i64), fate: &Fate, settled_before: DateTime<Utc>) -> Result<(), StoreError> {
    let watched = WATCHED.num_milliseconds();
    let effective = (fate.deployed_at.timestamp_millis(), watched);
    let failure = told(fate);
    app.store.change_fate(pull, effective, failure.as_ref(), settled_before.timestamp_millis()).await.map(drop)
}

/// What is told of a change that failed: the first incident or SLO burn before a rollback, since people ask for these; as sure
/// as the surest of all.
fn told(fate: &Fate) -> Option<FailureRow> {
    let end = fate.deployed_at + WATCHED;
    let within = || fate.failures.iter().filter(|one| one.at <= end);
    let certainty = within().map(|one| one.certainty).max()?;
    let order = |one: &&Failure| match one.by {
        By::Incident | By::SloBurn => (0, one.at),
        By::RolledBack => (1, one.at),
    };
    within().min_by_key(order).map(|shown| row(&Failure { certainty, ..*shown }))
}

fn row(failure: &Failure) -> FailureRow {
    let evidence = match failure.by {
        By::Incident => "incident",
        By::RolledBack => "rolled_back",
        By::SloBurn => "slo_burn",
    };
    FailureRow {
        evidence: evidence.to_owned(),
        certainty: i64::from(failure.certainty),
        at: failure.at.timestamp_millis(),
    }
}
