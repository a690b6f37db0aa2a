//! `GET /metrics`: what the service counts, for Prometheus. Every metric is named in [`METRICS`], with what it means.
//!
//! One recorder for the process, as the `metrics` crate has it; what is read off the database is read when it is asked
//! for. No label holds a name from outside, so that there is an end to them.

mod table;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use metrics::{Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{App, process};
use crate::{
    github::EVENTS,
    risk::{
        assessment::Assessment,
        facts::{Reason, Source},
    },
    store::{Backlog, JudgementRow},
};

pub use table::{METRICS, Metric, MetricKind};

/// What this version of the text format is called.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Histograms collect what is recorded until somebody sums it up, be it a scrape or this.
const UPKEEP: Duration = Duration::from_secs(5);
/// A gauge that nobody set for so long says nothing any more: limits of GitHub's last an hour.
const GAUGE_AGE: Duration = Duration::from_secs(3_600);

/// Seconds, from a commit to GitHub's deadline.
const SHORT: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds, from a warm score to a day of waiting for GitHub.
const LONG: &[f64] = &[0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// The recorder's other end, and who writes what it shows.
struct Exporter {
    handle: PrometheusHandle,
    /// Between the gauges and the text that shows them nobody else sets them.
    scrape: Mutex<()>,
}

/// Sets the recorder up, once for the process.
fn exporter() -> &'static Exporter {
    static EXPORTER: OnceLock<Exporter> = OnceLock::new();
    EXPORTER.get_or_init(|| {
        let mut builder = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_AGE));
        for metric in METRICS {
            let buckets = match metric.kind {
                MetricKind::Long => LONG,
                MetricKind::Short => SHORT,
                MetricKind::Counter | MetricKind::Gauge => continue,
            };
            let matcher = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(matcher, buckets).expect("there are buckets");
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            // Only a program that embeds the service and has a recorder of its own comes here; its own then shows all.
            tracing::debug!("another recorder of metrics is in place");
        }
        describe();
        Exporter { handle, scrape: Mutex::new(()) }
    })
}

fn describe() {
    for Metric { name, kind, about, .. } in METRICS {
        match kind {
            MetricKind::Counter => metrics::describe_counter!(*name, *about),
            MetricKind::Gauge => metrics::describe_gauge!(*name, *about),
            MetricKind::Short | MetricKind::Long => metrics::describe_histogram!(*name, Unit::Seconds, *about),
        }
    }
    // A counter that has not counted yet is 0, not absent: alerts compare with what was before.
    for kind in ["delivery", "job"] {
        counter!("mergecast_retries_total", "kind" => kind).increment(0);
        counter!("mergecast_buried_total", "kind" => kind).increment(0);
    }
    counter!("mergecast_mirror_fetches_total", "result" => "ok").increment(0);
    for event in OVERRIDE_EVENTS {
        counter!("mergecast_overrides_total", "event" => *event).increment(0);
    }
    for result in ["ok", "failed"] {
        counter!("mergecast_secret_reloads_total", "result" => result).increment(0);
    }
    for limit in ["primary", "secondary"] {
        counter!("mergecast_github_rate_limited_total", "limit" => limit).increment(0);
    }
    for what in super::retention::KINDS {
        counter!("mergecast_forgotten_total", "what" => what).increment(0);
    }
}

/// Sets the recorder up, which measures the processor's clock.
pub(super) fn prepare() {
    exporter();
}

/// Sets the recorder up before anything is counted, and sums up now and again until `stop`.
pub(super) fn start(tasks: &TaskTracker, stop: CancellationToken) {
    let exporter = exporter();
    tasks.spawn(async move {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(UPKEEP) => exporter.handle.run_upkeep(),
            }
        }
    });
}

pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    let exporter = exporter();
    let _alone = exporter.scrape.lock().await;
    observe(&app).await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], exporter.handle.render()).into_response()
}

/// Sets the gauges. What cannot be read is not a number, and the rest is shown all the same.
async fn observe(app: &App) {
    let now = app.clock.now_ms();
    let inbox = app.store.inbox_backlog().await.ok();
    gauge!("mergecast_inbox_deliveries", "state" => "queued").set(number(inbox.map(|inbox| inbox.queued)));
    gauge!("mergecast_inbox_deliveries", "state" => "buried").set(number(inbox.map(|inbox| inbox.buried)));
    gauge!("mergecast_inbox_oldest_age_seconds").set(age_s(inbox, now));
    let jobs = app.store.job_backlog(now).await.ok();
    gauge!("mergecast_jobs", "state" => "queued").set(number(jobs.map(|jobs| jobs.queued)));
    gauge!("mergecast_jobs", "state" => "buried").set(number(jobs.map(|jobs| jobs.buried)));
    gauge!("mergecast_jobs_oldest_age_seconds").set(age_s(jobs, now));
    gauge!("mergecast_store_writes_waiting").set(app.store.writes_waiting() as f64);
    gauge!("mergecast_store_bytes").set(app.store.size_bytes() as f64);
    let mirrors = app.store.mirror_counts().await.ok();
    gauge!("mergecast_mirrors", "state" => "ready").set(number(mirrors.map(|mirrors| mirrors.ready)));
    gauge!("mergecast_mirrors", "state" => "loading").set(number(mirrors.map(|mirrors| mirrors.loading)));
    gauge!("mergecast_mirrors", "state" => "failed").set(number(mirrors.map(|mirrors| mirrors.failed)));
    gauge!("mergecast_mirrors_bytes").set(number(mirrors.map(|mirrors| mirrors.bytes)));
    learning(app).await;
    gauge!("mergecast_workers").set(app.workers as f64);
    gauge!("mergecast_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("process_start_time_seconds").set(app.started_at.timestamp_millis() as f64 / 1_000.0);
    gauge!("process_resident_memory_bytes").set(number(process::resident_bytes()));
    gauge!("process_open_fds").set(number(process::open_files()));
}

/// What the latest look at the outcomes came to; not a number before there was one, or while it cannot be told.
async fn learning(app: &App) {
    let look = app.store.judgements(1).await.ok().and_then(|looks| looks.into_iter().next());
    let told = look.as_ref().filter(|look| look.drifts.is_some());
    let z = |of: fn(&JudgementRow) -> i64| told.map_or(f64::NAN, |look| of(look) as f64 / 100.0);
    gauge!("mergecast_outcomes", "label" => "failed").set(number(look.as_ref().map(|look| look.failed)));
    gauge!("mergecast_outcomes", "label" => "clean").set(number(look.as_ref().map(|look| look.changes - look.failed)));
    gauge!("mergecast_calibration_drift").set(number(told.map(|look| i64::from(look.drifts == Some(true)))));
    gauge!("mergecast_calibration_z", "of" => "level").set(z(|look| look.level_z100));
    gauge!("mergecast_calibration_z", "of" => "spread").set(z(|look| look.spread_z100));
}

fn number(read: Option<i64>) -> f64 {
    read.map_or(f64::NAN, |number| number as f64)
}

fn age_s(backlog: Option<Backlog>, now: i64) -> f64 {
    let age = |since: i64| (now - since).max(0) as f64 / 1_000.0;
    backlog.map_or(f64::NAN, |backlog| backlog.oldest_queued_at.map_or(0.0, age))
}

/// A webhook was answered.
pub(super) fn answered(event: Option<&str>, status: u16, took: Duration) {
    let event = EVENTS.iter().map(|row| row.name).find(|name| Some(*name) == event).unwrap_or("other");
    counter!("mergecast_deliveries_total", "event" => event, "code" => status.to_string()).increment(1);
    histogram!("mergecast_delivery_accept_seconds").record(took.as_secs_f64());
}

/// Work ended well that a delivery asked for which had come at `received_at`.
pub(super) fn ended(received_at: Option<i64>, now: i64) {
    if let Some(received_at) = received_at {
        histogram!("mergecast_delivery_to_check_run_seconds").record((now - received_at).max(0) as f64 / 1_000.0);
    }
}

/// Work is tried again: a `delivery` or a `job`.
pub(super) fn retried(kind: &'static str) {
    counter!("mergecast_retries_total", "kind" => kind).increment(1);
}

/// Work was given up: a `delivery` or a `job`.
pub(super) fn buried(kind: &'static str) {
    counter!("mergecast_buried_total", "kind" => kind).increment(1);
}

/// A mirror was fetched and read, or that failed: `ok`, or the word for why.
pub(super) fn mirror_fetched(result: &'static str, took: Duration) {
    histogram!("mergecast_mirror_fetch_seconds").record(took.as_secs_f64());
    counter!("mergecast_mirror_fetches_total", "result" => result).increment(1);
}

/// Rows were forgotten because they are old.
pub(super) fn forgotten(what: &'static str, rows: u64) {
    counter!("mergecast_forgotten_total", "what" => what).increment(rows);
}

/// The secrets were read again.
pub(super) fn secrets_read(result: &'static str) {
    counter!("mergecast_secret_reloads_total", "result" => result).increment(1);
}

/// What can happen to an override: it is made or refused, or it ends, in the words of the ledger.
pub(super) const OVERRIDE_EVENTS: &[&str] =
    &["made", "refused", "cancelled", "pushed", "retargeted", "expired", "replaced"];

/// Something happened to an override: one of [`OVERRIDE_EVENTS`].
pub(super) fn overridden(event: &'static str) {
    debug_assert!(OVERRIDE_EVENTS.contains(&event), "{event} is not in the list");
    counter!("mergecast_overrides_total", "event" => event).increment(1);
}

/// An assessment was made.
pub(super) fn assessed(assessment: &Assessment) {
    let (level, conclusion) = (assessment.level.word(), assessment.verdict.conclusion.word());
    counter!("mergecast_assessments_total", "level" => level, "conclusion" => conclusion).increment(1);
    let mut unknown: Vec<(&'static str, &'static str)> = assessment
        .contributions
        .iter()
        .filter_map(|each| each.reading.as_ref().err())
        .map(|unknown| (source(unknown.source), reason(&unknown.reason)))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    for (source, reason) in unknown {
        counter!("mergecast_unknowns_total", "source" => source, "reason" => reason).increment(1);
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Diff => "diff",
        Source::Reviews => "reviews",
        Source::Codeowners => "codeowners",
        Source::Checks => "checks",
        Source::Policy => "policy",
        Source::MergeQueue => "merge_queue",
        Source::History => "history",
        Source::Coverage => "coverage",
        Source::Datadog => "datadog",
    }
}

fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::NotConnected => "not_connected",
        Reason::NotApplicable => "not_applicable",
        Reason::Forbidden(_) => "forbidden",
        Reason::Unavailable(_) => "unavailable",
        Reason::Unusable(_) => "unusable",
        Reason::Loading { .. } => "loading",
        Reason::Awaited { .. } => "awaited",
        Reason::Nothing(_) => "nothing",
        Reason::Partial { .. } => "partial",
    }
}
