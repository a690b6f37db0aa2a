//! A git server over HTTP: git's own upload-pack behind two routes. It notes what it is asked, can hold a transfer, and can
//! answer otherwise.

use std::{
    io::{Read, Write},
    net::Ipv4Addr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use tokio::{net::TcpListener, sync::watch};

/// What a request was.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// How it answers.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// As git does.
    Serve,
    /// With this status to the next request, then as git does.
    Once(u16),
    /// With a redirect.
    Redirect(String),
}

struct Shared {
    base: PathBuf,
    asked: Mutex<Vec<Asked>>,
    mode: Mutex<Mode>,
    held: watch::Sender<bool>,
}

/// The server.
#[derive(Clone)]
pub(crate) struct GitServer {
    shared: Arc<Shared>,
    pub(crate) url: String,
}

impl GitServer {
    /// Serves the repositories below `base`.
    pub(crate) async fn start(base: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = watch::channel(false).0;
        let shared = Arc::new(Shared { base, asked: Mutex::default(), mode: Mutex::new(Mode::Serve), held });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, url }
    }

    pub(crate) fn mode(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// Holds transfers back, or lets them go on.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.held.send_replace(held);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Waits until a transfer has been asked for.
    pub(crate) async fn transfer(&self) {
        for _ in 0..5_000 {
            if self.asked().iter().filter(|each| each.path.ends_with("/git-upload-pack")).count() >= 2 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("nothing is fetched: {:?}", self.asked());
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let text = |name| Some(parts.headers.get(name)?.to_str().unwrap().to_owned());
    let asked = Asked { path: path.clone(), authorization: text("authorization") };
    shared.asked.lock().unwrap().push(asked);
    let mode = {
        let mut mode = shared.mode.lock().unwrap();
        let now = mode.clone();
        if matches!(now, Mode::Once(_)) {
            *mode = Mode::Serve;
        }
        now
    };
    match mode {
        Mode::Once(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Mode::Redirect(to) => {
            return (StatusCode::FOUND, [(header::LOCATION, format!("{to}{}", parts.uri))]).into_response();
        }
        Mode::Serve => {}
    }
    let body = plain(&parts.headers, body.collect().await.unwrap().to_bytes());
    let Some((repository, service)) = path.split_once(".git/") else { return StatusCode::NOT_FOUND.into_response() };
    let repository = shared.base.join(format!("{}.git", repository.trim_start_matches('/')));
    if !repository.is_dir() {
        return StatusCode::NOT_FOUND.into_response();
    }
    if body.windows(13).any(|window| window == b"command=fetch") {
        let mut held = shared.held.subscribe();
        held.wait_for(|held| !held).await.unwrap();
    }
    let protocol = text("git-protocol").unwrap_or_default();
    let (arguments, kind): (&[&str], _) = match service {
        "info/refs" => (&["--http-backend-info-refs"], "application/x-git-upload-pack-advertisement"),
        _ => (&["--stateless-rpc"], "application/x-git-upload-pack-result"),
    };
    let arguments: Vec<String> = arguments.iter().map(|each| (*each).to_owned()).collect();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = Command::new("git")
            .arg("upload-pack")
            .args(arguments)
            .arg(repository)
            .env("GIT_PROTOCOL", protocol)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || drop(input.write_all(&body)));
        let mut printed = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut printed).unwrap();
        writer.join().unwrap();
        child.wait().unwrap();
        printed
    });
    ([(header::CONTENT_TYPE, kind)], output.await.unwrap()).into_response()
}

/// git compresses long requests.
fn plain(headers: &HeaderMap, body: Bytes) -> Vec<u8> {
    if headers.get(header::CONTENT_ENCODING).is_none() {
        return body.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    plain
}
