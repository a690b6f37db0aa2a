//! Datadog's documents, and where its own recordings differ from them: exactly there an exchange may too.

use std::sync::OnceLock;

use mergecast::{datadog::sim::SimDatadog, remote::sim::Exchange};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Contracts, Publisher, read};

/// A difference between what Datadog documents and what it was recorded to say.
struct Deviation {
    /// Method and path of the operation, as the document has them.
    operation: &'static str,
    /// What the check complains of then, as a regular expression.
    complaint: &'static str,
}

const fn deviation(operation: &'static str, complaint: &'static str) -> Deviation {
    Deviation { operation, complaint }
}

/// One by one.
const DEVIATIONS: &[Deviation] = &[
    // Much of version 2 is called JSON:API, also its refusals, where the document says plain JSON.
    deviation("POST /api/v2/dora/deployments", r"^response \d+: is called application/vnd\.api\+json$"),
    deviation("POST /api/v2/query/timeseries", r"^response 200: is called application/vnd\.api\+json$"),
    deviation("GET /api/v2/catalog/entity", r"^response 200: is called application/vnd\.api\+json$"),
    // Null where the document has a text, a number or a list.
    deviation(
        "GET /api/v1/events",
        r"^response 200: /events/\d+/(device_name|host|priority|tags): null is not of type",
    ),
    deviation("GET /api/v1/slo/{slo_id}/history", r"^response 200: /(data/overall/)?errors: null is not of type"),
    // Reported of SLOs that count slices of time: a word in place of the number of a state.
    deviation(
        "GET /api/v1/slo/{slo_id}/history",
        r#"^response 200: /data/overall/history/\d+/1: "NO_DATA" is not of type"#,
    ),
    // A site that does not have the call yet.
    deviation("GET /api/v2/validate_keys", r"^response: Datadog documents no status 404 here$"),
    // Incidents again where the document has users.
    deviation("GET /api/v2/incidents/search", r"^response 200: /included/\d+"),
];

/// One exchange with Datadog as its client's authors recorded it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Recorded {
    /// What was asked.
    pub(crate) request: RecordedRequest,
    /// What came back.
    pub(crate) response: RecordedResponse,
}

/// The asking half.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecordedRequest {
    method: String,
    pub(crate) path: String,
    query: String,
    body: Option<String>,
}

/// The answering half.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecordedResponse {
    pub(crate) status: u16,
    pub(crate) headers: Map<String, Value>,
    #[serde(default)]
    pub(crate) body: String,
}

impl Contracts {
    /// Datadog's documents, or `None` when they are absent and not insisted upon.
    pub(crate) fn datadog() -> Option<Contracts> {
        static LOADED: OnceLock<Option<Contracts>> = OnceLock::new();
        LOADED.get_or_init(|| Contracts::open(Publisher::Datadog, "datadog")).clone()
    }

    /// The exchanges of one recording.
    pub(crate) fn recording(&self, name: &str) -> Vec<Recorded> {
        let all = read(&self.0.folder.join("recordings.json"));
        let recorded = all.get(name).unwrap_or_else(|| panic!("there is no recording {name}")).clone();
        serde_json::from_value(recorded).expect("trim-datadog.mjs writes this shape")
    }

    /// All recordings by name.
    pub(crate) fn recordings(&self) -> Vec<(String, Vec<Recorded>)> {
        let all = read(&self.0.folder.join("recordings.json"));
        serde_json::from_value::<std::collections::BTreeMap<_, _>>(all)
            .expect("trim-datadog.mjs writes this shape")
            .into_iter()
            .collect()
    }

    /// How an exchange differs from the documents, but for what recordings differ in as well.
    fn differences(&self, exchange: &Exchange) -> Vec<String> {
        let body = |value: &Value| if value.is_null() { None } else { Some(value.clone()) };
        let (request, response) = (body(&exchange.request), body(&exchange.response));
        let Exchange { method, path, query, status, .. } = exchange;
        let Some(route) = self.route(method, path) else {
            return vec![format!("{method} {path} is not an operation that tests/contracts/wanted.json lists")];
        };
        let operation = self.operation(route);
        let mut wrong = self.query_violations(route, &operation, query);
        wrong.extend(self.request_violations(route, &operation, request.as_ref()));
        // 429 comes without a body.
        if *status != 429 {
            wrong.extend(self.response_violations(route, &operation, *status, response.as_ref()));
        }
        let called = exchange.content_type.split(';').next().unwrap_or_default();
        let documented = operation.types.get(&status.to_string()).and_then(Value::as_str);
        if response.is_some() && documented.is_some_and(|documented| documented != called) {
            wrong.push(format!("response {status}: is called {called}"));
        }
        let name = format!("{} {}", route.method, route.template);
        wrong.retain(|complaint| !known(&name, complaint));
        wrong.into_iter().map(|complaint| format!("{name}: {complaint}")).collect()
    }
}

fn known(operation: &str, complaint: &str) -> bool {
    DEVIATIONS.iter().any(|one| {
        let pattern = || Regex::new(one.complaint).expect("a constant");
        one.operation == operation && pattern().is_match(complaint)
    })
}

/// Holds all that was said to the simulated Datadog to what Datadog documents. Faults that were ordered are none of its
/// exchanges.
#[track_caller]
pub(crate) fn check(sim: &SimDatadog) {
    let Some(contracts) = Contracts::datadog() else { return };
    let exchanges = sim.exchanges();
    let right = exchanges.iter().filter(|exchange| !exchange.ordered);
    let wrong: Vec<String> = right.flat_map(|exchange| contracts.differences(exchange)).collect();
    assert!(wrong.is_empty(), "not as Datadog documents it:\n{}", wrong.join("\n"));
}

fn exchange(recorded: &Recorded) -> Exchange {
    let Recorded { request, response } = recorded;
    let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
    let called = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    Exchange {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        request: request.body.as_deref().map(json).unwrap_or_default(),
        status: response.status,
        content_type: called.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned(),
        response: json(&response.body),
        ordered: false,
    }
}

/// The judge judged by the recordings: all of them pass, but for requests that were wrong on purpose.
#[test]
fn recordings_fit_the_documents_but_for_known_deviations() {
    let Some(contracts) = Contracts::datadog() else { return };
    let mut wrong = Vec::new();
    for (name, exchanges) in contracts.recordings() {
        let judged = exchanges.iter().filter(|one| contracts.route(&one.request.method, &one.request.path).is_some());
        let differences = judged.flat_map(|one| {
            let refused = one.response.status == 400;
            let ours = move |line: &String| !(refused && line.contains(": request: "));
            contracts.differences(&exchange(one)).into_iter().filter(ours)
        });
        wrong.extend(differences.map(|line| format!("{name}: {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
