//! What is watched and what is known of services, through the front door: what ends, what was silent, what is one list or one
//! service of many, and what people are told when they ask.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use mergecast::{
    clock::Clock,
    datadog::{
        Age, Datadog, IncidentState, Options, Site,
        sim::{Fault, FaultKind, SimDatadog, SimDeployment, SimSlo, Times},
    },
    github::sim::{Edits, Permission, PullHandle, PullSpec, SimRepository},
};

use crate::{
    commands,
    contracts::datadog::check,
    seen::see,
    services::{burn, connect, feature, floors, pass, watching},
    support::{Ctx, run_test_with, start},
};

fn voucher(shop: &SimRepository) -> PullHandle {
    feature(shop, "feat: pay by voucher", "apps/payments/src/voucher.rs")
}

fn silent(datadog: &SimDatadog, path: &str) {
    datadog.fault(Fault { path: path.to_owned(), kind: FaultKind::Status(503), times: Times::Always });
}

async fn ask(ctx: &Ctx, pull: &PullHandle, text: &str) -> String {
    let comment = pull.comment("nora", text);
    ctx.rest().await;
    commands::said(pull, comment).reply().to_owned()
}

fn calls(datadog: &SimDatadog, path: &str) -> usize {
    datadog.exchanges().iter().filter(|one| one.path == path).count()
}

#[test]
fn a_pull_request_that_ended_is_watched_no_more() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        let (merged, closed, open) = (voucher(&shop), voucher(&shop), voucher(&shop));
        ctx.settle().await;
        assert_eq!(ctx.store.pulls_with_services((0, 0), 9).await.unwrap().len(), 3);
        merged.merge();
        closed.close();
        ctx.settle().await;
        let watched = ctx.store.pulls_with_services((0, 0), 9).await.unwrap();
        assert_eq!(watched.iter().map(|pull| pull.1).collect::<Vec<_>>(), [open.number() as i64]);
        let written = see(&ctx, &merged).await.run.writes.len();
        datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        pass(&ctx, 1).await;
        assert_eq!(see(&ctx, &open).await.score(), 80);
        assert_eq!(see(&ctx, &merged).await.run.writes.len(), written);
        check(&datadog);
        ctx
    });
}

#[test]
fn a_pull_request_whose_job_was_forgotten_is_scored_again() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let pull = voucher(&ctx.repository());
        assert!(floors(&see(&ctx, &pull).await).is_empty());
        // As after thirty days at rest.
        assert!(ctx.store.forget_jobs(i64::MAX, 100).await.unwrap() > 0);
        datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        pass(&ctx, 1).await;
        assert_eq!(floors(&see(&ctx, &pull).await), [("active_incident".to_owned(), true, None)]);
        ctx
    });
}

#[test]
fn a_threshold_that_is_crossed_by_a_hair_counts() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(20), 1.98);
        let pull = voucher(&ctx.repository());
        let below = see(&ctx, &pull).await;
        assert_eq!((burn(&below), below.points("burn_rate")), (Some(1.98), 0));
        datadog.burn("pay-answers", ctx.clock.now(), 2.03);
        pass(&ctx, 6).await;
        let above = see(&ctx, &pull).await;
        assert_eq!((burn(&above), above.points("burn_rate")), (Some(2.03), 15));
        // And that was that.
        let before = ctx.sim.requests();
        pass(&ctx, 1).await;
        let written = ctx.sim.exchanges_since(before).into_iter().filter(|one| one.path.contains("check-runs"));
        assert_eq!(written.count(), 0);
        ctx
    });
}

#[test]
fn a_score_of_a_silent_catalogue_is_made_again() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(20), 4.2);
        silent(&datadog, "/api/v2/services/definitions");
        silent(&datadog, "/api/v2/catalog/entity");
        let pull = voucher(&ctx.repository());
        let blind = see(&ctx, &pull).await;
        assert!(blind.words("burn_rate").contains("status 503"), "{}", blind.words("burn_rate"));
        datadog.heal();
        pass(&ctx, 1).await;
        let heard = see(&ctx, &pull).await;
        assert_eq!((burn(&heard), heard.points("burn_rate")), (Some(4.2), 15));
        // What is added to the catalogue reaches it as well, without a push.
        datadog.service("vouchers", "github.example/acme/shop", &["apps/payments/src/voucher*"]);
        datadog.open_incident("Vouchers are lost", "SEV-1", &["vouchers"]);
        pass(&ctx, 2).await;
        assert_eq!(see(&ctx, &pull).await.score(), 80);
        ctx
    });
}

#[test]
fn one_silent_list_of_the_catalogue_does_not_say_that_there_is_no_service() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        silent(&datadog, "/api/v2/services/definitions");
        datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        let pull = voucher(&ctx.repository());
        let blind = see(&ctx, &pull).await;
        for signal in ["burn_rate", "open_incidents", "recent_deploys", "change_fail_rate"] {
            assert!(blind.words(signal).contains("status 503"), "{signal}: {}", blind.words(signal));
        }
        assert!(blind.json["range"]["high"].as_i64().unwrap() >= 80, "its floor is open: {}", blind.json["range"]);
        datadog.heal();
        pass(&ctx, 1).await;
        assert_eq!(see(&ctx, &pull).await.score(), 80);
        ctx
    });
}

#[test]
fn silence_is_no_news() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let number = datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        let pull = voucher(&ctx.repository());
        let held = see(&ctx, &pull).await;
        assert_eq!(held.score(), 80);
        silent(&datadog, "");
        for _ in 0..3 {
            pass(&ctx, 30).await;
            let still = see(&ctx, &pull).await;
            assert_eq!((still.score(), &still.run.external_id), (80, &held.run.external_id));
            assert_eq!(still.run.writes.len(), held.run.writes.len());
        }
        datadog.heal();
        datadog.move_incident(number, IncidentState::Resolved);
        pass(&ctx, 1).await;
        assert!(floors(&see(&ctx, &pull).await).is_empty());
        ctx
    });
}

#[test]
fn what_cannot_be_read_hides_nothing_that_is_bad_and_proves_nothing_good() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        let policy = "services:\n  gone: { paths: [\"/apps/payments/\"], slos: [\"0123456789abcdef\"] }\n";
        shop.base_files(Edits::new().write(".github/mergecast.yml", policy));
        let good = voucher(&shop);
        let words = see(&ctx, &good).await.words("burn_rate");
        assert!(words.contains("it knows no SLO 0123456789abcdef, which the policy file names"), "{words}");
        datadog.burn("pay-answers", ctx.clock.now(), 40.0);
        pass(&ctx, 30).await;
        let bad = see(&ctx, &good).await;
        assert_eq!((burn(&bad), bad.points("burn_rate")), (Some(40.0), 15));
        assert_eq!(floors(&bad), [("budget_exhausted".to_owned(), true, None)]);
        assert!(bad.words("error_budget").contains("has spent"), "{}", bad.words("error_budget"));
        ctx
    });
}

/// An incident on what everybody changes: twenty scores a round, none of them twice, and nobody is written to.
#[test]
fn many_pull_requests_of_one_service_are_scored_again_round_by_round() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        let open = |n: usize| {
            let edits = Edits::new().write(format!("apps/payments/src/f{n}.rs"), "pay();\n");
            shop.open(PullSpec::new(format!("feat: pay {n}"), format!("dev-{n}"), edits))
        };
        let pulls: Vec<PullHandle> = (0..23).map(open).collect();
        ctx.settle().await;
        let written = async || -> Vec<usize> {
            let mut all = Vec::new();
            for pull in &pulls {
                all.push(ctx.check_run(pull).await.writes.len());
            }
            all
        };
        let before = written().await;
        let again = async || {
            pass(&ctx, 1).await;
            let now = written().await;
            assert!(now.iter().zip(&before).all(|(now, before)| now - before <= 1), "{before:?}, {now:?}");
            now.iter().sum::<usize>() - before.iter().sum::<usize>()
        };
        datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        assert_eq!([again().await, again().await, again().await], [20, 23, 23]);
        for pull in &pulls {
            assert_eq!(floors(&see(&ctx, pull).await), [("active_incident".to_owned(), true, None)]);
            assert!(pull.conversation().is_empty());
        }
        ctx
    });
}

#[test]
fn the_eleventh_service_is_not_taken_for_healthy() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        let lines = (0..10).map(|n| format!("  a{n}: {{ paths: [\"apps/payments/**\"] }}\n")).collect::<String>();
        shop.base_files(Edits::new().write(".github/mergecast.yml", format!("services:\n{lines}")));
        datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(20), 10.0);
        let pull = voucher(&shop);
        let seen = see(&ctx, &pull).await;
        let told = "only 10 of the 11 services of this change are asked about";
        assert!(seen.words("burn_rate").contains(told), "{}", seen.words("burn_rate"));
        assert_eq!(burn(&seen), None);
        datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        pass(&ctx, 1).await;
        assert_eq!(see(&ctx, &pull).await.score(), 80, "incidents are asked for once for all");
        ctx
    });
}

#[test]
fn what_is_refused_is_not_asked_again_at_once() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        datadog.permit("slos_read", false);
        datadog.permit("incident_read", false);
        let shop = ctx.repository();
        let pulls: Vec<PullHandle> =
            (0..4).map(|n| feature(&shop, &format!("feat: {n}"), &format!("apps/payments/f{n}.rs"))).collect();
        for pull in &pulls {
            let seen = see(&ctx, pull).await;
            assert!(seen.words("open_incidents").contains("incident_read"), "{}", seen.words("open_incidents"));
        }
        let open = || calls(&datadog, "/api/v2/incidents/search");
        // Once for all four, and perhaps once more by the watch; incidents are those that are open and those of 90 days.
        let asked = (calls(&datadog, "/api/v1/slo"), open());
        assert!(asked.0 <= 2 && asked.1 <= 4, "{asked:?}");
        datadog.permit("slos_read", true);
        datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(20), 4.2);
        pass(&ctx, 1).await;
        assert_eq!(see(&ctx, &pulls[3]).await.points("burn_rate"), 15, "whoever grants it is heard");
        ctx
    });
}

#[test]
fn a_service_is_judged_by_its_deployments_however_many_others_there_are() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let now = ctx.clock.now();
        let of = |service: &str| SimDeployment {
            service: service.to_owned(),
            env: "prod".to_owned(),
            ..SimDeployment::default()
        };
        for n in 0..21_000 {
            datadog.deploy(of(&format!("other-{}", n % 500)), now - TimeDelta::minutes(6 * n + 800));
        }
        for n in 0..20 {
            datadog.deploy(of("payments-api"), now - TimeDelta::days(n + 2));
        }
        datadog.deploy(of("payments-api"), now - TimeDelta::hours(9));
        for n in 0..5 {
            let failed = datadog.open_incident("Checkout is down", "SEV-3", &["PAYMENTS-API"]);
            datadog.customers_feel(failed, now - TimeDelta::days(n + 2) + TimeDelta::hours(1));
            datadog.move_incident(failed, IncidentState::Completed);
        }
        let pull = voucher(&ctx.repository());
        let seen = see(&ctx, &pull).await;
        assert_eq!(seen.points("change_fail_rate"), 5, "{}", seen.words("change_fail_rate"));
        let words = seen.words("change_fail_rate");
        assert!(words.contains("5 of 21 deployments of"), "{words}");
        assert_eq!((seen.value("recent_deploys").map(f64::floor), seen.points("recent_deploys")), (Some(9.0), 0));
        ctx
    });
}

#[test]
fn flaky_tests_count_and_their_suites_are_told() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let (here, now) = ("github.example/acme/shop", ctx.clock.now());
        // One run is no rate.
        datadog.test_run(here, "nightly", now - TimeDelta::hours(30), &[("slow", "all", true)]);
        for n in 0..20 {
            let tests = [("checkout", "pays", n < 3), ("cart", "adds", n == 0)];
            datadog.test_run(here, "ci", now - TimeDelta::hours(n + 1), &tests);
        }
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let pull = feature(&shop, "feat: greet", "apps/web/src/greet.rs");
        let seen = see(&ctx, &pull).await;
        assert_eq!((seen.points("flaky_tests"), seen.value("flaky_tests")), (3, Some(0.15)));
        let told = ask(&ctx, &pull, "/risk explain flaky_tests").await;
        for said in ["3 of 20 runs of `ci`", "`checkout` (3 flakes)", "`cart` (1 flake)"] {
            assert!(told.contains(said), "{said}: {told}");
        }
        ctx
    });
}

#[test]
fn when_is_answered_by_what_is_known_now() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(1), 9.0);
        let pull = voucher(&shop);
        let burning = see(&ctx, &pull).await;
        assert_eq!(burning.points("burn_rate"), 15);
        let told = ask(&ctx, &pull, "/risk when").await;
        assert!(told.contains("nobody can say when it will be over"), "{told}");
        datadog.burn("pay-answers", ctx.clock.now(), 0.1);
        pass(&ctx, 20).await;
        assert_eq!(see(&ctx, &pull).await.run.external_id, burning.run.external_id, "its level is the same");
        let told = ask(&ctx, &pull, "/risk when").await;
        assert!(told.contains("the burn is over and leaves the 48 h that count"), "{told}");
        silent(&datadog, "");
        ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(50));
        let told = ask(&ctx, &pull, "/risk when").await;
        assert!(told.contains("Datadog does not answer now; what it said is"), "{told}");
        datadog.heal();
        ctx
    });
}

#[test]
fn the_lane_for_hotfixes_is_for_what_holds_back() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let bad = datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        let small = datadog.open_incident("A typo in a receipt", "SEV-5", &["payments-api"]);
        let pull = voucher(&shop);
        assert_eq!(see(&ctx, &pull).await.score(), 80);
        let told = ask(&ctx, &pull, &format!("/risk hotfix IR-{small}")).await;
        assert!(told.contains("holds no change back"), "{told}");
        assert_eq!(see(&ctx, &pull).await.score(), 80);
        datadog.move_incident(bad, IncidentState::Stable);
        ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(5));
        let told = ask(&ctx, &pull, &format!("/risk hotfix IR-{bad}")).await;
        assert!(told.contains("holds no change back"), "{told}");
        datadog.move_incident(bad, IncidentState::Active);
        ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(5));
        let told = ask(&ctx, &pull, &format!("/risk hotfix IR-{bad}")).await;
        assert!(told.contains("Linked to the incident"), "{told}");
        assert_eq!(floors(&see(&ctx, &pull).await), [("active_incident".to_owned(), false, Some("hotfix".to_owned()))]);
        ctx
    });
}

/// Sixty calls at once: some are sent, the others wait for their turn. The limit that closes meanwhile holds for them too.
#[test]
fn who_waits_for_a_turn_waits_for_the_reset_as_well() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let clock = Clock::manual(start());
        let sim_clock = clock.clone();
        let datadog = SimDatadog::start(move || sim_clock.now()).await.unwrap();
        for n in 0..60 {
            datadog.slo(SimSlo::metric(&format!("slo-{n}"), "payments-api", 99.9));
            datadog.burn(&format!("slo-{n}"), start() - TimeDelta::days(3), 0.5);
        }
        let spent = FaultKind::RateLimited { reset: Some(10) };
        datadog.fault(Fault { path: "/api/v1/slo/".to_owned(), kind: spent, times: Times::Next(1) });
        let site = Site::new("datadoghq.com");
        let client = Datadog::new(datadog.url(), site, datadog.keys(), clock.clone(), Options::default()).unwrap();
        let reading = tokio::spawn(async move {
            let client = &client;
            let read = |n: usize| async move { client.slo_history(&format!("slo-{n}"), 3_600, None, Age::NOW).await };
            join_all((0..60).map(read)).await
        });
        let still = async || {
            let (mut seen, mut quiet) = (datadog.asked(), 0);
            while quiet < 10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                quiet = if datadog.asked() == seen { quiet + 1 } else { 0 };
                seen = datadog.asked();
            }
            seen
        };
        let first = async {
            while datadog.asked() < 37 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), first).await.expect("a quarter of the limit passes at once");
        assert_eq!(still().await, 37);
        for _ in 0..99 {
            clock.advance(Duration::from_millis(100));
            assert_eq!(still().await, 37, "at {}", clock.now());
        }
        while !reading.is_finished() {
            clock.advance(Duration::from_millis(100));
            still().await;
        }
        assert!(reading.await.unwrap().iter().all(Result::is_ok));
        assert_eq!(datadog.asked(), 61, "one was refused and asked again");
    });
}
