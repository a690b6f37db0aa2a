//! Whatever goes wrong on the way to GitHub, no queue is left waiting, and an outage holds nothing back by itself.

use std::time::Duration;

use chrono::TimeDelta;
use mergecast::{
    github::sim::{Fault, FaultKind, FaultOn, Times},
    service::Timing,
};

use super::{answer, build, by_sha, concluded, half, queued, run_on, slow_queue};
use crate::{
    support::{Setup, run_test, run_test_with},
    work::change,
};

/// Every call meets the fault, reads for as long as it takes, writes twice; then the queue goes on.
fn every_call_is_survived(kind: FaultKind) {
    let setup = Setup { deadline: Duration::from_millis(250), ..Setup::default() };
    run_test_with(setup, async |ctx| {
        let shop = slow_queue(&ctx);
        let reads = [FaultOn::graphql(), FaultOn::new("GET", "/repos/*/*/compare/*")];
        let writes = [
            FaultOn::new("POST", "/app/installations/*/access_tokens"),
            FaultOn::new("POST", "/repos/*/*/check-runs"),
            FaultOn::new("PATCH", "/repos/*/*/check-runs/*"),
        ];
        let always = reads.into_iter().map(|on| (on, Times::Always));
        let twice = writes.into_iter().map(|on| (on, Times::Next(2)));
        for (n, (on, times)) in always.chain(twice).enumerate() {
            let name = format!("{kind:?} on {on:?}");
            let (one, two) = (shop.open(change(2 * n)), shop.open(change(2 * n + 1)));
            ctx.settle().await;
            ctx.sim.expire_tokens();
            ctx.clock.advance(Duration::from_secs(3_600));
            let mark = ctx.sim.requests();
            ctx.sim.fault(Fault { on: on.clone(), kind: kind.clone(), times });
            let groups = [one.enqueue(), two.enqueue()];
            ctx.settle().await;
            let seen = ctx.sim.exchanges_since(mark);
            // Those that are never answered are under way to this day.
            let silent = (ctx.sim.requests() - mark) as usize > seen.len();
            assert!(silent || seen.iter().any(|each| each.faulted), "{name}: it was not met");
            for group in &groups {
                let run = run_on(&ctx, group);
                assert!(matches!(concluded(&run), "success" | "neutral"), "{name}: {run:#?}");
                assert_eq!(run.writes.iter().filter(|write| write.method == "POST").count(), 1, "{name}");
                let limit = matches!(kind, FaultKind::Status(429) | FaultKind::SecondaryLimit { .. });
                if times == Times::Always && !limit {
                    let waited = run.writes.last().unwrap().at - run.writes[0].at;
                    assert!(waited <= TimeDelta::seconds(20), "{name}: the queue waited for {waited}");
                }
            }
            ctx.sim.heal();
            build(&ctx, &shop).await;
            assert!(one.is_merged() && two.is_merged() && shop.groups().is_empty(), "{name}: a queue still waits");
        }
        ctx
    });
}

#[test]
fn every_call_is_survived_when_it_fails() {
    every_call_is_survived(FaultKind::Status(500));
}

#[test]
fn every_call_is_survived_when_it_is_one_too_many() {
    every_call_is_survived(FaultKind::Status(429));
}

#[test]
fn every_call_is_survived_when_it_comes_too_fast() {
    every_call_is_survived(FaultKind::SecondaryLimit { retry_after: Some(30) });
}

#[test]
fn every_call_is_survived_when_nothing_answers() {
    every_call_is_survived(FaultKind::Timeout);
}

#[test]
fn every_call_is_survived_when_its_connection_breaks() {
    every_call_is_survived(FaultKind::Reset);
}

#[test]
fn every_call_is_survived_when_its_answer_is_garbage() {
    every_call_is_survived(FaultKind::Garbage);
}

#[test]
fn every_call_is_survived_when_its_answer_is_lost() {
    every_call_is_survived(FaultKind::AnswerLostAfterWrite);
}

#[test]
fn what_takes_too_long_is_done_without() {
    let timing = Timing { merge_group: Duration::from_secs(3), ..Default::default() };
    run_test_with(Setup { timing, ..Setup::default() }, async |ctx| {
        let shop = slow_queue(&ctx);
        let (one, two) = (shop.open(change(1)), shop.open(change(2)));
        ctx.settle().await;
        let on = FaultOn::new("GET", "/repos/*/*/compare/*");
        ctx.sim.fault(Fault { on, kind: FaultKind::Slow(Duration::from_secs(30)), times: Times::Always });
        let (_, group) = (one.enqueue(), two.enqueue());
        let run = answer(&ctx, &group).await;
        let best = ctx.assessment(&one).await["score"].as_u64().max(ctx.assessment(&two).await["score"].as_u64());
        let title = run.title.clone().unwrap();
        assert!(title.starts_with(&format!("{} ", best.unwrap())) && title.contains("highest score"), "{title}");
        assert_eq!(concluded(&run), "success");
        assert!(run.summary.unwrap().contains("did not answer in time"));
        assert_eq!(by_sha(&ctx, &group).await.0, 404, "nothing was assessed");
        build(&ctx, &shop).await;
        assert!(one.is_merged() && two.is_merged());
        ctx
    });
}

#[test]
fn an_outage_holds_back_only_what_was_held_back_before() {
    run_test(async |ctx| {
        // Nobody has to wait for our check on the pull request itself.
        let shop = slow_queue(&ctx);
        let (small, risky) = (shop.open(change(1)), shop.open(half(2)));
        ctx.settle().await;
        let threshold = &ctx.assessment(&risky).await["score"];
        shop.base_file(".github/mergecast.yml", format!("mode: enforce\nthreshold: {threshold}\n"));
        assert!(small.press("rescore") && risky.press("rescore"));
        assert_eq!(concluded(&ctx.check_run(&small).await), "success");
        assert_eq!(concluded(&ctx.check_run(&risky).await), "action_required");
        let compare = FaultOn::new("GET", "/repos/*/*/compare/*");
        ctx.sim.fault(Fault { on: compare, kind: FaultKind::Status(502), times: Times::Always });
        let (_, group) = (small.enqueue(), risky.enqueue());
        assert_eq!(concluded(&answer(&ctx, &group).await), "action_required", "what the queue itself says is certain");
        assert_eq!(shop.groups().len(), 1, "it was thrown out");

        // The name of the group's branch is only a hint: nothing is held back by it.
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: FaultKind::Status(502), times: Times::Always });
        let group = risky.enqueue();
        let run = answer(&ctx, &group).await;
        assert_eq!(concluded(&run), "neutral");
        assert!(run.summary.unwrap().contains("is not certain"));
        ctx.sim.heal();
        ctx
    });
}

#[test]
fn a_bug_concludes_as_neutral_with_a_reference() {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |ctx| {
        let shop = queued(&ctx);
        let pull = shop.open(change(1));
        ctx.settle().await;
        let on = FaultOn::new("PATCH", "/repos/*/*/check-runs/*");
        // Refused for good: nothing is to be tried again.
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(403), times: Times::Next(1) });
        let group = pull.enqueue();
        let run = answer(&ctx, &group).await;
        assert_eq!((concluded(&run), pull.is_merged()), ("neutral", true), "{run:#?}");
        assert!(run.summary.unwrap().contains("the server's log has the details"));
        ctx
    });
}
