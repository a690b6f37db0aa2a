//! What each line of the log is about: the delivery, the repository and the pull request, as fields of a span.

use serde::Deserialize;
use tracing::{Span, field::Empty};

use crate::{github::RepoName, store::Job};

/// Where a payload of GitHub's, or of a job of ours, says what it is about.
#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    repository: Option<Named>,
    pull_request: Option<Numbered>,
    issue: Option<Numbered>,
    number: Option<u64>,
    check_run: Option<OnCommit>,
    check_suite: Option<OnCommit>,
    workflow_run: Option<OnCommit>,
    /// A job about an override names its pull request so.
    pull: Option<OurPull>,
}

/// GitHub gives an object, a job of ours the name itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Object { full_name: String, id: Option<u64> },
    Name(String),
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

#[derive(Deserialize)]
struct OurPull {
    repository: String,
    number: u64,
}

/// Something on a commit, with the pull requests that have it as their head.
#[derive(Deserialize)]
struct OnCommit {
    pull_requests: Option<Vec<Option<Listed>>>,
}

#[derive(Deserialize)]
struct Listed {
    number: u64,
    base: Option<Base>,
}

#[derive(Deserialize)]
struct Base {
    repo: Option<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

impl About {
    fn name(&self) -> Option<&str> {
        match (&self.repository, &self.pull) {
            (Some(Named::Object { full_name: name, .. } | Named::Name(name)), _) => Some(name),
            (None, pull) => pull.as_ref().map(|pull| pull.repository.as_str()),
        }
    }

    fn number(&self) -> Option<u64> {
        let told = self.pull_request.as_ref().or(self.issue.as_ref()).map(|numbered| numbered.number);
        told.or(self.number).or_else(|| Some(self.pull.as_ref()?.number)).or_else(|| self.only_listed())
    }

    /// The pull request of the commit, where it is the head of a single one of this repository. Payloads list those of
    /// other repositories as well.
    fn only_listed(&self) -> Option<u64> {
        let Some(Named::Object { id: Some(id), .. }) = &self.repository else { return None };
        let on = self.check_run.as_ref().or(self.check_suite.as_ref()).or(self.workflow_run.as_ref())?;
        let here = |listed: &&Listed| {
            listed.base.as_ref().and_then(|base| base.repo.as_ref()).is_none_or(|repo| repo.id == *id)
        };
        let mut own = on.pull_requests.iter().flatten().flatten().filter(here);
        let one = own.next()?;
        own.next().is_none().then_some(one.number)
    }
}

/// The span of the work on a delivery.
pub(super) fn of_delivery(id: &str, event: &str, body: &[u8]) -> Span {
    let span =
        tracing::info_span!("delivery", delivery.id = %id, event = %event, repository = Empty, pr.number = Empty);
    about(&span, body);
    span
}

/// The span of an upload for a repository, by the parts of its address.
pub(super) fn of_upload(owner: &str, repository: &str) -> Span {
    let span = tracing::info_span!("upload", repository = Empty);
    named(&span, &format!("{owner}/{repository}"));
    span
}

/// The span of the work on a job, under the newest of the deliveries that asked for it.
pub(super) fn of_job(job: &Job) -> Span {
    let span = tracing::info_span!(
        "job", job.key = %job.key, attempt = job.attempts, delivery.id = Empty, repository = Empty, pr.number = Empty
    );
    if let Some(id) = &job.delivery_id {
        span.record("delivery.id", id);
    }
    about(&span, job.payload.as_bytes());
    span
}

fn about(span: &Span, payload: &[u8]) {
    if span.is_disabled() {
        return;
    }
    let about: About = serde_json::from_slice(payload).unwrap_or_default();
    if let Some(name) = about.name() {
        named(span, name);
    }
    if let Some(number) = about.number() {
        span.record("pr.number", number);
    }
}

/// From outside: only what can be a repository's name is written.
fn named(span: &Span, name: &str) {
    if let Some(name) = RepoName::parse(name) {
        span.record("repository", tracing::field::display(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_payload_is_about() {
        let check = |payload: serde_json::Value, name: Option<&str>, number: Option<u64>| {
            let about: About = serde_json::from_value(payload.clone()).unwrap_or_default();
            assert_eq!((about.name(), about.number()), (name, number), "{payload}");
        };
        let shop = json!({"id": 1, "full_name": "acme/shop"});
        let listed = |number, id| json!({"number": number, "base": {"repo": {"id": id}}});
        let on = |what: &str, pulls: serde_json::Value| json!({"repository": shop, what: {"pull_requests": pulls}});
        let name = Some("acme/shop");
        check(json!({"repository": shop, "pull_request": {"number": 7}}), name, Some(7));
        check(json!({"repository": shop, "issue": {"number": 7}}), name, Some(7));
        check(json!({"repository": "acme/shop", "number": 7, "head_sha": "a"}), name, Some(7));
        check(json!({"repository": "acme/shop", "sha": "a"}), name, None);
        check(json!({"pull": {"repository": "acme/shop", "number": 7}, "override_id": "o"}), name, Some(7));
        for what in ["check_run", "check_suite", "workflow_run"] {
            check(on(what, json!([listed(9, 2), listed(7, 1)])), name, Some(7));
            check(on(what, json!([listed(8, 1), listed(7, 1)])), name, None);
            check(on(what, json!([])), name, None);
            check(on(what, json!(null)), name, None);
            check(on(what, json!([null, {"number": 7, "base": null}])), name, Some(7));
        }
        check(json!({"installation_id": 42}), None, None);
        check(json!([]), None, None);
    }
}
