//! From a signed webhook to the completed check run, and what it costs in requests to GitHub.

use mergecast::github::sim::{Edits, Permission, PullSpec};

use crate::support::run_test;

fn small() -> PullSpec {
    PullSpec::new("Greet in two languages", "ada", Edits::new().write("src/greet.rs", "fn greet() {}\nfn hi() {}\n"))
}

#[test]
fn an_opened_pull_request_gets_one_completed_check_run_that_adds_up() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(small());
        let run = ctx.check_run(&pull).await;
        assert_eq!((run.status.as_str(), run.conclusion.as_deref()), ("completed", Some("success")));
        let written: Vec<&str> = run.writes.iter().filter_map(|write| write.body["status"].as_str()).collect();
        assert_eq!(written, ["in_progress", "completed"]);

        let assessment = ctx.assessment(&pull).await;
        let points: i64 =
            assessment["contributions"].as_array().unwrap().iter().map(|each| each["points"].as_i64().unwrap()).sum();
        let sum = assessment["base"].as_i64().unwrap() + points + assessment["clamped"].as_i64().unwrap();
        assert_eq!(Some(sum), assessment["score"].as_i64());
        assert_eq!(Some(run.external_id.as_str()), assessment["id"].as_str());
        assert!(run.title.unwrap().starts_with(&format!("{} ", assessment["score"])));
        ctx
    });
}

#[test]
fn a_cold_score_costs_at_most_six_requests_and_a_warm_one_three() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file("CODEOWNERS", "* @nora\n");
        let files = (0..100).fold(Edits::new(), |edits, n| edits.write(format!("src/file{n}.rs"), "fn f() {}\n"));
        let mark = ctx.sim.requests();
        let pull = shop.open(PullSpec::new("Add a hundred files", "ada", files));
        ctx.check_run(&pull).await;
        let cold = ctx.sim.exchanges_since(mark);
        assert!(cold.len() <= 6, "{} requests: {cold:#?}", cold.len());

        let mark = ctx.sim.requests();
        assert!(pull.rerequest());
        ctx.check_run(&pull).await;
        assert!(ctx.sim.exchanges_since(mark).len() <= 3);

        let mark = ctx.sim.requests();
        shop.push_base(Edits::new().write("README.md", "another base\n"));
        assert!(pull.press("rescore"));
        ctx.check_run(&pull).await;
        let warm = ctx.sim.exchanges_since(mark);
        assert!(warm.len() <= 3, "{warm:#?}");
        ctx
    });
}

#[test]
fn an_approval_lowers_the_score_of_the_same_check_run() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file("CODEOWNERS", "* @nora\n");
        let pull = shop.open(small());
        let before = ctx.check_run(&pull).await;
        let score = ctx.assessment(&pull).await["score"].as_i64();
        pull.approve("nora");
        let after = ctx.check_run(&pull).await;
        assert_eq!(before.id, after.id);
        assert!(ctx.assessment(&pull).await["score"].as_i64() < score);
        ctx
    });
}
