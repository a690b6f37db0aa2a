//! Work that was there before the process: stopped, claimed by one that is gone, or piled up while nobody worked.

use std::{path::Path, time::Duration};

use mergecast::{
    github::sim::{Delivery, Fault, FaultKind, FaultOn, PullHandle, PullSpec, Times},
    store::{DeliveryState, NewDelivery, Store, StoreOptions, StorePath},
};

use serde_json::json;

use crate::{
    binary::github,
    program::{Server, database, read},
    support::{Ctx, run_test},
    work::change,
};

/// How many deliveries wait at the start.
const BACKLOG: usize = 2_000;
/// How many deliveries wait that are each for a pull request of its own.
const PULLS: u64 = 5_000;

/// Stores deliveries, as a process that accepted them and did no more would have left them.
async fn accept(ctx: &Ctx, deliveries: impl Iterator<Item = (String, Delivery)>) -> i64 {
    let accepted = deliveries.map(async |(delivery_id, delivery)| {
        let new = NewDelivery {
            delivery_id,
            event: delivery.event,
            action: delivery.action,
            installation_id: delivery.payload["installation"]["id"].as_i64(),
            received_at: ctx.clock.now_ms(),
            body: delivery.payload.to_string().into_bytes(),
            state: DeliveryState::Queued,
        };
        ctx.store.accept(&new).await.unwrap();
    });
    futures_util::future::join_all(accepted).await;
    ctx.store.inbox_counts().await.unwrap().queued
}

/// Stores all that the simulated GitHub sent so far.
async fn accept_all(ctx: &Ctx) -> i64 {
    ctx.sim.settle().await;
    accept(ctx, ctx.sim.deliveries().into_iter().map(|delivery| (delivery.guid.clone(), delivery))).await
}

async fn all_are_scored(ctx: &Ctx, pulls: &[PullHandle]) {
    for pull in pulls {
        let run = ctx.check_run(pull).await;
        assert_eq!(run.status, "completed");
        assert_eq!(ctx.assessment(pull).await["id"], run.external_id.as_str());
    }
}

#[test]
fn queued_work_outlives_the_process() {
    run_test(async |mut ctx| {
        let shop = ctx.repository();
        let kind = FaultKind::Status(503);
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: kind.clone(), times: Times::Always });
        let on = FaultOn::new("PATCH", "/repos/*/*/check-runs/*");
        ctx.sim.fault(Fault { on, kind, times: Times::Always });
        let pulls: Vec<_> = (0..5).map(|n| shop.open(change(n))).collect();
        ctx.rest().await;
        ctx.stop_service().await;
        assert_eq!(ctx.store.job_counts().await.unwrap().queued, 5);
        // It stops half-way a second time, now with the check runs begun.
        ctx.sim.heal();
        let on = FaultOn::new("PATCH", "/repos/*/*/check-runs/*");
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(503), times: Times::Always });
        ctx.start_service().await;
        ctx.step().await;
        ctx.step().await;
        ctx.stop_service().await;
        ctx.sim.heal();
        ctx.start_service().await;
        all_are_scored(&ctx, &pulls).await;
        ctx
    });
}

#[test]
fn what_a_dead_process_had_claimed_is_taken_up_at_once() {
    run_test(async |mut ctx| {
        ctx.stop_service().await;
        let shop = ctx.repository();
        let pulls: Vec<_> = (0..3).map(|n| shop.open(change(n))).collect();
        accept_all(&ctx).await;
        let (now, lease) = (ctx.clock.now_ms(), Duration::from_secs(3_600));
        assert!(!ctx.store.claim_deliveries(now, lease, 100).await.unwrap().is_empty());
        ctx.start_service().await;
        ctx.rest().await;
        assert_eq!(ctx.clock.now_ms(), now, "no lease was waited for");
        all_are_scored(&ctx, &pulls).await;

        // The same for jobs.
        ctx.stop_service().await;
        pulls.iter().for_each(|pull| drop(pull.push(mergecast::github::sim::Edits::new().write("a", "b\n"))));
        accept_all(&ctx).await;
        let now = ctx.clock.now_ms();
        ctx.store.request_job_again(&format!("pr:{}:{}", shop.id(), pulls[0].number()), now).await.unwrap();
        assert!(ctx.store.claim_job(now, lease, "the dead one").await.unwrap().is_some());
        ctx.start_service().await;
        ctx.rest().await;
        assert_eq!(ctx.clock.now_ms(), now, "no lease was waited for");
        all_are_scored(&ctx, &pulls).await;
        ctx
    });
}

#[test]
fn a_backlog_is_worked_off_whole() {
    run_test(async |mut ctx| {
        ctx.stop_service().await;
        let shop = ctx.repository();
        // By different people: pull requests of one are scored again for one another.
        let by = |n: usize| PullSpec { author: format!("dev{n}"), ..change(n) };
        let pulls: Vec<_> = (0..20).map(|n| shop.open(by(n))).collect();
        pulls.iter().for_each(|pull| pull.label("later"));
        ctx.sim.settle().await;
        let sent = ctx.sim.deliveries();
        // Everything once, then one label after another.
        let labels: Vec<_> = sent.iter().filter(|each| each.action.as_deref() == Some("labeled")).cloned().collect();
        let backlog = sent.into_iter().chain(labels.into_iter().cycle()).take(BACKLOG).enumerate();
        let queued = accept(&ctx, backlog.map(|(n, delivery)| (format!("waiting-{n}"), delivery))).await;
        assert_eq!(queued, BACKLOG as i64);
        ctx.start_service().await;
        all_are_scored(&ctx, &pulls).await;
        let counts = ctx.store.inbox_counts().await.unwrap();
        assert_eq!((counts.queued, counts.buried), (0, 0));
        // Those of our own check runs come on top.
        assert!(counts.done + counts.ignored >= BACKLOG as i64, "{counts:?}");
        assert!(ctx.sim.requests() <= 20 * 8, "{} requests", ctx.sim.requests());
        ctx
    });
}

/// A delivery as if it were about another pull request, cut to what is read: 5,000 whole payloads are 125 MB of JSON.
fn about(one: &Delivery, number: u64) -> Delivery {
    let (whole, pull) = (&one.payload, &one.payload["pull_request"]);
    let side = |name: &str| json!({"sha": pull[name]["sha"], "ref": pull[name]["ref"], "repo": null});
    let payload = json!({
        "action": whole["action"],
        "number": number,
        "pull_request": {"number": number, "head": side("head"), "base": side("base"), "user": null},
        "repository": {"id": whole["repository"]["id"], "full_name": whole["repository"]["full_name"]},
        "installation": {"id": whole["installation"]["id"]},
    });
    Delivery { payload, ..one.clone() }
}

#[test]
fn a_backlog_of_5000_pull_requests_passes_over_none() {
    run_test(async |mut ctx| {
        let (shop, site) = (ctx.repository(), ctx.sim.repository("globex/site"));
        for account in ["acme", "globex"] {
            ctx.sim.announce_installation(account);
        }
        let theirs = site.open(change(0));
        ctx.check_run(&theirs).await;
        ctx.sim.suspend("globex", true);
        ctx.settle().await;
        ctx.stop_service().await;
        let opened =
            |each: &Delivery| (each.event.as_str(), each.action.as_deref()) == ("pull_request", Some("opened"));
        let one = ctx.sim.deliveries().into_iter().find(opened).unwrap();
        // Each is for a pull request of its own, of a suspended installation: claimed and ended without a request.
        let many = (1..=PULLS).map(|n| (format!("waiting-{n}"), about(&one, 1_000 + n)));
        assert_eq!(accept(&ctx, many).await, PULLS as i64);
        let pulls: Vec<_> = (1..11).map(|n| shop.open(change(n))).collect();
        accept_all(&ctx).await;
        let (mark, jobs) = (ctx.sim.requests(), ctx.store.job_counts().await.unwrap().idle);
        ctx.start_service().await;
        all_are_scored(&ctx, &pulls).await;
        let counts = ctx.store.job_counts().await.unwrap();
        assert_eq!((counts.idle - jobs, counts.buried), (PULLS as i64 + 10, 0), "a job for each, and each has ended");
        assert!(ctx.sim.requests() - mark <= 10 * 8, "{} requests", ctx.sim.requests() - mark);
        ctx
    });
}

/// Deliveries of the smaller and of the larger backlog.
const SMALLER: u64 = 250;
const LARGER: u64 = 1_250;
/// Bytes of a delivery, but for the first few of each backlog.
const USUAL: usize = 80_000;
const LARGE: usize = 5_000_000;
const OF_LARGE: u64 = 4;
/// What the larger backlog may take more at its highest, in KiB: half of what its bodies hold more.
const GROWTH_KIB: u64 = (LARGER - SMALLER) * USUAL as u64 / 1024 / 2;

/// Stores deliveries, each about a pull request of its own, numbered from `first` on.
async fn fill(directory: &Path, one: &Delivery, first: u64, count: u64) {
    let store = Store::open(StoreOptions::new(StorePath::File(database(directory)))).await.unwrap();
    let now = mergecast::clock::Clock::system().now_ms();
    for some in (0..count).collect::<Vec<_>>().chunks(250) {
        let accepted = some.iter().map(async |n| {
            let mut payload = about(one, first + n).payload;
            payload["padding"] = "x".repeat(if *n < OF_LARGE { LARGE } else { USUAL }).into();
            let new = NewDelivery {
                delivery_id: format!("waiting-{:05}", first + n),
                event: one.event.clone(),
                action: one.action.clone(),
                installation_id: payload["installation"]["id"].as_i64(),
                received_at: now,
                body: payload.to_string().into_bytes(),
                state: DeliveryState::Queued,
            };
            store.accept(&new).await.unwrap();
        });
        futures_util::future::join_all(accepted).await;
    }
    store.close().await;
}

#[test]
fn memory_does_not_grow_with_the_backlog() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (sim, directory) = (github().await, tempfile::tempdir().unwrap());
        let site = sim.repository("globex/site");
        sim.announce_installation("globex");
        let start = async || {
            let mut server = Server::spawn(&sim, directory.path());
            sim.deliver_to(&format!("http://{}/webhooks/github", server.listening().await));
            server.quiet(&sim).await;
            server
        };
        let mut server = start().await;
        site.open(change(0));
        server.quiet(&sim).await;
        sim.suspend("globex", true);
        server.quiet(&sim).await;
        server.stop();

        let opened = |each: &Delivery| each.action.as_deref() == Some("opened");
        let one = sim.deliveries().into_iter().find(opened).unwrap();
        let mut first = 1_000;
        let mut highest = async |count: u64| {
            fill(directory.path(), &one, first, count).await;
            first += count;
            let server = start().await;
            let peak = server.memory_peak_kib();
            server.stop();
            peak
        };
        let (smaller, larger) = (highest(SMALLER).await, highest(LARGER).await);
        let ended: i64 = read(directory.path(), |database| {
            let ended = "SELECT COUNT(*) FROM jobs WHERE state = 'idle' AND kind = 'pull_request'";
            database.query_row(ended, [], |row| row.get(0)).unwrap()
        });
        assert_eq!(ended, (SMALLER + LARGER) as i64 + 1, "a job for each, and each has ended");
        eprintln!("at most {smaller} KiB with {SMALLER} deliveries and {larger} KiB with {LARGER}");
        assert!(larger < smaller + GROWTH_KIB, "{smaller} KiB with {SMALLER}, {larger} KiB with {LARGER}");
    });
}
