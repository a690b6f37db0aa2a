//! Every state and shape of a pull request ends in exactly one completed run that says something sensible.

use mergecast::{
    github::sim::{Edits, PullHandle, PullSpec, SimRepository, Times, WebhookFault, WebhookFaultKind},
    report::check_run::NAME,
};
use serde_json::Value;

use crate::{
    seen::{Table, see},
    support::{Ctx, run_test},
};

fn lines(count: usize) -> String {
    (0..count).map(|n| format!("let value_{n} = read({n});\n")).collect()
}

fn small() -> Edits {
    Edits::new().write("src/cart.rs", lines(4))
}

#[test]
fn drafts_closed_and_merged_ones_are_scored_and_not_judged() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_file(".github/mergecast.yml", "mode: enforce\nthreshold: 1\n");
        let pull = shop.open(PullSpec { draft: true, ..PullSpec::new("Count the cart", "ada", small()) });
        let check = async |expected: (&str, &str)| {
            let seen = see(&ctx, &pull).await;
            assert_eq!((seen.conclusion(), seen.because()), expected, "{}", seen.title());
            seen
        };
        let draft = check(("neutral", "draft")).await;
        assert!(draft.title().contains("draft"), "{}", draft.title());
        pull.ready();
        let ready = check(("action_required", "at_or_above_threshold")).await;
        assert_eq!((ready.run.id, ready.score()), (draft.run.id, draft.score()));
        assert!(!ready.title().contains("draft"));
        pull.draft();
        check(("neutral", "draft")).await;
        pull.ready();
        let last = check(("action_required", "at_or_above_threshold")).await;
        pull.close();
        let closed = see(&ctx, &pull).await;
        assert_eq!(closed.run, last.run, "the last word before it was closed stands");
        assert!(pull.rerequest());
        let asked = check(("neutral", "not_open")).await;
        assert!(asked.title().contains("no longer open") && asked.way("Have").is_none());
        pull.reopen();
        check(("action_required", "at_or_above_threshold")).await;

        ctx.sim.hold();
        let quick = shop.open(PullSpec::new("Count the till", "ada", Edits::new().write("src/till.rs", lines(4))));
        quick.merge();
        ctx.sim.release();
        let merged = see(&ctx, &quick).await;
        assert_eq!((merged.conclusion(), merged.because()), ("neutral", "not_open"), "merged before it was scored");
        ctx
    });
}

#[test]
fn changes_without_lines_of_text_are_scored() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_files(Edits::new().write("run.sh", "echo\n").write("src/old.rs", lines(30)));
        let open = async |title: &str, edits: Edits| {
            let pull = shop.open(PullSpec::new(title, "ada", edits));
            see(&ctx, &pull).await
        };
        let empty = open("Trigger the build", Edits::new()).await;
        assert_eq!((empty.conclusion(), empty.because()), ("neutral", "empty"));
        assert!(empty.title().contains("no file is changed"), "{}", empty.title());

        let png = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[0, 1, 2, 3]].concat();
        let binary = open("Draw a logo", Edits::new().write("assets/logo.png", png)).await;
        assert_eq!((binary.conclusion(), binary.value("churn")), ("success", Some(0.0)));

        // Nothing tells that this is binary: its lines are unknown, and that is said.
        let blob = open("Store a table", Edits::new().write("data/table.xyz", vec![0_u8; 64])).await;
        assert_eq!(blob.conclusion(), "success");
        assert!(blob.summary().contains("`data/table.xyz`"), "{}", blob.summary());

        let commit = "1111111111111111111111111111111111111111";
        let submodule = open("Move the theme", Edits::new().submodule("theme", commit)).await;
        assert_eq!((submodule.conclusion(), submodule.value("churn")), ("success", Some(0.0)));
        assert!(submodule.run.annotations.is_empty());

        let renamed = open("Name it well", Edits::new().rename("src/old.rs", "src/new.rs")).await;
        assert_eq!((renamed.conclusion(), renamed.value("churn")), ("success", Some(0.0)));
        let mode = open("Let it run", Edits::new().executable("run.sh")).await;
        assert_eq!((mode.conclusion(), mode.value("churn")), ("success", Some(0.0)));
        for seen in [&binary, &submodule, &renamed, &mode] {
            assert!(seen.score() < 40, "{} {}", seen.score(), seen.title());
        }
        ctx
    });
}

#[test]
fn withheld_patches_count_by_their_numbers_and_are_named() {
    run_test(async |ctx| {
        let edits = Edits::new().write("src/table.rs", lines(2_500)).write("src/lib.rs", "mod table;\n");
        let pull = ctx.repository().open(PullSpec::new("Write out the table", "ada", edits));
        let seen = see(&ctx, &pull).await;
        assert_eq!(seen.value("churn"), Some(2_501.0));
        let unknown = Table::of(seen.summary(), "What would tell");
        let row = unknown.rows().iter().find(|row| row[0].starts_with("Changed lines of 1 file"));
        assert!(row.is_some_and(|row| row[0].contains("src/table.rs") && row[1].contains("large diffs")), "{row:?}");
        ctx
    });
}

fn wide(files: usize, name: impl Fn(usize) -> String) -> Edits {
    (0..files).fold(Edits::new(), |edits, n| edits.write(name(n), "let value = 1;\n"))
}

#[test]
fn three_thousand_files_are_read_and_what_lies_beyond_is_not_taken_for_nothing() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let name = |n: usize| format!("src/part{}/file{n:05}.rs", n % 40);
        let all = shop.open(PullSpec::new("Move everything", "ada", wide(3_000, name)));
        let seen = see(&ctx, &all).await;
        assert_eq!((seen.value("diffusion"), seen.value("churn")), (Some(3_000.0), Some(3_000.0)));
        assert!(!seen.summary().contains("3,000 of"), "{}", seen.summary());

        // GitHub lists 3,000 files by path; the test and the migration come after them.
        let beyond = wide(3_000, name).write("zz/drop.sql", "DROP TABLE orders;\n").write("zz/a_test.rs", "#[test]\n");
        let pull = shop.open(PullSpec::new("Move everything", "ada", beyond));
        let seen = see(&ctx, &pull).await;
        assert!(seen.summary().contains("3,000 of 3,002"), "{}", seen.summary());
        for signal in ["schema_change", "test_churn"] {
            assert_eq!(seen.value(signal), None, "{signal}: {}", seen.words(signal));
        }
        assert!(seen.json["range"]["high"].as_i64() > Some(seen.score()));
        ctx
    });
}

#[test]
fn authors_may_be_bots_or_gone_and_descriptions_may_be_missing() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let bot = shop.open(PullSpec::new("Sort the imports", "tidy[bot]", small()));
        assert_eq!(see(&ctx, &bot).await.conclusion(), "success");
        let gone = shop.open(PullSpec::new("Count the cart", "lost", Edits::new().write("src/a.rs", lines(3))));
        ctx.sim.delete_account("lost");
        assert_eq!(see(&ctx, &gone).await.conclusion(), "success");
        pushed_by_a_ghost(&ctx, &gone).await;
        let silent = PullSpec { body: None, ..PullSpec::new("Count", "ada", Edits::new().write("src/b.rs", lines(3))) };
        assert_eq!(see(&ctx, &shop.open(silent)).await.conclusion(), "success");
        ctx
    });
}

async fn pushed_by_a_ghost(ctx: &Ctx, pull: &PullHandle) {
    pull.push(Edits::new().write("src/c.rs", lines(2)));
    assert_eq!(see(ctx, pull).await.conclusion(), "success");
}

#[test]
fn a_new_base_branch_or_title_is_scored_anew() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_files(Edits::new().write("src/cart.rs", lines(4)));
        shop.branch("release");
        shop.push_to("release", Edits::new().write(".github/mergecast.yml", "mode: enforce\nthreshold: 1\n"));
        let pull = shop.open(PullSpec::new("Faster cart", "ada", Edits::new().write("src/cart.rs", lines(6))));
        let first = see(&ctx, &pull).await;
        assert_eq!((first.conclusion(), first.json["policy"]["source"].as_str()), ("success", None));
        pull.retarget("release");
        let retargeted = see(&ctx, &pull).await;
        assert_eq!(retargeted.json["policy"]["source"], ".github/mergecast.yml");
        assert_eq!((retargeted.conclusion(), retargeted.run.id), ("action_required", first.run.id));
        assert_ne!(retargeted.json["base_sha"], first.json["base_sha"]);

        assert!(first.words("change_kind").contains("performance"), "{}", first.words("change_kind"));
        pull.retitle("Fix a typo in the cart");
        let retitled = see(&ctx, &pull).await;
        assert!(retitled.words("change_kind").contains("trivial"), "{}", retitled.words("change_kind"));
        assert!(retitled.score() < retargeted.score());
        ctx
    });
}

fn from_fork(title: &str, path: &str) -> PullSpec {
    PullSpec { fork: Some("mallory".to_owned()), ..PullSpec::new(title, "mallory", Edits::new().write(path, lines(3))) }
}

#[test]
fn a_forks_change_is_scored_found_again_and_outlives_its_fork() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let pull = shop.open(from_fork("Add a cart", "src/cart.rs"));
        let first = see(&ctx, &pull).await;
        assert_eq!(first.conclusion(), "success");
        assert!(pull.rerequest());
        let again = see(&ctx, &pull).await;
        assert_eq!(again.run.id, first.run.id);
        assert_ne!(again.json["id"], first.json["id"], "the run is written again when it is asked for");
        let rerequested = latest(&ctx, "check_run", "rerequested");
        assert_eq!(rerequested["check_run"]["pull_requests"], serde_json::json!([]));
        pull.check("build", "failure");
        assert!(see(&ctx, &pull).await.words("checks").contains("build"));

        unheard_of(&ctx, &shop, rerequested).await;

        pull.push(Edits::new().write("src/more.rs", lines(3)));
        see(&ctx, &pull).await;
        pull.delete_fork();
        assert!(pull.press("rescore"));
        assert_eq!(see(&ctx, &pull).await.conclusion(), "success");
        assert!(pull.rerequest());
        see(&ctx, &pull).await;
        ctx
    });
}

/// The webhook of a fork's pull request was lost, so that only its commit is known when a re-run is asked for.
async fn unheard_of(ctx: &Ctx, shop: &SimRepository, mut rerequested: Value) {
    let lost = WebhookFaultKind::Lost;
    ctx.sim.webhook_fault(WebhookFault { event: Some("pull_request".to_owned()), kind: lost, times: Times::Next(1) });
    let pull = shop.open(from_fork("Add a till", "src/till.rs"));
    ctx.settle().await;
    assert!(ctx.sim.check_runs(shop.full_name(), &pull.head_sha()).iter().all(|run| run.name != NAME));
    rerequested["check_run"]["head_sha"] = pull.head_sha().into();
    rerequested["check_run"]["check_suite"]["head_sha"] = pull.head_sha().into();
    ctx.sim.send("check_run", rerequested);
    assert_eq!(see(ctx, &pull).await.conclusion(), "success");
}

fn latest(ctx: &Ctx, event: &str, action: &str) -> Value {
    let mut sent = ctx.sim.deliveries();
    sent.retain(|delivery| delivery.event == event && delivery.action.as_deref() == Some(action));
    sent.pop().expect("it was sent").payload
}

#[test]
fn a_burst_of_pushes_ends_in_one_run_on_the_newest_head() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(PullSpec::new("Count the cart", "ada", small()));
        let heads: Vec<String> = (0..5).map(|n| pull.push(Edits::new().write("src/n.rs", lines(n + 1)))).collect();
        let seen = see(&ctx, &pull).await;
        assert_eq!(seen.json["head_sha"].as_str(), heads.last().map(String::as_str));
        for head in heads {
            for run in ctx.sim.check_runs(pull.repository(), &head) {
                assert_eq!(run.status, "completed", "{} on {head}", run.name);
            }
        }
        ctx
    });
}
