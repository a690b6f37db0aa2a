//! The table of metrics: names, labels and what each means. The recorder, the documentation and a test read it.

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Name, with its unit.
    pub name: &'static str,
    /// What kind it is.
    pub kind: MetricKind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one phrase.
    pub about: &'static str,
}

/// What kind a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations from a millisecond to half a minute.
    Short,
    /// Durations from half a second to a day.
    Long,
}

/// Every metric, in the order of the documentation.
pub const METRICS: &[Metric] = &[
    counter("mergecast_deliveries_total", &["event", "code"], "webhooks answered, by event and HTTP status"),
    short("mergecast_delivery_accept_seconds", &[], "from a webhook's last byte to its answer, the commit included"),
    gauge("mergecast_inbox_deliveries", &["state"], "deliveries that wait (queued) or were given up (buried)"),
    gauge("mergecast_inbox_oldest_age_seconds", &[], "age of the delivery that waits longest; 0 if none does"),
    gauge(
        "mergecast_jobs",
        &["state"],
        "jobs that wait or run (queued), those for the end of an override once it has come, or were given up (buried)",
    ),
    gauge("mergecast_jobs_oldest_age_seconds", &[], "age of the job that waits longest; 0 if none does"),
    long(
        "mergecast_delivery_to_check_run_seconds",
        &[],
        "from a delivery's arrival to the end of what it asked for, when the check run says what it should",
    ),
    counter("mergecast_retries_total", &["kind"], "tries after a failure, of deliveries and of jobs"),
    counter("mergecast_buried_total", &["kind"], "deliveries and jobs that were given up (dead letters)"),
    counter("mergecast_assessments_total", &["level", "conclusion"], "assessments made, by level and conclusion"),
    counter(
        "mergecast_unknowns_total",
        &["source", "reason"],
        "assessments for which a source could not be read, by source and reason",
    ),
    counter("mergecast_overrides_total", &["event"], "overrides made, refused and ended, by what ended them"),
    counter(
        "mergecast_github_requests_total",
        &["endpoint", "method", "outcome"],
        "requests to GitHub, by address without names, and by what became of them",
    ),
    short("mergecast_github_request_seconds", &["endpoint"], "time of a request to GitHub"),
    gauge(
        "mergecast_github_rate_limit_remaining",
        &["installation", "resource"],
        "requests left in GitHub's hour, as its last answer said; the app itself, the first 500 installations by number, then other",
    ),
    counter(
        "mergecast_github_rate_limited_total",
        &["limit"],
        "refusals over a primary or a secondary limit of GitHub",
    ),
    counter(
        "mergecast_datadog_requests_total",
        &["endpoint", "outcome"],
        "requests to Datadog, by address and by what became of them",
    ),
    short("mergecast_datadog_request_seconds", &["endpoint"], "time of a request to Datadog"),
    gauge(
        "mergecast_datadog_rate_limit_remaining",
        &["endpoint"],
        "requests left of a limit of the organisation's, as Datadog's last answer said",
    ),
    short("mergecast_store_write_seconds", &[], "time of a write to the database, its wait for the writer included"),
    gauge("mergecast_store_writes_waiting", &[], "writes that wait for the writer"),
    gauge("mergecast_store_bytes", &[], "size of the database with its write-ahead log"),
    counter("mergecast_forgotten_total", &["what"], "rows forgotten because they are older than is kept"),
    counter(
        "mergecast_secret_reloads_total",
        &["result"],
        "times that secrets were read again, and whether they could be",
    ),
    counter("mergecast_mirror_fetches_total", &["result"], "fetches of mirrors, by `ok` or what went wrong"),
    long("mergecast_mirror_fetch_seconds", &[], "time of a fetch with the reading of what is new"),
    gauge("mergecast_mirrors", &["state"], "mirrors that are ready, loading for the first time, or failed last"),
    gauge("mergecast_mirrors_bytes", &[], "size of the mirrors on disk, as of each one's last fetch"),
    gauge("mergecast_outcomes", &["label"], "changes whose outcome is known (`failed`, `clean`), as of the last night"),
    gauge("mergecast_calibration_drift", &[], "1 if stated rates and outcomes have parted by more than chance, else 0"),
    gauge(
        "mergecast_calibration_z",
        &["of"],
        "standard deviations by which the latest rates are off: of their `level`, of their `spread`",
    ),
    gauge("mergecast_workers", &[], "changes that are assessed at the same time at most"),
    gauge("mergecast_build_info", &["version"], "1, with the version"),
    gauge("process_start_time_seconds", &[], "when the service began, in seconds since 1970"),
    gauge(
        "process_resident_memory_bytes",
        &[],
        "memory that the process holds; not a number where Linux does not tell",
    ),
    gauge("process_open_fds", &[], "open files and connections; not a number where Linux does not tell"),
];

const fn counter(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, about }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, about }
}

const fn short(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Short, labels, about }
}

const fn long(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Long, labels, about }
}
