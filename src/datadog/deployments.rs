//! Deployments, as DORA Metrics knows them, and events, which tell of deployments where DORA Metrics is not used.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    cache::{Age, Cached},
    client::{Call, Datadog},
    endpoint::Endpoint,
    error::Error,
    wire,
};

/// Deployments and events in an answer, the most that Datadog gives.
const PAGE: usize = 1_000;
/// Answers that are read for one question.
const PAGES_MAX: usize = 20;

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Datadog's id.
    pub id: String,
    /// Service. Untrusted.
    pub service: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it had ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Environment. Untrusted.
    pub env: Option<String>,
    /// Version. Untrusted.
    pub version: Option<String>,
    /// Repository as `host/owner/name` or as an address. Untrusted.
    pub repository: Option<String>,
    /// Commit. Untrusted.
    pub commit_sha: Option<String>,
}

impl Deployment {
    /// When it took effect, as far as is known.
    pub fn at(&self) -> DateTime<Utc> {
        self.finished_at.unwrap_or(self.started_at)
    }
}

/// An event of the event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Datadog's id.
    pub id: String,
    /// Title. Untrusted.
    pub title: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Tags, such as `service:web`. Untrusted.
    pub tags: Vec<String>,
    /// What sent it, such as `My Apps`. Untrusted.
    pub source: String,
    /// Its page, from the root of Datadog's own pages. Untrusted.
    pub path: Option<String>,
}

impl Datadog {
    /// Deployments between two instants, oldest first; of one service, or of all.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn deployments(
        &self,
        service: Option<&str>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        age: Age,
    ) -> Result<Cached<Vec<Deployment>>, Error> {
        let query = service.map(|service| format!("service:{}", quoted(service)));
        let key = format!("deployments {}-{} {query:?}", from.timestamp(), to.timestamp());
        self.cached(key, age, move |datadog| async move { datadog.read_deployments(query.as_deref(), from, to).await })
            .await
    }

    /// Deployments that ended or began within the last while, oldest first, of all services: one question for every change.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn recent_deployments(
        &self,
        window: chrono::TimeDelta,
        age: Age,
    ) -> Result<Cached<Vec<Deployment>>, Error> {
        let key = format!("deployments {}", window.num_seconds());
        let ask = move |datadog: Self| async move {
            let to = datadog.clock().now();
            datadog.read_deployments(None, to - window, to).await
        };
        self.cached(key, age, ask).await
    }

    /// Deployments of one service that ended or began within the last while, oldest first.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn deployments_of(
        &self,
        service: &str,
        window: chrono::TimeDelta,
        age: Age,
    ) -> Result<Cached<Vec<Deployment>>, Error> {
        let query = format!("service:{}", quoted(service));
        let key = format!("deployments {} {query}", window.num_seconds());
        let ask = move |datadog: Self| async move {
            let to = datadog.clock().now();
            datadog.read_deployments(Some(&query), to - window, to).await
        };
        self.cached(key, age, ask).await
    }

    /// The newest thousand deployments of all services within the last while, newest first: one call, however many there are.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn newest_deployments(
        &self,
        window: chrono::TimeDelta,
        age: Age,
    ) -> Result<Cached<Vec<Deployment>>, Error> {
        let key = format!("newest deployments {}", window.num_seconds());
        let ask = move |datadog: Self| async move {
            let to = datadog.clock().now();
            let call = deployments_call(None, (to - window, to), PAGE, "-finished_at");
            let answer: Deployments = datadog.ask(&call).await?;
            Ok(answer.data.into_iter().flatten().filter_map(DeploymentData::deployment).collect())
        };
        self.cached(key, age, ask).await
    }

    /// Events between two instants that carry all of these tags, oldest first.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn events(
        &self,
        tags: &[String],
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        age: Age,
    ) -> Result<Cached<Vec<Event>>, Error> {
        let tags = tags.to_vec();
        let key = format!("events {}-{} {tags:?}", from.timestamp(), to.timestamp());
        self.cached(key, age, move |datadog| async move { datadog.read_events(&tags, from, to).await }).await
    }

    /// The list has no pages: where an answer is full, the rest is asked for from its end on.
    async fn read_deployments(
        &self,
        query: Option<&str>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Deployment>, Error> {
        let (mut deployments, mut known, mut from) = (Vec::new(), HashSet::new(), from);
        for _ in 0..PAGES_MAX {
            let answer: Deployments = self.ask(&deployments_call(query, (from, to), PAGE, "finished_at")).await?;
            let read = answer.data.len();
            let page: Vec<Deployment> =
                answer.data.into_iter().flatten().filter_map(DeploymentData::deployment).collect();
            let newest = page.iter().map(Deployment::at).max();
            let before = known.len();
            deployments.extend(page.into_iter().filter(|deployment| known.insert(deployment.id.clone())));
            if read < PAGE {
                deployments.sort_by_key(Deployment::at);
                return Ok(deployments);
            }
            match newest.filter(|newest| *newest >= from && known.len() > before) {
                Some(newest) => from = newest,
                None => return Err(Error::contract("a list of deployments that does not move on")),
            }
        }
        Err(Error::contract("more deployments than are read"))
    }

    async fn read_events(&self, tags: &[String], from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let mut events: Vec<Event> = Vec::new();
        for page in 0..PAGES_MAX {
            let call = Call::new(Endpoint::Events).query("start", from.timestamp()).query("end", to.timestamp());
            // Without this there are no pages.
            let call = call.query("unaggregated", true).query("page", page);
            let call = if tags.is_empty() { call } else { call.query("tags", tags.join(",")) };
            let answer: Events = self.ask(&call).await?;
            let read = answer.events.len();
            events.extend(answer.events.into_iter().filter_map(EventBody::event));
            if read < PAGE {
                events.sort_by_key(|event| event.at);
                return Ok(events);
            }
        }
        Err(Error::contract("more events than are read"))
    }
}

/// The deployments of an answer to the question for them.
///
/// # Errors
/// [`Error::Contract`] for what is no such answer.
pub fn parse_deployments(body: &[u8]) -> Result<Vec<Deployment>, Error> {
    let answer: Deployments = wire::json(body)?;
    Ok(answer.data.into_iter().flatten().filter_map(DeploymentData::deployment).collect())
}

/// The question for deployments. Its type is left out of what the document requires; without it Datadog refuses.
pub(super) fn deployments_call(
    query: Option<&str>,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    limit: usize,
    sort: &str,
) -> Call {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut attributes = json!({"from": time(from), "to": time(to), "limit": limit, "sort": sort});
    if let Some(query) = query {
        attributes["query"] = json!(query);
    }
    let body = json!({"data": {"type": "dora_deployments_list_request", "attributes": attributes}});
    Call::new(Endpoint::Deployments).body(body)
}

/// A value for Datadog's search syntax, in quotes, so that it stays one value.
pub(super) fn quoted(text: &str) -> String {
    let escaped = |c: char| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]);
    let inner: String = text.chars().filter(|c| !c.is_control()).flat_map(escaped).collect();
    format!("\"{inner}\"")
}

#[derive(Deserialize)]
struct Deployments {
    #[serde(default, deserialize_with = "wire::rows")]
    data: Vec<Option<DeploymentData>>,
}

#[derive(Deserialize)]
struct DeploymentData {
    id: String,
    attributes: Option<DeploymentBody>,
}

#[derive(Deserialize)]
struct DeploymentBody {
    #[serde(default, deserialize_with = "wire::lenient")]
    service: Option<String>,
    #[serde(default)]
    started_at: Value,
    #[serde(default)]
    finished_at: Value,
    #[serde(default, deserialize_with = "wire::lenient")]
    env: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    version: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    git: Option<GitBody>,
}

#[derive(Deserialize)]
struct GitBody {
    repository_id: Option<String>,
    repository_url: Option<String>,
    commit_sha: Option<String>,
}

impl DeploymentData {
    fn deployment(self) -> Option<Deployment> {
        let DeploymentBody { service, started_at, finished_at, env, version, git } = self.attributes?;
        let (finished_at, git) = (instant(&finished_at), git.as_ref());
        Some(Deployment {
            id: self.id,
            service: service?,
            started_at: instant(&started_at).or(finished_at)?,
            finished_at,
            env,
            version,
            repository: git.and_then(|git| git.repository_id.clone().or_else(|| git.repository_url.clone())),
            commit_sha: git.and_then(|git| git.commit_sha.clone()),
        })
    }
}

/// RFC 3339, or as it was until 2026: nanoseconds, which are past what a float holds.
fn instant(value: &Value) -> Option<DateTime<Utc>> {
    if let Some(nanoseconds) = value.as_i64() {
        return Some(DateTime::from_timestamp_nanos(nanoseconds));
    }
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|at| at.to_utc())
}

#[derive(Deserialize)]
struct Events {
    #[serde(default, deserialize_with = "wire::list")]
    events: Vec<EventBody>,
}

#[derive(Deserialize)]
struct EventBody {
    /// The number beside it has lost digits on the way before.
    id_str: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    title: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    date_happened: Option<i64>,
    #[serde(default, deserialize_with = "wire::list")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    source: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    url: Option<String>,
}

impl EventBody {
    fn event(self) -> Option<Event> {
        let Self { id_str, title, date_happened, tags, source, url } = self;
        let at = DateTime::from_timestamp(date_happened?, 0)?;
        Some(Event {
            id: id_str?,
            title: title.unwrap_or_default(),
            at,
            tags,
            source: source.unwrap_or_default(),
            path: url,
        })
    }
}
