//! What each line of the log is about: the delivery, the repository and the pull request, as fields of a span.

use serde::Deserialize;
use tracing::{Span, field::Empty};

use crate::{
    github::RepoName,
    store::{Delivery, Job},
};

/// Where a payload of GitHub's, or of a job of ours, says what it is about.
#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    repository: Option<Named>,
    pull_request: Option<Numbered>,
    issue: Option<Numbered>,
    number: Option<u64>,
}

/// GitHub gives an object, a job of ours the name itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Object { full_name: String },
    Name(String),
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// The span of the work on a delivery.
pub(super) fn of_delivery(delivery: &Delivery) -> Span {
    let span = tracing::info_span!(
        "delivery", delivery.id = %delivery.delivery_id, event = %delivery.event, repository = Empty, pr.number = Empty
    );
    about(&span, &delivery.body);
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
    let name = about.repository.map(|named| match named {
        Named::Object { full_name: name } | Named::Name(name) => name,
    });
    // From outside: only what can be a repository's name is written.
    if let Some(name) = name.as_deref().and_then(RepoName::parse) {
        span.record("repository", tracing::field::display(name));
    }
    let number = about.pull_request.or(about.issue).map(|numbered| numbered.number).or(about.number);
    if let Some(number) = number {
        span.record("pr.number", number);
    }
}
