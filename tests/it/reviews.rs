//! Reviews, owners and checks: what counts as looked at, and what only might be.

use std::time::Duration;

use mergecast::github::sim::{Edits, Permission, PullHandle, PullSpec, SimRepository};
use serde_json::json;

use crate::{
    seen::{Seen, Table, see},
    support::{Ctx, Setup, run_test, run_test_with},
};

/// Points of a change that nobody approved, and of one in which somebody wants changes: two fifths, and eight
/// fifteenths of a doubling of the odds.
const UNAPPROVED: i64 = 6;
const CHANGES_REQUESTED: i64 = 8;

fn open(shop: &SimRepository, paths: &[&str]) -> PullHandle {
    let edits = paths.iter().fold(Edits::new(), |edits, path| edits.write(*path, "let cart = 1;\nlet sum = 2;\n"));
    shop.open(PullSpec::new("Count the cart", "ada", edits))
}

#[test]
fn opinions_count_as_github_folds_them() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        for login in ["nora", "omar", "helper[bot]", "ada"] {
            shop.member(login, Permission::Write);
        }
        shop.member("rita", Permission::Read);
        let pull = open(&shop, &["src/cart.rs"]);
        let expect = async |approvals: f64, points: i64| {
            let seen = see(&ctx, &pull).await;
            assert_eq!((seen.value("review"), seen.points("review")), (Some(approvals), points), "{}", seen.title());
            seen
        };
        expect(0.0, UNAPPROVED).await;
        for worthless in ["rita", "helper[bot]", "ada"] {
            pull.approve(worthless);
            expect(0.0, UNAPPROVED).await;
        }
        pull.approve("nora");
        expect(1.0, 0).await;
        pull.request_changes("omar");
        expect(1.0, CHANGES_REQUESTED).await;
        pull.request_changes("nora");
        expect(0.0, UNAPPROVED + CHANGES_REQUESTED).await;
        pull.dismiss("omar");
        pull.dismiss("nora");
        let dismissed = expect(0.0, UNAPPROVED).await;
        assert!(dismissed.words("review").starts_with("no approval"), "{}", dismissed.words("review"));
        pull.approve("nora");
        pull.review_comment("nora", "One more thought");
        expect(1.0, 0).await;
        pull.push(Edits::new().write("src/more.rs", "let more = 1;\n"));
        let stale = expect(0.0, UNAPPROVED).await;
        assert!(stale.words("review").contains("1 of an earlier commit"), "{}", stale.words("review"));
        pull.approve("NORA");
        expect(1.0, 0).await;
        ctx
    });
}

#[test]
fn a_brief_review_of_much_is_told_from_a_careful_one() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write).member("helper[bot]", Permission::Write);
        let body: String = (0..600).map(|n| format!("let value_{n} = read({n});\n")).collect();
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/cart.rs", body)));
        pull.approve("nora");
        let brief = see(&ctx, &pull).await;
        assert!(brief.points("review") > 0, "{}", brief.words("review"));
        // What a bot says, and what the author answers, is no look at it.
        for nobody in ["helper[bot]", "ada"] {
            pull.review_comment(nobody, "Looks odd");
            assert_eq!(see(&ctx, &pull).await.points("review"), brief.points("review"), "{nobody}");
        }
        pull.review_comment("nora", "Why here?");
        assert_eq!(see(&ctx, &pull).await.points("review"), 0);
        ctx
    });
}

#[test]
fn threads_that_were_resolved_before_the_approval_were_a_look_at_it() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let body: String = (0..600).map(|n| format!("let value_{n} = read({n});\n")).collect();
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/cart.rs", body)));
        pull.thread("helper[bot]", true, false);
        pull.thread("ada", false, false);
        pull.approve("nora");
        let brief = see(&ctx, &pull).await;
        assert!(brief.points("review") > 0, "{}", brief.words("review"));
        pull.thread("nora", true, false);
        pull.approve("nora");
        assert_eq!(see(&ctx, &pull).await.points("review"), 0);
        ctx
    });
}

#[test]
fn an_approval_of_much_within_minutes_is_said_of_the_review_and_of_nobody() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write).member("omar", Permission::Write);
        let body: String = (0..900).map(|n| format!("let value_{n} = read({n});\n")).collect();
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/cart.rs", body)));
        let words = async || {
            let words = see(&ctx, &pull).await.words("review");
            assert!(!words.contains("nora") && !words.contains("omar"), "{words}");
            words
        };
        let brief = "approved within 2 minutes of the last push; 900 lines";
        ctx.clock.advance(Duration::from_secs(120));
        pull.approve("nora");
        assert!(words().await.contains(brief), "{}", words().await);
        // The same commit comes back an hour later: what counts is the push, not when the commit was made.
        let head = pull.head_sha();
        pull.push(Edits::new().write("src/more.rs", "let more = 1;\n"));
        ctx.settle().await;
        ctx.clock.advance(Duration::from_secs(3_600));
        pull.reset(&head);
        ctx.clock.advance(Duration::from_secs(119));
        pull.approve("nora");
        assert!(words().await.contains(brief), "{}", words().await);
        ctx.clock.advance(Duration::from_secs(3_600));
        pull.approve("omar");
        assert!(!words().await.contains("approved within"), "{}", words().await);
        ctx
    });
}

#[test]
fn what_is_open_and_what_does_not_count_is_told() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        for login in ["nora", "omar", "helper[bot]"] {
            shop.member(login, Permission::Write);
        }
        shop.review_rule(
            "main",
            json!({"dismiss_stale_reviews_on_push": false, "require_code_owner_review": false,
                "require_last_push_approval": false, "required_approving_review_count": 2,
                "required_review_thread_resolution": false}),
        );
        let pull = open(&shop, &["src/cart.rs"]);
        let expect = async |approvals: f64, told: &[&str]| {
            let seen = see(&ctx, &pull).await;
            let words = seen.words("review");
            assert_eq!(seen.value("review"), Some(approvals), "{words}");
            for part in told {
                assert!(words.contains(part), "{part} is not in {words}");
            }
            words
        };
        pull.thread("nora", false, false);
        pull.thread("nora", true, false);
        pull.approve("helper[bot]");
        expect(0.0, &["1 unresolved thread", "1 review by a bot does not count", "the branch asks for 2 approvals"])
            .await;
        pull.push(Edits::new().write("src/cart.rs", "let cart = 2;\n").by("nora"));
        pull.approve("nora");
        expect(0.0, &["1 by whose account is behind the newest commit, not counted"]).await;
        pull.approve("omar");
        expect(1.0, &["1 approval of the newest commit"]).await;
        pull.dismiss("omar");
        let words = expect(0.0, &["1 dismissed"]).await;
        assert!(!words.contains("1 approval of"), "{words}");
        ctx
    });
}

#[test]
fn owners_are_found_by_the_last_rule_and_asked_by_name() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write).member("omar", Permission::Write).member("rita", Permission::Read);
        shop.base_file(
            ".github/CODEOWNERS",
            "* @nora\n/src/pay/ @omar @rita # money\n/docs/\n[broken @nora\n/src/free.rs\n",
        );
        shop.base_file("CODEOWNERS", "* @nobody\n");
        let pull = open(&shop, &["src/cart.rs", "src/pay/till.rs", "docs/how.md", "src/free.rs"]);
        let seen = see(&ctx, &pull).await;
        assert_eq!(seen.value("owner_review"), Some(2.0), "{}", seen.words("owner_review"));
        let (all, target) = seen.way("Have the owners approve").expect("a way down");
        assert_eq!(seen.score() - all, target);

        pull.approve("rita");
        assert_eq!(see(&ctx, &pull).await.value("owner_review"), Some(2.0), "an owner who may not write");
        pull.approve("omar");
        let half = see(&ctx, &pull).await;
        assert_eq!(half.value("owner_review"), Some(1.0));
        assert!(half.words("owner_review").contains("src/cart.rs") && !half.words("owner_review").contains("till"));
        pull.approve("nora");
        let done = see(&ctx, &pull).await;
        assert_eq!((done.value("owner_review"), done.score()), (Some(0.0), target), "both owners were promised");
        pull.push(Edits::new().write("src/cart.rs", "let cart = 3;\n"));
        assert_eq!(see(&ctx, &pull).await.value("owner_review"), Some(1.0), "a push makes approvals of the file old");
        ctx
    });
}

#[test]
fn files_that_nobody_owns_ask_for_nobody() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_file("docs/CODEOWNERS", "/src/ @nora\n/src/cart.rs\n");
        let pull = open(&shop, &["src/cart.rs"]);
        let seen = see(&ctx, &pull).await;
        assert_eq!((seen.value("owner_review"), seen.points("owner_review")), (Some(0.0), 0));
        assert!(seen.way("Have the owners").is_none() && seen.run.annotations.is_empty());
        ctx
    });
}

#[test]
fn the_title_says_that_owners_have_not_approved_asked_or_not() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file("CODEOWNERS", "* @nora\n");
        let edits = Edits::new().write("src/auth/login.rs", "fn a() {}\n".repeat(300)).write("infra/x.tf", "a = 1\n");
        let pull = shop.open(PullSpec::new("Faster login", "ada", edits));
        let before = see(&ctx, &pull).await;
        assert!(before.title().contains("owners have not approved"), "{}", before.title());
        pull.ask("nora", true);
        let after = see(&ctx, &pull).await;
        assert!(after.title().contains("owners have not approved"), "{}", after.title());
        ctx
    });
}

fn team_owned(ctx: &Ctx) -> PullHandle {
    let shop = ctx.repository();
    shop.team("payments", &["tess", "theo"]).member("omar", Permission::Write);
    shop.base_file("CODEOWNERS", "/src/pay/ @acme/payments\n/src/both.rs @acme/payments @omar\n");
    open(&shop, &["src/pay/till.rs", "src/both.rs"])
}

#[test]
fn a_team_owner_is_satisfied_by_its_members_where_they_may_be_read() {
    run_test(async |ctx| {
        let pull = team_owned(&ctx);
        assert_eq!(see(&ctx, &pull).await.value("owner_review"), Some(2.0));
        pull.approve("omar");
        assert_eq!(see(&ctx, &pull).await.value("owner_review"), Some(1.0));
        pull.approve("tess");
        let seen = see(&ctx, &pull).await;
        assert_eq!((seen.value("owner_review"), seen.points("owner_review")), (Some(0.0), 0));
        ctx
    });
}

#[test]
fn membership_that_may_not_be_read_is_unknown_and_not_missing() {
    let without_members = |options: &mut mergecast::github::sim::SimOptions| {
        options.permissions.remove("members");
    };
    run_test_with(Setup { sim: without_members, ..Setup::default() }, async |ctx| {
        let pull = team_owned(&ctx);
        let none = see(&ctx, &pull).await;
        assert_eq!(none.value("owner_review"), Some(2.0), "without any approval nobody's membership matters");
        let missing = none.points("owner_review");
        pull.approve("tess");
        let seen = see(&ctx, &pull).await;
        assert_eq!((seen.value("owner_review"), seen.points("owner_review")), (None, 0));
        assert!(seen.words("owner_review").contains("members=read"), "{}", seen.words("owner_review"));
        let unknown = Table::of(seen.summary(), "What would tell");
        assert!(unknown.rows().iter().any(|row| row[2].contains("grant the App members=read")), "{}", seen.summary());
        assert!(missing > 0 && in_range(&seen, seen.score()) && in_range(&seen, seen.score() + missing));

        ctx.sim.grant(
            "acme",
            [
                ("members", "read"),
                ("contents", "read"),
                ("pull_requests", "write"),
                ("checks", "write"),
                ("metadata", "read"),
                ("statuses", "read"),
            ]
            .map(|(k, v)| (k.into(), v.into()))
            .into(),
        );
        ctx.settle().await;
        pull.press("rescore");
        assert_eq!(see(&ctx, &pull).await.value("owner_review"), Some(0.0));
        ctx
    });
}

fn in_range(seen: &Seen, score: i64) -> bool {
    let end = |name: &str| seen.json["range"][name].as_i64().expect("an end");
    (end("low")..=end("high")).contains(&score)
}

#[test]
fn checks_and_statuses_of_the_head_count_and_ours_do_not() {
    run_test(async |ctx| {
        let pull = open(&ctx.repository(), &["src/cart.rs"]);
        let quiet = see(&ctx, &pull).await;
        assert_eq!((quiet.value("checks"), quiet.points("checks")), (Some(0.0), 0), "our own run is no check");
        pull.check_started("build");
        pull.status("lint", "pending");
        ctx.settle().await;
        pull.check("unit", "success");
        let pending = see(&ctx, &pull).await;
        assert_eq!(pending.points("checks"), 2, "{}", pending.words("checks"));
        assert!(pending.words("checks").contains("build, lint"), "{}", pending.words("checks"));
        pull.check("build", "failure");
        pull.check("deploy", "timed_out");
        pull.status("lint", "error");
        let red = see(&ctx, &pull).await;
        assert_eq!((red.value("checks"), red.points("checks")), (Some(3.0), 10), "{}", red.words("checks"));
        assert_eq!(red.way("Get these checks to pass"), Some((10, quiet.score())));
        for name in ["build", "deploy"] {
            pull.check(name, if name == "build" { "success" } else { "skipped" });
        }
        pull.status("lint", "success");
        let green = see(&ctx, &pull).await;
        assert_eq!((green.points("checks"), green.score()), (0, quiet.score()), "{}", green.words("checks"));
        ctx
    });
}
