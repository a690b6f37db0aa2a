//! The frame of a simulated system: state behind HTTP on a free port of this machine, a door where credentials are looked at,
//! refusals on order, and a record of what was said. What the state is and how it answers is each simulator's own.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use futures_util::{future, stream};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use url::Url;

/// Exchanges kept, the newest.
const EXCHANGES_MAX: usize = 1_000;
/// Largest body of a request or an answer, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A system in memory, until it is dropped. A simulator names its own state and adds what changes it.
pub struct Sim<S> {
    url: Url,
    shared: Shared<S>,
    server: JoinHandle<()>,
}

/// What handlers answer from.
pub(crate) struct Shared<S>(Arc<Inner<S>>);

struct Inner<S> {
    door: Door,
    state: Mutex<S>,
    talk: Mutex<Talk>,
}

/// Who gets in, and what others are told.
pub(crate) struct Door {
    /// The status that a request is refused with, by its address and headers.
    pub(crate) admits: fn(&Parts) -> Result<(), StatusCode>,
    /// The system's own words for a refusal.
    pub(crate) refusal: fn(StatusCode) -> Value,
}

#[derive(Default)]
struct Talk {
    asked: u64,
    ordered: Option<StatusCode>,
    rewrite: Option<Rewrite>,
    exchanges: VecDeque<Exchange>,
}

/// What is made of an answer's JSON, by the path that was asked for.
type Rewrite = Arc<dyn Fn(&str, Value) -> Value + Send + Sync>;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The path as it was asked for, percent-encoded.
    pub path: String,
    /// What stood behind the question mark; empty if nothing did.
    pub query: String,
    /// The request's JSON; null if it had none.
    pub request: Value,
    /// The status.
    pub status: u16,
    /// What the answer is called; empty if it is not.
    pub content_type: String,
    /// The answer's JSON; null if it had none.
    pub response: Value,
    /// A fault on order shaped the answer, so it says nothing about how the real system answers.
    pub ordered: bool,
}

/// Marks an answer that a fault on order has shaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered;

/// Marks an answer that does not arrive as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection is reset, and nothing of it arrives.
    Unanswered,
    /// The connection ends in its middle.
    Half,
}

impl<S: Send + 'static> Sim<S> {
    /// Starts to serve `routes` on a free port.
    ///
    /// # Errors
    /// No port can be had.
    pub(crate) async fn serve(state: S, door: Door, routes: Router<Shared<S>>) -> std::io::Result<Self> {
        let inner = Inner { door, state: Mutex::new(state), talk: Mutex::default() };
        let shared = Shared(Arc::new(inner));
        let router = routes.layer(from_fn_with_state(shared.clone(), pass)).with_state(shared.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(std::io::Error::other)?;
        let server = tokio::spawn(accept(listener, router));
        Ok(Self { url, shared, server })
    }
}

impl<S> Sim<S> {
    /// Its address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        self.shared.talk().asked
    }

    /// Answers every request with this status from now on; `None` ends that.
    pub fn fail(&self, status: Option<u16>) {
        self.shared.talk().ordered = status.and_then(|status| StatusCode::from_u16(status).ok());
    }

    /// Has the JSON of each answer go through this before it leaves, by the path that was asked for.
    pub fn rewrite(&self, rewrite: impl Fn(&str, Value) -> Value + Send + Sync + 'static) {
        self.shared.talk().rewrite = Some(Arc::new(rewrite));
    }

    /// What was said, oldest first: the newest thousand exchanges.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.talk().exchanges.iter().cloned().collect()
    }

    /// The state, to change it.
    pub(crate) fn state(&self) -> MutexGuard<'_, S> {
        self.shared.state()
    }
}

impl<S> Drop for Sim<S> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl<S> Shared<S> {
    /// The state. Nothing may be awaited while it is held.
    pub(crate) fn state(&self) -> MutexGuard<'_, S> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.0.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request that does not get in.
    fn refused(&self, parts: &Parts) -> Option<Response> {
        let ordered = self.talk().ordered;
        let status = ordered.or_else(|| (self.0.door.admits)(parts).err())?;
        let mut refusal = (status, Json((self.0.door.refusal)(status))).into_response();
        if ordered.is_some() {
            refusal.extensions_mut().insert(Ordered);
        }
        Some(refusal)
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Whether a request carries this bearer token.
pub(crate) fn bears(parts: &Parts, token: &str) -> bool {
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")) == Some(token)
}

/// The way of a request through the door to its handler, written down.
async fn pass<S: Send + 'static>(State(shared): State<Shared<S>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let mut exchange = Exchange {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        request: serde_json::from_slice(&body).unwrap_or_default(),
        status: 0,
        content_type: String::new(),
        response: Value::Null,
        ordered: false,
    };
    let answer = match shared.refused(&parts) {
        Some(refusal) => refusal,
        None => next.run(Request::from_parts(parts, Body::from(body))).await,
    };
    let (parts, body) = answer.into_parts();
    let mut body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    exchange.content_type = kind.to_owned();
    (exchange.status, exchange.response) = (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default());
    exchange.ordered = parts.extensions.get::<Ordered>().is_some();
    let mut talk = shared.talk();
    if let Some(rewrite) = talk.rewrite.as_ref().filter(|_| !exchange.response.is_null()) {
        exchange.response = rewrite(&exchange.path, exchange.response);
        body = exchange.response.to_string().into();
    }
    talk.asked += 1;
    if talk.exchanges.len() == EXCHANGES_MAX {
        talk.exchanges.pop_front();
    }
    talk.exchanges.push_back(exchange);
    drop(talk);
    match parts.extensions.get::<Cut>() {
        Some(Cut::Half) => halved(Response::from_parts(parts, Body::empty()), &body),
        _ => Response::from_parts(parts, Body::from(body)),
    }
}

/// An answer that promises its whole length and breaks off in its middle.
fn halved(mut response: Response, body: &Bytes) -> Response {
    response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    let half = body.slice(..body.len() / 2);
    let parts = stream::iter([Ok(half), Err(io::Error::other("cut on order"))]);
    *response.body_mut() = Body::from_stream(parts);
    response
}

/// Takes connections until the task ends, and they with it.
async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, router.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let cut = CancellationToken::new();
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (router, cut) = (router.clone(), cut.clone());
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            if response.extensions().get::<Cut>() == Some(&Cut::Unanswered) {
                cut.cancel();
                return future::pending().await;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let mut serving = http.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = &mut serving => {}
        () = cut.cancelled() => {
            // No lingering turns the close into a reset, which is what a dying server looks like.
            let _ = serving.into_parts().io.into_inner().set_zero_linger();
        }
    }
}
