//! Coverage of a pull request, where the organisation sends reports to Datadog.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{
    cache::{Age, Cached},
    client::{Call, Datadog},
    endpoint::Endpoint,
    error::Error,
    wire,
};

/// Coverage of a pull request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PullRequestCoverage {
    /// Of all lines, percent.
    pub total: Option<f64>,
    /// Of the changed lines, percent.
    pub patch: Option<f64>,
    /// Of the changed lines by service, percent. Names are untrusted.
    pub patch_by_service: BTreeMap<String, f64>,
}

impl Datadog {
    /// Coverage of a pull request of a repository (`host/owner/name`); `None` if Datadog has no report of it.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn pull_request_coverage(
        &self,
        repository: &str,
        number: u64,
        age: Age,
    ) -> Result<Cached<Option<PullRequestCoverage>>, Error> {
        let call = coverage_call(repository, number);
        let ask = move |datadog: Self| async move {
            match datadog.ask::<Answer>(&call).await {
                Ok(answer) => Ok(answer.data.and_then(|data| data.attributes).map(Attributes::coverage)),
                Err(Error::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.cached(format!("coverage {number} {repository}"), age, ask).await
    }
}

pub(super) fn coverage_call(repository: &str, number: u64) -> Call {
    let attributes = json!({"repository_url": repository, "pr_number": number});
    let body = json!({"data": {"type": "ci_app_coverage_pr_summary_request", "attributes": attributes}});
    Call::new(Endpoint::PullRequestCoverage).body(body)
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    attributes: Option<Attributes>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(default, deserialize_with = "wire::lenient")]
    total_coverage: Option<f64>,
    #[serde(default, deserialize_with = "wire::lenient")]
    patch_coverage: Option<f64>,
    #[serde(default, deserialize_with = "wire::lenient")]
    services: Option<BTreeMap<String, Part>>,
}

#[derive(Deserialize)]
struct Part {
    patch_coverage: Option<f64>,
}

impl Attributes {
    fn coverage(self) -> PullRequestCoverage {
        let parts = self.services.unwrap_or_default().into_iter();
        PullRequestCoverage {
            total: self.total_coverage,
            patch: self.patch_coverage,
            patch_by_service: parts.filter_map(|(name, part)| Some((name, part.patch_coverage?))).collect(),
        }
    }
}
