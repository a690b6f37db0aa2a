//! GitHub in memory, served over real HTTP: state, verbs that change it and send the signed webhooks GitHub would send,
//! and faults. Tests and the demo run on it; it never talks to anything but the hook's address.

mod answer;
mod app_key;
mod app_secrets;
mod app_settings;
mod auth;
mod checks;
mod delivery;
mod deployed;
mod diff;
mod faults;
mod graphql;
mod hunks;
mod installed;
mod limits;
mod objects;
pub mod oidc;
mod page;
mod pull_changes;
mod pull_verbs;
mod pulls;
mod queue;
mod queue_verbs;
mod registration;
mod repo_changes;
mod rest;
mod server;
mod shapes;
mod state;
mod verbs;
mod webhooks;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use app_settings::SimAppSettings;
pub use checks::{SimCheckRun, SimCheckWrite};
pub use delivery::{Delivery, DeliveryOutcome, HookContentType};
pub use deployed::SimDeployment;
pub use faults::{Fault, FaultKind, FaultOn, Times, WebhookFault, WebhookFaultKind};
pub use objects::Edits;
pub use pull_verbs::{PullHandle, SimComment};
pub use queue_verbs::SimGroup;
pub use state::{Permission, Permissions};
pub use verbs::{PullSpec, SimRepository};

use app_key::{AppKey, AppLogin};
use state::{AppRecord, State, UserKind};

/// What the simulator takes for the time.
pub type SimClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How a simulated GitHub is set up.
#[derive(Clone)]
pub struct SimOptions {
    /// Seed of all randomness: delivery ids, tokens, probabilities of faults.
    pub seed: u64,
    /// The time on GitHub's side.
    pub clock: SimClock,
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Keep what went over the wire for [`Sim::exchanges`] (the latest 10,000).
    pub record: bool,
    /// What installations grant the app.
    pub permissions: Permissions,
    /// How webhook bodies are encoded.
    pub content_type: HookContentType,
    /// REST requests per hour and installation.
    pub core_limit: u64,
    /// GraphQL points per hour and installation.
    pub graphql_limit: u64,
    /// How long a receiver may take to answer a webhook.
    pub hook_deadline: Duration,
    /// Webhooks under way at once; more than 1 lets them overtake each other.
    pub deliveries_at_once: usize,
}

impl SimOptions {
    /// The usual set-up on the given clock: 5,000 requests an hour, webhooks one after the other.
    pub fn new(clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self {
            seed: 1,
            clock: Arc::new(clock),
            port: 0,
            record: true,
            permissions: default_permissions(),
            content_type: HookContentType::Json,
            core_limit: 5_000,
            graphql_limit: 5_000,
            hook_deadline: Duration::from_secs(10),
            deliveries_at_once: 1,
        }
    }
}

fn default_permissions() -> Permissions {
    let read = ["metadata", "contents", "issues", "deployments", "statuses", "merge_queues", "actions", "members"];
    let write = ["checks", "pull_requests"];
    let levels = read.iter().map(|p| (*p, "read")).chain(write.iter().map(|p| (*p, "write")));
    levels.map(|(name, level)| (name.to_owned(), level.to_owned())).collect()
}

/// What the app is subscribed to.
const EVENTS: [&str; 13] = [
    "check_run",
    "check_suite",
    "deployment",
    "deployment_status",
    "issue_comment",
    "merge_group",
    "pull_request",
    "pull_request_review",
    "push",
    "release",
    "repository",
    "status",
    "workflow_run",
];

/// The app as its owner knows it.
#[derive(Clone, Debug)]
pub struct SimApp {
    /// Numeric id.
    pub app_id: u64,
    /// Client id, text.
    pub client_id: String,
    /// RSA key, PKCS#1 PEM as GitHub hands it out; made at the start.
    pub private_key_pem: SecretString,
    /// Secret that signs webhooks.
    pub webhook_secret: SecretString,
}

/// One request to the simulator and its answer. Holds no token.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Number of the request since the start, from 1.
    pub number: u64,
    /// HTTP method.
    pub method: String,
    /// Path as it was sent, still percent-encoded.
    pub path: String,
    /// Query as it was sent, without the question mark.
    pub query: String,
    /// `accept`, `if-none-match`, `x-github-api-version`, `content-type`, `user-agent`, as far as sent; lower-case names.
    pub request_headers: Vec<(String, String)>,
    /// JSON request body; null if there was none.
    pub request_body: Value,
    /// Status of the answer; `None` when the connection was cut instead.
    pub status: Option<u16>,
    /// JSON answer; null if there was none. Tokens are blanked out.
    pub response_body: Value,
    /// A fault shaped the answer, so it says nothing about how GitHub answers.
    pub faulted: bool,
    /// Number of the newest request when this one ended: those above `number` began while it was under way.
    pub newest_at_end: u64,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    options: SimOptions,
    hooks: reqwest::Client,
    wake: Notify,
    idle: Notify,
    delivered: Notify,
    stop: CancellationToken,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the background tasks when the last [`Sim`] goes.
struct StopOnDrop(CancellationToken);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A running simulated GitHub. Cheap to clone; it stops when the last clone is dropped.
#[derive(Clone)]
pub struct Sim {
    shared: Arc<Shared>,
    _running: Arc<StopOnDrop>,
}

impl Sim {
    /// Starts serving on 127.0.0.1. Errors when the port cannot be had or no key can be made.
    pub async fn start(options: SimOptions) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let key = AppKey::generate().map_err(std::io::Error::other)?;
        let hooks = reqwest::Client::builder()
            .user_agent("GitHub-Hookshot/5f3a9c1")
            .redirect(reqwest::redirect::Policy::none())
            .timeout(options.hook_deadline)
            .no_proxy()
            .build()
            .map_err(std::io::Error::other)?;
        let record = app_record(&options);
        let webhook_secret = SecretString::from(format!("simulated-secret-{}", options.seed));
        let login = AppLogin::new(&record, key, webhook_secret);
        let mut state = State::new(base, Arc::clone(&options.clock), options.seed, record, login);
        state.user("octo-org", UserKind::Organization);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            hooks,
            wake: Notify::new(),
            idle: Notify::new(),
            delivered: Notify::new(),
            stop: stop.clone(),
            options,
        });
        tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        for _ in 0..shared.options.deliveries_at_once.max(1) {
            tokio::spawn(delivery::run(Arc::clone(&shared)));
        }
        Ok(Self { shared, _running: Arc::new(StopOnDrop(stop)) })
    }

    /// Stops serving and delivering at once; open connections are closed.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Base of REST, GraphQL (`/graphql`) and the pages, without a trailing slash.
    pub fn api_url(&self) -> String {
        self.shared.state().base.clone()
    }

    /// The app's credentials, with the newest of its keys; of the one that was registered last.
    pub fn app(&self) -> SimApp {
        self.shared.state().login.app.clone()
    }

    /// Every check run on a commit, oldest first.
    pub fn check_runs(&self, repository: &str, sha: &str) -> Vec<SimCheckRun> {
        let state = self.shared.state();
        let Some(repo) = state.repo(repository) else { return Vec::new() };
        state.runs_on(repo.id, sha).map(|r| state.public_run(r)).collect()
    }

    /// What went over the wire, oldest first, if recording is on.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.state().exchanges.iter().cloned().collect()
    }

    /// The number of requests so far: a mark for [`Self::exchanges_since`].
    pub fn requests(&self) -> u64 {
        self.shared.state().requests
    }

    /// What went over the wire after the mark.
    pub fn exchanges_since(&self, mark: u64) -> Vec<Exchange> {
        self.shared.state().exchanges.iter().filter(|e| e.number > mark).cloned().collect()
    }

    /// The most writes that one installation had under way at the same time.
    pub fn writes_at_once_max(&self) -> u32 {
        self.shared.state().writes_at_once_max
    }

    /// Forgets recorded exchanges and deliveries and disarms every fault; the state of the repositories stays.
    pub fn clear(&self) {
        let mut state = self.shared.state();
        state.exchanges.clear();
        state.attempts.clear();
        state.faults.clear();
        state.webhook_faults.clear();
    }

    /// Changes the state and lets the deliveries that came of it go out.
    fn act<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.shared.state());
        self.shared.wake.notify_waiters();
        done
    }
}

fn app_record(options: &SimOptions) -> AppRecord {
    AppRecord {
        id: 424_242,
        slug: "mergecast".to_owned(),
        name: "Mergecast".to_owned(),
        owner: "octo-org".to_owned(),
        client_id: "Iv23lisimulated00001".to_owned(),
        permissions: options.permissions.clone(),
        events: EVENTS.map(str::to_owned).to_vec(),
        created_at: (options.clock)(),
    }
}
