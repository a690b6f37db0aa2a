//! `run_test(|ctx| …)`: the real service on the simulated GitHub, a temporary database and a clock that moves only to
//! the next thing that is due. At the end everything that went over the wire is held to GitHub's documents, and nothing
//! may be left over: no unfinished work, no buried job, no unfinished or second check run.

use std::{collections::BTreeSet, future::Future, net::Ipv4Addr, sync::Arc, time::Duration};

use chrono::{DateTime, TimeZone, Utc};
use mergecast::{
    clock::Clock,
    github::{
        AppCredentials, GitHub, Options, Urls,
        sim::{Exchange, PullHandle, Sim, SimCheckRun, SimOptions, SimRepository},
    },
    report::{self, check_run::NAME},
    service::{Links, Operations, Service, Settings, Timing},
    store::{Store, StoreOptions, StorePath},
};

use secrecy::SecretString;

use crate::contracts::Contracts;

/// How a test wants its surroundings.
#[derive(Clone)]
pub(crate) struct Setup {
    /// Changes how the simulated GitHub is started.
    pub(crate) sim: fn(&mut SimOptions),
    /// SQLite's `max_page_count`: a full disk.
    pub(crate) max_pages: Option<u32>,
    /// Longest time for one call to GitHub (real time).
    pub(crate) deadline: Duration,
    /// GitHub's bound on writes; most tests do without it.
    pub(crate) writes_per_minute: Option<u32>,
    /// Work that ends buried is expected.
    pub(crate) may_bury: bool,
    /// Waits of the service.
    pub(crate) timing: Timing,
    /// A webhook secret that is taken besides the App's own, as during a rotation.
    pub(crate) other_secret: Option<&'static str>,
    /// How the service is run.
    pub(crate) operations: Operations,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sim: |_| {},
            max_pages: None,
            deadline: Duration::from_secs(5),
            writes_per_minute: None,
            may_bury: false,
            // Tests of recovery ask for it; the others count requests.
            timing: Timing { outage: None, ..Timing::default() },
            other_secret: None,
            operations: Operations::default(),
        }
    }
}

/// What a test works with.
pub(crate) struct Ctx {
    pub(crate) sim: Sim,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) http: reqwest::Client,
    pub(crate) directory: Arc<tempfile::TempDir>,
    pub(crate) setup: Setup,
    service: Option<Service>,
}

/// The instant at which every test begins: a Tuesday.
pub(crate) fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 3, 10, 0, 0).single().expect("a date that exists")
}

/// Runs a test with the usual surroundings.
pub(crate) fn run_test<F, Fut>(test: F)
where
    F: FnOnce(Ctx) -> Fut,
    Fut: Future<Output = Ctx>,
{
    run_test_with(Setup::default(), test);
}

/// Runs a test; it gives its context back so that what is left over can be looked at.
pub(crate) fn run_test_with<F, Fut>(setup: Setup, test: F)
where
    F: FnOnce(Ctx) -> Fut,
    Fut: Future<Output = Ctx>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let ctx = Ctx::start(setup).await;
        let ctx = test(ctx).await;
        ctx.finish().await;
    });
}

impl Ctx {
    async fn start(setup: Setup) -> Self {
        let clock = Clock::manual(start());
        let sim_clock = clock.clone();
        let mut options = SimOptions::new(move || sim_clock.now());
        (setup.sim)(&mut options);
        let sim = Sim::start(options).await.expect("the simulator starts");
        let directory = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let store = open(&directory, &setup).await;
        let mut ctx = Self { sim, clock, store, http, directory, setup, service: None };
        ctx.start_service().await;
        ctx
    }

    /// Starts the service on the same database and tells the simulated GitHub where it listens.
    pub(crate) async fn start_service(&mut self) {
        let app = self.sim.app();
        let credentials = AppCredentials {
            app_id: app.app_id,
            client_id: Some(app.client_id.clone()),
            private_key_pem: app.private_key_pem.clone(),
        };
        let urls = Urls::new(self.sim.api_url().parse().expect("an address")).expect("a usable address");
        let Setup { deadline, writes_per_minute, .. } = self.setup;
        let options = Options { deadline, writes_per_minute, ..Options::default() };
        let service = Service::start(Settings {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            store: self.store.clone(),
            github: GitHub::new(credentials, urls, self.clock.clone(), options).expect("good credentials"),
            app_id: app.app_id,
            webhook_secrets: std::iter::once(app.webhook_secret.clone())
                .chain(self.setup.other_secret.map(SecretString::from))
                .collect(),
            links: Links {
                public_url: Some("https://mergecast.example".to_owned()),
                github_url: Some("https://github.example".to_owned()),
            },
            workers: 4,
            clock: self.clock.clone(),
            timing: self.setup.timing,
            operations: self.setup.operations.clone(),
        });
        let service = service.await.expect("the service starts");
        self.sim.deliver_to(&format!("http://{}/webhooks/github", service.address()));
        self.service = Some(service);
    }

    /// Stops the service and closes its database; what is queued stays stored.
    pub(crate) async fn stop_service(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        self.store.clone().close().await;
        self.store = open(&self.directory, &self.setup).await;
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().expect("the service runs")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.service().address())
    }

    /// The repository that most tests use.
    pub(crate) fn repository(&self) -> SimRepository {
        self.sim.repository("acme/shop")
    }

    /// Waits until every webhook has arrived and nothing is left to do, moving the clock to whatever is due next.
    pub(crate) async fn settle(&self) {
        for _ in 0..20_000 {
            self.sim.settle().await;
            if self.service().is_idle().await.expect("the store answers") {
                if self.sim.is_settled() {
                    return;
                }
                continue;
            }
            let waiting = self.service().is_waiting().await.expect("the store answers");
            let fetch = self.service().next_fetch().await.expect("the store answers");
            let due = self.store.next_due().await.expect("the store answers").into_iter().chain(fetch).min();
            if let Some(due) = due.and_then(DateTime::<Utc>::from_timestamp_millis)
                && waiting
                && due > self.clock.now()
            {
                self.clock.set(due);
                self.service().wake();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the work does not end");
    }

    /// Waits until nothing is being worked on and all that is left is for later; the clock stands still.
    pub(crate) async fn rest(&self) {
        for _ in 0..20_000 {
            self.sim.settle().await;
            if self.service().is_waiting().await.expect("the store answers") && self.sim.is_settled() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the work does not come to rest");
    }

    /// Comes to rest, then moves the clock to whatever is due next and lets that run; nothing due, nothing done.
    pub(crate) async fn step(&self) {
        self.rest().await;
        let due = self.store.next_due().await.expect("the store answers");
        if let Some(due) = due.and_then(DateTime::<Utc>::from_timestamp_millis) {
            self.clock.set(due);
            self.service().wake();
            self.rest().await;
        }
    }

    /// Settles, then gives the one check run of ours on the head of a pull request.
    pub(crate) async fn check_run(&self, pull: &PullHandle) -> SimCheckRun {
        self.settle().await;
        let runs = self.sim.check_runs(pull.repository(), &pull.head_sha());
        let mut ours: Vec<SimCheckRun> = runs.into_iter().filter(|run| run.name == NAME).collect();
        assert_eq!(ours.len(), 1, "check runs of ours on the head of #{}", pull.number());
        ours.pop().expect("there is one")
    }

    /// The assessment of a head as the API gives it.
    pub(crate) async fn assessment(&self, pull: &PullHandle) -> serde_json::Value {
        let path = format!("/api/v1/assessments/{}/by-sha/{}", pull.repository(), pull.head_sha());
        let answer = self.http.get(self.url(&path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON")
    }

    async fn finish(mut self) {
        if self.service.is_some() {
            self.settle().await;
        }
        let inbox = self.store.inbox_counts().await.expect("counts");
        let jobs = self.store.job_counts().await.expect("counts");
        assert_eq!((inbox.queued, jobs.queued), (0, 0), "work is left over");
        if !self.setup.may_bury {
            assert_eq!((inbox.buried, jobs.buried), (0, 0), "work was buried");
        }
        assert!(self.sim.writes_at_once_max() <= 1, "two writes were under way at once");
        self.check_runs_are_whole().await;
        check_contracts(&self.sim);
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    /// No head has two check runs of ours, and none is left unfinished unless its work was to be buried.
    async fn check_runs_are_whole(&self) {
        let created = self.sim.exchanges().into_iter().filter(|each| each.method == "POST").filter_map(|each| {
            let repository = each.path.strip_prefix("/repos/")?.strip_suffix("/check-runs")?.to_owned();
            Some((repository, each.request_body["head_sha"].as_str()?.to_owned()))
        });
        for (repository, sha) in created.collect::<BTreeSet<_>>() {
            let all = self.sim.check_runs(&repository, &sha);
            for name in [NAME, report::owners::NAME] {
                let ours: Vec<_> = all.iter().filter(|run| run.name == name).collect();
                assert!(ours.len() <= 1, "{} check runs {name} on {sha}", ours.len());
                let open = ours.iter().any(|run| run.status != "completed");
                assert!(self.setup.may_bury || !open, "the check run {name} on {sha} was left unfinished");
            }
        }
    }
}

/// Everything that went over the wire fits what GitHub publishes.
pub(crate) fn check_contracts(sim: &Sim) {
    let Some(contracts) = Contracts::load() else { return };
    let mut wrong = Vec::new();
    for exchange in sim.exchanges() {
        wrong.extend(violations(&contracts, &exchange));
    }
    for delivery in sim.deliveries() {
        if let Err(errors) = contracts.check_webhook(&delivery.event, &delivery.payload) {
            wrong.push(format!("webhook {}: {}", delivery.event, errors.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "not as GitHub documents it:\n{}", wrong.join("\n"));
}

/// How an exchange differs from GitHub's documents. Faults that were ordered are no exchanges of GitHub's.
fn violations(contracts: &Contracts, exchange: &Exchange) -> Vec<String> {
    let Some(status) = exchange.status.filter(|_| !exchange.faulted) else { return Vec::new() };
    let body = |value: &serde_json::Value| if value.is_null() { None } else { Some(value.clone()) };
    let request = body(&exchange.request_body);
    let response = body(&exchange.response_body);
    let checked = contracts.check_exchange(
        &exchange.method,
        &exchange.path,
        &exchange.query,
        request.as_ref(),
        status,
        response.as_ref(),
    );
    let name = format!("{} {} -> {status}", exchange.method, exchange.path);
    checked.err().into_iter().flatten().map(|error| format!("{name}: {error}")).collect()
}

async fn open(directory: &tempfile::TempDir, setup: &Setup) -> Store {
    let path = StorePath::File(directory.path().join("mergecast.db"));
    let options = StoreOptions { max_pages: setup.max_pages, ..StoreOptions::new(path) };
    Store::open(options).await.expect("the database opens")
}
