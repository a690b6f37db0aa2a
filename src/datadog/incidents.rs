//! Incidents, by search: only there are the spans in which one was active.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    cache::{Age, Cached},
    client::{Call, Datadog},
    endpoint::Endpoint,
    error::Error,
    wire,
};

/// Incidents on a page, the most that Datadog gives.
const PAGE: usize = 100;
/// Pages that are read; 5,000 incidents.
const PAGES_MAX: usize = 50;

/// How far an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentState {
    /// It does damage.
    Active,
    /// It does none for now, and is not over.
    Stable,
    /// It is over.
    Resolved,
    /// It is over and worked up.
    Completed,
    /// Something that came later.
    Other,
}

/// How bad an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// `SEV-0` to `SEV-5`; the lower, the worse.
    Sev(u8),
    /// Nobody has said.
    Unknown,
}

impl Severity {
    fn of(word: &str) -> Self {
        let number = word.strip_prefix("SEV-").and_then(|number| number.parse().ok());
        number.map_or(Self::Unknown, Self::Sev)
    }
}

/// An incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Datadog's id.
    pub id: String,
    /// The number that people call it by, as in `IR-7`.
    pub number: Option<u64>,
    /// Title. Untrusted.
    pub title: String,
    /// How far it is.
    pub state: IncidentState,
    /// How bad it is.
    pub severity: Severity,
    /// When it was entered.
    pub created: Option<DateTime<Utc>>,
    /// When it was declared.
    pub declared: Option<DateTime<Utc>>,
    /// When it was noticed.
    pub detected: Option<DateTime<Utc>>,
    /// When it was over; not set for one that was entered when it was over already.
    pub resolved: Option<DateTime<Utc>>,
    /// When customers began to feel it.
    pub customer_impact_start: Option<DateTime<Utc>>,
    /// When customers no longer felt it.
    pub customer_impact_end: Option<DateTime<Utc>>,
    /// Spans in which it was active, oldest first, without those that occur twice; an open one has no end.
    pub active: Vec<(DateTime<Utc>, Option<DateTime<Utc>>)>,
    /// Services that it is on. Untrusted.
    pub services: Vec<String>,
    /// Teams that it is on. Untrusted.
    pub teams: Vec<String>,
    /// Fields of the organisation's own, by name, such as the environment. Untrusted.
    pub fields: Vec<(String, Vec<String>)>,
    /// It is an exercise.
    pub is_test: bool,
}

impl Incident {
    /// When it began, as far as is known by `now`: the earliest of what customers felt, was noticed and was declared,
    /// without what lies in the future; else when it was entered.
    pub fn began(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let past = |at: &DateTime<Utc>| *at <= now;
        let told = [self.customer_impact_start, self.detected, self.declared];
        told.into_iter().flatten().filter(past).min().or(self.created.filter(past))
    }

    /// It is not over.
    pub fn is_open(&self) -> bool {
        matches!(self.state, IncidentState::Active | IncidentState::Stable)
    }

    /// What a field of the organisation's own says, such as `env`. Untrusted.
    pub fn field(&self, name: &str) -> &[String] {
        self.fields.iter().find(|(known, _)| known == name).map_or(&[], |(_, values)| values)
    }
}

impl Datadog {
    /// Incidents that are not over, newest first, of all services: there are few, and one call serves every change.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn open_incidents(&self, age: Age) -> Result<Cached<Vec<Incident>>, Error> {
        let ask = |datadog: Self| async move { datadog.read_incidents("state:(active OR stable)", None).await };
        self.cached("incidents open".to_owned(), age, ask).await
    }

    /// Incidents that were entered at `since` or later, over or not, newest first.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn incidents_since(&self, since: DateTime<Utc>, age: Age) -> Result<Cached<Vec<Incident>>, Error> {
        let ask = move |datadog: Self| async move {
            datadog.read_incidents("state:(active OR stable OR resolved OR completed)", Some(since)).await
        };
        self.cached(format!("incidents since {}", since.timestamp()), age, ask).await
    }

    async fn read_incidents(&self, query: &str, since: Option<DateTime<Utc>>) -> Result<Vec<Incident>, Error> {
        let mut incidents: Vec<Incident> = Vec::new();
        let mut offset = 0;
        for _ in 0..PAGES_MAX {
            let call = Call::new(Endpoint::Incidents).query("query", query).query("sort", "-created");
            let answer: Answer = self.ask(&call.query("page[size]", PAGE).query("page[offset]", offset)).await?;
            let Results { total, incidents: page } = answer.data.attributes;
            let read = page.len();
            for Wrapped { data } in page.into_iter().flatten() {
                let incident = data.incident();
                if since.zip(incident.created).is_some_and(|(since, created)| created < since) {
                    return Ok(incidents);
                }
                // One that was entered meanwhile moves the pages.
                if !incidents.iter().any(|known| known.id == incident.id) {
                    incidents.push(incident);
                }
            }
            // A page may be short and not the last.
            offset += PAGE;
            if read == 0 || offset as u64 >= total {
                return Ok(incidents);
            }
        }
        Err(Error::contract("more pages of incidents than are read"))
    }
}

/// The incidents of an answer to a search.
///
/// # Errors
/// [`Error::Contract`] for what is no such answer.
pub fn parse_incidents(body: &[u8]) -> Result<Vec<Incident>, Error> {
    let answer: Answer = wire::json(body)?;
    Ok(answer.data.attributes.incidents.into_iter().flatten().map(|one| one.data.incident()).collect())
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    attributes: Results,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    total: u64,
    #[serde(default, deserialize_with = "wire::rows")]
    incidents: Vec<Option<Wrapped>>,
}

#[derive(Deserialize)]
struct Wrapped {
    data: Body,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    #[serde(deserialize_with = "wire::lenient")]
    public_id: Option<u64>,
    #[serde(deserialize_with = "wire::lenient")]
    title: Option<String>,
    #[serde(deserialize_with = "wire::lenient")]
    state: Option<String>,
    #[serde(deserialize_with = "wire::lenient")]
    severity: Option<String>,
    #[serde(deserialize_with = "wire::lenient")]
    created: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "wire::lenient")]
    declared: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "wire::lenient")]
    detected: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "wire::lenient")]
    resolved: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "wire::lenient")]
    customer_impact_start: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "wire::lenient")]
    customer_impact_end: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "wire::lenient")]
    field_analytics: Option<Analytics>,
    #[serde(deserialize_with = "wire::lenient")]
    fields: Option<Map<String, Value>>,
    #[serde(deserialize_with = "wire::lenient")]
    is_test: Option<bool>,
}

#[derive(Deserialize)]
struct Analytics {
    state: Option<States>,
}

#[derive(Deserialize)]
struct States {
    active: Option<Spans>,
}

#[derive(Deserialize)]
struct Spans {
    #[serde(default, deserialize_with = "wire::list")]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    start: i64,
    end: Option<i64>,
}

impl Body {
    fn incident(self) -> Incident {
        let Attributes { fields, field_analytics, state, severity, .. } = &self.attributes;
        let fields: Vec<(String, Vec<String>)> =
            fields.iter().flatten().map(|(name, field)| (name.clone(), values(field))).collect();
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, values)| values.clone());
        let first = |said: &Option<String>, name: &str| {
            said.clone().or_else(|| field(name)?.into_iter().next()).unwrap_or_default()
        };
        let (state, severity) = (first(state, "state"), first(severity, "severity"));
        let spans = field_analytics.as_ref().and_then(|analytics| analytics.state.as_ref()?.active.as_ref());
        let mut active: Vec<_> =
            spans.map(|active| active.spans.as_slice()).unwrap_or_default().iter().filter_map(span).collect();
        active.sort_unstable();
        active.dedup();
        let (services, teams) = (field("services").unwrap_or_default(), field("teams").unwrap_or_default());
        let attributes = self.attributes;
        Incident {
            id: self.id,
            number: attributes.public_id,
            title: attributes.title.unwrap_or_default(),
            state: match state.as_str() {
                "active" => IncidentState::Active,
                "stable" => IncidentState::Stable,
                "resolved" => IncidentState::Resolved,
                "completed" => IncidentState::Completed,
                _ => IncidentState::Other,
            },
            severity: Severity::of(&severity),
            created: attributes.created,
            declared: attributes.declared,
            detected: attributes.detected,
            resolved: attributes.resolved,
            customer_impact_start: attributes.customer_impact_start,
            customer_impact_end: attributes.customer_impact_end,
            active,
            services,
            teams,
            fields,
            is_test: attributes.is_test.unwrap_or_default(),
        }
    }
}

/// A field's values: it holds a text, several, or null.
fn values(field: &Value) -> Vec<String> {
    match field.get("value") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn span(span: &Span) -> Option<(DateTime<Utc>, Option<DateTime<Utc>>)> {
    let at = |seconds: i64| DateTime::from_timestamp(seconds, 0);
    Some((at(span.start)?, span.end.and_then(at)))
}
