//! Sightings: what one source said of one deployment at one time, whatever the source.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Who tells of a deployment; the first in this order is believed most where two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The pipeline that deployed, by the API or `mergecast deploy`.
    Api,
    /// A GitHub deployment and its statuses.
    GithubDeployment,
    /// A deployment of Datadog's DORA Metrics.
    DatadogDora,
    /// A Datadog event with the tag `deployment`.
    DatadogEvent,
    /// A GitHub release or tag: it says what was meant to go out, not that it did.
    GithubRelease,
}

impl Source {
    const ALL: [Self; 5] =
        [Self::Api, Self::GithubDeployment, Self::DatadogDora, Self::DatadogEvent, Self::GithubRelease];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::GithubDeployment => "github_deployment",
            Self::DatadogDora => "datadog_dora",
            Self::DatadogEvent => "datadog_event",
            Self::GithubRelease => "github_release",
        }
    }
}

/// A record at a source. All that a source says under one id is about one deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WitnessId {
    /// Whose record it is.
    pub source: Source,
    /// Its id there. Untrusted.
    pub id: String,
}

impl fmt::Display for WitnessId {
    /// In one word: `api:run-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name(), self.id)
    }
}

impl WitnessId {
    /// What [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(word: &str) -> Option<Self> {
        let (source, id) = word.split_once(':')?;
        let source = Source::ALL.into_iter().find(|one| one.name() == source)?;
        (!id.is_empty()).then(|| Self { source, id: id.to_owned() })
    }
}

/// How far the rollout is, by what a source says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollout {
    /// Begun, and not over.
    InProgress,
    /// It did not reach the environment: production runs on what it ran before.
    Failed,
    /// It runs.
    Succeeded,
}

/// What a source said of a deployment. Empty text is the same as none; all text is untrusted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sighting {
    /// Which record says so.
    pub witness: WitnessId,
    /// When the source said it, by its own clock. Of two statements under one id the later one stands.
    pub said_at: DateTime<Utc>,
    /// When it reached Mergecast first; `None` where it was asked for afterwards, so that it cannot be late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<DateTime<Utc>>,
    /// Service; `None` where only the repository is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The source marks the environment as production. It says nothing if it does not: GitHub marks only what is called
    /// `production`, unless it is told otherwise.
    pub production: bool,
    /// Team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Version or tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Commit, whole or abbreviated to at least 7 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<String>,
    /// Repository, as an address or as `host/owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Cluster, region or cell, where one deployment has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// How far it is.
    pub rollout: Rollout,
    /// A program started it, not a person; `None` where that is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automated: Option<bool>,
}

impl Sighting {
    /// A deployment that runs, of which nothing more is said than when it was said.
    pub fn new(source: Source, id: impl Into<String>, said_at: DateTime<Utc>) -> Self {
        Self {
            witness: WitnessId { source, id: id.into() },
            said_at,
            received_at: None,
            service: None,
            env: None,
            production: false,
            team: None,
            version: None,
            commit_sha: None,
            repository: None,
            cluster: None,
            started_at: None,
            finished_at: None,
            rollout: Rollout::Succeeded,
            automated: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_word() {
        for source in Source::ALL {
            let witness = WitnessId { source, id: "a:b".into() };
            assert_eq!(WitnessId::parse(&witness.to_string()).as_ref(), Some(&witness));
            assert_eq!(serde_json::to_value(source).unwrap(), source.name());
        }
        assert_eq!(
            [WitnessId::parse("api:"), WitnessId::parse("other:1"), WitnessId::parse("api")],
            [None, None, None]
        );
    }
}
