//! How events become work: bursts are one score, what comes from us or changes nothing costs nothing, the newest head
//! wins, and one pull request is never worked on twice at a time.

use std::time::Duration;

use mergecast::{
    github::sim::{
        Edits, Exchange, Fault, FaultKind, FaultOn, Permission, PullHandle, PullSpec, Times, WebhookFault,
        WebhookFaultKind,
    },
    report::check_run::NAME,
};
use serde_json::Value;

use crate::support::{Ctx, Setup, run_test, run_test_with};

/// A small change of a file of its own.
pub(crate) fn change(n: usize) -> PullSpec {
    PullSpec::new(format!("Change part {n}"), "ada", part(n, 0))
}

fn part(n: usize, version: usize) -> Edits {
    Edits::new().write(format!("src/part{n}.rs"), format!("fn part{n}() -> u32 {{\n    {version}\n}}\n"))
}

/// Assessments that are stored.
async fn assessments(ctx: &Ctx) -> usize {
    ctx.store.recent(10_000).await.unwrap().len()
}

/// The number of the pull request that a GraphQL query is about.
fn asked_about(exchange: &Exchange) -> Option<i64> {
    (exchange.path == "/graphql").then(|| exchange.request_body["variables"]["number"].as_i64()).flatten()
}

fn writes(exchanges: &[Exchange]) -> usize {
    exchanges.iter().filter(|each| each.method != "GET" && each.path.contains("/check-runs")).count()
}

#[test]
fn a_storm_of_check_suites_on_one_head_is_one_score() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(change(1));
        ctx.check_run(&pull).await;
        let (mark, scored) = (ctx.sim.requests(), assessments(&ctx).await);
        ctx.sim.hold();
        for n in 0..32 {
            pull.check_by(&format!("ci-{n}"), "build", Some(if n == 7 { "failure" } else { "success" }));
        }
        let suites = |ctx: &Ctx| {
            let mine = |event: &&mergecast::github::sim::Delivery| {
                event.event == "check_suite" && event.action.as_deref() == Some("completed")
            };
            ctx.sim.deliveries().iter().filter(mine).count()
        };
        let before = suites(&ctx);
        ctx.sim.release();
        let run = ctx.check_run(&pull).await;
        assert_eq!(suites(&ctx) - before, 32);
        let cost = ctx.sim.exchanges_since(mark);
        assert!(cost.len() <= 3, "{} requests: {cost:#?}", cost.len());
        assert_eq!(assessments(&ctx).await, scored + 1);
        let failing = ctx.assessment(&pull).await["contributions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|each| each["signal"] == "checks")
            .unwrap()["value"]
            .clone();
        assert_eq!(failing.as_f64(), Some(1.0), "the one that failed is seen: {:?}", run.title);
        ctx
    });
}

#[test]
fn what_comes_back_from_us_costs_nothing() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(change(1));
        ctx.check_run(&pull).await;
        let ours = ctx.sim.app().app_id;
        let by_us = |payload: &Value| {
            let app = |what: &str| payload[what]["app"]["id"].as_u64();
            app("check_run").or(app("check_suite")) == Some(ours)
        };
        let sent: Vec<_> = ctx.sim.deliveries().into_iter().filter(|each| by_us(&each.payload)).collect();
        let seen: Vec<_> = sent.iter().map(|e| (e.event.as_str(), e.action.as_deref().unwrap())).collect();
        for expected in [("check_run", "created"), ("check_run", "completed"), ("check_suite", "completed")] {
            assert!(seen.contains(&expected), "{expected:?} is not among {seen:?}");
        }
        let (mark, runs) = (ctx.sim.requests(), ctx.sim.check_runs(pull.repository(), &pull.head_sha()));
        let (scored, jobs) = (assessments(&ctx).await, ctx.store.job_counts().await.unwrap());
        // New ids: the inbox would drop redeliveries, and that is not what is asked here.
        for _ in 0..10 {
            for delivery in &sent {
                ctx.sim.send(&delivery.event, delivery.payload.clone());
            }
        }
        ctx.settle().await;
        assert_eq!(ctx.sim.requests(), mark, "{:#?}", ctx.sim.exchanges_since(mark));
        assert_eq!(ctx.sim.check_runs(pull.repository(), &pull.head_sha()), runs);
        assert_eq!(assessments(&ctx).await, scored);
        assert_eq!(ctx.store.job_counts().await.unwrap(), jobs);
        ctx
    });
}

#[test]
fn an_event_that_cannot_change_the_score_costs_at_most_one_request() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let (pull, closed) = (shop.open(change(1)), shop.open(change(2)));
        closed.close();
        ctx.settle().await;
        let unknown = shop.push_base(Edits::new().write("README.md", "more\n"));
        ctx.settle().await;
        let before = ctx.check_run(&pull).await;
        let scored = assessments(&ctx).await;
        let cases: [(&str, usize, &dyn Fn()); 10] = [
            ("a label", 1, &|| pull.label("later")),
            ("a label taken off", 1, &|| pull.unlabel("later")),
            ("a request for a review", 1, &|| pull.ask("nora", false)),
            ("a conversation", 0, &|| _ = pull.comment("nora", "Looks fine.")),
            ("a status on a commit of nobody's", 0, &|| _ = shop.status(&unknown, "ci/other", "failure")),
            ("a check that has only begun elsewhere", 0, &|| closed.check_started("build")),
            ("a check on a closed head", 1, &|| closed.check("build", "failure")),
            ("a status on a closed head", 1, &|| closed.status("ci/lint", "failure")),
            ("a push to another branch", 0, &|| drop(shop.push_to("elsewhere", part(3, 1)))),
            // What it grants can change what is known: a token, the installation, and what it covers.
            ("news of the installation", 3, &|| ctx.sim.announce_installation("acme")),
        ];
        for (name, most, act) in cases {
            let mark = ctx.sim.requests();
            act();
            ctx.settle().await;
            let cost = ctx.sim.exchanges_since(mark);
            assert!(cost.len() <= most, "{name}: {} requests, {cost:#?}", cost.len());
        }
        assert_eq!(ctx.check_run(&pull).await, before, "nothing was written");
        assert_eq!(assessments(&ctx).await, scored);
        ctx
    });
}

#[test]
fn of_two_pushes_in_a_second_the_newest_wins() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(change(1));
        ctx.check_run(&pull).await;
        let mark = ctx.sim.requests();
        ctx.sim.hold();
        let first = pull.push(part(1, 1));
        ctx.clock.advance(Duration::from_millis(400));
        let second = pull.push(part(1, 2));
        ctx.sim.release();
        let run = ctx.check_run(&pull).await;
        assert_eq!((run.head_sha.as_str(), run.status.as_str()), (second.as_str(), "completed"));
        // Whatever the first head got, it is no more than one run, and none that waits.
        let older = ctx.sim.check_runs(pull.repository(), &first);
        assert!(older.len() <= 1 && older.iter().all(|run| run.status == "completed"), "{older:#?}");
        let cost = ctx.sim.exchanges_since(mark);
        assert!(cost.len() <= 2 * 5, "{cost:#?}");
        assert_eq!(ctx.assessment(&pull).await["head_sha"], second.as_str());
        ctx
    });
}

#[test]
fn a_push_while_the_older_head_is_held_up_leaves_none_of_them_waiting() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(change(1));
        let on = FaultOn::new("GET", "/repos/*/*/pulls/*/files");
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(500), times: Times::Always });
        ctx.rest().await;
        let older = pull.head_sha();
        assert_eq!(ctx.sim.check_runs(pull.repository(), &older)[0].status, "in_progress");
        pull.push(part(1, 1));
        ctx.rest().await;
        ctx.sim.heal();
        assert_eq!(ctx.check_run(&pull).await.conclusion.as_deref(), Some("success"));
        let older = ctx.sim.check_runs(pull.repository(), &older);
        assert_eq!((older.len(), older[0].status.as_str()), (1, "completed"));
        ctx
    });
}

fn disorder(sim: &mut mergecast::github::sim::SimOptions) {
    sim.deliveries_at_once = 8;
}

#[test]
fn order_doubles_and_delays_make_no_difference() {
    run_test_with(Setup { sim: disorder, ..Setup::default() }, async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        let kinds = [
            WebhookFaultKind::Reordered,
            WebhookFaultKind::Duplicated,
            WebhookFaultKind::Delayed(Duration::from_millis(30)),
        ];
        for kind in kinds {
            ctx.sim.webhook_fault(WebhookFault { event: None, kind, times: Times::Probability(0.3) });
        }
        let pulls: Vec<PullHandle> = (0..6).map(|n| shop.open(change(n))).collect();
        for (n, pull) in pulls.iter().enumerate() {
            pull.push(part(n, 1));
            pull.approve("nora");
            pull.close();
            pull.reopen();
            pull.push(part(n, 2));
            pull.check("build", "failure");
            pull.check("build", "success");
            pull.approve("nora");
        }
        for pull in &pulls {
            let run = ctx.check_run(pull).await;
            assert_eq!(run.status, "completed");
            let assessment = ctx.assessment(pull).await;
            assert_eq!(assessment["id"], run.external_id.as_str());
            assert_eq!(assessment["head_sha"], pull.head_sha());
            let review = assessment["contributions"].as_array().unwrap().iter().find(|c| c["signal"] == "review");
            assert_eq!(review.unwrap()["value"].as_f64(), Some(1.0), "the approval of the newest head is seen");
        }
        ctx
    });
}

#[test]
fn one_pull_request_is_worked_on_by_one_and_an_installation_written_to_by_one() {
    run_test_with(Setup { sim: disorder, ..Setup::default() }, async |ctx| {
        let shop = ctx.repository();
        for on in [FaultOn::graphql(), FaultOn::new("*", "**/check-runs/**")] {
            let on = FaultOn { method: on.method.filter(|method| method != "*"), path: on.path };
            ctx.sim.fault(Fault { on, kind: FaultKind::Slow(Duration::from_millis(15)), times: Times::Always });
        }
        let on = FaultOn::new("POST", "/repos/*/*/check-runs");
        ctx.sim.fault(Fault { on, kind: FaultKind::Slow(Duration::from_millis(15)), times: Times::Always });
        let pulls: Vec<PullHandle> = (0..20).map(|n| shop.open(change(n))).collect();
        for round in 1..4 {
            for (n, pull) in pulls.iter().enumerate() {
                match round {
                    1 => drop(pull.push(part(n, 1))),
                    2 => pull.check("build", "success"),
                    _ => pull.retitle(&format!("Change part {n} again")),
                }
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        ctx.settle().await;
        let exchanges = ctx.sim.exchanges();
        let queries: Vec<_> = exchanges.iter().filter_map(|each| Some((asked_about(each)?, each))).collect();
        let beside = |a: &Exchange, b: &Exchange| a.number < b.number && b.number <= a.newest_at_end;
        let mut together = 0;
        for (pull, query) in &queries {
            for (other, later) in &queries {
                assert!(pull != other || !beside(query, later), "#{pull} was asked about twice at once");
                together += usize::from(pull != other && beside(query, later));
            }
        }
        assert!(together > 0, "several pull requests are worked on at once, or this proves nothing");
        assert!(writes(&exchanges) >= 40);
        let at_once = |a: &&Exchange| a.method != "GET" && a.path.contains("/check-runs");
        let written: Vec<_> = exchanges.iter().filter(at_once).collect();
        for write in &written {
            assert!(!written.iter().any(|other| beside(write, other)), "two writes at once");
        }
        assert_eq!(ctx.sim.writes_at_once_max(), 1);
        for pull in &pulls {
            assert_eq!(ctx.check_run(pull).await.name, NAME);
        }
        ctx
    });
}
