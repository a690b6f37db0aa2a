//! Test runs, as CI Visibility knows them: how often runs of a repository's pipelines see a flaky test, and which suites
//! and tests that comes from.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    cache::{Age, Cached},
    client::{Call, Datadog},
    deployments::quoted,
    endpoint::Endpoint,
    error::Error,
    wire,
};

/// Pipelines of a repository that are told apart.
const PIPELINES_MAX: usize = 100;
/// Days that a rate is of.
const DAYS: u32 = 14;
/// What Datadog calls the sum over all values of a group.
const TOTAL: &str = "$facet_total";
const PIPELINE: &str = "@ci.pipeline.name";
const FLAKY: &str = "@test.is_flaky";

/// How often runs of one pipeline saw a flaky test, over 14 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakyRate {
    /// Name of the pipeline. Untrusted.
    pub pipeline: String,
    /// Runs in which tests ran.
    pub runs: u64,
    /// Those among them with at least one flaky test.
    pub flaky_runs: u64,
}

impl FlakyRate {
    /// Share of runs with a flaky test, 0-1; none without runs.
    pub fn share(&self) -> Option<f64> {
        (self.runs > 0).then(|| self.flaky_runs.min(self.runs) as f64 / self.runs as f64)
    }
}

/// A suite with flaky tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakySuite {
    /// Its name. Untrusted.
    pub suite: String,
    /// Flaky tests that ran in 14 days, each as often as it did.
    pub flakes: u64,
    /// Pipeline runs that saw one.
    pub runs: u64,
}

/// A flaky test.
#[derive(Clone, Debug, PartialEq)]
pub struct FlakyTest {
    /// Its name. Untrusted.
    pub name: String,
    /// Its suite. Untrusted.
    pub suite: String,
    /// `active`, `fixed`, `quarantined`, `disabled`, or what came later.
    pub state: String,
    /// Share of its runs that failed, over 7 days, percent.
    pub failure_rate: Option<f64>,
    /// When it last was flaky.
    pub last_flaked: Option<DateTime<Utc>>,
    /// Pipeline runs that failed over it in 7 days.
    pub failed_pipelines: Option<u64>,
}

impl Datadog {
    /// How often runs of each pipeline of a repository (`host/owner/name`) saw a flaky test. Empty without test runs.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn flaky_rates(&self, repository: &str, age: Age) -> Result<Cached<Vec<FlakyRate>>, Error> {
        let query = of_repository(repository);
        let key = format!("flaky rates {query}");
        self.cached(key, age, move |datadog| async move { datadog.read_flaky_rates(&query).await }).await
    }

    /// The suites of a repository whose tests are flaky most often, worst first, at most `most`.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn flakiest_suites(
        &self,
        repository: &str,
        most: usize,
        age: Age,
    ) -> Result<Cached<Vec<FlakySuite>>, Error> {
        let query = format!("{} {FLAKY}:true", of_repository(repository));
        let key = format!("flakiest suites {most} {query}");
        let ask = move |datadog: Self| async move {
            let sort = json!({"type": "measure", "aggregation": "count", "order": "desc"});
            let group = json!({"facet": "@test.suite", "limit": most, "sort": sort});
            let buckets = datadog.aggregate(&query, &[group]).await?;
            let suite = |bucket: Bucket| {
                Some(FlakySuite { suite: bucket.by("@test.suite")?, flakes: bucket.tests(), runs: bucket.runs() })
            };
            Ok(buckets.into_iter().filter_map(suite).collect())
        };
        self.cached(key, age, ask).await
    }

    /// Tests of a repository that are flaky now, those that fail most often first, at most `most` (1,000).
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn flaky_tests(&self, repository: &str, most: usize, age: Age) -> Result<Cached<Vec<FlakyTest>>, Error> {
        let query = format!("flaky_test_state:active @git.repository.id_v2:{}", quoted(repository));
        let key = format!("flaky tests {most} {query}");
        self.cached(key, age, move |datadog| async move { datadog.read_flaky_tests(&query, most.min(1_000)).await })
            .await
    }

    /// In one question, grouped by whether a test was flaky. Whether every site takes a group of that kind is nowhere
    /// said: where it is refused, two questions say the same.
    async fn read_flaky_rates(&self, query: &str) -> Result<Vec<FlakyRate>, Error> {
        let pipelines = json!({"facet": PIPELINE, "limit": PIPELINES_MAX, "missing": ""});
        let flaky = json!({"facet": FLAKY, "limit": 3, "missing": "false", "total": true});
        let mut rates: BTreeMap<String, FlakyRate> = BTreeMap::new();
        let mut add = |bucket: &Bucket, runs: u64, flaky_runs: u64| {
            let pipeline = bucket.by(PIPELINE).unwrap_or_default();
            let rate = rates.entry(pipeline.clone()).or_insert(FlakyRate { pipeline, runs: 0, flaky_runs: 0 });
            (rate.runs, rate.flaky_runs) = (rate.runs + runs, rate.flaky_runs + flaky_runs);
        };
        match self.aggregate(query, &[pipelines.clone(), flaky]).await {
            Ok(buckets) => {
                for bucket in &buckets {
                    match bucket.by(FLAKY).as_deref() {
                        Some(TOTAL) => add(bucket, bucket.runs(), 0),
                        Some("true") => add(bucket, 0, bucket.runs()),
                        _ => {}
                    }
                }
            }
            Err(Error::Invalid { .. }) => {
                let narrowed = format!("{query} {FLAKY}:true");
                let (all, flaky) = tokio::try_join!(
                    self.aggregate(query, std::slice::from_ref(&pipelines)),
                    self.aggregate(&narrowed, std::slice::from_ref(&pipelines)),
                )?;
                all.iter().for_each(|bucket| add(bucket, bucket.runs(), 0));
                flaky.iter().for_each(|bucket| add(bucket, 0, bucket.runs()));
            }
            Err(error) => return Err(error),
        }
        // A pipeline that is only in one of the answers fell off the other's end.
        Ok(rates.into_values().filter(|rate| rate.runs > 0).collect())
    }

    async fn aggregate(&self, query: &str, groups: &[Value]) -> Result<Vec<Bucket>, Error> {
        let answer: Aggregate = self.ask(&aggregate_call(query, &format!("now-{DAYS}d"), groups)).await?;
        match answer.meta.and_then(|meta| meta.status).as_deref() {
            None | Some("done") => Ok(answer.data.map(|data| data.buckets).unwrap_or_default()),
            // What is there is a part of what there is.
            Some(_) => Err(Error::unavailable("it did not count all test runs in time")),
        }
    }

    async fn read_flaky_tests(&self, query: &str, most: usize) -> Result<Vec<FlakyTest>, Error> {
        let (mut tests, mut cursor) = (Vec::new(), None);
        while tests.len() < most {
            let mut page = json!({"limit": most - tests.len()});
            if let Some(cursor) = &cursor {
                page["cursor"] = json!(cursor);
            }
            let attributes = json!({"filter": {"query": query}, "sort": "-failure_rate", "page": page});
            let body = json!({"data": {"type": "search_flaky_tests_request", "attributes": attributes}});
            let answer: FlakyTests = self.ask(&Call::new(Endpoint::FlakyTests).body(body)).await?;
            let read = answer.data.len();
            tests.extend(answer.data.into_iter().filter_map(|test| test.attributes).map(FlakyTestBody::test));
            let next = answer.meta.and_then(|meta| meta.pagination?.next_page).filter(|next| !next.is_empty());
            if read == 0 || next.is_none() || next == cursor {
                break;
            }
            cursor = next;
        }
        tests.truncate(most);
        Ok(tests)
    }
}

/// The question how many tests ran, and in how many runs of pipelines.
pub(super) fn aggregate_call(query: &str, from: &str, groups: &[Value]) -> Call {
    Call::new(Endpoint::TestRuns).body(json!({
        "filter": {"from": from, "to": "now", "query": query},
        "compute": [{"aggregation": "count"}, {"aggregation": "cardinality", "metric": "@ci.pipeline.id"}],
        "group_by": groups,
    }))
}

fn of_repository(repository: &str) -> String {
    format!("@git.repository.id_v2:{} test_level:test", quoted(repository))
}

#[derive(Deserialize)]
struct Aggregate {
    data: Option<Buckets>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    status: Option<String>,
}

#[derive(Deserialize)]
struct Buckets {
    #[serde(default, deserialize_with = "wire::list")]
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    #[serde(default)]
    by: BTreeMap<String, Value>,
    #[serde(default)]
    computes: BTreeMap<String, Value>,
}

impl Bucket {
    /// The value of a group; a truth value may come as one or as text.
    fn by(&self, facet: &str) -> Option<String> {
        match self.by.get(facet)? {
            Value::String(text) => Some(text.clone()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    fn tests(&self) -> u64 {
        self.count("c0")
    }

    fn runs(&self) -> u64 {
        self.count("c1")
    }

    fn count(&self, name: &str) -> u64 {
        let number = self.computes.get(name);
        number.and_then(|value| value.as_u64().or_else(|| value.as_f64().map(|float| float as u64))).unwrap_or(0)
    }
}

#[derive(Deserialize)]
struct FlakyTests {
    #[serde(default, deserialize_with = "wire::list")]
    data: Vec<FlakyTestData>,
    meta: Option<FlakyMeta>,
}

#[derive(Deserialize)]
struct FlakyMeta {
    pagination: Option<FlakyPagination>,
}

#[derive(Deserialize)]
struct FlakyPagination {
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct FlakyTestData {
    attributes: Option<FlakyTestBody>,
}

#[derive(Deserialize)]
struct FlakyTestBody {
    #[serde(default)]
    name: String,
    #[serde(default)]
    suite: String,
    #[serde(default)]
    flaky_state: String,
    #[serde(default, deserialize_with = "wire::lenient")]
    last_flaked_ts: Option<i64>,
    test_stats: Option<TestStats>,
    pipeline_stats: Option<PipelineStats>,
}

#[derive(Deserialize)]
struct TestStats {
    failure_rate_pct: Option<f64>,
}

#[derive(Deserialize)]
struct PipelineStats {
    failed_pipelines: Option<u64>,
}

impl FlakyTestBody {
    fn test(self) -> FlakyTest {
        FlakyTest {
            name: self.name,
            suite: self.suite,
            state: self.flaky_state,
            failure_rate: self.test_stats.and_then(|stats| stats.failure_rate_pct),
            last_flaked: self.last_flaked_ts.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            failed_pipelines: self.pipeline_stats.and_then(|stats| stats.failed_pipelines),
        }
    }
}
