//! Coverage through the front door: who may upload, what is taken, what a check run says then; Codecov and SonarQube.

mod formats;

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use mergecast::{
    codecov::sim::{SimCodecov, SimCommit, SimUpload, TOKEN as CODECOV},
    github::sim::{Edits, PullHandle, PullSpec, oidc::SimIssuer},
    service::{CoverageSettings, RemoteSettings, coverage::token_digest},
    sonar::sim::{SimAnalysis, SimSonar, TOKEN as SONAR},
    store::TokenRow,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Ctx, run_test};

pub(crate) const TOKEN: &str = "mergecast_upload_0123456789abcdef";

/// A pull request that adds a file of so many lines, each of which can run.
fn lines_of(count: usize) -> PullSpec {
    let body: String = (1..=count).map(|n| format!("    step({n});\n")).collect();
    PullSpec::new("Add steps", "ada", Edits::new().write("src/steps.rs", body))
}

/// LCOV of `src/steps.rs` where the first `covered` of `count` lines ran, with the path of a runner.
pub(crate) fn lcov(count: usize, covered: usize) -> String {
    lcov_of("src/steps.rs", count, covered)
}

pub(crate) fn lcov_of(path: &str, count: usize, covered: usize) -> String {
    let lines: String = (1..=count).map(|n| format!("DA:{n},{}\n", u8::from(n <= covered))).collect();
    format!("TN:\nSF:/home/ci/build/shop/{path}\n{lines}end_of_record\n")
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Keeps a token for `acme/shop`, which the App has heard of by then.
pub(crate) async fn token(ctx: &Ctx) {
    let shop = ctx.store.repository_named("ACME/shop").await.unwrap().expect("the App covers it");
    let row = TokenRow {
        token_id: "t1".to_owned(),
        digest: token_digest(TOKEN),
        repository_id: Some(shop.repository_id),
        installation_id: shop.installation_id,
        scope: shop.repository,
        label: "CI".to_owned(),
        created_at: 0,
        used_at: None,
        revoked_at: None,
    };
    ctx.store.save_token(&row).await.unwrap();
}

/// An upload in the making.
pub(crate) struct Put<'a> {
    path: String,
    token: Option<&'a str>,
    body: Vec<u8>,
    headers: Vec<(&'static str, &'static str)>,
}

impl<'a> Put<'a> {
    pub(crate) fn new(repository: &str, sha: &str, body: impl Into<Vec<u8>>) -> Self {
        let path = format!("/api/v1/coverage/{repository}/{sha}");
        Self { path, token: Some(TOKEN), body: body.into(), headers: Vec::new() }
    }

    pub(crate) fn of(pull: &PullHandle, body: impl Into<Vec<u8>>) -> Self {
        Self::new("acme/shop", &pull.head_sha(), body)
    }

    fn query(mut self, query: &str) -> Self {
        self.path.push_str(query);
        self
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn by(self, token: Option<&'a str>) -> Self {
        Self { token, ..self }
    }

    pub(crate) async fn send(self, ctx: &Ctx) -> (StatusCode, Value) {
        let mut request = ctx.http.put(ctx.url(&self.path)).body(self.body);
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}")))
    }
}

/// The status of an upload that says how long it is and sends nothing of it.
async fn announced(ctx: &Ctx, sha: &str, bytes: usize) -> u16 {
    let url = url::Url::parse(&ctx.url("")).unwrap();
    let place = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(place).await.unwrap();
    let head = format!(
        "PUT /api/v1/coverage/acme/shop/{sha} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: {bytes}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

/// What the assessment of a head says of patch coverage.
async fn reading(ctx: &Ctx, pull: &PullHandle) -> (Value, Value) {
    ctx.check_run(pull).await;
    let assessment = ctx.assessment(pull).await;
    let rows = assessment["contributions"].as_array().unwrap();
    let row = rows.iter().find(|row| row["signal"] == "patch_coverage").unwrap().clone();
    (assessment, row)
}

/// The service anew, with these sources of coverage.
async fn connected(ctx: &mut Ctx, coverage: CoverageSettings) {
    ctx.stop_service().await;
    ctx.setup.operations.coverage = coverage;
    ctx.start_service().await;
}

#[test]
fn coverage_arrives_and_the_score_is_made_again() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(lines_of(40));
        let (before, row) = reading(&ctx, &pull).await;
        assert_eq!((&row["status"], &row["points"]), (&json!("unknown"), &json!(0)));
        token(&ctx).await;
        let (status, told) = Put::of(&pull, lcov(40, 10)).query("?flag=unit").send(&ctx).await;
        assert_eq!(status, 201, "{told}");
        let description: Value = {
            let answer = ctx.http.get(ctx.url("/api/v1/openapi.json")).send().await.unwrap();
            serde_json::from_str(&answer.text().await.unwrap()).unwrap()
        };
        let shape = jsonschema::validator_for(&description["components"]["schemas"]["Upload"]).unwrap();
        assert!(shape.is_valid(&told), "{told}");
        assert_eq!((&told["lines"], &told["covered"], &told["format"]), (&json!(40), &json!(10), &json!("LCOV")));
        assert_eq!(told["pull_requests"], json!([pull.number()]));

        let run = ctx.check_run(&pull).await;
        let (after, row) = reading(&ctx, &pull).await;
        assert_eq!((&row["status"], &row["value"]), (&json!("known"), &json!(0.25)));
        assert!(row["points"].as_i64().unwrap() > 0, "{row}");
        assert!(after["score"].as_i64() > before["score"].as_i64(), "untested lines raise the score");
        let width = |assessment: &Value| {
            assessment["range"]["high"].as_i64().unwrap() - assessment["range"]["low"].as_i64().unwrap()
        };
        assert!(width(&after) < width(&before), "what is known is no longer a range");
        let [annotation] = run.annotations.as_slice() else { panic!("{:?}", run.annotations) };
        assert_eq!((&annotation["start_line"], &annotation["end_line"]), (&json!(11), &json!(40)));
        assert_eq!(annotation["path"], "src/steps.rs");

        // The other part of the run, packed; then the first once more.
        let rest = lcov(40, 40).replace("/home/ci/build/shop/", "");
        let (status, told) =
            Put::of(&pull, gzip(rest.as_bytes())).query("?flag=e2e").with("content-encoding", "gzip").send(&ctx).await;
        assert_eq!(status, 201, "{told}");
        let (_, row) = reading(&ctx, &pull).await;
        assert_eq!(row["value"], 1.0, "{row}");
        let (status, told) = Put::of(&pull, lcov(40, 10)).query("?flag=unit").send(&ctx).await;
        assert_eq!((status.as_u16(), &told["status"]), (200, &json!("known")));
        ctx
    });
}

#[test]
fn a_report_of_another_commit_is_named_and_not_used() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(lines_of(40));
        ctx.check_run(&pull).await;
        token(&ctx).await;
        let old = pull.head_sha();
        Put::of(&pull, lcov(40, 40)).send(&ctx).await;
        let (_, row) = reading(&ctx, &pull).await;
        assert_eq!(row["value"], 1.0);
        pull.push(Edits::new().write("src/more.rs", "fn more() {}\n"));
        let (_, row) = reading(&ctx, &pull).await;
        assert_eq!((&row["status"], &row["points"]), (&json!("unknown"), &json!(0)));
        let why = row["reason"].as_str().unwrap();
        assert!(why.contains(&old[..7]) && why.contains("not used"), "{why}");
        let run = ctx.check_run(&pull).await;
        assert_eq!(run.status, "completed", "nothing waits for coverage");
        ctx
    });
}

#[test]
fn few_lines_are_said_and_the_merge_base_is_compared() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(lines_of(4));
        let (before, _) = reading(&ctx, &pull).await;
        let base = before["base_sha"].as_str().unwrap().to_owned();
        token(&ctx).await;
        Put::new("acme/shop", &base, "SF:src/old.rs\nDA:1,1\nDA:2,1\nDA:3,1\nDA:4,0\n").send(&ctx).await;
        let whole = lcov(4, 0) + "SF:src/old.rs\nDA:1,1\nDA:2,1\nDA:3,1\nDA:4,0\nend_of_record\n";
        Put::of(&pull, whole).send(&ctx).await;
        let (_, row) = reading(&ctx, &pull).await;
        assert_eq!(row["value"], 0.0);
        let said: Vec<&str> = row["evidence"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let said = said.join("\n");
        assert!(said.contains("0 of 4 changed executable lines ran in tests"), "{said}");
        assert!(said.contains("fewer than 10 such lines"), "{said}");
        assert!(said.contains("37.5 points less than at the merge base"), "{said}");
        ctx
    });
}

#[test]
fn what_main_gained_since_is_no_part_of_the_comparison() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let pull = shop.open(lines_of(4));
        let (before, _) = reading(&ctx, &pull).await;
        let parted = before["base_sha"].as_str().unwrap().to_owned();
        token(&ctx).await;
        let old = |covered| lcov_of("src/old.rs", 4, covered);
        assert_eq!(Put::new("acme/shop", &parted, old(3)).send(&ctx).await.0, StatusCode::CREATED);
        let tip = shop.push_base(Edits::new().write("src/new.rs", "fn new() {}\n"));
        assert_eq!(Put::new("acme/shop", &tip, old(1)).send(&ctx).await.0, StatusCode::CREATED);
        pull.push(Edits::new().write("docs/steps.md", "One by one\n"));
        Put::of(&pull, lcov(4, 0) + &old(3)).send(&ctx).await;
        let (after, row) = reading(&ctx, &pull).await;
        assert_eq!(after["base_sha"], tip, "GitHub names the tip");
        let said: Vec<&str> = row["evidence"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let said = said.join("\n");
        assert!(said.contains("37.5 points less than at the merge base"), "{said}");
        assert!(said.contains(&parted[..7]) && !said.contains(&tip[..7]), "{said}");
        ctx
    });
}

#[test]
fn every_refusal_has_its_status_and_keeps_nothing() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(lines_of(12));
        ctx.sim.repository("acme/other").open(lines_of(3));
        ctx.settle().await;
        token(&ctx).await;
        let sha = pull.head_sha();
        let good = lcov(12, 12);
        let put = |body: &[u8]| Put::of(&pull, body.to_vec());
        let bomb = gzip(&vec![b'\n'; (1 << 20) + 1]);
        let entities = b"<!DOCTYPE report [<!ENTITY a \"aaaa\">]><report>&a;</report>";
        let cases = [
            ("no token", put(good.as_bytes()).by(None), 401),
            ("a wrong token", put(good.as_bytes()).by(Some("mergecast_upload_ffff")), 401),
            ("a foreign token", put(good.as_bytes()).by(Some("ghp_0000")), 401),
            ("another repository", Put::new("acme/other", &sha, good.clone()), 403),
            ("an unknown repository", Put::new("acme/nowhere", &sha, good.clone()), 404),
            ("a name that is none", Put::new("acme/%2e%2e", &sha, good.clone()), 404),
            ("a short commit", Put::new("acme/shop", &sha[..12], good.clone()), 400),
            ("a commit that is none", Put::new("acme/shop", &"z".repeat(40), good.clone()), 400),
            ("a flag that is none", put(good.as_bytes()).query("?flag=a%20b"), 400),
            ("an unknown option", put(good.as_bytes()).query("?flags=a"), 400),
            ("a form", put(good.as_bytes()).with("content-type", "multipart/form-data; boundary=x"), 415),
            ("another packing", put(good.as_bytes()).with("content-encoding", "br"), 415),
            ("no report", put(b"hello"), 415),
            ("another encoding", put(b"SF:\xff\xfe\nDA:1,1\n"), 415),
            ("gzip within gzip", put(&gzip(&gzip(good.as_bytes()))), 415),
            ("half a gzip", put(&gzip(good.as_bytes())[..40]), 400),
            ("a bomb", put(&bomb), 413),
            ("a broken report", put(b"SF:a\nDA:x\n"), 422),
            ("nothing", put(b""), 422),
            ("entities", put(entities), 422),
            ("only paths that lead upwards", put(b"SF:../../etc/passwd\nDA:1,1\n"), 422),
        ];
        for (what, put, expected) in cases {
            let (status, told) = put.send(&ctx).await;
            assert_eq!(status.as_u16(), expected, "{what}: {told}");
            assert!(told["error"].is_string() && told["hint"].is_string(), "{what}: {told}");
            assert!(!told.to_string().contains("passwd"), "nothing of the report is given back");
        }
        assert_eq!(announced(&ctx, &sha, (32 << 20) + 1).await, 413, "what is too long is refused before it is sent");
        let shop = ctx.store.repository_named("acme/shop").await.unwrap().unwrap();
        assert_eq!(ctx.store.newest_coverage(shop.repository_id).await, Ok(None));
        ctx.store.revoke_token("t1", 1).await.unwrap();
        assert_eq!(put(good.as_bytes()).send(&ctx).await.0, 401, "a revoked token");
        ctx
    });
}

#[test]
fn a_repository_has_its_pace() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(lines_of(12));
        ctx.settle().await;
        token(&ctx).await;
        let mut answers = BTreeMap::new();
        for _ in 0..125 {
            *answers.entry(Put::of(&pull, lcov(12, 12)).send(&ctx).await.0.as_u16()).or_insert(0) += 1;
        }
        assert_eq!(answers, BTreeMap::from([(200, 119), (201, 1), (429, 5)]));
        ctx.clock.advance(Duration::from_secs(60));
        assert_eq!(Put::of(&pull, lcov(12, 12)).send(&ctx).await.0, 200);
        ctx
    });
}

#[test]
fn a_workflow_uploads_with_its_own_token() {
    run_test(async |mut ctx| {
        let issuer = SimIssuer::start().await.unwrap();
        let audience = "https://mergecast.example".to_owned();
        let coverage = CoverageSettings { oidc: Some((issuer.url().clone(), audience)), ..CoverageSettings::default() };
        connected(&mut ctx, coverage).await;
        let pull = ctx.repository().open(lines_of(12));
        ctx.settle().await;
        let shop = ctx.store.repository_named("acme/shop").await.unwrap().unwrap();
        let now = ctx.clock.now().timestamp();
        let claims = json!({
            "iss": issuer.url().as_str().trim_end_matches('/'), "aud": "https://mergecast.example", "exp": now + 300,
            "repository": "acme/shop", "repository_id": shop.repository_id.to_string(),
        });
        let other = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            issuer.sign(&claims)
        };
        let cases = [
            (issuer.sign(&claims), 201),
            (other("aud", json!("https://github.com/acme")), 401),
            (other("exp", json!(now - 600)), 401),
            (other("iss", json!("https://token.actions.githubusercontent.com")), 401),
            // Somebody else's repository that took the name over.
            (other("repository_id", json!("4711")), 403),
            (issuer.sign_symmetric(&claims), 401),
        ];
        for (token, expected) in cases {
            let (status, told) = Put::of(&pull, lcov(12, 12)).by(Some(&token)).send(&ctx).await;
            assert_eq!(status.as_u16(), expected, "{told}");
        }
        ctx
    });
}

#[test]
fn tokens_are_made_listed_and_revoked_by_the_program() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(lines_of(12));
        ctx.settle().await;
        let database = ctx.directory.path().join("mergecast.db");
        let program = |arguments: &[&str]| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_mergecast"))
                .args(arguments)
                .env_clear()
                .env("MERGECAST_DATABASE", format!("sqlite://{}", database.display()))
                .current_dir(ctx.directory.path())
                .output()
                .unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
        };
        let (code, out, err) = program(&["token", "create", "--repo", "Acme/Shop", "--label", "nightly"]);
        assert_eq!(code, 0, "{err}");
        let token = out.trim().to_owned();
        assert!(token.starts_with("mergecast_upload_") && !err.contains(&token), "{out}{err}");
        let put = || Put::of(&pull, lcov(12, 12)).by(Some(&token)).send(&ctx);
        assert_eq!(put().await.0, 201);

        let (code, list, _) = program(&["token", "list", "--format", "json"]);
        let rows: Value = serde_json::from_str(&list).unwrap();
        let row = &rows[0];
        assert_eq!((code, &row["scope"], &row["label"]), (0, &json!("acme/shop"), &json!("nightly")));
        assert!(row["used_at"].is_string() && row["revoked_at"].is_null(), "{list}");
        let secret = token.strip_prefix("mergecast_upload_").unwrap();
        let kept = std::fs::read(&database).unwrap();
        assert!(!kept.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "the token itself is kept");
        assert!(!list.contains(secret));

        let id = row["id"].as_str().unwrap();
        assert_eq!(program(&["token", "revoke", id]).0, 0);
        assert_eq!(put().await.0, 401);
        let (code, _, err) = program(&["token", "revoke", id]);
        assert!(code == 1 && err.contains("hint: `mergecast token list`"), "{err}");
        let (code, _, err) = program(&["token", "create", "--repo", "acme/nowhere"]);
        assert!(code == 1 && err.contains("covers no repository"), "{err}");
        assert_eq!(program(&["token", "create"]).0, 2, "for what it is made has to be said");
        ctx
    });
}

fn codecov_file(count: u32, covered: u32) -> BTreeMap<String, Vec<(u32, u8)>> {
    BTreeMap::from([("src/steps.rs".to_owned(), (1..=count).map(|n| (n, u8::from(n > covered))).collect())])
}

#[test]
fn sources_are_asked_in_the_order_of_the_policy_and_disagreement_is_shown() {
    run_test(async |mut ctx| {
        let (codecov, sonar) = (SimCodecov::start().await.unwrap(), SimSonar::start().await.unwrap());
        let coverage = CoverageSettings {
            oidc: None,
            codecov: Some(RemoteSettings { url: codecov.url().clone(), token: CODECOV.into() }),
            sonar: Some(RemoteSettings { url: sonar.url().clone(), token: SONAR.into() }),
        };
        connected(&mut ctx, coverage).await;
        let policy = "coverage: { sources: [codecov, sonar, upload] }\n";
        ctx.repository().push_base(Edits::new().write(".github/mergecast.yml", policy));
        let pull = ctx.repository().open(lines_of(40));
        let (_, row) = reading(&ctx, &pull).await;
        assert_eq!(
            (&row["status"], &row["reason"]),
            (&json!("unknown"), &json!("test coverage: nothing for this commit yet"))
        );

        let analysis = SimAnalysis { commit: Some(pull.head_sha()), new: Some((40, 4)), all: (400, 40), gate: "OK" };
        sonar.analysis("acme_shop", pull.number(), analysis);
        pull.check_by("sonarqubecloud", "SonarCloud Code Analysis", Some("success"));
        let (_, row) = reading(&ctx, &pull).await;
        assert_eq!(row["value"], 0.9, "{row}");
        assert!(row["evidence"].to_string().contains("SonarQube quality gate OK"), "{row}");

        let part = SimUpload { flags: vec!["unit"], files: codecov_file(40, 20), ..SimUpload::default() };
        let old = SimUpload {
            carried_from: Some("0123456789".into()),
            ..SimUpload { flags: vec!["e2e"], files: codecov_file(40, 40), ..SimUpload::default() }
        };
        codecov.commit("acme/shop", &pull.head_sha(), SimCommit { state: "complete", uploads: vec![part, old] });
        pull.status("codecov/patch", "success");
        let (_, row) = reading(&ctx, &pull).await;
        assert_eq!(row["value"], 0.5, "what was carried forward is not used: {row}");
        let said = row["evidence"].to_string();
        assert!(said.contains("SonarQube says otherwise: 36 of 40"), "{said}");
        assert!(said.contains("e2e is carried forward from 0123456 and not used"), "{said}");

        // Nobody waits for a system that does not answer; what the next one knows is used.
        codecov.fail(Some(503));
        let (_, row) = {
            pull.status("codecov/project", "success");
            reading(&ctx, &pull).await
        };
        assert_eq!(row["value"], 0.9, "{row}");
        ctx
    });
}
