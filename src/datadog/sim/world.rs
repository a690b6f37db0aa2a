//! The state of the simulated organisation: what exists, and what happened to it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    SimClock,
    faults::Faults,
    limits::Limits,
    timeline::{Timeline, Window},
};
use crate::{datadog::IncidentState, slo::Kind};

/// All that the organisation has.
pub struct World {
    pub(super) clock: SimClock,
    pub(super) api_key: String,
    pub(super) app_key: String,
    /// Permissions that the application key lacks.
    pub(super) lacking: BTreeSet<String>,
    /// Beginnings of paths that the site does not have.
    pub(super) absent: BTreeSet<String>,
    pub(super) limits: Limits,
    pub(super) faults: Faults,
    /// How long the index of a search does not know what is new.
    pub(super) lag: TimeDelta,
    /// Whether test runs can be grouped by whether they were flaky.
    pub(super) groups_by_flaky: bool,
    pub(super) slos: BTreeMap<String, SloRecord>,
    /// By name; definitions and entities as they were written.
    pub(super) definitions: BTreeMap<String, Value>,
    pub(super) entities: BTreeMap<String, Value>,
    pub(super) incidents: Vec<IncidentRecord>,
    pub(super) deployments: Vec<DeploymentRecord>,
    pub(super) failures: Vec<FailureRecord>,
    pub(super) events: Vec<EventRecord>,
    pub(super) runs: Vec<RunRecord>,
    /// Total and patch coverage, percent, by repository and number.
    pub(super) coverage: BTreeMap<(String, u64), (f64, f64)>,
    /// The last number that was given out.
    pub(super) ids: u64,
}

/// An SLO.
#[derive(Clone, Debug)]
pub(super) struct SloRecord {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) tags: Vec<String>,
    /// Timeframe and target, percent; the first is the primary one.
    pub(super) goals: Vec<(String, f64)>,
    pub(super) timeline: Timeline,
    pub(super) created: DateTime<Utc>,
}

/// An incident.
#[derive(Clone, Debug)]
pub(super) struct IncidentRecord {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) severity: String,
    pub(super) services: Vec<String>,
    /// Of the property `env`, which the organisation has made; empty where it is not filled in.
    pub(super) envs: Vec<String>,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    pub(super) resolved: Option<DateTime<Utc>>,
    pub(super) customer_impact: Option<DateTime<Utc>>,
    /// Each state with when it began, oldest first; the last one is in force.
    pub(super) states: Vec<(IncidentState, DateTime<Utc>)>,
    pub(super) links: Vec<LinkRecord>,
    /// Texts that were written into fields of the organisation's own.
    pub(super) fields: std::collections::BTreeMap<String, String>,
}

/// A link on an incident.
#[derive(Clone, Debug)]
pub(super) struct LinkRecord {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) url: String,
    pub(super) modified: DateTime<Utc>,
}

/// A failure that DORA Metrics was told of.
#[derive(Clone, Debug)]
pub(super) struct FailureRecord {
    pub(super) id: String,
    pub(super) services: Vec<String>,
    pub(super) started: DateTime<Utc>,
    pub(super) finished: Option<DateTime<Utc>>,
}

impl IncidentRecord {
    pub(super) fn state(&self) -> IncidentState {
        self.states.last().map_or(IncidentState::Active, |(state, _)| *state)
    }

    /// Spans in which it was in a state, an open one without end.
    pub(super) fn spans(&self, wanted: IncidentState) -> Vec<(DateTime<Utc>, Option<DateTime<Utc>>)> {
        let ends = self.states.iter().skip(1).map(|(_, begin)| Some(*begin)).chain([None]);
        let spans = self.states.iter().zip(ends).filter(|((state, _), _)| *state == wanted);
        spans.map(|((_, begin), end)| (*begin, end)).collect()
    }
}

/// A deployment.
#[derive(Clone, Debug)]
pub(super) struct DeploymentRecord {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) env: String,
    pub(super) window: Window,
    pub(super) version: Option<String>,
    /// Repository and commit.
    pub(super) git: Option<(String, String)>,
}

/// An event.
#[derive(Clone, Debug)]
pub(super) struct EventRecord {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) tags: Vec<String>,
    pub(super) at: DateTime<Utc>,
}

/// One test in one run of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct RunRecord {
    pub(super) repository: String,
    pub(super) pipeline: String,
    pub(super) run: u64,
    pub(super) suite: String,
    pub(super) test: String,
    pub(super) flaky: bool,
    pub(super) at: DateTime<Utc>,
}

impl World {
    pub(super) fn new(clock: SimClock, seed: u64) -> Self {
        Self {
            clock,
            api_key: super::API_KEY.to_owned(),
            app_key: super::APP_KEY.to_owned(),
            lacking: BTreeSet::new(),
            absent: BTreeSet::new(),
            limits: Limits::default(),
            faults: Faults::new(seed),
            lag: TimeDelta::zero(),
            groups_by_flaky: true,
            slos: BTreeMap::new(),
            definitions: BTreeMap::new(),
            entities: BTreeMap::new(),
            incidents: Vec::new(),
            deployments: Vec::new(),
            failures: Vec::new(),
            events: Vec::new(),
            runs: Vec::new(),
            coverage: BTreeMap::new(),
            ids: 0,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// A number that nothing else of the organisation has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// The record of an SLO, made anew if there is none: a metric SLO of 99.9 % over 30 days.
    pub(super) fn slo(&mut self, id: &str) -> &mut SloRecord {
        let created = self.now();
        self.slos.entry(id.to_owned()).or_insert_with(|| SloRecord {
            name: id.to_owned(),
            kind: Kind::Metric,
            tags: Vec::new(),
            goals: vec![("30d".to_owned(), 99.9)],
            timeline: Timeline::default(),
            created,
        })
    }
}
