//! Pull requests that share a head commit: GitHub has one check run for them, and no second pull request leads past the
//! gate of the first.

use mergecast::github::sim::{Edits, Permission, PullHandle, PullSpec};

use crate::{
    seen::glance,
    support::{Ctx, run_test},
};

const ENFORCE: &str = "mode: enforce\nthreshold: 20\n";

/// A pull request that is held back.
async fn held(ctx: &Ctx) -> PullHandle {
    let shop = ctx.repository();
    shop.member("nora", Permission::Write).member("omar", Permission::Write);
    shop.push_to("scratch", Edits::new().write("README.md", "No policy here.\n"));
    shop.base_file(".github/mergecast.yml", ENFORCE);
    let pull = shop.open(PullSpec::new("Count the cart", "ada", Edits::new().write("src/cart.rs", "let cart = 1;\n")));
    assert_eq!(conclusion(ctx, &pull).await, "action_required");
    pull
}

async fn conclusion(ctx: &Ctx, pull: &PullHandle) -> String {
    ctx.check_run(pull).await.conclusion.unwrap_or_default()
}

#[test]
fn a_second_pull_request_for_the_same_commit_leads_past_nothing() {
    run_test(async |ctx| {
        let pull = held(&ctx).await;
        let draft = pull.twin(PullSpec { draft: true, ..PullSpec::new("Just looking", "ada", Edits::new()) });
        assert_eq!(conclusion(&ctx, &pull).await, "action_required", "a draft of the same commit");
        // A branch of one's own, without a policy.
        let own = PullSpec { base: Some("scratch".to_owned()), ..PullSpec::new("Into mine", "ada", Edits::new()) };
        let elsewhere = pull.twin(own);
        let run = ctx.check_run(&elsewhere).await;
        assert_eq!(run.conclusion.as_deref(), Some("action_required"), "another base branch");
        let words = format!("**This is about #{}, which is held back.**", pull.number());
        assert!(run.summary.unwrap_or_default().starts_with(&words));
        // The API tells them apart.
        let path = format!("/api/v1/assessments/{}/{}", draft.repository(), draft.number());
        let answer = ctx.http.get(ctx.url(&path)).send().await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(json["verdict"]["conclusion"], "neutral");
        ctx
    });
}

#[test]
fn what_is_closed_holds_nobody_back() {
    run_test(async |ctx| {
        let pull = held(&ctx).await;
        let twin = pull.twin(PullSpec { draft: true, ..PullSpec::new("Go on here", "ada", Edits::new()) });
        assert_eq!(conclusion(&ctx, &twin).await, "action_required");
        pull.close();
        assert_eq!(conclusion(&ctx, &twin).await, "neutral", "the draft speaks for itself");
        ctx
    });
}

#[test]
fn what_is_pushed_to_holds_nobody_back_on_the_old_head() {
    run_test(async |ctx| {
        let pull = held(&ctx).await;
        let twin = pull.twin(PullSpec { draft: true, ..PullSpec::new("Stay here", "ada", Edits::new()) });
        assert_eq!(conclusion(&ctx, &twin).await, "action_required");
        pull.push(Edits::new().write("src/cart.rs", "let cart = 2;\n"));
        assert_eq!(conclusion(&ctx, &twin).await, "neutral");
        assert_eq!(conclusion(&ctx, &pull).await, "action_required", "on the new head");
        ctx
    });
}

/// The button stands on a run that both share: it is for the pull request that the run speaks of, whose author may not.
#[test]
fn acknowledge_is_for_what_was_shown() {
    run_test(async |ctx| {
        let pull = held(&ctx).await;
        let twin = pull.twin(PullSpec { draft: true, ..PullSpec::new("Mine", "omar", Edits::new()) });
        ctx.settle().await;
        assert!(twin.press_by("nora", "acknowledge"), "the button is there");
        ctx.rest().await;
        let seen = glance(&ctx, &pull).await;
        assert_eq!(seen.json["verdict"]["override"]["by"], "nora", "{}", seen.json["verdict"]);
        assert_eq!(seen.conclusion(), "success");
        ctx
    });
}
