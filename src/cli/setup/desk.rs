//! The desk: a page on this machine that hands the manifest out and takes the code in, once.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use askama::Template;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::page::{Ask, Failed, Made};
use crate::{
    github::{Manifest, PERMISSIONS},
    report::page::{CSS, CSS_PATH},
};

/// How long the last page may take to reach the browser.
const GOODBYE: Duration = Duration::from_secs(3);
/// Longer than any code of GitHub's.
const CODE_MAX: usize = 256;
const SCRIPT: &str = "document.forms[0].submit();\n";
/// Nothing but what the desk itself serves. No form-action: browsers hold redirects after the form to it as well, and an
/// Enterprise Server may send the person to its sign-in elsewhere first.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What nobody else on this machine or in the browser knows.
pub(super) struct Secrets {
    /// Opens the page.
    pub(super) key: SecretString,
    /// Proves that what comes back from GitHub began on the page.
    pub(super) state: SecretString,
}

/// The running desk.
pub(super) struct Desk {
    address: SocketAddr,
    url: SecretString,
    codes: mpsc::Receiver<Handover>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// A code that came in with the right state, and the browser that waits for what comes of it.
pub(super) struct Handover {
    code: SecretString,
    answer: oneshot::Sender<Result<Made, String>>,
}

impl Handover {
    /// The code.
    pub(super) fn code(&self) -> &SecretString {
        &self.code
    }

    /// Tells the browser how it ended.
    pub(super) fn answer(self, made: Result<Made, String>) {
        // A browser that went away learns it from the terminal.
        let _ = self.answer.send(made);
    }
}

/// What the handlers share.
struct Form {
    key: SecretString,
    html: String,
    /// Gone once it was used.
    state: Mutex<Option<SecretString>>,
    codes: mpsc::Sender<Handover>,
}

impl Desk {
    /// Listens on `listen`; the form is sent to `action`.
    pub(super) async fn open(
        listen: SocketAddr,
        secrets: Secrets,
        action: Url,
        manifest: Manifest,
        owner: &str,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        let manifest = Manifest { redirect_url: Some(format!("http://{address}/created")), ..manifest };
        let ask = Ask {
            action: action.as_str(),
            host: action.host_str().unwrap_or("GitHub"),
            manifest: &serde_json::to_string(&manifest)?,
            name: &manifest.name,
            owner,
            hook: &manifest.hook_attributes.url,
            permissions: PERMISSIONS,
        };
        let url = format!("http://{address}/?key={}", secrets.key.expose_secret()).into();
        // One is all that is ever sent.
        let (sender, codes) = mpsc::channel(1);
        let form =
            Form { html: ask.render()?, key: secrets.key, state: Mutex::new(Some(secrets.state)), codes: sender };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let server = tokio::spawn(async move {
            let serving = axum::serve(listener, router(Arc::new(form)));
            let served = serving.with_graceful_shutdown(async move { stopped.cancelled().await }).await;
            if let Err(error) = served {
                tracing::warn!(%error, "the page of setup ended early");
            }
        });
        Ok(Self { address, url, codes, stop, server })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that opens it.
    pub(super) fn url(&self) -> &SecretString {
        &self.url
    }

    /// The code that GitHub sent the person back with.
    pub(super) async fn code(&mut self) -> Option<Handover> {
        self.codes.recv().await
    }

    /// Lets the last page go out.
    pub(super) async fn close(self) {
        self.stop.cancel();
        // A browser that keeps its connection open is cut off with the process.
        let _ = tokio::time::timeout(GOODBYE, self.server).await;
    }
}

fn router(form: Arc<Form>) -> Router {
    Router::new()
        .route("/", get(ask))
        .route("/created", get(created))
        .route("/send.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], SCRIPT) }))
        .route(CSS_PATH, get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], CSS) }))
        .with_state(form)
}

#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    key: String,
}

async fn ask(State(form): State<Arc<Form>>, query: Result<Query<Key>, QueryRejection>) -> Response {
    match query {
        Ok(Query(Key { key })) if same(&form.key, &key) => page(StatusCode::OK, form.html.clone()),
        _ => failed(StatusCode::FORBIDDEN, "This is not the address that setup printed", "copy the whole address"),
    }
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

async fn created(State(form): State<Arc<Form>>, query: Result<Query<Back>, QueryRejection>) -> Response {
    let Ok(Query(Back { code, state })) = query else {
        return failed(StatusCode::BAD_REQUEST, "This address cannot be read", "");
    };
    if code.is_empty() || code.len() > CODE_MAX {
        return failed(StatusCode::BAD_REQUEST, "GitHub sent no code along", "go back and create the App again");
    }
    if let Err(refusal) = form.redeem(&state) {
        return refused(&refusal);
    }
    let (answer, answered) = oneshot::channel();
    let handover = Handover { code: code.into(), answer };
    let gone = "setup has ended already";
    if form.codes.send(handover).await.is_err() {
        return failed(StatusCode::GONE, gone, "");
    }
    match answered.await {
        Ok(Ok(made)) => rendered(StatusCode::OK, &made),
        Ok(Err(why)) => {
            let (why, hint) = why.split_once("\nhint: ").unwrap_or((&why, ""));
            failed(StatusCode::BAD_GATEWAY, why, hint)
        }
        Err(_) => failed(StatusCode::GONE, gone, ""),
    }
}

/// Why a state is not taken.
enum Refusal {
    /// It was taken before.
    Used,
    /// It is none of ours.
    Foreign,
}

impl Form {
    /// Uses the state up, if this is it.
    fn redeem(&self, state: &str) -> Result<(), Refusal> {
        let mut expected = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let right = expected.as_ref().ok_or(Refusal::Used)?;
        if !same(right, state) {
            return Err(Refusal::Foreign);
        }
        *expected = None;
        Ok(())
    }
}

fn refused(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Used => failed(StatusCode::GONE, "This was used already", "the terminal says how it ended"),
        Refusal::Foreign => {
            anstream::eprintln!("warning: somebody came back from GitHub with a state that is not ours: refused");
            let hint = "open the address that setup printed, and create the App from there";
            failed(StatusCode::FORBIDDEN, "This did not begin on the page that setup showed", hint)
        }
    }
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
fn same(right: &SecretString, given: &str) -> bool {
    verify_slices_are_equal(right.expose_secret().as_bytes(), given.as_bytes()).is_ok()
}

fn failed(status: StatusCode, why: &str, hint: &str) -> Response {
    rendered(status, &Failed { why, hint })
}

fn rendered(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => page(status, html),
        Err(error) => {
            tracing::error!(%error, "a page of setup cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn page(status: StatusCode, html: String) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    (status, headers, Html(html)).into_response()
}
