//! `PUT /api/v1/coverage/{owner}/{repo}/{sha}`: a report is read within bounds, kept, and the pull requests that stand on
//! its commit are scored anew. Nothing of it is ever written to a file or opened by a path in it.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::Limited;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::{Instrument, Span};

use super::{
    super::{
        App,
        assess::PullRequestJob,
        body::Unread,
        caller::Caller,
        refusal::{failed, later, of_body, of_caller, refuse},
        route, trace,
    },
    inflate::{NotInflated, inflate, is_gzip},
};
use crate::{
    coverage::{self, Format, Refused, Report},
    github::RepoName,
    store::{CoverageRow, DueRepository, REPORTS_PER_COMMIT, SavedReport, StoreError},
};

/// Largest body as it is sent, compressed or not; larger reports are sent as gzip.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// Longest name of a part, in characters.
const FLAG_MAX: usize = 64;
/// How long a report waits until others are read.
const PATIENCE: Duration = Duration::from_secs(10);
/// What to do about a body that is too large.
const SMALLER: &str = "send at most 32 MB; gzip makes it a tenth";

/// What may stand behind the question mark.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Options {
    #[serde(default)]
    flag: String,
}

/// What an upload is about, once it is known to be allowed.
struct Wanted {
    repository: DueRepository,
    sha: String,
    flag: String,
}

type Parts = Result<Path<(String, String, String)>, PathRejection>;

pub(in super::super) async fn put(
    State(app): State<Arc<App>>,
    parts: Parts,
    options: Result<Query<Options>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let span = match &parts {
        Ok(Path((owner, repo, _))) => trace::of_upload(owner, repo),
        Err(_) => Span::none(),
    };
    let uploaded = async {
        let wanted = allowed(&app, parts, options, &headers).await?;
        receive(&app, &wanted, &headers, body).await
    };
    match uploaded.instrument(span).await {
        Ok(answer) | Err(answer) => answer,
    }
}

/// Everything that can be said before the body is read.
async fn allowed(
    app: &App,
    parts: Parts,
    options: Result<Query<Options>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Wanted, Response> {
    let Ok(Path((owner, repo, sha))) = parts else {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "a part of the address cannot be read",
            "see /api/v1/openapi.json",
        ));
    };
    let sha = sha.to_ascii_lowercase();
    if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let hint = "name the head commit of the pull request by all of its 40 digits";
        return Err(refuse(StatusCode::BAD_REQUEST, "the commit is not an object id", hint));
    }
    let Ok(Query(Options { flag })) = options else {
        return Err(refuse(StatusCode::BAD_REQUEST, "the query has a part that is not known", "the only one is flag"));
    };
    if flag.len() > FLAG_MAX || !flag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        let hint = "a flag has up to 64 letters, digits, dots, dashes and underscores";
        return Err(refuse(StatusCode::BAD_REQUEST, "the flag cannot be used", hint));
    }
    let caller = Caller::of(app, headers).await.map_err(of_caller)?;
    let unheard = || {
        let hint = "the App has to be installed there; see the spelling too";
        refuse(StatusCode::NOT_FOUND, "no repository of this name is covered", hint)
    };
    let name = RepoName::new(&owner, &repo).ok_or_else(unheard)?;
    let found = app.store.repository_named(&name.to_string()).await.map_err(|error| failed(&error))?;
    let repository = found.ok_or_else(unheard)?;
    if !caller.may(&repository) {
        let hint = "`mergecast token create --repo OWNER/NAME` makes one for it";
        return Err(refuse(StatusCode::FORBIDDEN, "the token is for another repository", hint));
    }
    app.coverage.pace.take(repository.repository_id, app.clock.now_ms()).map_err(|wait_s| {
        let refused = "too many uploads for this repository in a minute";
        later(StatusCode::TOO_MANY_REQUESTS, refused, "put the parts of a test run together first", wait_s)
    })?;
    Ok(Wanted { repository, sha, flag })
}

async fn receive(app: &App, wanted: &Wanted, headers: &HeaderMap, body: Body) -> Result<Response, Response> {
    let said_gzip = encoding(headers).map_err(|refusal| *refusal)?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > BODY_LIMIT) {
        return Err(of_body(&Unread::TooLarge, SMALLER));
    }
    let body = Body::new(Limited::new(body, BODY_LIMIT));
    let held = app.bodies.read(body).await.map_err(|unread| of_body(&unread, SMALLER))?;
    let place = tokio::time::timeout(PATIENCE, app.coverage.readers.clone().acquire_owned()).await;
    let place = place.map_err(|_| of_body(&Unread::Crowded, SMALLER))?.expect("the semaphore is never closed");
    // Body and place are held until the work is done, also when the sender goes away meanwhile.
    let read = tokio::task::spawn_blocking(move || {
        let (held, _place) = (held, place);
        let bytes = &held.bytes;
        if said_gzip || is_gzip(bytes) {
            let plain = inflate(bytes).map_err(Unusable::Packed)?;
            return Taken::read(&plain);
        }
        Taken::read(bytes)
    });
    let taken = read.await.map_err(|_| {
        tracing::error!("a coverage report could not be read to its end");
        refuse(StatusCode::INTERNAL_SERVER_ERROR, "the report could not be read", "see the log of the server")
    })?;
    let taken = taken.map_err(unusable)?;
    let row = CoverageRow {
        repository_id: wanted.repository.repository_id,
        head_sha: wanted.sha.clone(),
        flag: wanted.flag.clone(),
        digest: taken.digest.clone(),
        format: taken.format.name().to_owned(),
        received_at: app.clock.now_ms(),
        body: taken.packed.clone(),
    };
    let saved = app.store.save_coverage(&row).await.map_err(|error| failed(&error))?;
    let status = match saved {
        SavedReport::New => StatusCode::CREATED,
        SavedReport::Known => StatusCode::OK,
        SavedReport::TooMany => {
            let refused = format!("the commit has {REPORTS_PER_COMMIT} reports already");
            let hint = "put the parts of a test run together first";
            return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, &refused, hint));
        }
    };
    let pulls = score_anew(app, wanted).await.map_err(|error| failed(&error))?;
    tracing::info!(
        repository = wanted.repository.repository,
        head = wanted.sha,
        format = taken.format.name(),
        "coverage received"
    );
    Ok((status, Json(taken.told(wanted, saved, &pulls))).into_response())
}

/// A report as it is kept.
struct Taken {
    format: Format,
    packed: Vec<u8>,
    digest: String,
    files: usize,
    lines: u64,
    covered: u64,
    left_out: u64,
}

/// Why a body is no report that is taken.
enum Unusable {
    Packed(NotInflated),
    Report(Refused),
}

impl Taken {
    fn read(bytes: &[u8]) -> Result<Self, Unusable> {
        let (format, report): (Format, Report) = coverage::parse(bytes).map_err(Unusable::Report)?;
        let packed = report.pack();
        let digest = hex::encode(Sha256::digest(&packed));
        let totals = report.totals();
        let (files, left_out) = (report.files(), report.left_out());
        Ok(Self { format, packed, digest, files, lines: totals.lines, covered: totals.covered, left_out })
    }

    fn told(&self, wanted: &Wanted, saved: SavedReport, pulls: &[i64]) -> serde_json::Value {
        serde_json::json!({
            "status": if saved == SavedReport::New { "stored" } else { "known" },
            "repository": wanted.repository.repository,
            "commit": wanted.sha,
            "flag": wanted.flag,
            "format": self.format.name(),
            "files": self.files,
            "lines": self.lines,
            "covered": self.covered,
            "left_out": self.left_out,
            "pull_requests": pulls,
        })
    }
}

/// Asks for a score of each pull request that stands on the commit; several reports of one run lead to one score.
async fn score_anew(app: &App, wanted: &Wanted) -> Result<Vec<i64>, StoreError> {
    let repository = &wanted.repository;
    let pulls = app.store.pull_requests_of_head(repository.repository_id, &wanted.sha).await?;
    let now = app.clock.now_ms();
    for pull in &pulls {
        let job = PullRequestJob {
            installation_id: repository.installation_id.unsigned_abs(),
            repository_id: repository.repository_id,
            repository: repository.repository.clone(),
            number: pull.unsigned_abs(),
            head_sha: None,
            updated_at: None,
            undoes: None,
        };
        let run_at = now + app.timing.burst.as_millis() as i64;
        app.store.request_job(&route::request(&job, run_at), now).await?;
    }
    app.jobs.notify_waiters();
    Ok(pulls)
}

/// Whether the body is said to be compressed.
fn encoding(headers: &HeaderMap) -> Result<bool, Box<Response>> {
    let text = |name| headers.get(name).map_or(Some(""), |value: &HeaderValue| value.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    if kind.starts_with("multipart/") {
        let hint = "send the report itself as the body, for example with curl --data-binary @FILE";
        return Err(Box::new(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is a form", hint)));
    }
    match text(header::CONTENT_ENCODING).map(str::to_ascii_lowercase).as_deref() {
        Some("" | "identity") => Ok(false),
        Some("gzip" | "x-gzip") => Ok(true),
        _ => {
            let hint = "send it plain or as gzip";
            Err(Box::new(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content encoding is not known", hint)))
        }
    }
}

fn unusable(why: Unusable) -> Response {
    let formats = "LCOV, Cobertura, JaCoCo and Clover XML, Go coverprofile and llvm-cov JSON are taken, in UTF-8";
    let smaller = "send the parts of the report one by one";
    match why {
        Unusable::Packed(NotInflated::Damaged) => {
            refuse(StatusCode::BAD_REQUEST, &NotInflated::Damaged.to_string(), "pack it again")
        }
        Unusable::Packed(too_large) => refuse(StatusCode::PAYLOAD_TOO_LARGE, &too_large.to_string(), smaller),
        Unusable::Report(refused @ Refused::TooLarge { .. }) => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &refused.to_string(), smaller)
        }
        Unusable::Report(refused @ (Refused::Unknown | Refused::Encoding)) => {
            refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &refused.to_string(), formats)
        }
        Unusable::Report(refused) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &refused.to_string(), formats),
    }
}
