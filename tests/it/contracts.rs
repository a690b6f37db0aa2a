//! What GitHub and Datadog publish as judges: requests and answers, webhooks and GraphQL queries are held to it.
//!
//! `make contracts` brings the documents. Without them `Contracts::load` says once what is left out; with
//! `MERGECAST_CONTRACTS=required`, as `make test` sets it, their absence is a failure. Nothing here uses the network.

pub(crate) mod datadog;
mod graphql;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How many lines of violations one check reports at most: a wrong `oneOf` can yield hundreds.
const VIOLATIONS_MAX: usize = 20;

/// A longer message quotes a whole payload; it is given without the value then.
const LINE_MAX: usize = 200;

/// The statuses that GitHub gives on any operation, documented there or not. Their bodies are its usual error object.
const GENERAL_ERRORS: [u16; 4] = [401, 403, 404, 429];

/// Documents of one publisher, read and compiled piece by piece as they are needed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contracts(Arc<Documents>);

struct Documents {
    publisher: Publisher,
    folder: PathBuf,
    index: Index,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
    operations: Mutex<HashMap<String, Arc<Operation>>>,
    graphql: OnceLock<graphql::Graphql>,
}

/// Whose documents they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Publisher {
    GitHub,
    Datadog,
}

#[derive(Deserialize)]
struct Index {
    rest: Vec<Route>,
    webhooks: Vec<Webhook>,
}

#[derive(Deserialize)]
struct Route {
    method: String,
    template: String,
    file: String,
}

#[derive(Deserialize)]
struct Webhook {
    event: String,
    action: Option<String>,
    file: String,
}

/// One REST operation. A null schema means that there is no JSON body.
#[derive(Deserialize)]
struct Operation {
    query: Map<String, Value>,
    query_required: Vec<String>,
    request_required: bool,
    request: Value,
    responses: Map<String, Value>,
    /// What the JSON of each status is called.
    #[serde(default)]
    types: Map<String, Value>,
    #[serde(rename = "$defs")]
    defs: Value,
}

impl Contracts {
    /// GitHub's documents, or `None` when they are absent and not insisted upon.
    pub(crate) fn load() -> Option<Contracts> {
        static LOADED: OnceLock<Option<Contracts>> = OnceLock::new();
        LOADED.get_or_init(|| Contracts::open(Publisher::GitHub, "")).clone()
    }

    fn open(publisher: Publisher, below: &str) -> Option<Contracts> {
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts/out");
        let folder = out.join(below);
        let required = std::env::var("MERGECAST_CONTRACTS").is_ok_and(|value| value == "required");
        if !(out.join("stamp").is_file() && folder.join("index.json").is_file()) {
            assert!(!required, "the published documents are not in tests/contracts/out\nhint: run make contracts");
            // Straight to stderr: the test harness would keep what eprintln says to itself.
            let left_out = "left out: checks against published documents\nhint: run make contracts";
            writeln!(std::io::stderr(), "{left_out}").expect("stderr takes a line");
            return None;
        }
        let index =
            serde_json::from_value(read(&folder.join("index.json"))).expect("trim-github.mjs writes this shape");
        Some(Contracts(Arc::new(Documents {
            publisher,
            folder,
            index,
            validators: Mutex::default(),
            operations: Mutex::default(),
            graphql: OnceLock::new(),
        })))
    }

    /// Holds one exchange to GitHub's REST document: path, query, request body, status and response body.
    ///
    /// `path` may carry an Enterprise Server prefix; `query` is the raw query string, empty if there is none.
    pub(crate) fn check_exchange(
        &self,
        method: &str,
        path: &str,
        query: &str,
        request: Option<&Value>,
        status: u16,
        response: Option<&Value>,
    ) -> Result<(), Vec<String>> {
        if method == "POST" && matches!(path, "/graphql" | "/api/graphql") {
            return self.check_graphql_exchange(request, status, response);
        }
        let path = path.strip_prefix("/api/v3").unwrap_or(path);
        let moved = moved(path);
        let path = moved.as_deref().unwrap_or(path);
        let Some(route) = self.route(method, path) else {
            return Err(vec![format!("{method} {path} is not an operation that tests/contracts/wanted.json lists")]);
        };
        let operation = self.operation(route);
        let mut wrong = self.query_violations(route, &operation, query);
        wrong.extend(self.request_violations(route, &operation, request));
        wrong.extend(self.response_violations(route, &operation, status, response));
        verdict(wrong, &format!("{method} {path}"))
    }

    /// Holds a webhook's payload to the schema of its event and action.
    pub(crate) fn check_webhook(&self, event: &str, payload: &Value) -> Result<(), Vec<String>> {
        let action = payload["action"].as_str();
        let known = |hook: &&Webhook| hook.event == event && hook.action.as_deref().is_none_or(|a| Some(a) == action);
        let Some(hook) = self.0.index.webhooks.iter().find(known) else {
            return Err(vec![format!("GitHub sends no webhook {event} with action {action:?}")]);
        };
        let validator = self.validator(&hook.file, || read(&self.0.folder.join(&hook.file)));
        verdict(violations(&validator, payload), &format!("webhook {event} {}", action.unwrap_or("")))
    }

    /// Holds a GraphQL document to the schema and to the limits on its cost; gives what it costs at most.
    pub(crate) fn check_query(&self, text: &str) -> Result<graphql::Cost, Vec<String>> {
        self.graphql().check_query(text, &Value::Null)
    }

    /// GitHub's own example payloads of the events in `wanted.json`. Some are older than today's schemas.
    pub(crate) fn examples(&self) -> Vec<(String, Value)> {
        #[derive(Deserialize)]
        struct Examples {
            event: String,
            examples: Vec<Value>,
        }
        let all: Vec<Examples> = serde_json::from_value(read(&self.0.folder.join("examples.json")))
            .expect("trim-github.mjs writes this shape");
        all.into_iter().flat_map(|group| group.examples.into_iter().map(move |e| (group.event.clone(), e))).collect()
    }

    fn check_graphql_exchange(
        &self,
        request: Option<&Value>,
        status: u16,
        response: Option<&Value>,
    ) -> Result<(), Vec<String>> {
        let Some(text) = request.and_then(|body| body["query"].as_str()) else {
            return Err(vec!["POST /graphql: the request has no query".to_owned()]);
        };
        let variables = request.map_or(&Value::Null, |body| &body["variables"]);
        self.graphql().check_query(text, variables)?;
        match (status, response) {
            (200, Some(answer)) => self.graphql().check_answer(text, answer),
            (200, None) => Err(vec!["POST /graphql: 200 without a JSON body".to_owned()]),
            (status, response) => verdict(general_violations(status, response), "POST /graphql"),
        }
    }

    fn graphql(&self) -> &graphql::Graphql {
        self.0.graphql.get_or_init(|| {
            let path = self.0.folder.join("schema.graphql");
            graphql::Graphql::new(&std::fs::read_to_string(&path).expect("trim-github.mjs writes the schema"))
        })
    }

    /// The operation with the most literal segments among those whose template fits.
    fn route(&self, method: &str, path: &str) -> Option<&Route> {
        let fitting = self.0.index.rest.iter().filter(|r| r.method == method && fits(&r.template, path));
        fitting.max_by_key(|r| r.template.split('/').filter(|segment| !segment.starts_with('{')).count())
    }

    fn operation(&self, route: &Route) -> Arc<Operation> {
        let mut operations = self.0.operations.lock().expect("no check panics while it holds this lock");
        let read = || {
            let value = read(&self.0.folder.join(&route.file));
            Arc::new(serde_json::from_value(value).expect("trim-github.mjs writes this shape"))
        };
        Arc::clone(operations.entry(route.file.clone()).or_insert_with(read))
    }

    fn query_violations(&self, route: &Route, operation: &Operation, query: &str) -> Vec<String> {
        let given: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let missing = operation.query_required.iter().filter(|name| !given.iter().any(|(given, _)| given == *name));
        let mut wrong: Vec<String> = missing.map(|name| format!("query: {name} is required")).collect();
        for (name, text) in &given {
            let Some(schema) = operation.query.get(name) else {
                wrong.push(format!("query: the document knows no parameter {name} here"));
                continue;
            };
            let value = query_value(schema, text);
            let validator = self.validator(&format!("{} ?{name}", route.file), || with_defs(schema, operation));
            wrong.extend(violations(&validator, &value).into_iter().map(|v| format!("query {name}: {v}")));
            // Only prose says this; GitHub takes a larger number in silence and gives 100.
            if name == "per_page" && !value.as_i64().is_some_and(|n| (1..=100).contains(&n)) {
                wrong.push(format!("query per_page: {text} is not within 1..=100"));
            }
        }
        wrong
    }

    fn request_violations(&self, route: &Route, operation: &Operation, request: Option<&Value>) -> Vec<String> {
        match request {
            None if operation.request_required => vec!["request: a JSON body is required".to_owned()],
            None => Vec::new(),
            Some(_) if operation.request.is_null() => vec!["request: this operation takes no body".to_owned()],
            Some(body) => {
                let schema = || with_defs(&operation.request, operation);
                let validator = self.validator(&format!("{} request", route.file), schema);
                violations(&validator, body).into_iter().map(|v| format!("request: {v}")).collect()
            }
        }
    }

    fn response_violations(
        &self,
        route: &Route,
        operation: &Operation,
        status: u16,
        response: Option<&Value>,
    ) -> Vec<String> {
        let Some(schema) = operation.responses.get(&status.to_string()) else {
            return match status {
                _ if self.0.publisher == Publisher::Datadog => {
                    vec![format!("response: Datadog documents no status {status} here")]
                }
                304 if route.method == "GET" && response.is_none() => Vec::new(),
                301 | 307 if route.template.starts_with("/repos/") => general_violations(404, response),
                _ => general_violations(status, response),
            };
        };
        match response {
            Some(_) if matches!(status, 204 | 304) => vec![format!("response {status}: has a body")],
            Some(body) if !schema.is_null() => {
                let validator = self.validator(&format!("{} {status}", route.file), || with_defs(schema, operation));
                violations(&validator, body).into_iter().map(|v| format!("response {status}: {v}")).collect()
            }
            None if !schema.is_null() && status < 300 => vec![format!("response {status}: a JSON body is missing")],
            _ => Vec::new(),
        }
    }

    /// The compiled schema of this name. Compiled at most once in a process, outside the lock: it takes milliseconds.
    fn validator(&self, name: &str, schema: impl FnOnce() -> Value) -> Arc<Validator> {
        let cache = || self.0.validators.lock().expect("no check panics while it holds this lock");
        if let Some(found) = cache().get(name) {
            return Arc::clone(found);
        }
        let compiled = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            // GitHub's own payloads break these two: bots' addresses hold brackets, and an unset address is empty text.
            .with_format("email", |text: &str| text.contains('@'))
            .with_format("uri", |text: &str| text.is_empty() || url::Url::parse(text).is_ok())
            .offline()
            .build(&schema())
            .unwrap_or_else(|error| panic!("{name} does not compile: {error}"));
        Arc::clone(cache().entry(name.to_owned()).or_insert(Arc::new(compiled)))
    }
}

fn read(path: &Path) -> Value {
    let text =
        std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}\nhint: run make contracts", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where a moved repository's old addresses lead: `/repositories/{id}` stands for `/repos/{owner}/{repo}`.
fn moved(path: &str) -> Option<String> {
    let (id, rest) = path.strip_prefix("/repositories/")?.split_once('/')?;
    id.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("/repos/moved/{id}/{rest}"))
}

/// `{name}` takes one segment, a last `{name+}` takes all that is left.
fn fits(template: &str, path: &str) -> bool {
    let mut given = path.split('/');
    for segment in template.split('/') {
        match given.next() {
            Some(rest) if segment.ends_with("+}") => return !rest.is_empty(),
            Some(text) if segment.starts_with('{') && !text.is_empty() => {}
            Some(text) if text == segment => {}
            _ => return false,
        }
    }
    given.next().is_none()
}

fn with_defs(schema: &Value, operation: &Operation) -> Value {
    json!({ "allOf": [schema], "$defs": operation.defs })
}

/// A query parameter as the JSON value its schema asks for; text that does not fit stays text and so fails the check.
fn query_value(schema: &Value, text: &str) -> Value {
    let parsed = match schema["type"].as_str() {
        Some("integer" | "number") if !text.contains('.') => text.parse::<i64>().ok().map(Value::from),
        Some("number") => text.parse::<f64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}

fn general_violations(status: u16, response: Option<&Value>) -> Vec<String> {
    if !GENERAL_ERRORS.contains(&status) && status < 500 {
        return vec![format!("response: GitHub documents no status {status} here")];
    }
    match response {
        Some(body) if !body["message"].is_string() => vec![format!("response {status}: an error without a message")],
        _ => Vec::new(),
    }
}

fn violations(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).flat_map(|error| lines(&error)).take(VIOLATIONS_MAX).collect()
}

/// Of several shapes that do not fit, the nearest speaks: the one with the fewest complaints.
fn lines(error: &ValidationError<'_>) -> Vec<String> {
    if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } = error.kind()
        && let Some(nearest) = context.iter().filter(|shape| !shape.is_empty()).min_by_key(|shape| shape.len())
    {
        return nearest.iter().flat_map(lines).collect();
    }
    let what = match error.to_string() {
        text if text.len() <= LINE_MAX => text,
        _ => error.masked().to_string(),
    };
    let at = error.instance_path().to_string();
    vec![if at.is_empty() { what } else { format!("{at}: {what}") }]
}

fn verdict(violations: Vec<String>, what: &str) -> Result<(), Vec<String>> {
    if violations.is_empty() { Ok(()) } else { Err(violations.into_iter().map(|v| format!("{what}: {v}")).collect()) }
}
