//! What became of deployments, through the running service: incidents and SLOs at Datadog fail them, and the DORA metrics say
//! so over HTTP as on the command line.

pub(crate) mod brought;

use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use mergecast::{
    datadog::{
        Age, Datadog, Error, IncidentState, Options, Site,
        sim::{Fault, FaultKind, SimDatadog, SimDeployment, Times},
    },
    deployment::{
        failures::BurnWindow,
        incident::{Activity, IncidentId, Keeper, Span, Telling as Incident, fold},
        sighting::{Sighting, Source, WitnessId},
    },
    service::Telling,
    store::Teller,
};
use serde_json::Value;

use crate::{
    contracts::datadog::check,
    services::{connect, documented, watching},
    support::{Ctx, run_test, run_test_with},
};

fn deployed(id: &str, service: &str, env: &str, at: DateTime<Utc>) -> Sighting {
    Sighting {
        service: Some(service.to_owned()),
        env: Some(env.to_owned()),
        commit_sha: Some(format!("{id:0<40}")),
        started_at: Some(at - TimeDelta::minutes(3)),
        finished_at: Some(at),
        ..Sighting::new(Source::Api, id, at)
    }
}

async fn tell(ctx: &Ctx, sightings: &[Sighting]) {
    ctx.store.save_sightings(sightings, Teller::default()).await.unwrap();
}

pub(crate) async fn pass(ctx: &Ctx, minutes: i64) {
    ctx.settle().await;
    ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(minutes));
    ctx.service().wake();
    ctx.settle().await;
}

/// The metrics over HTTP, as the API describes them.
async fn metrics(ctx: &Ctx, query: &str) -> Value {
    let answer = ctx.http.get(ctx.url(&format!("/api/v1/dora{query}"))).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    let document: Value = answer.json().await.unwrap();
    let described: Value = ctx.http.get(ctx.url("/api/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
    let schema = serde_json::json!({"$ref": "#/components/schemas/Dora", "components": described["components"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    document
}

fn histories(datadog: &SimDatadog) -> usize {
    datadog.exchanges().iter().filter(|one| one.path.ends_with("/history")).count()
}

#[test]
fn an_slo_is_looked_at_once_the_two_hours_are_over() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let at = ctx.clock.now();
        let calm = deployed("c", "payments-api", "prod", at - TimeDelta::hours(20));
        let staging = deployed("5", "payments-api", "staging", at - TimeDelta::hours(10));
        tell(&ctx, &[deployed("a", "payments-api", "prod", at), calm, staging]).await;
        datadog.burn("pay-answers", at, 4.0);
        pass(&ctx, 0).await;
        // Of the calm one that lies back it can be told at once.
        let record = |id: &str| WitnessId { source: Source::Api, id: id.to_owned() };
        let burns = async |id: &str| ctx.store.burns_around(&record(id)).await.unwrap();
        let quiet =
            BurnWindow { deployment: record("c"), slo: "pay-answers".into(), before: Some(0.5), after: Some(0.5) };
        pass(&ctx, 3).await;
        assert_eq!(burns("c").await.into_iter().map(|(burn, _)| burn).collect::<Vec<_>>(), [quiet]);
        let asked = histories(&datadog);
        assert_eq!(asked, 2);
        // Two hours are over, and the margin is not.
        pass(&ctx, 120).await;
        assert_eq!((burns("a").await, histories(&datadog)), (Vec::new(), asked));
        datadog.burn("pay-answers", ctx.clock.now(), 0.5);
        pass(&ctx, 14).await;
        let (burn, _) = burns("a").await.remove(0);
        assert!(burn.led_to_burn(), "{burn:?}");
        assert_eq!((burn.before, histories(&datadog)), (Some(0.5), asked + 2));
        pass(&ctx, 90).await;
        assert_eq!(
            (histories(&datadog), burns("5").await),
            (asked + 2, Vec::new()),
            "what is known is not asked again"
        );
        // Once the outcome is ripe.
        let failed = &metrics(&ctx, "").await["metrics"]["change_fail_rate"];
        assert_eq!((&failed["count"], &failed["pending"], &failed["failing"]), (&0.into(), &1.into(), &1.into()));
        pass(&ctx, 60).await;
        let failed = metrics(&ctx, "?service=payments-api&env=prod").await["metrics"]["change_fail_rate"].clone();
        assert_eq!((&failed["count"], &failed["of"], &failed["by"]["slo_burn"]), (&1.into(), &2.into(), &1.into()));
        check(&datadog);
        documented(&datadog);
        ctx
    });
}

#[test]
fn an_incident_fails_the_deployment_before_it() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        datadog.open_incident("Before anybody looked", "SEV-3", &["payments-api"]);
        pass(&ctx, 5).await;
        let at = ctx.clock.now();
        let asked = |datadog: &SimDatadog| {
            datadog.exchanges().iter().filter(|one| one.path == "/api/v2/incidents/search").count()
        };
        assert_eq!(asked(&datadog), 0, "nothing was deployed as far as is known");
        tell(&ctx, &[deployed("a", "payments-api", "prod", at), deployed("b", "cart", "prod", at)]).await;
        pass(&ctx, 15).await;
        let number = datadog.open_incident("Refunds fail", "SEV-2", &["payments-api"]);
        pass(&ctx, 10).await;
        let told = async || fold(&ctx.store.tellings(DateTime::UNIX_EPOCH).await.unwrap());
        let restored = async || told().await.into_iter().map(|one| one.time_to_restore()).collect::<Vec<_>>();
        assert_eq!(restored().await, [None, None], "both are active");
        datadog.move_incident(number, IncidentState::Stable);
        pass(&ctx, 30).await;
        datadog.move_incident(number, IncidentState::Active);
        pass(&ctx, 7).await;
        datadog.move_incident(number, IncidentState::Resolved);
        pass(&ctx, 5).await;
        assert_eq!(
            restored().await,
            [None, Some(TimeDelta::minutes(17))],
            "time in which it was stable does not count"
        );
        // Asked again, the same is the same.
        let before = ctx.store.tellings(DateTime::UNIX_EPOCH).await.unwrap().len();
        pass(&ctx, 240).await;
        assert_eq!(ctx.store.tellings(DateTime::UNIX_EPOCH).await.unwrap().len(), before);
        let document = metrics(&ctx, "?team=&from=2026-03-01&to=2026-04-01").await;
        assert_eq!(document["metrics"]["deployment_frequency"]["deployments"], 0, "no team is called so");
        let document = metrics(&ctx, "?from=2026-03-01&to=2026-04-01").await;
        let of = |name: &str| {
            let service = document["services"].as_array().unwrap().iter().find(|one| one["name"] == name);
            service.unwrap()["metrics"].clone()
        };
        let (pay, cart) = (of("payments-api"), of("cart"));
        assert_eq!((&pay["change_fail_rate"]["count"], &cart["change_fail_rate"]["count"]), (&1.into(), &0.into()));
        // The incident that was there before any deployment goes on, and is not put down to this one.
        assert_eq!(pay["failed_deployment_recovery_time"]["recovered"]["p50_s"], 1_020.0);
        assert_eq!(pay["detection_time"]["p50_s"], 1_080.0);
        check(&datadog);
        documented(&datadog);
        ctx
    });
}

#[test]
fn the_command_line_says_what_the_api_says() {
    run_test(async |ctx| {
        // The command line asks the system's clock.
        let now = Utc::now();
        let week =
            |number: i64| deployed(&number.to_string(), "cart", "production", now - TimeDelta::days(7 * number + 2));
        tell(&ctx, &(0..9).map(week).collect::<Vec<_>>()).await;
        let database = format!("sqlite://{}", ctx.directory.path().join("mergecast.db").display());
        let run = |more: &[&str]| {
            let out = Command::new(env!("CARGO_BIN_EXE_mergecast"))
                .args(["dora", "--database", &database])
                .args(more)
                .env_clear()
                .current_dir(ctx.directory.path())
                .output()
                .unwrap();
            (out.status.code(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
        };
        let (code, out, _) = run(&["--service", "cart", "--since", "60d", "--format", "json"]);
        let document: Value = serde_json::from_str(&out).unwrap();
        let (from, to) = (&document["scope"]["from"], &document["scope"]["to"]);
        let query = format!("?service=cart&from={}&to={}", from.as_str().unwrap(), to.as_str().unwrap());
        ctx.clock.set(to.as_str().unwrap().parse().unwrap());
        assert_eq!((code, metrics(&ctx, &query).await["metrics"].clone()), (Some(0), document["metrics"].clone()));
        assert_eq!(document["metrics"]["deployment_frequency"]["deployments"], 9);
        let (code, out, _) = run(&[]);
        assert_eq!(code, Some(0));
        assert!(
            out.contains("Change fail rate") && out.contains("~0 %") && out.contains("0 of 9 deployments"),
            "{out}"
        );
        let (code, out, err) = run(&["--since", "tomorrow"]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.contains("2026-03-01"), "{err}");
        for wrong in ["?who=ada", "?from=tomorrow", "?from=2026-03-02&to=2026-03-01", "?from=2020-01-01&to=2026-01-01"]
        {
            let answer = ctx.http.get(ctx.url(&format!("/api/v1/dora{wrong}"))).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{wrong}");
        }
        ctx
    });
}

#[test]
fn dora_metrics_is_told_of_each_deployment_and_failure_once() {
    let mut setup = watching();
    setup.operations.telling =
        Telling { incident_links: true, dora_events: true, comments: true, ..Telling::default() };
    setup.operations.reads_deployments = true;
    run_test_with(setup, async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let at = ctx.clock.now();
        // A pipeline tells Datadog itself.
        let known = SimDeployment { service: "cart".into(), env: "prod".into(), ..SimDeployment::default() };
        datadog.deploy(known, at - TimeDelta::hours(3));
        let staging = deployed("c", "payments-api", "staging", at);
        let cart = deployed("d", "cart", "prod", at - TimeDelta::hours(3));
        tell(&ctx, &[deployed("a", "payments-api", "prod", at), staging, cart]).await;
        let api = |id: &str, over: Option<DateTime<Utc>>| Incident {
            services: ["payments-api".to_owned()].into(),
            began_at: Some(at),
            activity: Activity::Spans(vec![Span { from: at, to: over }]),
            ..Incident::new(IncidentId { keeper: Keeper::Api, id: id.into() }, over.unwrap_or(at))
        };
        let told = [api("over", Some(at + TimeDelta::minutes(9))), api("goes-on", None)];
        ctx.store.save_tellings(&told, Teller::default()).await.unwrap();
        datadog.fault(Fault {
            path: "/api/v2/dora/failure".to_owned(),
            kind: FaultKind::Status(503),
            times: Times::Next(1),
        });
        for _ in 0..8 {
            pass(&ctx, 15).await;
        }
        let done: Vec<String> = datadog.deployments().into_iter().map(|(service, _)| service).collect();
        assert_eq!(done, ["cart", "payments-api"]);
        assert_eq!(datadog.failures(), [(vec!["payments-api".to_owned()], at, Some(at + TimeDelta::minutes(9)))]);
        let posts = |path: &str| datadog.exchanges().iter().filter(|one| one.path == path).count();
        assert_eq!(
            (posts("/api/v2/dora/deployment"), posts("/api/v2/dora/failure")),
            (1, 2),
            "once, and after a failure"
        );
        // What was told there is no witness of its own.
        let kept = ctx.store.sightings(DateTime::<Utc>::MIN_UTC).await.unwrap();
        let there: Vec<_> = kept.iter().filter(|one| one.witness.source == Source::DatadogDora).collect();
        assert!(there.iter().all(|one| one.service.as_deref() == Some("cart")) && !there.is_empty(), "{there:?}");
        check(&datadog);
        documented(&datadog);
        ctx
    });
}

#[test]
fn nothing_is_written_at_datadog_unless_it_is_wished() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        tell(&ctx, &[deployed("a", "payments-api", "prod", ctx.clock.now())]).await;
        datadog.open_incident("Refunds fail", "SEV-2", &["payments-api"]);
        for _ in 0..4 {
            pass(&ctx, 15).await;
        }
        let writes = ["/attachments", "/dora/deployment", "/dora/failure"];
        assert!(datadog.exchanges().iter().all(|one| !writes.iter().any(|end| one.path.ends_with(end))));
        ctx
    });
}

/// A link says which change an incident is put down to, is changed with it and never doubled.
#[test]
fn a_link_is_put_on_an_incident_once() {
    run_test(async |mut ctx| {
        let datadog = crate::sources::connect(&mut ctx, "datadoghq.com").await;
        // As the program asks, which tries a question three times.
        let (site, keys, clock) = (Site::new("datadoghq.com"), datadog.keys(), ctx.clock.clone());
        let client = Datadog::new(datadog.url(), site, keys, clock, Options::default()).unwrap();
        let number = datadog.open_incident("Refunds fail", "SEV-2", &["payments-api"]);
        let id = client.open_incidents(Age::NOW).await.unwrap().value[0].id.clone();
        assert_eq!(client.incident_links(&id).await.unwrap(), []);
        let added = client.add_incident_link(&id, "First", "https://mergecast.example/1").await.unwrap();
        let mut links = client.incident_links(&id).await.unwrap();
        assert_eq!((links.len(), &links[0].id), (1, &added));
        links[0].title = "Second".to_owned();
        client.change_incident_link(&id, &links[0]).await.unwrap();
        let shown = [("Second".to_owned(), "https://mergecast.example/1".to_owned())];
        assert_eq!(datadog.incident_links(number), shown);
        datadog.permit("incident_write", false);
        let refused = client.add_incident_link(&id, "Third", "https://mergecast.example/3").await;
        assert_eq!(refused, Err(Error::Forbidden { needs: Some("incident_write") }));
        // Whether it was done is not known, so it is not done again by itself.
        datadog.permit("incident_write", true);
        datadog.fault(Fault {
            path: "/api/v2/incidents".to_owned(),
            kind: FaultKind::Status(503),
            times: Times::Next(1),
        });
        let asked = datadog.asked();
        assert!(client.add_incident_link(&id, "Third", "https://mergecast.example/3").await.is_err());
        assert_eq!((datadog.asked(), datadog.incident_links(number)), (asked + 1, shown.to_vec()));
        check(&datadog);
        ctx
    });
}
