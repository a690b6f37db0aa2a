//! Which groups are held back where the policy enforces, and by whom: each member answers for itself, its override too.

use mergecast::github::sim::{
    Edits, Fault, FaultKind, FaultOn, Permission, PullHandle, PullSpec, SimRepository, Times,
};
use serde_json::json;

use super::{answer, build, by_sha, concluded, half, run_on, slow_queue};
use crate::{
    commands::say,
    support::{Ctx, run_test},
    work::change,
};

fn enforce(shop: &SimRepository, threshold: u64) {
    shop.base_file(".github/mergecast.yml", format!("mode: enforce\nthreshold: {threshold}\n"));
}

async fn score(ctx: &Ctx, pull: &PullHandle) -> u64 {
    ctx.assessment(pull).await["score"].as_u64().unwrap()
}

/// Two pull requests that reach the threshold by themselves, the first of them overridden. It is the lowest that a small
/// change does not reach: a group is judged without the reviews that are in the scores of the two.
async fn overridden_and_held(ctx: &Ctx, shop: &SimRepository) -> (PullHandle, PullHandle) {
    let (small, one, two) = (shop.open(change(0)), shop.open(half(1)), shop.open(half(2)));
    ctx.settle().await;
    enforce(shop, score(ctx, &small).await + 1);
    for pull in [&one, &two] {
        assert!(pull.press("rescore"));
        assert_eq!(concluded(&ctx.check_run(pull).await), "action_required");
    }
    shop.member("nora", Permission::Write);
    say(ctx, &one, "nora", "/risk override Seen and understood").await;
    // The clock stands still from here on: the override would end.
    assert_eq!(concluded(&run_on(ctx, &one.head_sha())), "success");
    (one, two)
}

#[test]
fn a_group_whose_members_are_not_known_is_never_held_back() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let (overridden, _) = overridden_and_held(&ctx, &shop).await;
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: FaultKind::Status(403), times: Times::Always });
        let group = overridden.enqueue();
        ctx.rest().await;
        let run = run_on(&ctx, &group);
        let assessment = by_sha(&ctx, &group).await.1;
        assert_eq!(assessment["verdict"]["because"], "at_or_above_threshold", "{assessment}");
        assert_eq!(assessment["verdict"]["mode"], "enforce", "{assessment}");
        assert_eq!(concluded(&run), "neutral", "{run:#?}");
        assert!(run.summary.unwrap().contains("its pull requests are not known"));
        ctx.sim.heal();
        build(&ctx, &shop).await;
        assert!(overridden.is_merged(), "an override is not lost to an outage");
        ctx
    });
}

#[test]
fn an_override_counts_for_its_own_pull_request_and_no_other() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        // Somebody else's: what one author does within a day in one place is scored as one change.
        let harmless = shop.open(PullSpec { author: "zoe".to_owned(), ..change(3) });
        let (overridden, risky) = overridden_and_held(&ctx, &shop).await;
        let of_one = overridden.enqueue();
        let with_harmless = harmless.enqueue();
        let with_risky = risky.enqueue();
        ctx.rest().await;
        for (group, conclusion, words) in [
            (&of_one, "neutral", format!("let through by the override of #{}", overridden.number())),
            (&with_harmless, "neutral", format!("let through by the override of #{}", overridden.number())),
            (&with_risky, "action_required", format!("below the threshold by itself is #{}", risky.number())),
        ] {
            let run = run_on(&ctx, group);
            let verdict = &by_sha(&ctx, group).await.1["verdict"];
            assert_eq!(
                (concluded(&run), &verdict["because"]),
                (conclusion, &json!("at_or_above_threshold")),
                "{words}"
            );
            let summary = run.summary.unwrap();
            assert!(summary.contains(&words), "{words}: {summary}");
        }
        build(&ctx, &shop).await;
        assert!(overridden.is_merged() && harmless.is_merged() && !risky.is_merged());
        ctx
    });
}

#[test]
fn an_override_counts_for_its_own_pull_request_where_members_answer_too() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        // Somebody else's: what one author does within a day in one place is scored as one change.
        let harmless = shop.open(PullSpec { author: "zoe".to_owned(), ..change(3) });
        let (overridden, risky) = overridden_and_held(&ctx, &shop).await;
        let on = FaultOn::new("GET", "/repos/*/*/compare/*");
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(404), times: Times::Always });
        let groups = [&overridden, &harmless, &risky].map(PullHandle::enqueue);
        ctx.rest().await;
        assert_eq!(concluded(&run_on(&ctx, &groups[1])), "neutral");
        let run = run_on(&ctx, &groups[2]);
        assert_eq!(concluded(&run), "action_required");
        assert!(run.summary.unwrap().contains("were not scored together"));
        ctx.sim.heal();
        build(&ctx, &shop).await;
        assert!(overridden.is_merged() && harmless.is_merged() && !risky.is_merged());
        ctx
    });
}

#[test]
fn a_pull_request_that_is_held_by_itself_does_not_pass_behind_a_small_one() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        shop.member("nora", Permission::Write);
        let (small, failing) = (shop.open(change(1)), shop.open(change(2)));
        ctx.settle().await;
        // What the two score without their checks, which is how a group is scored.
        let (_, group) = (small.enqueue(), failing.enqueue());
        answer(&ctx, &group).await;
        let together = by_sha(&ctx, &group).await.1["score"].as_u64().unwrap();
        small.dequeue();
        failing.dequeue();
        failing.check("unit", "failure");
        failing.request_changes("nora");
        ctx.settle().await;
        let alone = score(&ctx, &failing).await;
        assert!(alone > together, "{alone} alone, {together} together");
        enforce(&shop, alone);
        for (pull, conclusion) in [(&small, "success"), (&failing, "action_required")] {
            assert!(pull.press("rescore"));
            assert_eq!(concluded(&ctx.check_run(pull).await), conclusion);
        }
        let (_, group) = (small.enqueue(), failing.enqueue());
        let run = answer(&ctx, &group).await;
        let assessment = by_sha(&ctx, &group).await.1;
        assert_eq!((&assessment["verdict"]["because"], concluded(&run)), (&json!("held_member"), "action_required"));
        assert!(assessment["score"].as_u64().unwrap() < alone, "the score is that of the changes together");
        assert!(run.summary.unwrap().contains(&format!("by itself so is #{}", failing.number())));
        build(&ctx, &shop).await;
        assert!(small.is_merged() && !failing.is_merged());
        ctx
    });
}

#[test]
fn the_policy_of_another_branch_judges_no_group() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let (one, two) = (shop.open(half(1)), shop.open(half(2)));
        ctx.settle().await;
        enforce(&shop, 1);
        assert!(one.press("rescore") && two.press("rescore"));
        assert_eq!(concluded(&ctx.check_run(&one).await), "action_required");
        // Whoever may push to a branch may say in its file what they like.
        shop.branch("own");
        shop.push_to("own", Edits::new().write(".github/mergecast.yml", "mode: advisory\n"));
        let own = shop.open(PullSpec { base: Some("own".to_owned()), ..half(3) });
        ctx.settle().await;
        assert_eq!(ctx.assessment(&own).await["verdict"]["mode"], "advisory");
        // The branch of the queue has a mistake in its file from now on.
        shop.base_file(".github/mergecast.yml", "mode: enforced\n");
        let (_, group) = (one.enqueue(), two.enqueue());
        let run = answer(&ctx, &group).await;
        assert_eq!(by_sha(&ctx, &group).await.1["verdict"]["mode"], "enforce");
        // The group ahead is held back; should that take this one out of the queue before it is read, nothing waits for it.
        assert!(matches!(concluded(&run), "action_required" | "neutral"));
        one.dequeue();

        // Once its file is gone, nothing of it stays in force.
        shop.base_files(Edits::new().remove(".github/mergecast.yml"));
        assert!(one.press("rescore"));
        ctx.settle().await;
        shop.base_file(".github/mergecast.yml", "mode: enforced\n");
        assert!(one.press("rescore"));
        ctx.settle().await;
        assert_eq!(ctx.assessment(&one).await["verdict"]["mode"], "advisory");
        ctx
    });
}

const DROP: &str = "ALTER TABLE orders DROP COLUMN total;\n";

#[test]
fn a_proven_revert_keeps_its_fast_lane_behind_another_change() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        shop.base_file("db/migrate/1_drop.sql", DROP);
        let gone = Edits::new().remove("db/migrate/1_drop.sql");
        let undone = shop.open(PullSpec::new("Keep the total", "ada", gone));
        undone.merge();
        ctx.settle().await;
        enforce(&shop, 70);
        let back = PullSpec {
            body: Some(format!("Reverts acme/shop#{}", undone.number())),
            ..PullSpec::new("Go back", "ada", Edits::new().write("db/migrate/1_drop.sql", DROP))
        };
        let drops = PullSpec::new("Drop more", "ada", Edits::new().write("db/migrate/2_drop.sql", DROP));
        let [small, back, drops] = [change(1), back, drops].map(|spec| shop.open(spec));
        ctx.settle().await;
        let groups = [&small, &back, &drops].map(PullHandle::enqueue);
        let run = answer(&ctx, &groups[1]).await;
        let assessment = by_sha(&ctx, &groups[1]).await.1;
        let floor = &assessment["floors"][0];
        assert_eq!((&floor["applied"], &floor["exempt_because"]), (&json!(false), &json!("proven_revert_in_group")));
        assert_eq!(concluded(&run), "success", "{assessment}");
        let summary = run.summary.unwrap();
        assert!(
            summary.contains("by itself, a proven revert)") && summary.contains("that is the way back"),
            "{summary}"
        );
        // What another change destroys is not excused by that.
        let assessment = by_sha(&ctx, &groups[2]).await.1;
        assert_eq!((&assessment["floors"][0]["applied"], &assessment["score"]), (&json!(true), &json!(70)));
        build(&ctx, &shop).await;
        assert!(small.is_merged() && back.is_merged() && !drops.is_merged());
        ctx
    });
}
