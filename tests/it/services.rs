//! A service's health through the front door: a burn raises a score and its end lowers it, an incident lifts, a revert and a
//! hotfix are let through, and Datadog's silence is told. Nobody pushes and nobody asks; the scores follow by themselves.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use mergecast::{
    clock::Clock,
    config::repository::RepositoryPolicy,
    datadog::{
        Datadog, DatadogSource, IncidentState, Options, Site,
        sim::{API_KEY, APP_KEY, Fault, FaultKind, SimDatadog, SimDeployment, SimSlo, Times, Used},
    },
    github::sim::{Edits, Permission, PullHandle, PullSpec, SimRepository},
    risk::facts::{Change, Facts},
    service::{Timing, health_of_range},
};

use crate::{
    commands,
    contracts::datadog::check,
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

/// A small change that somebody has approved: 15 points more are another level.
pub(crate) fn feature(shop: &SimRepository, title: &str, path: &str) -> PullHandle {
    shop.member("nora", Permission::Write);
    let lines: String = (0..5).map(|line| format!("let step_{line} = pay({line});\n")).collect();
    let pull = shop.open(PullSpec::new(title, "ada", Edits::new().write(path, lines)));
    pull.approve("nora");
    pull
}

/// What was said between Datadog and us is as Datadog documents it, and as we do. To read Datadog's documents takes time,
/// so each kind of call is looked at once.
fn close(ctx: Ctx, datadog: &SimDatadog) -> Ctx {
    check(datadog);
    documented(datadog);
    ctx
}

/// docs/datadog.md has every call that was made.
pub(crate) fn documented(datadog: &SimDatadog) {
    let page = include_str!("../../docs/datadog.md");
    for one in datadog.exchanges() {
        let history = one.path.starts_with("/api/v1/slo/") && one.path.ends_with("/history");
        let path = if history { "/api/v1/slo/ID/history" } else { one.path.as_str() };
        assert!(page.contains(&format!("`{} {path}", one.method)), "{} {path} is not in docs/datadog.md", one.method);
    }
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
        let pull = feature(&shop, "feat: pay by voucher", "apps/payments/src/voucher.rs");
        let beside = feature(&shop, "feat: greet", "apps/web/src/greet.rs");
        let before = see(&ctx, &pull).await;
        assert_eq!((before.points("burn_rate"), services(&before)), (0, vec![("payments-api".to_owned(), 1)]));
        assert_eq!(burn(&before), Some(0.5));
        assert!((25..40).contains(&before.score()), "{}", before.score());
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
        // As long as that holds nobody is told again: not by a comment, and the check run is not written again.
        for _ in 0..3 {
            pass(&ctx, 1).await;
            let again = see(&ctx, &pull).await;
            assert_eq!(
                (&again.run.external_id, again.run.writes.len()),
                (&burning.run.external_id, burning.run.writes.len())
            );
        }
        assert!(pull.conversation().is_empty());

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
            "omar",
            Edits::new().write("apps/payments/src/cart.rs", "one\n2\n"),
        ));
        broken.merge();
        ctx.settle().await;
        let pull = feature(&shop, "feat: pay by voucher", "apps/payments/src/voucher.rs");
        let revert = shop.open(PullSpec {
            body: Some(format!("Reverts acme/shop#{}", broken.number())),
            ..PullSpec::new(
                "Revert \"Count differently\"",
                "lin",
                Edits::new().write("apps/payments/src/cart.rs", "one\ntwo\n"),
            )
        });
        let before = [see(&ctx, &pull).await.score(), see(&ctx, &revert).await.score()];
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
        assert_eq!((exempt.score(), exempt.points("open_incidents")), (before[1], 0), "the incident adds nothing");
        let summary = exempt.run.summary.as_deref().unwrap_or_default();
        assert!(
            summary.contains("does not count: a proven revert is the way back; read: incident 1, SEV-1, active"),
            "{summary}"
        );

        let answered = say(&ctx, &pull, "/risk hotfix IR-9999").await;
        assert!(answered.contains("no incident of that name is open"), "{answered}");
        let answered = say(&ctx, &pull, &format!("/risk hotfix IR-{number}")).await;
        assert!(answered.contains("Linked to the incident `Checkout is down`"), "{answered}");
        let mended = see(&ctx, &pull).await;
        assert_eq!(floors(&mended), [("active_incident".to_owned(), false, Some("hotfix".to_owned()))]);
        assert_eq!((mended.score(), mended.points("open_incidents")), (before[0], 0));

        datadog.move_incident(number, IncidentState::Resolved);
        pass(&ctx, 1).await;
        assert!(floors(&see(&ctx, &pull).await).is_empty());
        close(ctx, &datadog)
    });
}

#[test]
fn an_incident_elsewhere_does_not_count() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let policy = "services:\n  payments-api: { paths: [\"apps/payments/**\"], env: prod }\n";
        let shop = ctx.repository();
        shop.base_files(Edits::new().write(".github/mergecast.yml", policy));
        let number = datadog.open_incident("Checkout is down", "SEV-1", &["Payments-API"]);
        datadog.place_incident(number, &["staging"]);
        let pull = feature(&shop, "feat: pay by voucher", "apps/payments/src/voucher.rs");
        let elsewhere = see(&ctx, &pull).await;
        assert_eq!((floors(&elsewhere), elsewhere.value("open_incidents")), (Vec::new(), Some(0.0)));
        datadog.place_incident(number, &["staging", "Prod"]);
        pass(&ctx, 1).await;
        assert_eq!(floors(&see(&ctx, &pull).await), [("active_incident".to_owned(), true, None)]);
        ctx
    });
}

/// The answer of the App to a command of somebody who may write.
async fn say(ctx: &Ctx, pull: &PullHandle, text: &str) -> String {
    commands::say(ctx, pull, "nora", text).await.reply().to_owned()
}

/// A kind of trouble, through the front door: what was never read is unknown with the reason and widens the range, what
/// was read stands with its age, the App is ready all the while, and the score follows by itself once the trouble is over.
fn trouble(begin: fn(&SimDatadog), told: &str) {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        datadog.burn("pay-answers", ctx.clock.now() - TimeDelta::hours(20), 4.2);
        begin(&datadog);
        let shop = ctx.repository();
        let pull = feature(&shop, "feat: pay by voucher", "apps/payments/src/voucher.rs");
        let blind = see(&ctx, &pull).await;
        assert_eq!((burn(&blind), blind.points("burn_rate")), (None, 0));
        assert!(blind.words("burn_rate").contains(told), "{}", blind.words("burn_rate"));
        assert!(blind.json["range"]["high"].as_i64().unwrap() >= blind.score() + 15, "{}", blind.json["range"]);
        assert_ready(&ctx).await;

        end(&datadog);
        pass(&ctx, 1).await;
        let heard = see(&ctx, &pull).await;
        assert_eq!((burn(&heard), heard.points("burn_rate")), (Some(4.2), 15));
        assert!(heard.value("open_incidents").is_some());

        begin(&datadog);
        ctx.clock.set(ctx.clock.now() + TimeDelta::minutes(40));
        pull.push(Edits::new().write("apps/payments/src/voucher.rs", "let paid = pay(1);\n"));
        let stale = see(&ctx, &pull).await;
        assert_eq!((burn(&stale), stale.points("burn_rate")), (Some(4.2), 15));
        assert!(stale.summary().contains("40 min old when scored"), "{}", stale.summary());
        assert!(stale.words("open_incidents").contains("Datadog"), "10 minutes are the most that incidents stand");
        assert_ready(&ctx).await;
        end(&datadog);
        ctx
    });
}

async fn assert_ready(ctx: &Ctx) {
    assert_eq!(ctx.http.get(ctx.url("/readyz")).send().await.unwrap().status(), 200);
}

fn always(datadog: &SimDatadog, kind: FaultKind) {
    datadog.fault(Fault { path: String::new(), kind, times: Times::Always });
}

fn end(datadog: &SimDatadog) {
    datadog.heal();
    datadog.take_keys(API_KEY, APP_KEY);
    for source in DatadogSource::ALL {
        datadog.permit(source.permission(), true);
    }
}

#[test]
fn datadog_may_be_down() {
    trouble(|datadog| always(datadog, FaultKind::Cut), "Datadog: no answer");
}

#[test]
fn datadog_may_have_trouble() {
    trouble(|datadog| always(datadog, FaultKind::Status(503)), "it answered with status 503");
}

#[test]
fn datadog_may_be_slow() {
    trouble(|datadog| always(datadog, FaultKind::Slow(Duration::from_secs(5))), "Datadog: no answer");
}

#[test]
fn datadog_may_break_off() {
    trouble(|datadog| always(datadog, FaultKind::Half), "Datadog: no answer");
}

#[test]
fn datadog_may_be_over_its_limit() {
    trouble(|datadog| always(datadog, FaultKind::RateLimited { reset: Some(30) }), "rate limit is spent until");
}

#[test]
fn datadog_may_forbid() {
    let forbid =
        |datadog: &SimDatadog| DatadogSource::ALL.iter().for_each(|one| datadog.permit(one.permission(), false));
    trouble(forbid, "access refused for want of");
}

#[test]
fn datadog_may_refuse_the_keys() {
    trouble(|datadog| datadog.take_keys("rotated", "rotated"), "Datadog: access refused");
}

#[test]
fn datadog_may_talk_nonsense() {
    trouble(|datadog| always(datadog, FaultKind::Nonsense), "answer is not understood");
}

/// Each answer has its own fate.
#[test]
fn datadog_may_answer_in_part() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let history = |kind| Fault { path: "/api/v1/slo/".to_owned(), kind, times: Times::Always };
        datadog.fault(history(FaultKind::Status(503)));
        datadog.permit("dora_metrics_read", false);
        datadog.open_incident("Checkout is down", "SEV-1", &["payments-api"]);
        let pull = feature(&ctx.repository(), "feat: pay by voucher", "apps/payments/src/voucher.rs");
        let part = see(&ctx, &pull).await;
        assert_eq!((part.value("burn_rate"), part.value("open_incidents")), (None, Some(1.0)));
        assert_eq!(part.score(), 80);
        assert!(part.words("burn_rate").contains("status 503"), "{}", part.words("burn_rate"));
        let lacking = part.words("recent_deploys");
        assert!(lacking.contains("access refused for want of") && lacking.contains("dora_metrics_read"), "{lacking}");
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
            (0..5).map(|n| feature(&shop, &format!("feat: {n}"), &format!("apps/payments/src/f{n}.rs"))).collect();
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

#[test]
fn what_deployments_and_test_runs_say_enters_the_score() {
    run_test_with(watching(), async |mut ctx| {
        let datadog = connect(&mut ctx).await;
        let deployment =
            SimDeployment { service: "payments-api".to_owned(), env: "prod".to_owned(), ..SimDeployment::default() };
        for n in 0..25 {
            datadog.deploy(deployment.clone(), ctx.clock.now());
            if n % 5 == 0 {
                ctx.clock.advance(Duration::from_secs(3_600));
                let number = datadog.open_incident("Refunds are lost", "SEV-3", &["payments-api"]);
                datadog.move_incident(number, IncidentState::Resolved);
            }
            ctx.clock.advance(Duration::from_secs(3 * 86_400));
        }
        for n in 0..20 {
            let at = ctx.clock.now() - TimeDelta::hours(n);
            let tests = [("CartTest", "adds up", n < 3), ("LedgerTest", "balances", n == 0)];
            datadog.test_run("github.example/acme/shop", "build", at, &tests);
        }
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let pull = feature(&shop, "feat: pay by voucher", "apps/payments/src/voucher.rs");
        let seen = see(&ctx, &pull).await;
        assert_eq!((seen.value("flaky_tests"), seen.points("flaky_tests")), (Some(0.15), 3));
        assert_eq!((seen.value("change_fail_rate"), seen.points("change_fail_rate")), (Some(0.2), 5));
        assert_eq!((seen.value("recent_deploys").map(f64::round), seen.points("recent_deploys")), (Some(72.0), 0));
        let explained = say(&ctx, &pull, "/risk explain flaky_tests").await;
        assert!(explained.contains("3 of 20 runs of `build`"), "{explained}");
        assert!(explained.contains("`CartTest` (3 flakes), `LedgerTest` (1 flake)"), "{explained}");
        close(ctx, &datadog)
    });
}

/// A cold start of 500 services with 1,200 SLOs, four changes at a time as by four workers. The simulated Datadog counts,
/// and would refuse what is over 150 histories in 10 s. The clock moves while everybody waits for it.
#[test]
fn twelve_hundred_slos_stay_within_the_limit() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let clock = Clock::manual(start());
        let sim_clock = clock.clone();
        let datadog = SimDatadog::start(move || sim_clock.now()).await.unwrap();
        for n in 0..1_200 {
            let id = format!("slo-{n}");
            datadog.slo(SimSlo::metric(&id, &format!("service-{}", n % 500), 99.9));
            datadog.burn(&id, start() - TimeDelta::days(40), 0.5);
        }
        let site = Site::new("datadoghq.com");
        let client = Datadog::new(datadog.url(), site, datadog.keys(), clock.clone(), Options::default()).unwrap();
        let took_s = read_all(&client, &clock, &datadog).await;
        let Used { calls, refused, most } = datadog.used("slo_history");
        eprintln!("{calls} histories in {took_s} s of the clock, at most {most} in any 10 s");
        assert_eq!((calls, refused), (2_400, 0), "48 h and the timeframe of each");
        // 112 are half of the limit and the burst; a machine that is busy sends some of them later than their turn.
        assert!(most <= 125, "half of the 150, and a burst: {most} in 10 s");
        // Half of the limit and the burst allow no less; a machine that is busy lets the clock run on.
        assert!((300..900).contains(&took_s), "{took_s} s");
        assert_eq!(datadog.used("slo_get_all").calls, 500);
    });
}

/// Reads the health of a change to each of the 500 services, and gives the seconds that it took on the clock.
async fn read_all(client: &Datadog, clock: &Clock, datadog: &SimDatadog) -> i64 {
    let began = clock.now();
    let (client, of_client) = (client.clone(), clock.clone());
    let reading = tokio::spawn(async move {
        let read = |n: usize| {
            let (client, now) = (client.clone(), of_client.now());
            async move {
                let (change, mut policy) = (change_to(&format!("services/{n}/main.rs")), RepositoryPolicy::default());
                policy.declared.services.insert(format!("service-{n}"), vec![format!("services/{n}/**")]);
                let (services, runtime) = health_of_range(Some(&client), None, &change, &policy, now).await;
                (services.len(), runtime.unwrap().burn_rate.map(|rate| (rate * 100.0).round()))
            }
        };
        stream::iter(0..500).map(read).buffer_unordered(4).collect::<Vec<_>>().await
    });
    let (mut seen, mut idle) = (datadog.asked(), 0);
    while !reading.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        idle = if seen == datadog.asked() { idle + 1 } else { 0 };
        seen = datadog.asked();
        if idle == 2 {
            clock.advance(Duration::from_millis(500));
            idle = 0;
        }
    }
    let read = reading.await.unwrap();
    assert!(read.iter().all(|one| *one == (1, Ok(50.0))), "{:?}", read.iter().find(|one| **one != (1, Ok(50.0))));
    (clock.now() - began).num_seconds()
}

/// A change to one file.
fn change_to(path: &str) -> Change {
    let facts = include_str!("../../fixtures/facts/burning-service.json");
    let mut change = serde_json::from_str::<Facts>(facts).unwrap().change;
    path.clone_into(&mut change.files[0].path);
    change
}
