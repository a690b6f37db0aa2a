//! What is odd about what was told of deployments, and since when.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::matching::Draft;
use super::{Deployment, Settings};
use crate::deployment::sighting::WitnessId;
use crate::deployment::witness::{Skew, Witness};

/// A cluster in which a service was seen within this time is expected to be reached.
const CLUSTERS_KEPT: TimeDelta = TimeDelta::days(30);

/// What is odd.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// It is not told of which service it is.
    Orphan,
    /// A release of which nobody saw a deployment to production. It is none by itself.
    ReleaseAlone,
    /// Nobody says which commit it is of, so it has no lead time.
    NoCommit,
    /// Nobody says where it went, so it is not production.
    NoEnvironment,
    /// A source tells it again under this other id; it counts once.
    Duplicate(WitnessId),
    /// A witness says that it ended so many seconds before it began; these times are left out of every figure.
    EndsBeforeItBegins(i64),
    /// A witness says that it happened so many seconds after it was told of; these times are left out of every figure.
    InTheFuture(i64),
    /// It became known so many seconds after it took effect: figures of its day have changed since.
    Late(i64),
    /// It did not reach these clusters, on which the service ran in the 30 days before. Untrusted.
    Partial(BTreeSet<String>),
    /// One source says that the rollout failed, another one that it runs; it is taken to run.
    Disputed,
}

/// Something odd about a deployment, or about a record of none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Anomaly {
    /// Since when: the time of the deployment, or of the record.
    pub since: DateTime<Utc>,
    /// The deployment or the record.
    pub about: WitnessId,
    /// What is odd about it.
    pub oddity: Oddity,
}

impl Anomaly {
    pub(super) fn of(oddity: Oddity, witness: &Witness) -> Self {
        Self { since: witness.at(), about: witness.id.clone(), oddity }
    }

    /// How old it is; nothing of one that lies in the future.
    pub fn age(&self, now: DateTime<Utc>) -> TimeDelta {
        (now - self.since).max(TimeDelta::zero())
    }
}

pub(super) fn of_deployment(deployment: &Deployment, draft: &Draft, settings: &Settings) -> Vec<Anomaly> {
    let first = &draft.witnesses[0];
    let since = deployment.at.unwrap_or_else(|| first.at());
    let mut odd = Vec::new();
    if deployment.build.commit_sha.is_none() {
        odd.push(Oddity::NoCommit);
    }
    if deployment.environment.is_none() {
        odd.push(Oddity::NoEnvironment);
    }
    odd.extend(draft.again.iter().cloned().map(Oddity::Duplicate));
    for witness in &draft.witnesses {
        match (witness.skew(), witness.started_at, witness.finished_at, witness.told_at) {
            (Some(Skew::Backwards), Some(started), Some(finished), _) => {
                odd.push(Oddity::EndsBeforeItBegins((started - finished).num_seconds()));
            }
            (Some(Skew::Ahead), .., Some(told)) => {
                odd.push(Oddity::InTheFuture((witness.at() - told).num_seconds()));
            }
            _ => {}
        }
    }
    // The first who told decides; one who was asked afterwards cannot be late.
    let received = draft.witnesses.iter().map(|witness| witness.received_at).min().flatten();
    let late = received.zip(deployment.at).map(|(received, at)| received - at);
    odd.extend(late.filter(|late| *late > settings.late_after).map(|late| Oddity::Late(late.num_seconds())));
    let saw = |rollout| draft.witnesses.iter().any(|witness| witness.rollout == rollout);
    if saw(super::Rollout::Failed) && saw(super::Rollout::Succeeded) {
        odd.push(Oddity::Disputed);
    }
    odd.into_iter().map(|oddity| Anomaly { since, about: deployment.id.clone(), oddity }).collect()
}

/// Deployments that reached fewer clusters than the service ran on. They are in order of service, environment and time.
pub(super) fn partial(deployments: &[Deployment]) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let mut from = 0;
    for (here, deployment) in deployments.iter().enumerate() {
        let Some(at) = deployment.at.filter(|_| !deployment.clusters.is_empty()) else { continue };
        let is_older = |one: &Deployment| {
            (&one.service, &one.environment) != (&deployment.service, &deployment.environment)
                || one.at.is_none_or(|earlier| at - earlier > CLUSTERS_KEPT)
        };
        while from < here && is_older(&deployments[from]) {
            from += 1;
        }
        let ran_on = deployments[from..here].iter().flat_map(|one| &one.clusters);
        let missing: BTreeSet<String> = ran_on.filter(|name| !deployment.clusters.contains(*name)).cloned().collect();
        if !missing.is_empty() {
            let oddity = Oddity::Partial(missing);
            found.push(Anomaly { since: at, about: deployment.id.clone(), oddity });
        }
    }
    found
}
