//! A service's health through the front door: a burn raises a score and its end lowers it, an incident lifts, a revert and a
//! hotfix are let through, and Datadog's silence is told. Nobody pushes and nobody asks; the scores follow by themselves.

use std::time::Duration;

use chrono::TimeDelta;
use mergecast::{
    clock::Clock,
    datadog::{
        Age, Datadog, IncidentState, Options, Site,
        sim::{Fault, FaultKind, SimDatadog, SimDeployment, SimSlo, Times},
    },
    github::sim::{Edits, Permission, PullHandle, PullSpec},
    service::Timing,
    slo::{LOOKED_BACK_S, Target},
};

use crate::{
    commands,
    seen::{Seen, see},
    support::{Ctx, Setup, run_test_with, start},
};

pub(crate) fn watching() -> Setup {
    Setup { timing: Timing::default(), ..Setup::default() }
}

/// Connects an organisation in which `payments-api` lives below `apps/payments` and has burned at half its pace for 40 days.
pub(crate) async fn connect(ctx: &mut Ctx) -> SimDatadog {
    let clock = ctx.clock.clone();
    let datadog = SimDatadog::start(move || clock.now()).await.unwrap();
    let options = Options { deadline: Duration::from_secs(2), tries: 1, ..Options::default() };
    let site = Site::new("datadoghq.com");
    let client = Datadog::new(datadog.url(), site, datadog.keys(), ctx.clock.clone(), options).unwrap();
    ctx.stop_service().await;
    ctx.setup.operations.datadog = Some(client);
    ctx.start_service().await;
    datadog.service("payments-api", "github.example/acme/shop", &["apps/payments/**"]);
    datadog.slo(SimSlo::metric("pay-answers", "payments-api", 99.9));
    datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::days(40), 0.5);
    datadog
}

/// A small change with its test, that nobody has looked at: 15 points more are another level.
pub(crate) fn feature(title: &str, path: &str) -> PullSpec {
    let lines = |count: usize| (0..count).map(|line| format!("let step_{line} = pay({line});\n")).collect::<String>();
    let test = path.replace(".rs", "_test.rs");
    PullSpec::new(title, "ada", Edits::new().write(path, lines(60)).write(test, lines(20)))
}

/// Lets so many hours pass, in which whatever is due is done.
pub(crate) async fn pass(ctx: &Ctx, hours: i64) {
    ctx.settle().await;
    ctx.clock.set(ctx.clock.now() + TimeDelta::hours(hours));
    ctx.service().wake();
    ctx.settle().await;
}

/// The burn rate that was read, to a hundredth; `None` while it is unknown.
pub(crate) fn burn(seen: &Seen) -> Option<f64> {
    seen.value("burn_rate").map(|rate| (rate * 100.0).round() / 100.0)
}

pub(crate) fn floors(seen: &Seen) -> Vec<(String, bool, Option<String>)> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let floors = seen.json["floors"].as_array().unwrap().iter();
    floors
        .map(|one| (text(&one["rule"]).unwrap(), one["applied"].as_bool().unwrap(), text(&one["exempt_because"])))
        .collect()
}

fn services(seen: &Seen) -> Vec<(String, u64)> {
    let services = seen.json["services"].as_array().unwrap().iter();
    services.map(|one| (one["name"].as_str().unwrap().to_owned(), one["files_total"].as_u64().unwrap())).collect()
}

#[test]
fn a_burn_raises_a_score_by_itself_and_its_end_lowers_it() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        let pull = shop.open(feature("feat: pay by voucher", "apps/payments/src/voucher.rs"));
        let beside = shop.open(feature("feat: greet", "apps/web/src/greet.rs"));
        let before = see(&ctx, &pull).await;
        assert_eq!((before.points("burn_rate"), services(&before)), (0, vec![("payments-api".to_owned(), 2)]));
        assert_eq!(burn(&before), Some(0.5));
        let unmapped = see(&ctx, &beside).await;
        assert!(services(&unmapped).is_empty() && unmapped.summary().contains("no service mapped"));
        assert!(unmapped.summary().contains("apps/payments/**"), "the line to add: {}", unmapped.summary());

        datadog.burn("pay-answers", ctx.clock.now(), 4.2);
        pass(&ctx, 6).await;
        let burning = see(&ctx, &pull).await;
        assert_eq!((burning.points("burn_rate"), burn(&burning)), (15, Some(4.2)));
        assert!(burning.title().contains("payments-api burning 4.2x"), "{}", burning.title());
        let words = burning.words("burn_rate");
        for said in ["payments-api answers", "99.9 %", "4.2x its pace", "over all 48 h", "lasts"] {
            assert!(words.contains(said), "{said}: {words}");
        }
        let link = "(https://app.datadoghq.com/slo?slo_id=pay-answers)";
        assert!(burning.summary().contains(link), "{}", burning.summary());
        assert!(burning.summary().contains("Wait until the error budget burns below twice its pace"));
        assert_eq!(see(&ctx, &beside).await.score(), unmapped.score());

        datadog.burn("pay-answers", ctx.clock.now(), 0.5);
        pass(&ctx, 56).await;
        let after = see(&ctx, &pull).await;
        assert_eq!((after.points("burn_rate"), burn(&after)), (0, Some(0.5)));
        ctx
    });
}

#[test]
fn an_incident_lifts_but_for_what_mends_it() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_files(Edits::new().write("apps/payments/src/cart.rs", "one\ntwo\n"));
        let broken = shop.open(PullSpec::new(
            "Count differently",
            "ada",
            Edits::new().write("apps/payments/src/cart.rs", "one\n2\n"),
        ));
        broken.merge();
        ctx.settle().await;
        let pull = shop.open(feature("feat: pay by voucher", "apps/payments/src/voucher.rs"));
        let revert = shop.open(PullSpec {
            body: Some(format!("Reverts acme/shop#{}", broken.number())),
            ..PullSpec::new(
                "Revert \"Count differently\"",
                "ada",
                Edits::new().write("apps/payments/src/cart.rs", "one\ntwo\n"),
            )
        });
        assert!(see(&ctx, &pull).await.score() < 80);
        let number = datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        datadog.open_incident("Slow search", "SEV-1", &["search"]);
        pass(&ctx, 1).await;
        let lifted = see(&ctx, &pull).await;
        assert_eq!((lifted.score(), floors(&lifted)), (80, vec![("active_incident".to_owned(), true, None)]));
        assert!(lifted.title().contains("incident open (at least 80)"), "{}", lifted.title());
        let words = lifted.words("open_incidents");
        assert!(words.contains("SEV-1, active") && words.contains("Checkout is down"), "{words}");
        assert!(!words.contains("Slow search"), "{words}");
        let exempt = see(&ctx, &revert).await;
        let proven = Some("proven_revert".to_owned());
        assert_eq!(floors(&exempt), [("active_incident".to_owned(), false, proven)]);
        assert!(exempt.score() < 80, "{}", exempt.score());

        let answered = say(&ctx, &pull, "/risk hotfix IR-9999").await;
        assert!(answered.contains("no incident of that name is open"), "{answered}");
        let answered = say(&ctx, &pull, &format!("/risk hotfix IR-{number}")).await;
        assert!(answered.contains("Linked to the incident `Checkout is down`"), "{answered}");
        let mended = see(&ctx, &pull).await;
        assert_eq!(floors(&mended), [("active_incident".to_owned(), false, Some("hotfix".to_owned()))]);
        assert!(mended.score() < 80, "{}", mended.score());

        datadog.move_incident(number, IncidentState::Resolved);
        pass(&ctx, 1).await;
        assert!(floors(&see(&ctx, &pull).await).is_empty());
        ctx
    });
}

/// The answer of the App to a command of somebody who may write.
async fn say(ctx: &Ctx, pull: &PullHandle, text: &str) -> String {
    commands::say(ctx, pull, "nora", text).await.reply().to_owned()
}

#[test]
fn datadogs_silence_is_told_and_passes() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(20), 4.2);
        let fault = |path: &str, kind: FaultKind| Fault { path: path.to_owned(), kind, times: Times::Always };
        datadog.fault(fault("/api/v1/slo", FaultKind::Status(503)));
        datadog.permit("incident_read", false);
        let shop = ctx.repository();
        let pull = shop.open(feature("feat: pay by voucher", "apps/payments/src/voucher.rs"));
        let silent = see(&ctx, &pull).await;
        assert_eq!((silent.value("burn_rate"), silent.points("burn_rate")), (None, 0));
        assert_eq!(silent.value("open_incidents"), None);
        assert!(silent.summary().contains("Datadog: no answer"), "{}", silent.summary());
        assert!(silent.summary().contains("access refused for want of `incident_read`"), "{}", silent.summary());
        let range = &silent.json["range"];
        assert!(range["high"].as_i64().unwrap() >= silent.score() + 15, "{range}");
        let ready = ctx.http.get(ctx.url("/readyz")).send().await.unwrap();
        assert_eq!(ready.status(), 200);

        datadog.heal();
        datadog.permit("incident_read", true);
        pass(&ctx, 1).await;
        let heard = see(&ctx, &pull).await;
        assert_eq!((burn(&heard), heard.points("burn_rate")), (Some(4.2), 15));
        ctx
    });
}

#[test]
fn all_pull_requests_of_a_service_share_its_calls() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        datadog.slo(SimSlo::metric("pay-fast", "payments-api", 99.0));
        datadog.burn("pay-fast", ctx.clock.now() - TimeDelta::days(40), 0.5);
        datadog.deploy(
            SimDeployment { service: "payments-api".to_owned(), env: "prod".to_owned(), ..SimDeployment::default() },
            ctx.clock.now() - TimeDelta::minutes(30),
        );
        let shop = ctx.repository();
        let pulls: Vec<PullHandle> =
            (0..5).map(|n| shop.open(feature(&format!("feat: {n}"), &format!("apps/payments/src/f{n}.rs")))).collect();
        for pull in &pulls {
            assert_eq!(see(&ctx, pull).await.points("recent_deploys"), 4);
        }
        let histories = || {
            let asked = datadog.exchanges().into_iter().filter(|one| one.path.ends_with("/history"));
            asked.count()
        };
        // Two SLOs, each once over 48 h and once over its timeframe.
        assert_eq!(histories(), 4);
        pass(&ctx, 1).await;
        assert_eq!(histories(), 8, "one refresh of each, whoever asks");
        ctx
    });
}

/// What one refresh of 500 services with 1,200 SLOs asks for, while the simulated Datadog refuses what is over its limit of
/// 150 histories in 10 s. Time is that of the test's clock.
#[test]
fn twelve_hundred_slos_stay_within_the_limit() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let clock = Clock::manual(start());
        let sim_clock = clock.clone();
        let datadog = SimDatadog::start(move || sim_clock.now()).await.unwrap();
        let ids: Vec<String> = (0..1_200).map(|n| format!("slo-{n}")).collect();
        for (n, id) in ids.iter().enumerate() {
            datadog.slo(SimSlo::metric(id, &format!("service-{}", n % 500), 99.9));
            datadog.burn(id, start() - TimeDelta::days(3), 0.5);
        }
        let client =
            Datadog::new(datadog.url(), Site::new("datadoghq.com"), datadog.keys(), clock.clone(), Options::default());
        let client = client.unwrap().patient(Duration::from_secs(600));
        let calls = ids.into_iter().map(|id| {
            let client = client.clone();
            async move { client.slo_history(&id, LOOKED_BACK_S, Target::new(99.9), Age::NOW).await.map(|_| ()) }
        });
        let all = tokio::spawn(futures_util::future::join_all(calls));
        let refused = || datadog.exchanges().iter().filter(|one| one.status != 200).count();
        let mut early = None;
        while !all.is_finished() {
            clock.advance(Duration::from_millis(500));
            let mut before = u64::MAX;
            // Time waits for what is under way.
            while before != datadog.asked() {
                before = datadog.asked();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if before >= 600 && early.is_none() {
                // The log holds the newest thousand.
                early = Some(refused());
            }
        }
        let failed = all.await.unwrap().into_iter().filter_map(Result::err).next();
        assert_eq!(failed, None);
        assert_eq!((datadog.asked(), early, refused()), (1_200, Some(0), 0));
        let took = clock.now() - start();
        assert!(took >= TimeDelta::seconds(100), "half of the limit is left to others: {took}");
        assert!(took <= TimeDelta::seconds(200), "and a refresh of five minutes has room: {took}");
    });
}
