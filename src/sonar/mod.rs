//! SonarQube, Cloud or Server, by its web API: the measures on a pull request's new code, and its quality gate.
//!
//! It counts new code by itself and names no lines here. An analysis of another commit than the head is not used.
//! docs/coverage.md says which of its documents this rests on.

pub mod sim;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::{
    coverage::Totals,
    remote::{Remote, RemoteError},
};

/// What is asked for.
const METRICS: &str = "new_lines_to_cover,new_uncovered_lines,lines_to_cover,uncovered_lines";

/// SonarQube, as one token sees it.
#[derive(Clone, Debug)]
pub struct Sonar(Remote);

/// What it says of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Analysis {
    /// It has none, or none with coverage.
    None,
    /// Its newest is of this other commit.
    Other(String),
    /// Of the head commit.
    Head(Measures),
}

/// Measures of an analysis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measures {
    /// New lines to cover, and those of them that ran.
    pub new: Totals,
    /// The same for the whole project.
    pub all: Option<Totals>,
    /// The quality gate, in its words (`OK`, `ERROR`).
    pub gate: Option<String>,
}

#[derive(Deserialize)]
struct PullRequests {
    #[serde(rename = "pullRequests")]
    pull_requests: Vec<PullRequest>,
}

#[derive(Deserialize)]
struct PullRequest {
    key: String,
    #[serde(default)]
    commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

#[derive(Deserialize)]
struct Component {
    component: Measured,
}

#[derive(Deserialize)]
struct Measured {
    #[serde(default)]
    measures: Vec<Measure>,
}

/// A value of the whole stands in `value`, one of new code in `period`, or with older servers in `periods`.
#[derive(Deserialize)]
struct Measure {
    metric: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    period: Option<Period>,
    #[serde(default)]
    periods: Vec<Period>,
}

#[derive(Deserialize)]
struct Period {
    value: String,
}

#[derive(Deserialize)]
struct Gate {
    #[serde(rename = "projectStatus")]
    project_status: GateStatus,
}

#[derive(Deserialize)]
struct GateStatus {
    status: String,
}

impl Sonar {
    /// SonarQube at `url`.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn new(url: &Url, token: SecretString) -> Result<Self, RemoteError> {
        Remote::new(url, token).map(Self)
    }

    /// What it says of a pull request whose head is `head`.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn pull_request(&self, project: &str, number: u64, head: &str) -> Result<Analysis, RemoteError> {
        let number = number.to_string();
        let list: Option<PullRequests> =
            self.0.get(&["api", "project_pull_requests", "list"], &[("project", project)]).await?;
        let pulls = list.map(|list| list.pull_requests).unwrap_or_default();
        let Some(pull) = pulls.into_iter().find(|pull| pull.key == number) else { return Ok(Analysis::None) };
        match pull.commit {
            Some(commit) if commit.sha == head => {}
            Some(commit) => return Ok(Analysis::Other(commit.sha)),
            // Of which commit it is cannot be told, and it may be any.
            None => return Err(RemoteError::Unavailable("it does not say of which commit its analysis is".to_owned())),
        }
        let query = [("component", project), ("pullRequest", &number), ("metricKeys", METRICS)];
        let measured: Option<Component> = self.0.get(&["api", "measures", "component"], &query).await?;
        let measures = measured.map(|measured| measured.component.measures).unwrap_or_default();
        let Some(new) = totals(&measures, "new_lines_to_cover", "new_uncovered_lines") else {
            return Ok(Analysis::None);
        };
        let query = [("projectKey", project), ("pullRequest", &number)];
        let gate: Option<Gate> = self.0.get(&["api", "qualitygates", "project_status"], &query).await?;
        Ok(Analysis::Head(Measures {
            new,
            all: totals(&measures, "lines_to_cover", "uncovered_lines"),
            gate: gate.map(|gate| gate.project_status.status),
        }))
    }

    /// Whether the token is good.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn check(&self) -> Result<(), RemoteError> {
        #[derive(Deserialize)]
        struct Valid {
            valid: bool,
        }
        match self.0.get::<Valid>(&["api", "authentication", "validate"], &[]).await? {
            Some(Valid { valid: true }) => Ok(()),
            Some(Valid { valid: false }) => Err(RemoteError::Unauthorized),
            None => Err(RemoteError::Contract),
        }
    }
}

fn totals(measures: &[Measure], all: &str, uncovered: &str) -> Option<Totals> {
    let number = |name: &str| {
        let measure = measures.iter().find(|measure| measure.metric == name)?;
        let of_new = || measure.period.as_ref().or_else(|| measure.periods.first()).map(|period| &period.value);
        measure.value.as_ref().or_else(of_new)?.parse::<u64>().ok()
    };
    let (lines, uncovered) = (number(all)?, number(uncovered)?);
    Some(Totals { lines, covered: lines.checked_sub(uncovered)? })
}

#[cfg(test)]
mod tests {
    use super::{
        sim::{SimAnalysis, SimSonar, TOKEN},
        *,
    };

    #[tokio::test]
    async fn an_analysis_of_the_head_is_read_and_of_another_commit_is_only_named() {
        let sim = SimSonar::start().await.unwrap();
        let sonar = Sonar::new(sim.url(), TOKEN.into()).unwrap();
        assert_eq!(sonar.pull_request("acme_shop", 7, "c1").await, Ok(Analysis::None));
        let analysis = SimAnalysis { commit: Some("c1".to_owned()), new: Some((20, 5)), all: (1_000, 200), gate: "OK" };
        for in_periods in [false, true] {
            sim.analysis("acme_shop", 7, analysis.clone());
            sim.older(in_periods);
            let expected = Measures {
                new: Totals { lines: 20, covered: 15 },
                all: Some(Totals { lines: 1_000, covered: 800 }),
                gate: Some("OK".to_owned()),
            };
            assert_eq!(sonar.pull_request("acme_shop", 7, "c1").await, Ok(Analysis::Head(expected)));
        }
        assert_eq!(sonar.pull_request("acme_shop", 7, "c2").await, Ok(Analysis::Other("c1".to_owned())));
        assert_eq!(sonar.pull_request("acme_shop", 8, "c1").await, Ok(Analysis::None));
        sim.analysis("acme_shop", 7, SimAnalysis { new: None, ..analysis.clone() });
        assert_eq!(sonar.pull_request("acme_shop", 7, "c1").await, Ok(Analysis::None), "without coverage");
        sim.analysis("acme_shop", 7, SimAnalysis { commit: None, ..analysis });
        assert!(sonar.pull_request("acme_shop", 7, "c1").await.is_err(), "of whatever commit");
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        let sim = SimSonar::start().await.unwrap();
        let sonar = Sonar::new(sim.url(), TOKEN.into()).unwrap();
        assert_eq!(sonar.check().await, Ok(()));
        let other = Sonar::new(sim.url(), "wrong".into()).unwrap();
        assert_eq!(other.check().await, Err(RemoteError::Unauthorized));
        sim.fail(Some(403));
        assert_eq!(sonar.pull_request("acme_shop", 7, "c1").await, Err(RemoteError::Forbidden));
    }
}
