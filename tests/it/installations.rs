//! What owners do with the App: suspend it, choose repositories, remove it and come back, rename and transfer, grant less
//! than it asks for. Work follows what GitHub says, and what is kept of those who left is erased in time.

use std::time::Duration;

use mergecast::{
    github::sim::{Edits, Exchange, Fault, FaultKind, FaultOn, PullHandle, SimOptions, Times},
    store::CoveredRepository,
};

use crate::{
    logs,
    recovery::{later, recovering},
    support::{Ctx, Setup, run_test, run_test_with, start},
    work::change,
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Requests about pull requests and their checks.
fn about_pulls(exchanges: &[Exchange]) -> usize {
    exchanges.iter().filter(|each| each.path == "/graphql" || each.path.starts_with("/repos/")).count()
}

/// Status of the API's answer about a head.
async fn by_sha(ctx: &Ctx, repository: &str, pull: &PullHandle) -> u16 {
    let url = ctx.url(&format!("/api/v1/assessments/{repository}/by-sha/{}", pull.head_sha()));
    ctx.http.get(url).send().await.unwrap().status().as_u16()
}

/// Rows in a table of the database's file.
fn rows(ctx: &Ctx, table: &str) -> i64 {
    let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
    database.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// GitHub's GraphQL is down: jobs wait.
fn down() -> Fault {
    Fault { on: FaultOn::graphql(), kind: FaultKind::Status(503), times: Times::Always }
}

#[test]
fn a_suspended_installation_is_left_alone_and_caught_up_with() {
    run_test_with(recovering(), async |ctx| {
        let shop = ctx.repository();
        ctx.sim.announce_installation("acme");
        let before = shop.open(change(1));
        ctx.check_run(&before).await;
        // Two jobs are queued when it is suspended.
        ctx.sim.fault(down());
        let queued = [shop.open(change(2)), shop.open(change(3))];
        ctx.rest().await;
        ctx.sim.suspend("acme", true);
        ctx.sim.heal();
        let mark = ctx.sim.requests();
        ctx.settle().await;
        later(&ctx, 3 * HOUR).await;
        assert_eq!(about_pulls(&ctx.sim.exchanges_since(mark)), 0);
        assert_eq!(ctx.store.job_counts().await.unwrap().buried, 0);
        // GitHub sends nothing of this.
        let meanwhile = shop.open(change(4));
        before.push(Edits::new().write("src/later.rs", "fn later() {}\n"));
        ctx.sim.suspend("acme", false);
        for pull in queued.iter().chain([&meanwhile, &before]) {
            assert_eq!(ctx.check_run(pull).await.status, "completed");
        }
        ctx
    });
}

#[test]
fn who_comes_back_in_time_finds_everything_and_who_does_not_is_erased() {
    run_test_with(recovering(), async |ctx| {
        let shop = ctx.repository();
        let other = ctx.sim.repository("globex/site");
        for account in ["acme", "globex"] {
            ctx.sim.announce_installation(account);
        }
        let (pull, theirs) = (shop.open(change(1)), other.open(change(2)));
        ctx.check_run(&pull).await;
        ctx.check_run(&theirs).await;
        ctx.sim.uninstall("acme");
        ctx.settle().await;
        later(&ctx, 20 * DAY).await;
        assert_eq!(by_sha(&ctx, "acme/shop", &pull).await, 200, "kept for a while");
        ctx.sim.install("acme");
        ctx.settle().await;
        later(&ctx, 20 * DAY).await;
        assert_eq!(by_sha(&ctx, "acme/shop", &pull).await, 200, "it came back in time");

        ctx.sim.uninstall("acme");
        ctx.settle().await;
        later(&ctx, 31 * DAY).await;
        assert_eq!(by_sha(&ctx, "acme/shop", &pull).await, 404);
        assert_eq!(by_sha(&ctx, "globex/site", &theirs).await, 200);
        let left = ["assessments", "check_runs", "installation_repositories", "installations"].map(|t| rows(&ctx, t));
        assert_eq!(left, [1, 1, 1, 1]);
        // One job for the pull request and one for the installation that is left.
        assert_eq!(rows(&ctx, "jobs"), 2);
        let installation = ctx.sim.installation_id("globex").unwrap();
        assert_eq!(rows(&ctx, &format!("inbox WHERE installation_id <> {installation}")), 0);
        ctx
    });
}

#[test]
fn a_large_account_is_erased_in_one_round_and_only_what_is_gone_is_called_so() {
    let logs = logs::capture();
    run_test_with(recovering(), async |ctx| {
        let now = ctx.clock.now().timestamp_millis();
        let (large, returned) = (7_700_001, 7_700_002);
        let covered = |repository_id| CoveredRepository {
            repository_id,
            repository: format!("large/repository-{repository_id}"),
            archived: false,
        };
        let all: Vec<_> = (8_800_000..8_800_250).map(covered).collect();
        ctx.store.save_covered(large, "a", &all, now).await.unwrap();
        ctx.store.installation_deleted(large, now).await.unwrap();
        // What was asked before it went was told after: a repository of it is still there.
        ctx.store.installation_deleted(returned, now).await.unwrap();
        ctx.store.repository_seen(returned, &covered(8_900_000)).await.unwrap();
        ctx.settle().await;
        later(&ctx, 31 * DAY).await;
        assert_eq!(rows(&ctx, "installation_repositories WHERE repository_id BETWEEN 8800000 AND 8800249"), 0);
        let erased = |what: String| logs.lines().iter().any(|line| line.contains("erased") && line.contains(&what));
        assert!(erased("\"repository.id\":8800249".to_owned()) && erased(format!("\"installation.id\":{large}")));
        assert_eq!(rows(&ctx, &format!("installations WHERE installation_id = {returned}")), 1);
        assert!(!erased(format!("\"installation.id\":{returned}")), "its row is still there");
        ctx
    });
}

#[test]
fn the_open_pull_requests_of_an_added_repository_are_scored_behind_what_people_do() {
    run_test_with(recovering(), async |ctx| {
        let shop = ctx.repository();
        ctx.sim.choose_repositories("acme");
        ctx.sim.announce_installation("acme");
        ctx.settle().await;
        let large = ctx.sim.repository("acme/large");
        let waiting: Vec<_> = (0..250).map(|n| large.open(change(n))).collect();
        later(&ctx, HOUR).await;
        assert!(ctx.store.recent(1).await.unwrap().is_empty(), "it is none of ours yet");
        let mark = ctx.sim.requests();
        large.cover();
        let live = shop.open(change(1_000));
        ctx.settle().await;
        for pull in waiting.iter().chain([&live]) {
            let runs = ctx.sim.check_runs(pull.repository(), &pull.head_sha());
            assert!(runs.len() == 1 && runs[0].status == "completed", "#{}", pull.number());
        }
        let exchanges = ctx.sim.exchanges_since(mark);
        let requests = exchanges.len();
        assert!(requests <= 251 * 6, "{requests} requests");
        let created = exchanges.iter().filter(|each| each.method == "POST" && each.path.ends_with("/check-runs"));
        let place = created.into_iter().position(|each| each.path.starts_with("/repos/acme/shop/"));
        assert!(place.unwrap() < 60, "what people do waited behind {place:?}");

        large.uncover();
        ctx.settle().await;
        let mark = ctx.sim.requests();
        waiting[0].push(Edits::new().write("src/late.rs", "fn late() {}\n"));
        later(&ctx, 3 * HOUR).await;
        let gone = |each: &Exchange| each.path.contains("/large/") || each.request_body["variables"]["name"] == "large";
        assert!(!ctx.sim.exchanges_since(mark).iter().any(gone), "work on it ended");
        ctx
    });
}

#[test]
fn half_of_a_minute_s_writes_is_left_to_what_people_do() {
    run_test_with(Setup { writes_per_minute: Some(80), ..recovering() }, async |ctx| {
        let shop = ctx.repository();
        ctx.sim.choose_repositories("acme");
        ctx.sim.announce_installation("acme");
        ctx.settle().await;
        let large = ctx.sim.repository("acme/large");
        let waiting: Vec<_> = (0..100).map(|n| large.open(change(n))).collect();
        let mark = ctx.sim.requests();
        large.cover();
        ctx.settle().await;
        let scored = || {
            let run = |pull: &&PullHandle| ctx.sim.check_runs(pull.repository(), &pull.head_sha()).pop();
            waiting.iter().filter(|pull| run(pull).is_some_and(|run| run.status == "completed")).count()
        };
        assert!((20..=29).contains(&scored()), "{} of them took more than half and what was on its way", scored());
        let before = ctx.clock.now();
        let live: Vec<_> = (0..9).map(|n| shop.open(change(1_000 + n))).collect();
        ctx.rest().await;
        for pull in &live {
            let runs = ctx.sim.check_runs(pull.repository(), &pull.head_sha());
            assert!(runs.iter().any(|run| run.status == "completed"), "people do not wait behind the others");
        }
        assert_eq!(ctx.clock.now(), before);
        for _ in 0..8 {
            later(&ctx, Duration::from_secs(60)).await;
        }
        assert_eq!(scored(), waiting.len());
        let all = waiting.len() + live.len();
        let reads = ctx.sim.exchanges_since(mark).iter().filter(|each| each.path == "/graphql").count();
        assert!(reads <= all * 6 / 5, "{reads} reads for {all} scores");
        ctx
    });
}

#[test]
fn half_of_the_rate_limit_is_left_to_what_people_do() {
    run_test_with(recovering(), async |ctx| {
        let shop = ctx.repository();
        ctx.sim.choose_repositories("acme");
        ctx.sim.announce_installation("acme");
        ctx.settle().await;
        let added = ctx.sim.repository("acme/added");
        let waiting: Vec<_> = (0..5).map(|n| added.open(change(n))).collect();
        ctx.sim.leave("acme", "core", 2_400, 1_800);
        added.cover();
        let live = shop.open(change(9));
        ctx.settle().await;
        assert_eq!(ctx.check_run(&live).await.status, "completed", "people do not wait");
        later(&ctx, HOUR / 4).await;
        let runs = |pull: &PullHandle| ctx.sim.check_runs(pull.repository(), &pull.head_sha()).len();
        assert_eq!(waiting.iter().map(runs).sum::<usize>(), 0, "the rest of the limit is not theirs");
        later(&ctx, HOUR / 2).await;
        assert_eq!(waiting.iter().map(runs).sum::<usize>(), 5);
        ctx
    });
}

#[test]
fn a_repository_is_the_same_under_another_name_and_owner() {
    run_test_with(recovering(), async |ctx| {
        let shop = ctx.repository();
        ctx.sim.announce_installation("acme");
        let scored = shop.open(change(1));
        ctx.check_run(&scored).await;
        // Renamed while a job is queued that knows the old name only.
        ctx.sim.fault(down());
        let queued = shop.open(change(2));
        ctx.rest().await;
        let store = shop.rename("store");
        ctx.sim.heal();
        for pull in [&scored, &queued] {
            ctx.check_run(pull).await;
            for name in ["acme/store", "acme/shop"] {
                assert_eq!(by_sha(&ctx, name, pull).await, 200, "{name}");
            }
        }
        // Renamed, and another repository takes the name.
        ctx.sim.fault(down());
        let number = store.open(change(3)).number();
        ctx.rest().await;
        let store = store.rename("market");
        let other = ctx.sim.repository("acme/store");
        ctx.sim.heal();
        assert_eq!(ctx.check_run(&store.pull(number)).await.status, "completed");
        assert_eq!(by_sha(&ctx, "acme/market", &store.pull(number)).await, 200);
        ctx.check_run(&other.open(change(4))).await;
        assert_eq!(by_sha(&ctx, "acme/store", &store.pull(number)).await, 404, "the name is another one's");
        let [scored, queued] = [scored, queued].map(|pull| store.pull(pull.number()));
        // The account has another name, then the repository another owner.
        ctx.sim.rename_account("acme", "acme-inc");
        ctx.settle().await;
        assert_eq!(by_sha(&ctx, "acme-inc/market", &queued).await, 200);
        ctx.sim.announce_installation("acme-inc");
        ctx.settle().await;
        let moved = store.transfer("globex");
        let pushed = Edits::new().write("src/moved.rs", "fn moved() {}\n");
        scored.push(pushed);
        ctx.check_run(&scored).await;
        assert_eq!(moved.full_name(), "globex/market");
        assert_eq!(by_sha(&ctx, "globex/market", &scored).await, 200);
        ctx
    });
}

#[test]
fn what_is_not_granted_is_said_by_name_and_stops_nothing() {
    let logs = logs::capture();
    let setup = Setup {
        sim: |options| {
            options.permissions.remove("members");
            options.permissions.insert("pull_requests".to_owned(), "read".to_owned());
        },
        ..Setup::default()
    };
    run_test_with(setup, async |ctx| {
        let shop = ctx.repository();
        ctx.sim.unsubscribe("acme", "push");
        ctx.sim.announce_installation("acme");
        ctx.settle().await;
        let id = ctx.sim.installation_id("acme").unwrap();
        let told = || logs.lines().into_iter().filter(|line| line.contains(&id.to_string()) && line.contains("lacks"));
        assert_eq!(told().count(), 1);
        assert!(told().all(|line| line.contains("permission members: read") && line.contains("event push")));
        // Once for each change, not for each event.
        ctx.sim.announce_installation("acme");
        ctx.settle().await;
        assert_eq!(told().count(), 1);

        let pull = shop.open(change(1));
        let run = ctx.check_run(&pull).await;
        let line = format!(
            "The installation has not granted {}`members: read`; an owner can accept it at \
             `https://github.example/organizations/acme/settings/installations/{id}`",
            if writes_pull_requests() { "`pull_requests: write`, " } else { "" }
        );
        let summary = run.summary.unwrap();
        assert!(summary.contains(&line), "{summary}");

        let mut granted = SimOptions::new(start).permissions;
        granted.insert("pull_requests".to_owned(), "write".to_owned());
        ctx.sim.grant("acme", granted);
        ctx.settle().await;
        assert!(pull.rerequest());
        let summary = ctx.check_run(&pull).await.summary.unwrap();
        assert!(!summary.contains("has not granted"), "{summary}");
        ctx
    });
}

/// Whether this version asks to write pull requests.
fn writes_pull_requests() -> bool {
    mergecast::github::PERMISSIONS.iter().any(|each| (each.name, each.access) == ("pull_requests", "write"))
}

#[test]
fn an_event_that_comes_late_changes_nothing() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        ctx.sim.announce_installation("acme");
        ctx.sim.suspend("acme", true);
        ctx.sim.suspend("acme", false);
        ctx.settle().await;
        let suspended =
            ctx.sim.deliveries().into_iter().find(|each| each.action.as_deref() == Some("suspend")).unwrap();
        // As if it had been overtaken: the same payload under an id of its own.
        ctx.sim.send("installation", suspended.payload);
        ctx.settle().await;
        assert_eq!(ctx.check_run(&shop.open(change(1))).await.status, "completed");
        ctx
    });
}
