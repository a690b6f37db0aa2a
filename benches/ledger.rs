//! The ledger for a million deployments of 2,000 services over two years, each told of by three sources, and what is made of
//! it: remedies, causes of 10,000 incidents, outcomes, metrics. Another number of deployments may be given as an argument.
//!
//! Time is that of the one thread which does the work, as Linux counts it, so that other work on the machine does not show.

use std::{fs, hint::black_box, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use mergecast::deployment::{
    attribution::{self, Known, attribute},
    change::Shipped,
    dora::{Record, Scope, dora},
    failures::{RollforwardRules, Watch, outcomes, remedies},
    incident::{Activity, Incident, IncidentId, Keeper, Span, Telling, fold},
    ledger::{Settings, reconcile},
    sighting::{Sighting, Source},
};

const DEPLOYMENTS: usize = 1_000_000;
const SERVICES: usize = 2_000;
const INCIDENTS: usize = 10_000;
/// One deployment in so many brings back the build before the last.
const ROLLBACKS: usize = 50;
const TWO_YEARS: TimeDelta = TimeDelta::days(730);

fn main() {
    // `cargo bench` hands on arguments of its own.
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let deployments: usize = asked.unwrap_or(DEPLOYMENTS);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{profile} build, {deployments} deployments of {SERVICES} services, {INCIDENTS} incidents");
    let sightings = sightings(deployments);
    let settings = Settings::default();
    let ledger = timed("ledger", || reconcile(&sightings, &settings));
    assert_eq!(ledger.live().count(), deployments, "each is one row");
    println!("  {} sightings", sightings.len());
    drop(sightings);
    let incidents = incidents();
    let (shipped, now) = (Shipped::new(), begin() + TWO_YEARS + TimeDelta::days(1));
    let remedies = timed("remedies", || remedies(&ledger, &shipped, &RollforwardRules::default()));
    assert!(!remedies.is_empty());
    let known =
        Known { ledger: &ledger, shipped: &shipped, remedies: &remedies, corrections: &[], environments: &settings };
    let causes = timed("causes", || attribute(&incidents, known, attribution::Settings::default()));
    assert_eq!(causes.len(), INCIDENTS);
    let outcomes = timed("outcomes", || outcomes(&ledger, &incidents, &causes, &remedies, &[], Watch::default(), now));
    let record = Record { ledger: &ledger, shipped: &shipped, outcomes: &outcomes, remedies: &remedies };
    let all = timed("metrics", || dora(record, &Scope::all(begin(), now)));
    assert_eq!(all.frequency.deployments, deployments as u64);
    println!("  {} remedies", remedies.len());
    println!("memory at most: {} MiB", memory_mib());
}

fn begin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a time that exists")
}

/// A pipeline, a GitHub deployment and DORA Metrics tell of each, in no order of time.
fn sightings(deployments: usize) -> Vec<Sighting> {
    let apart = TWO_YEARS / i32::try_from(deployments.max(1)).unwrap_or(i32::MAX);
    let mut all = Vec::with_capacity(deployments * 3);
    for number in 0..deployments {
        // Neighbours are far apart in time, as after a backfill.
        let place = number * 7_919 % deployments;
        let at = begin() + apart * i32::try_from(place).unwrap_or(i32::MAX);
        let turn = place / SERVICES;
        let build = if turn % ROLLBACKS == ROLLBACKS - 1 { turn - 2 } else { turn };
        let service = format!("service-{}", place % SERVICES);
        let told = |source: Source, later: i64| Sighting {
            service: Some(service.clone()),
            env: Some("prod".to_owned()),
            started_at: Some(at - TimeDelta::minutes(4)),
            finished_at: Some(at + TimeDelta::seconds(later)),
            ..Sighting::new(source, format!("{source:?}-{place}"), at)
        };
        let (sha, version) = (format!("{:040x}", build + 1), format!("1.{build}.0"));
        all.push(Sighting { commit_sha: Some(sha.clone()), version: Some(version.clone()), ..told(Source::Api, 0) });
        all.push(Sighting { commit_sha: Some(sha), ..told(Source::GithubDeployment, 7) });
        all.push(Sighting { version: Some(version), ..told(Source::DatadogDora, 31) });
    }
    all
}

fn incidents() -> Vec<Incident> {
    let apart = TWO_YEARS / INCIDENTS as i32;
    let telling = |number: usize| {
        let at = begin() + apart * number as i32;
        let id = IncidentId { keeper: Keeper::Datadog, id: number.to_string() };
        Telling {
            title: "Requests fail".to_owned(),
            services: [format!("service-{}", number * 31 % SERVICES)].into(),
            began_at: Some(at),
            activity: Activity::Spans(vec![Span { from: at, to: Some(at + TimeDelta::minutes(40)) }]),
            ..Telling::new(id, at)
        }
    };
    let tellings: Vec<Telling> = (0..INCIDENTS).map(telling).collect();
    fold(&tellings)
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = spent();
    let done = black_box(work());
    println!("{what}: {:.2} s", (spent() - begun).as_secs_f64());
    done
}

/// Time that this thread has had a processor.
fn spent() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells of the thread");
    let nanoseconds = told.split(' ').next().and_then(|first| first.parse().ok()).expect("a number of nanoseconds");
    Duration::from_nanos(nanoseconds)
}

/// The most that the process ever held.
fn memory_mib() -> u64 {
    let told = fs::read_to_string("/proc/self/status").expect("Linux tells of the process");
    let most = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the most memory");
    most.trim().split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") / 1_024
}
