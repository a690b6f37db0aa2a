//! What the program costs at rest: memory, and the time from the start of the process to the first 202, without a database
//! and with a million stored deliveries.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use mergecast::{
    clock::Clock,
    github::sim::{Sim, SimApp, SimOptions},
    store::{Store, StoreOptions, StorePath},
};
use rusqlite::Connection;
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Stored deliveries; `MERGECAST_DELIVERIES` sets another number.
const DELIVERIES: i64 = 1_000_000;
/// Bytes of a stored body: small, so that the disk of a laptop does for a million. Neither start nor rest reads bodies.
const BODY_BYTES: usize = 300;
/// Starts that are timed, after one that fills the caches of the disk.
const STARTS: usize = 7;
/// How long it rests before its memory is read.
const REST: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let clock = Clock::system();
    let sim = Sim::start(SimOptions::new(move || clock.now())).await?;
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{profile} build, medians of {STARTS} starts");
    println!("database | start to the first 202 | limit | memory at rest | limit");
    let stored = std::env::var("MERGECAST_DELIVERIES").map_or(Ok(DELIVERIES), |text| text.parse())?;
    for (deliveries, limit_ms) in [(0, 100), (stored, 500)] {
        // Beside the build, which lies on a disk; the system's temporary directory may lie in memory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        if deliveries > 0 {
            fill(&directory.path().join("mergecast.db"), deliveries).await?;
        }
        let (mut starts, mut memory) = (Vec::new(), 0);
        for n in 0..=STARTS {
            if deliveries == 0 {
                fs::remove_dir_all(directory.path())?;
                fs::create_dir(directory.path())?;
            }
            let rest = if n == STARTS { REST } else { Duration::ZERO };
            let (time, kilobytes) = start(&sim.app(), &sim.api_url(), directory.path(), n, rest).await?;
            starts.push(time);
            memory = kilobytes;
        }
        starts.remove(0);
        starts.sort();
        println!(
            "{deliveries} deliveries | {:.1?} | {limit_ms} ms | {:.1} MB | 25 MB",
            starts[STARTS / 2],
            memory as f64 / 1024.0
        );
    }
    sim.stop();
    Ok(())
}

/// A database as the program itself makes it, with deliveries of the last weeks that are done.
async fn fill(file: &Path, deliveries: i64) -> Result<(), Failure> {
    Store::open(StoreOptions::new(StorePath::File(file.to_owned()))).await?.close().await;
    let mut database = Connection::open(file)?;
    database.pragma_update(None, "synchronous", "OFF")?;
    let now = Clock::system().now_ms();
    let body = vec![b' '; BODY_BYTES];
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare(
            "INSERT INTO inbox (delivery_id, event, action, installation_id, received_at, state, run_at, done_at, body) \
             VALUES (?1, 'pull_request', 'synchronize', 1, ?2, 'done', ?2, ?2, ?3)",
        )?;
        for n in 0..deliveries {
            // Ids as random as GitHub's: the index is as scattered as it would be.
            let id = format!("{:016x}-{n}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            insert.execute((id, now - (deliveries - n) * 5_000, &body))?;
        }
    }
    transaction.commit()?;
    database.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
    Ok(())
}

/// Starts the program; gives the time to its first 202, and its memory in KB after a rest.
async fn start(
    app: &SimApp,
    api: &str,
    directory: &Path,
    n: usize,
    rest: Duration,
) -> Result<(Duration, u64), Failure> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let body = format!("{{\"zen\":\"{n}\"}}");
    let mut mac = Hmac::<Sha256>::new_from_slice(app.webhook_secret.expose_secret().as_bytes())?;
    mac.update(body.as_bytes());
    let request = format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-github-event: ping\r\n\
         x-github-delivery: {}\r\nx-hub-signature-256: sha256={}\r\ncontent-length: {}\r\n\r\n{body}",
        uuid::Uuid::now_v7(),
        hex::encode(mac.finalize().into_bytes()),
        body.len()
    );
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mergecast"))
        .arg("serve")
        .env("MERGECAST_LISTEN", address.to_string())
        .env("MERGECAST_DATABASE", format!("sqlite://{}", directory.join("mergecast.db").display()))
        .env("GITHUB_APP_ID", app.app_id.to_string())
        .env("GITHUB_PRIVATE_KEY", app.private_key_pem.expose_secret())
        .env("GITHUB_WEBHOOK_SECRET", app.webhook_secret.expose_secret())
        .env("GITHUB_API_URL", api)
        .current_dir(directory)
        .stderr(Stdio::null())
        .spawn()?;
    let first = loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            stream.write_all(request.as_bytes()).await?;
            let mut status = [0; 12];
            stream.read_exact(&mut status).await?;
            break String::from_utf8_lossy(&status[9..]).into_owned();
        }
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill()?;
            return Err("the program does not start".into());
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    };
    let time = begun.elapsed();
    tokio::time::sleep(rest).await;
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    child.kill()?;
    child.wait()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    if first == "202" { Ok((time, memory.unwrap_or_default())) } else { Err(format!("answered with {first}").into()) }
}
