//! What of Datadog can be read: whether the keys are good, and each source tried once with the least call.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::Value;

use super::{
    cache::{Age, Cached},
    client::{Call, Datadog},
    coverage::coverage_call,
    deployments::deployments_call,
    endpoint::Endpoint,
    error::Error,
    slos::burn_call,
    test_runs::aggregate_call,
};

/// Whether the two keys are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// The API key.
    pub api: Result<(), Error>,
    /// The application key; where the API key is refused, nothing can be said of it.
    pub app: Result<(), Error>,
}

/// A part of Datadog that facts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatadogSource {
    /// SLOs and their history.
    Slos,
    /// The catalogue of services.
    Catalogue,
    /// Incidents.
    Incidents,
    /// The event stream.
    Events,
    /// DORA Metrics.
    Dora,
    /// CI Visibility's test runs.
    CiVisibility,
    /// Queries of metrics over time.
    Metrics,
    /// Code Coverage.
    CodeCoverage,
}

impl DatadogSource {
    /// All of them, in the order of the checklist.
    pub const ALL: [Self; 8] = [
        Self::Slos,
        Self::Catalogue,
        Self::Incidents,
        Self::Events,
        Self::Dora,
        Self::CiVisibility,
        Self::Metrics,
        Self::CodeCoverage,
    ];

    /// Its name for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Slos => "slos",
            Self::Catalogue => "catalogue",
            Self::Incidents => "incidents",
            Self::Events => "events",
            Self::Dora => "dora",
            Self::CiVisibility => "ci_visibility",
            Self::Metrics => "metrics",
            Self::CodeCoverage => "code_coverage",
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Slos => "SLOs",
            Self::Catalogue => "catalogue",
            Self::Incidents => "incidents",
            Self::Events => "events",
            Self::Dora => "DORA",
            Self::CiVisibility => "CI Visibility",
            Self::Metrics => "metrics query",
            Self::CodeCoverage => "code coverage",
        }
    }

    /// The permission that the application key needs for it.
    pub fn permission(self) -> &'static str {
        self.endpoint().permission().expect("every source takes a permission")
    }

    /// What Mergecast does without while it cannot read this, as the end of "without it, …".
    pub fn without(self) -> &'static str {
        match self {
            Self::Slos => "no burn rate and no error budget enter the score",
            Self::Catalogue => "only services that the policy file maps to paths are known",
            Self::Incidents => "an open incident lifts no score",
            Self::Events | Self::Metrics | Self::CodeCoverage => "nothing is missing: this version does not use it",
            Self::Dora => "deployments that only DORA Metrics tells of are not known",
            Self::CiVisibility => "flaky tests do not count",
        }
    }

    /// Whether facts come from it in this version; nobody needs to grant the permission of what is not used.
    pub fn is_used(self) -> bool {
        !matches!(self, Self::Events | Self::Metrics | Self::CodeCoverage)
    }

    fn endpoint(self) -> Endpoint {
        match self {
            Self::Slos => Endpoint::Slos,
            Self::Catalogue => Endpoint::ServiceDefinitions,
            Self::Incidents => Endpoint::Incidents,
            Self::Events => Endpoint::Events,
            Self::Dora => Endpoint::Deployments,
            Self::CiVisibility => Endpoint::TestRuns,
            Self::Metrics => Endpoint::Timeseries,
            Self::CodeCoverage => Endpoint::PullRequestCoverage,
        }
    }
}

/// Whether a source can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It answered.
    Available,
    /// The application key, or whoever made it, lacks the source's permission.
    Forbidden,
    /// The site does not offer it.
    NotOnThisSite,
    /// It could not be tried, or did not answer.
    Unknown(Error),
}

/// Whether the keys are good, and what they may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checklist {
    /// The keys.
    pub keys: KeyCheck,
    /// Each source, in the order of [`DatadogSource::ALL`].
    pub sources: Vec<SourceCheck>,
}

impl Checklist {
    fn unknown(error: &Error) -> Self {
        let source = |source| SourceCheck { source, access: Access::Unknown(error.clone()) };
        let keys = KeyCheck { api: Err(error.clone()), app: Err(error.clone()) };
        Self { keys, sources: DatadogSource::ALL.map(source).into() }
    }
}

/// What became of trying one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCheck {
    /// The source.
    pub source: DatadogSource,
    /// Whether it can be read.
    pub access: Access,
}

impl Datadog {
    /// Whether both keys are good: by the call that says so of both, and where a site does not have it yet, by one each.
    pub async fn check_keys(&self) -> KeyCheck {
        let said = self.tried(Call::new(Endpoint::ValidateKeys)).await;
        if said.is_ok() {
            return KeyCheck { api: Ok(()), app: Ok(()) };
        }
        if !matches!(said, Err(Error::NotFound | Error::Unauthorized | Error::Forbidden { .. })) {
            return KeyCheck { api: said.clone(), app: said };
        }
        // Which of them it is that it refuses, it does not say.
        let refused = |answer| match answer {
            Err(Error::Forbidden { .. } | Error::NotFound) => Err(Error::Unauthorized),
            other => other,
        };
        let api = refused(self.tried(Call::new(Endpoint::Validate)).await);
        let app = match &api {
            Ok(()) => refused(self.tried(Call::new(Endpoint::CurrentUser)).await),
            Err(error) => Err(error.clone()),
        };
        KeyCheck { api, app }
    }

    /// Whether the keys are good, and each source tried once. What does not answer in time is unknown.
    pub async fn checklist(&self, age: Age) -> Cached<Checklist> {
        let asking = self.clone();
        let ask = |_| async move {
            let (keys, sources) = tokio::join!(asking.check_keys(), asking.check_sources());
            Ok(Checklist { keys, sources })
        };
        // The keys take up to three calls, one after the other, each with its own patience.
        let answer = self.patient(self.patience() * 4).cached("checklist".to_owned(), age, ask).await;
        answer.unwrap_or_else(|error| Cached {
            value: Arc::new(Checklist::unknown(&error)),
            as_of: self.clock().now(),
            stale: None,
        })
    }

    /// Each source, tried once.
    pub async fn check_sources(&self) -> Vec<SourceCheck> {
        let check = |source| async move { SourceCheck { source, access: self.access(source).await } };
        join_all(DatadogSource::ALL.map(check)).await
    }

    async fn access(&self, source: DatadogSource) -> Access {
        if source == DatadogSource::Dora && !self.site().has_dora() {
            return Access::NotOnThisSite;
        }
        match self.tried(self.least_call(source)).await {
            Ok(()) => Access::Available,
            // The least call asks after a pull request that nobody has; the permission was looked at before that.
            Err(Error::NotFound) if source == DatadogSource::CodeCoverage => Access::Available,
            Err(Error::NotFound) => Access::NotOnThisSite,
            Err(Error::Forbidden { .. }) => Access::Forbidden,
            Err(error) => Access::Unknown(error),
        }
    }

    /// The call of a source that costs Datadog and us the least.
    fn least_call(&self, source: DatadogSource) -> Call {
        let (now, hour) = (self.clock().now(), TimeDelta::hours(1));
        let call = Call::new(source.endpoint());
        match source {
            DatadogSource::Slos => call.query("limit", 1),
            DatadogSource::Catalogue => call.query("page[size]", 1),
            DatadogSource::Incidents => call.query("query", "state:active").query("page[size]", 1),
            DatadogSource::Events => {
                call.query("start", (now - TimeDelta::seconds(1)).timestamp()).query("end", now.timestamp())
            }
            DatadogSource::Dora => deployments_call(None, (now - TimeDelta::minutes(1), now), 1, "-finished_at"),
            DatadogSource::CiVisibility => aggregate_call("test_level:session", "now-15m", &[]),
            // Of an SLO that nobody has: Datadog answers with empty lists.
            DatadogSource::Metrics => burn_call("0", "metric", (now - hour, now), hour),
            DatadogSource::CodeCoverage => coverage_call("github.com/mergecast/no-such-repository", 1),
        }
    }

    /// Whether a call is answered, whatever with.
    async fn tried(&self, call: Call) -> Result<(), Error> {
        self.ask::<Value>(&call).await.map(|_| ())
    }
}
