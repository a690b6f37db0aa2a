//! Commands that stand behind another one, and those that the service is told of late.

use std::time::Duration;

use mergecast::{
    github::sim::{Delivery, Exchange, Fault, FaultKind, PullHandle, Times},
    store::{backup, restore},
};

use super::{COMMENTS, FOLLOWED, fault, replies, said, scored};
use crate::{
    recovery::{between, database, later, recovering},
    support::{Ctx, run_test, run_test_with},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Reactions that GitHub was asked for to these comments.
fn reacted(exchanges: &[Exchange], comments: &[u64]) -> usize {
    let to = |comment: &u64| format!("/issues/comments/{comment}/reactions");
    let ends: Vec<String> = comments.iter().map(to).collect();
    exchanges.iter().filter(|each| ends.iter().any(|end| each.path.ends_with(end))).count()
}

fn posted(exchanges: &[Exchange]) -> usize {
    exchanges.iter().filter(|each| each.method == "POST" && each.path.ends_with("/comments")).count()
}

/// All that follows without the clock going on.
async fn give(ctx: &Ctx, pull: &PullHandle, who: &str, text: &str) -> u64 {
    ctx.clock.advance(Duration::from_secs(1));
    let comment = pull.comment(who, text);
    ctx.rest().await;
    comment
}

#[test]
fn those_behind_one_that_is_put_off_are_acknowledged_at_once_and_once() {
    run_test(async |ctx| {
        let (shop, pull) = scored(&ctx).await;
        shop.private();
        ctx.sim.fault(Fault { times: Times::Always, ..fault("POST", COMMENTS, FaultKind::Status(502)) });
        let first = give(&ctx, &pull, "nora", "/risk").await;
        let mark = ctx.sim.requests();
        let behind = [give(&ctx, &pull, "max", "/risk explain").await, give(&ctx, &pull, "rita", "/risk owners").await];
        let stranger = give(&ctx, &pull, "mallory", "/risk").await;
        for comment in [first, behind[0], behind[1]] {
            let said = said(&pull, comment);
            assert_eq!((said.reactions, said.replies), (vec!["eyes".to_owned()], Vec::new()));
        }
        assert_eq!(reacted(&ctx.sim.exchanges_since(mark), &behind), 2);
        // Tries of the first one that fail tell the others nothing new.
        let mark = ctx.sim.requests();
        ctx.step().await;
        assert_eq!(reacted(&ctx.sim.exchanges_since(mark), &behind), 0);
        ctx.sim.heal();
        ctx.settle().await;
        for (comment, words) in [(first, "Who may"), (behind[0], "**Score**"), (behind[1], "src/cart.rs")] {
            let said = said(&pull, comment);
            assert_eq!(said.reactions, FOLLOWED);
            assert!(said.reply().contains(words), "{words}: {}", said.reply());
        }
        assert!(said(&pull, stranger).nothing());
        ctx
    });
}

#[test]
fn what_was_answered_before_the_database_was_put_back_is_not_answered_twice() {
    run_test_with(recovering(), async |mut ctx| {
        let (_, pull) = scored(&ctx).await;
        ctx.settle().await;
        later(&ctx, MINUTE).await;
        let copy = ctx.directory.path().join("copy.db");
        backup(&database(&ctx), &copy, false).unwrap();
        let comments = [("rita", "/risk"), ("nora", "/risk rescore")].map(|(who, text)| pull.comment(who, text));
        ctx.settle().await;
        let answers: Vec<_> = comments.iter().flat_map(|comment| replies(&pull, *comment)).collect();
        assert_eq!(answers.len(), 2);
        later(&ctx, 20 * MINUTE).await;
        ctx.stop_service().await;
        between(&mut ctx, |path| drop(restore(path, &copy, "x").unwrap())).await;
        ctx.clock.advance(20 * MINUTE);
        let mark = ctx.sim.requests();
        ctx.start_service().await;
        ctx.settle().await;
        let about = |each: &Delivery| each.payload["comment"]["id"].as_u64().is_some_and(|id| comments.contains(&id));
        let again = ctx.sim.deliveries().into_iter().filter(|each| each.redelivery && about(each)).count();
        assert_eq!(again, 2, "both comments came again");
        assert_eq!(posted(&ctx.sim.exchanges_since(mark)), 0, "the answers were found");
        let after: Vec<u64> =
            comments.iter().flat_map(|comment| replies(&pull, *comment)).map(|reply| reply.id).collect();
        assert_eq!(after, answers.iter().map(|reply| reply.id).collect::<Vec<_>>());
        assert!(comments.iter().all(|comment| said(&pull, *comment).reactions == FOLLOWED));
        ctx
    });
}
