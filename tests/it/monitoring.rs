//! `/metrics`, and what reads it: the dashboard, the alert rules and the table in `docs/operate.md` know the same names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use chrono::TimeDelta;
use mergecast::{
    github::sim::{Fault, FaultKind, FaultOn, Times},
    service::{METRICS, Metric, MetricKind, Operations},
};
use regex::Regex;

use crate::{
    commands::{say, scored},
    mirrors::mirrored,
    post::Post,
    sources::connect,
    support::{Ctx, Setup, run_test, run_test_with},
    work::change,
};

/// One line of what is exported: its name, its labels and its value.
type Sample = (String, BTreeMap<String, String>, f64);

async fn scrape(ctx: &Ctx) -> String {
    let answer = ctx.http.get(format!("http://{}/metrics", ctx.service().metrics_address())).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    answer.text().await.unwrap()
}

fn samples(text: &str) -> Vec<Sample> {
    let line = Regex::new(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$").unwrap();
    let label = Regex::new(r#"([a-z_]+)="((?:[^"\\]|\\.)*)""#).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|text| {
            let found = line.captures(text).unwrap_or_else(|| panic!("not a sample: {text}"));
            let labels = found.get(2).map_or("", |labels| labels.as_str());
            let labels = label.captures_iter(labels).map(|one| (one[1].to_owned(), one[2].to_owned())).collect();
            (found[1].to_owned(), labels, found[3].parse().unwrap())
        })
        .collect()
}

/// The sum over all samples of a name that have this label.
fn sum(samples: &[Sample], name: &str, label: (&str, &str)) -> f64 {
    let of = |(of, labels, _): &&Sample| of == name && labels.get(label.0).is_some_and(|value| value == label.1);
    samples.iter().filter(of).map(|(.., value)| value).sum()
}

/// The metric that a sample belongs to.
fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.kind {
        MetricKind::Counter | MetricKind::Gauge => metric.name == name,
        MetricKind::Short | MetricKind::Long => {
            name.strip_prefix(metric.name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
        }
    })
}

/// A run in which everything that is counted happens at least once.
async fn eventful(ctx: &Ctx) {
    let shop = ctx.repository();
    let on = FaultOn::new("POST", "/repos/*/*/check-runs");
    ctx.sim.fault(Fault { on, kind: FaultKind::Status(502), times: Times::Next(1) });
    ctx.sim.fault(Fault {
        on: FaultOn::graphql(),
        kind: FaultKind::PrimaryLimit { reset_in: 60 },
        times: Times::Next(1),
    });
    for n in 0..3 {
        ctx.check_run(&shop.open(change(n))).await;
    }
    let forged = Post { signature: Some("sha256=00".to_owned()), ..Post::new(ctx, "forged", "ping", b"{}") };
    assert_eq!(forged.status(ctx).await, 401);
    assert_eq!(Post::new(ctx, "unreadable", "pull_request", b"{\"action\":\"opened\"}").status(ctx).await, 202);
    ctx.settle().await;
}

#[test]
fn a_run_exports_what_the_table_says_and_no_names_from_outside() {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |mut ctx| {
        let _remote = mirrored(&mut ctx).await;
        let _datadog = connect(&mut ctx, "datadoghq.com").await;
        assert_eq!(ctx.http.get(ctx.url("/api/v1/sources")).send().await.unwrap().status(), 200);
        eventful(&ctx).await;
        let text = scrape(&ctx).await;
        let samples = samples(&text);
        let mut seen = BTreeSet::new();
        for (name, labels, _) in &samples {
            let metric = metric(name).unwrap_or_else(|| panic!("{name} is not in the table"));
            let known = |label: &&String| metric.labels.contains(&label.as_str()) || *label == "le";
            assert!(labels.keys().all(|label| known(&label)), "{name} has labels {labels:?}");
            assert!(!labels.values().any(|value| value.contains("acme") || value.contains("shop")), "{labels:?}");
            seen.insert(metric.name);
        }
        let missing: Vec<_> = METRICS.iter().filter(|metric| !seen.contains(metric.name)).collect();
        assert!(missing.is_empty(), "in the table and not exported: {missing:?}");
        for metric in METRICS {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Short | MetricKind::Long => "histogram",
            };
            assert!(text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "TYPE of {}", metric.name);
            assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.about)), "HELP of {}", metric.name);
        }
        ctx
    });
}

#[test]
fn the_numbers_are_those_of_what_happened() {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |ctx| {
        // Other services of this process count too: what matters is what is added.
        let before = samples(&scrape(&ctx).await);
        eventful(&ctx).await;
        let after = samples(&scrape(&ctx).await);
        let added = |name: &str, label| sum(&after, name, label) - sum(&before, name, label);

        assert_eq!(added("mergecast_deliveries_total", ("code", "401")), 1.0);
        let counts = ctx.store.inbox_counts().await.unwrap();
        let stored = (counts.done + counts.ignored + counts.buried) as f64;
        assert_eq!(added("mergecast_deliveries_total", ("code", "202")), stored);
        let assessed = ctx.store.recent(100).await.unwrap();
        for level in ["low", "medium", "high", "critical"] {
            let stored = assessed.iter().filter(|row| row.level == level).count();
            assert_eq!(added("mergecast_assessments_total", ("level", level)), stored as f64, "{level}");
        }
        assert_eq!(added("mergecast_unknowns_total", ("source", "history")), assessed.len() as f64);
        assert_eq!(added("mergecast_buried_total", ("kind", "delivery")), 1.0);
        assert!(added("mergecast_retries_total", ("kind", "job")) >= 1.0);
        assert_eq!(added("mergecast_github_requests_total", ("outcome", "server_error")), 1.0);
        assert_eq!(added("mergecast_github_rate_limited_total", ("limit", "primary")), 1.0);
        assert_eq!(sum(&after, "mergecast_inbox_deliveries", ("state", "buried")), 1.0);
        assert_eq!(sum(&after, "mergecast_inbox_deliveries", ("state", "queued")), 0.0);

        // Requests by endpoint are those that the simulated GitHub saw.
        let minted = ctx.sim.exchanges().iter().filter(|each| each.path.ends_with("/access_tokens")).count();
        let endpoint = ("endpoint", "/app/installations/{id}/access_tokens");
        assert_eq!(added("mergecast_github_requests_total", endpoint), minted as f64);
        assert_eq!(added("mergecast_github_requests_total", ("endpoint", "other")), 0.0);
        // The clock stood still but for the limit's minute, which the changes after it waited for.
        let waited: f64 = after
            .iter()
            .filter(|(name, ..)| name == "mergecast_delivery_to_check_run_seconds_sum")
            .map(|each| each.2)
            .sum();
        assert!(waited >= 60.0, "{waited} s");
        ctx
    });
}

#[test]
fn an_override_that_holds_is_no_job_that_waits() {
    run_test(async |ctx| {
        ctx.repository().base_file(".github/mergecast.yml", "mode: enforce\nthreshold: 1\n");
        let (_, pull) = scored(&ctx).await;
        // For the four hours that it holds unless told otherwise.
        assert_eq!(say(&ctx, &pull, "nora", "/risk override It cannot wait").await.reactions, ["eyes", "+1"]);
        let waiting = async || {
            let samples = samples(&scrape(&ctx).await);
            let age = samples.iter().find(|(name, ..)| name == "mergecast_jobs_oldest_age_seconds").unwrap().2;
            (sum(&samples, "mergecast_jobs", ("state", "queued")), age)
        };
        let until = ctx.store.next_due().await.unwrap().expect("its end is waited for");
        assert_eq!(until, (ctx.clock.now() + TimeDelta::hours(4)).timestamp_millis());
        // Nobody wakes the workers: the clock is theirs to look at once a second.
        ctx.clock.set(ctx.clock.now() + TimeDelta::hours(4) - TimeDelta::milliseconds(1));
        assert_eq!(waiting().await, (0.0, 0.0), "nothing is late");
        ctx
    });
}

#[test]
fn metrics_may_have_an_address_of_their_own() {
    let operations = Operations { metrics_listen: Some("127.0.0.1:0".parse().unwrap()), ..Operations::default() };
    run_test_with(Setup { operations, ..Setup::default() }, async |ctx| {
        assert_ne!(ctx.service().address(), ctx.service().metrics_address());
        assert!(scrape(&ctx).await.contains("mergecast_build_info"));
        assert_eq!(ctx.http.get(ctx.url("/metrics")).send().await.unwrap().status(), 404);
        let other = format!("http://{}/readyz", ctx.service().metrics_address());
        assert_eq!(ctx.http.get(other).send().await.unwrap().status(), 404, "nothing else is there");
        ctx
    });
    run_test(async |ctx| {
        assert_eq!(ctx.http.get(ctx.url("/metrics")).send().await.unwrap().status(), 200);
        ctx
    });
}

fn repository_file(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of metrics in a query; whatever else looks like one is one that does not exist.
fn names(query: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(?:mergecast|process)_[a-z_]+").unwrap();
    name.find_iter(query).map(|found| found.as_str().to_owned()).collect()
}

#[test]
fn the_dashboard_asks_for_what_exists_and_shows_all_of_it() {
    let dashboard: serde_json::Value = serde_json::from_str(&repository_file("deploy/grafana/mergecast.json")).unwrap();
    let mut shown = BTreeSet::new();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 10), "{title} says what it shows");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} has a query");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            let names = names(expression);
            assert!(!names.is_empty(), "{title}: {expression}");
            for name in names {
                let metric = metric(&name).unwrap_or_else(|| panic!("{title}: {name} does not exist"));
                shown.insert(metric.name);
                labels_exist(metric, expression);
            }
        }
    }
    let hidden: Vec<_> = METRICS.iter().map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
    assert_eq!(hidden, Vec::<&str>::new(), "metrics without a panel");
    let places: Vec<_> = panels.iter().map(|panel| (&panel["gridPos"]["x"], &panel["gridPos"]["y"])).collect();
    assert_eq!(places.iter().map(|place| format!("{place:?}")).collect::<BTreeSet<_>>().len(), places.len());
}

/// Labels that a query names are the metric's, or those that Prometheus adds.
fn labels_exist(metric: &Metric, query: &str) {
    let selected = Regex::new(r#"([a-z_]+)(?:=~|!~|!=|=)""#).unwrap();
    let grouped = Regex::new(r"by \(([a-z_, ]+)\)").unwrap();
    let grouped = grouped
        .captures_iter(query)
        .flat_map(|found| found[1].split(',').map(|label| label.trim().to_owned()).collect::<Vec<_>>());
    let named = selected.captures_iter(query).map(|found| found[1].to_owned()).chain(grouped);
    for label in named.collect::<BTreeSet<_>>() {
        let added = ["le", "instance", "job"].contains(&label.as_str());
        let shared = names(query).len() > 1;
        assert!(added || shared || metric.labels.contains(&label.as_str()), "{label} in {query}");
    }
}

#[test]
fn alerts_ask_for_what_exists_and_say_what_to_do() {
    let rules = repository_file("deploy/prometheus/alerts.yml");
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10, "the rules are split into alerts");
    for (alert, before) in alerts.iter().zip(rules.split("- alert: ")) {
        let name = alert.lines().next().unwrap();
        for part in ["expr:", "severity:", "summary:", "runbook:"] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        let why = before.trim_end().lines().next_back().unwrap().trim();
        assert!(why.starts_with('#'), "{name} does not say why its threshold is where it is");
        let expression = alert.split("expr:").nth(1).unwrap().split("labels:").next().unwrap();
        let names = names(expression);
        assert!(!names.is_empty(), "{name}: {expression}");
        for metric_name in names {
            let metric = metric(&metric_name).unwrap_or_else(|| panic!("{name}: {metric_name} does not exist"));
            labels_exist(metric, expression);
        }
        for said in self::names(alert) {
            assert!(METRICS.iter().any(|metric| said.starts_with(metric.name)), "{name} speaks of {said}");
        }
    }
}

#[test]
fn the_documentation_has_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operate.md");
    let text = fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- table: metrics -->\n", "<!-- end of table -->");
    let (head, rest) = text.split_once(begin).expect("docs/operate.md has the table of metrics");
    let (old, tail) = rest.split_once(end).expect("the table ends");
    let mut table = "| Metric | Labels | Says |\n| --- | --- | --- |\n".to_owned();
    for Metric { name, labels, about, .. } in METRICS {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        table.push_str(&format!("| `{name}` | {} | {about} |\n", labels.join(", ")));
    }
    if old == table {
        return;
    }
    assert!(
        std::env::var_os("MERGECAST_WRITE_README").is_some(),
        "docs/operate.md has a stale table of metrics\nhint: MERGECAST_WRITE_README=1 cargo test --test it documentation"
    );
    fs::write(path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
}
