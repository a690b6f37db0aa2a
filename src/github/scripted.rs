//! A scripted GitHub for the adapter's own tests: raw HTTP on a socket, so that it can also do what no server should.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{AppCredentials, CheckRunLook, GitHub, Installation, Options, RepoName, Urls};
use crate::clock::Clock;

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.target.split('?').next() == Some(path)
    }
}

/// What is answered.
#[derive(Clone)]
pub(super) enum Reply {
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection ends without an answer.
    Reset,
    /// No answer, ever.
    Silence,
    /// Headers that announce this many bytes, then as many.
    Flood(usize),
}

pub(super) fn json(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, Vec::new(), body.to_string().into_bytes())
}

pub(super) fn with(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Reply {
    let headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
    Reply::Answer(status, headers, body.to_string().into_bytes())
}

/// The instant at which the scripted tests happen.
pub(super) fn start_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("an instant")
}

pub(super) fn repo() -> RepoName {
    RepoName::parse("acme/shop").expect("a name")
}

pub(super) fn look() -> CheckRunLook {
    CheckRunLook { app_id: 7, name: "mergecast/risk".to_owned() }
}

pub(super) const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// A private key of its own for each test run; none stands in the repository.
pub(super) static KEY: LazyLock<String> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key");
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
});

pub(super) struct Scripted {
    pub(super) clock: Clock,
    pub(super) github: GitHub,
    log: Arc<Mutex<Vec<Asked>>>,
    mints: Arc<AtomicUsize>,
}

impl Scripted {
    /// Serves what `script` says; where it says nothing, requests for tokens get one and all else is 404.
    pub(super) async fn start(script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::start_below("", script).await
    }

    /// The same with the API below `prefix`.
    pub(super) async fn start_below(
        prefix: &str,
        script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let base = Url::parse(&format!("http://{address}{prefix}")).expect("an address");
        let (log, mints) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (log_too, mints_too, script) = (Arc::clone(&log), Arc::clone(&mints), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, mints, script) = (Arc::clone(&log_too), Arc::clone(&mints_too), Arc::clone(&script));
                tokio::spawn(async move {
                    let mut stream = stream;
                    let asked = read(&mut stream).await?;
                    log.lock().expect("no script panics while it holds the log").push(asked.clone());
                    let reply = script(&asked).unwrap_or_else(|| unscripted(&asked, &mints));
                    write(&mut stream, reply).await
                });
            }
        });
        let clock = Clock::manual(start_time());
        let credentials = AppCredentials {
            app_id: 7,
            client_id: Some("Iv23liExample".to_owned()),
            private_key_pem: SecretString::from(KEY.as_str()),
        };
        let options = Options { deadline: Duration::from_millis(700), ..Options::default() };
        let urls = Urls::new(base).expect("an http address");
        let github = GitHub::new(credentials, urls, clock.clone(), options).expect("good credentials");
        Self { clock, github, log, mints }
    }

    pub(super) fn installation(&self) -> Installation {
        self.github.installation(1)
    }

    /// How many tokens were given out.
    pub(super) fn mints(&self) -> usize {
        self.mints.load(Ordering::SeqCst)
    }

    /// How many requests came, tokens included, since [`Scripted::asked`].
    pub(super) fn log_len(&self) -> usize {
        self.log.lock().expect("no script panics while it holds the log").len()
    }

    /// What was asked, tokens apart, and forgets it.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let mut log = std::mem::take(&mut *self.log.lock().expect("no script panics while it holds the log"));
        log.retain(|a| !a.target.contains("/access_tokens"));
        log
    }
}

/// The token that is given out as the `n`th.
pub(super) fn token(n: usize) -> String {
    format!("ghs_SECRETTOKEN{n}.with.dots")
}

fn unscripted(asked: &Asked, mints: &AtomicUsize) -> Reply {
    if !asked.target.ends_with("/access_tokens") {
        return json(404, &json!({"message": "Not Found"}));
    }
    let n = mints.fetch_add(1, Ordering::SeqCst) + 1;
    let expires = start_time() + chrono::TimeDelta::hours(n as i64);
    json(201, &json!({"token": token(n), "expires_at": expires, "permissions": {"checks": "write", "members": "read"}}))
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut request = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (request.next()?, request.next()?);
    let header = |l: &str| l.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()));
    let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        stream.read_buf(&mut body).await.ok()?;
    }
    Some(Asked { method, target, headers, body: String::from_utf8(body).ok()? })
}

async fn write(stream: &mut TcpStream, reply: Reply) -> Option<()> {
    let (status, headers, body) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, body),
        Reply::Reset => return None,
        Reply::Silence => return std::future::pending().await,
        Reply::Flood(bytes) => (200, Vec::new(), vec![b' '; bytes]),
    };
    let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.flush().await.ok()
}
