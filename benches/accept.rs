//! How fast deliveries are accepted durably, beside the plainest server that could do it, in turns in the same run.
//! Both check the signature and commit before they answer; the plain one commits each delivery by itself.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use mergecast::{
    clock::Clock,
    github::{
        AppCredentials, GitHub, Options, Urls,
        sim::{Sim, SimApp, SimOptions},
        webhook::verify,
    },
    service::{Links, Operations, Service, Settings, Timing},
    store::{Store, StoreOptions, StorePath},
};
use rusqlite::Connection;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Size of a delivery's body, in bytes; GitHub's are usually between 10 and 30 KB.
const BODY_BYTES: usize = 25_000;
/// Page size of the database, the product's own.
const PAGE_BYTES: u32 = 32 * 1024;
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Turns that each server gets for each number of connections.
const TURNS: usize = 5;
/// Length of a turn.
const TURN: Duration = Duration::from_secs(3);
/// Starts of the program that are timed.
const STARTS: usize = 7;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    // Beside the build, which lies on a disk; the system's temporary directory may lie in memory.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let clock = Clock::system();
    let sim = Sim::start(SimOptions::new(move || clock.now())).await?;
    let app = sim.app();
    println!("one write of 32 KB with fdatasync: {:.2?} (median of 200)", sync_time(directory.path())?);
    let delivery = Arc::new(Delivery::new(&app.webhook_secret));

    let product = product(directory.path(), &sim, &app).await?;
    let plain = plain(directory.path(), app.webhook_secret.clone()).await?;
    println!("connections | Mergecast /s, p50, p99 | plain /s, p50, p99 | ratio");
    for connections in CONNECTIONS {
        let (mut ours, mut theirs) = (Figures::default(), Figures::default());
        for _ in 0..TURNS {
            ours.add(turn(product.address(), &delivery, connections).await?);
            theirs.add(turn(plain, &delivery, connections).await?);
        }
        println!("{connections} | {ours} | {theirs} | {:.2}", ours.rate() / theirs.rate());
    }
    product.stop().await;

    let (mut starts, mut memory) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let (time, kilobytes) = cold_start(&sim, &app, &delivery).await?;
        starts.push(time);
        memory = kilobytes.max(memory);
    }
    starts.sort();
    println!(
        "from the start of the process, without a database, to the first 202: {:.1?} (median)",
        starts[STARTS / 2]
    );
    println!("resident memory two seconds later: {:.1} MB", memory as f64 / 1024.0);
    Ok(())
}

/// How often and how fast a server answered.
#[derive(Default)]
struct Figures {
    answers: usize,
    time: Duration,
    latencies: Vec<Duration>,
}

impl Figures {
    fn add(&mut self, turn: Self) {
        self.answers += turn.answers;
        self.time += turn.time;
        self.latencies.extend(turn.latencies);
        self.latencies.sort();
    }

    fn rate(&self) -> f64 {
        self.answers as f64 / self.time.as_secs_f64()
    }

    fn share(&self, share: f64) -> Duration {
        self.latencies[((self.latencies.len() - 1) as f64 * share) as usize]
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}, {:.1?}, {:.1?}", self.rate(), self.share(0.5), self.share(0.99))
    }
}

/// A signed delivery of which nothing follows but that it is stored.
struct Delivery {
    body: Vec<u8>,
    signature: String,
}

impl Delivery {
    fn new(secret: &SecretString) -> Self {
        let mut payload = json!({
            "ref": "refs/heads/main",
            "installation": {"id": 1},
            "repository": {"id": 2, "full_name": "acme/shop", "name": "shop", "owner": {"login": "acme"}},
            "filler": "",
        });
        let mut random = fastrand::Rng::with_seed(1);
        let missing = BODY_BYTES - payload.to_string().len();
        payload["filler"] = (0..missing).map(|_| random.alphanumeric()).collect::<String>().into();
        let body = payload.to_string().into_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("any length is a key");
        mac.update(&body);
        Self { signature: format!("sha256={}", hex::encode(mac.finalize().into_bytes())), body }
    }

    fn request(&self, id: &str) -> Vec<u8> {
        let mut request = format!(
            "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             x-github-event: push\r\nx-github-delivery: {id}\r\nx-hub-signature-256: {}\r\ncontent-length: {}\r\n\r\n",
            self.signature,
            self.body.len()
        )
        .into_bytes();
        request.extend_from_slice(&self.body);
        request
    }
}

/// Sends deliveries over so many connections, on each one after the other.
async fn turn(address: SocketAddr, delivery: &Arc<Delivery>, connections: usize) -> Result<Figures, Failure> {
    let start = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let delivery = delivery.clone();
        senders.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut latencies = Vec::new();
            while start.elapsed() < TURN {
                let request = delivery.request(&uuid::Uuid::now_v7().to_string());
                let sent = Instant::now();
                stream.write_all(&request).await?;
                match answer(&mut stream).await? {
                    202 => latencies.push(sent.elapsed()),
                    other => return Err(Failure::from(format!("answered with {other}"))),
                }
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(sender) = senders.join_next().await {
        latencies.extend(sender??);
    }
    Ok(Figures { answers: latencies.len(), time: start.elapsed(), latencies })
}

/// Reads one small answer to its end; gives its status.
async fn answer(stream: &mut TcpStream) -> Result<u16, Failure> {
    let (mut text, mut chunk) = (Vec::new(), [0; 2048]);
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Err("the connection ended".into());
        }
        text.extend_from_slice(&chunk[..read]);
        let head = String::from_utf8_lossy(&text).to_ascii_lowercase();
        let Some(end) = head.find("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if text.len() >= end + 4 + length.map_or(Ok(0), str::parse)? {
            return Ok(head[9..12].parse()?);
        }
    }
}

async fn product(directory: &Path, sim: &Sim, app: &SimApp) -> Result<Service, Failure> {
    let credentials = AppCredentials {
        app_id: app.app_id,
        client_id: Some(app.client_id.clone()),
        private_key_pem: app.private_key_pem.clone(),
    };
    let (clock, urls) = (Clock::system(), Urls::new(sim.api_url().parse()?)?);
    let settings = Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        store: Store::open(StoreOptions::new(StorePath::File(directory.join("mergecast.db")))).await?,
        github: GitHub::new(credentials, urls, clock.clone(), Options::default())?,
        app_id: app.app_id,
        webhook_secrets: vec![app.webhook_secret.clone()],
        links: Links::default(),
        workers: 4,
        clock,
        timing: Timing::default(),
        operations: Operations::default(),
    };
    Ok(Service::start(settings).await?)
}

/// The plainest server that keeps what it acknowledges.
struct Plain {
    secrets: Vec<SecretString>,
    database: Mutex<Connection>,
}

async fn plain(directory: &Path, secret: SecretString) -> Result<SocketAddr, Failure> {
    let database = Connection::open(directory.join("plain.db"))?;
    database.pragma_update(None, "page_size", PAGE_BYTES)?;
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch("CREATE TABLE inbox (id TEXT PRIMARY KEY, event TEXT NOT NULL, body BLOB NOT NULL)")?;
    let state = Arc::new(Plain { secrets: vec![secret], database: Mutex::new(database) });
    let router = Router::new().route("/webhooks/github", post(keep)).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn keep(State(plain): State<Arc<Plain>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if !verify(&plain.secrets, &text("x-hub-signature-256"), &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let (id, event) = (text("x-github-delivery"), text("x-github-event"));
    let kept = tokio::task::spawn_blocking(move || {
        let database = plain.database.lock().expect("nothing panics while it holds the database");
        let mut insert = database.prepare_cached("INSERT OR IGNORE INTO inbox VALUES (?1, ?2, ?3)")?;
        insert.execute((id, event, &body[..]))
    });
    match kept.await {
        Ok(Ok(_)) => StatusCode::ACCEPTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Time of one synced write to the disk that the databases lie on.
fn sync_time(directory: &Path) -> Result<Duration, Failure> {
    let mut file = File::create(directory.join("sync"))?;
    file.write_all(&vec![1; 8 * 1024 * 1024])?;
    file.sync_all()?;
    let page = vec![2; PAGE_BYTES as usize];
    let mut times = Vec::new();
    for number in 0..200 {
        let start = Instant::now();
        file.write_all_at(&page, number * u64::from(PAGE_BYTES))?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[100])
}

/// Starts the program on an empty directory: time to its first 202, and its memory in KB when it rests.
async fn cold_start(sim: &Sim, app: &SimApp, delivery: &Delivery) -> Result<(Duration, u64), Failure> {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mergecast"))
        .arg("serve")
        .env("MERGECAST_LISTEN", address.to_string())
        .env("MERGECAST_DATABASE", format!("sqlite://{}", directory.path().join("mergecast.db").display()))
        .env("GITHUB_APP_ID", app.app_id.to_string())
        .env("GITHUB_PRIVATE_KEY", app.private_key_pem.expose_secret())
        .env("GITHUB_WEBHOOK_SECRET", app.webhook_secret.expose_secret())
        .env("GITHUB_API_URL", sim.api_url())
        .current_dir(directory.path())
        .stderr(Stdio::null())
        .spawn()?;
    let first = loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            stream.write_all(&delivery.request("first")).await?;
            break answer(&mut stream).await.map(|status| (status, start.elapsed()));
        }
        if start.elapsed() > Duration::from_secs(20) {
            break Err("the program does not start".into());
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    child.kill()?;
    child.wait()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    match first? {
        (202, time) => Ok((time, memory.unwrap_or_default())),
        (other, _) => Err(format!("the first delivery was answered with {other}").into()),
    }
}
