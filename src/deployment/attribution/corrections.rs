//! What people said an incident was, or was not, caused by. It wins over everything else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Known;
use crate::deployment::change::{ChangeId, Shipped};
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
    shipped: &'a Shipped,
}

/// What holds of one incident.
#[derive(Default)]
pub(super) struct Holds<'a> {
    /// A person named the cause; inside, nothing if that is no deployment.
    pub(super) named: Option<Option<&'a Deployment>>,
    /// The pull request by which it was named.
    pub(super) pull_request: Option<u64>,
    pub(super) ruled_out: BTreeSet<WitnessId>,
    /// Pull requests that were not it.
    pub(super) pulls_ruled_out: BTreeSet<(String, u64)>,
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
        Self { of_incidents, by_witness, by_pull_request, shipped: known.shipped }
    }

    /// What was said last stands, of whatever it was said: each target is the deployments that it means. What means none that
    /// is known yet changes nothing until it does.
    pub(super) fn of_incident(&self, incident: &Incident) -> Holds<'a> {
        let mut holds = Holds::default();
        // In order of time; those of one time by their ids.
        for correction in self.of_incidents.get(&incident.id).into_iter().flatten() {
            match &correction.verdict {
                Verdict::Attribute(target) => self.attributed(&mut holds, target, incident),
                Verdict::Unattribute(target) => self.unattributed(&mut holds, target),
                Verdict::NoDeployment => (holds.named, holds.pull_request) = (Some(None), None),
            }
        }
        holds
    }

    fn attributed(&self, holds: &mut Holds<'a>, target: &Target, incident: &Incident) {
        let Some(deployment) = self.one(target, incident) else { return };
        holds.ruled_out.remove(&deployment.id);
        holds.named = Some(Some(deployment));
        holds.pull_request = None;
        if let Target::PullRequest { repository, number } = target {
            holds.pulls_ruled_out.remove(&(repository.to_lowercase(), *number));
            holds.pull_request = Some(*number);
        }
    }

    fn unattributed(&self, holds: &mut Holds<'a>, target: &Target) {
        if let Target::PullRequest { repository, number } = target {
            holds.pulls_ruled_out.insert((repository.to_lowercase(), *number));
            if holds.pull_request == Some(*number) {
                (holds.named, holds.pull_request) = (None, None);
            }
        }
        for deployment in self.all(target) {
            // It may have been another one of those that went out together.
            if matches!(target, Target::PullRequest { .. }) && self.brought_another(deployment, &holds.pulls_ruled_out)
            {
                continue;
            }
            holds.ruled_out.insert(deployment.id.clone());
            let is_it = |named: &Deployment| named.id == deployment.id;
            if holds.named.flatten().is_some_and(is_it) {
                (holds.named, holds.pull_request) = (None, None);
            }
        }
    }

    fn brought_another(&self, deployment: &Deployment, ruled_out: &BTreeSet<(String, u64)>) -> bool {
        let changes = deployment.witnesses.iter().find_map(|witness| self.shipped.get(witness));
        let repository = deployment.repository.clone().unwrap_or_default();
        changes.into_iter().flatten().any(|change| match change.id {
            ChangeId::PullRequest(number) => !ruled_out.contains(&(repository.clone(), number)),
            ChangeId::Commit(_) => true,
        })
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
        let is_its = |one: &&&Deployment| incident.is_on(&one.service);
        let before = |one: &&&Deployment| one.began_at() <= Some(incident.began_at);
        let of_service = all.iter().rev().filter(is_its).find(before).or_else(|| all.iter().find(is_its));
        of_service.or_else(|| all.iter().rev().find(before)).or_else(|| all.first()).copied()
    }
}
