//! Datadog in memory, served over real HTTP: state, verbs that change it, and faults. It answers as the real one was
//! recorded to, on the clock that it is given, and refuses what the real one refuses. Tests and the demo run on it.

mod answers;
mod faults;
mod limits;
mod search;
mod timeline;
mod verbs;
mod world;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Response, StatusCode, header, request::Parts},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::remote::sim::{Cut, Door, Ordered, Shared, Sim};
use answers::Answer;
pub use faults::{Fault, FaultKind, Times};
pub use limits::Used;
pub use verbs::{SimDeployment, SimSlo};
use world::World;

/// The API key that it takes at first.
pub const API_KEY: &str = "datadog-sim-api-key";
/// The application key that it takes at first.
pub const APP_KEY: &str = "datadog-sim-app-key";
/// Longest time that an answer is held back.
const HOLD_MAX: std::time::Duration = std::time::Duration::from_secs(60);
/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the simulator takes for the time.
pub type SimClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Datadog in memory, until it is dropped.
pub type SimDatadog = Sim<World>;

impl SimDatadog {
    /// Starts to serve on a free port of this machine, on this clock; nothing exists yet.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> std::io::Result<Self> {
        let door = Door { admits: |_| Ok(()), refusal: |status| json!({"errors": [words(status)]}) };
        Self::serve(World::new(Arc::new(clock), 1), door, Router::new().fallback(answer)).await
    }
}

/// A request with its parts taken apart.
struct Asked {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    api_key: Option<String>,
    app_key: Option<String>,
    /// Null without a body.
    body: Value,
}

impl Asked {
    fn new(parts: &Parts, body: &[u8]) -> Option<Self> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let query = parts.uri.query().unwrap_or_default();
        Some(Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            api_key: header("dd-api-key"),
            app_key: header("dd-application-key"),
            body: if body.is_empty() { Value::Null } else { serde_json::from_slice(body).ok()? },
        })
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A number of the query, or what it is without one.
    fn number(&self, name: &str, or: usize) -> Result<usize, Answer> {
        let Some(text) = self.param(name) else { return Ok(or) };
        text.parse().map_err(|_| Answer::texts(400, &format!("Invalid value for parameter {name}")))
    }
}

async fn answer(State(shared): State<Shared<World>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let asked = Asked::new(&parts, &body);
    let fault = shared.state().faults.strike(parts.uri.path());
    let right = |shared: &Shared<World>| match &asked {
        Some(asked) => answers::answer(&mut shared.state(), asked),
        None => Answer::texts(400, "Invalid JSON"),
    };
    match fault {
        None => written(right(&shared)),
        Some(FaultKind::Slow(wait)) => {
            tokio::time::sleep(wait.min(HOLD_MAX)).await;
            written(right(&shared))
        }
        Some(kind) => ordered(kind, right(&shared)).await,
    }
}

/// What goes wrong instead of the right answer.
async fn ordered(kind: FaultKind, right: Answer) -> Response<Body> {
    let mut response = match kind {
        FaultKind::Status(status) => written(Answer::texts(status, &words(status_of(status)))),
        FaultKind::Empty(status) => written(Answer { status, ..Answer::empty() }),
        FaultKind::RateLimited { reset } => {
            let reset = reset.map(|seconds| ("x-ratelimit-reset", seconds.to_string()));
            written(Answer { status: 429, headers: reset.into_iter().collect(), ..Answer::empty() })
        }
        FaultKind::Garbage => {
            let mut response = Response::new(Body::from("<html>Something went wrong</html>"));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            response
        }
        FaultKind::Nonsense => written(Answer::new(json!({"data": "none", "events": 7}))),
        FaultKind::Redirect => written(Answer {
            status: 302,
            headers: vec![("location", "/api/v1/validate".to_owned())],
            ..Answer::empty()
        }),
        FaultKind::Timeout => {
            tokio::time::sleep(HOLD_MAX).await;
            cut(Cut::Unanswered, right)
        }
        FaultKind::Cut => cut(Cut::Unanswered, right),
        FaultKind::Half => cut(Cut::Half, right),
        FaultKind::Slow(_) => written(right),
    };
    response.extensions_mut().insert(Ordered);
    response
}

fn cut(how: Cut, right: Answer) -> Response<Body> {
    let mut response = written(right);
    response.extensions_mut().insert(how);
    response
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn words(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Error").to_owned()
}

fn written(answer: Answer) -> Response<Body> {
    let bytes = answer.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status_of(answer.status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
