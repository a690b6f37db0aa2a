//! What a repository's history says of open pull requests: whom to ask, and who else works on the same.

use std::time::Duration;

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

/// A pull request by `author` that adds `lines` lines to a file, and tests in proportion.
fn adding(ctx: &Ctx, author: &str, path: &str, lines: usize) -> PullHandle {
    let text = |lines: usize| (0..lines).map(|line| format!("step({line});\n")).collect::<String>();
    let edits = Edits::new().write(path, text(lines)).write(format!("{path}.test.ts"), text(lines / 3));
    ctx.repository().open(PullSpec::new("Rework the till", author, edits))
}

async fn score(ctx: &Ctx, pull: &PullHandle) -> i64 {
    ctx.check_run(pull).await;
    ctx.assessment(pull).await["score"].as_i64().unwrap()
}

/// What the assessment says of the series that a pull request is part of.
async fn series(ctx: &Ctx, pull: &PullHandle) -> String {
    evidence(&ctx.assessment(pull).await, "series").join("; ")
}

#[test]
fn a_change_in_three_open_pull_requests_scores_like_the_whole() {
    run_test(async |ctx| {
        ctx.repository().base_file("src/till.rs", "");
        let whole = adding(&ctx, "ada", "src/till.rs", 900);
        let of_whole = score(&ctx, &whole).await;
        whole.close();
        ctx.settle().await;
        let first = adding(&ctx, "ada", "src/till.rs", 300);
        let alone = score(&ctx, &first).await;
        assert!(alone < of_whole, "{alone} {of_whole}: else the rest proves nothing");
        // Neither somebody else's, nor what is made elsewhere, nor a program's.
        let others = [("lin", "src/till.rs"), ("ada", "docs/till.rs"), ("renovate[bot]", "src/till.rs")];
        let others = others.map(|(author, path)| adding(&ctx, author, path, 300));
        ctx.settle().await;
        assert_eq!(score(&ctx, &first).await, alone);
        let pieces = [first, adding(&ctx, "ada", "src/till.rs", 300), adding(&ctx, "ada", "src/till.rs", 300)];
        for piece in &pieces {
            assert_eq!(score(&ctx, piece).await, of_whole, "{}", series(&ctx, piece).await);
        }
        let told = series(&ctx, &pieces[0]).await;
        let (second, third) = (pieces[1].number(), pieces[2].number());
        let expected = format!("together with #{second}, #{third} by the same author");
        assert!(told.starts_with(&expected) && told.contains("600 lines"), "{told}");
        for other in &others {
            assert_eq!(series(&ctx, other).await, "");
        }
        // What is given up counts no more, what is merged does.
        pieces[1].close();
        pieces[2].merge();
        ctx.settle().await;
        assert!(pieces[0].press("rescore"));
        ctx.settle().await;
        let told = series(&ctx, &pieces[0]).await;
        assert!(told.starts_with(&format!("together with #{third} by")) && told.contains("300 lines"), "{told}");
        ctx
    });
}

#[test]
fn a_series_is_told_by_the_services_that_are_declared_and_within_a_day() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let policy = "services:\n  pay: { paths: [\"apps/pay/**\", \"db/pay/**\"] }\n";
        shop.base_file(".github/mergecast.yml", policy);
        let first = adding(&ctx, "ada", "apps/pay/src/charge.rs", 300);
        let alone = score(&ctx, &first).await;
        ctx.clock.advance(Duration::from_secs(23 * 3_600));
        let second = adding(&ctx, "ada", "db/pay/charges.sql", 300);
        ctx.settle().await;
        assert!(score(&ctx, &first).await > alone);
        assert!(series(&ctx, &second).await.contains(&format!("#{}", first.number())));
        ctx.clock.advance(Duration::from_secs(2 * 3_600));
        let third = adding(&ctx, "ada", "apps/pay/src/refund.rs", 300);
        ctx.settle().await;
        let told = series(&ctx, &third).await;
        assert!(told.starts_with(&format!("together with #{} by", second.number())), "{told}");
        ctx
    });
}
