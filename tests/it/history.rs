//! What a repository's history says of open pull requests: whom to ask, and who else works on the same.

use std::time::Duration;

use mergecast::github::sim::{Edits, Permission, PullHandle, PullSpec};
use serde_json::Value;

use crate::{
    mirrors::{
        mirrored,
        remote::{Remote, git},
    },
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
    // More of those who may not write than are asked about at once, and they came first.
    for login in ["eve", "kim", "sam"] {
        shop.member(login, Permission::Triage);
    }
    // Nobody knows the account of this one: GitHub does not know the commit.
    remote.commit("main", "stranger", "src/cart.rs");
    for login in ["eve", "kim", "sam", "renovate[bot]", "nora", "mia"] {
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
        for round in 0..6 {
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
        ctx.settle().await;
        // A few points more are no reason to ask GitHub; whoever asks gets them.
        assert!(pieces.iter().all(|piece| piece.press("rescore")));
        ctx.settle().await;
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
        assert!(first.press("rescore"));
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

/// A way down by splitting is what each part scores by itself, with its own history.
#[test]
fn a_change_of_two_parts_of_the_system_is_told_what_each_would_score() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        for round in 0..3 {
            let path = "api/charge.rs";
            let sha = remote.land("main", "lin", "Charge at once", path, &format!("charge({round});\n"));
            let message = format!("Revert \"Charge at once\"\n\nThis reverts commit {sha}.");
            land(&ctx, &remote, "lin", &message, path, "charge();\n");
        }
        let text: String = (0..200).map(|line| format!("step({line});\n")).collect();
        let edits =
            ["api/charge.rs", "api/charge_test.rs", "web/auth/login.ts", "web/auth/login.test.ts", "infra/main.tf"]
                .iter()
                .fold(Edits::new(), |edits, path| edits.write(*path, text.as_str()));
        let pull = ctx.repository().open(PullSpec::new("Charge and log in", "ada", edits));
        let run = ctx.check_run(&pull).await;
        let assessment = ctx.assessment(&pull).await;
        let ways = assessment["ways_down"].as_array().unwrap();
        let split = |way: &&Value| way["action"].as_str().unwrap().starts_with("Take it apart");
        let way = ways.iter().find(split).expect("a split is worth it");
        let told = way["action"].as_str().unwrap();
        for file in ["api/charge.rs", "web/auth/login.ts", "infra/main.tf"] {
            assert!(told.contains(file), "{told}");
        }
        assert!(told.contains(&format!("would score {};", way["target_score"])), "the riskiest first: {told}");
        assert_eq!(
            way["points"].as_i64(),
            Some(assessment["score"].as_i64().unwrap() - way["target_score"].as_i64().unwrap())
        );
        assert!(run.summary.unwrap().contains("| Take it apart, each part by itself: "));
        ctx
    });
}

/// Lands a text at a path, there and on the simulated GitHub.
fn land(ctx: &Ctx, remote: &Remote, author: &str, message: &str, path: &str, text: &str) {
    let sha = remote.land("main", author, message, path, text);
    ctx.repository().push_base(Edits::new().write(path, text).message(message).id(&sha));
}

#[test]
fn people_are_who_the_mailmap_says_and_a_new_one_holds_for_what_was_before() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        remote.push(&ctx.repository(), "ada.old", "src/cart.rs");
        let known = async |title: &str| {
            let pull = open(&ctx, title);
            ctx.check_run(&pull).await;
            let told = evidence(&ctx.assessment(&pull).await, "experience").remove(0);
            pull.close();
            ctx.settle().await;
            told.starts_with("the author has changed all")
        };
        assert!(!known("As git has it").await);
        land(&ctx, &remote, "lin", "Name people", ".mailmap", "ada <ada.old@example.com>\n");
        assert!(known("By the mailmap").await);
        // Who opens it may have committed by another name, too.
        land(
            &ctx,
            &remote,
            "lin",
            "Name people",
            ".mailmap",
            "Ada L <ada.old@example.com>\nAda L <ada@users.noreply.example.com>\n",
        );
        assert!(known("By another name").await);
        let kinds = remote_kinds(&ctx);
        assert_eq!(kinds.matches("blob").count(), 2, "the mailmaps and no other content: {kinds}");
        land(&ctx, &remote, "lin", "Name nobody", ".mailmap", "# nobody\n");
        assert!(!known("Without the mailmap").await);
        ctx
    });
}

/// Kinds of the objects that the mirror holds.
fn remote_kinds(ctx: &Ctx) -> String {
    let mirror = ctx.directory.path().join(format!("data/mirrors/{}.git", ctx.repository().id()));
    git(&mirror, &["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"])
}

#[test]
fn a_rollback_is_linked_by_the_name_of_this_repository_alone() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        land(&ctx, &remote, "lin", "Speed up the cart (#31)", "src/cart.rs", "fast\n");
        land(&ctx, &remote, "lin", "Speed up the sum (#32)", "src/sum.rs", "fast\n");
        land(&ctx, &remote, "lin", "Slow down\n\nReverts acme/shop#31", "src/cart.rs", "slow\n");
        land(&ctx, &remote, "lin", "Follow others\n\nReverts acme/till#32", "src/sum.rs", "slow\n");
        ctx.settle().await;
        let failures = async |path: &str| {
            let pull = ctx.repository().open(PullSpec::new("Go on", "ada", Edits::new().write(path, "1\n")));
            ctx.check_run(&pull).await;
            evidence(&ctx.assessment(&pull).await, "prior_defects").join("; ")
        };
        assert_eq!(failures("src/cart.rs").await, "1 of 3 earlier changes to src/cart.rs rolled back");
        assert_eq!(failures("src/sum.rs").await, "no earlier change to these files was rolled back");
        ctx
    });
}

#[test]
fn a_merge_group_of_several_has_the_history_of_all_its_files_and_no_author() {
    run_test(async |mut ctx| {
        let remote = mirrored(&mut ctx).await;
        let shop = ctx.repository();
        land(&ctx, &remote, "lin", "Speed up the cart (#31)", "src/cart.rs", "fast\n");
        land(&ctx, &remote, "lin", "Slow down\n\nReverts acme/shop#31", "src/cart.rs", "slow\n");
        shop.merge_queue(&["build"]);
        let pull =
            |path: &str, author: &str| shop.open(PullSpec::new("Go on", author, Edits::new().write(path, "1\n")));
        let pulls = [pull("docs/cart.md", "ada"), pull("src/cart.rs", "eve")];
        ctx.settle().await;
        let groups = pulls.map(|pull| pull.enqueue());
        ctx.settle().await;
        let path = format!("/api/v1/assessments/acme/shop/by-sha/{}", groups[1]);
        let answer = ctx.http.get(ctx.url(&path)).send().await.unwrap();
        let assessment: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(assessment["merge_group"]["members"].as_array().unwrap().len(), 2);
        assert_eq!(evidence(&assessment, "prior_defects"), ["1 of 3 earlier changes to src/cart.rs rolled back"]);
        let mut contributions = assessment["contributions"].as_array().unwrap().iter();
        let experience = contributions.find(|each| each["signal"] == "experience").unwrap();
        assert_eq!(experience["status"], "unknown", "{experience}");
        for group in shop.groups() {
            shop.check_on(&group.head_sha, "build", "success");
        }
        ctx.settle().await;
        ctx
    });
}
