//! Rate limits: when GitHub says wait, nothing is sent until then, nothing fails, and no attempt is used up.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mergecast::github::sim::{Fault, FaultKind, FaultOn, Times};

use crate::{
    heal::jobs,
    support::{Ctx, Setup, run_test, run_test_with, start},
    work::change,
};

/// Moves the clock to `to` without anything being due to others, and gives the workers a chance to do wrong.
async fn until(ctx: &Ctx, to: DateTime<Utc>) {
    ctx.clock.set(to);
    ctx.service().wake();
    ctx.rest().await;
}

/// `on` is refused once; GitHub says, or means, that nothing is to come for `wait_s` seconds.
fn waits(on: FaultOn, kind: FaultKind, wait_s: i64) {
    run_test(async |ctx| {
        let shop = ctx.repository();
        ctx.sim.fault(Fault { on: on.clone(), kind: kind.clone(), times: Times::Next(1) });
        let pull = shop.open(change(1));
        ctx.rest().await;
        let exchanges = ctx.sim.exchanges();
        assert_eq!(exchanges.iter().filter(|each| each.faulted).count(), 1, "{on:?}");
        assert!(exchanges.last().unwrap().faulted, "after the refusal nothing more is sent");
        let (state, attempts, why) = jobs(&ctx).pop().unwrap();
        assert_eq!((state.as_str(), attempts), ("queued", 0), "no attempt is used up");
        assert!(why.unwrap().contains("rate limit"));

        // News about it, and about others, changes nothing.
        let mark = ctx.sim.requests();
        pull.label("urgent");
        pull.check("build", "success");
        shop.open(change(2));
        until(&ctx, start() + TimeDelta::seconds(5)).await;
        until(&ctx, start() + TimeDelta::seconds(wait_s / 2)).await;
        until(&ctx, start() + TimeDelta::seconds(wait_s - 1)).await;
        // A secondary limit is about everything, a primary one about the budget that is spent.
        let everything = matches!(kind, FaultKind::SecondaryLimit { .. });
        let mut sent = ctx.sim.exchanges_since(mark);
        sent.retain(|each| everything || (each.path == "/graphql") == (on == FaultOn::graphql()));
        assert!(sent.is_empty(), "{on:?}: {sent:#?}");

        assert_eq!(ctx.check_run(&pull).await.status, "completed", "{on:?}");
        let waited = (ctx.clock.now() - start()).num_seconds();
        assert!(waited >= wait_s && waited <= wait_s * 5 / 4 + 20, "{on:?} waited for {waited} s");
        ctx
    });
}

/// REST: what is read, what is created, what is updated.
fn rest_calls() -> [FaultOn; 3] {
    [("GET", "/repos/*/*/pulls/*/files"), ("POST", "/repos/*/*/check-runs"), ("PATCH", "/repos/*/*/check-runs/*")]
        .map(|(method, path)| FaultOn::new(method, path))
}

#[test]
fn a_spent_hour_is_waited_for() {
    rest_calls().into_iter().for_each(|on| waits(on, FaultKind::PrimaryLimit { reset_in: 1_500 }, 1_500));
}

#[test]
fn graphql_says_in_a_200_that_its_hour_is_spent() {
    waits(FaultOn::graphql(), FaultKind::PrimaryLimit { reset_in: 1_500 }, 1_500);
}

#[test]
fn a_secondary_limit_names_its_time() {
    let kind = FaultKind::SecondaryLimit { retry_after: Some(240) };
    rest_calls().into_iter().chain([FaultOn::graphql()]).for_each(|on| waits(on, kind.clone(), 240));
}

#[test]
fn a_secondary_limit_without_a_time_is_a_minute() {
    let kind = FaultKind::SecondaryLimit { retry_after: None };
    rest_calls().into_iter().chain([FaultOn::graphql()]).for_each(|on| waits(on, kind.clone(), 60));
}

#[test]
fn secondary_limits_in_a_row_are_waited_for_longer_each_time() {
    run_test(async |ctx| {
        let kind = FaultKind::SecondaryLimit { retry_after: None };
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind, times: Times::Next(4) });
        let pull = ctx.repository().open(change(1));
        let mut waits = Vec::new();
        for _ in 0..4 {
            ctx.rest().await;
            let before = ctx.clock.now();
            ctx.step().await;
            waits.push((ctx.clock.now() - before).num_seconds());
        }
        assert!(waits[0] >= 60 && waits.windows(2).all(|pair| pair[1] >= pair[0] * 3 / 2), "{waits:?}");
        assert_eq!(ctx.check_run(&pull).await.status, "completed");
        ctx
    });
}

#[test]
fn a_budget_that_runs_out_is_never_overdrawn() {
    for resource in ["core", "graphql"] {
        run_test(async |ctx| {
            let shop = ctx.repository();
            ctx.check_run(&shop.open(change(0))).await;
            for left in [1, 2, 3] {
                let mark = ctx.sim.requests();
                ctx.sim.leave("acme", resource, left, 900);
                let begun = ctx.clock.now();
                let pulls: Vec<_> = (1..5).map(|n| shop.open(change(left as usize * 10 + n))).collect();
                for pull in &pulls {
                    assert_eq!(ctx.check_run(pull).await.status, "completed");
                }
                let refused = |status: u16| matches!(status, 403 | 429);
                let overdrawn: Vec<_> = ctx.sim.exchanges_since(mark);
                let overdrawn: Vec<_> = overdrawn.iter().filter(|each| each.status.is_some_and(refused)).collect();
                // Calls that were under way when the last one was spent may be refused, none after.
                assert!(overdrawn.len() <= 4, "{resource}, {left} left: {overdrawn:#?}");
                assert!(ctx.clock.now() - begun >= TimeDelta::seconds(900), "{resource}, {left} left");
                ctx.clock.advance(Duration::from_secs(3_600));
            }
            ctx
        });
    }
}

#[test]
fn a_burst_beyond_the_writes_of_a_minute_is_read_once() {
    run_test_with(Setup { writes_per_minute: Some(80), ..Setup::default() }, async |ctx| {
        let shop = ctx.repository();
        let pulls: Vec<_> = (0..120).map(|n| shop.open(change(n))).collect();
        let begun = ctx.clock.now();
        ctx.settle().await;
        for pull in &pulls {
            assert_eq!(ctx.check_run(pull).await.status, "completed");
        }
        let exchanges = ctx.sim.exchanges();
        let reads = exchanges.iter().filter(|each| each.path == "/graphql").count();
        assert!(reads <= pulls.len() * 6 / 5, "{reads} reads for {} scores", pulls.len());
        // Two writes a score: forty in each minute, and none wait for longer than that takes.
        let waited = ctx.clock.now() - begun;
        assert!(waited >= TimeDelta::minutes(2) && waited <= TimeDelta::seconds(125), "{waited}");
        ctx
    });
}
