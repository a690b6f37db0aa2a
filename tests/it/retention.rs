//! What is old goes, scores stay, and the file stops growing once as much goes as comes.

use std::time::Duration;

use chrono::TimeDelta;
use mergecast::store::{DeliveryOutcome, DeliveryState, Move, NewDelivery, Store, StoreOptions, StorePath};

use crate::{
    program,
    support::{Ctx, run_test},
    work::change,
};

/// Restarts the service, which looks for what is old at once, and waits until this holds.
async fn until(ctx: &mut Ctx, what: &str, holds: impl AsyncFn(&Ctx) -> bool) {
    ctx.stop_service().await;
    ctx.start_service().await;
    for _ in 0..5_000 {
        if holds(ctx).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{what} does not come about");
}

fn count(ctx: &Ctx, sql: &str) -> i64 {
    program::read(ctx.directory.path(), |database| database.query_row(sql, [], |row| row.get(0)).unwrap())
}

#[test]
fn deliveries_go_before_facts_and_scores_stay() {
    run_test(async |mut ctx| {
        let pull = ctx.repository().open(change(1));
        let run = ctx.check_run(&pull).await;
        let (id, number) = (ctx.repository().id() as i64, pull.number() as i64);
        ctx.store.moved(id, number, &Move { head_sha: None, at: ctx.clock.now() }).await.unwrap();
        let before = ctx.assessment(&pull).await;
        let page = ctx.url(&format!("/assessments/{}", run.external_id));
        assert_eq!(ctx.http.get(&page).send().await.unwrap().status(), 200);

        ctx.clock.advance(Duration::from_secs(89 * 86_400));
        until(&mut ctx, "a pause", async |ctx| count(ctx, "SELECT COUNT(*) FROM jobs") == 0).await;
        assert!(count(&ctx, "SELECT COUNT(*) FROM inbox") > 0, "deliveries are kept for 90 days");
        assert_eq!(count(&ctx, "SELECT COUNT(*) FROM pull_request_moves"), 1, "and so are moves");
        ctx.clock.advance(Duration::from_secs(2 * 86_400));
        let old = "SELECT (SELECT COUNT(*) FROM inbox) + (SELECT COUNT(*) FROM http_cache) \
                   + (SELECT COUNT(*) FROM pull_request_moves)";
        until(&mut ctx, "an empty inbox and cache", async |ctx| count(ctx, old) == 0).await;
        let kept = ctx.assessment(&pull).await;
        assert_eq!(kept, before, "the facts are still there");

        ctx.clock.advance(Duration::from_secs(640 * 86_400));
        let left = "SELECT COUNT(*) FROM assessments WHERE LENGTH(facts) > 0";
        until(&mut ctx, "assessments without facts", async |ctx| count(ctx, left) == 0).await;
        let recent = ctx.store.recent(10).await.unwrap();
        assert_eq!((recent.len(), i64::from(recent[0].score)), (1, before["score"].as_i64().unwrap()));
        let index = ctx.http.get(ctx.url("/")).send().await.unwrap().text().await.unwrap();
        assert!(index.contains(&run.external_id), "the list still has it");
        let page = ctx.url(&format!("/assessments/{}", run.external_id));
        let answer = ctx.http.get(&page).send().await.unwrap();
        assert_eq!(answer.status(), 410);
        let said = answer.text().await.unwrap();
        assert!(said.contains("were forgotten") && said.contains(&format!("{} of 100", recent[0].score)), "{said}");
        let api = ctx.url(&format!("/api/v1/assessments/acme/shop/{}", pull.number()));
        let answer = ctx.http.get(&api).send().await.unwrap();
        assert_eq!(answer.status(), 410);
        let said = answer.text().await.unwrap();
        assert!(said.contains(&format!("the score was {}", recent[0].score)), "{said}");

        // A change of that age that is still open is scored again as if for the first time.
        pull.push(mergecast::github::sim::Edits::new().write("src/more.rs", "fn more() {}\n"));
        ctx.check_run(&pull).await;
        ctx
    });
}

#[test]
fn replay_says_what_it_cannot_replay() {
    run_test(async |mut ctx| {
        let run = ctx.check_run(&ctx.repository().open(change(1))).await;
        ctx.check_run(&ctx.repository().open(change(2))).await;
        let later = ctx.clock.now() + TimeDelta::days(1);
        assert_eq!(ctx.store.forget_facts(later.timestamp_millis(), 1).await, Ok(1));
        ctx.stop_service().await;
        let replay = |what: &str| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mergecast"));
            command.env_clear().current_dir(ctx.directory.path()).args(["replay", what]);
            let output = command.output().unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code(), text(output.stdout), text(output.stderr))
        };
        let (code, out, err) = replay("--all");
        assert_eq!((code, out.as_str()), (Some(0), "1 assessments replayed, 0 differ\n"));
        assert!(err.contains("1 are older than facts are kept"), "{err}");
        let (code, out, err) = replay(&run.external_id);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("were forgotten") && err.contains("score stays"), "{err}");
        ctx.start_service().await;
        ctx
    });
}

/// Takes in `days` days of deliveries, each day forgetting what is older than a week; gives the file's size after each.
async fn days(store: &Store, days: std::ops::Range<i64>) -> Vec<u64> {
    const DAY_MS: i64 = 86_400_000;
    let mut sizes = Vec::new();
    for day in days {
        let accepted = (0..100).map(async |n| {
            let (delivery_id, at) = (format!("{day}-{n}"), day * DAY_MS + n);
            // Of differing size, as they are; every tenth overflows its page.
            let body = vec![b'x'; if n % 10 == 0 { 60_000 } else { 4_000 + 37 * n as usize }];
            let event = "push".to_owned();
            let (action, installation_id, state) = (None, Some(1), DeliveryState::Queued);
            let new = NewDelivery { delivery_id, event, action, installation_id, received_at: at, body, state };
            store.accept(&new).await.unwrap();
            store.finish_delivery(&new.delivery_id, at, DeliveryOutcome::Done, &[]).await.unwrap();
        });
        futures_util::future::join_all(accepted).await;
        while store.forget_deliveries((day - 7) * DAY_MS, 100).await.unwrap() > 0 {}
        sizes.push(store.size_bytes());
    }
    sizes
}

#[test]
fn the_file_stops_growing_without_a_vacuum() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let path = StorePath::File(directory.path().join("mergecast.db"));
        let store = Store::open(StoreOptions::new(path)).await.unwrap();
        let growing = days(&store, 0..12).await;
        assert!(growing[6] > growing[0], "the first week fills it");
        let steady = days(&store, 12..40).await;
        let (most, least) = (steady.iter().max().unwrap(), steady.iter().min().unwrap());
        assert!(*most <= growing.iter().max().unwrap() * 11 / 10, "{growing:?} then {steady:?}");
        assert!(*least > 0);
        store.close().await;
    });
}
