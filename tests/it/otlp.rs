//! Spans arrive at an OpenTelemetry collector, say what they are about, and hold no secret.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::Uri};
use mergecast::{
    clock::Clock,
    github::sim::{Fault, FaultKind, FaultOn, Sim, SimOptions, Times},
};
use secrecy::ExposeSecret;

use crate::{program::Server, work::change};

type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector that keeps what it is sent, as it is: the names and values in protobuf are plain text.
async fn collector() -> (String, Taken) {
    async fn take(State(taken): State<Taken>, uri: Uri, body: Bytes) {
        taken.lock().unwrap().push((uri.path().to_owned(), body.to_vec()));
    }
    let taken = Taken::default();
    let router = Router::new().fallback(take).with_state(taken.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, taken)
}

#[test]
fn spans_arrive_and_hold_no_secret() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (endpoint, taken) = collector().await;
        let clock = Clock::system();
        let sim = Sim::start(SimOptions::new(move || clock.now())).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let app = sim.app();
        let environment = [
            ("GITHUB_PRIVATE_KEY", app.private_key_pem.expose_secret()),
            ("GITHUB_WEBHOOK_SECRET", app.webhook_secret.expose_secret()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ];
        let mut server = Server::spawn_with(&sim, directory.path(), &environment);
        let address = server.listening().await;
        sim.deliver_to(&format!("http://{address}/webhooks/github"));
        sim.fault(Fault { on: FaultOn::any(), kind: FaultKind::Status(401), times: Times::Next(3) });
        sim.fault(Fault { on: FaultOn::any(), kind: FaultKind::Status(500), times: Times::Next(2) });
        sim.repository("acme/shop").open(change(1));
        server.quiet(&sim).await;
        // The end sends what is still held.
        server.stop();
        tokio::time::sleep(Duration::ZERO).await;

        let taken = taken.lock().unwrap();
        assert!(!taken.is_empty() && taken.iter().all(|(path, _)| path == "/v1/traces"));
        let all: String = taken.iter().map(|(_, body)| String::from_utf8_lossy(body)).collect();
        for said in ["mergecast", "job", "delivery.id", "pr.number", "repository", "acme/shop"] {
            assert!(all.contains(said), "{said} is in the spans");
        }
        let key = app.private_key_pem.expose_secret().lines().nth(1).unwrap();
        for secret in ["ghs_", "eyJ", app.webhook_secret.expose_secret(), key] {
            assert!(!all.contains(secret), "a secret is in the spans");
        }
    });
}
