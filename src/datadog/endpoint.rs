//! The calls that are made of Datadog, each with its address, the permission it takes and the limit it counts against.

use std::time::Duration;

use reqwest::Method;

/// One call of Datadog's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    ValidateKeys,
    Validate,
    CurrentUser,
    Slos,
    SloHistory,
    Timeseries,
    Incidents,
    Deployments,
    Events,
    TestRuns,
    FlakyTests,
    ServiceDefinitions,
    Entities,
    PullRequestCoverage,
    IncidentLinks,
    AddIncidentLink,
    ChangeIncidentLink,
    SetIncidentField,
    TellDeployment,
    TellFailure,
}

/// How many calls an organisation may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) calls: u32,
    pub(super) period: Duration,
}

impl Limit {
    pub(super) const fn new(calls: u32, seconds: u64) -> Self {
        Self { calls, period: Duration::from_secs(seconds) }
    }
}

/// Where Datadog publishes no limit: a tenth of what one organisation may ask for in all (12,000 a minute), until an
/// answer's headers say better.
const UNPUBLISHED: Limit = Limit::new(1_200, 60);

impl Endpoint {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Timeseries | Self::Deployments | Self::TestRuns | Self::FlakyTests | Self::PullRequestCoverage => {
                Method::POST
            }
            Self::AddIncidentLink | Self::TellDeployment | Self::TellFailure => Method::POST,
            Self::ChangeIncidentLink | Self::SetIncidentField => Method::PATCH,
            _ => Method::GET,
        }
    }

    /// It makes something: where it is not known whether it did, it is not made again.
    pub(super) fn creates(self) -> bool {
        matches!(self, Self::AddIncidentLink | Self::TellDeployment | Self::TellFailure)
    }

    /// The path; `{}` stands for what differs from call to call. Also what the call is called in metrics.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::ValidateKeys => "/api/v2/validate_keys",
            Self::Validate => "/api/v1/validate",
            Self::CurrentUser => "/api/v2/current_user",
            Self::Slos => "/api/v1/slo",
            Self::SloHistory => "/api/v1/slo/{}/history",
            Self::Timeseries => "/api/v2/query/timeseries",
            Self::Incidents => "/api/v2/incidents/search",
            Self::Deployments => "/api/v2/dora/deployments",
            Self::Events => "/api/v1/events",
            Self::TestRuns => "/api/v2/ci/tests/analytics/aggregate",
            Self::FlakyTests => "/api/v2/test/flaky-test-management/tests",
            Self::ServiceDefinitions => "/api/v2/services/definitions",
            Self::Entities => "/api/v2/catalog/entity",
            Self::PullRequestCoverage => "/api/v2/code-coverage/pr/summary",
            Self::IncidentLinks | Self::AddIncidentLink => "/api/v2/incidents/{}/attachments",
            Self::ChangeIncidentLink => "/api/v2/incidents/{}/attachments/{}",
            Self::SetIncidentField => "/api/v2/incidents/{}",
            Self::TellDeployment => "/api/v2/dora/deployment",
            Self::TellFailure => "/api/v2/dora/failure",
        }
    }

    /// The permission that the application key needs for it.
    pub(super) fn permission(self) -> Option<&'static str> {
        Some(match self {
            Self::ValidateKeys | Self::Validate | Self::CurrentUser => return None,
            Self::Slos | Self::SloHistory => "slos_read",
            Self::Timeseries => "timeseries_query",
            Self::Incidents => "incident_read",
            Self::Deployments => "dora_metrics_read",
            Self::Events => "events_read",
            Self::TestRuns | Self::FlakyTests => "test_optimization_read",
            Self::ServiceDefinitions | Self::Entities => "apm_service_catalog_read",
            Self::PullRequestCoverage => "code_coverage_read",
            Self::IncidentLinks => "incident_read",
            Self::AddIncidentLink | Self::ChangeIncidentLink | Self::SetIncidentField => "incident_write",
            Self::TellDeployment | Self::TellFailure => "dora_metrics_write",
        })
    }

    /// The limit as recorded or documented; an answer's headers correct it.
    pub(super) fn limit(self) -> Limit {
        match self {
            Self::SloHistory => Limit::new(150, 10),
            Self::Slos => Limit::new(1_000, 10),
            Self::Events => Limit::new(600, 60),
            Self::Timeseries => Limit::new(1_600, 3_600),
            _ => UNPUBLISHED,
        }
    }
}
