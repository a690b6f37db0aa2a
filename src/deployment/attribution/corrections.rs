//! What people said an incident was, or was not, caused by. It wins over everything else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Known;
use crate::deployment::change::ChangeId;
use crate::deployment::incident::{Incident, IncidentId};
use crate::deployment::ledger::Deployment;
use crate::deployment::sighting::WitnessId;

/// What a person said of the cause of an incident. Of several the last one stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Correction {
    /// When.
    pub at: DateTime<Utc>,
    /// What makes it one: said twice under one id, it is said once.
    pub id: String,
    /// Of which incident.
    pub incident: IncidentId,
    /// What was said.
    pub verdict: Verdict,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This one was the cause, even one that the incident began before.
    Attribute(Target),
    /// This one was not; the next likely one takes its place.
    Unattribute(Target),
    /// No deployment was.
    NoDeployment,
}

/// What a correction is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A deployment, by any of its witnesses.
    Deployment(WitnessId),
    /// A pull request: the deployment that brought it.
    PullRequest {
        /// Repository, `host/owner/name`.
        repository: String,
        /// Its number.
        number: u64,
    },
}

/// All corrections, ready to be asked by incident.
pub(super) struct Said<'a> {
    of_incidents: BTreeMap<&'a IncidentId, BTreeSet<&'a Correction>>,
    by_witness: BTreeMap<&'a WitnessId, &'a Deployment>,
    /// Deployments to production that brought a pull request, oldest first.
    by_pull_request: BTreeMap<(String, u64), Vec<&'a Deployment>>,
}

/// What holds of one incident.
pub(super) struct Holds<'a> {
    /// A person named the cause; inside, nothing if that is no deployment, or none that is known.
    pub(super) named: Option<Option<&'a Deployment>>,
    pub(super) ruled_out: BTreeSet<WitnessId>,
}

impl<'a> Said<'a> {
    pub(super) fn of(known: Known<'a>) -> Self {
        let mut of_incidents: BTreeMap<&IncidentId, BTreeSet<&Correction>> = BTreeMap::new();
        for correction in known.corrections {
            of_incidents.entry(&correction.incident).or_default().insert(correction);
        }
        let (mut by_witness, mut by_pull_request) = (BTreeMap::new(), BTreeMap::new());
        // Without corrections nobody asks.
        let deployments = if of_incidents.is_empty() { &[][..] } else { &known.ledger.deployments };
        for deployment in deployments {
            by_witness.extend(deployment.witnesses.iter().map(|witness| (witness, deployment)));
            let Some(repository) = deployment.repository.as_ref().filter(|_| deployment.is_live()) else { continue };
            let changes = deployment.witnesses.iter().find_map(|witness| known.shipped.get(witness));
            for change in changes.into_iter().flatten() {
                if let ChangeId::PullRequest(number) = change.id {
                    by_pull_request.entry((repository.clone(), number)).or_insert_with(Vec::new).push(deployment);
                }
            }
        }
        for deployments in by_pull_request.values_mut() {
            deployments.sort_by_key(|deployment: &&Deployment| (deployment.at, &deployment.id));
        }
        Self { of_incidents, by_witness, by_pull_request }
    }

    pub(super) fn of_incident(&self, incident: &Incident) -> Holds<'a> {
        let (mut named, mut ruled_out) = (None, BTreeSet::new());
        // In order of time; those of one time by their ids.
        for correction in self.of_incidents.get(&incident.id).into_iter().flatten() {
            match &correction.verdict {
                Verdict::Attribute(target) => {
                    ruled_out.remove(target);
                    named = Some(Some(target));
                }
                Verdict::Unattribute(target) => {
                    ruled_out.insert(target);
                    named = named.filter(|named| *named != Some(target));
                }
                Verdict::NoDeployment => named = Some(None),
            }
        }
        let ruled_out = ruled_out.into_iter().flat_map(|target| self.all(target)).map(|one| one.id.clone()).collect();
        Holds { named: named.map(|target| self.one(target?, incident)), ruled_out }
    }

    fn all(&self, target: &Target) -> Vec<&'a Deployment> {
        match target {
            Target::Deployment(witness) => self.by_witness.get(witness).copied().into_iter().collect(),
            Target::PullRequest { repository, number } => {
                self.by_pull_request.get(&(repository.to_lowercase(), *number)).cloned().unwrap_or_default()
            }
        }
    }

    /// Of several deployments of a pull request that of a service of the incident, the last before it began; else the first.
    fn one(&self, target: &Target, incident: &Incident) -> Option<&'a Deployment> {
        let all = self.all(target);
        let is_its = |one: &&&Deployment| incident.services.contains(&one.service);
        let before = |one: &&&Deployment| one.began_at() <= Some(incident.began_at);
        let of_service = all.iter().rev().filter(is_its).find(before).or_else(|| all.iter().find(is_its));
        of_service.or_else(|| all.iter().rev().find(before)).or_else(|| all.first()).copied()
    }
}
