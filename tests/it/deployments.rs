//! Deployments as they are told, through the front door: over the API and by `mergecast deploy`, by GitHub's webhooks, and
//! read back from Datadog.

mod backfill;

use std::process::Output;

use chrono::{DateTime, TimeDelta, Utc};
use mergecast::{
    deployment::{
        ledger::{Deployment, Ledger, Settings, reconcile},
        sighting::{Rollout, Source},
    },
    github::sim::{Edits, PullSpec, SimDeployment, oidc::SimIssuer},
    service::CoverageSettings,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    coverage::{TOKEN, token},
    support::{Ctx, run_test, start},
};

/// What is made of all that was told.
pub(crate) async fn ledger(ctx: &Ctx) -> Ledger {
    let settings = Settings {
        services: [("github.example/acme/shop".to_owned(), ["shop".to_owned()].into())].into(),
        ..Settings::default()
    };
    reconcile(&ctx.store.sightings(DateTime::<Utc>::MIN_UTC).await.unwrap(), &settings)
}

/// The one deployment that there is.
async fn only(ctx: &Ctx) -> Deployment {
    let mut ledger = ledger(ctx).await;
    assert_eq!(ledger.deployments.len(), 1, "{ledger:?}");
    ledger.deployments.remove(0)
}

fn sources(deployment: &Deployment) -> Vec<Source> {
    deployment.witnesses.iter().map(|witness| witness.source).collect()
}

async fn post(ctx: &Ctx, token: Option<&str>, body: impl Into<String>) -> (StatusCode, Value) {
    let mut request = ctx.http.post(ctx.url("/api/v1/deployments")).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = request.body(body.into()).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}")))
}

/// A deployment of the last ten minutes.
fn told(ctx: &Ctx) -> Value {
    let at = |minutes: i64| (ctx.clock.now() - TimeDelta::minutes(minutes)).to_rfc3339();
    json!({
        "service": "shop", "env": "prod", "version": "1.4.0", "started_at": at(10), "finished_at": at(2),
        "git": {"repository_url": "git@github.example:acme/shop.git", "commit_sha": "0a1b2c3d4e5f"},
    })
}

/// The App has heard of the repository, and there is a token for it.
async fn covered(ctx: &Ctx) {
    ctx.repository().open(PullSpec::new("Start", "ada", Edits::new().write("a.rs", "let a = 1;\n")));
    ctx.settle().await;
    token(ctx).await;
}

#[test]
fn a_deployment_that_is_told_twice_is_one_and_its_later_word_stands() {
    run_test(async |ctx| {
        covered(&ctx).await;
        let (status, answer) = post(&ctx, Some(TOKEN), told(&ctx).to_string()).await;
        assert_eq!((status, &answer["status"]), (StatusCode::CREATED, &json!("stored")));
        let record = answer["deployment"].as_str().unwrap().to_owned();
        let again = told(&ctx).to_string();
        ctx.clock.set(ctx.clock.now() + TimeDelta::hours(9));
        let (status, answer) = post(&ctx, Some(TOKEN), again).await;
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("known")));
        assert_eq!(answer["deployment"], record.as_str());
        let deployment = only(&ctx).await;
        assert!(deployment.is_live() && deployment.id.to_string() == record, "{deployment:?}");
        assert_eq!(deployment.repository.as_deref(), Some("github.example/acme/shop"));
        assert_eq!(ledger(&ctx).await.anomalies, [], "it was told in time, the first time");

        // Under an id it is the same deployment at every step.
        let step = |more: Value| {
            let mut step = json!({"id": "run:7", "service": "cart", "env": "prod", "started_at": ctx.clock.now()});
            step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            step.to_string()
        };
        let cart = async || {
            let deployments = ledger(&ctx).await.deployments;
            deployments.into_iter().find(|one| one.service == "cart").map(|one| one.rollout)
        };
        post(&ctx, Some(TOKEN), step(json!({}))).await;
        assert_eq!(cart().await, Some(Rollout::InProgress));
        let over = json!({"finished_at": ctx.clock.now() + TimeDelta::minutes(1), "status": "failed"});
        post(&ctx, Some(TOKEN), step(over)).await;
        assert_eq!(cart().await, Some(Rollout::Failed));
        ctx
    });
}

#[test]
fn what_cannot_be_taken_is_refused_with_a_way_out() {
    run_test(async |ctx| {
        covered(&ctx).await;
        let with = |field: &str, value: Value| {
            let mut told = told(&ctx);
            told[field] = value;
            told.to_string()
        };
        let git = |url: &str| json!({"repository_url": url, "commit_sha": "0a1b2c3"});
        let check = async |token: Option<&str>, body: String, expected: u16, says: &str| {
            let (status, answer) = post(&ctx, token, body.clone()).await;
            assert_eq!(status.as_u16(), expected, "{body}: {answer}");
            let words = answer["error"].as_str().unwrap();
            assert!(words.contains(says) && answer["hint"].is_string(), "{body}: {answer}");
        };
        check(None, told(&ctx).to_string(), 401, "Authorization").await;
        check(Some("mergecast_upload_other"), told(&ctx).to_string(), 401, "not known").await;
        check(Some(TOKEN), "{".to_owned(), 400, "cannot be read").await;
        check(Some(TOKEN), with("deployer", "ada".into()), 400, "deployer").await;
        check(Some(TOKEN), with("service", "".into()), 422, "service").await;
        check(Some(TOKEN), with("git", git("https://github.example/acme/unheard")), 404, "covered").await;
        check(Some(TOKEN), with("git", git("https://elsewhere.example/acme/shop")), 404, "covered").await;
        check(Some(TOKEN), with("service", "x".repeat(70_000).into()), 413, "too large").await;
        // Another repository of the same account is none of this token's.
        ctx.sim.repository("acme/cart").open(PullSpec::new("Start", "ada", Edits::new().write("a.rs", "let a = 1;\n")));
        ctx.settle().await;
        check(Some(TOKEN), with("git", git("https://github.example/acme/cart")), 403, "another repository").await;
        let form = ctx.http.post(ctx.url("/api/v1/deployments")).header("authorization", format!("Bearer {TOKEN}"));
        assert_eq!(form.body("service=shop").send().await.unwrap().status(), 415);
        assert_eq!(ledger(&ctx).await, Ledger::default());
        ctx
    });
}

#[test]
fn a_workflow_tells_with_its_own_token() {
    run_test(async |mut ctx| {
        let issuer = SimIssuer::start().await.unwrap();
        let oidc = Some((issuer.url().clone(), "mergecast".to_owned()));
        ctx.stop_service().await;
        ctx.setup.operations.coverage = CoverageSettings { oidc, ..CoverageSettings::default() };
        ctx.start_service().await;
        covered(&ctx).await;
        let shop = ctx.repository();
        let by = |repository_id: u64| {
            issuer.sign(&json!({
                "iss": issuer.url().as_str().trim_end_matches('/'), "aud": "mergecast",
                "exp": ctx.clock.now().timestamp() + 300,
                "repository": "acme/shop", "repository_id": repository_id.to_string(),
            }))
        };
        let (status, _) = post(&ctx, Some(&by(4_711)), told(&ctx).to_string()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "somebody else's repository that took the name over");
        let (status, answer) = post(&ctx, Some(&by(shop.id())), told(&ctx).to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        assert!(only(&ctx).await.is_live());
        ctx
    });
}

/// `mergecast deploy`, as CI runs it.
async fn deploy(ctx: &Ctx, token: Option<&'static str>, arguments: &str) -> (i32, String, String) {
    let server = ctx.url("/");
    let (arguments, here) = (arguments.to_owned(), ctx.directory.path().to_owned());
    let run = tokio::task::spawn_blocking(move || -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mergecast"));
        command.current_dir(here).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DD_SERVICE", "shop").env("DD_ENV", "prod").env("MERGECAST_PUBLIC_URL", server);
        if let Some(token) = token {
            command.env("MERGECAST_TOKEN", token);
        }
        command.arg("deploy").args(arguments.split_whitespace()).output().expect("the program runs")
    });
    let output = run.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (output.status.code().expect("the program ends by itself"), text(output.stdout), text(output.stderr))
}

#[test]
fn ci_tells_with_the_options_that_it_knows() {
    run_test(async |ctx| {
        covered(&ctx).await;
        let git = "--git-repository-url https://github.example/acme/shop.git --git-commit-sha 0a1b2c3d4e5f";
        let times = "--started-at 2026-03-03T09:50:00Z --finished-at 1772531880";
        let (code, out, err) = deploy(&ctx, Some(TOKEN), &format!("{times} --version 1.4.0 {git}")).await;
        assert_eq!((code, out.lines().count()), (0, 1), "{err}");
        let deployment = only(&ctx).await;
        assert_eq!(deployment.id.to_string(), out.trim());
        assert_eq!(
            (deployment.at, deployment.build.version.as_deref()),
            (Some(start() - TimeDelta::minutes(2)), Some("1.4.0"))
        );
        assert_eq!(deployment.build.commit_sha.as_deref(), Some("0a1b2c3d4e5f"));

        let (code, out, _) = deploy(&ctx, None, &format!("{times} --skip-git --dry-run")).await;
        let shown: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, shown["service"].as_str(), &shown["git"]), (0, Some("shop"), &Value::Null));
        // There is no repository here to take commit and address from.
        let (code, _, err) = deploy(&ctx, Some(TOKEN), times).await;
        assert!(code == 1 && err.contains("hint: --git-repository-url"), "{code} {err}");
        let (code, out, err) = deploy(&ctx, None, &format!("{times} --skip-git")).await;
        assert!(code == 1 && out.is_empty() && err.contains("MERGECAST_TOKEN"), "{code} {err}");
        let (code, _, err) = deploy(&ctx, Some("mergecast_upload_other"), &format!("{times} --skip-git")).await;
        assert!(code == 1 && err.contains("not known") && err.contains("hint: "), "{code} {err}");
        assert!(!err.contains("mergecast_upload_other"));
        assert_eq!(deploy(&ctx, Some(TOKEN), "--started-at soon").await.0, 2);
        assert_eq!(ledger(&ctx).await.deployments.len(), 1);
        ctx
    });
}

#[test]
fn github_tells_of_deployments_and_releases() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let sha = shop.push_base(Edits::new().write("a.rs", "let a = 1;\n"));
        shop.release("v1.4.0", &sha);
        let id = shop.deploy(SimDeployment { git_ref: "v1.4.0".to_owned(), ..SimDeployment::new(&sha, "production") });
        ctx.settle().await;
        assert_eq!(only(&ctx).await.rollout, Rollout::InProgress);
        ctx.clock.set(start() + TimeDelta::minutes(30));
        shop.deployment_status(id, "queued").deployment_status(id, "in_progress");
        ctx.clock.set(start() + TimeDelta::minutes(34));
        shop.deployment_status(id, "success");
        ctx.settle().await;
        let deployment = only(&ctx).await;
        assert!(deployment.is_live(), "{deployment:?}");
        // It waited for half an hour before it began.
        let minutes = |at: Option<DateTime<Utc>>| at.map(|at| (at - start()).num_minutes());
        assert_eq!((minutes(deployment.started_at), minutes(deployment.finished_at)), (Some(30), Some(34)));
        assert_eq!(deployment.build.commit_sha.as_deref(), Some(sha.as_str()));
        assert_eq!((deployment.build.version.as_deref(), deployment.automated), (Some("v1.4.0"), Some(true)));
        // Tag and release are one record.
        assert_eq!(sources(&deployment), [Source::GithubDeployment, Source::GithubRelease]);
        assert_eq!(ledger(&ctx).await.anomalies, []);

        // A preview that failed, by a person, of a service that the pipeline names.
        let preview = SimDeployment {
            creator: "nora".to_owned(),
            payload: json!({"service": "cart"}),
            ..SimDeployment::new(&sha, "preview")
        };
        let id = shop.deploy(preview);
        shop.deployment_status(id, "error");
        shop.tag("nightly", &sha);
        ctx.settle().await;
        let deployments = ledger(&ctx).await.deployments;
        let preview = deployments.iter().find(|one| one.service == "cart").unwrap();
        assert!(!preview.is_live() && preview.rollout == Rollout::Failed && preview.automated.is_none());
        // No name of a person is kept.
        let kept = serde_json::to_string(&ctx.store.sightings(DateTime::<Utc>::MIN_UTC).await.unwrap()).unwrap();
        assert!(!kept.contains("nora") && !kept.contains("octocat") && !kept.contains("nightly"), "{kept}");
        ctx
    });
}

#[test]
fn three_sources_tell_of_one_deployment() {
    run_test(async |ctx| {
        covered(&ctx).await;
        let shop = ctx.repository();
        let sha = shop.push_base(Edits::new().write("a.rs", "let a = 2;\n"));
        let id = shop.deploy(SimDeployment::new(&sha, "production"));
        shop.deployment_status(id, "success");
        let mut by_api = told(&ctx);
        by_api["git"]["commit_sha"] = json!(&sha[..12]);
        post(&ctx, Some(TOKEN), by_api.to_string()).await;
        shop.release("v1.4.0", &sha);
        ctx.settle().await;
        let deployment = only(&ctx).await;
        assert_eq!(sources(&deployment), [Source::Api, Source::GithubDeployment, Source::GithubRelease]);
        assert_eq!(deployment.build.commit_sha.as_deref(), Some(sha.as_str()));
        ctx
    });
}
