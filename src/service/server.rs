//! The HTTP side: routes, limits and time-outs, and a graceful end. It decides nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post, put},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;
use tower_http::{
    catch_panic::CatchPanicLayer,
    limit::RequestBodyLimitLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};

use super::{
    App, Timing, coverage, deployments, dora, health, incidents, learning::api as models, linger::lingering, metrics,
    pages, paging, sources, webhook,
};

/// GitHub caps payloads at 25 MB and never sends a larger one.
const WEBHOOK_BODY_LIMIT: usize = 25 * 1024 * 1024;
/// PagerDuty's events are of some KB; one with long texts stays far below.
const PAGING_BODY_LIMIT: usize = 1024 * 1024;
/// No route but the webhooks and the uploads takes a body.
const BODY_LIMIT: usize = 64 * 1024;
/// Open connections; more wait in the kernel's queue. What their bodies may hold in memory is bounded apart.
const CONNECTIONS: usize = 512;
/// How long open requests may take to end after the stop was asked for.
const DRAIN: Duration = Duration::from_secs(10);

/// All routes; `/metrics` may have an address of its own.
pub(super) fn router(app: Arc<App>, with_metrics: bool) -> Router {
    let webhooks = Router::new()
        .route("/webhooks/github", post(webhook::github))
        .layer(RequestBodyLimitLayer::new(WEBHOOK_BODY_LIMIT));
    let paging = Router::new()
        .route("/webhooks/pagerduty", post(paging::receive))
        .layer(RequestBodyLimitLayer::new(PAGING_BODY_LIMIT));
    // These bound their bodies themselves, so that their refusals are all in JSON.
    let uploads = Router::new()
        .route("/api/v1/coverage/{owner}/{repo}/{sha}", put(coverage::put))
        .route("/api/v1/deployments", post(deployments::post))
        .route("/api/v1/incidents", get(incidents::get).post(incidents::post))
        .route("/api/v1/causes", post(incidents::cause));
    let rest = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/", get(pages::index))
        .route("/histories", get(pages::histories))
        .route("/learning", get(models::page))
        .route("/assessments/{id}", get(pages::assessment))
        .route("/assets/mergecast.css", get(pages::stylesheet))
        .route("/api/v1/openapi.json", get(pages::openapi))
        .route("/api/v1/sources", get(sources::show))
        .route("/api/v1/dora", get(dora::show))
        .route("/api/v1/learning", get(models::show))
        .route("/api/v1/learning/report", get(models::report))
        .route("/api/v1/learning/activate", post(models::put_in_force))
        .route("/api/v1/learning/rollback", post(models::take_back))
        .route("/api/v1/assessments/{owner}/{repo}/{pull}", get(pages::by_pull_request))
        .route("/api/v1/assessments/{owner}/{repo}/by-sha/{sha}", get(pages::by_sha))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT));
    let metrics = if with_metrics { metrics_route() } else { Router::new() };
    bounded(webhooks.merge(paging).merge(uploads).merge(rest).merge(metrics), app)
}

/// What is served on an address for metrics alone.
pub(super) fn metrics_router(app: Arc<App>) -> Router {
    bounded(metrics_route(), app)
}

fn metrics_route() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(metrics::show)).layer(RequestBodyLimitLayer::new(BODY_LIMIT))
}

/// Answers for whatever is not there, and no request without an end.
fn bounded(router: Router<Arc<App>>, app: Arc<App>) -> Router {
    let Timing { body_pause, request, .. } = app.timing;
    router
        .fallback(pages::nowhere)
        .method_not_allowed_fallback(pages::not_so)
        .layer(RequestBodyTimeoutLayer::new(body_pause))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, request))
        .layer(CatchPanicLayer::new())
        .layer(MapRequestLayer::new(lingering))
        .with_state(app)
}

/// Serves until `stop`; then takes no new connection, lets open requests end, and returns.
pub(super) async fn serve(listener: TcpListener, router: Router, header: Duration, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = places.clone().acquire_owned() => place.expect("the semaphore is never closed"),
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = graceful.watch(connection(stream, router.clone(), header));
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%peer, %error, "connection ended early");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors: accepting again at once would only spin.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open after {DRAIN:?} and were cut off");
    }
}

fn connection(
    stream: TcpStream,
    router: Router,
    header: Duration,
) -> hyper::server::conn::http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>> {
    // Answers are small and whole: waiting to fill a packet only adds delay.
    let _ = stream.set_nodelay(true);
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

/// Binds the address, with a sentence that says what to do when it cannot be had.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!("cannot listen on {address}: {error}\nhint: choose another address with MERGECAST_LISTEN")
    })
}
