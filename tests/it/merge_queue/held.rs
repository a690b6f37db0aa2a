//! Which groups are held back where the policy enforces, and by whom: each member answers for itself, its override too.

use mergecast::github::sim::{Fault, FaultKind, FaultOn, Permission, PullHandle, SimRepository, Times};

use super::{build, by_sha, concluded, half, run_on, slow_queue};
use crate::{
    commands::say,
    support::{Ctx, run_test},
};

fn enforce(shop: &SimRepository, threshold: u64) {
    shop.base_file(".github/mergecast.yml", format!("mode: enforce\nthreshold: {threshold}\n"));
}

async fn score(ctx: &Ctx, pull: &PullHandle) -> u64 {
    ctx.assessment(pull).await["score"].as_u64().unwrap()
}

/// Two pull requests that reach the threshold by themselves, the first of them overridden.
async fn overridden_and_held(ctx: &Ctx, shop: &SimRepository) -> (PullHandle, PullHandle) {
    let (one, two) = (shop.open(half(1)), shop.open(half(2)));
    ctx.settle().await;
    enforce(shop, score(ctx, &one).await.min(score(ctx, &two).await));
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
