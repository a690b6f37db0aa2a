//! All that follows from what was told: ledger, incidents, causes and outcomes, reckoned anew each time. Nothing that comes
//! out of it is kept, so a late arrival or a correction changes every figure that it touches.

use chrono::{DateTime, Utc};

use super::attribution::{self, Attribution, Correction, Known, attribute};
use super::change::Shipped;
use super::dora::Record;
use super::failures::{BurnWindow, Outcome, Remedy, RollforwardRules, Watch, outcomes, remedies};
use super::incident::{self, Incident, Telling};
use super::ledger::{self, Ledger, reconcile};
use super::sighting::Sighting;

/// All that was told, in any order, and as often as may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Of deployments.
    pub sightings: Vec<Sighting>,
    /// Of incidents.
    pub tellings: Vec<Telling>,
    /// What people said of causes.
    pub corrections: Vec<Correction>,
    /// How SLOs burned around deployments.
    pub burns: Vec<BurnWindow>,
    /// What deployments brought.
    pub shipped: Shipped,
}

/// By which rules it is reckoned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Names of environments, services and teams.
    pub ledger: ledger::Settings,
    /// What counts as a roll-forward.
    pub rollforward: RollforwardRules,
    /// How incidents are put down to deployments.
    pub attribution: attribution::Settings,
    /// For how long deployments are watched.
    pub watch: Watch,
}

/// All that follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Reckoning {
    /// Deployments, and what is odd about them.
    pub ledger: Ledger,
    /// What they brought.
    pub shipped: Shipped,
    /// Incidents.
    pub incidents: Vec<Incident>,
    /// Which deployments remedied which.
    pub remedies: Vec<Remedy>,
    /// What incidents are put down to.
    pub attributions: Vec<Attribution>,
    /// What became of deployments to production.
    pub outcomes: Vec<Outcome>,
}

/// Reckons what follows by `now`.
pub fn reckon(told: Told, rules: &Rules, now: DateTime<Utc>) -> Reckoning {
    let ledger = reconcile(&told.sightings, &rules.ledger);
    reckon_on(ledger, told, rules, now)
}

/// Reckons what follows from a ledger that was made of what is told.
pub fn reckon_on(ledger: Ledger, told: Told, rules: &Rules, now: DateTime<Utc>) -> Reckoning {
    let Told { sightings: _, tellings, corrections, burns, shipped } = told;
    let incidents = incident::fold(&tellings);
    let remedies = remedies(&ledger, &shipped, &rules.rollforward);
    let known = Known {
        ledger: &ledger,
        shipped: &shipped,
        remedies: &remedies,
        corrections: &corrections,
        environments: &rules.ledger,
    };
    let attributions = attribute(&incidents, known, rules.attribution);
    let outcomes = outcomes(&ledger, &incidents, &attributions, &remedies, &burns, rules.watch, now);
    Reckoning { ledger, shipped, incidents, remedies, attributions, outcomes }
}

impl Reckoning {
    /// What the metrics are made of.
    pub fn record(&self) -> Record<'_> {
        Record { ledger: &self.ledger, shipped: &self.shipped, outcomes: &self.outcomes, remedies: &self.remedies }
    }
}
