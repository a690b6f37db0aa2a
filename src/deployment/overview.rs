//! The metrics of a window as people look at them: the whole, its course, and each service, team and environment.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::dora::{Dora, Record, Scope, dora};
use super::ledger::{Deployment, Ledger, Oddity};
use super::reckoning::Reckoning;
use super::sighting::WitnessId;

/// A window is cut into so many parts at most; each is whole weeks long, so that weekends weigh the same in all.
const PARTS_MAX: i64 = 26;
/// Of one kind of what is odd so many are named.
const ABOUT_MAX: usize = 20;

/// The metrics of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Of all that was asked for.
    pub whole: Dora,
    /// How long each part of its course is, in days.
    pub part_days: u64,
    /// Its course, oldest first; the last part ends with the window, and what is left over at its beginning is in none.
    pub course: Vec<Dora>,
    /// Of each service that was deployed in the window, by name.
    pub services: Vec<Dora>,
    /// Of each team of which a service was deployed, by name.
    pub teams: Vec<Dora>,
    /// Of each production environment that was deployed to, by name.
    pub environments: Vec<Dora>,
    /// What is odd about what was told since the window began, by kind.
    pub odd: Vec<Odd>,
}

/// From when, and until when.
type Window = (DateTime<Utc>, DateTime<Utc>);

/// One kind of what is odd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Odd {
    /// Which kind.
    pub kind: OddKind,
    /// How many there are, at least 1.
    pub count: u64,
    /// Since when the oldest is.
    pub since: DateTime<Utc>,
    /// The deployments or records, the oldest first, at most 20.
    pub about: Vec<WitnessId>,
}

/// Kinds of [`Oddity`], without what each holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OddKind {
    /// It is not told of which service it is.
    Orphan,
    /// A release of which nobody saw a deployment.
    ReleaseAlone,
    /// Nobody says which commit it is of.
    NoCommit,
    /// Nobody says where it went.
    NoEnvironment,
    /// A source tells it twice.
    Duplicate,
    /// It ended before it began.
    EndsBeforeItBegins,
    /// It was told of before it happened.
    InTheFuture,
    /// It became known late.
    Late,
    /// It did not reach all clusters.
    Partial,
    /// One source says that it failed, another one that it runs.
    Disputed,
}

impl OddKind {
    fn of(oddity: &Oddity) -> Self {
        match oddity {
            Oddity::Orphan => Self::Orphan,
            Oddity::ReleaseAlone => Self::ReleaseAlone,
            Oddity::NoCommit => Self::NoCommit,
            Oddity::NoEnvironment => Self::NoEnvironment,
            Oddity::Duplicate(_) => Self::Duplicate,
            Oddity::EndsBeforeItBegins(_) => Self::EndsBeforeItBegins,
            Oddity::InTheFuture(_) => Self::InTheFuture,
            Oddity::Late(_) => Self::Late,
            Oddity::Partial(_) => Self::Partial,
            Oddity::Disputed => Self::Disputed,
        }
    }
}

/// The metrics of a scope, and of what is in it.
pub fn overview(reckoning: &Reckoning, scope: &Scope) -> Overview {
    let record = reckoning.record();
    let whole = dora(record, scope);
    let (part_days, parts) = parts(scope);
    let course = parts.into_iter().map(|(from, to)| dora(record, &Scope { from, to, ..scope.clone() })).collect();
    let within: Vec<&Deployment> = record.ledger.live().filter(|one| scope.holds(one)).collect();
    let teams: BTreeSet<&String> = within.iter().filter_map(|one| one.team.as_ref()).collect();
    let environments: BTreeSet<&String> =
        within.iter().filter_map(|one| one.environment.as_ref()).map(|environment| &environment.name).collect();
    let of_team = |team: &String| dora(record, &Scope { team: Some(team.clone()), ..scope.clone() });
    let of_environment = |name: &String| dora(record, &Scope { environment: Some(name.clone()), ..scope.clone() });
    Overview {
        course,
        part_days,
        services: services(record, &within, scope),
        teams: teams.into_iter().map(of_team).collect(),
        environments: environments.into_iter().map(of_environment).collect(),
        odd: odd(record.ledger, scope),
        whole,
    }
}

/// Figures of a service come from its own deployments alone, so each is reckoned on a ledger of its own: else many services
/// would mean as many walks through everything.
fn services(record: Record<'_>, within: &[&Deployment], scope: &Scope) -> Vec<Dora> {
    let mut ledgers: BTreeMap<&str, Ledger> =
        within.iter().map(|one| (one.service.as_str(), Ledger::default())).collect();
    for deployment in &record.ledger.deployments {
        if let Some(ledger) = ledgers.get_mut(deployment.service.as_str()) {
            ledger.deployments.push(deployment.clone());
        }
    }
    let of_service = |(name, ledger): (&str, Ledger)| {
        let ids: BTreeSet<_> = ledger.deployments.iter().map(|one| &one.id).collect();
        let outcomes: Vec<_> = record.outcomes.iter().filter(|one| ids.contains(&one.deployment)).cloned().collect();
        let record = Record { ledger: &ledger, outcomes: &outcomes, ..record };
        dora(record, &Scope { service: Some(name.to_owned()), ..scope.clone() })
    };
    ledgers.into_iter().map(of_service).collect()
}

/// How many days each part has, and the parts: whole weeks, as many as it takes for at most [`PARTS_MAX`].
fn parts(scope: &Scope) -> (u64, Vec<Window>) {
    let weeks = (scope.to - scope.from).num_days() / 7;
    let length = TimeDelta::weeks(weeks.div_euclid(PARTS_MAX) + i64::from(weeks % PARTS_MAX > 0));
    let mut parts = Vec::new();
    let mut to = scope.to;
    while length > TimeDelta::zero() && to - length >= scope.from {
        parts.push((to - length, to));
        to -= length;
    }
    parts.reverse();
    (length.num_days().unsigned_abs(), parts)
}

/// What is odd since the window began: of deployments that are asked for, and of records that are of none that is known.
fn odd(ledger: &Ledger, scope: &Scope) -> Vec<Odd> {
    let deployments: BTreeMap<&WitnessId, &Deployment> =
        ledger.deployments.iter().map(|deployment| (&deployment.id, deployment)).collect();
    let mut kinds: BTreeMap<OddKind, Odd> = BTreeMap::new();
    for anomaly in ledger.anomalies.iter().filter(|one| scope.from <= one.since && one.since < scope.to) {
        if deployments.get(&anomaly.about).is_some_and(|deployment| !scope.is_asked(deployment)) {
            continue;
        }
        let kind = OddKind::of(&anomaly.oddity);
        let odd = kinds.entry(kind).or_insert(Odd { kind, count: 0, since: anomaly.since, about: Vec::new() });
        odd.count += 1;
        odd.since = odd.since.min(anomaly.since);
        if odd.about.len() < ABOUT_MAX {
            odd.about.push(anomaly.about.clone());
        }
    }
    kinds.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::reckoning::{Rules, Told, reckon};
    use crate::deployment::stories::{deployed, minute, telling};

    fn scope(days: i64) -> Scope {
        Scope::all(minute(0), minute(days * 24 * 60))
    }

    #[test]
    fn a_window_is_cut_into_whole_weeks() {
        let check = |days: i64, expected: (u64, usize)| {
            let (part_days, parts) = parts(&scope(days));
            assert_eq!((part_days, parts.len()), expected, "{days} days");
            assert!(parts.iter().all(|(from, to)| (*to - *from).num_days() == part_days as i64));
            assert!(parts.last().is_none_or(|(_, to)| *to == scope(days).to));
            assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0));
        };
        check(0, (0, 0));
        check(6, (0, 0));
        check(7, (7, 1));
        check(90, (7, 12));
        check(26 * 7, (7, 26));
        check(365, (14, 26));
        check(730, (28, 26));
    }

    /// Figures of each service are those that the whole ledger gives for it.
    #[test]
    fn a_service_has_the_figures_of_its_scope() {
        let day = 24 * 60;
        let mut sightings = Vec::new();
        for (number, service) in ["pay", "cart"].into_iter().cycle().take(30).enumerate() {
            let build = ["aaaaaaa1", "bbbbbbb2", "ccccccc3"][number / 2 % 3];
            let mut one = deployed(&number.to_string(), number as i64 * day, build);
            one.service = Some(service.to_owned());
            one.team = Some(if service == "pay" { "money" } else { "shop" }.to_owned());
            one.env = Some(if number % 4 == 0 { "prod-eu" } else { "prod" }.to_owned());
            sightings.push(one);
        }
        let tellings = (0..10).map(|number| {
            let began = number * 3 * day + 30;
            telling(&format!("i{number}"), began, Some(began + 40))
        });
        let told = Told { sightings, tellings: tellings.collect(), ..Told::default() };
        let reckoning = reckon(told, &Rules::default(), minute(60 * day));
        let scope = scope(28);
        let overview = overview(&reckoning, &scope);
        assert!(overview.whole.change_fail.rate.count > 0 && overview.whole.rollback.count > 0);
        let names: Vec<_> = overview.services.iter().filter_map(|one| one.scope.service.as_deref()).collect();
        assert_eq!(names, ["cart", "pay"]);
        for one in overview.services.iter().chain(&overview.teams).chain(&overview.environments).chain(&overview.course)
        {
            assert_eq!(*one, dora(reckoning.record(), &one.scope));
        }
        let sum = |all: &[Dora]| all.iter().map(|one| one.frequency.deployments).sum::<u64>();
        let whole = overview.whole.frequency.deployments;
        assert_eq!(sum(&overview.services), whole);
        assert_eq!((sum(&overview.teams), sum(&overview.environments), sum(&overview.course)), (whole, whole, whole));
        assert_eq!((overview.teams.len(), overview.environments.len(), overview.course.len()), (2, 2, 4));
    }
}
