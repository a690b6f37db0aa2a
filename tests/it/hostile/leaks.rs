//! Under faults and at trace level, no secret is written anywhere: log, panics, database, mirrors, page, API, metrics,
//! check run, and what the program's commands say.

mod commands;
mod life;

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use mergecast::{
    codecov::sim::TOKEN as CODECOV,
    datadog::sim::{API_KEY, APP_KEY},
    github::sim::{Edits, Fault, FaultKind, FaultOn, HookContentType, Permission, PullSpec, Sim, SimRepository, Times},
    sonar::sim::TOKEN as SONAR,
};
use regex::Regex;
use rusqlite::types::ValueRef;
use secrecy::ExposeSecret;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    coverage::TOKEN as UPLOAD,
    mirrors::files,
    seen::see,
    support::{Ctx, Setup, run_test_with},
};
use life::Around;

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
    let (panics, told) = (log.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let written = writeln!(panics.clone(), "PANIC {panic}");
        written.expect("memory takes all");
        told(panic);
    }));
    let setup = Setup {
        may_bury: true,
        sim: |options| options.content_type = HookContentType::Form,
        deadline: std::time::Duration::from_secs(1),
        ..Setup::default()
    };
    run_test_with(setup, async |mut ctx| {
        let around = Around::of(&mut ctx).await;
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file("CODEOWNERS", "* @nora\n");
        shop.base_file(".github/mergecast.yml", life::POLICY);
        fail_in_every_way(&ctx, &shop).await;
        ctx.sim.heal();
        let mut shown = around.live(&mut ctx, &shop).await;
        let broken = Fault { on: FaultOn::any(), kind: FaultKind::Status(404), times: Times::Next(50) };
        ctx.sim.fault(broken);
        let wrong = ctx.http.post(ctx.url("/webhooks/github")).header("x-hub-signature-256", "sha256=00");
        let wrong = wrong.header("content-type", "application/json").body("{}").send().await.expect("an answer");
        assert_eq!(wrong.status(), 401);
        shown.push_str(&wrong.text().await.expect("a body"));
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
        let database = database(ctx.directory.path());
        ctx.stop_service().await;
        let mut secrets = Secrets::of(&ctx.sim);
        secrets.0.extend(around.secrets());
        for (place, text) in [("what is shown", &shown), ("the log", &logged), ("the database", &database)] {
            secrets.check(place, text);
        }
        ctx.start_service().await;
        ctx
    });
}

/// Every way in which GitHub fails, while it is asked for all that a score needs.
async fn fail_in_every_way(ctx: &Ctx, shop: &SimRepository) {
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
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write(format!("src/{n}.rs"), "let a = 1;\n")));
        ctx.settle().await;
        pull.approve("nora");
        pull.comment("nora", "/risk rescore");
        ctx.settle().await;
    }
}

/// Every file below the directory, and every value in every column of the database: what is deflated, inflated.
fn database(directory: &std::path::Path) -> String {
    let found = files(directory).into_iter().filter(|path| !path.starts_with(directory.join("remotes")));
    let mut all: String =
        found.map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("bytes")).into_owned()).collect();
    let before = all.len();
    let database = rusqlite::Connection::open(directory.join("mergecast.db")).expect("the database opens");
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = database.prepare(names).expect("a statement");
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).expect("rows").map(|name| name.expect("text")).collect();
    let ours = [
        "inbox",
        "jobs",
        "assessments",
        "check_runs",
        "http_cache",
        "commands",
        "override_events",
        "merge_groups",
        "mirrors",
        "tokens",
        "coverage_reports",
    ];
    for name in ours {
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

/// What must not be found.
struct Secrets(Vec<String>);

impl Secrets {
    /// Those of the App and of the systems around it.
    fn of(sim: &Sim) -> Self {
        let app = sim.app();
        let key = app.private_key_pem.expose_secret().lines().filter(|line| line.len() > 40);
        let webhook = app.webhook_secret.expose_secret();
        Self(
            key.chain([webhook, UPLOAD, CODECOV, SONAR, API_KEY, APP_KEY])
                .filter(|one| !one.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// The first that is in a text, as it is or as basic authentication has it.
    fn found(&self, text: &str) -> Option<String> {
        let as_basic = |secret: &str| STANDARD.encode(format!("{secret}:"));
        let known = self.0.iter().find(|secret| text.contains(*secret) || text.contains(&as_basic(secret)));
        // Installation tokens in both forms, tokens of the App and of workflows, and upload tokens.
        let shapes =
            r"gh[so]_[A-Za-z0-9_]{12,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{6,}|mergecast_upload_[A-Za-z0-9_-]{12,}";
        let shaped = || Regex::new(shapes).expect("a pattern").find(text).map(|found| found.as_str().to_owned());
        known.cloned().or_else(shaped)
    }

    fn check(&self, place: &str, text: &str) {
        let Some(found) = self.found(text) else { return };
        let before: String = text.split(&found).next().unwrap_or_default().chars().rev().take(300).collect();
        let before: String = before.chars().rev().collect();
        panic!("a secret of {} characters is in {place}, after {before:?}", found.len());
    }
}

#[test]
fn a_planted_secret_is_found() {
    let secrets = Secrets(["a-webhook-secret", CODECOV, SONAR, APP_KEY].map(str::to_owned).to_vec());
    assert_eq!(secrets.found("nothing: ghs_short, mergecast_upload_ID, eyJhead.x"), None);
    let basic = STANDARD.encode(format!("{SONAR}:"));
    let planted = [
        "a-webhook-secret",
        CODECOV,
        SONAR,
        APP_KEY,
        &basic,
        UPLOAD,
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl",
    ];
    for secret in planted {
        assert!(secrets.found(&format!("{{\"token\":\"{secret}\"}}")).is_some(), "{secret}");
    }
}
