//! The running App: built from settings, started, and drained at the end. Wires the other modules and decides nothing.

mod approvals;
mod assess;
mod body;
mod caller;
mod champion;
mod check_run;
mod commands;
pub mod coverage;
mod deployments;
mod dora;
mod erase;
mod failure;
mod gather;
mod heads;
mod health;
mod incidents;
mod installations;
mod labels;
mod learning;
mod linger;
mod merge_group;
mod metrics;
mod mirrors;
mod outcomes;
mod overrides;
mod owners;
mod pages;
mod paging;
mod people;
mod process;
mod recover;
mod refusal;
mod retention;
mod reverts;
mod rotation;
mod route;
mod series;
mod server;
mod sources;
mod stored;
mod sweep;
mod trace;
mod turns;
mod twins;
mod watch;
mod webhook;
mod worker;

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::config::Learning;
use crate::{
    clock::Clock,
    datadog::Datadog,
    deployment::reckoning::Rules,
    github::{CheckRunLook, GitHub},
    report,
    store::{Store, StoreError},
};
pub use champion::{in_force, stored as stored_model};
pub use coverage::{CoverageSettings, RemoteSettings};
pub use erase::KEPT_AFTER_REMOVAL;
pub use gather::datadog::health_of_range;
pub use labels::{Outcomes, outcomes};
pub use learning::{Lesson, MODELS_TOKEN_PREFIX, MoveError, activate, roll_back, versions};
pub use metrics::{METRICS, Metric, MetricKind};
pub use mirrors::MirrorSettings;
pub use outcomes::{Telling, reckoned, rules as outcome_rules};
pub use recover::{Asked, KEPT as DELIVERIES_KEPT, Recovered, redeliver};
pub use retention::Retention;
pub use rotation::{SecretSource, Secrets};
pub use sources::DatadogKeys;
pub use stored::{FactsForgotten, Stored};

/// How long the end waits for what is under way; Kubernetes kills after 30 s.
const STOP: Duration = Duration::from_secs(25);

/// All that the running App needs.
pub struct Settings {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The open database.
    pub store: Store,
    /// The GitHub App's client.
    pub github: GitHub,
    /// Id of the GitHub App, to know its own check runs by.
    pub app_id: u64,
    /// Secrets that sign webhooks: the one in force, and during a rotation the one before.
    pub webhook_secrets: Vec<SecretString>,
    /// Where links in reports lead.
    pub links: Links,
    /// Jobs worked on at a time.
    pub workers: usize,
    /// The clock.
    pub clock: Clock,
    /// Waits that tests shorten.
    pub timing: Timing,
    /// How it is run.
    pub operations: Operations,
}

/// How the service is run; the default is what needs no setting.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    /// Address of its own for `/metrics`, which is then nowhere else; port 0 takes a free one.
    pub metrics_listen: Option<SocketAddr>,
    /// How long what is stored is kept.
    pub retention: Retention,
    /// Where secrets are read again while the service runs.
    pub secrets: Option<SecretSource>,
    /// How repositories are mirrored, which is where their histories come from; `None` keeps no mirror.
    pub mirrors: Option<MirrorSettings>,
    /// Where coverage comes from.
    pub coverage: CoverageSettings,
    /// Datadog, where its keys are set.
    pub datadog: Option<Datadog>,
    /// What becomes of a model that outcomes make better.
    pub learning: Learning,
    /// Read deployments from Datadog, those of the last two years first.
    pub reads_deployments: bool,
    /// By which rules it is reckoned what became of deployments.
    pub outcomes: Rules,
    /// What is told to others of what became of deployments.
    pub telling: Telling,
    /// How PagerDuty's webhooks are taken.
    pub pagerduty: PagerDutySettings,
}

/// How PagerDuty's webhooks are taken; by default they are not.
#[derive(Clone, Debug, Default)]
pub struct PagerDutySettings {
    /// Secrets that sign them; several while one is replaced.
    pub secrets: Vec<SecretString>,
    /// Environment that its incidents are in; `None` is production.
    pub env: Option<String>,
}

/// Where links in reports lead; without an address there is no link.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Address under which people reach this Mergecast's pages, without a slash at the end.
    pub public_url: Option<String>,
    /// Address of GitHub's pages, without a slash at the end.
    pub github_url: Option<String>,
}

impl Links {
    /// Host of GitHub's pages; GitHub.com where no address says another.
    fn host(&self) -> &str {
        let address = self.github_url.as_deref().and_then(|url| url.split_once("://"));
        let host = address.and_then(|(_, rest)| rest.split(['/', ':']).next());
        host.filter(|host| !host.is_empty()).unwrap_or("github.com")
    }

    /// Address of a repository's pages at GitHub.
    pub fn repository(&self, full_name: &str) -> Option<String> {
        self.github_url.as_ref().map(|base| format!("{base}/{full_name}"))
    }
}

/// Waits that are part of how the App works.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Events about checks come in bursts; the score waits this long for the rest of one.
    pub burst: Duration,
    /// After a write whose answer was lost, GitHub is looked at only when the write has certainly ended there.
    /// GitHub ends requests after 10 s.
    pub answer_lost: Duration,
    /// A merge queue waits for its check: for so long at most the changes of a group are read, then it is answered from
    /// what is known.
    pub merge_group: Duration,
    /// A client that has not sent its whole header by then is cut off (slow-loris).
    pub header: Duration,
    /// The longest pause within a body; GitHub itself gives up after 10 s.
    pub body_pause: Duration,
    /// The longest time for a request from its header to its answer.
    pub request: Duration,
    /// A service that last looked for lost deliveries longer ago than this was down: what was missed is looked for
    /// everywhere. `None` looks for nothing that was missed, ever.
    pub outage: Option<Duration>,
    /// Between two looks at whether a file with a secret is another one.
    pub secrets: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            burst: Duration::from_secs(3),
            answer_lost: Duration::from_secs(12),
            merge_group: Duration::from_secs(20),
            header: Duration::from_secs(10),
            body_pause: Duration::from_secs(10),
            request: Duration::from_secs(30),
            outage: Some(Duration::from_secs(600)),
            secrets: Duration::from_secs(5),
        }
    }
}

/// What handlers and workers share.
pub(crate) struct App {
    store: Store,
    github: GitHub,
    app_id: u64,
    secrets: rotation::Rotating,
    links: Links,
    workers: usize,
    clock: Clock,
    timing: Timing,
    retention: Retention,
    /// When this process began to work.
    started_at: DateTime<Utc>,
    /// A delivery was stored.
    deliveries: Notify,
    /// A job was asked for.
    jobs: Notify,
    /// Keys of the jobs that this process runs now. A lease can lapse while its holder still works (a machine that was
    /// suspended): then this, not the lease, keeps a second worker from the same pull request.
    running: Mutex<HashSet<String>>,
    /// Rounds that workers have begun and ended; a round is a claim with the work on what was claimed.
    rounds: Rounds,
    credentials: health::Credentials,
    bodies: body::Allowance,
    /// Receives coverage reports.
    coverage: coverage::Desk,
    /// Receives deployments.
    deployments: deployments::Desk,
    /// Other systems that know of coverage; others when their tokens change.
    remotes: RwLock<Arc<gather::coverage::Remotes>>,
    /// Mirrors of repositories, if any are kept.
    mirrors: Option<mirrors::Mirrors>,
    /// Datadog, where its keys are set.
    datadog: Option<Datadog>,
    /// Read deployments from it.
    reads_deployments: bool,
    /// How much those who tell of incidents may say.
    incidents: coverage::pace::Pace,
    /// What became of deployments.
    outcomes: outcomes::Desk,
    /// Where the watch over services is.
    watched: watch::Watched,
    /// What GitHub said of those who could be asked.
    people: people::People,
    /// The model in force.
    champion: champion::Champion,
    /// What is learned from outcomes.
    learning: learning::State,
    /// Work that comes round.
    turns: turns::Turns,
    /// When work began again after an outage, in milliseconds since 1970; nothing that was read before it counts as
    /// fresh. The beginning of time, if there was none.
    resumed_at: i64,
}

/// Two counters that only grow: equal and unchanged over a while, they prove that nothing was worked on meanwhile.
#[derive(Default)]
struct Rounds {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl App {
    fn running(&self) -> MutexGuard<'_, HashSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what works until it is stopped.
    fn work(self: &Arc<Self>, tasks: &TaskTracker, stop: &CancellationToken) {
        worker::start(self, tasks, stop);
        tasks.spawn(mirrors::keep(self.clone(), tasks.clone(), stop.clone()));
        tasks.spawn(sweep::sweep(self.clone(), stop.clone()));
        if self.timing.outage.is_some() {
            turns::start(self, tasks, stop);
        }
        tasks.spawn(retention::keep(self.clone(), stop.clone()));
    }

    fn look(&self) -> CheckRunLook {
        self.look_for(report::check_run::NAME)
    }

    fn look_for(&self, name: &str) -> CheckRunLook {
        CheckRunLook { app_id: self.app_id, name: name.to_owned() }
    }
}

/// The running App.
pub struct Service {
    address: SocketAddr,
    metrics_address: SocketAddr,
    app: Arc<App>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Service {
    /// Sets up what takes a while and depends on no setting. [`Service::start`] does so too, where it was not done before.
    pub fn prepare() {
        metrics::prepare();
    }

    /// Starts to listen and to work; what an earlier process left unfinished is taken up again.
    ///
    /// # Errors
    /// When the address cannot be had or the database cannot be written.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let Settings { listen, store, github, app_id, webhook_secrets, links, workers, clock, timing, operations } =
            settings;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        metrics::start(&tasks, stop.clone());
        champion::keep_shipped(&store, clock.now_ms()).await?;
        // Bound first: a second process started by mistake ends here, before it takes the first one's claims.
        let listener = server::bind(listen).await?;
        let metrics_listener = match operations.metrics_listen {
            Some(listen) => Some(server::bind(listen).await?),
            None => None,
        };
        // One process owns the database, so whatever is claimed now was claimed by one that is gone.
        store.release_claims().await?;
        let address = listener.local_addr()?;
        let metrics_address = metrics_listener.as_ref().map_or(Ok(address), TcpListener::local_addr)?;
        let started_at = clock.now();
        let resumed_at = resumed_at(&store, started_at, timing.outage).await?;
        if resumed_at == started_at.timestamp_millis() {
            // What was read of a list before the outage is as old as it: the rest alone would not tell of all that came.
            store.read_anew().await?;
        }
        let coverage = coverage::Desk::new(&operations.coverage, &clock)?;
        let app = Arc::new(App {
            store,
            github,
            app_id,
            secrets: rotation::Rotating::new(webhook_secrets, operations.pagerduty.secrets),
            links,
            workers,
            clock,
            timing,
            retention: operations.retention,
            started_at,
            deliveries: Notify::new(),
            jobs: Notify::new(),
            running: Mutex::default(),
            rounds: Rounds::default(),
            credentials: health::Credentials::default(),
            bodies: body::Allowance::default(),
            coverage,
            deployments: deployments::Desk::default(),
            remotes: RwLock::new(Arc::new(gather::coverage::Remotes::new(&operations.coverage)?)),
            mirrors: operations.mirrors.map(mirrors::Mirrors::new),
            datadog: operations.datadog,
            reads_deployments: operations.reads_deployments,
            incidents: coverage::pace::Pace::default(),
            outcomes: outcomes::Desk::new(operations.outcomes, operations.telling, operations.pagerduty.env),
            watched: watch::Watched::default(),
            people: people::People::default(),
            champion: champion::Champion::default(),
            learning: learning::State::new(operations.learning),
            turns: turns::Turns::default(),
            resumed_at,
        });
        app.work(&tasks, &stop);
        if let Some(source) = operations.secrets {
            tasks.spawn(rotation::watch(app.clone(), source, stop.clone()));
        }
        let router = server::router(app.clone(), metrics_listener.is_none());
        tasks.spawn(server::serve(listener, router, timing.header, stop.clone()));
        if let Some(listener) = metrics_listener {
            tasks.spawn(server::serve(listener, server::metrics_router(app.clone()), timing.header, stop.clone()));
        }
        tracing::info!(%address, %metrics_address, "listening");
        Ok(Self { address, metrics_address, app, stop, tasks })
    }

    /// Whether nothing is left to do.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_idle(&self) -> Result<bool, StoreError> {
        let at_rest = self.app.turns.rest(self.app.clock.now_ms()) && self.next_fetch().await?.is_none();
        let done = self.app.store.inbox_counts().await?.queued == 0 && self.app.store.job_counts().await?.queued == 0;
        // A round may have left jobs, so it is to have rested before they were counted.
        Ok(at_rest && done && self.next_fetch().await?.is_none())
    }

    /// When the next fetch of a mirror is due that is no repeated try, in milliseconds since 1970; now, while one runs.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_fetch(&self) -> Result<Option<i64>, StoreError> {
        let Some(mirrors) = &self.app.mirrors else { return Ok(None) };
        // In this order: a fetch that ends notes so before it rests.
        if !mirrors.rest() {
            return Ok(Some(self.app.clock.now_ms()));
        }
        self.app.store.next_mirror_due().await
    }

    /// Whether all that is left to do is for later: nothing is being worked on and nothing is due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_waiting(&self) -> Result<bool, StoreError> {
        let Rounds { begun, ended } = &self.app.rounds;
        let before = begun.load(Ordering::SeqCst);
        // In this order: a round or a delivery that is finished has left its jobs.
        if !self.app.turns.rest(self.app.clock.now_ms()) {
            return Ok(false);
        }
        if ended.load(Ordering::SeqCst) != before || self.app.store.inbox_counts().await?.queued != 0 {
            return Ok(false);
        }
        if self.next_fetch().await?.is_some_and(|due| due <= self.app.clock.now_ms()) {
            return Ok(false);
        }
        let due = self.app.store.next_due().await?;
        let later = due.is_none_or(|due| due > self.app.clock.now_ms());
        Ok(later && begun.load(Ordering::SeqCst) == before)
    }

    /// Lets the workers look at once for what is due.
    pub fn wake(&self) {
        self.app.deliveries.notify_one();
        self.app.jobs.notify_waiters();
        self.app.turns.wake();
        if let Some(mirrors) = &self.app.mirrors {
            mirrors.wake();
        }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address under which `/metrics` is answered.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// Has the secrets read again, where they came from a source that can be.
    pub fn reread_secrets(&self) {
        self.app.secrets.asked.notify_one();
    }

    /// Takes no more work, finishes what is held, and returns when all has ended.
    pub async fn stop(self) {
        self.stop.cancel();
        self.app.deliveries.notify_waiters();
        self.app.jobs.notify_waiters();
        self.tasks.close();
        // What is cut off is claimed again at the next start; every step of it may run twice.
        if tokio::time::timeout(STOP, self.tasks.wait()).await.is_err() {
            tracing::warn!("work was still under way after {STOP:?} and is left to the next start");
            if let Err(error) = self.app.store.release_claims().await {
                tracing::warn!(%error, "its claims were not given back; they lapse by themselves");
            }
        }
    }
}

/// When work begins again after an outage, in milliseconds since 1970: now, if the last look for lost deliveries is long
/// ago.
async fn resumed_at(store: &Store, now: DateTime<Utc>, outage: Option<Duration>) -> Result<i64, StoreError> {
    let Some(outage) = outage else { return Ok(i64::MIN) };
    let looked_at = store.recovery().await?.looked_at.unwrap_or(i64::MIN);
    let now = now.timestamp_millis();
    Ok(if now.saturating_sub(looked_at) > outage.as_millis() as i64 { now } else { i64::MIN })
}

/// GitHub's ids and numbers as the store keeps them; none comes near the end of `i64`.
fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
