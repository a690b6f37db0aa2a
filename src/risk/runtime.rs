//! What several services come to together: each figure is that of the worst of them, and is only known as far as those
//! that were not read cannot be worse.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::{
    Absence, ChangeFailRate, FlakyPipeline, FlakySuite, Known, LatestDeployment, OpenIncident, Reason, Remediation,
    Runtime, SloHealth, Source, Unknown,
};
use super::signal::BAKING_HOURS;
use crate::slo::FAST;

/// SEV-0, SEV-1 and SEV-2.
const HIGH_SEVERITY: u8 = 2;
/// A deployment fails if an incident of its service begins within this time after it.
const FAILS_WITHIN: TimeDelta = TimeDelta::hours(24);
const SUITES_KEPT: usize = 5;
const INCIDENTS_KEPT: usize = 10;
const SLOS_KEPT: usize = 10;

/// What was read of the services of a change, each part with its own fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// SLOs of all of them.
    pub slos: Known<Vec<SloHealth>>,
    /// Incidents on any of them that are not over.
    pub incidents: Known<Vec<OpenIncident>>,
    /// The newest deployment of each.
    pub deployments: Known<Vec<LatestDeployment>>,
    /// Pipelines of the repository.
    pub pipelines: Known<Vec<FlakyPipeline>>,
    /// Suites of the repository.
    pub suites: Vec<FlakySuite>,
    /// How often deployments of each failed.
    pub change_fail_rates: Known<Vec<ChangeFailRate>>,
    /// When the oldest of them was given.
    pub as_of: Option<DateTime<Utc>>,
}

/// The health of a change's services at `now`.
pub fn runtime(answers: Answers, now: DateTime<Utc>) -> Runtime {
    let Answers { slos, incidents, deployments, pipelines, mut suites, change_fail_rates, as_of } = answers;
    let burn = |slo: &SloHealth| slo.burn.as_ref().map(|burn| burn.highest.rate).map_err(Clone::clone);
    let burn_rate =
        slos.as_ref().map_err(Clone::clone).and_then(|slos| worst(slos.iter().map(burn), |rate| rate > FAST));
    let budget_spent = |slo: &SloHealth| slo.budget_left.clone().map(|left| -left);
    let spent = slos.as_ref().map_err(Clone::clone);
    let spent = spent.and_then(|slos| worst(slos.iter().map(budget_spent), |spent| spent >= 0.0));
    let mut slos = slos.unwrap_or_default();
    slos.sort_by(|a, b| rate_of(b).total_cmp(&rate_of(a)).then_with(|| a.id.cmp(&b.id)));
    slos.truncate(SLOS_KEPT);
    let high = |incidents: &Vec<OpenIncident>| incidents.iter().filter(|one| is_high(one)).map(title).collect();
    let open_incidents = incidents.as_ref().map(high).map_err(Clone::clone);
    let mut incidents = incidents.unwrap_or_default();
    incidents
        .sort_by_key(|one| (Reverse(is_high(one)), Reverse(one.active), one.severity.unwrap_or(u8::MAX), one.since));
    incidents.truncate(INCIDENTS_KEPT);
    let deployed = deployments.map(|all| all.into_iter().max_by_key(|one| one.at));
    let flaky = pipelines.map(|all| all.into_iter().max_by(|a, b| flaky_share(a).total_cmp(&flaky_share(b))));
    suites.sort_by_key(|suite| Reverse(suite.flakes));
    suites.truncate(SUITES_KEPT);
    let change_fail_rate = change_fail_rates.and_then(|all| {
        all.into_iter()
            .max_by(|a, b| failed_share(a).total_cmp(&failed_share(b)))
            .ok_or_else(|| nothing(Absence::Deployments))
    });
    Runtime {
        burn_rate,
        budget_left: spent.map(|spent| -spent),
        open_incidents,
        flaky_rate: of_some(&flaky, Absence::TestRuns).map(flaky_share),
        hours_since_deployment: of_some(&deployed, Absence::Deployments).map(|one| hours(now - one.at)),
        slos,
        incidents,
        deployed: deployed.unwrap_or_default(),
        flaky: flaky.unwrap_or_default(),
        flaky_suites: suites,
        change_fail_rate,
        as_of,
    }
}

/// Whether two healths read the same to people, though they were measured at other times.
pub fn read_alike(one: &Runtime, other: &Runtime) -> bool {
    let to = |figure: &Known<f64>, digits: f64| figure.clone().map(|figure| (figure * digits).round());
    let figures = |one: &Runtime| {
        (
            to(&one.burn_rate, 10.0),
            to(&one.budget_left, 100.0),
            to(&one.flaky_rate, 100.0),
            one.change_fail_rate.clone(),
        )
    };
    let baking = |one: &Runtime| one.hours_since_deployment.clone().map(|hours| hours < BAKING_HOURS);
    figures(one) == figures(other)
        && baking(one) == baking(other)
        && (&one.open_incidents, &one.incidents, &one.deployed)
            == (&other.open_incidents, &other.incidents, &other.deployed)
}

/// Datadog has answered, and has nothing of this kind.
pub fn nothing(absence: Absence) -> Unknown {
    Unknown { source: Source::Datadog, reason: Reason::Nothing(absence) }
}

/// Whether an incident is bad enough to hold changes back: active, and SEV-2 or worse.
pub fn is_high(incident: &OpenIncident) -> bool {
    incident.active && incident.severity.is_some_and(|severity| severity <= HIGH_SEVERITY)
}

/// Whether a change mends one of the incidents that hold it back: somebody has named it, by its number (`7`, `#7`, `IR-7`)
/// or by its id.
pub fn is_mended(runtime: &Runtime, remediation: Option<&Remediation>) -> bool {
    remediation.is_some_and(|told| runtime.incidents.iter().any(|one| one.active && is_named(one, &told.incident)))
}

/// Whether `name` is what people call this incident.
pub fn is_named(incident: &OpenIncident, name: &str) -> bool {
    let number = name.trim_start_matches('#');
    let number = number.rsplit_once('-').filter(|(word, _)| word.bytes().all(|b| b.is_ascii_alphabetic()));
    let number = number.map_or(name.trim_start_matches('#'), |(_, number)| number);
    incident.id.eq_ignore_ascii_case(name) || number.parse().is_ok_and(|number: u64| incident.number == Some(number))
}

/// How many of a service's deployments, in any order, were followed by an incident. Each incident is put down to the newest
/// deployment before it.
pub fn change_fail_rate(service: String, deployed: &[DateTime<Utc>], began: &[DateTime<Utc>]) -> ChangeFailRate {
    let mut failed: Vec<_> = began
        .iter()
        .filter_map(|began| deployed.iter().filter(|at| **at <= *began && *began - **at <= FAILS_WITHIN).max())
        .collect();
    failed.sort_unstable();
    failed.dedup();
    ChangeFailRate { service, deployments: deployed.len() as u64, failed: failed.len() as u64 }
}

/// The highest of what is known. What could not be read may be higher: then it is only known where that changes nothing.
fn worst(figures: impl Iterator<Item = Known<f64>>, decides: fn(f64) -> bool) -> Known<f64> {
    let (mut highest, mut missing, mut absent) = (None::<f64>, None, None);
    for figure in figures {
        match figure {
            Ok(figure) if figure.is_finite() => highest = Some(highest.map_or(figure, |known| known.max(figure))),
            Ok(_) => _ = absent.get_or_insert_with(|| nothing(Absence::Data)),
            Err(unknown) if matches!(unknown.reason, Reason::Nothing(_)) => _ = absent.get_or_insert(unknown),
            Err(unknown) => _ = missing.get_or_insert(unknown),
        }
    }
    match (highest, missing) {
        (Some(highest), None) => Ok(highest),
        (Some(highest), Some(_)) if decides(highest) => Ok(highest),
        (_, Some(missing)) => Err(missing),
        (None, None) => Err(absent.unwrap_or_else(|| nothing(Absence::Slo))),
    }
}

fn of_some<T>(known: &Known<Option<T>>, absence: Absence) -> Known<&T> {
    known.as_ref().map_err(Clone::clone)?.as_ref().ok_or_else(|| nothing(absence))
}

fn rate_of(slo: &SloHealth) -> f64 {
    slo.burn.as_ref().map_or(-1.0, |burn| burn.highest.rate)
}

fn flaky_share(one: &FlakyPipeline) -> f64 {
    if one.runs == 0 { 0.0 } else { one.flaky_runs.min(one.runs) as f64 / one.runs as f64 }
}

fn failed_share(one: &ChangeFailRate) -> f64 {
    if one.deployments == 0 { -1.0 } else { one.failed as f64 / one.deployments as f64 }
}

fn hours(age: TimeDelta) -> f64 {
    // What lies in the future has just happened on another clock.
    age.num_seconds().max(0) as f64 / 3_600.0
}

fn title(incident: &OpenIncident) -> String {
    incident.title.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{Burn, Clearing, Target, Timeframe, Window};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn down() -> Unknown {
        Unknown { source: Source::Datadog, reason: Reason::Unavailable("a timeout".into()) }
    }

    fn slo(burn: Known<f64>, left: Known<f64>) -> SloHealth {
        let over = Window { from_s: 0, to_s: 7_200 };
        let burn = burn.map(|rate| crate::risk::facts::SloBurn {
            highest: Burn { rate, over },
            average: Burn { rate: rate / 4.0, over },
            hours_to_empty: None,
            clearing: Clearing::Clear,
            disagreement: None,
        });
        SloHealth {
            service: "pay".into(),
            id: "a".into(),
            name: "Requests".into(),
            url: None,
            target: Target::new(99.9).unwrap(),
            timeframe: Timeframe { days: 30 },
            burn,
            budget_left: left,
        }
    }

    fn of(slos: Known<Vec<SloHealth>>) -> Runtime {
        let answers = Answers {
            slos,
            incidents: Ok(Vec::new()),
            deployments: Ok(Vec::new()),
            pipelines: Ok(Vec::new()),
            suites: Vec::new(),
            change_fail_rates: Ok(Vec::new()),
            as_of: Some(now()),
        };
        runtime(answers, now())
    }

    #[test]
    fn the_worst_slo_counts_as_far_as_others_cannot_be_worse() {
        let check = |slos: Vec<SloHealth>, burn: Known<f64>, left: Known<f64>| {
            let runtime = of(Ok(slos));
            assert_eq!((runtime.burn_rate, runtime.budget_left), (burn, left));
        };
        let absent = || nothing(Absence::Data);
        check(vec![slo(Ok(1.0), Ok(0.5)), slo(Ok(4.2), Ok(0.9))], Ok(4.2), Ok(0.5));
        check(vec![slo(Ok(1.0), Ok(0.5)), slo(Err(absent()), Err(absent()))], Ok(1.0), Ok(0.5));
        check(vec![slo(Ok(1.0), Ok(0.5)), slo(Err(down()), Err(down()))], Err(down()), Err(down()));
        check(vec![slo(Ok(2.5), Ok(0.0)), slo(Err(down()), Err(down()))], Ok(2.5), Ok(0.0));
        check(vec![slo(Err(absent()), Err(absent()))], Err(absent()), Err(absent()));
        check(Vec::new(), Err(nothing(Absence::Slo)), Err(nothing(Absence::Slo)));
        assert_eq!(of(Err(down())).burn_rate, Err(down()));
    }

    #[test]
    fn only_active_incidents_of_high_severity_hold_back() {
        let incident = |number: u64, severity: Option<u8>, active: bool| OpenIncident {
            id: format!("id-{number}"),
            number: Some(number),
            title: format!("incident {number}"),
            severity,
            active,
            since: None,
            url: None,
            services: vec!["pay".into()],
        };
        let all = vec![
            incident(1, None, true),
            incident(2, Some(2), false),
            incident(3, Some(3), true),
            incident(4, Some(2), true),
            incident(5, Some(0), true),
        ];
        let answers = Answers { incidents: Ok(all), ..answered() };
        let runtime = runtime(answers, now());
        assert_eq!(runtime.open_incidents.clone().unwrap(), ["incident 4", "incident 5"]);
        assert_eq!(runtime.incidents[0].number, Some(5));
        let named = |name: &str| {
            let told = Remediation { incident: name.into(), by: "nora".into(), at: now() };
            is_mended(&runtime, Some(&told))
        };
        let names = ["4", "#4", "IR-4", "ID-5", "inc-3", "2", "7", "", "#", "-", "4-4", "4x"];
        assert_eq!(names.map(named), [true, true, true, true, true, false, false, false, false, false, false, false]);
        assert!(!is_mended(&runtime, None));
    }

    fn answered() -> Answers {
        Answers {
            slos: Ok(Vec::new()),
            incidents: Ok(Vec::new()),
            deployments: Ok(Vec::new()),
            pipelines: Ok(Vec::new()),
            suites: Vec::new(),
            change_fail_rates: Ok(Vec::new()),
            as_of: None,
        }
    }

    #[test]
    fn what_reads_the_same_is_no_news() {
        let base = of(Ok(vec![slo(Ok(4.21), Ok(0.504))]));
        let later = Runtime { as_of: None, ..of(Ok(vec![slo(Ok(4.24), Ok(0.496))])) };
        assert!(read_alike(&base, &later));
        assert!(!read_alike(&base, &of(Ok(vec![slo(Ok(4.26), Ok(0.5))]))));
        assert!(!read_alike(&base, &of(Err(down()))));
        let hours = |hours: f64| Runtime { hours_since_deployment: Ok(hours), ..base.clone() };
        assert!(read_alike(&hours(2.0), &hours(90.0)) && !read_alike(&hours(1.9), &hours(2.0)));
    }

    #[test]
    fn an_incident_is_put_down_to_the_newest_deployment_before_it() {
        let at = |hours: i64| now() + TimeDelta::hours(hours);
        let rate = |deployed: &[i64], began: &[i64]| {
            let times = |hours: &[i64]| hours.iter().map(|h| at(*h)).collect::<Vec<_>>();
            let rate = change_fail_rate("pay".into(), &times(deployed), &times(began));
            (rate.deployments, rate.failed)
        };
        assert_eq!(rate(&[0, 10, 20], &[11, 12]), (3, 1));
        assert_eq!(rate(&[0, 10, 20], &[5, 11, 44, 45]), (3, 3));
        assert_eq!(rate(&[0], &[-1, 25]), (1, 0));
        assert_eq!(rate(&[], &[1]), (0, 0));
    }

    #[test]
    fn what_datadog_has_nothing_of_is_told_apart_from_what_it_did_not_answer() {
        let runtime = runtime(answered(), now());
        let reasons = [runtime.flaky_rate.unwrap_err(), runtime.hours_since_deployment.unwrap_err()];
        assert_eq!(reasons, [nothing(Absence::TestRuns), nothing(Absence::Deployments)]);
        let deployed = LatestDeployment { service: "pay".into(), at: now() + TimeDelta::hours(1), version: None };
        let answers = Answers { deployments: Ok(vec![deployed]), pipelines: Err(down()), ..answered() };
        let runtime = self::runtime(answers, now());
        assert_eq!((runtime.hours_since_deployment, runtime.flaky_rate), (Ok(0.0), Err(down())));
    }
}
