//! Spans to an OpenTelemetry collector, if `OTEL_EXPORTER_OTLP_ENDPOINT` names one. Off otherwise, at no cost.
//!
//! What goes there is what the log says too: names of spans and their fields, which hold no secret.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::{Handle, Runtime};
use tracing::Level;
use tracing_subscriber::{Layer, Registry, filter::Targets};

/// Standard names of OpenTelemetry's settings; their parsing is left to its own library.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// Longest time for one batch to arrive, and for the last one at the end.
const DEADLINE: Duration = Duration::from_secs(5);

/// What takes note of spans.
pub(super) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The way to the collector.
pub(super) struct Spans {
    provider: SdkTracerProvider,
    runtime: Runtime,
}

impl Spans {
    /// Sends on what is still held.
    pub(super) fn end(self) {
        // Nobody is left to tell if the collector does not take it.
        let _ = self.provider.shutdown_with_timeout(DEADLINE);
        self.runtime.shutdown_background();
    }
}

/// A layer that sends spans on, if a collector is named. One that cannot be used is told on standard error; the program
/// runs all the same.
pub(super) fn start(wanted: bool) -> Option<(SpanLayer, Spans)> {
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if !wanted || !ENDPOINTS.iter().any(set) {
        return None;
    }
    match connect() {
        Ok(started) => Some(started),
        Err(error) => {
            anstream::eprintln!("warning: spans are not sent: {error:#}");
            None
        }
    }
}

fn connect() -> anyhow::Result<(SpanLayer, Spans)> {
    // Its own: spans are sent from a thread of OpenTelemetry's, before the program's runtime begins and after it ends.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(DEADLINE).build()?;
    let client = Client { http, runtime: runtime.handle().clone(), failing: AtomicBool::new(false) };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build()?;
    let name = std::env::var(SERVICE_NAME).ok().filter(|name| !name.is_empty());
    let resource = Resource::builder().with_service_name(name.unwrap_or_else(|| "mergecast".to_owned())).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("mergecast"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        // Only our own spans: those of the client that sends them would never end.
        .with_filter(Targets::new().with_target("mergecast", Level::INFO));
    Ok((layer.boxed(), Spans { provider, runtime }))
}

/// Sends batches with the HTTP client that the program has anyway.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the last batch did not arrive, so that a collector that is down is one line of the log.
    failing: AtomicBool,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move { send(&http, request).await }).await;
        let answer = sent.unwrap_or_else(|_| Err(io::Error::other("the sender ended").into()));
        let failed = !answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        if self.failing.swap(failed, Ordering::Relaxed) != failed {
            if failed {
                tracing::warn!("spans do not arrive at the OpenTelemetry collector; they are dropped");
            } else {
                tracing::info!("spans arrive at the OpenTelemetry collector again");
            }
        }
        answer
    }
}

async fn send(http: &reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    // The address may hold a password; an error without it says enough.
    let answer = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    Ok(response.body(answer.bytes().await.map_err(reqwest::Error::without_url)?)?)
}
