//! SonarQube in memory, served over HTTP: analyses of pull requests, in the shapes of its web API.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::remote::sim::{Door, Shared, Sim, bears};

/// The token that it takes.
pub const TOKEN: &str = "sonar-sim-token";

/// SonarQube in memory, until it is dropped.
pub type SimSonar = Sim<Analyses>;

/// What it has analysed.
#[derive(Default)]
pub struct Analyses {
    /// By project and pull request.
    all: BTreeMap<(String, u64), SimAnalysis>,
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

impl SimSonar {
    /// Starts to serve on a free port of this machine.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let routes = Router::new()
            .route("/api/project_pull_requests/list", get(list))
            .route("/api/measures/component", get(measures))
            .route("/api/qualitygates/project_status", get(gate))
            .route(VALIDATE, get(validate));
        let door = Door {
            // Whether a token is good may be asked with any.
            admits: |parts| match parts.uri.path() == VALIDATE || bears(parts, TOKEN) {
                true => Ok(()),
                false => Err(StatusCode::UNAUTHORIZED),
            },
            refusal: |_| json!({"errors": [{"msg": "as ordered"}]}),
        };
        Self::serve(Analyses::default(), door, routes).await
    }

    /// Puts an analysis in place of the one before.
    pub fn analysis(&self, project: &str, pull_request: u64, analysis: SimAnalysis) {
        self.state().all.insert((project.to_owned(), pull_request), analysis);
    }

    /// Whether measures of new code stand where older servers have them.
    pub fn older(&self, older: bool) {
        self.state().older = older;
    }
}

/// Where the token itself is asked about.
const VALIDATE: &str = "/api/authentication/validate";

type Served = State<Shared<Analyses>>;
type Asked = Query<BTreeMap<String, String>>;

fn missing() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"errors": [{"msg": "Component not found"}]}))).into_response()
}

/// The analysis that the query is about.
fn wanted<'a>(served: &'a Analyses, query: &BTreeMap<String, String>, project: &str) -> Option<&'a SimAnalysis> {
    let project = query.get(project)?.clone();
    let number = query.get("pullRequest")?.parse().ok()?;
    served.all.get(&(project, number))
}

async fn validate(request: Request) -> Json<Value> {
    Json(json!({ "valid": bears(&request.into_parts().0, TOKEN) }))
}

async fn list(State(served): Served, Query(query): Asked) -> Response {
    let served = served.state();
    let project = query.get("project").cloned().unwrap_or_default();
    let of_project = served.all.iter().filter(|((of, _), _)| *of == project);
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

async fn measures(State(served): Served, Query(query): Asked) -> Response {
    let served = served.state();
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

async fn gate(State(served): Served, Query(query): Asked) -> Response {
    let served = served.state();
    match wanted(&served, &query, "projectKey") {
        Some(analysis) => {
            Json(json!({"projectStatus": {"status": analysis.gate, "ignoredConditions": false, "conditions": []}}))
                .into_response()
        }
        None => missing(),
    }
}
