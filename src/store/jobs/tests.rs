//! Jobs through a real database.

use super::{super::testing::*, *};
use crate::store::{DeliveryOutcome, StoreError};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LEASE_MS: i64 = 60_000;
const LEASE: Duration = Duration::from_millis(60_000);

fn request(key: &str, payload: &str, run_at: i64) -> JobRequest {
    JobRequest { key: key.to_owned(), kind: "assess".to_owned(), payload: payload.to_owned(), run_at, replaces: true }
}

async fn claim(store: &Store, now: i64, token: &str) -> Option<Job> {
    store.claim_job(now, LEASE, token).await.unwrap()
}

#[tokio::test]
async fn thirty_two_requests_are_one_run() {
    let place = Place::new();
    let store = place.open().await;
    for n in 0..32 {
        store.accept(&delivery_at(n)).await.unwrap();
    }
    for delivery in store.claim_deliveries(100, LEASE, 32).await.unwrap() {
        let job = request("pr:1:7", &delivery.delivery_id, 100);
        store.finish_delivery(&delivery.delivery_id, 100, DeliveryOutcome::Done, &[job]).await.unwrap();
    }
    let job = claim(&store, 100, "a").await.unwrap();
    assert_eq!((job.wanted, job.payload.as_str(), job.attempts), (32, id(31).as_str(), 1));
    assert_eq!(claim(&store, 100, "b").await, None);
    assert!(store.finish_job(&job, 110).await.unwrap());
    assert_eq!(claim(&store, i64::MAX / 2, "c").await, None);
    assert_eq!(store.job_counts().await, Ok(JobCounts { idle: 1, ..Default::default() }));
}

#[tokio::test]
async fn a_job_knows_its_newest_delivery_and_since_when_the_oldest_waits() {
    let place = Place::new();
    let store = place.open().await;
    let deliver = async |n: i64| {
        store.accept(&delivery_at(n)).await.unwrap();
        let jobs = [request("pr:1:7", "{}", n)];
        store.finish_delivery(&id(n), n, DeliveryOutcome::Done, &jobs).await.unwrap();
    };
    deliver(10).await;
    deliver(20).await;
    let first = claim(&store, 30, "a").await.unwrap();
    assert_eq!((first.delivery_id.clone(), first.received_at), (Some(id(20)), Some(10)));
    deliver(40).await;
    deliver(50).await;
    assert!(store.finish_job(&first, 60).await.unwrap());
    // Of what came during the run, the newest is known.
    let second = claim(&store, 60, "b").await.unwrap();
    assert_eq!((second.delivery_id.clone(), second.received_at), (Some(id(50)), Some(50)));
    assert!(store.postpone_job(&second, 70, "GitHub answered 500", true).await.unwrap());
    store.request_job(&request("pr:1:7", "{}", 65), 65).await.unwrap();
    let third = claim(&store, 70, "c").await.unwrap();
    assert_eq!((third.delivery_id.clone(), third.received_at), (Some(id(50)), Some(50)), "it waits on");
    assert!(store.finish_job(&third, 80).await.unwrap());
    // What nobody delivered has no delivery.
    assert!(store.revive_job("pr:1:7", 90).await.unwrap());
    let revived = claim(&store, 90, "d").await.unwrap();
    assert_eq!((revived.delivery_id, revived.received_at), (None, None));
}

#[tokio::test]
async fn jobs_at_rest_are_forgotten_and_others_are_not() {
    let place = Place::new();
    let store = place.open().await;
    for (key, at) in [("pr:1:1", 10), ("pr:1:2", 20), ("pr:1:3", 30), ("pr:1:4", 40)] {
        store.request_job(&request(key, "{}", at), at).await.unwrap();
    }
    for (key, at) in [("pr:1:1", 10), ("pr:1:2", 20)] {
        let job = claim(&store, at, key).await.unwrap();
        assert!(store.finish_job(&job, at).await.unwrap());
    }
    let job = claim(&store, 30, "b").await.unwrap();
    assert!(store.bury_job(&job, 30, "why").await.unwrap());
    let backlog = Backlog { queued: 1, buried: 1, oldest_queued_at: Some(40) };
    assert_eq!(store.job_backlog(1_000).await, Ok(backlog));
    assert_eq!(store.forget_jobs(20, 9).await, Ok(1), "the one before 20");
    assert_eq!(store.forget_jobs(1_000, 9).await, Ok(1), "neither what waits nor what was given up");
    assert_eq!(store.job_backlog(1_000).await, Ok(backlog));
    assert_eq!(store.job_counts().await.unwrap().idle, 0);
}

#[tokio::test]
async fn the_end_of_an_override_is_late_only_once_it_has_come() {
    let place = Place::new();
    let store = place.open().await;
    let end = JobRequest { kind: "override".to_owned(), ..request("override:1:7", "{}", 500) };
    store.request_job(&end, 10).await.unwrap();
    assert_eq!(store.job_backlog(499).await, Ok(Backlog::default()));
    let late = Backlog { queued: 1, buried: 0, oldest_queued_at: Some(500) };
    assert_eq!(store.job_backlog(500).await, Ok(late));
    // What is put off goes on waiting.
    store.request_job(&request("pr:1:7", "{}", 20), 20).await.unwrap();
    let job = claim(&store, 20, "a").await.unwrap();
    assert!(store.postpone_job(&job, 900, "a rate limit", false).await.unwrap());
    let put_off = Backlog { queued: 1, buried: 0, oldest_queued_at: Some(20) };
    assert_eq!(store.job_backlog(499).await, Ok(put_off));
}

/// What is looked at when the process starts, each time metrics are asked for, and every five minutes.
#[tokio::test]
async fn a_million_finished_rows_are_not_looked_through() {
    let place = Place::new();
    place.open().await.close().await;
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    let looks = super::super::STATEMENTS.iter().copied().flatten().filter(|sql| {
        let often = [RELEASE_JOBS, RELEASE_DELIVERIES, BACKLOG, FORGET, CLAIM, NEXT_DUE].contains(sql);
        often
            || sql.contains("FROM inbox WHERE state")
            || sql.contains("LENGTH(facts)")
            || sql.contains("stored_at < $1")
    });
    let mut looked_at = 0;
    for sql in looks {
        let sql = super::super::sqlite::rewrite_placeholders(&format!("EXPLAIN QUERY PLAN {sql}"));
        let mut explained = connection.prepare(&sql).unwrap();
        for n in 1..=explained.parameter_count() {
            explained.raw_bind_parameter(n, 1).unwrap();
        }
        let mut rows = explained.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            // The state of recovery is one row, and what is claimed at a time is counted row by row.
            let few = ["SCAN recovery", "SCAN due", "SCAN summed"].contains(&step.as_str())
                || step.starts_with("SCAN (subquery-");
            assert!(!step.starts_with("SCAN") || few, "{step} in {sql}");
        }
        looked_at += 1;
    }
    assert!(looked_at >= 9, "{looked_at}");
}

#[tokio::test]
async fn only_what_rests_is_revived() {
    let place = Place::new();
    let store = place.open().await;
    assert_eq!(store.revive_job("pr:1:7", 10).await, Ok(false));
    store.request_job(&request("pr:1:7", "{}", 500), 10).await.unwrap();
    assert_eq!(store.revive_job("pr:1:7", 20).await, Ok(false), "a pause is not cut short");
    let job = claim(&store, 500, "a").await.unwrap();
    assert_eq!(store.revive_job("pr:1:7", 510).await, Ok(false), "it runs");
    assert!(store.bury_job(&job, 520, "why").await.unwrap());
    assert_eq!(store.revive_job("pr:1:7", 600).await, Ok(true));
    assert_eq!(claim(&store, 599, "b").await, None);
    assert_eq!(claim(&store, 600, "c").await.unwrap().attempts, 1);
}

#[tokio::test]
async fn a_delivery_finished_twice_requests_once() {
    let place = Place::new();
    let store = place.open().await;
    store.accept(&delivery_at(1)).await.unwrap();
    let jobs = [request("pr:1:7", "{}", 5), request("pr:1:8", "{}", 5)];
    for _ in 0..2 {
        store.finish_delivery(&id(1), 5, DeliveryOutcome::Done, &jobs).await.unwrap();
    }
    assert_eq!(claim(&store, 5, "a").await.unwrap().wanted, 1);
    assert_eq!(claim(&store, 5, "b").await.unwrap().wanted, 1);
}

#[tokio::test]
async fn a_request_during_a_run_leads_to_one_more_run() {
    let place = Place::new();
    let store = place.open().await;
    store.request_job(&request("pr:1:7", "old", 10), 10).await.unwrap();
    let first = claim(&store, 10, "a").await.unwrap();
    store.request_job(&request("pr:1:7", "new", 11), 11).await.unwrap();
    assert_eq!(claim(&store, 12, "b").await, None, "one at a time");
    assert!(store.finish_job(&first, 20).await.unwrap());
    assert_eq!(store.next_due().await, Ok(Some(20)));
    let second = claim(&store, 20, "b").await.unwrap();
    assert_eq!((second.payload.as_str(), second.wanted, second.attempts), ("new", 2, 1));

    store.request_job(&request("pr:1:7", "newest", 21), 21).await.unwrap();
    assert!(store.bury_job(&second, 30, "no such commit").await.unwrap());
    let third = claim(&store, 30, "c").await.unwrap();
    assert_eq!((third.payload.as_str(), third.wanted), ("newest", 3));
    assert!(store.bury_job(&third, 40, "no such commit").await.unwrap());
    let buried = JobCounts { buried: 1, ..Default::default() };
    assert_eq!((store.job_counts().await, store.next_due().await), (Ok(buried), Ok(None)));
    assert!(store.request_job_again("pr:1:7", 50).await.unwrap());
    assert!(!store.request_job_again("pr:1:8", 50).await.unwrap());
    let fourth = claim(&store, 50, "d").await.unwrap();
    assert_eq!((fourth.payload.as_str(), fourth.attempts), ("newest", 1));
}

#[tokio::test]
async fn a_lapsed_lease_ends_nothing() {
    let place = Place::new();
    let store = place.open().await;
    store.request_job(&request("pr:1:7", "{}", 0), 0).await.unwrap();
    let slow = claim(&store, 0, "slow").await.unwrap();
    assert!(store.renew_job(&slow, 1_000, LEASE).await.unwrap());
    assert_eq!(store.next_due().await, Ok(Some(61_000)));
    assert_eq!(claim(&store, 60_999, "fast").await, None);
    let fast = claim(&store, 61_000, "fast").await.unwrap();
    assert_eq!(fast.attempts, 2);
    assert_eq!(store.renew_job(&slow, 61_001, LEASE).await, Ok(false));
    assert_eq!(store.finish_job(&slow, 61_001).await, Ok(false));
    assert_eq!(store.postpone_job(&slow, 0, "", true).await, Ok(false));
    assert_eq!(store.bury_job(&slow, 61_001, "").await, Ok(false));
    assert_eq!(store.finish_job(&fast, 61_002).await, Ok(true));
    assert_eq!(store.finish_job(&fast, 61_002).await, Ok(false));
}

#[tokio::test]
async fn postponing_keeps_or_gives_back_the_attempt_and_the_earlier_time_holds() {
    let place = Place::new();
    let store = place.open().await;
    store.request_job(&request("pr:1:7", "{}", 500), 0).await.unwrap();
    store.request_job(&request("pr:1:7", "{}", 900), 1).await.unwrap();
    assert_eq!(store.next_due().await, Ok(Some(500)));
    store.request_job(&request("pr:1:7", "{}", 300), 2).await.unwrap();
    assert_eq!(store.next_due().await, Ok(Some(300)));
    assert_eq!(claim(&store, 299, "a").await, None);

    let job = claim(&store, 300, "a").await.unwrap();
    store.postpone_job(&job, 1_000, "GitHub answered 500", true).await.unwrap();
    assert_eq!(store.next_due().await, Ok(Some(1_000)));
    let job = claim(&store, 1_000, "b").await.unwrap();
    assert_eq!(job.attempts, 2);
    store.postpone_job(&job, 2_000, "rate limit", false).await.unwrap();
    assert_eq!(claim(&store, 2_000, "c").await.unwrap().attempts, 2);
}

#[tokio::test]
async fn the_longest_queued_comes_first() {
    let place = Place::new();
    let store = place.open().await;
    for (queued_at, key) in [(3, "c"), (1, "a"), (2, "b")] {
        store.request_job(&request(key, "{}", 10 - queued_at), queued_at).await.unwrap();
    }
    let counts = JobCounts { queued: 3, oldest_queued_at: Some(1), ..Default::default() };
    assert_eq!(store.job_counts().await, Ok(counts));
    for key in ["a", "b", "c"] {
        assert_eq!(claim(&store, 10, key).await.unwrap().key, key);
    }
}

#[tokio::test]
async fn a_merge_group_waits_for_no_backlog() {
    let place = Place::new();
    let store = place.open().await;
    for n in 0..50 {
        store.request_job(&request(&format!("pr:1:{n}"), "{}", n), n).await.unwrap();
    }
    for (n, run_at) in [(1, 100), (2, 100), (3, 999)] {
        let group = JobRequest { kind: "merge_group".to_owned(), ..request(&format!("group:1:{n}"), "{}", run_at) };
        store.request_job(&group, 60 + n).await.unwrap();
    }
    // One that is for later holds nothing up, and what is claimed is not claimed again.
    for key in ["group:1:1", "group:1:2", "pr:1:0", "pr:1:1"] {
        assert_eq!(claim(&store, 100, key).await.unwrap().key, key);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_claims_each_job_once() {
    let place = Place::new();
    let store = place.open().await;
    at_once(500, |n| {
        let store = store.clone();
        async move { store.request_job(&request(&format!("pr:1:{n}"), "{}", 0), 0).await.unwrap() }
    })
    .await;
    let claims = at_once(64, |worker| {
        let store = store.clone();
        async move {
            let mut mine = Vec::new();
            while let Some(job) = claim(&store, 0, &format!("{worker}/{}", mine.len())).await {
                mine.push(job.key);
            }
            mine
        }
    });
    let claimed = claims.await.concat();
    assert_eq!(claimed.len(), 500);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 500);
}

#[derive(Clone, Debug)]
enum Step {
    Request(u8, i64),
    Claim,
    Finish(usize),
    Postpone(usize, i64, bool),
    Bury(usize),
    Renew(usize),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8, 0..2_000i64).prop_map(|(key, wait)| Step::Request(key, wait)),
        4 => Just(Step::Claim),
        2 => any::<usize>().prop_map(Step::Finish),
        2 => (any::<usize>(), 0..2_000i64, any::<bool>()).prop_map(|(n, wait, counts)| Step::Postpone(n, wait, counts)),
        1 => any::<usize>().prop_map(Step::Bury),
        1 => any::<usize>().prop_map(Step::Renew),
        2 => (0..LEASE_MS * 2).prop_map(Step::Pass),
    ]
}

/// What must hold, without the store: who holds which key until when, and how many requests are unanswered.
#[derive(Default)]
struct Model {
    now: i64,
    claims: Vec<Job>,
    /// By key: token and end of the lease in force.
    leases: BTreeMap<String, (String, i64)>,
    requested: BTreeMap<String, i64>,
    /// Answered by a run or given up.
    settled: BTreeMap<String, i64>,
}

impl Model {
    fn holds(&self, job: &Job) -> bool {
        self.leases.get(&job.key).is_some_and(|(token, _)| *token == job.token)
    }

    fn release(&mut self, job: &Job, settled: bool) {
        self.leases.remove(&job.key);
        if settled {
            self.settled.insert(job.key.clone(), job.wanted);
        }
    }

    async fn take(&mut self, store: &Store, step: Step) -> Result<(), StoreError> {
        let claimed = |model: &Self, n: usize| model.claims.get(n % model.claims.len().max(1)).cloned();
        match step {
            Step::Pass(ms) => self.now += ms,
            Step::Request(key, wait) => {
                let key = format!("pr:1:{key}");
                let requested = self.requested.entry(key.clone()).or_default();
                *requested += 1;
                store.request_job(&request(&key, &requested.to_string(), self.now + wait), self.now).await?;
            }
            Step::Claim => self.claim(store).await?,
            Step::Finish(n) => {
                let Some(job) = claimed(self, n) else { return Ok(()) };
                let held = store.finish_job(&job, self.now).await?;
                assert_eq!(held, self.holds(&job));
                if held {
                    self.release(&job, true);
                }
            }
            Step::Postpone(n, wait, counts) => {
                let Some(job) = claimed(self, n) else { return Ok(()) };
                let held = store.postpone_job(&job, self.now + wait, "why", counts).await?;
                assert_eq!(held, self.holds(&job));
                if held {
                    self.release(&job, false);
                }
            }
            Step::Bury(n) => {
                let Some(job) = claimed(self, n) else { return Ok(()) };
                let held = store.bury_job(&job, self.now, "why").await?;
                assert_eq!(held, self.holds(&job));
                if held {
                    self.release(&job, true);
                }
            }
            Step::Renew(n) => {
                let Some(job) = claimed(self, n) else { return Ok(()) };
                let held = store.renew_job(&job, self.now, LEASE).await?;
                assert_eq!(held, self.holds(&job));
                if held {
                    self.leases.insert(job.key, (job.token, self.now + LEASE_MS));
                }
            }
        }
        Ok(())
    }

    async fn claim(&mut self, store: &Store) -> Result<(), StoreError> {
        let token = self.claims.len().to_string();
        let Some(job) = store.claim_job(self.now, LEASE, &token).await? else { return Ok(()) };
        let lapsed = self.leases.get(&job.key).is_none_or(|(_, until)| *until <= self.now);
        assert!(lapsed, "{} runs twice at {}", job.key, self.now);
        assert_eq!(job.payload, self.requested[&job.key].to_string(), "the newest payload");
        assert!(job.wanted > self.settled.get(&job.key).copied().unwrap_or(0), "nothing asked for {}", job.key);
        self.leases.insert(job.key.clone(), (token, self.now + LEASE_MS));
        self.claims.push(job);
        Ok(())
    }

    /// Whatever was asked for and not answered still runs, sooner or later.
    async fn drain(&mut self, store: &Store) -> Result<(), StoreError> {
        while let Some(due) = store.next_due().await? {
            self.now = self.now.max(due);
            let before = self.claims.len();
            self.claim(store).await?;
            assert_eq!(self.claims.len(), before + 1, "due at {due}, and nothing to claim");
            self.take(store, Step::Finish(before)).await?;
        }
        assert_eq!(self.settled, self.requested);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_key_runs_twice_at_once_and_no_request_is_lost(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let place = Place::new();
            let store = place.open().await;
            let mut model = Model::default();
            for step in steps {
                model.take(&store, step).await.unwrap();
            }
            model.drain(&store).await.unwrap();
        });
    }
}
