//! What a repository's history says of open pull requests: whom to ask.

use mergecast::github::sim::{Edits, Permission, PullHandle, PullSpec};
use serde_json::Value;

use crate::{
    mirrors::{mirrored, remote::Remote},
    support::{Ctx, run_test},
};

/// Opens a pull request by ada that changes what others know.
fn open(ctx: &Ctx, title: &str) -> PullHandle {
    ctx.repository().open(PullSpec::new(title, "ada", Edits::new().write("src/cart.rs", "let cart = 1;\n")))
}

/// What an assessment says of one signal, sentence by sentence.
fn evidence(assessment: &Value, signal: &str) -> Vec<String> {
    let mut contributions = assessment["contributions"].as_array().unwrap().iter();
    let contribution = contributions.find(|each| each["signal"] == signal).unwrap();
    let sentences = contribution["evidence"].as_array().unwrap();
    sentences.iter().map(|sentence| sentence.as_str().unwrap().to_owned()).collect()
}

/// Whom the assessment of a pull request names as knowing its files.
async fn asked(ctx: &Ctx, pull: &PullHandle) -> Vec<String> {
    let sentences = evidence(&ctx.assessment(pull).await, "experience");
    let named = sentences.iter().filter_map(|sentence| sentence.split_once(" has, "));
    let mut named: Vec<String> = named.map(|(who, _)| who.to_owned()).collect();
    named.sort_unstable();
    named
}

/// A main line on which many have changed the cart; only nora and mia may write.
async fn crowd(ctx: &mut Ctx) -> Remote {
    let remote = mirrored(ctx).await;
    let shop = ctx.repository();
    shop.member("nora", Permission::Write).member("mia", Permission::Maintain).member("ada", Permission::Admin);
    shop.member("eve", Permission::Triage);
    // Nobody knows the account of this one: GitHub does not know the commit.
    remote.commit("main", "stranger", "src/cart.rs");
    for login in ["eve", "renovate[bot]", "nora", "mia"] {
        remote.push(&shop, login, "src/cart.rs");
    }
    // The author of the pull request by another name in git.
    let sha = remote.commit("main", "ada.lovelace", "src/cart.rs");
    shop.push_base(Edits::new().write("src/cart.rs", "of ada\n").by("ada").id(&sha));
    ctx.settle().await;
    remote
}

#[test]
fn those_who_know_the_files_and_may_write_are_named_by_their_logins() {
    run_test(async |mut ctx| {
        crowd(&mut ctx).await;
        let mut named = Vec::new();
        for round in 0..4 {
            let mark = ctx.sim.requests();
            let pull = open(&ctx, &format!("Count the cart, part {round}"));
            ctx.check_run(&pull).await;
            let cold = ctx.sim.exchanges_since(mark);
            assert!(cold.len() <= 6, "{cold:#?}");
            let mark = ctx.sim.requests();
            assert!(pull.press("rescore"));
            ctx.check_run(&pull).await;
            let warm = ctx.sim.exchanges_since(mark);
            assert!(warm.len() <= 3, "{warm:#?}");
            named = asked(&ctx, &pull).await;
            pull.close();
            ctx.settle().await;
        }
        assert_eq!(named, ["@mia", "@nora"]);
        // What is known is not asked for again.
        let mark = ctx.sim.requests();
        let pull = open(&ctx, "Count the cart once more");
        let run = ctx.check_run(&pull).await;
        let paths: Vec<String> = ctx.sim.exchanges_since(mark).into_iter().map(|each| each.path).collect();
        assert!(!paths.iter().any(|path| path.ends_with("/permission")), "{paths:?}");
        assert!(run.summary.unwrap().contains("mia"));
        ctx
    });
}
