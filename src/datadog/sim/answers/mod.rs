//! The way of a request to its answer: keys, permission, limit, route.

mod catalog;
mod deployments;
mod incidents;
mod slos;
mod test_runs;
mod writes;

use serde_json::{Value, json};

use super::{Asked, world::World};

/// What most of the older answers are called.
const JSON: &str = "application/json";
/// What many of the newer ones are called, though the document says otherwise.
const JSON_API: &str = "application/vnd.api+json";

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// What a handler gives: an answer, or one that refuses.
pub(super) type Outcome = Result<Answer, Answer>;

impl Answer {
    pub(super) fn new(body: Value) -> Self {
        Self { status: 200, body: Some(body), content_type: JSON, headers: Vec::new() }
    }

    pub(super) fn json_api(body: Value) -> Self {
        Self { content_type: JSON_API, ..Self::new(body) }
    }

    pub(super) fn empty() -> Self {
        Self { body: None, ..Self::new(Value::Null) }
    }

    /// A refusal in the older shape: a list of texts.
    pub(super) fn texts(status: u16, words: &str) -> Self {
        Self { status, ..Self::new(json!({"errors": [words]})) }
    }

    /// A refusal in the newer shape: a list of objects.
    pub(super) fn objects(status: u16, title: &str, detail: &str) -> Self {
        let error = json!({"status": status.to_string(), "title": title, "detail": detail});
        Self { status, ..Self::json_api(json!({"errors": [error]})) }
    }

    /// What keys get that are not good.
    fn bad_keys() -> Self {
        let body = json!({
            "status": "error", "code": 403, "errors": ["Forbidden"], "statuspage": "http://status.datadoghq.com",
            "twitter": "http://twitter.com/datadogops", "email": "support@datadoghq.com",
        });
        Self { status: 403, ..Self::new(body) }
    }
}

/// The answer of a healthy Datadog.
pub(super) fn answer(world: &mut World, asked: &Asked) -> Answer {
    if let Err(refusal) = admitted(world, asked) {
        return refusal;
    }
    let now = world.now();
    let told = world.limits.take(&asked.path, now);
    let (headers, spent) = told.map_or((Vec::new(), false), |told| (told.headers.into(), told.spent));
    let mut answer = match spent {
        true => Answer { status: 429, ..Answer::empty() },
        false => routed(world, asked).unwrap_or_else(|refusal| refusal),
    };
    answer.headers.extend(headers);
    answer
}

fn admitted(world: &World, asked: &Asked) -> Result<(), Answer> {
    if world.absent.iter().any(|path| asked.path.starts_with(path)) {
        return Err(Answer::texts(404, "Not found"));
    }
    let Some(api_key) = &asked.api_key else { return Err(Answer::texts(403, "API key required")) };
    let (api, app) = (*api_key == world.api_key, asked.app_key.as_ref() == Some(&world.app_key));
    match asked.path.as_str() {
        "/api/v2/validate_keys" if !(api && app) => Err(Answer::texts(401, "Unauthorized")),
        // The API key alone is looked at here.
        "/api/v1/validate" if api => Ok(()),
        _ if !(api && app) => Err(Answer::bad_keys()),
        path => match permission(&asked.method, path).filter(|permission| world.lacking.contains(*permission)) {
            Some(_) => Err(Answer::texts(403, "Forbidden")),
            None => Ok(()),
        },
    }
}

fn permission(method: &str, path: &str) -> Option<&'static str> {
    match (method, path) {
        ("POST" | "PATCH", path) if path.starts_with("/api/v2/incidents/") => return Some("incident_write"),
        // These two take the API key alone.
        (_, "/api/v2/dora/deployment" | "/api/v2/dora/failure") => return None,
        _ => {}
    }
    let permissions = [
        ("/api/v1/slo", "slos_read"),
        ("/api/v1/events", "events_read"),
        ("/api/v2/query", "timeseries_query"),
        ("/api/v2/incidents", "incident_read"),
        ("/api/v2/dora", "dora_metrics_read"),
        ("/api/v2/ci/tests", "test_optimization_read"),
        ("/api/v2/test", "test_optimization_read"),
        ("/api/v2/services", "apm_service_catalog_read"),
        ("/api/v2/catalog", "apm_service_catalog_read"),
        ("/api/v2/code-coverage", "code_coverage_read"),
    ];
    permissions.iter().find(|(begin, _)| path.starts_with(begin)).map(|(_, permission)| *permission)
}

fn routed(world: &mut World, asked: &Asked) -> Outcome {
    let segments: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    match (asked.method.as_str(), segments.as_slice()) {
        ("GET", ["api", "v2", "validate_keys"]) => Ok(Answer::new(json!({"status": "ok"}))),
        ("GET", ["api", "v1", "validate"]) => Ok(Answer::new(json!({"valid": true}))),
        ("GET", ["api", "v2", "current_user"]) => Ok(current_user()),
        ("GET", ["api", "v1", "slo"]) => slos::list(world, asked),
        ("GET", ["api", "v1", "slo", id, "history"]) => slos::history(world, id, asked),
        ("POST", ["api", "v2", "query", "timeseries"]) => slos::timeseries(world, asked),
        ("GET", ["api", "v2", "incidents", "search"]) => incidents::search(world, asked),
        ("GET", ["api", "v2", "incidents", id, "attachments"]) => writes::links(world, id, asked),
        ("PATCH", ["api", "v2", "incidents", id]) => writes::set_field(world, id, asked),
        ("POST", ["api", "v2", "incidents", id, "attachments"]) => writes::add_link(world, id, asked),
        ("PATCH", ["api", "v2", "incidents", id, "attachments", link]) => writes::change_link(world, id, link, asked),
        ("POST", ["api", "v2", "dora", "deployment"]) => writes::deployment(world, asked),
        ("POST", ["api", "v2", "dora", "failure"]) => writes::failure(world, asked),
        ("POST", ["api", "v2", "dora", "deployments"]) => deployments::list(world, asked),
        ("GET", ["api", "v1", "events"]) => deployments::events(world, asked),
        ("POST", ["api", "v2", "ci", "tests", "analytics", "aggregate"]) => test_runs::aggregate(world, asked),
        ("POST", ["api", "v2", "test", "flaky-test-management", "tests"]) => test_runs::flaky(world, asked),
        ("POST", ["api", "v2", "code-coverage", "pr", "summary"]) => test_runs::coverage(world, asked),
        ("GET", ["api", "v2", "services", "definitions"]) => catalog::definitions(world, asked),
        ("GET", ["api", "v2", "catalog", "entity"]) => catalog::entities(world, asked),
        _ => Err(Answer::texts(404, "Not found")),
    }
}

fn current_user() -> Answer {
    Answer::new(json!({"data": {
        "type": "users", "id": "00000000-0000-4000-8000-000000000001",
        "attributes": {"handle": "mergecast@example.com", "status": "Active", "disabled": false, "verified": true},
    }}))
}
