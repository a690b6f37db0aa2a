//! SonarQube in memory, served over HTTP: analyses of pull requests, in the shapes of its web API.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

/// The token that it takes.
pub const TOKEN: &str = "sonar-sim-token";

/// SonarQube in memory, until it is dropped.
pub struct SimSonar {
    url: Url,
    state: Arc<Mutex<Served>>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Served {
    /// By project and pull request.
    analyses: BTreeMap<(String, u64), SimAnalysis>,
    status: Option<u16>,
    older: bool,
}

/// An analysis of a pull request.
#[derive(Clone, Debug)]
pub struct SimAnalysis {
    /// Commit that it is of; older servers do not say.
    pub commit: Option<String>,
    /// New lines to cover, and those that did not run; `None` for an analysis without coverage.
    pub new: Option<(u64, u64)>,
    /// The same for the whole project.
    pub all: (u64, u64),
    /// The quality gate: `OK` or `ERROR`.
    pub gate: &'static str,
}

type Shared = State<Arc<Mutex<Served>>>;
type Asked = Query<BTreeMap<String, String>>;

impl SimSonar {
    /// Starts to serve on a free port of this machine.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let state = Arc::new(Mutex::new(Served::default()));
        let router = Router::new()
            .route("/api/project_pull_requests/list", get(list))
            .route("/api/measures/component", get(measures))
            .route("/api/qualitygates/project_status", get(gate))
            .route("/api/authentication/validate", get(validate))
            .with_state(state.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(std::io::Error::other)?;
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, state, server })
    }

    /// Its address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Puts an analysis in place of the one before.
    pub fn analysis(&self, project: &str, pull_request: u64, analysis: SimAnalysis) {
        lock(&self.state).analyses.insert((project.to_owned(), pull_request), analysis);
    }

    /// Whether measures of new code stand where older servers have them.
    pub fn older(&self, older: bool) {
        lock(&self.state).older = older;
    }

    /// Answers every request with this status from now on; `None` answers it.
    pub fn fail(&self, status: Option<u16>) {
        lock(&self.state).status = status;
    }
}

impl Drop for SimSonar {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(state: &Mutex<Served>) -> MutexGuard<'_, Served> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_known(headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer == Some(&format!("Bearer {TOKEN}"))
}

/// The state, unless the request is refused.
fn admitted<'a>(state: &'a Mutex<Served>, headers: &HeaderMap) -> Result<MutexGuard<'a, Served>, Box<Response>> {
    let served = lock(state);
    if let Some(status) = served.status.and_then(|status| StatusCode::from_u16(status).ok()) {
        return Err(Box::new((status, Json(json!({"errors": [{"msg": "as ordered"}]}))).into_response()));
    }
    if !is_known(headers) {
        return Err(Box::new(StatusCode::UNAUTHORIZED.into_response()));
    }
    Ok(served)
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"errors": [{"msg": "Component not found"}]}))).into_response()
}

/// The analysis that the query is about.
fn wanted<'a>(served: &'a Served, query: &BTreeMap<String, String>, project: &str) -> Option<&'a SimAnalysis> {
    let project = query.get(project)?.clone();
    let number = query.get("pullRequest")?.parse().ok()?;
    served.analyses.get(&(project, number))
}

async fn validate(headers: HeaderMap) -> Response {
    Json(json!({ "valid": is_known(&headers) })).into_response()
}

async fn list(State(state): Shared, Query(query): Asked, headers: HeaderMap) -> Response {
    let served = match admitted(&state, &headers) {
        Ok(served) => served,
        Err(refusal) => return *refusal,
    };
    let project = query.get("project").cloned().unwrap_or_default();
    let of_project = served.analyses.iter().filter(|((of, _), _)| *of == project);
    let pulls: Vec<Value> = of_project
        .map(|((_, number), analysis)| {
            let mut pull = json!({
                "key": number.to_string(), "title": "", "branch": "topic", "base": "main", "target": "main",
                "status": {"qualityGateStatus": analysis.gate}, "analysisDate": "2026-03-03T10:00:00+0000",
            });
            if let Some(sha) = &analysis.commit {
                pull["commit"] = json!({ "sha": sha });
            }
            pull
        })
        .collect();
    Json(json!({ "pullRequests": pulls })).into_response()
}

async fn measures(State(state): Shared, Query(query): Asked, headers: HeaderMap) -> Response {
    let served = match admitted(&state, &headers) {
        Ok(served) => served,
        Err(refusal) => return *refusal,
    };
    let Some(analysis) = wanted(&served, &query, "component") else { return missing() };
    let value = |name: &str| match (name, analysis.new) {
        ("new_lines_to_cover", new) => new.map(|(lines, _)| lines),
        ("new_uncovered_lines", new) => new.map(|(_, uncovered)| uncovered),
        ("lines_to_cover", _) => Some(analysis.all.0),
        ("uncovered_lines", _) => Some(analysis.all.1),
        _ => None,
    };
    let measure = |name: &str| {
        let value = value(name)?.to_string();
        Some(match (name.starts_with("new_"), served.older) {
            (false, _) => json!({"metric": name, "value": value}),
            (true, false) => json!({"metric": name, "period": {"value": value}}),
            (true, true) => json!({"metric": name, "periods": [{"index": 1, "value": value}]}),
        })
    };
    let keys = query.get("metricKeys").cloned().unwrap_or_default();
    let measures: Vec<Value> = keys.split(',').filter_map(measure).collect();
    Json(json!({"component": {"key": "x", "name": "x", "qualifier": "TRK", "measures": measures}})).into_response()
}

async fn gate(State(state): Shared, Query(query): Asked, headers: HeaderMap) -> Response {
    let served = match admitted(&state, &headers) {
        Ok(served) => served,
        Err(refusal) => return *refusal,
    };
    match wanted(&served, &query, "projectKey") {
        Some(analysis) => {
            Json(json!({"projectStatus": {"status": analysis.gate, "ignoredConditions": false, "conditions": []}}))
                .into_response()
        }
        None => missing(),
    }
}
