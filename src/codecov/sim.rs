//! Codecov in memory, served over HTTP: commits with their uploads and lines, in the shapes of its API v2.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

/// The token that it takes.
pub const TOKEN: &str = "codecov-sim-token";

/// Codecov in memory, until it is dropped.
pub struct SimCodecov {
    url: Url,
    state: Arc<Mutex<Served>>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Served {
    /// By `owner/name` and commit.
    commits: BTreeMap<(String, String), SimCommit>,
    asked: u64,
    status: Option<u16>,
}

/// A commit's report.
#[derive(Clone, Debug)]
pub struct SimCommit {
    /// Codecov's word for how far its processing is: `pending`, `complete`, `error`.
    pub state: &'static str,
    /// Its parts.
    pub uploads: Vec<SimUpload>,
}

/// A part of a report.
#[derive(Clone, Debug, Default)]
pub struct SimUpload {
    /// Its flags.
    pub flags: Vec<&'static str>,
    /// The commit that it was carried forward from.
    pub carried_from: Option<String>,
    /// Lines by file: number, and 0 for hit, 1 for miss, 2 for partial.
    pub files: BTreeMap<String, Vec<(u32, u8)>>,
}

type Shared = State<Arc<Mutex<Served>>>;

impl SimCodecov {
    /// Starts to serve on a free port of this machine.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let state = Arc::new(Mutex::new(Served::default()));
        let base = "/api/v2/github/{owner}/repos/{repo}";
        let router = Router::new()
            .route("/api/v2/github/", get(owners))
            .route(&format!("{base}/commits/{{sha}}/"), get(commit))
            .route(&format!("{base}/commits/{{sha}}/uploads/"), get(uploads))
            .route(&format!("{base}/report/"), get(report))
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

    /// Puts a commit's report in place of the one before.
    pub fn commit(&self, repository: &str, sha: &str, commit: SimCommit) {
        lock(&self.state).commits.insert((repository.to_owned(), sha.to_owned()), commit);
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        lock(&self.state).asked
    }

    /// Answers every request with this status from now on; `None` answers it.
    pub fn fail(&self, status: Option<u16>) {
        lock(&self.state).status = status;
    }
}

impl Drop for SimCodecov {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(state: &Mutex<Served>) -> MutexGuard<'_, Served> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state, unless the request is refused.
fn admitted<'a>(state: &'a Mutex<Served>, headers: &HeaderMap) -> Result<MutexGuard<'a, Served>, Box<Response>> {
    let mut served = lock(state);
    served.asked += 1;
    if let Some(status) = served.status.and_then(|status| StatusCode::from_u16(status).ok()) {
        return Err(Box::new((status, Json(json!({"detail": "as ordered"}))).into_response()));
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return Err(Box::new((StatusCode::UNAUTHORIZED, Json(json!({"detail": "Invalid token."}))).into_response()));
    }
    Ok(served)
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"detail": "Not found."}))).into_response()
}

async fn owners(State(state): Shared, headers: HeaderMap) -> Response {
    match admitted(&state, &headers) {
        Ok(_) => {
            Json(json!({"count": 0, "next": null, "previous": null, "results": [], "total_pages": 1})).into_response()
        }
        Err(refusal) => *refusal,
    }
}

type CommitPath = Path<(String, String, String)>;

async fn commit(State(state): Shared, Path((owner, repo, sha)): CommitPath, headers: HeaderMap) -> Response {
    let served = match admitted(&state, &headers) {
        Ok(served) => served,
        Err(refusal) => return *refusal,
    };
    let Some(commit) = served.commits.get(&(format!("{owner}/{repo}"), sha.clone())) else { return missing() };
    Json(json!({
        "commitid": sha, "message": "", "timestamp": "2026-03-03T10:00:00Z", "ci_passed": true, "author": null,
        "branch": "topic", "totals": totals(commit), "state": commit.state, "parent": null,
    }))
    .into_response()
}

fn totals(commit: &SimCommit) -> Value {
    let files = merged(&commit.uploads, None);
    let count = |wanted: u8| files.values().flatten().filter(|(_, kind)| *kind == wanted).count();
    let lines: usize = files.values().map(Vec::len).sum();
    let coverage = if lines == 0 { 0.0 } else { count(0) as f64 * 100.0 / lines as f64 };
    json!({
        "files": files.len(), "lines": lines, "hits": count(0), "misses": count(1), "partials": count(2),
        "coverage": (coverage * 100.0).round() / 100.0, "branches": 0, "methods": 0, "sessions": commit.uploads.len(),
        "complexity": 0.0, "complexity_total": 0.0, "complexity_ratio": 0, "diff": 0,
    })
}

/// A line is a hit where one part hit it.
fn merged(uploads: &[SimUpload], flag: Option<&str>) -> BTreeMap<String, Vec<(u32, u8)>> {
    let mut files: BTreeMap<String, BTreeMap<u32, u8>> = BTreeMap::new();
    for upload in uploads.iter().filter(|upload| flag.is_none_or(|flag| upload.flags.contains(&flag))) {
        for (path, lines) in &upload.files {
            let file = files.entry(path.clone()).or_default();
            for (number, kind) in lines {
                let rank = |kind: u8| [0, 2, 1][usize::from(kind.min(2))];
                let kept = file.entry(*number).or_insert(*kind);
                if rank(*kind) < rank(*kept) {
                    *kept = *kind;
                }
            }
        }
    }
    files.into_iter().map(|(path, lines)| (path, lines.into_iter().collect())).collect()
}

async fn uploads(
    State(state): Shared,
    Path((owner, repo, sha)): CommitPath,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let served = match admitted(&state, &headers) {
        Ok(served) => served,
        Err(refusal) => return *refusal,
    };
    let Some(commit) = served.commits.get(&(format!("{owner}/{repo}"), sha)) else { return missing() };
    let number = |name: &str, or: usize| query.get(name).and_then(|value| value.parse().ok()).unwrap_or(or);
    let (page, size) = (number("page", 1).max(1), number("page_size", 10).clamp(1, 100));
    let pages = commit.uploads.len().div_ceil(size).max(1);
    let upload = |upload: &SimUpload| {
        json!({
            "created_at": "2026-03-03 10:00:00", "updated_at": "2026-03-03 10:00:00", "storage_path": "x",
            "flags": upload.flags, "provider": "github-actions", "build_code": "1", "name": null, "job_code": null,
            "build_url": null, "state": "processed", "env": {},
            "upload_type": if upload.carried_from.is_some() { "carriedforward" } else { "uploaded" },
            "upload_extras": upload.carried_from.as_ref().map_or(json!({}), |sha| json!({"carriedforward_from": sha})),
            "totals": null,
        })
    };
    let results: Vec<Value> = commit.uploads.iter().skip((page - 1) * size).take(size).map(upload).collect();
    let next = (page < pages).then(|| format!("http://codecov.example/?page={}", page + 1));
    Json(json!({
        "count": commit.uploads.len(), "next": next, "previous": null, "results": results, "total_pages": pages,
    }))
    .into_response()
}

async fn report(
    State(state): Shared,
    Path((owner, repo)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let served = match admitted(&state, &headers) {
        Ok(served) => served,
        Err(refusal) => return *refusal,
    };
    let sha = query.get("sha").cloned().unwrap_or_default();
    let Some(commit) = served.commits.get(&(format!("{owner}/{repo}"), sha)) else { return missing() };
    let mut files = merged(&commit.uploads, query.get("flag").map(String::as_str));
    if let Some(path) = query.get("path") {
        files.retain(|file, _| file.starts_with(path));
        if files.is_empty() {
            return missing();
        }
    }
    let files: Vec<Value> = files
        .into_iter()
        .map(|(name, lines)| json!({"name": name, "totals": {"lines": lines.len()}, "line_coverage": lines}))
        .collect();
    Json(json!({"totals": totals(commit), "files": files, "commit_file_url": ""})).into_response()
}
