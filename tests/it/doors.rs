//! What the doors stand: bodies too large, clients too slow, a disk that is full, credentials that are refused.

use std::time::{Duration, Instant};

use mergecast::{
    github::sim::{Fault, FaultKind, FaultOn, Times},
    service::Timing,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    coverage::{TOKEN, lcov, token},
    logs,
    post::Post,
    support::{Ctx, Setup, run_test, run_test_with},
    work::change,
};

/// GitHub's cap on payloads.
const CAP: usize = 25 * 1024 * 1024;

async fn connect(ctx: &Ctx) -> TcpStream {
    TcpStream::connect(ctx.service().address()).await.unwrap()
}

/// Header of a signed delivery up to, and without, its last line.
fn head(post: &Post) -> String {
    let [id, event, kind, signature] =
        [&post.id, &post.event, &post.content_type, &post.signature].map(|part| part.clone().unwrap());
    format!(
        "POST /webhooks/github HTTP/1.1\r\nHost: mergecast\r\nX-GitHub-Delivery: {id}\r\nX-GitHub-Event: {event}\r\n\
         Content-Type: {kind}\r\nX-Hub-Signature-256: {signature}\r\n"
    )
}

/// All that the server says until it hangs up; an error on the way counts as that.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = async {
        let mut part = [0; 4_096];
        while let Ok(length @ 1..) = stream.read(&mut part).await {
            said.extend_from_slice(&part[..length]);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("the server hangs up");
    String::from_utf8_lossy(&said).into_owned()
}

fn rows(ctx: &Ctx) -> i64 {
    rows_of(ctx, "inbox")
}

fn rows_of(ctx: &Ctx, table: &str) -> i64 {
    let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
    database.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// A payload of exactly so many bytes.
fn payload(length: usize) -> Vec<u8> {
    let (open, close) = (r#"{"zen":""#, r#""}"#);
    format!("{open}{}{close}", "z".repeat(length - open.len() - close.len())).into_bytes()
}

#[test]
fn what_github_can_send_is_taken_and_more_is_not() {
    run_test(async |ctx| {
        for length in [3 * 1024 * 1024, CAP] {
            let post = Post::new(&ctx, &format!("large-{length}"), "ping", payload(length));
            assert_eq!(post.status(&ctx).await, 202, "{length} bytes");
        }
        // Announced, the body is not waited for.
        let post = Post::new(&ctx, "announced", "ping", b"{}");
        let mut stream = connect(&ctx).await;
        stream.write_all(format!("{}Content-Length: {}\r\n\r\n", head(&post), CAP + 1).as_bytes()).await.unwrap();
        assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 413 "));
        // Not announced, it is cut where it grows too large.
        let mut stream = connect(&ctx).await;
        stream.write_all(format!("{}Transfer-Encoding: chunked\r\n\r\n", head(&post)).as_bytes()).await.unwrap();
        let chunk = [b"100000\r\n".to_vec(), vec![b'z'; 0x10_0000], b"\r\n".to_vec()].concat();
        for _ in 0..26 {
            if stream.write_all(&chunk).await.is_err() {
                break;
            }
        }
        let said = until_closed(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
        assert_eq!(rows(&ctx), 2);
        ctx
    });
}

#[test]
fn a_refusal_is_read_by_who_sends_all_the_same() {
    run_test(async |ctx| {
        let large = 1_048_577;
        let head = format!("POST /webhooks/pagerduty HTTP/1.1\r\nHost: mergecast\r\nContent-Length: {large}\r\n\r\n");
        let next = b"GET /healthz HTTP/1.1\r\nHost: mergecast\r\nConnection: close\r\n\r\n";
        let mut stream = connect(&ctx).await;
        stream.write_all(&[head.as_bytes(), &vec![b'z'; large], next].concat()).await.unwrap();
        let said = until_closed(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
        assert!(said.contains("HTTP/1.1 200 "), "the connection serves on: {said}");
        // Who waits to be asked for the body is not asked.
        let mut stream = connect(&ctx).await;
        stream.write_all(head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
        assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 413 "));
        ctx
    });
}

const QUICK: Timing = Timing {
    merge_group: Duration::from_secs(20),
    burst: Duration::from_secs(3),
    answer_lost: Duration::from_secs(12),
    header: Duration::from_millis(200),
    body_pause: Duration::from_millis(200),
    request: Duration::from_millis(600),
    outage: None,
    secrets: Duration::from_secs(5),
};

#[test]
fn slow_clients_are_cut_off_and_hold_nobody_up() {
    run_test_with(Setup { timing: QUICK, ..Setup::default() }, async |ctx| {
        let post = Post::new(&ctx, "slow", "ping", b"{}");
        let started = Instant::now();
        let mut half_headers = Vec::new();
        for _ in 0..20 {
            let mut stream = connect(&ctx).await;
            stream.write_all(head(&post).as_bytes()).await.unwrap();
            half_headers.push(stream);
        }
        assert_eq!(Post { id: Some("swift".to_owned()), ..post.clone() }.status(&ctx).await, 202);
        for stream in &mut half_headers {
            let said = until_closed(stream).await;
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
        }

        // A body that stops, and one that drips: each byte comes in time, the whole never does.
        let mut stopped = connect(&ctx).await;
        stopped.write_all(format!("{}Content-Length: 2\r\n\r\n{{", head(&post)).as_bytes()).await.unwrap();
        let said = until_closed(&mut stopped).await;
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");

        let (mut reading, mut writing) = connect(&ctx).await.into_split();
        let length = format!("{}Content-Length: 1000\r\n\r\n", head(&post));
        writing.write_all(length.as_bytes()).await.unwrap();
        let drip = tokio::spawn(async move {
            while writing.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut said = [0; 13];
        reading.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"HTTP/1.1 408 ");
        drip.abort();
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        assert_eq!(rows(&ctx), 1, "the swift one alone");
        ctx
    });
}

#[test]
fn a_report_that_comes_too_slowly_is_refused_and_nothing_of_it_is_kept() {
    run_test_with(Setup { timing: QUICK, ..Setup::default() }, async |ctx| {
        let pull = ctx.repository().open(change(1));
        ctx.settle().await;
        token(&ctx).await;
        let mut stream = connect(&ctx).await;
        let head = format!(
            "PUT /api/v1/coverage/acme/shop/{} HTTP/1.1\r\nHost: mergecast\r\nAuthorization: Bearer {TOKEN}\r\n",
            pull.head_sha()
        );
        let report = lcov(9, 9);
        let begun = format!("{head}Content-Length: {}\r\n\r\n{report}", report.len() + 1);
        stream.write_all(begun.as_bytes()).await.unwrap();
        let said = until_closed(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("the body came too slowly"), "{said}");
        assert_eq!(rows_of(&ctx, "coverage_reports"), 0);
        ctx
    });
}

#[test]
fn a_full_disk_refuses_with_a_word_and_takes_again_when_there_is_room() {
    let setup = Setup { max_pages: Some(128), ..Setup::default() };
    run_test_with(setup, async |ctx| {
        let logs = logs::capture();
        let mut kept = 0;
        let refused = loop {
            let id = format!("filler-{kept}");
            let post = Post::new(&ctx, &id, "ping", payload(200_000));
            match post.send(&ctx).await {
                (202, None, _) => kept += 1,
                refused => break (post, refused),
            }
            assert!(kept < 100, "the disk never fills");
        };
        let (post, (status, retry_after, answer)) = refused;
        assert_eq!(status, 503, "{answer}");
        assert!(retry_after.unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(rows(&ctx), kept, "what was refused is not there");
        let line = logs.lines().into_iter().find(|line| line.contains(post.id.as_deref().unwrap())).unwrap();
        assert!(line.contains("ERROR") && line.to_lowercase().contains("disk"), "{line}");

        // Somebody makes room; nothing is restarted.
        let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
        database.busy_timeout(Duration::from_secs(5)).unwrap();
        database.execute("DELETE FROM inbox WHERE delivery_id IN ('filler-0', 'filler-1', 'filler-2')", []).unwrap();
        assert_eq!(post.status(&ctx).await, 202);
        assert_eq!(post.status(&ctx).await, 200);
        // What could not be finished for want of room waits for its next try.
        ctx.clock.advance(Duration::from_secs(600));
        ctx.service().wake();
        ctx
    });
}

#[test]
fn healthy_is_not_ready() {
    run_test(async |ctx| {
        let ask = async |path: &str| {
            let answer = ctx.http.get(ctx.url(path)).send().await.unwrap();
            let status = answer.status().as_u16();
            (status, serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap_or_default())
        };
        assert_eq!(ask("/healthz").await.0, 200);
        let mark = ctx.sim.requests();
        let (status, answer) = ask("/readyz").await;
        assert_eq!((status, &answer["database"], &answer["github"]), (200, &"ok".into(), &"ok".into()));
        for _ in 0..20 {
            ask("/readyz").await;
        }
        assert_eq!(ctx.sim.requests() - mark, 1, "probes cost no rate limit");

        let on = FaultOn::new("GET", "/app");
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(401), times: Times::Always });
        ctx.clock.advance(Duration::from_secs(61));
        let (status, answer) = ask("/readyz").await;
        assert_eq!((status, &answer["database"]), (503, &"ok".into()));
        assert!(answer["github"].as_str().unwrap().contains("credentials"), "{answer}");
        assert_eq!(ask("/healthz").await.0, 200);

        // GitHub that is down is no reason to take us out of service: webhooks still have to be stored.
        for kind in [FaultKind::Status(503), FaultKind::Reset, FaultKind::Timeout] {
            ctx.sim.heal();
            ctx.sim.fault(Fault { on: FaultOn::new("GET", "/app"), kind: kind.clone(), times: Times::Always });
            ctx.clock.advance(Duration::from_secs(61));
            let asked = Instant::now();
            let (status, answer) = ask("/readyz").await;
            assert_eq!(status, 200, "{kind:?}: {answer}");
            assert!(answer["github"].as_str().unwrap().starts_with("not known"), "{kind:?}: {answer}");
            assert!(asked.elapsed() < Duration::from_secs(3), "a probe does not wait for GitHub");
        }

        ctx.sim.heal();
        ctx.clock.advance(Duration::from_secs(61));
        assert_eq!(ask("/readyz").await.1["github"], "ok");
        ctx
    });
}

#[test]
fn a_database_that_cannot_be_written_is_not_ready() {
    run_test(async |ctx| {
        // Somebody else holds the database for longer than a write waits.
        let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        let post = Post::new(&ctx, "locked-out", "ping", b"{}");
        let (answer, (status, retry_after, _)) = tokio::join!(ctx.http.get(ctx.url("/readyz")).send(), post.send(&ctx));
        assert_eq!(answer.unwrap().status(), 503);
        assert_eq!((status, retry_after.is_some()), (503, true));
        database.execute_batch("ROLLBACK").unwrap();
        assert_eq!(ctx.http.get(ctx.url("/readyz")).send().await.unwrap().status(), 200);
        assert_eq!(post.status(&ctx).await, 202);
        ctx
    });
}
