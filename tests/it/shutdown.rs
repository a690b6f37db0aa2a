//! SIGTERM while work is under way: it is finished or given back, and the next process goes on at once. What is logged
//! meanwhile says what it is about.

use std::time::Duration;

use mergecast::{
    clock::Clock,
    github::sim::{Fault, FaultKind, FaultOn, Sim, SimOptions, Times},
    report::check_run::NAME,
};
use serde_json::Value;

use crate::{
    program::{Server, read},
    work::change,
};

#[test]
fn a_stop_in_the_middle_finishes_or_gives_back_what_is_held() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::system();
        let sim = Sim::start(SimOptions::new(move || clock.now())).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::spawn(&sim, directory.path());
        let address = server.listening().await;
        sim.deliver_to(&format!("http://{address}/webhooks/github"));
        // Slow enough that every worker holds a job when the signal comes, and more wait.
        let slow = FaultKind::Slow(Duration::from_millis(300));
        sim.fault(Fault { on: FaultOn::any(), kind: slow, times: Times::Always });
        let shop = sim.repository("acme/shop");
        let pulls: Vec<_> = (0..12).map(|n| shop.open(change(n))).collect();
        let held = "SELECT COUNT(*) FROM jobs WHERE lease_until IS NOT NULL";
        let number = |sql: &'static str| {
            read(directory.path(), |database| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap())
        };
        let arrived = "SELECT COUNT(*) FROM inbox WHERE event = 'pull_request'";
        for _ in 0..1_000 {
            if number(held) >= 4 && number(arrived) >= 12 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(number(held) > 0, "work is under way");
        let log = server.stop_and_read();
        assert_eq!(number(held), 0, "no claim is left behind");
        assert_eq!(number("SELECT COUNT(*) FROM inbox WHERE lease_until IS NOT NULL"), 0);
        assert!(number("SELECT COUNT(*) FROM assessments") > 0, "what could be finished was");
        let waiting = number("SELECT COUNT(*) FROM jobs WHERE state = 'queued'")
            + number("SELECT COUNT(*) FROM inbox WHERE state = 'queued'");
        assert!(waiting > 0, "what waited waits on");
        lines_say_what_they_are_about(&log);

        sim.heal();
        let mut server = Server::spawn(&sim, directory.path());
        let address = server.listening().await;
        sim.deliver_to(&format!("http://{address}/webhooks/github"));
        server.quiet(&sim).await;
        server.stop();
        for pull in &pulls {
            let runs = sim.check_runs(pull.repository(), &pull.head_sha());
            let ours: Vec<_> = runs.iter().filter(|run| run.name == NAME).collect();
            assert!(ours.len() == 1 && ours[0].status == "completed", "{ours:?}");
        }
    });
}

/// Every line about work names the delivery, the repository and the pull request.
fn lines_say_what_they_are_about(log: &str) {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    let scored: Vec<Value> = lines.filter(|line| line["fields"]["message"] == "scored").collect();
    assert!(!scored.is_empty(), "{log}");
    for line in scored {
        let span = &line["span"];
        assert_eq!((&span["name"], &span["repository"]), (&"job".into(), &"acme/shop".into()), "{line}");
        assert!(span["pr.number"].as_u64().is_some_and(|number| number > 0), "{line}");
        assert!(span["delivery.id"].as_str().is_some_and(|id| id.len() == 36), "{line}");
    }
}
