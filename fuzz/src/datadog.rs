//! What has to hold for whatever Datadog answers. Input: the body of an answer, to any question.

use std::collections::BTreeMap;

use chrono::DateTime;
use mergecast::{
    catalog::{Claims, CodeLocation, Link, Repository, Service},
    datadog::{
        CatalogService, Incident, parse_definitions, parse_deployments, parse_entities, parse_history, parse_incidents,
        parse_slos,
    },
    slo::{History, LOOKED_BACK_S, Target, Window, clearing, daily, measure},
};

/// Longest word about an answer that is none, in bytes: our own words only.
const MESSAGE: usize = 200;
const NOW_S: i64 = 1_800_000_000;

pub(crate) fn check(data: &[u8]) {
    let window = Window::before(NOW_S, LOOKED_BACK_S);
    let history = parse_history(data, window);
    assert_eq!(history, parse_history(data, window), "the same bytes are the same answer");
    match history {
        Ok(history) => {
            [99.999, 99.9, 50.0].into_iter().filter_map(Target::new).for_each(|one| is_measured(&history, one))
        }
        Err(error) => assert!(error.to_string().len() <= MESSAGE, "{error}"),
    }
    for objective in parse_slos(data).unwrap_or_default().iter().flat_map(|slo| &slo.objectives) {
        let percent = objective.target.percent();
        assert!((1..=366).contains(&objective.timeframe.days) && 0.0 < percent && percent < 100.0, "{objective:?}");
    }
    parse_incidents(data).unwrap_or_default().iter().for_each(is_sound);
    assert_eq!(parse_deployments(data), parse_deployments(data));
    for services in [parse_definitions(data), parse_entities(data)] {
        are_claimed(services.unwrap_or_default());
    }
}

/// Figures are figures, and none is beyond what a total failure is.
fn is_measured(history: &History, target: Target) {
    if let Ok(measured) = measure(history, target) {
        let most = target.most_burn() * (1.0 + 1e-9);
        let (average, highest) = (measured.average.rate, measured.highest.rate);
        assert!(0.0 <= average && average <= highest && highest <= most, "{measured:?}");
        assert!(measured.highest.over.span_s() <= history.window.span_s(), "{measured:?}");
    }
    assert_eq!(clearing(history, target), clearing(history, target));
    for day in daily(history, target).unwrap_or_default() {
        assert!(day.rate.is_none_or(|rate| rate >= 0.0 && rate.is_finite()), "{day:?}");
    }
}

/// It began when it can have, and its spans are in order, each once.
fn is_sound(incident: &Incident) {
    let now = DateTime::from_timestamp(NOW_S, 0).expect("a time that there is");
    assert!(incident.began(now).is_none_or(|began| began <= now));
    assert!(incident.active.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", incident.active);
}

/// Whatever people write into the catalogue, a file is a service's once.
fn are_claimed(services: Vec<CatalogService>) {
    assert!(services.iter().all(|service| !service.name.is_empty()));
    let link = |one: mergecast::datadog::CatalogLink| Link { name: one.name, kind: one.kind, url: one.url };
    let location =
        |one: mergecast::datadog::CodeLocation| CodeLocation { repository: one.repository, paths: one.paths };
    let service = |one: CatalogService| Service {
        name: one.name,
        source_patterns: one.source_patterns,
        links: one.links.into_iter().map(link).collect(),
        code_locations: one.code_locations.into_iter().map(location).collect(),
        deployed_from: Vec::new(),
    };
    let services: Vec<Service> = services.into_iter().map(service).collect();
    let repository = Repository { host: "github.com", full_name: "acme/shop", branch: "main" };
    let files = ["apps/payments/src/cart.ts", "README.md", "x"];
    let claims = Claims::of(&services, &BTreeMap::new(), repository);
    for target in claims.targets(files.iter().map(|path| (*path, None))) {
        assert!((1..=files.len() as u64).contains(&target.files_total), "{target:?}");
        assert_eq!(target.files.len() as u64, target.files_total);
    }
}
