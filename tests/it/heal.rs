//! Whatever goes wrong on the way to GitHub passes: one check run, complete, with each remark once. What cannot pass
//! ends where people see it.

use std::time::Duration;

use mergecast::github::sim::{Edits, Fault, FaultKind, FaultOn, PullSpec, SimOptions, Times};
use mergecast::report::check_run::{ANNOTATIONS_MAX, NAME};

use crate::{
    logs,
    support::{Ctx, Setup, run_test, run_test_with},
    work::change,
};

/// A migration with more to remark on than one request can carry.
fn remarkable(n: usize) -> PullSpec {
    let statements: String = (0..60).map(|table| format!("DROP TABLE t{table};\n")).collect();
    PullSpec::new(
        format!("Drop the old tables {n}"),
        "ada",
        Edits::new().write(format!("migrations/{n}.sql"), statements),
    )
}

fn token() -> FaultOn {
    FaultOn::new("POST", "/app/installations/*/access_tokens")
}

fn files() -> FaultOn {
    FaultOn::new("GET", "/repos/*/*/pulls/*/files")
}

fn create() -> FaultOn {
    FaultOn::new("POST", "/repos/*/*/check-runs")
}

fn update() -> FaultOn {
    FaultOn::new("PATCH", "/repos/*/*/check-runs/*")
}

/// Each job's key, attempts and last error, as the database's file has them.
pub(crate) fn jobs(ctx: &Ctx) -> Vec<(String, i64, Option<String>)> {
    let database = rusqlite::Connection::open(ctx.directory.path().join("mergecast.db")).unwrap();
    let mut select = database.prepare("SELECT state, attempts, last_error FROM jobs ORDER BY job_key").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Every call meets every fault twice in a row.
fn every_call_survives(kind: FaultKind) {
    let setup = Setup { deadline: Duration::from_millis(500), ..Setup::default() };
    run_test_with(setup, async |ctx| {
        let shop = ctx.repository();
        let calls = [token(), FaultOn::graphql(), files(), create(), update()];
        for (n, on) in calls.into_iter().enumerate() {
            ctx.sim.expire_tokens();
            ctx.clock.advance(Duration::from_secs(3_600));
            ctx.sim.fault(Fault { on: on.clone(), kind: kind.clone(), times: Times::Next(2) });
            let mark = ctx.sim.requests();
            let pull = shop.open(remarkable(n));
            let run = ctx.check_run(&pull).await;
            let seen = ctx.sim.exchanges_since(mark);
            // Those that are never answered are under way to this day.
            let silent = (ctx.sim.requests() - mark) as usize - seen.len();
            let hit = seen.iter().filter(|each| each.faulted).count() + silent;
            // An answer that is lost after POST is found by looking: there is no second POST to be hit.
            let expected = if kind == FaultKind::AnswerLostAfterWrite && on == create() { 1 } else { 2 };
            assert_eq!(hit, expected, "{kind:?} on {on:?}");
            assert_eq!(run.status, "completed", "{kind:?} on {on:?}");
            assert_eq!(run.annotations.len(), ANNOTATIONS_MAX, "{kind:?} on {on:?}");
            assert_eq!(run.writes.iter().filter(|write| write.method == "POST").count(), 1);
            assert_eq!(ctx.assessment(&pull).await["id"], run.external_id.as_str(), "{kind:?} on {on:?}");
            ctx.sim.heal();
        }
        ctx
    });
}

#[test]
fn every_call_survives_a_500() {
    every_call_survives(FaultKind::Status(500));
}

#[test]
fn every_call_survives_a_502() {
    every_call_survives(FaultKind::Status(502));
}

#[test]
fn every_call_survives_a_429() {
    every_call_survives(FaultKind::Status(429));
}

#[test]
fn every_call_survives_a_reset() {
    every_call_survives(FaultKind::Reset);
}

#[test]
fn every_call_survives_silence() {
    every_call_survives(FaultKind::Timeout);
}

#[test]
fn every_call_survives_garbage() {
    every_call_survives(FaultKind::Garbage);
}

#[test]
fn every_call_survives_a_lost_answer() {
    every_call_survives(FaultKind::AnswerLostAfterWrite);
}

#[test]
fn a_write_that_is_done_long_after_its_connection_broke_is_not_done_twice() {
    run_test(async |ctx| {
        for (n, on) in [create(), update()].into_iter().enumerate() {
            let kind = FaultKind::DoneAfterReset(Duration::from_millis(400));
            ctx.sim.fault(Fault { on, kind, times: Times::Next(1) });
            let mark = ctx.sim.requests();
            let pull = ctx.repository().open(remarkable(n));
            let broken = || ctx.sim.exchanges_since(mark).iter().any(|each| each.faulted);
            while !broken() || !ctx.service().is_waiting().await.unwrap() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            // The pause after a failure is over, and the write still is not done at GitHub.
            ctx.clock.advance(Duration::from_secs(2));
            ctx.service().wake();
            ctx.rest().await;
            let run = ctx.check_run(&pull).await;
            assert_eq!((run.status.as_str(), run.annotations.len()), ("completed", ANNOTATIONS_MAX));
        }
        ctx
    });
}

#[test]
fn a_token_that_ends_under_way_is_renewed_and_nothing_is_lost() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let tokens = |mark: u64| {
            let new = |path: &str| path.ends_with("/access_tokens");
            ctx.sim.exchanges_since(mark).iter().filter(|each| new(&each.path)).count()
        };
        ctx.check_run(&shop.open(change(0))).await;
        for (n, on) in [FaultOn::graphql(), files(), create(), update()].into_iter().enumerate() {
            let mark = ctx.sim.requests();
            ctx.sim.fault(Fault { on, kind: FaultKind::Status(401), times: Times::Next(1) });
            let pull = shop.open(change(1 + n));
            ctx.rest().await;
            // Without a single wait: a fresh token mends it on the spot.
            let run = ctx.sim.check_runs(pull.repository(), &pull.head_sha()).pop().unwrap();
            assert_eq!((run.status.as_str(), tokens(mark)), ("completed", 1));
        }
        // Expired for GitHub, while the clock here says that there is time left.
        let mark = ctx.sim.requests();
        ctx.sim.expire_tokens();
        let pull = shop.open(change(9));
        ctx.rest().await;
        assert_eq!(ctx.check_run(&pull).await.status, "completed");
        assert_eq!(tokens(mark), 1);
        // Old by the clock: renewed before it is refused.
        let mark = ctx.sim.requests();
        ctx.clock.advance(Duration::from_secs(56 * 60));
        ctx.check_run(&shop.open(change(10))).await;
        assert_eq!(tokens(mark), 1);
        assert!(ctx.sim.exchanges_since(mark).iter().all(|each| each.status != Some(401)));
        ctx
    });
}

fn cannot_write_checks(sim: &mut SimOptions) {
    sim.permissions.insert("checks".to_owned(), "read".to_owned());
}

#[test]
fn a_missing_permission_is_named_and_its_grant_mends_it() {
    let setup = Setup { sim: cannot_write_checks, may_bury: true, ..Setup::default() };
    run_test_with(setup, async |ctx| {
        let logs = logs::capture();
        let pull = ctx.repository().open(change(1));
        ctx.settle().await;
        let (state, _, error) = jobs(&ctx).pop().unwrap();
        let error = error.unwrap();
        assert_eq!(state, "buried");
        assert!(error.contains("checks=write"), "{error}");
        let reference = error.split("reference ").nth(1).unwrap().trim_end_matches(')');
        let line = logs.lines().into_iter().find(|line| line.contains(reference) && line.contains("buried")).unwrap();
        assert!(line.contains("checks=write"), "{line}");
        // It is not tried again and again meanwhile.
        let refused = ctx.sim.exchanges().iter().filter(|each| each.status == Some(403)).count();
        assert!(refused <= 2, "{refused}");

        let mut granted = SimOptions::new(|| chrono::DateTime::UNIX_EPOCH).permissions;
        granted.insert("checks".to_owned(), "write".to_owned());
        ctx.sim.grant("acme", granted);
        ctx.settle().await;
        pull.retitle("Once more, with permission");
        assert_eq!(ctx.check_run(&pull).await.status, "completed");
        ctx
    });
}

#[test]
fn work_that_cannot_be_done_ends_neutral_with_a_reference() {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |ctx| {
        let logs = logs::capture();
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: FaultKind::Garbage, times: Times::Always });
        let pull = ctx.repository().open(change(1));
        let run = ctx.check_run(&pull).await;
        assert_eq!((run.status.as_str(), run.conclusion.as_deref()), ("completed", Some("neutral")));
        let (state, _, error) = jobs(&ctx).pop().unwrap();
        assert_eq!(state, "buried");
        let reference = run.external_id.as_str();
        assert!(run.summary.unwrap().contains(reference) && error.unwrap().contains(reference));
        assert!(logs.lines().iter().any(|line| line.contains("ERROR") && line.contains(reference)));
        // The next event is a new chance, on the same run.
        ctx.sim.heal();
        assert!(pull.press("rescore"));
        let healed = ctx.check_run(&pull).await;
        assert_eq!((healed.id, healed.conclusion.as_deref()), (run.id, Some("success")));
        ctx
    });
}

/// GitHub is down altogether for longer than a job is tried. `begun`: the check run stands there unfinished.
fn an_outage_ends_in_a_completed_run(begun: bool) {
    run_test_with(Setup { may_bury: true, ..Setup::default() }, async |ctx| {
        let down = |on| ctx.sim.fault(Fault { on, kind: FaultKind::Status(502), times: Times::Always });
        if begun {
            down(files());
        } else {
            down(FaultOn::graphql());
            down(create());
        }
        down(update());
        let pull = ctx.repository().open(change(1));
        for _ in 0..90 {
            ctx.step().await;
        }
        assert!(ctx.clock.now() - crate::support::start() > chrono::TimeDelta::minutes(20));
        let runs = ctx.sim.check_runs(pull.repository(), &pull.head_sha());
        assert_eq!(runs.len(), usize::from(begun));
        // Writes are taken again; what is to be read is still broken.
        ctx.sim.heal();
        ctx.sim.fault(Fault { on: FaultOn::graphql(), kind: FaultKind::Garbage, times: Times::Always });
        let run = ctx.check_run(&pull).await;
        assert_eq!(
            (run.name.as_str(), run.status.as_str(), run.conclusion.as_deref()),
            (NAME, "completed", Some("neutral"))
        );
        ctx
    });
}

#[test]
fn after_a_long_outage_a_run_that_was_begun_is_completed() {
    an_outage_ends_in_a_completed_run(true);
}

#[test]
fn after_a_long_outage_there_is_a_run_that_says_so() {
    an_outage_ends_in_a_completed_run(false);
}
