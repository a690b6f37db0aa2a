//! What happens in the simulated organisation, as tests and the demo tell it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    Fault, SimDatadog,
    limits::Used,
    timeline::Phase,
    world::{DeploymentRecord, EventRecord, IncidentRecord, RunRecord},
};
use crate::{
    datadog::{IncidentState, Keys},
    slo::Kind,
};

/// A failure that DORA Metrics was told of: its services, since when, and until when.
pub type SimFailure = (Vec<String>, DateTime<Utc>, Option<DateTime<Utc>>);

/// How an SLO is set up.
#[derive(Clone, Debug)]
pub struct SimSlo {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// What it counts.
    pub kind: Kind,
    /// Tags, such as `service:web`.
    pub tags: Vec<String>,
    /// Timeframe and target, percent; the first is the primary one.
    pub goals: Vec<(String, f64)>,
}

impl SimSlo {
    /// A metric SLO of a service over 30 days.
    pub fn metric(id: &str, service: &str, target: f64) -> Self {
        Self {
            id: id.to_owned(),
            name: format!("{service} answers"),
            kind: Kind::Metric,
            tags: vec![format!("service:{service}"), "env:prod".to_owned()],
            goals: vec![("30d".to_owned(), target)],
        }
    }

    /// The same of another kind.
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

/// A deployment.
#[derive(Clone, Debug, Default)]
pub struct SimDeployment {
    /// Service.
    pub service: String,
    /// Environment.
    pub env: String,
    /// Version.
    pub version: Option<String>,
    /// Repository as `host/owner/name`, and commit.
    pub git: Option<(String, String)>,
}

impl SimDatadog {
    /// The keys that it takes.
    pub fn keys(&self) -> Keys {
        let world = self.state();
        let secret = |text: &str| SecretString::from(text.to_owned());
        Keys { api: secret(&world.api_key), app: secret(&world.app_key) }
    }

    /// Takes other keys from now on.
    pub fn take_keys(&self, api: &str, app: &str) {
        let mut world = self.state();
        (world.api_key, world.app_key) = (api.to_owned(), app.to_owned());
    }

    /// Whether the application key has a permission, such as `slos_read`; it has all at first.
    pub fn permit(&self, permission: &str, has: bool) {
        let mut world = self.state();
        if has {
            world.lacking.remove(permission)
        } else {
            world.lacking.insert(permission.to_owned())
        };
    }

    /// The site does not have what is below this path.
    pub fn without(&self, path: &str) {
        self.state().absent.insert(path.to_owned());
    }

    /// Whether test runs can be grouped by whether they were flaky; they can at first.
    pub fn groups_by_flaky(&self, can: bool) {
        self.state().groups_by_flaky = can;
    }

    /// How long a search does not know of what is new; not at all at first.
    pub fn lag(&self, lag: TimeDelta) {
        self.state().lag = lag;
    }

    /// Arms a fault. The first armed fault that fits a request wins.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.arm(fault);
    }

    /// Disarms every fault.
    pub fn heal(&self) {
        self.state().faults.heal();
        self.fail(None);
    }

    /// Lets a limit be another one: `slo_history`, `slo_get_all`, `event_stream_api`, `query_timeseries`,
    /// `dora_deployments`.
    pub fn limit(&self, name: &str, calls: u32, period: Duration) {
        self.state().limits.set(name, calls, period);
    }

    /// What was made of a limit since the beginning.
    pub fn used(&self, limit: &str) -> Used {
        self.state().limits.used(limit)
    }

    /// Sets an SLO up, or in place of the one before; what it lived through stays.
    pub fn slo(&self, slo: SimSlo) {
        let mut world = self.state();
        let record = world.slo(&slo.id);
        (record.name, record.kind, record.tags, record.goals) = (slo.name, slo.kind, slo.tags, slo.goals);
    }

    /// From `at` on an SLO sees so many events a minute, of which this share (0-1) is bad.
    pub fn traffic(&self, slo: &str, at: DateTime<Utc>, per_minute: f64, bad: f64) {
        self.state().slo(slo).timeline.from(at, Phase::Traffic { per_minute, bad });
    }

    /// From `at` on an SLO sees traffic at which its budget burns so many times as fast as it may.
    pub fn burn(&self, slo: &str, at: DateTime<Utc>, rate: f64) {
        let mut world = self.state();
        let record = world.slo(slo);
        let target = record.goals.first().map_or(99.9, |(_, target)| *target);
        let bad = (rate * (100.0 - target) / 100.0).min(1.0);
        record.timeline.from(at, Phase::Traffic { per_minute: 6_000.0, bad });
    }

    /// From `at` on it is good time.
    pub fn up(&self, slo: &str, at: DateTime<Utc>) {
        self.state().slo(slo).timeline.from(at, Phase::Up);
    }

    /// From `at` on it is bad time.
    pub fn down(&self, slo: &str, at: DateTime<Utc>) {
        self.state().slo(slo).timeline.from(at, Phase::Down);
    }

    /// From `at` on nothing is heard.
    pub fn silence(&self, slo: &str, at: DateTime<Utc>) {
        self.state().slo(slo).timeline.from(at, Phase::Silent);
    }

    /// What an SLO lived through between two instants does not count.
    pub fn correct(&self, slo: &str, from: DateTime<Utc>, to: DateTime<Utc>) {
        self.state().slo(slo).timeline.correct((from, to));
    }

    /// Writes a service definition of any version, under the name that it gives.
    pub fn define(&self, schema: Value) {
        let name = [&schema["dd-service"], &schema["info"]["dd-service"]].into_iter().find_map(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        self.state().definitions.insert(name, schema);
    }

    /// Writes a service definition that says in which folder of which repository the service is.
    pub fn service(&self, name: &str, repository: &str, patterns: &[&str]) {
        self.define(json!({
            "schema-version": "v2.2", "dd-service": name, "team": format!("{name}-team"),
            "links": [{"name": "Source", "type": "repo", "provider": "Github", "url": format!("https://{repository}")}],
            "extensions": {"datadoghq.com/dora-metrics": {"source_patterns": patterns}},
        }));
    }

    /// Writes an entity of version 3, under the name that its metadata gives.
    pub fn entity(&self, schema: Value) {
        let name = schema["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.state().entities.insert(name, schema);
    }

    /// Opens an incident on services, and gives its number.
    pub fn open_incident(&self, title: &str, severity: &str, services: &[&str]) -> u64 {
        let mut world = self.state();
        let (number, now) = (world.next_id(), world.now());
        world.incidents.push(IncidentRecord {
            number,
            title: title.to_owned(),
            severity: severity.to_owned(),
            services: services.iter().map(|service| (*service).to_owned()).collect(),
            envs: Vec::new(),
            created: now,
            modified: now,
            resolved: None,
            customer_impact: None,
            states: vec![(IncidentState::Active, now)],
            links: Vec::new(),
            fields: std::collections::BTreeMap::new(),
        });
        number
    }

    /// Moves an incident into another state.
    pub fn move_incident(&self, number: u64, state: IncidentState) {
        let mut world = self.state();
        let now = world.now();
        if let Some(incident) = world.incidents.iter_mut().find(|incident| incident.number == number) {
            let over = !matches!(state, IncidentState::Active | IncidentState::Stable);
            incident.resolved = over.then_some(incident.resolved.unwrap_or(now));
            incident.states.push((state, now));
            incident.modified = now;
        }
    }

    /// Says in which environments an incident is, in a property of the organisation's own.
    pub fn place_incident(&self, number: u64, envs: &[&str]) {
        let mut world = self.state();
        let now = world.now();
        if let Some(incident) = world.incidents.iter_mut().find(|incident| incident.number == number) {
            incident.modified = now;
            incident.envs = envs.iter().map(|env| (*env).to_owned()).collect();
        }
    }

    /// Says since when customers feel an incident.
    pub fn customers_feel(&self, number: u64, since: DateTime<Utc>) {
        let mut world = self.state();
        let now = world.now();
        if let Some(incident) = world.incidents.iter_mut().find(|incident| incident.number == number) {
            incident.modified = now;
            incident.customer_impact = Some(since);
        }
    }

    /// Links on an incident, as title and address, the oldest first.
    pub fn incident_links(&self, number: u64) -> Vec<(String, String)> {
        let world = self.state();
        let incident = world.incidents.iter().find(|incident| incident.number == number);
        let links = incident.map(|incident| incident.links.as_slice()).unwrap_or_default();
        links.iter().map(|link| (link.title.clone(), link.url.clone())).collect()
    }

    /// The text in a field of an incident.
    pub fn incident_field(&self, number: u64, field: &str) -> Option<String> {
        let world = self.state();
        world.incidents.iter().find(|incident| incident.number == number)?.fields.get(field).cloned()
    }

    /// Deployments that DORA Metrics knows, by service and when they were done.
    pub fn deployments(&self) -> Vec<(String, DateTime<Utc>)> {
        let world = self.state();
        world.deployments.iter().map(|one| (one.service.clone(), one.window.1)).collect()
    }

    /// Failures that DORA Metrics was told of.
    pub fn failures(&self) -> Vec<SimFailure> {
        let world = self.state();
        world.failures.iter().map(|one| (one.services.clone(), one.started, one.finished)).collect()
    }

    /// A deployment that took a minute and was done at `finished`; gives its id.
    pub fn deploy(&self, deployment: SimDeployment, finished: DateTime<Utc>) -> String {
        let mut world = self.state();
        let id = format!("deployment-{:016}", world.next_id());
        let SimDeployment { service, env, version, git } = deployment;
        let window = (finished - TimeDelta::minutes(1), finished);
        world.deployments.push(DeploymentRecord { id: id.clone(), service, env, window, version, git });
        id
    }

    /// An event of the event stream.
    pub fn event(&self, title: &str, tags: &[&str], at: DateTime<Utc>) {
        let mut world = self.state();
        // As long as the real ones, which a float does not hold.
        let id = 6_618_108_885_455_469_409 + world.next_id();
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        world.events.push(EventRecord { id, title: title.to_owned(), tags, at });
    }

    /// One run of a pipeline of a repository (`host/owner/name`), with its tests as suite, name, and whether it was flaky.
    pub fn test_run(&self, repository: &str, pipeline: &str, at: DateTime<Utc>, tests: &[(&str, &str, bool)]) {
        let mut world = self.state();
        let run = world.next_id();
        let record = |(suite, test, flaky): &(&str, &str, bool)| RunRecord {
            repository: repository.to_owned(),
            pipeline: pipeline.to_owned(),
            run,
            suite: (*suite).to_owned(),
            test: (*test).to_owned(),
            flaky: *flaky,
            at,
        };
        world.runs.extend(tests.iter().map(record));
    }

    /// Coverage of a pull request, percent.
    pub fn covered(&self, repository: &str, number: u64, total: f64, patch: f64) {
        self.state().coverage.insert((repository.to_owned(), number), (total, patch));
    }
}
