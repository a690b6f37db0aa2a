//! What GitHub could not hand over comes all the same: after an outage, when webhooks are lost on the way, when the
//! receiver was too slow. Nothing comes twice, nothing is asked for without end, and what is too old is left alone.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use mergecast::{
    clock::Clock,
    github::sim::{
        Delivery, DeliveryOutcome, Edits, Exchange, Fault, FaultKind, FaultOn, PullHandle, Times, WebhookFault,
        WebhookFaultKind,
    },
    service::Timing,
    store::{
        Accepted, DeliveryOutcome as Outcome, DeliveryState, NewDelivery, Store, StoreOptions, StorePath, backup,
        restore,
    },
};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    support::{Ctx, Setup, run_test_with},
    work::change,
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Surroundings in which the service looks for what it missed.
pub(crate) fn recovering() -> Setup {
    Setup { timing: Timing::default(), ..Setup::default() }
}

/// Lets time pass and whatever is due then happen.
pub(crate) async fn later(ctx: &Ctx, wait: Duration) {
    ctx.clock.advance(wait);
    ctx.service().wake();
    ctx.settle().await;
}

fn asked(exchanges: &[Exchange]) -> usize {
    exchanges.iter().filter(|each| each.method == "POST" && each.path.ends_with("/attempts")).count()
}

fn arrived(delivery: &Delivery) -> bool {
    matches!(delivery.outcome, DeliveryOutcome::Answered(200..=299))
}

/// Attempts at each delivery, by its id.
fn attempts(ctx: &Ctx) -> BTreeMap<String, Vec<Delivery>> {
    let mut all: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in ctx.sim.deliveries() {
        all.entry(delivery.guid.clone()).or_default().push(delivery);
    }
    all
}

async fn are_scored(ctx: &Ctx, pulls: &[PullHandle]) {
    for pull in pulls {
        let run = ctx.check_run(pull).await;
        assert_eq!(
            (run.status.as_str(), ctx.assessment(pull).await["id"].as_str()),
            ("completed", Some(&*run.external_id))
        );
    }
}

#[test]
fn what_happened_during_an_outage_is_there_two_minutes_after_the_start() {
    run_test_with(recovering(), async |mut ctx| {
        let shop = ctx.repository();
        later(&ctx, MINUTE).await;
        ctx.stop_service().await;
        ctx.clock.advance(HOUR);
        let pulls: Vec<_> = (0..10).map(|n| shop.open(change(n))).collect();
        pulls.iter().for_each(|pull| pull.label("later"));
        ctx.sim.settle().await;
        // A push, a check suite, the opening and a label of each.
        let missed = attempts(&ctx);
        assert_eq!(missed.values().filter(|tries| !arrived(&tries[0])).count(), 40);
        ctx.clock.advance(HOUR);
        let (start, mark) = (ctx.clock.now(), ctx.sim.requests());
        ctx.start_service().await;
        are_scored(&ctx, &pulls).await;
        assert!(ctx.clock.now() - start < chrono::TimeDelta::minutes(2));
        let after = attempts(&ctx);
        for (guid, tries) in missed {
            let again = &after[&guid][tries.len()..];
            assert!(again.len() == 1 && arrived(&again[0]) && again[0].redelivery, "{}: {again:?}", tries[0].event);
        }
        assert_eq!(asked(&ctx.sim.exchanges_since(mark)), 40);
        // It is all there, so nothing is asked for again.
        let mark = ctx.sim.requests();
        later(&ctx, 10 * MINUTE).await;
        later(&ctx, 10 * MINUTE).await;
        assert_eq!(asked(&ctx.sim.exchanges_since(mark)), 0);
        ctx
    });
}

#[test]
fn webhooks_lost_on_the_way_leave_no_head_without_its_score() {
    run_test_with(recovering(), async |ctx| {
        let kind = WebhookFaultKind::Lost;
        ctx.sim.webhook_fault(WebhookFault { event: None, kind, times: Times::Probability(0.3) });
        let shop = ctx.repository();
        let pulls: Vec<_> = (0..15).map(|n| shop.open(change(n))).collect();
        for (n, pull) in pulls.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
            pull.push(Edits::new().write(format!("src/more{n}.rs"), "fn more() {}\n"));
        }
        ctx.settle().await;
        let lost = attempts(&ctx).values().filter(|tries| !tries.iter().any(arrived)).count();
        assert!(lost > 5, "{lost} lost");
        let mut rounds = 0;
        while attempts(&ctx).values().any(|tries| !tries.iter().any(arrived)) {
            later(&ctx, 11 * MINUTE).await;
            rounds += 1;
            assert!(rounds < 20, "what is lost does not come");
        }
        are_scored(&ctx, &pulls).await;
        ctx
    });
}

#[test]
fn a_receiver_that_was_too_slow_gets_it_again() {
    let setup = Setup { sim: |options| options.hook_deadline = Duration::from_millis(150), ..recovering() };
    run_test_with(setup, async |mut ctx| {
        let shop = ctx.repository();
        later(&ctx, MINUTE).await;
        ctx.stop_service().await;
        // Connections are taken and nothing is answered.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ctx.sim.deliver_to(&format!("http://{}/webhooks/github", silent.local_addr().unwrap()));
        let pull = shop.open(change(1));
        ctx.sim.settle().await;
        let late = |delivery: &Delivery| delivery.outcome == DeliveryOutcome::Failed("timed out".to_owned());
        assert_eq!(ctx.sim.deliveries().iter().filter(|each| late(each)).count(), 3);
        let mark = ctx.sim.requests();
        ctx.start_service().await;
        are_scored(&ctx, &[pull]).await;
        assert_eq!(asked(&ctx.sim.exchanges_since(mark)), 3);
        ctx
    });
}

#[test]
fn what_does_not_come_is_asked_for_ever_more_rarely_and_comes_once_it_can() {
    run_test_with(recovering(), async |ctx| {
        let kind = WebhookFaultKind::Lost;
        ctx.sim.webhook_fault(WebhookFault { event: Some("push".to_owned()), kind, times: Times::Always });
        let pull = ctx.repository().open(change(1));
        let mark = ctx.sim.requests();
        for _ in 0..40 {
            later(&ctx, HOUR / 2).await;
        }
        // After 0, 10, 30, 70 and 150 minutes, then every 160; a round is at the most half an hour late here.
        let count = asked(&ctx.sim.exchanges_since(mark));
        assert!((9..=12).contains(&count), "{count}");
        let counts = ctx.store.missed_counts().await.unwrap();
        assert_eq!((counts.awaited, counts.given_up), (1, 0));
        are_scored(&ctx, &[pull]).await;
        // However long that took: what blocked them is gone, and so is what was missing.
        ctx.sim.heal();
        for _ in 0..8 {
            later(&ctx, HOUR / 2).await;
        }
        assert_eq!(ctx.store.missed_counts().await.unwrap().awaited, 0);
        ctx
    });
}

#[test]
fn what_is_older_than_three_days_is_left_alone() {
    run_test_with(recovering(), async |mut ctx| {
        let shop = ctx.repository();
        later(&ctx, MINUTE).await;
        ctx.stop_service().await;
        let old = shop.open(change(1));
        ctx.sim.settle().await;
        ctx.clock.advance(72 * HOUR + MINUTE);
        let new = shop.open(change(2));
        ctx.sim.settle().await;
        let mark = ctx.sim.requests();
        ctx.start_service().await;
        // The sweep finds the older head all the same.
        are_scored(&ctx, &[old, new]).await;
        assert_eq!(asked(&ctx.sim.exchanges_since(mark)), 3, "those of the newer one");
        ctx
    });
}

#[test]
fn a_head_that_no_webhook_tells_of_is_found() {
    run_test_with(recovering(), async |mut ctx| {
        let shop = ctx.repository();
        later(&ctx, 2 * HOUR).await;
        // GitHub's log has no trace of it either.
        ctx.sim.hold();
        let pull = shop.open(change(1));
        later(&ctx, 3 * HOUR).await;
        are_scored(&ctx, std::slice::from_ref(&pull)).await;
        // An idle repository costs next to nothing: a look at its heads in two hours.
        let mark = ctx.sim.requests();
        for _ in 0..48 {
            later(&ctx, HOUR / 2).await;
        }
        let swept = ctx.sim.exchanges_since(mark).iter().filter(|each| each.path == "/graphql").count();
        assert!((8..=13).contains(&swept), "{swept} looks in a day");
        ctx.sim.release();
        ctx.settle().await;
        ctx.stop_service().await;
        ctx.start_service().await;
        are_scored(&ctx, &[pull]).await;
        ctx
    });
}

pub(crate) fn database(ctx: &Ctx) -> StorePath {
    StorePath::File(ctx.directory.path().join("mergecast.db"))
}

/// Closes the database of a service that is stopped, lets this happen to its files, and opens it again.
pub(crate) async fn between(ctx: &mut Ctx, happens: impl FnOnce(&StorePath)) {
    ctx.store.clone().close().await;
    let path = database(ctx);
    happens(&path);
    ctx.store = Store::open(StoreOptions::new(path)).await.unwrap();
}

#[test]
fn what_a_database_forgot_that_was_put_back_comes_again() {
    run_test_with(recovering(), async |mut ctx| {
        let shop = ctx.repository();
        let before = shop.open(change(1));
        ctx.check_run(&before).await;
        later(&ctx, MINUTE).await;
        let known = attempts(&ctx);
        let copy = ctx.directory.path().join("copy.db");
        backup(&database(&ctx), &copy, false).unwrap();
        ctx.clock.advance(12 * HOUR);
        let mut pulls: Vec<_> = (2..5).map(|n| shop.open(change(n))).collect();
        pulls[0].merge();
        before.push(Edits::new().write("src/more.rs", "fn more() {}\n"));
        ctx.settle().await;
        later(&ctx, HOUR).await;
        ctx.stop_service().await;
        between(&mut ctx, |path| drop(restore(path, &copy, "x").unwrap())).await;
        let all = attempts(&ctx);
        assert!(all.values().all(|tries| tries.iter().any(arrived)), "GitHub knows of nothing that was lost");
        ctx.clock.advance(HOUR);
        let mark = ctx.sim.requests();
        ctx.start_service().await;
        ctx.settle().await;
        assert_eq!(asked(&ctx.sim.exchanges_since(mark)), all.len() - known.len());
        for guid in all.keys() {
            assert!(ctx.store.has_delivery(guid).await.unwrap(), "{:?}", all[guid]);
        }
        pulls.push(before);
        are_scored(&ctx, &pulls[1..]).await;
        // Once, and not after the next start either.
        let mark = ctx.sim.requests();
        later(&ctx, HOUR).await;
        ctx.stop_service().await;
        ctx.clock.advance(HOUR);
        ctx.start_service().await;
        ctx.settle().await;
        assert_eq!(asked(&ctx.sim.exchanges_since(mark)), 0);
        ctx
    });
}

#[test]
fn what_another_database_took_is_not_asked_for() {
    run_test_with(recovering(), async |mut ctx| {
        let shop = ctx.repository();
        ctx.check_run(&shop.open(change(1))).await;
        ctx.stop_service().await;
        between(&mut ctx, |StorePath::File(file)| {
            for suffix in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(format!("{}{suffix}", file.display()));
            }
        })
        .await;
        let mark = ctx.sim.requests();
        ctx.clock.advance(MINUTE);
        ctx.start_service().await;
        ctx.check_run(&shop.open(change(2))).await;
        later(&ctx, HOUR).await;
        ctx.stop_service().await;
        ctx.clock.advance(HOUR);
        ctx.start_service().await;
        ctx.settle().await;
        assert_eq!(asked(&ctx.sim.exchanges_since(mark)), 0);
        ctx
    });
}

#[test]
fn a_sweep_that_an_outage_interrupted_begins_anew() {
    run_test_with(recovering(), async |mut ctx| {
        let shop = ctx.repository();
        ctx.check_run(&shop.open(change(1))).await;
        later(&ctx, MINUTE).await;
        // It stopped after the first hundred of a list.
        let id = i64::try_from(shop.id()).unwrap();
        ctx.store.swept_to(id, "Y3Vyc29yOnYyOjEwMA==", 0).await.unwrap();
        ctx.stop_service().await;
        ctx.sim.hold();
        let pull = shop.open(change(2));
        ctx.clock.advance(4 * HOUR);
        ctx.start_service().await;
        are_scored(&ctx, &[pull]).await;
        ctx.sim.release();
        ctx
    });
}

/// The program itself, on the same database and the same GitHub.
fn redeliver(ctx: &Ctx, arguments: &[&str]) -> (i32, String, String) {
    let app = ctx.sim.app();
    let output = Command::new(env!("CARGO_BIN_EXE_mergecast"))
        .arg("redeliver")
        .args(arguments)
        .env_clear()
        .env("MERGECAST_DATABASE", format!("sqlite://{}", ctx.directory.path().join("mergecast.db").display()))
        .env("GITHUB_APP_ID", app.app_id.to_string())
        .env("GITHUB_CLIENT_ID", &app.client_id)
        .env("GITHUB_PRIVATE_KEY", app.private_key_pem.expose_secret())
        .env("GITHUB_WEBHOOK_SECRET", app.webhook_secret.expose_secret())
        .env("GITHUB_API_URL", ctx.sim.api_url())
        .current_dir(ctx.directory.path())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn by_hand_it_says_what_was_lost_and_what_was_asked_for() {
    // The program has a clock of its own, so GitHub is to have the same.
    let setup = Setup {
        sim: |options| {
            let clock = Clock::system();
            options.clock = std::sync::Arc::new(move || clock.now());
        },
        ..Setup::default()
    };
    run_test_with(setup, async |mut ctx| {
        ctx.stop_service().await;
        ctx.sim.deliver_to("http://127.0.0.1:9/nobody");
        ctx.repository().open(change(1));
        ctx.sim.settle().await;
        let (code, out, _) = redeliver(&ctx, &["--since", "1h", "--format", "json"]);
        let json: Value = serde_json::from_str(&out).unwrap();
        let events: Vec<_> =
            json["lost"].as_array().unwrap().iter().map(|each| each["event"].as_str().unwrap()).collect();
        assert_eq!((code, events), (0, vec!["push", "check_suite", "pull_request"]));
        assert!(json["lost"].as_array().unwrap().iter().all(|each| each["asked"] == true), "{json}");
        ctx.sim.settle().await;
        assert_eq!(ctx.sim.deliveries().iter().filter(|each| each.redelivery).count(), 3);

        let on = FaultOn::new("POST", "/app/hook/deliveries/*/attempts");
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(422), times: Times::Next(1) });
        let (code, out, _) = redeliver(&ctx, &[]);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains("not asked for again: GitHub refuses the request as invalid"), "{out}");
        assert!(out.ends_with("3 deliveries lost, 2 asked for again\n"), "{out}");

        // What came is not asked for; what came and was given up is, since its next arrival takes it up again.
        let sent = ctx.sim.deliveries().into_iter().find(|each| each.event == "pull_request").unwrap();
        let came = NewDelivery {
            delivery_id: sent.guid.clone(),
            event: sent.event,
            action: sent.action,
            installation_id: None,
            received_at: 1,
            body: b"{}".to_vec(),
            state: DeliveryState::Queued,
        };
        assert_eq!(ctx.store.accept(&came).await, Ok(Accepted::Stored));
        let asked = || {
            let (_, out, _) = redeliver(&ctx, &["--format", "json"]);
            let json: Value = serde_json::from_str(&out).unwrap();
            json["lost"].as_array().unwrap().iter().filter(|each| each["delivery_id"] == *sent.guid).count()
        };
        assert_eq!(asked(), 0);
        ctx.store.bury_delivery(&came.delivery_id, 2, "a defect").await.unwrap();
        assert_eq!(asked(), 1);
        assert_eq!(ctx.store.accept(&came).await, Ok(Accepted::Stored));
        ctx.store.finish_delivery(&came.delivery_id, 3, Outcome::Done, &[]).await.unwrap();

        let (code, _, err) = redeliver(&ctx, &["--since", "tomorrow"]);
        assert_eq!(code, 2, "{err}");
        let (code, _, err) = redeliver(&ctx, &["--since", "2999-01-01T00:00:00Z"]);
        assert_eq!((code, err.contains("hint: ")), (1, true), "{err}");
        ctx
    });
}
