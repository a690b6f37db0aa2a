//! `mergecast/owners`: who has to approve what, what counts as approved, and that the check is written once and is never
//! left behind.

use std::time::Duration;

use mergecast::{
    github::sim::{
        Edits, Fault, FaultKind, FaultOn, Permission, PullHandle, PullSpec, SimCheckRun, SimRepository, Times,
    },
    report::{check_run, owners::NAME},
};
use serde_json::json;

use crate::{
    commands::say,
    recovery::{MINUTE, later, recovering},
    support::{Ctx, Setup, run_test, run_test_with},
};

const ON: &str = "owners_check: on\n";
const RULES: &str = "* @nora\n/src/pay/ @omar @acme/money # money\n/docs/\n";

/// A repository that asks for the check: nora, omar and the team money own files, rita may only read.
fn shop(ctx: &Ctx) -> SimRepository {
    let shop = ctx.repository();
    for login in ["nora", "omar", "ada", "helper[bot]"] {
        shop.member(login, Permission::Write);
    }
    shop.member("rita", Permission::Read).team("money", &["tess"]);
    shop.base_file(".github/CODEOWNERS", RULES).base_file(".github/mergecast.yml", ON);
    shop
}

fn change(paths: &[&str]) -> PullSpec {
    let edits = paths.iter().fold(Edits::new(), |edits, path| edits.write(*path, "let cart = 1;\n"));
    PullSpec::new("Count the cart", "ada", edits)
}

fn runs(ctx: &Ctx, repository: &str, sha: &str) -> Vec<SimCheckRun> {
    ctx.sim.check_runs(repository, sha).into_iter().filter(|run| run.name == NAME).collect()
}

/// The one run on the head of a pull request, once all is done.
async fn seen(ctx: &Ctx, pull: &PullHandle) -> SimCheckRun {
    ctx.settle().await;
    let mut ours = runs(ctx, pull.repository(), &pull.head_sha());
    assert_eq!(ours.len(), 1, "runs on the head of #{}", pull.number());
    let run = ours.remove(0);
    assert_eq!(run.status, "completed");
    run
}

fn ended(run: &SimCheckRun) -> &str {
    run.conclusion.as_deref().unwrap_or_default()
}

async fn expect(ctx: &Ctx, pull: &PullHandle, conclusion: &str) -> String {
    let run = seen(ctx, pull).await;
    let summary = run.summary.clone().unwrap_or_default();
    assert_eq!(ended(&run), conclusion, "{summary}");
    summary
}

#[test]
fn nobody_is_asked_unless_the_policy_says_so() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_file("CODEOWNERS", RULES);
        let pull = shop.open(change(&["src/cart.rs"]));
        ctx.settle().await;
        assert_eq!(runs(&ctx, pull.repository(), &pull.head_sha()), []);
        ctx
    });
}

#[test]
fn it_names_file_rule_and_owners_and_passes_the_moment_they_approve() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        let mark = ctx.sim.requests();
        let pull = shop.open(change(&["src/cart.rs", "src/pay/till.rs", "docs/how.md"]));
        let run = seen(&ctx, &pull).await;
        let cold = ctx.sim.exchanges_since(mark);
        assert!(cold.len() <= 7, "the score's six and one for this: {cold:#?}");
        assert_eq!(
            (ended(&run), run.title.as_deref()),
            ("failure", Some("Owners have not approved 2 of 2 owned files"))
        );
        let summary = run.summary.clone().unwrap_or_default();
        for row in [
            "| `src/cart.rs` | `@nora` | line 1: `*` | **missing** |",
            "| `src/pay/till.rs` | `@omar`, `@acme/money` | line 2: `/src/pay/` | **missing** |",
            "| `docs/how.md` | nobody |  | not needed |",
            "Whom to ask: `@acme/money`, `@nora`.",
        ] {
            assert!(summary.contains(row), "{row} is not in {summary}");
        }
        let paths: Vec<&str> = run.annotations.iter().filter_map(|remark| remark["path"].as_str()).collect();
        assert_eq!(paths, ["src/cart.rs", "src/pay/till.rs"]);
        let risk = ctx.check_run(&pull).await;
        assert_eq!((risk.external_id.as_str(), run.details_url), (run.external_id.as_str(), risk.details_url));

        let mark = ctx.sim.requests();
        pull.approve("nora");
        let summary = expect(&ctx, &pull, "failure").await;
        assert!(ctx.sim.exchanges_since(mark).len() <= 4, "{:#?}", ctx.sim.exchanges_since(mark));
        let head = &pull.head_sha()[..7];
        assert!(
            summary.contains(&format!("| `src/cart.rs` | `@nora` | line 1: `*` | by `nora` at `{head}` |")),
            "{summary}"
        );
        pull.approve("omar");
        let run = seen(&ctx, &pull).await;
        assert_eq!((ended(&run), run.title.as_deref()), ("success", Some("Owners have approved 2 owned files")));
        assert_eq!(run.annotations.len(), 2, "each remark once");
        pull.dismiss("omar");
        expect(&ctx, &pull, "failure").await;
        pull.request_changes("omar");
        expect(&ctx, &pull, "failure").await;
        // Given anew it counts anew; taken back again, the one before does not come back.
        pull.approve("omar");
        expect(&ctx, &pull, "success").await;
        pull.dismiss("omar");
        expect(&ctx, &pull, "failure").await;
        // What changes nothing is not written again.
        let writes = seen(&ctx, &pull).await.writes.len();
        pull.review_comment("rita", "Nice");
        assert_eq!(seen(&ctx, &pull).await.writes.len(), writes);
        ctx
    });
}

#[test]
fn an_approval_counts_for_what_has_not_changed_since() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        let pull = shop.open(change(&["src/cart.rs", "src/pay/till.rs"]));
        pull.approve("nora");
        pull.approve("omar");
        expect(&ctx, &pull, "success").await;
        let before = pull.head_sha();
        pull.push(Edits::new().write("src/cart.rs", "let cart = 2;\n"));
        let summary = expect(&ctx, &pull, "failure").await;
        let stale = format!("**missing**: by `nora` at `{}`, and the file changed since", &before[..7]);
        assert!(summary.contains(&stale), "{summary}");
        assert!(summary.contains(&format!("| by `omar` at `{}` |", &before[..7])), "{summary}");
        pull.approve("nora");
        expect(&ctx, &pull, "success").await;
        // What comes back is what was approved; a new file is not.
        pull.push(Edits::new().write("src/cart.rs", "let cart = 3;\n"));
        pull.push(Edits::new().write("src/cart.rs", "let cart = 2;\n"));
        expect(&ctx, &pull, "success").await;
        pull.push(Edits::new().write("src/new.rs", "let cart = 2;\n"));
        let summary = expect(&ctx, &pull, "failure").await;
        assert!(summary.contains("| `src/new.rs` | `@nora` | line 1: `*` | **missing**"), "{summary}");
        // A rebase that leaves the files as they were.
        pull.approve("nora");
        pull.force_push(
            Edits::new()
                .write("src/cart.rs", "let cart = 2;\n")
                .write("src/pay/till.rs", "let cart = 1;\n")
                .write("src/new.rs", "let cart = 2;\n"),
        );
        expect(&ctx, &pull, "success").await;
        let said = say(&ctx, &pull, "rita", "/risk owners").await;
        assert!(
            said.reply().contains("| `src/pay/till.rs` | `@omar`, `@acme/money` | line 2: `/src/pay/` | by `omar`")
        );
        ctx
    });
}

#[test]
fn who_may_not_satisfy_a_rule() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        shop.base_file(".github/CODEOWNERS", "* @nora @rita @ada\n/team/ @acme/readers @acme/nobody\n");
        shop.team_with("readers", &["omar"], Permission::Read);
        let pull = shop.open(change(&["src/cart.rs", "team/a.rs"]));
        for login in ["rita", "ada", "helper[bot]"] {
            pull.approve(login);
        }
        // Write access of a member does not make it the team's.
        pull.approve("omar");
        let summary = expect(&ctx, &pull, "failure").await;
        assert!(summary.contains("| `src/cart.rs` | `@nora`, `@rita`, `@ada` | line 1: `*` | **missing** |"));
        assert!(
            summary
                .contains("| `team/a.rs` | `@acme/readers`, `@acme/nobody` | line 2: `/team/` | **missing**: nobody")
        );
        assert!(summary.contains("Whom to ask: `@nora`."), "{summary}");
        pull.approve("nora");
        let summary = expect(&ctx, &pull, "failure").await;
        assert!(summary.contains("by `nora`"), "{summary}");
        ctx
    });
}

#[test]
fn members_of_child_teams_are_members() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        shop.member("theo", Permission::Write).child_team("money", &["theo"]);
        let pull = shop.open(change(&["src/pay/till.rs"]));
        // GitHub does not say that the review was given for the team.
        pull.approve_for("theo", &[]);
        expect(&ctx, &pull, "success").await;
        ctx
    });
}

#[test]
fn membership_that_may_not_be_read_fails_nothing_and_is_told() {
    let without_members = |options: &mut mergecast::github::sim::SimOptions| {
        options.permissions.remove("members");
    };
    run_test_with(Setup { sim: without_members, ..Setup::default() }, async |ctx| {
        let shop = shop(&ctx);
        shop.base_file(".github/CODEOWNERS", "/src/pay/ @acme/money\n");
        let pull = shop.open(change(&["src/pay/till.rs"]));
        expect(&ctx, &pull, "failure").await;
        pull.approve("tess");
        let summary = expect(&ctx, &pull, "neutral").await;
        assert!(summary.contains("members=read"), "{summary}");
        ctx
    });
}

#[test]
fn whose_an_address_is_nobody_knows() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        shop.base_file(".github/CODEOWNERS", "/src/ owner@acme.example\n/lib/ owner@acme.example @nora\n");
        let pull = shop.open(change(&["src/cart.rs", "lib/a.rs"]));
        let summary = expect(&ctx, &pull, "failure").await;
        assert!(summary.contains("Whom to ask: `@nora`."), "{summary}");
        pull.approve("nora");
        let summary = expect(&ctx, &pull, "neutral").await;
        assert!(summary.contains("| `src/cart.rs` | `owner@acme.example` | line 1: `/src/` | not known"), "{summary}");
        assert!(summary.contains("| `lib/a.rs` |") && summary.contains("by `nora`"), "{summary}");
        ctx
    });
}

#[test]
fn a_file_that_github_does_not_load_is_told_and_fails_nothing() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        let filled = |bytes: usize| format!("{}\n* @nora\n", "# nothing\n".repeat(bytes / 10)).into_bytes();
        let largest = 3 * 1024 * 1024 - 1;
        let mut whole = filled(largest - 20);
        whole.resize(largest, b'\n');
        let mut large = whole.clone();
        large.push(b'\n');
        for (file, conclusion, words) in [
            (whole, "failure", "| `src/cart.rs` | `@nora` |"),
            (large, "neutral", "`.github/CODEOWNERS` is 3 MB or more"),
            (b"* @nora\n\0\n".to_vec(), "neutral", "`.github/CODEOWNERS` is no text"),
        ] {
            shop.base_file(".github/CODEOWNERS", file);
            let pull = shop.open(change(&["src/cart.rs"]));
            let summary = expect(&ctx, &pull, conclusion).await;
            assert!(summary.contains(words), "{words} is not in {summary}");
        }
        ctx
    });
}

#[test]
fn lines_that_github_skips_are_told_with_place_kind_and_remedy() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        shop.base_file(".github/CODEOWNERS", "* @nora\n/src/ omar\n!/docs/ @nora\n");
        let pull = shop.open(change(&["src/cart.rs"]));
        let summary = expect(&ctx, &pull, "failure").await;
        for words in [
            "| `src/cart.rs` | `@nora` | line 1: `*` |",
            "GitHub skips 2 invalid lines of `.github/CODEOWNERS`: 2, 3.",
            "- line 2, column 7: Invalid owner; `did you mean @omar?`",
            "- line 3, column 1: Invalid pattern; `a line cannot take files away; write a later line with other owners",
        ] {
            assert!(summary.contains(words), "{words} is not in {summary}");
        }
        ctx
    });
}

#[test]
fn drafts_are_not_held_up_and_forks_are_answered_here() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        let draft = shop.open(PullSpec { draft: true, ..change(&["src/cart.rs"]) });
        expect(&ctx, &draft, "neutral").await;
        draft.ready();
        expect(&ctx, &draft, "failure").await;
        let fork = PullSpec { fork: Some("carl".to_owned()), author: "carl".to_owned(), ..change(&["src/other.rs"]) };
        let fork = shop.open(fork);
        expect(&ctx, &fork, "failure").await;
        // What the fork's own branch says of owners is nothing.
        fork.push(Edits::new().write(".github/CODEOWNERS", "* @carl\n"));
        fork.approve("carl");
        expect(&ctx, &fork, "failure").await;
        fork.approve("nora");
        expect(&ctx, &fork, "success").await;
        ctx
    });
}

#[test]
fn the_policy_can_switch_it_off_again() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        let pull = shop.open(change(&["src/cart.rs"]));
        expect(&ctx, &pull, "failure").await;
        shop.base_file(".github/mergecast.yml", "owners_check: off\n");
        pull.press("rescore");
        let run = seen(&ctx, &pull).await;
        assert_eq!((ended(&run), run.title.as_deref()), ("neutral", Some("Switched off by the repository's policy")));
        shop.base_file(".github/mergecast.yml", ON);
        pull.press("rescore");
        expect(&ctx, &pull, "failure").await;
        ctx
    });
}

#[test]
fn a_change_that_nobody_owns_passes() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        let pull = shop.open(change(&["docs/how.md"]));
        let run = seen(&ctx, &pull).await;
        assert_eq!((ended(&run), run.title.as_deref()), ("success", Some("No changed file has an owner")));
        ctx
    });
}

#[test]
fn a_second_pull_request_for_the_commit_leads_past_nothing() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        shop.push_to("scratch", Edits::new().write("README.md", "No owners here.\n"));
        let pull = shop.open(change(&["src/cart.rs"]));
        expect(&ctx, &pull, "failure").await;
        let own = PullSpec { draft: true, ..PullSpec::new("Just looking", "ada", Edits::new()) };
        let twin = pull.twin(own);
        let summary = expect(&ctx, &twin, "failure").await;
        assert!(summary.starts_with(&format!("**This is about #{}.**", pull.number())), "{summary}");
        pull.close();
        expect(&ctx, &twin, "neutral").await;
        ctx
    });
}

#[test]
fn a_queue_is_answered_for_the_owners_too() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        shop.merge_queue(&[check_run::NAME, "build"]);
        let pull = shop.open(change(&["src/cart.rs"]));
        pull.approve("nora");
        expect(&ctx, &pull, "success").await;
        let group = pull.enqueue();
        ctx.settle().await;
        let run = runs(&ctx, "acme/shop", &group).remove(0);
        assert_eq!((ended(&run), run.writes.len()), ("success", 1));
        let bad = shop.open(change(&["src/other.rs"]));
        expect(&ctx, &bad, "failure").await;
        let group = bad.enqueue();
        ctx.settle().await;
        let run = runs(&ctx, "acme/shop", &group).remove(0);
        assert_eq!(ended(&run), "failure", "{:?}", run.summary);
        ctx
    });
}

#[test]
fn whatever_is_lost_on_the_way_there_is_one_run_with_each_remark_once() {
    for kind in [FaultKind::AnswerLostAfterWrite, FaultKind::Reset, FaultKind::Status(502)] {
        let setup = Setup { deadline: Duration::from_millis(500), ..Setup::default() };
        run_test_with(setup, async |ctx| {
            let shop = shop(&ctx);
            let pull = shop.open(change(&["src/cart.rs", "src/pay/till.rs"]));
            ctx.settle().await;
            pull.push(Edits::new().write("src/cart.rs", "let cart = 7;\n"));
            for (method, path) in [("POST", "/repos/*/*/check-runs"), ("PATCH", "/repos/*/*/check-runs/*")] {
                ctx.sim.fault(Fault { on: FaultOn::new(method, path), kind: kind.clone(), times: Times::Next(2) });
            }
            let run = seen(&ctx, &pull).await;
            assert_eq!((ended(&run), run.annotations.len()), ("failure", 2), "{kind:?}");
            for (method, path) in [("POST", "/repos/*/*/check-runs"), ("PATCH", "/repos/*/*/check-runs/*")] {
                ctx.sim.fault(Fault { on: FaultOn::new(method, path), kind: kind.clone(), times: Times::Next(2) });
            }
            pull.approve("nora");
            pull.approve("omar");
            let run = seen(&ctx, &pull).await;
            assert_eq!((ended(&run), run.annotations.len()), ("success", 2), "{kind:?}");
            ctx.sim.heal();
            ctx
        });
    }
}

#[test]
fn what_the_branch_asks_of_reviews_is_read_and_kept() {
    run_test(async |ctx| {
        let shop = shop(&ctx);
        shop.review_rule(
            "main",
            json!({"dismiss_stale_reviews_on_push": false, "require_code_owner_review": true,
                "require_last_push_approval": true, "required_approving_review_count": 1,
                "required_review_thread_resolution": false}),
        );
        let asked = |since: u64| {
            let of = |path: &str| path.ends_with("/rules/branches/main");
            ctx.sim.exchanges_since(since).into_iter().filter(|each| of(&each.path)).map(|each| each.status).collect()
        };
        let pull = shop.open(change(&["src/cart.rs"]));
        let summary = expect(&ctx, &pull, "failure").await;
        assert!(summary.contains("GitHub's rules for the branch ask for owners' approvals, too."), "{summary}");
        pull.approve("nora");
        expect(&ctx, &pull, "success").await;
        let statuses: Vec<Option<u16>> = asked(0);
        assert_eq!(statuses, [Some(200)], "asked once");
        // Who wrote the newest commit does not settle it where the branch asks for somebody else.
        pull.push(Edits::new().write("src/cart.rs", "let cart = 8;\n").by("nora"));
        pull.approve("nora");
        expect(&ctx, &pull, "failure").await;
        ctx.clock.advance(Duration::from_secs(3_600));
        pull.push(Edits::new().write("src/cart.rs", "let cart = 9;\n").by("nora"));
        expect(&ctx, &pull, "failure").await;
        let statuses: Vec<Option<u16>> = asked(0);
        assert_eq!(statuses, [Some(200), Some(304)], "and revalidated");
        ctx
    });
}

#[test]
fn work_that_cannot_be_done_leaves_nobody_waiting() {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |ctx| {
        let shop = shop(&ctx);
        shop.merge_queue(&[check_run::NAME, NAME]);
        let pull = shop.open(change(&["docs/a.md"]));
        ctx.settle().await;
        // Refused for good: nothing is to be tried again.
        let refused = |on| ctx.sim.fault(Fault { on, kind: FaultKind::Status(403), times: Times::Next(1) });
        refused(FaultOn::new("PATCH", "/repos/*/*/check-runs/*"));
        let group = pull.enqueue();
        ctx.settle().await;
        let ours = runs(&ctx, "acme/shop", &group);
        assert_eq!(ours.iter().map(ended).collect::<Vec<_>>(), ["neutral"]);
        assert!(ours[0].summary.as_ref().unwrap().contains("the server's log has the details"), "{ours:#?}");

        refused(FaultOn::new("PATCH", "/repos/*/*/check-runs/*"));
        let other = shop.open(change(&["src/cart.rs"]));
        assert!(expect(&ctx, &other, "neutral").await.contains("the server's log has the details"));
        ctx
    });
}

#[test]
fn other_owners_are_asked_once_the_base_branch_names_them() {
    run_test_with(recovering(), async |ctx| {
        let shop = shop(&ctx);
        shop.push_to("next", Edits::new().write(".github/mergecast.yml", ON).write("CODEOWNERS", "* @nora\n"));
        let pull = shop.open(change(&["src/cart.rs"]));
        let elsewhere = shop.open(PullSpec { base: Some("next".to_owned()), ..change(&["src/cart.rs"]) });
        for pull in [&pull, &elsewhere] {
            pull.approve("nora");
            expect(&ctx, pull, "success").await;
        }
        // Lets what the pushes so far asked for pass.
        later(&ctx, 2 * MINUTE).await;
        shop.push_base(Edits::new().write(".github/CODEOWNERS", "* @omar\n"));
        later(&ctx, MINUTE).await;
        let summary = expect(&ctx, &pull, "failure").await;
        assert!(summary.contains("| `src/cart.rs` | `@omar` | line 1: `*` | **missing** |"), "{summary}");
        let writes = seen(&ctx, &elsewhere).await.writes.len();
        pull.approve("omar");
        expect(&ctx, &pull, "success").await;
        // Every open one is looked at once, those of other branches are not, and a push without owners asks for nothing.
        later(&ctx, MINUTE).await;
        let mark = ctx.sim.requests();
        shop.push_base(Edits::new().write("README.md", "Hello\n"));
        later(&ctx, MINUTE).await;
        let asked: Vec<_> = ctx.sim.exchanges_since(mark).into_iter().filter(|each| each.path == "/graphql").collect();
        assert_eq!(asked, [], "no pull request is read again");
        assert_eq!(seen(&ctx, &elsewhere).await.writes.len(), writes);
        ctx
    });
}
