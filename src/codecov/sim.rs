//! Codecov in memory, served over HTTP: commits with their uploads and lines, in the shapes of its API v2.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::remote::sim::{Door, Shared, Sim, bears};

/// The token that it takes.
pub const TOKEN: &str = "codecov-sim-token";

/// Codecov in memory, until it is dropped.
pub type SimCodecov = Sim<Known>;

/// What it knows.
#[derive(Default)]
pub struct Known {
    /// By `owner/name` and commit.
    commits: BTreeMap<(String, String), SimCommit>,
    /// By `owner/name` and number.
    pulls: BTreeMap<(String, u64), SimPull>,
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
    /// Codecov could not work it in.
    pub failed: bool,
    /// Lines by file: number, and 0 for hit, 1 for miss, 2 for partial.
    pub files: BTreeMap<String, Vec<(u32, u8)>>,
}

impl SimCodecov {
    /// Starts to serve on a free port of this machine.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let base = "/api/v2/github/{owner}/repos/{repo}";
        let routes = Router::new()
            .route("/api/v2/github/", get(owners))
            .route(&format!("{base}/commits/{{sha}}/"), get(commit))
            .route(&format!("{base}/commits/{{sha}}/uploads/"), get(uploads))
            .route(&format!("{base}/pulls/{{number}}/"), get(pull))
            .route(&format!("{base}/totals/"), get(totals_of))
            .route(&format!("{base}/report/"), get(report));
        let door = Door {
            admits: |parts| if bears(parts, TOKEN) { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) },
            refusal: |status| json!({"detail": if status == 401 { "Invalid token." } else { "as ordered" }}),
        };
        Self::serve(Known::default(), door, routes).await
    }

    /// Puts a commit's report in place of the one before.
    pub fn commit(&self, repository: &str, sha: &str, commit: SimCommit) {
        self.state().commits.insert((repository.to_owned(), sha.to_owned()), commit);
    }

    /// Puts a pull request in place of what was known of it.
    pub fn pull(&self, repository: &str, number: u64, pull: SimPull) {
        self.state().pulls.insert((repository.to_owned(), number), pull);
    }
}

/// A pull request as Codecov stands to it.
#[derive(Clone, Debug, Default)]
pub struct SimPull {
    /// The commit whose coverage is its head's.
    pub head: String,
    /// The commit that Codecov compares it with.
    pub base: Option<String>,
    /// Changed lines: hits, misses, partials; `None` until they are compared.
    pub patch: Option<(u64, u64, u64)>,
}

type Served = State<Shared<Known>>;

fn missing() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"detail": "Not found."}))).into_response()
}

async fn owners() -> Json<Value> {
    Json(json!({"count": 0, "next": null, "previous": null, "results": [], "total_pages": 1}))
}

async fn pull(State(served): Served, Path((owner, repo, number)): Path<(String, String, u64)>) -> Response {
    let served = served.state();
    let repository = format!("{owner}/{repo}");
    let Some(pull) = served.pulls.get(&(repository.clone(), number)) else { return missing() };
    let of = |sha: &String| served.commits.get(&(repository.clone(), sha.clone())).map(totals);
    let patch = pull.patch.map(|(hits, misses, partials)| {
        let all = hits + misses + partials;
        let coverage = if all == 0 { 0.0 } else { hits as f64 * 100.0 / all as f64 };
        json!({"hits": hits, "misses": misses, "partials": partials, "coverage": hundredths(coverage)})
    });
    Json(json!({
        "pullid": number, "title": "", "base_totals": pull.base.as_ref().and_then(of), "head_totals": of(&pull.head),
        "updatestamp": "2026-03-03T10:00:00Z", "state": "open", "ci_passed": true, "author": null, "patch": patch,
    }))
    .into_response()
}

type CommitPath = Path<(String, String, String)>;

async fn commit(State(served): Served, Path((owner, repo, sha)): CommitPath) -> Response {
    let served = served.state();
    let Some(commit) = served.commits.get(&(format!("{owner}/{repo}"), sha.clone())) else { return missing() };
    Json(json!({
        "commitid": sha, "message": "", "timestamp": "2026-03-03T10:00:00Z", "ci_passed": true, "author": null,
        "branch": "topic", "totals": totals(commit), "state": commit.state, "parent": null,
    }))
    .into_response()
}

fn totals(commit: &SimCommit) -> Value {
    counted(&merged(&commit.uploads, None), commit.uploads.len())
}

fn counted(files: &BTreeMap<String, Vec<(u32, u8)>>, uploads: usize) -> Value {
    let count = |wanted: u8| files.values().flatten().filter(|(_, kind)| *kind == wanted).count();
    let lines: usize = files.values().map(Vec::len).sum();
    let coverage = if lines == 0 { 0.0 } else { count(0) as f64 * 100.0 / lines as f64 };
    json!({
        "files": files.len(), "lines": lines, "hits": count(0), "misses": count(1), "partials": count(2),
        "coverage": hundredths(coverage), "branches": 0, "methods": 0, "sessions": uploads,
        "complexity": 0.0, "complexity_total": 0.0, "complexity_ratio": 0, "diff": 0,
    })
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
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
    State(served): Served,
    Path((owner, repo, sha)): CommitPath,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let served = served.state();
    let Some(commit) = served.commits.get(&(format!("{owner}/{repo}"), sha)) else { return missing() };
    let number = |name: &str, or: usize| query.get(name).and_then(|value| value.parse().ok()).unwrap_or(or);
    let (page, size) = (number("page", 1).max(1), number("page_size", 10).clamp(1, 100));
    let pages = commit.uploads.len().div_ceil(size).max(1);
    let upload = |upload: &SimUpload| {
        json!({
            "created_at": "2026-03-03 10:00:00", "updated_at": "2026-03-03 10:00:00", "storage_path": "x",
            "flags": upload.flags, "provider": "github-actions", "build_code": "1", "name": null, "job_code": null,
            "build_url": null, "state": if upload.failed { "error" } else { "processed" }, "env": {},
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

type RepoPath = Path<(String, String)>;
type Asked = Query<BTreeMap<String, String>>;

async fn totals_of(served: Served, path: RepoPath, query: Asked) -> Response {
    reported(&served, &path, &query, false)
}

async fn report(served: Served, path: RepoPath, query: Asked) -> Response {
    reported(&served, &path, &query, true)
}

/// A commit's report, with lines or without, of the files below a path and the parts with a flag.
fn reported(
    State(served): &Served,
    Path((owner, repo)): &RepoPath,
    Query(query): &Asked,
    with_lines: bool,
) -> Response {
    let served = served.state();
    let sha = query.get("sha").cloned().unwrap_or_default();
    let Some(commit) = served.commits.get(&(format!("{owner}/{repo}"), sha)) else { return missing() };
    let flag = query.get("flag").map(String::as_str);
    let mut files = merged(&commit.uploads, flag);
    if let Some(path) = query.get("path") {
        files.retain(|file, _| file.starts_with(path));
        // With a flag as well, Codecov gives an empty report.
        if files.is_empty() && flag.is_none() {
            return missing();
        }
    }
    let uploads = commit.uploads.len();
    let all = counted(&files, uploads);
    let one = |(name, lines): (String, Vec<(u32, u8)>)| {
        let mut file = json!({"name": name, "totals": counted(&[(name.clone(), lines.clone())].into(), uploads)});
        if with_lines {
            file["line_coverage"] = json!(lines);
        }
        file
    };
    let files: Vec<Value> = files.into_iter().map(one).collect();
    Json(json!({"totals": all, "files": files, "commit_file_url": ""})).into_response()
}
