//! What several services come to together: each figure is that of the worst of them, and is only known as far as those
//! that were not read cannot be worse.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::{
    Absence, Asked, ChangeFailRate, FlakyPipeline, FlakySuite, Known, LatestDeployment, OpenIncident, Reason,
    Remediation, Runtime, SloCounts, SloHealth, Source, Told, Unknown,
};
use super::signal::BAKING_HOURS;
use crate::slo::FAST;

/// SEV-0, SEV-1 and SEV-2.
const HIGH_SEVERITY: u8 = 2;
/// A deployment fails if an incident of its service begins within this time after it.
const FAILS_WITHIN: TimeDelta = TimeDelta::hours(24);
/// With fewer deployments or runs a single one decides, so that they weigh nothing.
const SAMPLE_LEAST: u64 = 20;
/// The upper end of what DORA's reports (2019 to 2023) call a low change fail rate.
const FAILS_OFTEN: f64 = 0.15;
const SUITES_KEPT: usize = 5;
const INCIDENTS_KEPT: usize = 10;
const SLOS_KEPT: usize = 10;

/// What was read of the services of a change, each part with its own fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// SLOs of all of them.
    pub slos: Vec<SloHealth>,
    /// Why SLOs are missing from these, once for each reason.
    pub slos_unread: Vec<Unknown>,
    /// Incidents on any of them that are not over.
    pub incidents: Known<Vec<OpenIncident>>,
    /// The newest deployment of each.
    pub deployments: Known<Vec<LatestDeployment>>,
    /// Pipelines of the repository.
    pub pipelines: Known<Vec<FlakyPipeline>>,
    /// Suites of the repository.
    pub suites: Vec<FlakySuite>,
    /// How often deployments of each failed.
    pub change_fail_rates: Vec<Known<ChangeFailRate>>,
    /// Why the change may be for more services than these, if it may.
    pub unmapped: Option<Unknown>,
    /// When the oldest of them was given.
    pub as_of: Option<DateTime<Utc>>,
    /// When the oldest of each kind was given.
    pub told: Vec<Told>,
}

/// The health of a change's services at `now`.
pub fn runtime(answers: Answers, now: DateTime<Utc>) -> Runtime {
    let Answers {
        slos,
        slos_unread,
        incidents,
        deployments,
        pipelines,
        mut suites,
        change_fail_rates,
        unmapped,
        as_of,
        told,
    } = answers;
    let missing = || slos_unread.iter().chain(&unmapped).cloned().map(Err);
    let burn = |slo: &SloHealth| slo.burn.as_ref().map(|burn| burn.highest.rate).map_err(Clone::clone);
    let burn_rate = worst(slos.iter().map(burn).chain(missing()), |rate| rate > FAST);
    let budget_spent = |slo: &SloHealth| slo.budget_left.clone().map(|left| -left);
    let spent = worst(slos.iter().map(budget_spent).chain(missing()), |spent| spent >= 0.0);
    let slo_counts = (!slos.is_empty()).then(|| counts(&slos));
    let unless = |decided: bool| unmapped.clone().filter(|_| !decided).map_or(Ok(()), Err);
    let (open_incidents, incidents) = held_by(incidents, unmapped.as_ref());
    let deployed = deployments.map(|all| all.into_iter().max_by_key(|one| one.at));
    let hours_since_deployment = of_some(&deployed, Absence::Deployments).map(|one| hours(now - one.at));
    let hours_since_deployment = hours_since_deployment.and_then(|hours| unless(hours < BAKING_HOURS).map(|()| hours));
    let weighed = |one: &FlakyPipeline| (one.runs >= SAMPLE_LEAST, flaky_share(one));
    let flaky = pipelines.map(|all| all.into_iter().max_by(|a, b| ordered(weighed(a), weighed(b))));
    suites.sort_by_key(|suite| Reverse(suite.flakes));
    suites.truncate(SUITES_KEPT);
    let change_fail_rate = worst_fail_rate(change_fail_rates.into_iter().chain(unmapped.clone().map(Err)));
    Runtime {
        burn_rate,
        budget_left: spent.map(|spent| -spent),
        open_incidents,
        flaky_rate: of_some(&flaky, Absence::TestRuns).map(flaky_share),
        hours_since_deployment,
        slos: kept(slos),
        slo_counts,
        incidents,
        deployed: deployed.unwrap_or_default(),
        flaky: flaky.unwrap_or_default(),
        flaky_suites: suites,
        change_fail_rate,
        as_of,
        told,
    }
}

/// What is known of services now, with what was known before in place of what is not answered now: silence is no news. For
/// the same services.
pub fn as_far_as_told(before: &Runtime, mut now: Runtime, at: DateTime<Utc>) -> Runtime {
    let mut kept = Vec::new();
    let burn = keep(&before.burn_rate, &mut now.burn_rate);
    let budget = keep(&before.budget_left, &mut now.budget_left);
    if burn || budget {
        now.slos.clone_from(&before.slos);
        now.slo_counts = before.slo_counts;
        kept.push(Asked::Slos);
    }
    if keep(&before.open_incidents, &mut now.open_incidents) {
        now.incidents.clone_from(&before.incidents);
        kept.push(Asked::Incidents);
    }
    if keep(&before.flaky_rate, &mut now.flaky_rate) {
        now.flaky.clone_from(&before.flaky);
        now.flaky_suites.clone_from(&before.flaky_suites);
        kept.push(Asked::TestRuns);
    }
    if keep(&before.hours_since_deployment, &mut now.hours_since_deployment) {
        now.deployed.clone_from(&before.deployed);
        // It has become older meanwhile.
        now.hours_since_deployment =
            of_some(&Ok(now.deployed.clone()), Absence::Deployments).map(|one| hours(at - one.at));
        kept.push(Asked::Deployments);
    }
    if keep(&before.change_fail_rate, &mut now.change_fail_rate) {
        kept.push(Asked::Deployments);
    }
    if !kept.is_empty() {
        now.as_of = before.as_of.into_iter().chain(now.as_of).min();
    }
    let stays = |told: &&Told| kept.contains(&told.what);
    let told = before.told.iter().filter(stays).chain(&now.told).copied().collect();
    now.told = oldest_of_each(told);
    now
}

/// The oldest of each kind.
pub fn oldest_of_each(mut told: Vec<Told>) -> Vec<Told> {
    told.sort_unstable_by_key(|told| (told.what, told.at));
    told.dedup_by_key(|told| told.what);
    told
}

/// Puts what was known in place of what is not answered; says whether it did.
fn keep<T: Clone>(before: &Known<T>, now: &mut Known<T>) -> bool {
    let is_silent = |figure: &Known<T>| {
        figure.as_ref().is_err_and(|unknown| matches!(unknown.reason, Reason::Unavailable(_) | Reason::Forbidden(_)))
    };
    let keeps = is_silent(now) && !is_silent(before);
    if keeps {
        now.clone_from(before);
    }
    keeps
}

/// Titles of the incidents that hold the change back, and all incidents in the order in which they matter. Where there may
/// be more services, there may be more incidents.
fn held_by(incidents: Known<Vec<OpenIncident>>, unmapped: Option<&Unknown>) -> (Known<Vec<String>>, Vec<OpenIncident>) {
    let high = |incidents: &Vec<OpenIncident>| -> Vec<String> {
        incidents.iter().filter(|one| is_high(one)).map(title).collect()
    };
    let open = incidents.as_ref().map(high).map_err(Clone::clone);
    let open = open.and_then(|open| match unmapped {
        Some(unmapped) if open.is_empty() => Err(unmapped.clone()),
        _ => Ok(open),
    });
    let mut incidents = incidents.unwrap_or_default();
    incidents
        .sort_by_key(|one| (Reverse(is_high(one)), Reverse(one.active), one.severity.unwrap_or(u8::MAX), one.since));
    incidents.truncate(INCIDENTS_KEPT);
    (open, incidents)
}

/// Whether a share rests on enough to be weighed.
pub(super) fn is_few(sample: u64) -> bool {
    sample < SAMPLE_LEAST
}

/// Whether deployments fail so often that it counts.
pub(super) fn fails_often(rate: &ChangeFailRate) -> bool {
    !is_few(rate.deployments) && failed_share(rate) > FAILS_OFTEN
}

/// The worst of the rates that rest on enough deployments, else of the others. What is not known may be worse.
fn worst_fail_rate(rates: impl Iterator<Item = Known<ChangeFailRate>>) -> Known<ChangeFailRate> {
    let (mut known, mut missing, mut absent) = (Vec::new(), None, None);
    for rate in rates {
        match rate {
            Ok(rate) => known.push(rate),
            Err(unknown) if matches!(unknown.reason, Reason::Nothing(_)) => _ = absent.get_or_insert(unknown),
            Err(unknown) => _ = missing.get_or_insert(unknown),
        }
    }
    let weighed = |one: &ChangeFailRate| (!is_few(one.deployments), failed_share(one));
    let worst = known.into_iter().max_by(|a, b| ordered(weighed(a), weighed(b)));
    match (worst, missing) {
        (Some(worst), Some(missing)) => Some(worst).filter(fails_often).ok_or(missing),
        (Some(worst), None) => Ok(worst),
        (None, missing) => Err(missing.or(absent).unwrap_or(nothing(Absence::Deployments))),
    }
}

fn ordered(one: (bool, f64), other: (bool, f64)) -> std::cmp::Ordering {
    one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
}

fn counts(slos: &[SloHealth]) -> SloCounts {
    let fast = |slo: &&SloHealth| slo.burn.as_ref().is_ok_and(|burn| burn.highest.rate > FAST);
    SloCounts {
        total: slos.len() as u64,
        fast: slos.iter().filter(fast).count() as u64,
        unread: slos.iter().filter(|slo| slo.burn.is_err()).count() as u64,
    }
}

/// Those that burn most, and the one with the least of its budget left: what rests on it has to be told.
fn kept(mut slos: Vec<SloHealth>) -> Vec<SloHealth> {
    slos.sort_by(|a, b| rate_of(b).total_cmp(&rate_of(a)).then_with(|| a.id.cmp(&b.id)));
    let left = |slo: &SloHealth| slo.budget_left.as_ref().map_or(f64::INFINITY, |left| *left);
    let least = (0..slos.len()).min_by(|a, b| left(&slos[*a]).total_cmp(&left(&slos[*b])));
    if let Some(least) = least.filter(|at| *at >= SLOS_KEPT) {
        slos.swap(SLOS_KEPT - 1, least);
    }
    slos.truncate(SLOS_KEPT);
    slos
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
    remediation.is_some_and(|told| runtime.incidents.iter().any(|one| is_high(one) && is_named(one, &told.incident)))
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

    fn of(slos: Vec<SloHealth>) -> Runtime {
        runtime(Answers { slos, as_of: Some(now()), ..answered() }, now())
    }

    #[test]
    fn the_worst_slo_counts_as_far_as_others_cannot_be_worse() {
        let check = |slos: Vec<SloHealth>, burn: Known<f64>, left: Known<f64>| {
            let runtime = of(slos);
            assert_eq!((runtime.burn_rate, runtime.budget_left), (burn, left));
        };
        let absent = || nothing(Absence::Data);
        check(vec![slo(Ok(1.0), Ok(0.5)), slo(Ok(4.2), Ok(0.9))], Ok(4.2), Ok(0.5));
        check(vec![slo(Ok(1.0), Ok(0.5)), slo(Err(absent()), Err(absent()))], Ok(1.0), Ok(0.5));
        check(vec![slo(Ok(1.0), Ok(0.5)), slo(Err(down()), Err(down()))], Err(down()), Err(down()));
        check(vec![slo(Ok(2.5), Ok(0.0)), slo(Err(down()), Err(down()))], Ok(2.5), Ok(0.0));
        check(vec![slo(Err(absent()), Err(absent()))], Err(absent()), Err(absent()));
        check(Vec::new(), Err(nothing(Absence::Slo)), Err(nothing(Absence::Slo)));
        // A list that was not read may hold worse ones, but for those that are bad enough already.
        let unread = |slos| runtime(Answers { slos, slos_unread: vec![down()], ..answered() }, now());
        assert_eq!(unread(Vec::new()).burn_rate, Err(down()));
        let (good, bad) = (unread(vec![slo(Ok(1.0), Ok(0.5))]), unread(vec![slo(Ok(4.2), Ok(-0.1))]));
        assert_eq!((good.burn_rate, good.budget_left), (Err(down()), Err(down())));
        assert_eq!((bad.burn_rate, bad.budget_left), (Ok(4.2), Ok(-0.1)));
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
        assert_eq!(names.map(named), [true, true, true, true, false, false, false, false, false, false, false, false]);
        assert!(!is_mended(&runtime, None));
    }

    fn answered() -> Answers {
        Answers {
            slos: Vec::new(),
            slos_unread: Vec::new(),
            incidents: Ok(Vec::new()),
            deployments: Ok(Vec::new()),
            pipelines: Ok(Vec::new()),
            suites: Vec::new(),
            change_fail_rates: Vec::new(),
            unmapped: None,
            as_of: None,
            told: Vec::new(),
        }
    }

    /// An incident of somebody's severity that is active.
    fn incident(severity: u8) -> OpenIncident {
        OpenIncident {
            id: "id".into(),
            number: Some(u64::from(severity)),
            title: "Checkout is down".into(),
            severity: Some(severity),
            active: true,
            since: None,
            url: None,
            services: vec!["pay".into()],
        }
    }

    #[test]
    fn services_that_are_not_known_may_be_worse() {
        let deployed =
            |hours: i64| LatestDeployment { service: "pay".into(), at: now() - TimeDelta::hours(hours), version: None };
        let of = |slos, severity, hours| {
            let answers = Answers {
                slos,
                incidents: Ok(vec![incident(severity)]),
                deployments: Ok(vec![deployed(hours)]),
                unmapped: Some(down()),
                ..answered()
            };
            runtime(answers, now())
        };
        let good = of(vec![slo(Ok(1.0), Ok(0.5))], 4, 9);
        let figures = (good.burn_rate, good.budget_left, good.open_incidents, good.hours_since_deployment);
        assert_eq!(figures, (Err(down()), Err(down()), Err(down()), Err(down())));
        assert_eq!(good.change_fail_rate, Err(down()));
        let bad = of(vec![slo(Ok(3.0), Ok(0.0))], 1, 1);
        let figures = (bad.burn_rate, bad.budget_left, bad.open_incidents, bad.hours_since_deployment);
        assert_eq!(figures, (Ok(3.0), Ok(0.0), Ok(vec!["Checkout is down".to_owned()]), Ok(1.0)));
    }

    #[test]
    fn what_rests_on_enough_is_weighed_first() {
        let rate = |service: &str, deployments, failed| ChangeFailRate { service: service.into(), deployments, failed };
        let of = |rates: Vec<Known<ChangeFailRate>>| {
            runtime(Answers { change_fail_rates: rates, ..answered() }, now()).change_fail_rate
        };
        let (few, often, seldom) = (rate("a", 1, 1), rate("b", 100, 40), rate("c", 100, 1));
        assert_eq!(of(vec![Ok(few.clone()), Ok(often.clone()), Ok(seldom.clone())]), Ok(often.clone()));
        assert_eq!(of(vec![Ok(few.clone())]), Ok(few.clone()));
        assert_eq!(of(vec![Ok(few), Ok(seldom), Err(down())]), Err(down()));
        assert_eq!(of(vec![Ok(often.clone()), Err(down())]), Ok(often));
        let pipeline = |name: &str, runs, flaky_runs| FlakyPipeline { pipeline: name.into(), runs, flaky_runs };
        let pipelines = Ok(vec![pipeline("new", 1, 1), pipeline("ci", 20, 3), pipeline("old", 500, 2)]);
        assert_eq!(runtime(Answers { pipelines, ..answered() }, now()).flaky_rate, Ok(0.15));
    }

    #[test]
    fn the_spent_budget_is_kept_among_the_slos_that_are_told() {
        let mut slos: Vec<SloHealth> = (0..12).map(|n| slo(Ok(3.0 + f64::from(n)), Ok(0.9))).collect();
        slos.push(slo(Ok(0.0), Ok(-0.2)));
        slos.push(slo(Err(down()), Err(down())));
        let runtime = of(slos);
        assert_eq!((runtime.slos.len(), runtime.budget_left), (SLOS_KEPT, Ok(-0.2)));
        assert!(runtime.slos.iter().any(|slo| slo.budget_left == Ok(-0.2)));
        assert_eq!(runtime.slo_counts, Some(SloCounts { total: 14, fast: 12, unread: 1 }));
        assert_eq!(runtime.slos[0].burn.as_ref().unwrap().highest.rate, 14.0);
    }

    #[test]
    fn silence_is_no_news() {
        let held = |severity| Runtime {
            open_incidents: Ok(vec!["Checkout is down".into()]),
            incidents: vec![incident(severity)],
            hours_since_deployment: Ok(1.0),
            deployed: Some(LatestDeployment { service: "pay".into(), at: now() - TimeDelta::hours(1), version: None }),
            ..of(vec![slo(Ok(4.2), Ok(0.5))])
        };
        let silent = Runtime { as_of: None, ..Runtime::unknown(&down()) };
        let later = now() + TimeDelta::hours(3);
        let told = as_far_as_told(&held(1), silent.clone(), later);
        assert_eq!(told, Runtime { hours_since_deployment: Ok(4.0), ..held(1) });
        // What was answered counts, though it is that there is nothing.
        let over = Runtime { open_incidents: Ok(Vec::new()), ..silent.clone() };
        let told = as_far_as_told(&held(1), over, later);
        assert_eq!((told.open_incidents, told.incidents, told.burn_rate), (Ok(Vec::new()), Vec::new(), Ok(4.2)));
        let nothing_left = Runtime { burn_rate: Err(nothing(Absence::Data)), ..silent.clone() };
        assert_eq!(as_far_as_told(&held(1), nothing_left, later).burn_rate, Err(nothing(Absence::Data)));
        assert_eq!(as_far_as_told(&silent, held(2), later), held(2));
    }

    #[test]
    fn what_reads_the_same_is_no_news() {
        let base = of(vec![slo(Ok(4.21), Ok(0.504))]);
        let later = Runtime { as_of: None, ..of(vec![slo(Ok(4.24), Ok(0.496))]) };
        assert!(read_alike(&base, &later));
        assert!(!read_alike(&base, &of(vec![slo(Ok(4.26), Ok(0.5))])));
        assert!(!read_alike(&base, &of(Vec::new())));
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
