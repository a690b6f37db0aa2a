//! Reverts: only the exact inverse of what was merged is a proven one, whatever titles say.

use mergecast::github::sim::{Edits, PullHandle, PullSpec, SimRepository};

use crate::{
    seen::{Seen, see},
    support::run_test,
};

const DROP: &str = "ALTER TABLE orders DROP COLUMN total;\n";

/// A merged change that moved two files; its number and its merge commit.
fn merged(shop: &SimRepository) -> (u64, String) {
    shop.base_files(Edits::new().write("src/cart.rs", "one\ntwo\nthree\n").write("db/migrate/1_drop.sql", DROP));
    let edits = Edits::new().write("src/cart.rs", "one\n2\nthree\nfour\n").remove("db/migrate/1_drop.sql");
    let pull = shop.open(PullSpec::new("Count differently", "ada", edits));
    (pull.number(), pull.merge())
}

fn undone() -> Edits {
    Edits::new().write("src/cart.rs", "one\ntwo\nthree\n").write("db/migrate/1_drop.sql", DROP)
}

fn revert(shop: &SimRepository, title: &str, body: &str, edits: Edits) -> PullHandle {
    shop.open(PullSpec { body: Some(body.to_owned()), ..PullSpec::new(title, "ada", edits) })
}

fn proven(seen: &Seen) -> bool {
    let proven = seen.points("revert") == -15;
    let floor = &seen.json["floors"][0];
    assert_eq!(seen.words("revert").contains("proven by comparing patches"), proven, "{}", seen.words("revert"));
    assert_eq!(floor["exempt_because"].is_string(), proven, "{floor}");
    // What is over 70 by itself needs no floor.
    assert!(!proven || floor["applied"] == false, "{floor}");
    assert_eq!(seen.score() >= 70, !proven, "{floor}");
    proven
}

#[test]
fn the_exact_inverse_of_what_was_merged_is_proven() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let (number, commit) = merged(&shop);
        ctx.settle().await;
        let mark = ctx.sim.requests();
        for body in [
            format!("Reverts acme/shop#{number}"),
            format!("This reverts commit {commit}."),
            format!("This reverts commit {}.", &commit[..12]),
        ] {
            let seen = see(&ctx, &revert(&shop, "Revert \"Count differently\"", &body, undone())).await;
            assert!(proven(&seen), "{body}: {}", seen.words("revert"));
        }
        // Besides the one question that starts every score: create, files, what is undone, complete; where a commit is not
        // named whole, whether the base branch holds it; and once, what the branch asks of reviews.
        let others = ctx.sim.exchanges_since(mark).into_iter().filter(|asked| asked.path != "/graphql");
        assert_eq!(others.count(), 3 * 4 + 2);
        let by_message = undone().message(format!("Revert \"Count differently\"\n\nThis reverts commit {commit}."));
        assert!(proven(&see(&ctx, &revert(&shop, "Go back", "", by_message)).await));
        ctx
    });
}

/// A process that has just started has no token, and that costs a request too.
#[test]
fn a_proof_costs_no_score_more_than_six_requests() {
    run_test(async |mut ctx| {
        let shop = ctx.repository();
        let (number, commit) = merged(&shop);
        ctx.settle().await;
        let by_message = undone().message(format!("Go back\n\nThis reverts commit {commit}."));
        let cases = [
            (format!("Reverts acme/shop#{number}"), undone(), 1),
            (format!("This reverts commit {commit}."), undone(), 1),
            // GitHub's answer brings the claim; what it takes to prove it is asked for by a score of its own.
            (String::new(), by_message, 2),
        ];
        for (body, edits, scores) in cases {
            ctx.stop_service().await;
            ctx.start_service().await;
            let mark = ctx.sim.requests();
            let seen = see(&ctx, &revert(&shop, "Go back", &body, edits)).await;
            assert!(proven(&seen), "{body}: {}", seen.words("revert"));
            let asked = ctx.sim.exchanges_since(mark);
            let of_each: Vec<usize> = asked.split_inclusive(|asked| asked.method == "PATCH").map(<[_]>::len).collect();
            assert!(of_each.len() == scores && of_each.iter().all(|count| *count <= 6), "{body}: {of_each:?}");
        }
        ctx
    });
}

#[test]
fn what_is_not_the_exact_inverse_is_not_proven() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let (number, _) = merged(&shop);
        ctx.settle().await;
        let body = format!("Reverts acme/shop#{number}");
        let one_more = undone().write("src/cart.rs", "one\ntwo\nthree\nand more\n");
        let another_file = undone().write("src/new.rs", "fn new() {}\n");
        let other_words = undone().write("src/cart.rs", "one\nTWO\nthree\n");
        let cases = [
            ("title only", "Revert \"Count differently\"", "", undone()),
            ("no such pull request", "Revert \"Count\"", "Reverts acme/shop#4711", undone()),
            (
                "no such commit",
                "Revert \"Count\"",
                "This reverts commit 0123456789abcdef0123456789abcdef01234567.",
                undone(),
            ),
            ("one extra line", "Revert \"Count\"", &body, one_more),
            ("one extra file", "Revert \"Count\"", &body, another_file),
            ("another line", "Revert \"Count\"", &body, other_words),
            ("a part of it", "Revert \"Count\"", &body, Edits::new().write("db/migrate/1_drop.sql", DROP)),
            ("no claim", "Count as before", "", undone()),
        ];
        for (case, title, body, edits) in cases {
            let seen = see(&ctx, &revert(&shop, title, body, edits)).await;
            assert!(!proven(&seen), "{case}: {}", seen.words("revert"));
            assert!(seen.points("revert") >= 0, "{case}");
        }
        ctx
    });
}

#[test]
fn a_pull_request_that_was_never_merged_or_a_forks_commit_proves_nothing() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        // The fork adds the migration and takes it away again: its second commit is the inverse of the attack.
        let bait = PullSpec {
            fork: Some("mallory".to_owned()),
            commits: vec![Edits::new().remove("db/migrate/1_drop.sql")],
            ..PullSpec::new("Nothing to see", "mallory", Edits::new().write("db/migrate/1_drop.sql", DROP))
        };
        let bait = shop.open(bait);
        let attack = Edits::new().write("db/migrate/1_drop.sql", DROP);
        for body in [format!("This reverts commit {}.", bait.head_sha()), format!("Reverts #{}", bait.number())] {
            let seen = see(&ctx, &revert(&shop, "Revert \"Nothing to see\"", &body, attack.clone())).await;
            assert!(!proven(&seen), "{body}: {}", seen.words("revert"));
        }
        // An open pull request of the repository itself that takes an existing migration away.
        shop.base_file("db/migrate/2_drop.sql", DROP);
        let open = shop.open(PullSpec::new("Tidy", "mallory", Edits::new().remove("db/migrate/2_drop.sql")));
        let on_branch = Edits::new().write("db/migrate/3_drop.sql", DROP);
        let seen = see(&ctx, &revert(&shop, "Revert", &format!("Reverts #{}", open.number()), on_branch)).await;
        assert!(!proven(&seen));
        ctx
    });
}

#[test]
fn landing_again_what_was_taken_back_is_no_way_back() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_file("src/cart.rs", "one\n");
        let land = || Edits::new().write("src/cart.rs", "one\n").write("db/migrate/1_drop.sql", DROP);
        let first = shop.open(PullSpec::new("Drop the total", "ada", land()));
        first.merge();
        let body = format!("Reverts acme/shop#{}", first.number());
        let back = revert(&shop, "Revert \"Drop the total\"", &body, Edits::new().remove("db/migrate/1_drop.sql"));
        let seen = see(&ctx, &back).await;
        assert_eq!(seen.points("revert"), -15, "{}", seen.words("revert"));
        back.merge();
        let body = format!("Reverts acme/shop#{}", back.number());
        for title in ["Revert \"Revert \"Drop the total\"\"", "Reland the drop", "Go on as planned"] {
            let seen = see(&ctx, &revert(&shop, title, &body, land())).await;
            assert!(!proven(&seen), "{title}: what was taken back is no remedy: {}", seen.words("revert"));
        }
        ctx
    });
}

/// A description that names what is undone may be written after the pull request was opened.
#[test]
fn a_claim_made_later_is_looked_into() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let (number, _) = merged(&shop);
        let pull = revert(&shop, "Count as before", "", undone());
        assert!(!proven(&see(&ctx, &pull).await));
        pull.describe(&format!("Reverts acme/shop#{number}"));
        assert!(proven(&see(&ctx, &pull).await));
        ctx
    });
}
