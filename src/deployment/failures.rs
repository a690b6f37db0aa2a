//! Which deployments failed, by which evidence: incidents put down to them, SLOs that burned, and what was rolled back or
//! mended by a later deployment.

mod remedies;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use remedies::{ROLLED_FORWARD_WITHIN, Remedy, RemedyKind, RollforwardRules, remedies};

use super::attribution::Attribution;
use super::incident::{Incident, IncidentId, active_time, united};
use super::ledger::{Deployment, Ledger};
use super::sighting::WitnessId;
use crate::slo::FAST;

/// An SLO is looked at for so long after a deployment.
pub const BURN_WINDOW: TimeDelta = TimeDelta::hours(2);

/// How an SLO burned around a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BurnWindow {
    /// The deployment, by any of its witnesses.
    pub deployment: WitnessId,
    /// The SLO. Untrusted.
    pub slo: String,
    /// Burn rate over [`BURN_WINDOW`] before the deployment took effect; `None` where it is not known.
    pub before: Option<f64>,
    /// Burn rate over [`BURN_WINDOW`] after it.
    pub after: Option<f64>,
}

impl BurnWindow {
    /// The deployment led to SLO burn: above 2, and above what it was before. Unknown is never a burn.
    pub fn led_to_burn(&self) -> bool {
        self.before.zip(self.after).is_some_and(|(before, after)| after > FAST && after > before)
    }
}

/// What shows that a deployment failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// An incident is put down to it.
    Incident(IncidentId),
    /// An SLO burned above 2 after it, and more than before. Untrusted.
    Burn(String),
    /// A later deployment brought back what ran before it.
    RolledBack(WitnessId),
    /// A later deployment takes back, or mends in a hurry, what it brought.
    RolledForward(WitnessId),
}

/// What became of a deployment to production.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which deployment.
    pub deployment: WitnessId,
    /// What shows that it failed; empty where nothing does.
    pub evidence: BTreeSet<Evidence>,
    /// The time in which it would have shown has passed. Before that neither failure nor its absence counts: what fails is
    /// known early and what does not only late, so counting what is known so far would show too many failures.
    pub ripe: bool,
    /// How long it took to recover, of one that failed and has recovered: the time in which its incidents were active;
    /// where none was told, until the deployment that remedied it took effect. `None` while it is not over, and where an
    /// SLO alone tells of it.
    pub recovery: Option<TimeDelta>,
    /// From its beginning until the first of its incidents was noticed.
    pub detection: Option<TimeDelta>,
}

impl Outcome {
    /// Whether it failed; `None` until it is ripe.
    pub fn failed(&self) -> Option<bool> {
        self.ripe.then_some(!self.evidence.is_empty())
    }
}

/// For how long deployments are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Incidents that begin within it are put down to a deployment; as in [`super::attribution::Settings`].
    pub incidents: TimeDelta,
    /// Figures of a window come in so much after it.
    pub margin: TimeDelta,
    /// SLO burn by itself is a failure.
    pub burn_fails: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self { incidents: super::attribution::WINDOW, margin: TimeDelta::minutes(15), burn_fails: true }
    }
}

/// What became of each deployment to production by `now`, in the ledger's order.
pub fn outcomes(
    ledger: &Ledger,
    incidents: &[Incident],
    attributions: &[Attribution],
    remedies: &[Remedy],
    burns: &[BurnWindow],
    watch: Watch,
    now: DateTime<Utc>,
) -> Vec<Outcome> {
    let told: BTreeMap<&IncidentId, &Incident> = incidents.iter().map(|incident| (&incident.id, incident)).collect();
    let mut caused: BTreeMap<&WitnessId, Vec<&Incident>> = BTreeMap::new();
    for attribution in attributions {
        if let Some((cause, incident)) = attribution.cause.as_ref().zip(told.get(&attribution.incident)) {
            caused.entry(cause).or_default().push(incident);
        }
    }
    let mut remedied: BTreeMap<&WitnessId, Vec<&Remedy>> = BTreeMap::new();
    for remedy in remedies {
        remedied.entry(&remedy.failed).or_default().push(remedy);
    }
    let mut burned: BTreeMap<&WitnessId, BTreeSet<&str>> = BTreeMap::new();
    for burn in burns.iter().filter(|burn| watch.burn_fails && burn.led_to_burn()) {
        burned.entry(&burn.deployment).or_default().insert(&burn.slo);
    }
    let ran = watch.incidents.max(BURN_WINDOW) + watch.margin;
    let outcome = |deployment: &Deployment| {
        let incidents = caused.get(&deployment.id).map_or(&[][..], Vec::as_slice);
        let remedies = remedied.get(&deployment.id).map_or(&[][..], Vec::as_slice);
        let mut evidence: BTreeSet<Evidence> =
            incidents.iter().map(|incident| Evidence::Incident(incident.id.clone())).collect();
        evidence.extend(remedies.iter().map(|remedy| remedy.evidence()));
        let slos = deployment.witnesses.iter().filter_map(|witness| burned.get(witness)).flatten();
        evidence.extend(slos.map(|slo| Evidence::Burn((*slo).to_owned())));
        Outcome {
            deployment: deployment.id.clone(),
            evidence,
            ripe: deployment.at.is_some_and(|at| now - at >= ran),
            recovery: recovery(deployment, incidents, remedies),
            detection: detection(deployment, incidents),
        }
    };
    ledger.live().map(outcome).collect()
}

fn recovery(deployment: &Deployment, incidents: &[&Incident], remedies: &[&Remedy]) -> Option<TimeDelta> {
    // Two incidents at one time are one time of damage, and one that goes on hides it.
    let active = united(incidents.iter().flat_map(|incident| incident.active.iter().copied()));
    if !active.is_empty() {
        return active_time(&active);
    }
    let remedied = remedies.iter().map(|remedy| remedy.at).min()?;
    Some(remedied - deployment.at?).filter(|took| *took >= TimeDelta::zero())
}

fn detection(deployment: &Deployment, incidents: &[&Incident]) -> Option<TimeDelta> {
    let detected = incidents.iter().filter_map(|incident| incident.detected_at).min()?;
    // Before it began, by clocks that differ: left out.
    Some(detected - deployment.began_at()?).filter(|took| *took >= TimeDelta::zero())
}

#[cfg(test)]
mod tests;
