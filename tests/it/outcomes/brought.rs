//! From a pull request to the deployment that brought it, and back from an incident: through mirrors of real repositories.

use chrono::TimeDelta;
use mergecast::{
    datadog::sim::{Fault, FaultKind, Times},
    github::sim::{Edits, PullHandle, PullSpec},
    service::Telling,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{metrics, pass};
use crate::{
    contracts::datadog::check,
    coverage::{TOKEN, token},
    mirrors::{mirrored, remote::Remote},
    services::{connect, watching},
    support::{Ctx, run_test_with},
};

fn open(ctx: &Ctx, title: &str, author: &str, edits: Edits) -> PullHandle {
    ctx.repository().open(PullSpec::new(title, author, edits))
}

/// A commit on the main line, there and at the simulated GitHub.
fn land(ctx: &Ctx, remote: &Remote, author: &str, message: &str, path: &str) -> String {
    let sha = remote.land("main", author, message, path, &format!("{message}\n"));
    ctx.repository().push_base(Edits::new().write(path, format!("{message}\n")).message(message).by(author).id(&sha));
    sha
}

pub(crate) async fn post(ctx: &Ctx, path: &str, body: &Value) -> Value {
    let request = ctx.http.post(ctx.url(path)).header("authorization", format!("Bearer {TOKEN}"));
    let answer = request.json(body).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, StatusCode::CREATED, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A pipeline tells that it deployed a commit just now.
pub(crate) async fn deploy(ctx: &Ctx, sha: &str) {
    let now = ctx.clock.now();
    let told = json!({
        "service": "shop", "env": "prod", "started_at": now - TimeDelta::minutes(3), "finished_at": now,
        "git": {"repository_url": "https://github.example/acme/shop", "commit_sha": sha},
    });
    post(ctx, "/api/v1/deployments", &told).await;
}

/// What incidents are put down to, as the API describes it.
async fn incidents(ctx: &Ctx) -> Value {
    let answer = ctx.http.get(ctx.url("/api/v1/incidents")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let document: Value = answer.json().await.unwrap();
    let described: Value = ctx.http.get(ctx.url("/api/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
    let schema = json!({"$ref": "#/components/schemas/Incidents", "components": described["components"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    document["incidents"].clone()
}

/// A squash of two commits, a rebase, and a commit that nobody asked about go out together; an incident follows, and what
/// caused it is taken back.
#[test]
fn a_deployment_is_known_by_its_pull_requests() {
    run_test_with(watching(), async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        let before = remote.git(&["rev-parse", "refs/heads/main"]);
        let squashed = open(&ctx, "Round prices", "ada", Edits::new().write("src/cart.rs", "let cart = 1;\n"));
        ctx.settle().await;
        token(&ctx).await;
        deploy(&ctx, &before).await;
        pass(&ctx, 20).await;
        squashed.push(Edits::new().write("src/sum.rs", "let sum = 2;\n"));
        pass(&ctx, 20).await;
        let number = squashed.number();
        land(&ctx, &remote, "ada", &format!("Round prices (#{number})"), "src/cart.rs");
        squashed.merge();
        // A rebase leaves the commit as it was, and nothing in it says whose it is.
        let sha = remote.land("main", "bob", "Sum up", "src/sum.rs", "Sum up\n");
        let rebased = open(&ctx, "Sum up", "bob", Edits::new().write("src/sum.rs", "Sum up\n").id(&sha));
        rebased.merge();
        let tip = land(&ctx, &remote, "carol", "Mend a typo (see #999)", "docs/cart.md");
        pass(&ctx, 20).await;
        deploy(&ctx, &tip).await;
        pass(&ctx, 5).await;

        let document = metrics(&ctx, "?service=shop").await;
        let found = &document["metrics"];
        assert_eq!(found["deployment_frequency"]["deployments"], 2);
        // Two commits of the first pull request, of which the squash leaves one; one of the second; and one by itself.
        assert_eq!(found["change_lead_time"]["commits"]["sample"], 4, "{found}");
        // What the first deployment brought nobody knows.
        assert_eq!(found["change_lead_time"]["untold"], 1);

        let began = ctx.clock.now() + TimeDelta::minutes(6);
        pass(&ctx, 10).await;
        let told = json!({
            "id": "inc-1", "title": "Prices are wrong", "note": "panic at src/cart.rs:7", "services": ["shop"],
            "started_at": began,
        });
        post(&ctx, "/api/v1/incidents", &told).await;
        let incident = incidents(&ctx).await[0].clone();
        let candidate = &incident["candidates"][0];
        assert_eq!((&incident["cause"], &incident["time_to_restore_s"]), (&candidate["deployment"], &Value::Null));
        let pulls = candidate["pull_requests"].as_array().unwrap();
        let numbers: Vec<_> = pulls.iter().map(|pull| pull["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [number, rebased.number()]);
        assert_eq!(
            (&pulls[0]["title"], &pulls[0]["repository"]),
            (&"Round prices".into(), &"github.example/acme/shop".into())
        );
        assert!(pulls[0]["before_merge"]["score"].as_u64().is_some_and(|score| score <= 100), "{pulls:?}");
        assert!(candidate["evidence"].as_array().unwrap().contains(&json!({"kind": "file", "path": "src/cart.rs"})));

        let revert = open(&ctx, "Revert \"Round prices\"", "dan", Edits::new().write("src/cart.rs", "one\n"));
        revert.describe(&format!("Reverts acme/shop#{number}"));
        pass(&ctx, 5).await;
        let sha = land(&ctx, &remote, "dan", &format!("Revert \"Round prices\" (#{})", revert.number()), "src/cart.rs");
        revert.merge();
        deploy(&ctx, &sha).await;
        pass(&ctx, 5).await;
        let over = json!({"id": "inc-1", "services": ["shop"], "started_at": began, "finished_at": ctx.clock.now()});
        post(&ctx, "/api/v1/incidents", &over).await;
        let incident = incidents(&ctx).await[0].clone();
        let remedied = |one: &Value| one["kind"] == "remedied";
        let evidence = incident["candidates"][0]["evidence"].as_array().unwrap();
        assert!(evidence.iter().any(remedied), "{evidence:?}");
        let metrics = &metrics(&ctx, "").await["metrics"];
        assert_eq!((&metrics["rework_rate"]["count"], &metrics["rollback_rate"]["count"]), (&1.into(), &0.into()));
        // What became of the two is there to learn from.
        pass(&ctx, 61).await;
        let learned = ctx.store.change_outcomes("", 10).await.unwrap();
        let failed: Vec<_> = learned
            .iter()
            .filter_map(|one| Some((one.row.pull_request.unsigned_abs(), one.row.failure.as_ref()?)))
            .map(|(number, failure)| (number, failure.evidence.as_str(), failure.certainty))
            .collect();
        assert_eq!(failed, [(number, "incident", 100)]);
        assert!(learned.iter().all(|one| one.row.effective_at.is_some()), "{learned:?}");
        ctx
    });
}

/// Where Datadog refuses links the same is written into the field that the organisation has made for it.
#[test]
fn where_links_are_refused_a_field_says_so() {
    let mut setup = watching();
    let field = Some("mergecast".to_owned());
    setup.operations.telling = Telling { incident_links: true, incident_field: field, ..Telling::default() };
    run_test_with(setup, async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let remote = mirrored(&mut ctx).await;
        let before = remote.git(&["rev-parse", "refs/heads/main"]);
        let pull = open(&ctx, "Round prices", "ada", Edits::new().write("src/cart.rs", "let cart = 1;\n"));
        ctx.settle().await;
        token(&ctx).await;
        deploy(&ctx, &before).await;
        pass(&ctx, 20).await;
        let tip = land(&ctx, &remote, "ada", &format!("Round prices (#{})", pull.number()), "src/cart.rs");
        pull.merge();
        pass(&ctx, 20).await;
        deploy(&ctx, &tip).await;
        pass(&ctx, 5).await;
        datadog.fault(Fault {
            path: "/api/v2/incidents/00000000".to_owned(),
            kind: FaultKind::Status(403),
            times: Times::Next(1),
        });
        let number = datadog.open_incident("Prices are wrong", "SEV-2", &["shop"]);
        pass(&ctx, 12).await;
        assert_eq!(datadog.incident_links(number), []);
        let said = datadog.incident_field(number, "mergecast").unwrap();
        let expected = format!("acme/shop#{}, which scored", pull.number());
        assert!(said.contains(&expected) && said.contains("https://mergecast.example/assessments/"), "{said}");
        check(&datadog);
        ctx
    });
}
