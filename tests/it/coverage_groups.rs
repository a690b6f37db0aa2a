//! Coverage of merge groups: that of their pull requests where it adds up, that of their own commit where there is one, and
//! never a guess.

use mergecast::{
    github::sim::{Edits, PullHandle, PullSpec, SimRepository},
    report::check_run::NAME,
};
use serde_json::{Value, json};

use crate::{
    coverage::{Put, lcov_of, token},
    support::{Ctx, run_test},
};

/// A check that nobody completes, so that groups stand.
const BUILD: &str = "build";

fn queued(ctx: &Ctx) -> SimRepository {
    let shop = ctx.repository();
    shop.merge_queue(&[NAME, BUILD]);
    shop
}

/// A pull request that adds a file of so many lines, each of which can run.
fn adds(path: &str, author: &str, lines: usize) -> PullSpec {
    let body: String = (1..=lines).map(|n| format!("    step({n});\n")).collect();
    PullSpec::new(format!("Add {path}"), author, Edits::new().write(path, body))
}

async fn upload(ctx: &Ctx, sha: &str, path: &str, lines: usize, ran: usize) {
    let (status, told) = Put::new("acme/shop", sha, lcov_of(path, lines, ran)).send(ctx).await;
    assert_eq!(status.as_u16(), 201, "{told}");
    ctx.settle().await;
}

/// What the assessment of a group's commit says of patch coverage.
async fn of_group(ctx: &Ctx, sha: &str) -> (Value, String) {
    ctx.settle().await;
    let url = ctx.url(&format!("/api/v1/assessments/acme/shop/by-sha/{sha}"));
    let answer = ctx.http.get(url).send().await.unwrap();
    let assessment: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let rows = assessment["contributions"].as_array().unwrap_or_else(|| panic!("{assessment}"));
    let row = rows.iter().find(|row| row["signal"] == "patch_coverage").unwrap();
    let said = if row["status"] == "known" { &row["evidence"] } else { &row["reason"] };
    (row["value"].clone(), said.to_string())
}

fn short(pull: &PullHandle) -> String {
    pull.head_sha()[..7].to_owned()
}

#[test]
fn a_group_ran_what_its_pull_requests_ran() {
    run_test(async |ctx| {
        let shop = queued(&ctx);
        let one = shop.open(adds("src/one.rs", "dev1", 40));
        let two = shop.open(adds("src/two.rs", "dev2", 20));
        let docs = shop.open(PullSpec::new("Tell", "dev3", Edits::new().write("docs/how.md", "How\n")));
        let bare = shop.open(adds("src/bare.rs", "dev4", 20));
        ctx.settle().await;
        token(&ctx).await;
        upload(&ctx, &one.head_sha(), "src/one.rs", 40, 30).await;
        upload(&ctx, &two.head_sha(), "src/two.rs", 20, 9).await;

        let (value, said) = of_group(&ctx, &one.enqueue()).await;
        assert_eq!(value, json!(0.75), "{said}");
        let from = |pull: &PullHandle| format!("#{} (uploaded, of commit {})", pull.number(), short(pull));
        assert!(said.contains(&format!("from those of its pull requests: {}", from(&one))), "{said}");
        let (value, said) = of_group(&ctx, &two.enqueue()).await;
        assert_eq!(value, json!(0.65), "39 of 60: {said}");
        assert!(said.contains(&format!("{}, {}", from(&one), from(&two))), "{said}");
        // What has no line that could run needs no report.
        let (value, said) = of_group(&ctx, &docs.enqueue()).await;
        assert_eq!(value, json!(0.65), "{said}");
        // One of which nothing is known leaves the whole unknown.
        let (value, said) = of_group(&ctx, &bare.enqueue()).await;
        assert_eq!(value, Value::Null);
        assert!(said.contains(&format!("none of the head of #{}", bare.number())), "{said}");
        ctx
    });
}

#[test]
fn a_report_of_the_groups_own_commit_comes_first() {
    run_test(async |ctx| {
        let shop = queued(&ctx);
        let one = shop.open(adds("src/one.rs", "dev1", 40));
        let two = shop.open(adds("src/two.rs", "dev2", 20));
        ctx.settle().await;
        token(&ctx).await;
        upload(&ctx, &one.head_sha(), "src/one.rs", 40, 30).await;
        of_group(&ctx, &one.enqueue()).await;
        ctx.sim.hold();
        let group = two.enqueue();
        let both = lcov_of("src/one.rs", 40, 40) + &lcov_of("src/two.rs", 20, 5);
        assert_eq!(Put::new("acme/shop", &group, both).send(&ctx).await.0.as_u16(), 201);
        ctx.sim.release();
        let (value, said) = of_group(&ctx, &group).await;
        assert_eq!(value, json!(0.75), "45 of 60: {said}");
        assert!(said.contains(&format!("uploaded, of commit {}", &group[..7])), "{said}");
        assert!(!said.contains("pull requests"), "{said}");
        ctx
    });
}

#[test]
fn a_group_of_one_is_measured_in_its_own_tree_where_its_head_has_no_report() {
    run_test(async |ctx| {
        let shop = queued(&ctx);
        let old: String = (1..=40).map(|n| format!("    old({n});\n")).collect();
        shop.base_file("src/one.rs", old.as_str());
        let new: String = (1..=20).map(|n| format!("    new({n});\n")).collect();
        let one = shop.open(PullSpec::new("More", "dev1", Edits::new().write("src/one.rs", format!("{old}{new}"))));
        ctx.settle().await;
        token(&ctx).await;
        ctx.sim.hold();
        let (mark, group) = (ctx.sim.requests(), one.enqueue());
        assert_eq!(Put::new("acme/shop", &group, lcov_of("src/one.rs", 60, 45)).send(&ctx).await.0.as_u16(), 201);
        ctx.sim.release();
        let (value, said) = of_group(&ctx, &group).await;
        assert_eq!(value, json!(0.25), "{said}");
        assert!(said.contains(&format!("uploaded, of commit {}", &group[..7])), "{said}");
        let compared = ctx.sim.exchanges_since(mark).into_iter().filter(|each| each.path.contains("/compare/")).count();
        assert_eq!(compared, 1, "lines are numbered as in the group's tree, which the pull request's patch may not be");
        ctx
    });
}
