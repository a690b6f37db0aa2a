//! What the simulated GitHub knows: accounts, repositories, pull requests, checks. Plain data under one lock.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::app_key::AppLogin;
use super::auth::Token;
use super::checks::{Run, Status, Suite};
use super::delivery::{Attempt, Outgoing};
use super::deployed::Deployed;
use super::diff::FileDiff;
use super::faults::{ArmedFault, ArmedWebhookFault};
use super::limits::Budget;
use super::objects::Objects;
use super::pulls::Pull;
use super::queue::Queue;
use super::registration::Registration;
use super::{Exchange, SimClock};

/// Permission names to levels, as GitHub's app manifest spells them.
pub type Permissions = BTreeMap<String, String>;

/// Changed files by base and head commit.
type Diffs = HashMap<(String, String), Arc<Vec<FileDiff>>>;

pub(super) struct State {
    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub(super) base: String,
    pub(super) clock: SimClock,
    pub(super) rng: fastrand::Rng,
    next_id: u64,
    pub(super) app: AppRecord,
    pub(super) login: Arc<AppLogin>,
    /// Apps whose owner has not exchanged the code yet, or has.
    pub(super) registrations: BTreeMap<String, Registration>,
    pub(super) other_apps: BTreeMap<String, AppRecord>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) installations: BTreeMap<u64, InstallationRecord>,
    /// By lower-case `owner/name`.
    pub(super) repos: BTreeMap<String, Repo>,
    /// Lower-case names that repositories once had, and which ones had them.
    pub(super) redirects: HashMap<String, u64>,
    pub(super) objects: Objects,
    pub(super) suites: BTreeMap<u64, Suite>,
    pub(super) runs: BTreeMap<u64, Run>,
    pub(super) statuses: Vec<Status>,
    pub(super) deployments: BTreeMap<u64, Deployed>,
    /// Computed once, as a change of 3,000 files is asked for page by page.
    pub(super) diffs: RefCell<Diffs>,
    pub(super) tokens: HashMap<String, Token>,
    pub(super) budgets: HashMap<(String, &'static str), Budget>,
    pub(super) hook_url: Option<String>,
    /// GitHub checks the certificate of the hook's address.
    pub(super) hook_verified: bool,
    /// A public address and where it really leads.
    pub(super) resolved: Option<(String, String)>,
    pub(super) outbox: VecDeque<Outgoing>,
    pub(super) in_flight: usize,
    pub(super) held: bool,
    pub(super) attempts: VecDeque<Attempt>,
    pub(super) faults: Vec<ArmedFault>,
    pub(super) webhook_faults: Vec<ArmedWebhookFault>,
    pub(super) exchanges: VecDeque<Exchange>,
    pub(super) requests: u64,
    pub(super) writes_now: HashMap<u64, u32>,
    pub(super) writes_at_once_max: u32,
}

/// A GitHub App: ours or another one that reports checks.
#[derive(Clone, Debug)]
pub(super) struct AppRecord {
    pub(super) id: u64,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) client_id: String,
    pub(super) permissions: Permissions,
    pub(super) events: Vec<String>,
    pub(super) created_at: DateTime<Utc>,
}

#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) login: String,
    pub(super) kind: UserKind,
    /// The account was deleted: answers show null in its place.
    pub(super) ghost: bool,
    pub(super) created_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserKind {
    User,
    Bot,
    Organization,
}

#[derive(Clone, Debug)]
pub(super) struct InstallationRecord {
    pub(super) id: u64,
    pub(super) account: String,
    pub(super) permissions: Permissions,
    /// Ids of the repositories that it covers; `None` for all of the account's.
    pub(super) repositories: Option<BTreeSet<u64>>,
    pub(super) events: Vec<String>,
    pub(super) suspended_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
}

/// What a person may do in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// May look.
    Read,
    /// May sort issues.
    Triage,
    /// May push.
    Write,
    /// May change some settings.
    Maintain,
    /// May do everything.
    Admin,
}

impl Permission {
    pub(super) fn role(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// The four coarse levels of the permission endpoint.
    pub(super) fn coarse(self) -> &'static str {
        match self {
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) id: u64,
    pub(super) slug: String,
    pub(super) members: BTreeSet<String>,
    /// Members of child teams, who are members of this one too.
    pub(super) inherited: BTreeSet<String>,
    pub(super) permission: Permission,
}

impl Team {
    /// Whether a login (lower case) is in it, perhaps by way of a child team.
    pub(super) fn holds(&self, login: &str) -> bool {
        self.members.contains(login) || self.inherited.contains(login)
    }
}

pub(super) struct Repo {
    pub(super) id: u64,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) private: bool,
    pub(super) archived: bool,
    pub(super) default_branch: String,
    pub(super) branches: BTreeMap<String, String>,
    pub(super) pulls: BTreeMap<u64, Pull>,
    pub(super) next_number: u64,
    /// Merge queues by branch.
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) members: BTreeMap<String, Permission>,
    pub(super) teams: BTreeMap<String, Team>,
    pub(super) labels: BTreeMap<String, u64>,
    /// Parameters of the `pull_request` rules in force, by branch.
    pub(super) review_rules: BTreeMap<String, Vec<serde_json::Value>>,
    /// Lower-case full name of the repository it was forked from.
    pub(super) fork_of: Option<String>,
    pub(super) network: u64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) pushed_at: DateTime<Utc>,
}

impl Repo {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn permission_of(&self, login: &str) -> Option<Permission> {
        let login = login.to_lowercase();
        let own = self.members.get(&login).copied();
        let by_team = self.teams.values().filter(|t| t.holds(&login)).map(|t| t.permission).max();
        own.max(by_team)
    }

    pub(super) fn may_write(&self, login: &str) -> bool {
        self.permission_of(login).is_some_and(|p| p >= Permission::Write)
    }
}

pub(super) fn key(full_name: &str) -> String {
    full_name.to_lowercase()
}

impl State {
    pub(super) fn new(base: String, clock: SimClock, seed: u64, app: AppRecord, login: AppLogin) -> Self {
        Self {
            base,
            clock,
            rng: fastrand::Rng::with_seed(seed),
            // Beyond 32 bits, as GitHub's ids are by now.
            next_id: 5_000_000_000,
            app,
            login: Arc::new(login),
            registrations: BTreeMap::new(),
            other_apps: BTreeMap::new(),
            users: BTreeMap::new(),
            installations: BTreeMap::new(),
            repos: BTreeMap::new(),
            redirects: HashMap::new(),
            objects: Objects::default(),
            suites: BTreeMap::new(),
            runs: BTreeMap::new(),
            statuses: Vec::new(),
            deployments: BTreeMap::new(),
            diffs: RefCell::default(),
            tokens: HashMap::new(),
            budgets: HashMap::new(),
            hook_url: None,
            hook_verified: true,
            resolved: None,
            outbox: VecDeque::new(),
            in_flight: 0,
            held: false,
            attempts: VecDeque::new(),
            faults: Vec::new(),
            webhook_faults: Vec::new(),
            exchanges: VecDeque::new(),
            requests: 0,
            writes_now: HashMap::new(),
            writes_at_once_max: 0,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The repository of this name, or the one that had it before.
    pub(super) fn repo(&self, full_name: &str) -> Option<&Repo> {
        let key = key(full_name);
        let moved = || self.redirects.get(&key).and_then(|id| self.repo_by_id(*id));
        self.repos.get(&key).or_else(moved)
    }

    /// For names that a handle holds: the repository was made when the handle was.
    pub(super) fn known(&self, full_name: &str) -> &Repo {
        self.repo(full_name).expect("a handle's repository exists")
    }

    pub(super) fn known_mut(&mut self, full_name: &str) -> &mut Repo {
        let now = key(&self.known(full_name).full_name());
        self.repos.get_mut(&now).expect("a handle's repository exists")
    }

    pub(super) fn repo_by_id(&self, id: u64) -> Option<&Repo> {
        self.repos.values().find(|r| r.id == id)
    }

    pub(super) fn user(&mut self, login: &str, kind: UserKind) -> u64 {
        let lower = login.to_lowercase();
        if let Some(user) = self.users.get(&lower) {
            return user.id;
        }
        let kind = if login.ends_with("[bot]") { UserKind::Bot } else { kind };
        let (id, created_at) = (self.new_id(), self.now());
        self.users.insert(lower, User { id, login: login.to_owned(), kind, ghost: false, created_at });
        id
    }

    pub(super) fn person(&mut self, login: &str) {
        self.user(login, UserKind::User);
    }

    /// The app is installed on every account that owns a repository.
    pub(super) fn installation_for(&mut self, account: &str) -> u64 {
        if let Some(found) = self.installations.values().find(|i| i.account.eq_ignore_ascii_case(account)) {
            return found.id;
        }
        let (id, created_at) = (self.new_id(), self.now());
        let permissions = self.app.permissions.clone();
        let events = self.app.events.clone();
        let account = account.to_owned();
        let record =
            InstallationRecord { id, account, permissions, repositories: None, events, suspended_at: None, created_at };
        self.installations.insert(id, record);
        id
    }

    pub(super) fn installation_of(&self, owner: &str) -> Option<&InstallationRecord> {
        self.installations.values().find(|i| i.account.eq_ignore_ascii_case(owner))
    }

    pub(super) fn app_by_id(&self, id: u64) -> Option<&AppRecord> {
        if self.app.id == id { Some(&self.app) } else { self.other_apps.values().find(|a| a.id == id) }
    }

    /// The id of another app by slug, made on first use.
    pub(super) fn other_app(&mut self, slug: &str) -> u64 {
        if let Some(app) = self.other_apps.get(slug) {
            return app.id;
        }
        let (id, created_at) = (self.new_id(), self.now());
        let record = AppRecord {
            id,
            slug: slug.to_owned(),
            name: slug.to_owned(),
            owner: "github".to_owned(),
            client_id: format!("Iv1.{id:016x}"),
            permissions: [("checks", "write"), ("metadata", "read")].map(|(k, v)| (k.into(), v.into())).into(),
            events: vec!["check_run".into(), "check_suite".into()],
            created_at,
        };
        self.user("github", UserKind::Organization);
        self.other_apps.insert(slug.to_owned(), record);
        id
    }
}
