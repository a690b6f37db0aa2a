//! What a repository's policy file changes, and what happens when it is wrong or comes from the wrong side.

use mergecast::github::sim::{Edits, Exchange, Permission, PullHandle, PullSpec, SimRepository};

use crate::{
    recovery::{MINUTE, later, recovering},
    seen::{Seen, see},
    support::{Ctx, run_test, run_test_with},
};

const PATH: &str = ".github/mergecast.yml";

fn open(shop: &SimRepository, path: &str) -> PullHandle {
    shop.open(PullSpec::new("Count the cart", "ada", Edits::new().write(path, "let cart = 1;\nlet sum = 2;\n")))
}

/// The policy takes the place of the one before; the pull request is scored under it.
async fn under(ctx: &Ctx, policy: &str, pull: &PullHandle) -> Seen {
    ctx.repository().base_file(PATH, policy);
    assert!(pull.press("rescore"), "the button is there");
    see(ctx, pull).await
}

fn threshold(seen: &Seen) -> (i64, &str) {
    let threshold = &seen.json["verdict"]["threshold"];
    (threshold["score"].as_i64().expect("a score"), threshold["origin"].as_str().expect("an origin"))
}

#[test]
fn enforcing_holds_back_at_the_threshold_and_not_below() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "src/cart.rs");
        let advisory = see(&ctx, &pull).await;
        let score = advisory.score();
        let at = under(&ctx, &format!("mode: enforce\nthreshold: {score}\n"), &pull).await;
        assert_eq!((at.conclusion(), at.because()), ("action_required", "at_or_above_threshold"));
        assert!(at.summary().contains("Held back until"), "{}", at.summary());
        let above = under(&ctx, &format!("mode: enforce\nthreshold: {}\n", score + 1), &pull).await;
        assert_eq!((above.conclusion(), above.because()), ("success", "below_threshold"));
        let told = under(&ctx, &format!("threshold: {score}\n"), &pull).await;
        assert_eq!((told.conclusion(), told.because()), ("neutral", "at_or_above_threshold"));
        assert!(told.summary().contains("would have held"), "{}", told.summary());
        assert_eq!([at.score(), above.score(), told.score()], [score; 3], "a policy's mode moves no score");
        ctx
    });
}

#[test]
fn a_share_needs_fifty_scores_and_is_then_read_off_them() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_file(PATH, "mode: enforce\nthreshold: { top: 5% }\n");
        let first = open(&shop, "src/n0.rs");
        let seen = see(&ctx, &first).await;
        assert_eq!((threshold(&seen), seen.conclusion()), ((70, "top_share_too_few"), "success"));
        assert!(seen.summary().contains("until 50 changes are scored, 0 so far"), "{}", seen.summary());
        for n in 1..=48 {
            open(&shop, &format!("src/n{n}.rs"));
        }
        // Of fifty scores the riskiest twentieth are three.
        let risky: Vec<PullHandle> = (0..3)
            .map(|n| {
                let body = "let value = read();\n".repeat(300 * (n + 1));
                let edits = Edits::new().write(format!("infra/auth/{n}.rs"), body.as_str()).write("infra/a.tf", body);
                shop.open(PullSpec::new("Faster auth by default", "ada", edits))
            })
            .collect();
        let mut scores = Vec::new();
        for pull in &risky {
            scores.push(see(&ctx, pull).await.score());
        }
        assert!(scores.iter().all(|score| *score > 40), "{scores:?}");
        assert!(first.press("rescore"));
        let seen = see(&ctx, &first).await;
        let least = *scores.iter().min().expect("three");
        assert_eq!((threshold(&seen), seen.conclusion()), ((least, "top_share"), "success"), "{scores:?}");
        assert!(seen.summary().contains("last 51 changes"), "{}", seen.summary());
        for pull in &risky {
            assert!(pull.press("rescore"));
            let seen = see(&ctx, pull).await;
            let held = seen.score() >= threshold(&seen).0;
            assert_eq!(seen.conclusion(), if held { "action_required" } else { "success" });
        }
        ctx
    });
}

#[test]
fn a_freeze_adds_points_while_it_lasts_and_says_when_it_ends() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "src/cart.rs");
        let free = see(&ctx, &pull).await;
        assert_eq!(free.points("change_window"), 0);
        let freeze =
            |from: &str, until: &str| format!("freezes:\n  - name: Year end\n    from: {from}\n    until: {until}\n");
        // Tests begin on 2026-03-03 at 10:00.
        let frozen = under(&ctx, &freeze("2026-03-03T09:00:00Z", "2026-03-03T18:30:00Z"), &pull).await;
        assert_eq!((frozen.points("change_window"), frozen.score()), (10, free.score() + 10));
        assert!(frozen.words("change_window").contains("Year end"), "{}", frozen.words("change_window"));
        assert_eq!(frozen.way("Merge after the freeze, from 2026-03-03 18:30"), Some((10, free.score())));
        for (from, until) in
            [("2026-03-01T00:00:00Z", "2026-03-03T10:00:00Z"), ("2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z")]
        {
            let seen = under(&ctx, &freeze(from, until), &pull).await;
            assert_eq!((seen.points("change_window"), seen.score()), (0, free.score()), "{from}");
        }
        let again = under(&ctx, &freeze("2026-03-03T09:00:00Z", "2026-03-03T18:30:00Z"), &pull).await;
        ctx.clock.set("2026-03-03T18:30:00Z".parse().expect("an instant"));
        assert!(pull.press("rescore"));
        let (after, day) = (see(&ctx, &pull).await, "the day moves the age alone");
        assert_eq!((again.points("change_window"), after.points("change_window")), (10, 0), "{day}");
        ctx
    });
}

#[test]
fn sensitive_paths_add_their_points_and_ignored_ones_count_for_nothing() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "engine/core/valve.rs");
        let plain = see(&ctx, &pull).await;
        assert_eq!(plain.points("sensitive_paths"), 0);
        let policy = "sensitive_paths: { \"engine/**\": 6, \"**/core/*\": 14, \"other/**\": 30 }\n";
        let seen = under(&ctx, policy, &pull).await;
        assert_eq!(seen.score(), plain.score() + 14, "the heaviest pattern that fits");
        assert!(seen.summary().contains("`**/core/*`"), "{}", seen.summary());
        let ignored = under(&ctx, "ignore: [\"engine/**\"]\n", &pull).await;
        assert_eq!(ignored.value("churn"), Some(0.0));
        assert!(ignored.words("churn").contains("2 more not counted"), "{}", ignored.words("churn"));
        let negative = under(&ctx, "sensitive_paths: { \"engine/**\": -6 }\n", &pull).await;
        let honoured = negative.score() < plain.score();
        assert!(honoured || mistakes(&negative) > 0, "a policy is obeyed or refused, never silently left aside");
        ctx
    });
}

#[test]
fn many_wide_patterns_are_obeyed_or_refused() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "engine/core/valve.rs");
        see(&ctx, &pull).await;
        for wide in ["{a,b}".repeat(58), "[a-zA-Zäöü]?*".repeat(22), "**/a/".repeat(58), "?".repeat(290)] {
            let others: String = (0..199).map(|n| format!("  - \"{n}/{wide}\"\n")).collect();
            let seen = under(&ctx, &format!("ignore:\n{others}  - engine/**\n"), &pull).await;
            let obeyed = seen.value("churn") == Some(0.0);
            assert!(obeyed || mistakes(&seen) > 0, "{wide} is silently left aside");
        }
        ctx
    });
}

fn mistakes(seen: &Seen) -> usize {
    seen.json["policy"]["errors"].as_array().map_or(0, Vec::len)
}

#[test]
fn floors_can_be_moved_and_switched_off() {
    run_test(async |ctx| {
        let edits = Edits::new().write("db/migrate/1_drop.sql", "ALTER TABLE orders DROP COLUMN total;\n");
        let pull = ctx.repository().open(PullSpec::new("Drop the total", "ada", edits));
        let seen = see(&ctx, &pull).await;
        assert_eq!((seen.score(), seen.json["floors"][0]["at_least"].as_i64()), (70, Some(70)));
        let moved = under(&ctx, "floors: { destructive_migration: 85 }\n", &pull).await;
        assert_eq!((moved.score(), moved.json["floors"][0]["applied"].as_bool()), (85, Some(true)));
        let off = under(&ctx, "floors: { destructive_migration: off }\n", &pull).await;
        assert_eq!((off.json["floors"].as_array().map(Vec::len), off.score() < 70), (Some(0), true));
        ctx
    });
}

#[test]
fn a_mistake_is_shown_with_its_line_and_the_last_good_policy_stays() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), "src/cart.rs");
        see(&ctx, &pull).await;
        let never_good = under(&ctx, "\nmode: enforced\n", &pull).await;
        assert_eq!((never_good.conclusion(), mistakes(&never_good)), ("success", 1));
        assert!(never_good.summary().contains("Line 2"), "{}", never_good.summary());
        assert!(never_good.summary().contains("the defaults are in force"), "{}", never_good.summary());

        let good = under(&ctx, "mode: enforce\nthreshold: 1\n", &pull).await;
        assert_eq!((good.conclusion(), mistakes(&good)), ("action_required", 0));
        let wrong = "mode: advisory\n\ntreshold: 99\nfloors: { destructive_migration: 170 }\n";
        let bad = under(&ctx, wrong, &pull).await;
        assert_eq!((bad.conclusion(), threshold(&bad)), ("action_required", (1, "fixed")), "the last good one");
        assert_eq!((mistakes(&bad), bad.json["policy"]["errors"][0]["line"].as_i64()), (2, Some(3)));
        for said in ["Line 3", "treshold", "threshold", "Line 4", "the last good version stays in force"] {
            assert!(bad.summary().contains(said), "{said}: {}", bad.summary());
        }
        let mended = under(&ctx, "mode: advisory\n", &pull).await;
        assert_eq!((mended.conclusion(), mistakes(&mended)), ("success", 0));
        ctx
    });
}

#[test]
fn a_pull_request_cannot_soften_the_rules_for_itself() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write).member("mallory", Permission::Write);
        shop.base_file(PATH, "mode: enforce\nthreshold: 1\n");
        shop.base_file(".github/CODEOWNERS", "* @nora\n");
        let honest = open(&shop, "src/cart.rs");
        let expected = see(&ctx, &honest).await;
        assert_eq!(expected.conclusion(), "action_required");
        for fork in [None, Some("mallory".to_owned())] {
            let edits = Edits::new()
                .write("src/cart.rs", "let cart = 1;\nlet sum = 2;\n")
                .write(
                    PATH,
                    "mode: advisory\nthreshold: 100\nignore: [\"**\"]\nfloors: { destructive_migration: off }\n",
                )
                .write(".github/CODEOWNERS", "* @mallory\n");
            let attack = shop.open(PullSpec { fork, ..PullSpec::new("Count the cart", "mallory", edits) });
            attack.approve("mallory");
            let seen = see(&ctx, &attack).await;
            assert_eq!((seen.conclusion(), threshold(&seen)), ("action_required", (1, "fixed")));
            assert!(seen.value("churn") >= expected.value("churn"), "nothing is ignored");
            assert_eq!(seen.value("owner_review"), Some(3.0), "{}", seen.words("owner_review"));
            assert!(seen.words("owner_review").contains("@nora") && !seen.words("owner_review").contains("mallory"));
        }
        ctx
    });
}

/// Requests about one pull request, and about the policy of a branch.
fn asked(exchanges: &[Exchange]) -> (usize, usize) {
    let with = |name: &str| {
        let of = |each: &&Exchange| each.request_body["query"].as_str().is_some_and(|query| query.contains(name));
        exchanges.iter().filter(of).count()
    };
    (with("query PullRequest("), with("query BranchPolicy("))
}

#[test]
fn what_was_scored_under_another_policy_is_scored_again_when_its_branch_has_one() {
    run_test_with(recovering(), async |ctx| {
        let shop = ctx.repository();
        shop.base_file(PATH, "mode: advisory\n");
        shop.branch("next");
        let pulls = ["src/cart.rs", "src/till.rs"].map(|path| open(&shop, path));
        let edits = Edits::new().write("src/own.rs", "let own = 1;\n");
        let elsewhere =
            shop.open(PullSpec { base: Some("next".to_owned()), ..PullSpec::new("Elsewhere", "ada", edits) });
        ctx.settle().await;
        let before = see(&ctx, &elsewhere).await.run;
        // Lets what the pushes so far asked for pass.
        later(&ctx, 2 * MINUTE).await;
        let push = async |policy: &str| {
            let mark = ctx.sim.requests();
            shop.push_base(Edits::new().write(PATH, policy));
            later(&ctx, MINUTE).await;
            asked(&ctx.sim.exchanges_since(mark))
        };
        assert_eq!(push("# Soon more.\nmode: advisory\n").await, (0, 1), "it says what it said");
        // A list that is left because of the jobs ahead is begun anew, and with it the policy.
        let (scored, read) = push("mode: enforce\nthreshold: 1\n").await;
        assert_eq!((scored, (1..=2).contains(&read)), (2, true), "each of the branch once, the file {read} times");
        for pull in &pulls {
            assert_eq!(see(&ctx, pull).await.conclusion(), "action_required");
        }
        assert_eq!(push("mode: enforced\nthreshold: 1\n").await.0, 2);
        for pull in &pulls {
            let seen = see(&ctx, pull).await;
            assert_eq!(seen.conclusion(), "action_required", "the last good one stays in force");
            assert!(seen.summary().contains("Line 1: "), "{}", seen.summary());
        }
        // Taken back, the mistake is told no more.
        assert_eq!(push("mode: enforce\nthreshold: 1\n").await.0, 2);
        for pull in &pulls {
            assert!(!see(&ctx, pull).await.summary().contains("Line 1: "));
        }
        shop.push_base(Edits::new().remove(PATH));
        later(&ctx, MINUTE).await;
        for pull in &pulls {
            assert_ne!(see(&ctx, pull).await.conclusion(), "action_required");
        }
        assert_eq!(see(&ctx, &elsewhere).await.run, before, "another branch has its own");
        ctx
    });
}
