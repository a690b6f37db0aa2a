//! Merge queues: every group is answered, from what is known where that is enough, from its whole change where it can be
//! had, and whatever GitHub does meanwhile.

mod faults;
mod held;
mod late;

use std::time::Duration;

use mergecast::{
    github::sim::{
        Edits, Exchange, Fault, FaultKind, FaultOn, PullHandle, PullSpec, SimCheckRun, SimRepository, Times,
        WebhookFault, WebhookFaultKind,
    },
    report::check_run::NAME,
    service::{Links, Stored},
};
use serde_json::{Value, json};

use crate::{
    support::{Ctx, run_test},
    work::change,
};

/// A check that these tests complete themselves: until then a group stays in its queue.
const BUILD: &str = "build";

fn queued(ctx: &Ctx) -> SimRepository {
    let shop = ctx.repository();
    shop.merge_queue(&[NAME]);
    shop
}

/// A queue that waits for another check as well, so that its groups stand until [`build`].
fn slow_queue(ctx: &Ctx) -> SimRepository {
    let shop = ctx.repository();
    shop.merge_queue(&[NAME, BUILD]);
    shop
}

/// The other check passes on every group.
async fn build(ctx: &Ctx, shop: &SimRepository) {
    for group in shop.groups() {
        shop.check_on(&group.head_sha, BUILD, "success");
    }
    ctx.settle().await;
}

/// Our one check run on a group's commit, once there is nothing left to do.
async fn answer(ctx: &Ctx, sha: &str) -> SimCheckRun {
    ctx.settle().await;
    run_on(ctx, sha)
}

fn run_on(ctx: &Ctx, sha: &str) -> SimCheckRun {
    let runs = ctx.sim.check_runs("acme/shop", sha);
    let mut ours: Vec<SimCheckRun> = runs.into_iter().filter(|run| run.name == NAME).collect();
    assert_eq!(ours.len(), 1, "check runs of ours on {sha}");
    ours.pop().unwrap()
}

/// What the API says of a group's commit.
async fn by_sha(ctx: &Ctx, sha: &str) -> (u16, Value) {
    let answer = ctx.http.get(ctx.url(&format!("/api/v1/assessments/acme/shop/by-sha/{sha}"))).send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

fn members(assessment: &Value) -> Vec<u64> {
    let members = assessment["merge_group"]["members"].as_array().unwrap();
    members.iter().map(|member| member["pull_request"].as_u64().unwrap()).collect()
}

/// How a check run ended.
fn concluded(run: &SimCheckRun) -> &str {
    run.conclusion.as_deref().unwrap_or("nothing")
}

/// The requests about groups: merged pull requests are looked at too.
fn about_groups(exchanges: Vec<Exchange>) -> Vec<Exchange> {
    let of_pull = |each: &Exchange| each.path == "/graphql" && each.request_body["variables"]["number"].is_u64();
    exchanges.into_iter().filter(|each| !of_pull(each)).collect()
}

/// Changes that are harmless one by one.
fn half(n: usize) -> PullSpec {
    let code: String = (0..150).map(|line| format!("let value_{line} = compute({n}, {line});\n")).collect();
    let path = if n.is_multiple_of(2) { format!("src/auth/part{n}.rs") } else { format!("infra/part{n}.tf") };
    // Each by somebody else: what one author makes in pieces is scored as a whole before it is merged.
    PullSpec::new(format!("Half {n}"), format!("dev{n}"), Edits::new().write(path, code))
}

#[test]
fn a_group_of_one_is_answered_from_its_stored_score() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let pull = shop.open(change(1));
        ctx.settle().await;
        let own = ctx.assessment(&pull).await;
        let mark = ctx.sim.requests();
        let group = pull.enqueue();
        let run = answer(&ctx, &group).await;
        let cost = ctx.sim.exchanges_since(mark);
        let asked: Vec<(&str, &str)> = cost.iter().map(|each| (each.method.as_str(), each.path.as_str())).collect();
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert_eq!(concluded(&run), "success");
        let written: Vec<&str> = run.writes.iter().filter_map(|write| write.body["status"].as_str()).collect();
        assert_eq!(written, ["in_progress", "completed"]);

        let (status, assessment) = by_sha(&ctx, &group).await;
        assert_eq!((status, &assessment["score"], &assessment["pull_request"]), (200, &own["score"], &Value::Null));
        let member = json!({"pull_request": pull.number(), "head_sha": pull.head_sha(), "assessment": own["id"],
            "score": own["score"]});
        assert_eq!(assessment["merge_group"]["members"], json!([member]));
        let title = run.title.unwrap();
        assert!(title.contains(&format!("merge group of #{}", pull.number())), "{title}");
        assert_eq!(Some(run.external_id.as_str()), assessment["id"].as_str());
        let page = ctx.http.get(ctx.url(&format!("/assessments/{}", run.external_id))).send().await.unwrap();
        let page = String::from_utf8(page.bytes().await.unwrap().to_vec()).unwrap();
        assert!(page.contains(&format!("merge group of #{}", pull.number())), "{page}");
        // The pull request's own assessment is untouched.
        assert_eq!(ctx.assessment(&pull).await, own);
        ctx
    });
}

#[test]
fn what_is_harmless_apart_is_held_back_together() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        // First what the two score, apart and together, where nothing is enforced.
        let (one, two) = (shop.open(half(1)), shop.open(half(2)));
        ctx.settle().await;
        let mut apart = 0;
        for pull in [&one, &two] {
            apart = apart.max(ctx.assessment(pull).await["score"].as_u64().unwrap());
        }
        let (_, group) = (one.enqueue(), two.enqueue());
        let run = answer(&ctx, &group).await;
        let together = by_sha(&ctx, &group).await.1;
        assert!(together["score"].as_u64().unwrap() > apart, "{} and apart {apart}", together["score"]);
        assert!(matches!(concluded(&run), "success" | "neutral"), "{run:?}");
        build(&ctx, &shop).await;
        assert!(one.is_merged() && two.is_merged());

        // The same again where a threshold between the two is enforced.
        shop.base_file(".github/mergecast.yml", format!("mode: enforce\nthreshold: {}\n", apart + 1));
        let (three, four) = (shop.open(half(3)), shop.open(half(4)));
        for pull in [&three, &four] {
            assert_eq!(concluded(&ctx.check_run(pull).await), "success");
        }
        let (_, group) = (three.enqueue(), four.enqueue());
        let run = answer(&ctx, &group).await;
        assert_eq!(concluded(&run), "action_required");
        assert_eq!(members(&by_sha(&ctx, &group).await.1), [three.number(), four.number()]);
        assert!(run.summary.unwrap().contains("the merge queue takes a pull request out"));
        build(&ctx, &shop).await;
        assert!(three.is_merged() && !four.is_merged(), "the queue threw out what made it risky");
        assert!(shop.groups().is_empty());

        // By itself it is as harmless as before.
        four.enqueue();
        ctx.settle().await;
        build(&ctx, &shop).await;
        assert!(four.is_merged());
        ctx
    });
}

#[test]
fn groups_stack_and_each_holds_what_is_ahead_of_it() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let mut fork = change(3);
        fork.fork = Some("ada".to_owned());
        let pulls: Vec<PullHandle> = [change(1), change(2), fork].into_iter().map(|spec| shop.open(spec)).collect();
        ctx.settle().await;
        let mark = ctx.sim.requests();
        let groups: Vec<String> = pulls.iter().map(PullHandle::enqueue).collect();
        ctx.settle().await;
        let cost = ctx.sim.exchanges_since(mark);
        assert!(cost.len() <= 3 * 4, "{} requests: {cost:#?}", cost.len());
        for (n, group) in groups.iter().enumerate() {
            let run = run_on(&ctx, group);
            assert_eq!(concluded(&run), "success", "{run:?}");
            let assessment = by_sha(&ctx, group).await.1;
            let numbers: Vec<u64> = pulls[..=n].iter().map(PullHandle::number).collect();
            assert_eq!(members(&assessment), numbers);
            let row = ctx.store.assessment(assessment["id"].as_str().unwrap()).await.unwrap().unwrap();
            let facts: Value = serde_json::from_str(&row.facts).unwrap();
            assert_eq!(facts["change"]["files"].as_array().unwrap().len(), n + 1);
            let stored = Stored::load(&ctx.store, row, links()).await.unwrap();
            assert!(stored.is_same(), "the same facts give the same bytes");
            let named: String = numbers.iter().map(|number| format!("#{number}")).collect::<Vec<_>>().join(", ");
            assert!(run.title.unwrap().contains(&format!("merge group of {named}")));
        }
        build(&ctx, &shop).await;
        assert!(pulls.iter().all(PullHandle::is_merged) && shop.groups().is_empty());
        ctx
    });
}

fn links() -> Links {
    Links {
        public_url: Some("https://mergecast.example".to_owned()),
        github_url: Some("https://github.example".to_owned()),
    }
}

#[test]
fn a_group_that_is_taken_away_leaves_nothing_unfinished_at_any_stage() {
    run_test(async |ctx| {
        let shop = queued(&ctx);
        let pulls: Vec<PullHandle> = (0..4).map(|n| shop.open(change(n))).collect();
        ctx.settle().await;

        // Before anything was done about it.
        ctx.sim.hold();
        let group = pulls[0].enqueue();
        pulls[0].dequeue();
        let mark = ctx.sim.requests();
        ctx.sim.release();
        ctx.settle().await;
        assert!(ctx.sim.check_runs("acme/shop", &group).iter().all(|run| run.status == "completed"));
        assert!(about_groups(ctx.sim.exchanges_since(mark)).len() <= 4);

        // While its changes cannot be read.
        let on = FaultOn::graphql();
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(502), times: Times::Always });
        let group = pulls[1].enqueue();
        ctx.rest().await;
        assert_eq!(run_on(&ctx, &group).status, "in_progress");
        pulls[1].dequeue();
        let run = answer(&ctx, &group).await;
        assert_eq!((concluded(&run), run.title.as_deref()), ("neutral", Some("No score: the merge group is gone")));
        ctx.sim.heal();

        // While the run is being made and GitHub answers nothing.
        let on = FaultOn::new("POST", "/repos/*/*/check-runs");
        ctx.sim.fault(Fault { on, kind: FaultKind::AnswerLostAfterWrite, times: Times::Next(1) });
        let group = pulls[2].enqueue();
        ctx.rest().await;
        pulls[2].dequeue();
        assert_eq!(concluded(&answer(&ctx, &group).await), "neutral");

        // When all is said, nothing is said again.
        shop.merge_queue(&[NAME, BUILD]);
        let group = pulls[3].enqueue();
        let before = answer(&ctx, &group).await;
        let mark = ctx.sim.requests();
        pulls[3].dequeue();
        assert_eq!(answer(&ctx, &group).await, before);
        assert_eq!(about_groups(ctx.sim.exchanges_since(mark)).len(), 0);
        assert!(shop.rerequest_on(&group), "nor when somebody asks");
        assert_eq!(answer(&ctx, &group).await, before);
        ctx
    });
}

#[test]
fn events_out_of_order_and_doubled_cost_a_look_at_the_queue() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let (gone, stays) = (shop.open(change(1)), shop.open(change(2)));
        ctx.settle().await;
        let event = Some("merge_group".to_owned());
        ctx.sim.webhook_fault(WebhookFault { event, kind: WebhookFaultKind::Lost, times: Times::Next(1) });
        let group = gone.enqueue();
        gone.dequeue();
        ctx.settle().await;
        let mark = ctx.sim.requests();
        ctx.sim.send("merge_group", told(&ctx, "checks_requested"));
        ctx.settle().await;
        assert_eq!(ctx.sim.check_runs("acme/shop", &group), []);
        assert_eq!(ctx.sim.exchanges_since(mark).len(), 1, "the queue was asked whether it still has it");

        // A group that lives although its end was announced: the queue knows better.
        let group = stays.enqueue();
        let before = answer(&ctx, &group).await;
        let delivered =
            ctx.sim.deliveries().into_iter().rev().find(|each| each.event == "merge_group").unwrap().payload;
        let mut ended = delivered.clone();
        (ended["action"], ended["reason"]) = (json!("destroyed"), json!("invalidated"));
        ctx.sim.send("merge_group", ended);
        ctx.settle().await;
        ctx.sim.send("merge_group", delivered);
        assert_eq!(answer(&ctx, &group).await, before, "a conclusion is final");
        assert!(shop.rerequest_on(&group));
        assert_eq!(answer(&ctx, &group).await.writes.len(), before.writes.len() + 1, "it is a group like any other");

        let event = Some("merge_group".to_owned());
        ctx.sim.webhook_fault(WebhookFault { event, kind: WebhookFaultKind::Duplicated, times: Times::Always });
        stays.dequeue();
        let group = stays.enqueue();
        assert_eq!(answer(&ctx, &group).await.writes.len(), 2);
        ctx
    });
}

/// What the newest event about a merge group said.
fn told(ctx: &Ctx, action: &str) -> Value {
    let mut sent = ctx.sim.deliveries().into_iter().rev();
    sent.find(|each| each.event == "merge_group" && each.action.as_deref() == Some(action)).unwrap().payload
}

#[test]
fn a_restart_midway_takes_the_answer_up_again() {
    run_test(async |mut ctx| {
        let shop = queued(&ctx);
        let pull = shop.open(change(1));
        ctx.settle().await;
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: FaultKind::Status(500), times: Times::Always });
        let group = pull.enqueue();
        ctx.rest().await;
        assert_eq!(run_on(&ctx, &group).status, "in_progress");
        ctx.stop_service().await;
        ctx.sim.heal();
        ctx.start_service().await;
        let run = answer(&ctx, &group).await;
        assert_eq!((concluded(&run), pull.is_merged()), ("success", true));
        ctx
    });
}

#[test]
fn a_pull_request_that_was_never_scored_is_read_with_the_rest() {
    run_test(async |ctx| {
        let shop = queued(&ctx);
        let event = Some("pull_request".to_owned());
        ctx.sim.webhook_fault(WebhookFault { event, kind: WebhookFaultKind::Lost, times: Times::Next(1) });
        let pull = shop.open(change(1));
        ctx.settle().await;
        assert!(ctx.store.latest_assessment(shop.id() as i64, pull.number() as i64).await.unwrap().is_none());
        let group = pull.enqueue();
        let run = answer(&ctx, &group).await;
        assert_eq!((concluded(&run), pull.is_merged()), ("success", true));
        let assessment = by_sha(&ctx, &group).await.1;
        assert_eq!(
            (members(&assessment), &assessment["merge_group"]["members"][0]["score"]),
            (vec![pull.number()], &Value::Null)
        );
        ctx
    });
}

#[test]
fn a_push_after_queueing_is_another_head() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let pull = shop.open(change(1));
        ctx.settle().await;
        ctx.sim.hold();
        let scored = pull.head_sha();
        pull.push(Edits::new().write("src/more.rs", "fn more() {}\n"));
        let group = pull.enqueue();
        // The push is heard of only later: what is stored is of another head, and does not count.
        let event = Some("pull_request".to_owned());
        let kind = WebhookFaultKind::Delayed(Duration::from_millis(700));
        ctx.sim.webhook_fault(WebhookFault { event, kind, times: Times::Next(2) });
        ctx.sim.release();
        answer(&ctx, &group).await;
        let assessment = by_sha(&ctx, &group).await.1;
        let head = assessment["merge_group"]["members"][0]["head_sha"].as_str().unwrap();
        assert!(head != scored && head == pull.head_sha());
        let row = ctx.store.assessment(assessment["id"].as_str().unwrap()).await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&row.facts).unwrap()["change"]["files_total"], 2);
        ctx
    });
}

#[test]
fn a_group_whose_commit_is_a_pull_requests_own_has_one_run() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.fast_forward_queue(&[NAME, BUILD]);
        let pull = shop.open(change(1));
        let before = ctx.check_run(&pull).await;
        let mark = ctx.sim.requests();
        assert_eq!(pull.enqueue(), pull.head_sha());
        assert_eq!(ctx.check_run(&pull).await, before);
        assert_eq!(about_groups(ctx.sim.exchanges_since(mark)).len(), 0);
        // And where both are heard of at once.
        ctx.sim.hold();
        shop.check_on(&pull.head_sha(), BUILD, "success");
        let next = shop.open(change(2));
        assert_eq!(next.enqueue(), next.head_sha());
        ctx.sim.release();
        assert_eq!(ctx.check_run(&next).await.status, "completed");
        ctx
    });
}

#[test]
fn without_the_permission_the_members_are_not_known_and_the_queue_is_answered_all_the_same() {
    run_test(async |ctx| {
        let shop = queued(&ctx);
        let pull = shop.open(change(1));
        ctx.settle().await;
        ctx.sim.hold();
        let group = pull.enqueue();
        let mut granted = mergecast::github::sim::SimOptions::new(|| chrono::DateTime::UNIX_EPOCH).permissions;
        granted.remove("merge_queues");
        ctx.sim.grant("acme", granted);
        ctx.sim.expire_tokens();
        ctx.sim.release();
        let run = answer(&ctx, &group).await;
        assert_eq!((concluded(&run), pull.is_merged()), ("success", true));
        let told = &by_sha(&ctx, &group).await.1["merge_group"];
        assert_eq!(told["members"], Value::Null);
        assert!(told["reason"].as_str().unwrap().contains("merge_queues"), "{told}");
        ctx
    });
}

#[test]
fn a_rerun_and_the_button_write_the_answer_anew() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let pull = shop.open(change(1));
        ctx.settle().await;
        let group = pull.enqueue();
        let first = answer(&ctx, &group).await;
        ctx.clock.advance(Duration::from_secs(60));
        assert!(shop.rerequest_on(&group));
        let second = answer(&ctx, &group).await;
        assert!(shop.press_on(&group, "rescore"));
        let third = answer(&ctx, &group).await;
        assert_eq!((first.id, second.id), (second.id, third.id));
        assert_eq!((first.writes.len(), second.writes.len(), third.writes.len()), (2, 3, 4));
        assert!(first.external_id != second.external_id && second.external_id != third.external_id);
        assert_eq!(concluded(&third), "success");
        ctx
    });
}

#[test]
fn a_moved_base_branch_gives_new_groups_and_new_answers() {
    run_test(async |ctx| {
        let shop = slow_queue(&ctx);
        let pulls: Vec<PullHandle> = (0..2).map(|n| shop.open(change(n))).collect();
        ctx.settle().await;
        let old: Vec<String> = pulls.iter().map(PullHandle::enqueue).collect();
        shop.push_base(Edits::new().write("README.md", "moved\n"));
        ctx.settle().await;
        let new = shop.groups();
        for group in &new {
            assert!(!old.contains(&group.head_sha));
            assert_eq!(concluded(&run_on(&ctx, &group.head_sha)), "success");
        }
        build(&ctx, &shop).await;
        assert!(pulls.iter().all(PullHandle::is_merged));
        ctx
    });
}
