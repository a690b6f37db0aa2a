//! The HTTP side: connections that can be cut, and the way of a request through faults, login, budget and routes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request as HttpRequest, Response, header};
use futures_util::future;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, Request};
use super::auth::{self, Caller};
use super::faults::{self, FaultKind};
use super::limits;
use super::objects;
use super::registration;
use super::rest;
use super::state::State;
use super::{Exchange, Shared, graphql, page};

/// The `Date` of an answer: the simulated GitHub has its own clock.
const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";
/// Longest time that an answer is held back.
const HOLD_MAX: Duration = Duration::from_secs(60);
/// Largest request body, in bytes.
const BODY_MAX: usize = 10 * 1024 * 1024;
/// Exchanges kept.
const EXCHANGES_MAX: usize = 10_000;

/// Accepts connections until the simulator stops.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(connection(stream, Arc::clone(&shared)));
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let cut = CancellationToken::new();
    let service = service_fn(|request: HttpRequest<Incoming>| {
        let (shared, cut) = (Arc::clone(&shared), cut.clone());
        async move {
            // What has arrived is done even if its sender is gone by then.
            let working = tokio::spawn(async move { respond(&shared, request).await });
            match working.await.ok().flatten() {
                Some(response) => Ok::<_, Infallible>(response),
                None => {
                    cut.cancel();
                    future::pending().await
                }
            }
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let mut serving = http.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = &mut serving => {}
        () = shared.stop.cancelled() => {}
        () = cut.cancelled() => {
            // No lingering turns the close into a reset, which is what a dying server looks like.
            let stream = serving.into_parts().io.into_inner();
            let _ = stream.set_zero_linger();
        }
    }
}

/// The answer to one request; `None` cuts the connection.
async fn respond(shared: &Arc<Shared>, http: HttpRequest<Incoming>) -> Option<Response<Body>> {
    let (parts, body) = http.into_parts();
    let path = parts.uri.path().to_owned();
    let segments = answer::segments(&path);
    let query_text = parts.uri.query().unwrap_or_default().to_owned();
    let bytes = axum::body::to_bytes(Body::new(body), BODY_MAX).await.ok()?;
    if !rest::is_api(&segments) {
        let form = registration::serve(shared, &parts.method, &segments, &query_text, &bytes);
        return Some(form.unwrap_or_else(|| page::serve(&shared.state(), &segments)));
    }
    let parsed = if bytes.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&bytes).ok() };
    let unreadable = parsed.is_none();
    let request = Request {
        method: parts.method.as_str().to_owned(),
        query: answer::query(&query_text),
        query_text,
        headers: parts.headers,
        body: parsed.unwrap_or_default(),
        segments,
        path,
    };
    let number = {
        let mut state = shared.state();
        state.requests += 1;
        state.requests
    };
    let fault = if unreadable { None } else { strike(shared, &request) };
    let faulted = !matches!(fault, None | Some(FaultKind::Slow(_)));
    let mut recording = Recording { shared, number, request: &request, answer: None, faulted };
    let answer = if unreadable {
        Some(limited(shared, &request, None, Answer::error(400, "Problems parsing JSON"), 0))
    } else {
        handle(shared, &request, fault).await
    };
    recording.answer = answer.as_ref().map(|a| (a.status, a.body.clone()));
    drop(recording);
    shared.wake.notify_waiters();
    let date = shared.state().now().format(DATE).to_string();
    answer.map(|a| into_response(a.with("date", date), &request))
}

fn strike(shared: &Shared, request: &Request) -> Option<FaultKind> {
    let mut state = shared.state();
    let State { faults, rng, .. } = &mut *state;
    faults::strike(faults, rng, &request.method, &request.path)
}

async fn handle(shared: &Arc<Shared>, request: &Request, fault: Option<FaultKind>) -> Option<Answer> {
    let graphql = request.is_graphql();
    match fault {
        None => Some(perform(shared, request).await),
        Some(FaultKind::Slow(wait)) => {
            let writing = Writing::of(shared, request);
            tokio::time::sleep(wait.min(HOLD_MAX)).await;
            // `perform` counts it itself; nothing is awaited in between.
            drop(writing);
            Some(perform(shared, request).await)
        }
        Some(FaultKind::Timeout) => {
            tokio::time::sleep(HOLD_MAX).await;
            None
        }
        Some(FaultKind::Reset) => None,
        Some(FaultKind::AnswerLostAfterWrite) => {
            perform(shared, request).await;
            shared.wake.notify_waiters();
            None
        }
        Some(FaultKind::DoneAfterReset(wait)) => {
            let (shared, request) = (Arc::clone(shared), request.clone());
            // Nothing is settled before it is done.
            shared.state().in_flight += 1;
            tokio::spawn(async move {
                tokio::time::sleep(wait.min(HOLD_MAX)).await;
                perform(&shared, &request).await;
                shared.state().in_flight -= 1;
                shared.wake.notify_waiters();
                shared.idle.notify_waiters();
            });
            None
        }
        Some(FaultKind::Status(status)) => Some(Answer::error(status, "Something went wrong")),
        Some(FaultKind::Garbage) => Some(Answer::raw("text/html", b"<html>Unicorn!</html>".to_vec())),
        Some(FaultKind::GraphqlErrors) if graphql => {
            Some(limits::graphql_error("SERVICE_UNAVAILABLE", "Something went wrong while executing your query."))
        }
        Some(FaultKind::GraphqlErrors) => Some(Answer::error(502, "Server Error")),
        Some(FaultKind::SecondaryLimit { retry_after }) => {
            let refusal = limits::secondary(retry_after, graphql);
            Some(limited(shared, request, auth::authenticate(shared, request).ok().as_ref(), refusal, 0))
        }
        Some(FaultKind::PrimaryLimit { reset_in }) => Some(spend_all(shared, request, reset_in)),
    }
}

/// Empties the caller's budget for a while and answers as beyond it.
fn spend_all(shared: &Shared, request: &Request, reset_in: u64) -> Answer {
    let caller = auth::authenticate(shared, request).ok();
    {
        let mut state = shared.state();
        let resets_at = state.now() + Duration::from_secs(reset_in);
        let budget = state.budget(&shared.options, caller.as_ref(), resource(request));
        (budget.used, budget.resets_at) = (budget.limit, resets_at);
    }
    let refusal = limits::exceeded(caller.as_ref(), request.is_graphql());
    limited(shared, request, caller.as_ref(), refusal, 0)
}

fn resource(request: &Request) -> &'static str {
    match registration::code(request) {
        _ if request.is_graphql() => "graphql",
        Some(_) => "integration_manifest",
        None => "core",
    }
}

/// Login, budget, route, cache.
async fn perform(shared: &Arc<Shared>, request: &Request) -> Answer {
    if request.header("user-agent").is_none_or(str::is_empty) {
        return Answer::error(403, "Request forbidden by administrative rules. A User-Agent header is required.");
    }
    if request.header("x-github-api-version").is_some_and(|v| !API_VERSIONS.contains(&v)) {
        return Answer::error(400, "The requested API version is not supported.");
    }
    if let Some(code) = registration::code(request) {
        // The code is the credential.
        let answer = registration::convert(shared, code).unwrap_or_else(|refusal| refusal);
        return limited(shared, request, None, answer, 1);
    }
    let caller = match auth::authenticate(shared, request) {
        Ok(caller) => caller,
        Err(refusal) => return limited(shared, request, None, refusal, 0),
    };
    let _writing = Writing::of(shared, request);
    // A write is under way long enough that another one beside it would be seen.
    tokio::task::yield_now().await;
    if shared.state().budget(&shared.options, Some(&caller), resource(request)).spent() && !rest::is_free(request) {
        let refusal = limits::exceeded(Some(&caller), request.is_graphql());
        return limited(shared, request, Some(&caller), refusal, 0);
    }
    if request.is_graphql() {
        let (answer, cost) = graphql::execute(shared, &caller, request);
        return limited(shared, request, Some(&caller), answer, cost);
    }
    let mut answer = rest::route(shared, &caller, request).unwrap_or_else(|refusal| refusal);
    let cached = revalidate(request, &mut answer);
    let cost = u64::from(!cached && !rest::is_free(request));
    limited(shared, request, Some(&caller), answer, cost)
}

const API_VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// Marks an answer with its ETag and empties it if the client has it already; true for such a 304.
fn revalidate(request: &Request, answer: &mut Answer) -> bool {
    if request.method != "GET" || answer.status != 200 || answer.body.is_null() {
        return false;
    }
    let etag = format!("W/\"{}\"", objects::oid(&[answer.body.to_string().as_bytes()]));
    let known = request.header("if-none-match").is_some_and(|tags| tags.split(',').any(|t| t.trim() == etag));
    answer.headers.push(("etag", etag));
    answer.headers.push(("cache-control", "private, max-age=60, s-maxage=60".to_owned()));
    if known {
        (answer.status, answer.body) = (304, Value::Null);
    }
    known
}

/// Charges the caller and adds the budget's headers.
fn limited(shared: &Shared, request: &Request, caller: Option<&Caller>, answer: Answer, cost: u64) -> Answer {
    let mut state = shared.state();
    let budget = state.budget(&shared.options, caller, resource(request));
    budget.used = (budget.used + cost).min(budget.limit);
    budget.headers(resource(request), answer)
}

/// Counts a write as under way until dropped.
struct Writing {
    shared: Arc<Shared>,
    installation: u64,
}

impl Writing {
    fn of(shared: &Arc<Shared>, request: &Request) -> Option<Self> {
        let installation = auth::authenticate(shared, request).ok()?.installation().filter(|_| request.is_write())?;
        let mut state = shared.state();
        let now = state.writes_now.entry(installation).or_default();
        *now += 1;
        let now = *now;
        state.writes_at_once_max = state.writes_at_once_max.max(now);
        drop(state);
        Some(Self { shared: Arc::clone(shared), installation })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(now) = self.shared.state().writes_now.get_mut(&self.installation) {
            *now = now.saturating_sub(1);
        }
    }
}

/// Request headers worth recording: none that could hold a credential.
const HEADERS: [&str; 5] = ["accept", "content-type", "if-none-match", "user-agent", "x-github-api-version"];

/// Fields of answers that are blanked out.
const SECRETS: [&str; 4] = ["token", "pem", "client_secret", "webhook_secret"];

/// Records the exchange when dropped, so that one whose client gave up is not missed.
struct Recording<'a> {
    shared: &'a Shared,
    number: u64,
    request: &'a Request,
    answer: Option<(u16, Value)>,
    faulted: bool,
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if !self.shared.options.record {
            return;
        }
        let request = self.request;
        let (status, mut response_body) = self.answer.take().map_or((None, Value::Null), |(s, b)| (Some(s), b));
        for secret in SECRETS {
            if response_body.get(secret).is_some() {
                response_body[secret] = json!("***");
            }
        }
        let sent = |name: &&str| request.header(name).map(|v| ((*name).to_owned(), v.to_owned()));
        let mut state = self.shared.state();
        let exchange = Exchange {
            number: self.number,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query_text.clone(),
            request_headers: HEADERS.iter().filter_map(sent).collect(),
            request_body: request.body.clone(),
            status,
            response_body,
            faulted: self.faulted,
            newest_at_end: state.requests,
        };
        state.exchanges.push_back(exchange);
        if state.exchanges.len() > EXCHANGES_MAX {
            state.exchanges.pop_front();
        }
    }
}

fn into_response(answer: Answer, request: &Request) -> Response<Body> {
    let (content_type, bytes) = match answer.raw {
        Some((content_type, bytes)) => (content_type, bytes),
        None if answer.body.is_null() => ("application/json; charset=utf-8", Vec::new()),
        None => ("application/json; charset=utf-8", answer.body.to_string().into_bytes()),
    };
    let empty = bytes.is_empty();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = answer.status.try_into().unwrap_or_default();
    let headers = response.headers_mut();
    if !empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    let id = objects::oid(&[request.path.as_bytes(), request.query_text.as_bytes()]);
    if let Ok(id) = HeaderValue::from_str(&id[..32]) {
        headers.insert("x-github-request-id", id);
    }
    headers.insert("x-github-media-type", HeaderValue::from_static("github.v3; format=json"));
    response
}
