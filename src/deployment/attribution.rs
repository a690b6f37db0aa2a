//! Which deployment an incident is put down to: candidates in order, each with its evidence, and how sure the first is.
//!
//! An incident has one cause at most, and never one that began after the incident did, unless a person says so. It is
//! evidence about a deployment, never about who made it.

mod corrections;
mod named;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use corrections::Said;
pub use corrections::{Correction, Target, Verdict};
use named::Names;

use super::change::Shipped;
use super::failures::{Remedy, RemedyKind};
use super::incident::{Incident, IncidentId};
use super::ledger::{self, Deployment, Ledger};
use super::sighting::WitnessId;

/// A deployment is a candidate for so long after it took effect.
pub const WINDOW: TimeDelta = TimeDelta::hours(4);
/// The only candidate is likely the cause if the incident began within this time after it.
const LIKELY_WITHIN: TimeDelta = TimeDelta::hours(1);
/// An incident that is still open is mended by what comes within so long.
const OPEN_AT_MOST: TimeDelta = TimeDelta::days(7);
/// A rollout that began before an incident and ended this long after its beginning is not looked at.
const ROLLOUT_AT_MOST: TimeDelta = TimeDelta::hours(24);

/// How incidents are put down to deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Time from when a deployment took effect to the beginning of the incident, at most.
    pub window: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: WINDOW }
    }
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sure {
    /// It is the newest of several, or came long before: nothing but time speaks for it.
    Possible,
    /// The incident names a file that it changed, or it was the only one and the incident began within an hour.
    Likely,
    /// It was rolled back, or proven to be reverted, because of this incident as far as times tell.
    Proven,
    /// A person said so.
    Corrected,
}

/// What speaks for a candidate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A person said so.
    Said,
    /// It was remedied by this deployment after the incident began.
    Remedied {
        /// The deployment that remedied it.
        by: WitnessId,
        /// An earlier build was brought back, or the patches show that it was taken back.
        proof: bool,
    },
    /// It changed a file that title or notes name. Untrusted.
    File(String),
    /// It is a deployment of a service of the incident.
    SameService,
    /// It is a deployment of a team of the incident, which names no service.
    SameTeam,
    /// Its rollout was still going on when the incident began.
    InProgress,
    /// The incident began so long after it took effect.
    Since {
        /// In seconds, at least 0.
        seconds: i64,
        /// Of the window, in whole per cent.
        share_of_window: u8,
    },
}

/// A deployment that may be the cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which deployment.
    pub deployment: WitnessId,
    /// What speaks for it, the strongest first.
    pub evidence: BTreeSet<Evidence>,
}

/// What an incident is put down to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The incident.
    pub incident: IncidentId,
    /// Deployments that may be the cause, the likeliest first. Those that a person ruled out are left out.
    pub candidates: Vec<Candidate>,
    /// The cause, if it is one of them.
    pub cause: Option<WitnessId>,
    /// How sure that is; of no cause only where a person said so.
    pub sure: Option<Sure>,
    /// The pull request that a person named, of those that the cause brought.
    pub named: Option<u64>,
    /// Pull requests of candidates of which a person said that they were not it, by repository and number.
    pub ruled_out: BTreeSet<(String, u64)>,
}

/// All that incidents are put down by.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Deployments.
    pub ledger: &'a Ledger,
    /// What they brought.
    pub shipped: &'a Shipped,
    /// Which of them remedied which.
    pub remedies: &'a [Remedy],
    /// What people said.
    pub corrections: &'a [Correction],
    /// How environments are named.
    pub environments: &'a ledger::Settings,
}

/// Puts each incident down to a deployment, in the order of `incidents`; exercises are left out.
pub fn attribute(incidents: &[Incident], known: Known<'_>, settings: Settings) -> Vec<Attribution> {
    let search = Search::of(known, settings);
    incidents.iter().filter(|incident| !incident.test).map(|incident| search.attribution(incident)).collect()
}

struct Search<'a> {
    known: Known<'a>,
    settings: Settings,
    /// Deployments to production in order of the time at which they took effect; also those of each service.
    all: Vec<&'a Deployment>,
    of_services: BTreeMap<String, Vec<&'a Deployment>>,
    remedied: BTreeMap<&'a WitnessId, Vec<&'a Remedy>>,
    said: Said<'a>,
}

impl<'a> Search<'a> {
    fn of(known: Known<'a>, settings: Settings) -> Self {
        let mut all: Vec<&Deployment> = known.ledger.live().collect();
        all.sort_by_key(|deployment| (deployment.at, &deployment.id));
        let mut of_services: BTreeMap<String, Vec<&Deployment>> = BTreeMap::new();
        for deployment in &all {
            of_services.entry(deployment.service.to_lowercase()).or_default().push(deployment);
        }
        let mut remedied: BTreeMap<&WitnessId, Vec<&Remedy>> = BTreeMap::new();
        for remedy in known.remedies {
            remedied.entry(&remedy.failed).or_default().push(remedy);
        }
        let said = Said::of(known);
        Self { known, settings, all, of_services, remedied, said }
    }

    fn attribution(&self, incident: &Incident) -> Attribution {
        let said = self.said.of_incident(incident);
        let mut found = self.candidates(incident);
        found.retain(|(deployment, _)| !said.ruled_out.contains(&deployment.id));
        found.sort_by_cached_key(|(deployment, evidence)| {
            (Reverse(strength(evidence)), Reverse(deployment.at), Reverse(deployment.id.clone()))
        });
        let candidate = |(deployment, evidence): (&Deployment, BTreeSet<Evidence>)| Candidate {
            deployment: deployment.id.clone(),
            evidence,
        };
        let mut candidates: Vec<Candidate> = found.into_iter().map(candidate).collect();
        if let Some(named) = &said.named {
            let cause = named.map(|deployment| deployment.id.clone());
            if let Some(cause) = &cause {
                let place = candidates.iter().position(|one| one.deployment == *cause);
                let mut first = place
                    .map(|place| candidates.remove(place))
                    .unwrap_or_else(|| Candidate { deployment: cause.clone(), evidence: BTreeSet::new() });
                first.evidence.insert(Evidence::Said);
                candidates.insert(0, first);
            }
            return Attribution {
                incident: incident.id.clone(),
                candidates,
                cause,
                sure: Some(Sure::Corrected),
                named: said.pull_request,
                ruled_out: said.pulls_ruled_out,
            };
        }
        let sure = candidates.first().and_then(|first| sure(first, candidates.len()));
        let cause = candidates.first().filter(|_| sure.is_some()).map(|first| first.deployment.clone());
        let ruled_out = said.pulls_ruled_out;
        Attribution { incident: incident.id.clone(), candidates, cause, sure, named: None, ruled_out }
    }

    /// Deployments in the window before the incident, of its services; of its teams if it names no service; else of all.
    fn candidates(&self, incident: &Incident) -> Vec<(&'a Deployment, BTreeSet<Evidence>)> {
        let environment = incident.env.as_deref().map(|name| self.known.environments.environment(name));
        let is_there = |deployment: &&Deployment| {
            environment.as_ref().is_none_or(|there| {
                deployment.environment.as_ref().is_some_and(|environment| environment.name == there.name)
            })
        };
        let found: Vec<&Deployment> = if incident.services.is_empty() {
            let of_team = |deployment: &&Deployment| {
                incident.teams.is_empty() || deployment.team.as_ref().is_some_and(|team| incident.teams.contains(team))
            };
            self.before(&self.all, incident).filter(is_there).filter(of_team).collect()
        } else {
            let services = incident.services.iter().filter_map(|name| self.of_services.get(&name.to_lowercase()));
            services.flat_map(|deployments| self.before(deployments, incident)).filter(is_there).collect()
        };
        let names = Names::of(incident, found.iter().map(|deployment| self.files(deployment)));
        found.into_iter().map(|deployment| (deployment, self.evidence(deployment, incident, &names))).collect()
    }

    /// Those that took effect within the window before the incident, and those that were in progress when it began.
    fn before<'b>(
        &self,
        ordered: &'b [&'a Deployment],
        incident: &Incident,
    ) -> impl Iterator<Item = &'a Deployment> + 'b {
        let began = incident.began_at;
        let (from, to) = (began - self.settings.window, began + ROLLOUT_AT_MOST);
        let first = ordered.partition_point(|deployment| deployment.at < Some(from));
        let near = ordered[first..].iter().take_while(move |deployment| deployment.at <= Some(to));
        near.copied().filter(move |deployment| deployment.began_at().is_some_and(|at| at <= began))
    }

    fn files(&self, deployment: &Deployment) -> impl Iterator<Item = &'a str> + use<'a> {
        let shipped = self.known.shipped;
        let changes = deployment.witnesses.iter().find_map(|witness| shipped.get(witness));
        changes.into_iter().flatten().flat_map(|change| &change.files).map(String::as_str)
    }

    fn evidence(&self, deployment: &Deployment, incident: &Incident, names: &Names<'_>) -> BTreeSet<Evidence> {
        let mut evidence = BTreeSet::new();
        if incident.is_on(&deployment.service) {
            evidence.insert(Evidence::SameService);
        } else if deployment.team.as_ref().is_some_and(|team| incident.teams.contains(team)) {
            evidence.insert(Evidence::SameTeam);
        }
        let since = deployment.at.map_or(TimeDelta::zero(), |at| incident.began_at - at);
        if since < TimeDelta::zero() {
            evidence.insert(Evidence::InProgress);
        }
        let seconds = since.num_seconds().max(0);
        let share = seconds.saturating_mul(100) / self.settings.window.num_seconds().max(1);
        let share_of_window = u8::try_from(share.min(100)).unwrap_or(100);
        evidence.insert(Evidence::Since { seconds, share_of_window });
        // An incident that nobody closed is not mended by whatever comes months later.
        let over = incident.active.last().and_then(|span| span.to).map(|over| over + self.settings.window);
        let until = over.unwrap_or(incident.began_at + OPEN_AT_MOST);
        let remedies = self.remedied.get(&deployment.id).into_iter().flatten();
        let of_it = remedies.filter(|remedy| remedy.at >= incident.began_at && remedy.at <= until);
        evidence.extend(of_it.map(|remedy| {
            let proof = match remedy.kind {
                RemedyKind::Rollback(_) => true,
                RemedyKind::Revert { proven, .. } => proven,
                RemedyKind::Hotfix(_) => false,
            };
            Evidence::Remedied { by: remedy.deployment.clone(), proof }
        }));
        evidence.extend(names.among(self.files(deployment)).map(|file| Evidence::File(file.to_owned())));
        evidence
    }
}

/// What makes one candidate likelier than another, the most telling first; between those that are alike the newer one is.
fn strength(evidence: &BTreeSet<Evidence>) -> (bool, bool, bool) {
    let has = |is: fn(&Evidence) -> bool| evidence.iter().any(is);
    (
        has(|one| matches!(one, Evidence::Remedied { proof: true, .. })),
        has(|one| matches!(one, Evidence::File(_))),
        has(|one| matches!(one, Evidence::Remedied { .. })),
    )
}

/// How sure it is that the first of `candidates` is the cause; `None` if not even that can be said: an incident of no known
/// service and team is not put down to whatever was deployed last.
fn sure(first: &Candidate, candidates: usize) -> Option<Sure> {
    let (proof, names, remedied) = strength(&first.evidence);
    let is_its = first.evidence.iter().any(|one| matches!(one, Evidence::SameService | Evidence::SameTeam));
    let soon =
        |one: &Evidence| matches!(one, Evidence::Since { seconds, .. } if *seconds <= LIKELY_WITHIN.num_seconds());
    if proof {
        Some(Sure::Proven)
    } else if names || (is_its && candidates == 1 && first.evidence.iter().any(soon)) {
        Some(Sure::Likely)
    } else {
        (is_its || remedied).then_some(Sure::Possible)
    }
}

#[cfg(test)]
mod tests;
