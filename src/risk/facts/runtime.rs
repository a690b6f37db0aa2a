//! What is known of the services that a change is for: which they are, their SLOs, incidents, deployments and test runs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Known, Source, Unknown};
use crate::slo::{Burn, Clearing, Disagreement, Target, Timeframe};

/// A service that a change is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetService {
    /// Its name. Untrusted.
    pub name: String,
    /// Environment that it is deployed to, where the policy names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Changed files of it with what says so, at most 20.
    pub files: Vec<ServiceFile>,
    /// How many changed files of it there are.
    pub files_total: u64,
}

/// A changed file of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFile {
    /// Its path. Untrusted.
    pub path: String,
    /// The pattern that it matches. Untrusted.
    pub pattern: String,
    /// Where that stands.
    pub says: Says,
}

/// What says that files belong to a service; the first in this order is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// `services` in the policy file.
    Policy,
    /// The catalogue's source patterns for DORA Metrics.
    SourcePatterns,
    /// The catalogue's link to the repository.
    RepositoryLink,
    /// The catalogue's code locations.
    CodeLocation,
}

/// The incident that a change mends, as somebody with write permission has said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remediation {
    /// The incident, by Datadog's id. Untrusted.
    pub incident: String,
    /// Who said so. Untrusted.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Health of the services that the change is for; each figure is that of the worst service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// Highest SLO burn rate in any 2 h window of the last 48 h (1 = the budget lasts exactly its period).
    pub burn_rate: Known<f64>,
    /// Share of the error budget that is left, 0-1, negative when overspent.
    pub budget_left: Known<f64>,
    /// Names of active incidents of high severity. Untrusted.
    pub open_incidents: Known<Vec<String>>,
    /// Share of test runs in the last 14 days with a flaky test, 0-1, of the pipeline with most.
    pub flaky_rate: Known<f64>,
    /// Hours since the last deployment of the service.
    pub hours_since_deployment: Known<f64>,
    /// The SLOs behind burn rate and budget, those that burn most first, at most 10. Empty in facts from before they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slos: Vec<SloHealth>,
    /// How many SLOs there are in all, where more are than are kept. `None` in facts from before they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo_counts: Option<SloCounts>,
    /// All incidents that are not over, whatever their severity, active ones of high severity first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<OpenIncident>,
    /// The newest deployment behind the hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<LatestDeployment>,
    /// The pipeline behind the flaky rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaky: Option<FlakyPipeline>,
    /// Suites with most flakes, most first, at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaky_suites: Vec<FlakySuite>,
    /// How often deployments of the service failed of late. Unknown in facts from before it was asked.
    #[serde(default = "never_asked")]
    pub change_fail_rate: Known<ChangeFailRate>,
    /// When the oldest of these answers was given. `None` where nothing was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<DateTime<Utc>>,
    /// When the oldest answer of each kind was given, each kind once. Empty in facts from before it was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
}

/// When something was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What.
    pub what: Asked,
    /// When the oldest answer about it was given.
    pub at: DateTime<Utc>,
}

/// What is asked of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Which services there are.
    Catalogue,
    /// Burn rates and budgets.
    Slos,
    /// Open incidents.
    Incidents,
    /// Deployments, and how many of them failed.
    Deployments,
    /// Flaky tests.
    TestRuns,
}

impl Runtime {
    /// Nothing is known, for one reason.
    pub fn unknown(why: &Unknown) -> Self {
        Self {
            burn_rate: Err(why.clone()),
            budget_left: Err(why.clone()),
            open_incidents: Err(why.clone()),
            flaky_rate: Err(why.clone()),
            hours_since_deployment: Err(why.clone()),
            slos: Vec::new(),
            slo_counts: None,
            incidents: Vec::new(),
            deployed: None,
            flaky: None,
            flaky_suites: Vec::new(),
            change_fail_rate: Err(why.clone()),
            as_of: None,
            told: Vec::new(),
        }
    }
}

fn never_asked<T>() -> Known<T> {
    Err(Unknown::not_connected(Source::Datadog))
}

/// How many SLOs the services of a change have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SloCounts {
    /// In all.
    pub total: u64,
    /// Those that burned at more than twice the pace.
    pub fast: u64,
    /// Those whose burn rate is not known.
    pub unread: u64,
}

/// An SLO of a service and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SloHealth {
    /// Service that it is for. Untrusted.
    pub service: String,
    /// Its id. Untrusted.
    pub id: String,
    /// What it is called. Untrusted.
    pub name: String,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it promises.
    pub target: Target,
    /// The time over which that is counted.
    pub timeframe: Timeframe,
    /// How it burned in the last 48 h.
    pub burn: Known<SloBurn>,
    /// Share of the budget of its timeframe that is left, 0-1, negative when overspent.
    pub budget_left: Known<f64>,
}

/// How an SLO burned in the last 48 h.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SloBurn {
    /// In whichever 2 h burned most.
    pub highest: Burn,
    /// Over all 48 h.
    pub average: Burn,
    /// Hours until the rest of the budget, or all of it where the rest is not known, is spent at the highest rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_to_empty: Option<f64>,
    /// When the burn will have left the window.
    pub clearing: Clearing,
    /// Another way of reckoning that comes to something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<Disagreement>,
}

/// An incident that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIncident {
    /// Datadog's id. Untrusted.
    pub id: String,
    /// The number that people call it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// What it is called. Untrusted.
    pub title: String,
    /// 0 for `SEV-0` to 5 for `SEV-5`, the lower the worse; `None` while nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    /// It does damage; else it is stable and not over.
    pub active: bool,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Services of the change that it is on. Untrusted.
    pub services: Vec<String>,
}

/// The newest deployment of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestDeployment {
    /// Which service. Untrusted.
    pub service: String,
    /// When it took effect.
    pub at: DateTime<Utc>,
    /// Version. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How often runs of a pipeline saw a flaky test in the last 14 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlakyPipeline {
    /// What it is called. Untrusted.
    pub pipeline: String,
    /// Its runs.
    pub runs: u64,
    /// Those with at least one flaky test.
    pub flaky_runs: u64,
}

/// A suite with flaky tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlakySuite {
    /// What it is called. Untrusted.
    pub suite: String,
    /// Runs of flaky tests in it in the last 14 days.
    pub flakes: u64,
}

/// How many deployments of a service failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFailRate {
    /// Which service. Untrusted.
    pub service: String,
    /// Deployments in the last 90 days.
    pub deployments: u64,
    /// Those within a day after which an incident of the service began.
    pub failed: u64,
}
