//! Groups that the service is told of late, whose answers it may have forgotten, and those that are gone: a conclusion at
//! GitHub is final, and nothing is made that nobody waits for.

use std::time::Duration;

use mergecast::{
    github::sim::{Delivery, Edits, Fault, FaultKind, FaultOn, SimCheckRun, Times},
    report::owners,
    service::Timing,
    store::{backup, restore},
};

use super::{answer, build, by_sha, concluded, half, run_on, slow_queue};
use crate::{
    recovery::{between, database, later, recovering},
    support::{Ctx, Setup, run_test, run_test_with},
    work::change,
};

const MINUTE: Duration = Duration::from_secs(60);
const POLICY: &str = ".github/mergecast.yml";

fn all_on(ctx: &Ctx, sha: &str) -> Vec<SimCheckRun> {
    let mut runs = ctx.sim.check_runs("acme/shop", sha);
    runs.retain(|run| run.name.starts_with("mergecast/"));
    runs.sort_by_key(|run| run.id);
    runs
}

#[test]
fn a_conclusion_outlives_the_database_that_forgot_it() {
    run_test_with(recovering(), async |mut ctx| {
        let shop = slow_queue(&ctx);
        shop.base_file(POLICY, "owners_check: on\n").base_file("CODEOWNERS", "/nothing/ @nora\n");
        let (one, two, three) = (shop.open(change(1)), shop.open(change(2)), shop.open(change(3)));
        ctx.settle().await;
        later(&ctx, MINUTE).await;
        let copy = ctx.directory.path().join("copy.db");
        backup(&database(&ctx), &copy, false).unwrap();
        let answered = one.enqueue();
        ctx.settle().await;
        let before = all_on(&ctx, &answered);
        assert_eq!(before.iter().map(concluded).collect::<Vec<_>>(), ["success", "success"]);
        // One is begun and not answered, and then gone; one begins while nobody is there.
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: FaultKind::Status(502), times: Times::Always });
        let begun = two.enqueue();
        ctx.rest().await;
        assert_eq!(run_on(&ctx, &begun).status, "in_progress");
        ctx.stop_service().await;
        two.dequeue();
        let missed = three.enqueue();
        ctx.sim.settle().await;
        ctx.sim.heal();
        between(&mut ctx, |path| drop(restore(path, &copy, "x").unwrap())).await;
        // Whoever would answer now would hold it back.
        shop.base_file(POLICY, "mode: enforce\nthreshold: 1\nowners_check: on\n");
        shop.base_file("CODEOWNERS", "* @nora\n");
        ctx.clock.advance(20 * MINUTE);
        ctx.start_service().await;
        ctx.settle().await;
        let asked = ctx.sim.deliveries().into_iter().filter(|each| each.event == "merge_group" && each.redelivery);
        assert!(asked.count() >= 3, "what was forgotten came again");
        assert_eq!(all_on(&ctx, &answered), before, "a conclusion is final");
        // Which of its two events comes first is not certain; either way it is ended.
        run_on(&ctx, &begun);
        assert!(all_on(&ctx, &begun).iter().all(|run| concluded(run) == "neutral"));
        assert_eq!(concluded(&run_on(&ctx, &missed)), "action_required", "what nobody had answered is answered");
        ctx
    });
}

#[test]
fn what_was_begun_before_the_database_was_put_back_is_ended_once_its_group_is_gone() {
    run_test(async |mut ctx| {
        let shop = slow_queue(&ctx);
        shop.base_file(POLICY, "owners_check: on\n").base_file("CODEOWNERS", "* @nora\n");
        let (begun, unheard) = (shop.open(change(1)), shop.open(change(2)));
        ctx.settle().await;
        let copy = ctx.directory.path().join("copy.db");
        backup(&database(&ctx), &copy, false).unwrap();
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: FaultKind::Status(502), times: Times::Always });
        let group = begun.enqueue();
        ctx.rest().await;
        assert_eq!(run_on(&ctx, &group).status, "in_progress");
        ctx.stop_service().await;
        begun.dequeue();
        let never = unheard.enqueue();
        unheard.dequeue();
        ctx.sim.settle().await;
        ctx.sim.heal();
        between(&mut ctx, |path| drop(restore(path, &copy, "x").unwrap())).await;
        ctx.clock.advance(20 * MINUTE);
        ctx.start_service().await;
        // Of both it is told that they are gone, and of neither that it was there.
        let gone =
            |each: &Delivery| (each.event.as_str(), each.action.as_deref()) == ("merge_group", Some("destroyed"));
        let told: Vec<_> = ctx.sim.deliveries().into_iter().filter(gone).map(|each| each.payload).collect();
        assert_eq!(told.len(), 2);
        told.into_iter().for_each(|payload| drop(ctx.sim.send("merge_group", payload)));
        let run = answer(&ctx, &group).await;
        assert_eq!((concluded(&run), run.title.as_deref()), ("neutral", Some("No score: the merge group is gone")));
        assert_eq!(all_on(&ctx, &group).len(), 1, "nobody waits for the owners' approvals of a group that is gone");
        assert_eq!(all_on(&ctx, &never), [], "nor for anything on one that nobody began");
        ctx
    });
}

#[test]
fn a_conclusion_whose_answer_was_lost_stands() {
    let timing = Timing { answer_lost: Duration::from_secs(2), outage: None, ..Timing::default() };
    run_test_with(Setup { timing, ..Setup::default() }, async |ctx| {
        let shop = slow_queue(&ctx);
        let (one, two) = (shop.open(half(1)), shop.open(half(2)));
        ctx.settle().await;
        let mut apart = 0;
        for pull in [&one, &two] {
            apart = apart.max(ctx.assessment(pull).await["score"].as_u64().unwrap());
        }
        // Together they are held back; their changes cannot be read together at first.
        shop.base_file(POLICY, format!("mode: enforce\nthreshold: {}\n", apart + 1));
        one.enqueue();
        ctx.settle().await;
        let compare = FaultOn::new("GET", "/repos/*/*/compare/*");
        ctx.sim.fault(Fault { on: compare, kind: FaultKind::Status(404), times: Times::Next(1) });
        let patch = FaultOn::new("PATCH", "/repos/*/*/check-runs/*");
        ctx.sim.fault(Fault { on: patch, kind: FaultKind::AnswerLostAfterWrite, times: Times::Next(1) });
        let group = two.enqueue();
        let run = answer(&ctx, &group).await;
        assert_eq!(concluded(&run), "success");
        assert_eq!(run.writes.len(), 2, "what GitHub has is not written again: {:#?}", run.writes);
        assert_eq!(by_sha(&ctx, &group).await.0, 404, "nothing was assessed after it");
        build(&ctx, &shop).await;
        assert!(one.is_merged() && two.is_merged());
        ctx
    });
}

#[test]
fn nothing_is_made_for_a_group_that_is_gone() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let pull = shop.open(change(1));
        ctx.settle().await;
        let group = pull.enqueue();
        answer(&ctx, &group).await;
        // A policy that asks for the owners' run comes in, and that run cannot be made before the group is gone.
        shop.base_files(Edits::new().write(POLICY, "owners_check: on\n").write("CODEOWNERS", "* @nora\n"));
        assert!(shop.rerequest_on(&group));
        let create = FaultOn::new("POST", "/repos/*/*/check-runs");
        ctx.sim.fault(Fault { on: create, kind: FaultKind::Status(502), times: Times::Always });
        ctx.rest().await;
        assert_eq!(ctx.store.job_counts().await.unwrap().queued, 1, "it is tried again later");
        ctx.sim.heal();
        pull.dequeue();
        ctx.settle().await;
        let names: Vec<String> = all_on(&ctx, &group).into_iter().map(|run| run.name).collect();
        assert!(!names.contains(&owners::NAME.to_owned()), "{names:?}");
        ctx
    });
}
