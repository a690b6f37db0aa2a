//! Under faults and at trace level, no secret is written anywhere: log, panics, database, page, API, metrics, check run.

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex},
};

use mergecast::github::sim::{Edits, Fault, FaultKind, FaultOn, HookContentType, Permission, PullSpec, Times};
use regex::Regex;
use rusqlite::types::ValueRef;
use secrecy::ExposeSecret;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    seen::see,
    support::{Ctx, Setup, run_test_with},
};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn no_secret_is_written_anywhere() {
    let log = Log::default();
    let logs =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).with_ansi(false);
    logs.try_init().expect("the only subscriber of this process");
    let panics = log.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let written = writeln!(panics.clone(), "PANIC {panic}");
        written.expect("memory takes all");
    }));
    let setup = Setup {
        may_bury: true,
        sim: |options| options.content_type = HookContentType::Form,
        deadline: std::time::Duration::from_secs(1),
        ..Setup::default()
    };
    run_test_with(setup, async |mut ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file("CODEOWNERS", "* @nora\n");
        let kinds = [
            FaultKind::Status(500),
            FaultKind::Status(401),
            FaultKind::Status(403),
            FaultKind::Status(422),
            FaultKind::SecondaryLimit { retry_after: Some(5) },
            FaultKind::PrimaryLimit { reset_in: 60 },
            FaultKind::Timeout,
            FaultKind::Reset,
            FaultKind::AnswerLostAfterWrite,
            FaultKind::Garbage,
            FaultKind::GraphqlErrors,
        ];
        for (n, kind) in kinds.into_iter().enumerate() {
            let on = [FaultOn::any(), FaultOn::graphql(), FaultOn::new("POST", "/app/installations/*/access_tokens")];
            ctx.sim.fault(Fault { on: on[n % 3].clone(), kind: kind.clone(), times: Times::Next(1) });
            ctx.sim.fault(Fault { on: FaultOn::any(), kind, times: Times::Next(2) });
            ctx.sim.expire_tokens();
            let pull =
                shop.open(PullSpec::new("Count", "ada", Edits::new().write(format!("src/{n}.rs"), "let a = 1;\n")));
            ctx.settle().await;
            pull.approve("nora");
            ctx.settle().await;
        }
        let broken = Fault { on: FaultOn::any(), kind: FaultKind::Status(404), times: Times::Next(50) };
        ctx.sim.fault(broken);
        let wrong = ctx.http.post(ctx.url("/webhooks/github")).header("x-hub-signature-256", "sha256=00");
        let wrong = wrong.header("content-type", "application/json").body("{}").send().await.expect("an answer");
        assert_eq!(wrong.status(), 401);
        let mut shown = wrong.text().await.expect("a body");
        ctx.sim.clear();
        ctx.sim.expire_tokens();
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/last.rs", "let a = 1;\n")));
        let seen = see(&ctx, &pull).await;
        shown.push_str(&format!("{:?}{}", seen.run, seen.json));
        for path in
            ["/", "/readyz", "/healthz", "/metrics", "/nothing", &format!("/assessments/{}", seen.run.external_id)]
        {
            shown.push_str(&ctx.http.get(ctx.url(path)).send().await.expect("an answer").text().await.expect("a body"));
        }
        let panicked = tokio::spawn(async { panic!("on purpose") }).await;
        assert!(panicked.is_err());
        let logged = String::from_utf8_lossy(&log.0.lock().expect("no writer panics")).into_owned();
        assert!(logged.contains("TRACE ") && logged.contains("hyper"), "the log is that of everything");
        assert!(logged.contains("PANIC ") && logged.contains("on purpose"), "panics are in it");
        assert!(shown.contains("mergecast_github_requests_total{"), "metrics are shown");
        let database = database(&ctx).await;
        ctx.stop_service().await;
        for (place, text) in [("what is shown", &shown), ("the log", &logged), ("the database", &database)] {
            check(&ctx, place, text);
        }
        ctx.start_service().await;
        ctx
    });
}

/// Every file of the database, and every value in every column of it: what is deflated, inflated.
async fn database(ctx: &Ctx) -> String {
    let files = std::fs::read_dir(ctx.directory.path()).expect("a directory").map(|file| file.expect("a file").path());
    let mut all: String =
        files.map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("bytes")).into_owned()).collect();
    let before = all.len();
    let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).expect("the database opens");
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = database.prepare(names).expect("a statement");
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).expect("rows").map(|name| name.expect("text")).collect();
    for name in ["inbox", "jobs", "assessments", "check_runs", "http_cache"] {
        assert!(names.iter().any(|known| known == name), "{name} is among {names:?}");
    }
    for name in names {
        let mut select = database.prepare(&format!("SELECT * FROM {name}")).expect("a statement");
        let columns = select.column_count();
        let mut rows = select.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                match row.get_ref(column).expect("a value") {
                    ValueRef::Text(text) => all.push_str(&String::from_utf8_lossy(text)),
                    ValueRef::Blob(bytes) => {
                        let inflated = mergecast::store::decompress(bytes).unwrap_or_default();
                        all.push_str(&String::from_utf8_lossy(bytes));
                        all.push_str(&String::from_utf8_lossy(&inflated));
                    }
                    _ => {}
                }
                all.push('\n');
            }
        }
    }
    assert!(all[before..].contains("\"head_sha\""), "facts are inflated");
    all
}

fn check(ctx: &Ctx, place: &str, text: &str) {
    let app = ctx.sim.app();
    let pem = app.private_key_pem.expose_secret();
    let key = pem.lines().filter(|line| line.len() > 40);
    for secret in key.chain([app.webhook_secret.expose_secret()]) {
        assert!(!text.contains(secret), "a secret is in {place}");
    }
    // Installation tokens in both forms, and the App's own tokens.
    let token = Regex::new(r"gh[so]_[A-Za-z0-9_]{12,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{6,}").expect("a pattern");
    let found = token.find(text);
    let around = found.map(|found| text[..found.start()].chars().rev().take(300).collect::<Vec<_>>());
    let around: Option<String> = around.map(|before| before.into_iter().rev().collect());
    assert_eq!(around, None, "a token is in {place}");
}
