//! A year that never was, drawn from a seed: deployments of eight services, which of them failed and how that showed, and
//! incidents that no deployment caused. This is the truth; what sources tell of it is in `told.rs`.

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};
use fastrand::Rng;
use mergecast::deployment::change::{Change, ChangeId, PullRequest, TakenBack};
use mergecast::deployment::incident::{Keeper, Span};
use mergecast::deployment::sighting::Source;

/// A service, its share of the year's work, and who tells of its deployments.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) team: &'static str,
    /// Those believed most first: the first one always tells, and to the second.
    pub(super) sources: &'static [Source],
    /// Hours between deployments, on average.
    pub(super) hours: u32,
    pub(super) clusters: &'static [&'static str],
    /// Datadog knows its builds by version alone.
    pub(super) by_version: bool,
}

use Source::{Api, DatadogDora, DatadogEvent, GithubDeployment, GithubRelease};

const fn service(name: &'static str, team: &'static str, hours: u32, sources: &'static [Source]) -> Service {
    Service { name, team, sources, hours, clusters: &[], by_version: false }
}

pub(super) const SERVICES: [Service; 8] = [
    service("pay", "money", 20, &[Api, GithubDeployment, DatadogDora, DatadogEvent, GithubRelease]),
    service("ledger", "money", 60, &[GithubDeployment, DatadogDora]),
    Service { by_version: true, ..service("cart", "shop", 12, &[GithubDeployment, DatadogDora, DatadogEvent]) },
    Service { clusters: &["eu", "us", "ap"], ..service("search", "shop", 40, &[Api, DatadogDora]) },
    service("web", "shop", 8, &[Api, GithubDeployment]),
    service("mail", "core", 150, &[DatadogDora]),
    service("auth", "core", 90, &[Api, GithubRelease]),
    Service { by_version: true, ..service("jobs", "core", 50, &[DatadogDora, DatadogEvent]) },
];

/// A deployment to production as it was.
pub(super) struct Deployed {
    pub(super) service: usize,
    pub(super) started: DateTime<Utc>,
    pub(super) at: DateTime<Utc>,
    /// Number of the build within the world.
    pub(super) build: usize,
    pub(super) automated: bool,
    /// What it brought; `None` where nobody knows.
    pub(super) changes: Option<Vec<Change>>,
    pub(super) failed: bool,
    pub(super) recovery: Option<TimeDelta>,
    pub(super) detection: Option<TimeDelta>,
    pub(super) rollback: bool,
    /// It remedies an earlier one.
    pub(super) remedy: bool,
    /// Burn of the service's SLO before and after it.
    pub(super) burn: Option<(Option<f64>, Option<f64>)>,
}

/// An incident as it was.
pub(super) struct Happened {
    pub(super) keeper: Keeper,
    /// `None` where nobody says which service it is on.
    pub(super) service: Option<usize>,
    /// Number of the deployment that caused it.
    pub(super) cause: Option<usize>,
    pub(super) active: Vec<Span>,
    pub(super) title: String,
    pub(super) env: &'static str,
    pub(super) exercise: bool,
}

/// The truth of a year.
pub(super) struct World {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    /// By service and time.
    pub(super) deployed: Vec<Deployed>,
    pub(super) happened: Vec<Happened>,
}

/// How a failure was remedied.
#[derive(Clone, Copy, PartialEq)]
enum Remedied {
    Rollback,
    Revert,
    Hotfix,
    ByItself,
}

pub(super) fn year(seed: u64) -> World {
    let from = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let mut world = World { from, to: from + TimeDelta::days(365), deployed: Vec::new(), happened: Vec::new() };
    let mut rng = Rng::with_seed(seed);
    for service in 0..SERVICES.len() {
        let (pull, at) = (1, from + minutes(&mut rng, 30..600));
        Work { world: &mut world, rng: &mut rng, service, first: 0, at, pull, again: Vec::new() }.run();
    }
    decoys(&mut world, &mut rng);
    world
}

/// What a service does in the year.
struct Work<'a> {
    world: &'a mut World,
    rng: &'a mut Rng,
    service: usize,
    /// Its first deployment.
    first: usize,
    /// When the next one takes effect.
    at: DateTime<Utc>,
    /// Number of the next pull request.
    pull: u64,
    /// Changes that were rolled back, and go out again with the next deployment.
    again: Vec<Change>,
}

impl Work<'_> {
    fn run(&mut self) {
        self.first = self.world.deployed.len();
        while self.at < self.world.to - TimeDelta::days(2) {
            if self.chance(4) && self.world.deployed.len() > self.first {
                // The same build once more.
                let build = self.last().build;
                self.deploy(build, Some(Vec::new()));
            } else {
                self.change();
            }
            self.wait();
        }
    }

    /// Mostly hours, sometimes minutes; nobody works on weekends, but for one in ten.
    fn wait(&mut self) {
        let hours = SERVICES[self.service].hours;
        let pause = if self.chance(15) { 12..25 } else { 60..hours * 120 };
        self.at += minutes(self.rng, pause);
        while matches!(self.at.weekday(), Weekday::Sat | Weekday::Sun) && !self.chance(10) {
            self.at += TimeDelta::days(1);
        }
    }

    fn change(&mut self) {
        let (build, mut changes) = (self.world.deployed.len(), self.changes());
        changes.append(&mut self.again);
        let may_fail = build > self.first;
        // Nobody knows what the first one brought, and of a few others neither.
        let known = may_fail && !self.chance(3);
        let number = self.deploy(build, known.then_some(changes));
        if may_fail && known && self.chance(14) {
            self.fail(number);
        } else {
            self.world.deployed[number].burn = self.harmless_burn();
        }
    }

    fn fail(&mut self, number: usize) {
        let delay = 2 + self.rng.i64(0..14).pow(2);
        let began =
            self.world.deployed[number].at + TimeDelta::minutes(delay) + TimeDelta::seconds(self.rng.i64(0..60));
        // Another deployment may come between it and what it causes.
        let overtaken = delay > 40 && self.chance(40);
        if overtaken {
            self.at += TimeDelta::minutes(self.rng.i64(12..delay - 10));
            let changes = self.changes();
            let build = self.world.deployed.len();
            let next = self.deploy(build, Some(changes));
            // It burns since before.
            self.world.deployed[next].burn = Some((Some(6.0), Some(5.0)));
        }
        let declared = self.chance(75);
        let remedied = match self.rng.u8(0..10) {
            0..5 => Remedied::Rollback,
            5..8 => Remedied::Revert,
            8 if !overtaken => Remedied::Hotfix,
            _ => Remedied::ByItself,
        };
        let burns = self.chance(60) || (!declared && remedied == Remedied::ByItself);
        self.at = began + minutes(self.rng, 15..90);
        self.remedy(number, remedied);
        let over = self.at + minutes(self.rng, 2..20);
        let failed = &mut self.world.deployed[number];
        failed.failed = true;
        failed.burn = Some(if burns { (Some(0.4), Some(7.5)) } else { (Some(0.4), Some(1.1)) });
        let remedied_after = (remedied != Remedied::ByItself).then(|| self.at - failed.at);
        failed.recovery = if declared { None } else { remedied_after };
        self.at = over + TimeDelta::hours(2);
        if declared {
            self.declare(number, began, over);
        }
    }

    fn remedy(&mut self, number: usize, remedied: Remedied) {
        let changes = match remedied {
            Remedied::ByItself => return,
            Remedied::Rollback => {
                let undone = number..self.world.deployed.len();
                let brought = undone.filter_map(|one| self.world.deployed[one].changes.clone());
                self.again = brought.flatten().collect();
                let back = self.deploy(self.world.deployed[number - 1].build, Some(Vec::new()));
                self.world.deployed[back].rollback = true;
                self.world.deployed[back].remedy = true;
                return;
            }
            Remedied::Revert => {
                let brought = self.world.deployed[number].changes.iter().flatten();
                let undone = brought.filter_map(|change| change.pull_request.as_ref()).map(|pull| pull.number).next();
                let proven = self.chance(70);
                self.pull_request(|pull| {
                    pull.takes_back = undone.map(|number| TakenBack { number, proven }).into_iter().collect()
                })
            }
            Remedied::Hotfix => self.pull_request(|pull| pull.labels = vec!["hotfix".into()]),
        };
        let build = self.world.deployed.len();
        let by = self.deploy(build, Some(vec![changes]));
        self.world.deployed[by].remedy = true;
    }

    fn declare(&mut self, number: usize, began: DateTime<Utc>, over: DateTime<Utc>) {
        let mut active = vec![Span { from: began, to: Some(over) }];
        if self.chance(15) {
            active.push(Span { from: over + TimeDelta::minutes(30), to: Some(over + TimeDelta::minutes(70)) });
        }
        let names = self.chance(30);
        let failed = &mut self.world.deployed[number];
        failed.recovery = Some(active.iter().map(|span| span.to.unwrap() - span.from).sum());
        failed.detection = Some(began - failed.started);
        let file = failed.changes.iter().flatten().flat_map(|change| &change.files).next().filter(|_| names);
        let title = file.map_or_else(|| "Errors above normal".to_owned(), |file| format!("Panic in {file}:12"));
        let keeper = [Keeper::Datadog, Keeper::Pagerduty, Keeper::Api][number % 3];
        let (service, env) = (Some(self.service), "prod");
        let happened = Happened { keeper, service, cause: Some(number), active, title, env, exercise: false };
        self.world.happened.push(happened);
    }

    fn deploy(&mut self, build: usize, changes: Option<Vec<Change>>) -> usize {
        let started = self.at - minutes(self.rng, 2..8);
        self.world.deployed.push(Deployed {
            service: self.service,
            started,
            at: self.at,
            build,
            automated: self.rng.u8(0..10) < 8,
            changes,
            failed: false,
            recovery: None,
            detection: None,
            rollback: false,
            remedy: false,
            burn: None,
        });
        self.world.deployed.len() - 1
    }

    fn changes(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = (0..self.rng.usize(1..4)).map(|_| self.pull_request(|_| ())).collect();
        if self.chance(10) {
            let mut direct = self.pull_request(|_| ());
            direct.id = ChangeId::Commit(format!("{:040x}", self.rng.u128(..)));
            direct.pull_request = None;
            changes.push(direct);
        }
        if self.chance(5) {
            changes.push(self.pull_request(|pull| pull.title = "Document the hotfix process".into()));
        }
        changes
    }

    fn pull_request(&mut self, edit: impl FnOnce(&mut PullRequest)) -> Change {
        let merged = self.at - minutes(self.rng, 10..300);
        let opened = merged - minutes(self.rng, 5..3_000);
        let mut written: Vec<DateTime<Utc>> =
            (0..self.rng.usize(1..6)).map(|_| merged - minutes(self.rng, 1..9_000)).collect();
        if self.chance(1) {
            // A clock that is ahead.
            written.push(self.at + TimeDelta::minutes(90));
        }
        written.sort_unstable();
        let mut pull = PullRequest {
            number: self.pull,
            title: format!("Change {}", self.pull),
            labels: Vec::new(),
            branch: format!("topic-{}", self.pull),
            authored_at: written.clone(),
            opened_at: Some(opened),
            merged_at: Some(merged),
            takes_back: Vec::new(),
        };
        edit(&mut pull);
        self.pull += 1;
        let files = (0..2).map(|_| format!("{}/src/part{}.rs", SERVICES[self.service].name, self.rng.u8(0..40)));
        let id = ChangeId::PullRequest(pull.number);
        Change { id, files: files.collect(), pull_request: Some(pull), authored_at: written }
    }

    /// Nothing that a deployment led to: below the line, as bad as before, or not measured.
    fn harmless_burn(&mut self) -> Option<(Option<f64>, Option<f64>)> {
        const HARMLESS: [(Option<f64>, Option<f64>); 4] =
            [(Some(0.2), Some(1.9)), (Some(5.0), Some(4.5)), (None, Some(9.0)), (Some(0.2), None)];
        self.chance(20).then(|| HARMLESS[self.rng.usize(0..HARMLESS.len())])
    }

    fn last(&self) -> &Deployed {
        &self.world.deployed[self.world.deployed.len() - 1]
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }
}

/// Incidents that no deployment caused: of a provider, in staging, of nobody's service, and exercises.
fn decoys(world: &mut World, rng: &mut Rng) {
    for number in 0..48 {
        let began = world.from + minutes(rng, 2_000..500_000);
        let active = vec![Span { from: began, to: Some(began + minutes(rng, 10..200)) }];
        let service = (number % 4 != 3).then(|| rng.usize(0..SERVICES.len()));
        let (env, exercise) = (if number % 4 == 1 { "staging" } else { "prod" }, number % 4 == 2 && number % 8 == 2);
        let keeper = [Keeper::Pagerduty, Keeper::Datadog, Keeper::Api][rng.usize(0..3)];
        let title = "Provider has an outage, see status.html".to_owned();
        world.happened.push(Happened { keeper, service, cause: None, active, title, env, exercise });
    }
}

fn minutes(rng: &mut Rng, range: std::ops::Range<u32>) -> TimeDelta {
    TimeDelta::seconds(i64::from(rng.u32(range.start * 60..range.end * 60)))
}
