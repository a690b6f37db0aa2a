//! The ledger: one row for each real deployment, with all who witnessed it, and what is odd about it.
//!
//! [`reconcile`] is a function of the set of sightings. docs/outcomes.md has the rule in words.

mod anomalies;
mod matching;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use anomalies::{Anomaly, Oddity};
use matching::Draft;

use super::build::Build;
use super::sighting::{Rollout, Sighting, Source, WitnessId};
use super::witness::{Witness, fold};
use crate::catalog;

/// The name under which all that is called production is kept.
pub const PRODUCTION: &str = "production";

/// What the ledger has to be told besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names of production that mean the same environment, without case; they are kept as [`PRODUCTION`].
    pub production: BTreeSet<String>,
    /// Further environments that are production, each by itself, such as `prod-eu`; a `*` at the end stands for anything.
    pub also_production: BTreeSet<String>,
    /// Services that are deployed from a repository (`host/owner/name`, lower case), for sources that name no service.
    pub services: BTreeMap<String, BTreeSet<String>>,
    /// Teams of services, for sources that name none.
    pub teams: BTreeMap<String, String>,
    /// How long after it took effect a deployment may become known before it is late.
    pub late_after: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            production: ["production", "prod", "prd", "live"].map(str::to_owned).into(),
            also_production: ["prod-*", "production-*"].map(str::to_owned).into(),
            services: BTreeMap::new(),
            teams: BTreeMap::new(),
            late_after: TimeDelta::hours(6),
        }
    }
}

/// Where something is deployed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Environment {
    /// Its name in lower case. Untrusted.
    pub name: String,
    /// Users are on it.
    pub production: bool,
}

impl Settings {
    /// The environment of a name. What is not known to be production is not: `preprod`, `non-prod` and `prod2` are others.
    pub fn environment(&self, name: &str) -> Environment {
        let name = name.trim().to_lowercase();
        if self.production.contains(&name) {
            return Environment { name: PRODUCTION.to_owned(), production: true };
        }
        let is_one = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        };
        Environment { production: self.also_production.iter().any(is_one), name }
    }
}

/// A real deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// What it is called here: its first witness. Any other witness finds it as well.
    pub id: WitnessId,
    /// Service. Untrusted.
    pub service: String,
    /// Environment; `None` where nobody tells, which is not production.
    pub environment: Option<Environment>,
    /// What the environment is called by the witness that is believed most of those that say it. Untrusted.
    pub env_told: Option<String>,
    /// Team. Untrusted.
    pub team: Option<String>,
    /// What was deployed.
    pub build: Build,
    /// Repository that it came from, `host/owner/name`. Untrusted.
    pub repository: Option<String>,
    /// When it began, by the witness that is believed most of those whose times are in order.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over, by the same witness.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it took effect: its end, else its beginning. `None` where no witness tells a time that can be; then no figure
    /// takes part of it in.
    pub at: Option<DateTime<Utc>>,
    /// How far it is.
    pub rollout: Rollout,
    /// A program started it; `None` where nobody tells.
    pub automated: Option<bool>,
    /// Clusters that it reached, where it has several. Untrusted.
    pub clusters: BTreeSet<String>,
    /// All who saw it, those believed most first.
    pub witnesses: Vec<WitnessId>,
}

impl Deployment {
    /// It reached production, and it is known when. Every figure counts these alone.
    pub fn is_live(&self) -> bool {
        let production = self.environment.as_ref().is_some_and(|environment| environment.production);
        production && self.rollout == Rollout::Succeeded && self.at.is_some()
    }

    /// When it began to take effect: with it, or before it was over.
    pub fn began_at(&self) -> Option<DateTime<Utc>> {
        self.started_at.or(self.at)
    }
}

/// All deployments that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By service, environment and time.
    pub deployments: Vec<Deployment>,
    /// What is odd, oldest first.
    pub anomalies: Vec<Anomaly>,
}

impl Ledger {
    /// The deployment that a record tells of.
    pub fn find(&self, witness: &WitnessId) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.witnesses.contains(witness))
    }

    /// Deployments that reached production, of each service and environment in order of time.
    pub fn live(&self) -> impl Iterator<Item = &Deployment> {
        self.deployments.iter().filter(|deployment| deployment.is_live())
    }

    /// The same, a list for each service and environment.
    pub fn sequences(&self) -> Vec<Vec<&Deployment>> {
        let mut sequences: Vec<Vec<&Deployment>> = Vec::new();
        for deployment in self.live() {
            let is_same = |last: &&Deployment| {
                (&last.service, &last.environment) == (&deployment.service, &deployment.environment)
            };
            match sequences.last_mut() {
                Some(sequence) if sequence.last().is_some_and(is_same) => sequence.push(deployment),
                _ => sequences.push(vec![deployment]),
            }
        }
        sequences
    }
}

/// Makes one row of each real deployment.
pub fn reconcile<'a>(sightings: impl IntoIterator<Item = &'a Sighting>, settings: &Settings) -> Ledger {
    let mut of_services: BTreeMap<String, Vec<Witness>> = BTreeMap::new();
    let mut anomalies = Vec::new();
    for witness in fold(sightings) {
        match service_of(&witness, settings) {
            // Datadog writes names in lower case, GitHub as its people do.
            Some(service) => of_services.entry(service.to_lowercase()).or_default().push(witness),
            None => anomalies.push(Anomaly::of(Oddity::Orphan, &witness)),
        }
    }
    let mut deployments = Vec::new();
    for (key, witnesses) in of_services {
        let service = spelled(&key, &witnesses, settings);
        let (releases, witnesses): (Vec<_>, Vec<_>) =
            witnesses.into_iter().partition(|witness| witness.id.source == Source::GithubRelease);
        let mut drafts = matching::drafts(witnesses, settings);
        let alone = matching::attach(releases, &mut drafts);
        anomalies.extend(alone.iter().map(|release| Anomaly::of(Oddity::ReleaseAlone, release)));
        for draft in drafts {
            let deployment = written(&service, &draft, settings);
            anomalies.extend(anomalies::of_deployment(&deployment, &draft, settings));
            deployments.push(deployment);
        }
    }
    let order = |one: &Deployment| (one.service.clone(), one.environment.clone(), one.at, one.id.clone());
    deployments.sort_by_cached_key(order);
    anomalies.extend(anomalies::partial(&deployments));
    anomalies.sort();
    Ledger { deployments, anomalies }
}

fn service_of(witness: &Witness, settings: &Settings) -> Option<String> {
    if let Some(service) = &witness.service {
        return Some(service.clone());
    }
    let repository = repository(witness.repository.as_deref()?)?;
    let mut services = settings.services.get(&repository)?.iter();
    // Of a repository with several services it is not told which one is meant.
    services.next().filter(|_| services.next().is_none()).cloned()
}

fn team(service: &str, settings: &Settings) -> Option<String> {
    let key = service.to_lowercase();
    let exact = settings.teams.get(service);
    exact.or_else(|| settings.teams.iter().find(|(name, _)| name.to_lowercase() == key).map(|(_, team)| team)).cloned()
}

/// The name of a service as the source spells it that is believed most, else as the settings do.
fn spelled(key: &str, witnesses: &[Witness], settings: &Settings) -> String {
    let told = witnesses.iter().filter_map(|witness| Some((witness.id.source, witness.service.as_ref()?)));
    let set = || settings.services.values().flatten().find(|name| name.to_lowercase() == key);
    told.min().map(|(_, name)| name).or_else(set).map_or_else(|| key.to_owned(), String::clone)
}

fn repository(address: &str) -> Option<String> {
    catalog::repository_of(address).map(|(host, name)| format!("{host}/{name}"))
}

/// The row of a draft: of each field what the witness says that is believed most, of those that say it.
fn written(service: &str, draft: &Draft, settings: &Settings) -> Deployment {
    let witnesses = &draft.witnesses;
    let timed = witnesses.iter().find(|witness| witness.skew().is_none());
    let told = |field: fn(&Witness) -> &Option<String>| witnesses.iter().find_map(|witness| field(witness).clone());
    Deployment {
        id: witnesses[0].id.clone(),
        service: service.to_owned(),
        environment: draft.environment.clone(),
        team: told(|witness| &witness.team).or_else(|| team(service, settings)),
        env_told: told(|witness| &witness.env),
        build: draft.build.clone(),
        repository: witnesses.iter().find_map(|witness| repository(witness.repository.as_deref()?)),
        started_at: timed.and_then(|witness| witness.started_at),
        finished_at: timed.and_then(|witness| witness.finished_at),
        at: draft.at(),
        rollout: draft.rollout(),
        automated: witnesses.iter().find_map(|witness| witness.automated),
        clusters: witnesses.iter().filter_map(|witness| witness.cluster.clone()).collect(),
        witnesses: witnesses.iter().chain(&draft.releases).map(|witness| witness.id.clone()).collect(),
    }
}

#[cfg(test)]
mod tests;
