//! What is asked of GitHub, counted and timed by endpoint and outcome, and what is left of its limits.
//!
//! A path never becomes a label: it holds names of other people's making. A label is put together from words of ours.

use std::time::Duration;

use chrono::DateTime;
use metrics::SharedString;
use url::Url;

use super::error::Error;
use super::rate::RateHeaders;
use super::transport::{Answer, Call};

/// Deepest address that is told apart.
const DEPTH: usize = 9;

/// Words of GitHub's addresses. Whatever else stands in one is somebody's name or number.
const WORDS: &[&str] = &[
    "access_tokens",
    "annotations",
    "app",
    "app-manifests",
    "attempts",
    "blobs",
    "branches",
    "check-runs",
    "check-suites",
    "codeowners",
    "collaborators",
    "comments",
    "commits",
    "compare",
    "config",
    "contents",
    "conversions",
    "deliveries",
    "deployments",
    "errors",
    "files",
    "git",
    "graphql",
    "hook",
    "installation",
    "installations",
    "issues",
    "labels",
    "members",
    "memberships",
    "orgs",
    "permission",
    "pulls",
    "rate_limit",
    "reactions",
    "ref",
    "refs",
    "replies",
    "repositories",
    "requested_reviewers",
    "rerequest",
    "reviews",
    "search",
    "status",
    "statuses",
    "suspended",
    "teams",
    "trees",
    "user",
    "users",
];

/// Resources that GitHub limits, as `x-ratelimit-resource` names them.
const RESOURCES: &[&str] = &["core", "graphql", "integration_manifest", "search"];

/// Takes note of one exchange, whatever became of it.
pub(super) fn exchanged(call: &Call, base: &Url, result: Result<&Answer, &Error>, took: Duration) {
    let endpoint = endpoint(base.path(), call.url.path());
    let method = call.method.as_str().to_owned();
    let labels = [("endpoint", endpoint.clone()), ("method", method), ("outcome", outcome(result).to_owned())];
    metrics::counter!("mergecast_github_requests_total", &labels).increment(1);
    metrics::histogram!("mergecast_github_request_seconds", "endpoint" => endpoint).record(took.as_secs_f64());
}

/// Takes note of what an answer says is left of a limit.
pub(super) fn remaining(answer: &Answer, installation: &SharedString) {
    let Some(left) = answer.header("x-ratelimit-remaining").and_then(|text| text.trim().parse::<u32>().ok()) else {
        return;
    };
    let said = answer.header("x-ratelimit-resource").unwrap_or_default();
    let resource = RESOURCES.iter().find(|known| **known == said).copied().unwrap_or("other");
    metrics::gauge!(
        "mergecast_github_rate_limit_remaining",
        "installation" => installation.clone(), "resource" => resource
    )
    .set(f64::from(left));
}

/// Takes note of a refusal over limits.
pub(super) fn limited(limit: &'static str) {
    metrics::counter!("mergecast_github_rate_limited_total", "limit" => limit).increment(1);
}

/// The address without what is particular in it: `/repos/{owner}/{repo}/pulls/{id}/files`.
fn endpoint(base: &str, path: &str) -> String {
    let path = path.strip_prefix(base.trim_end_matches('/')).unwrap_or(path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (mut label, mut rest) = (String::new(), segments.as_slice());
    match rest {
        ["repos", _, _, below @ ..] => (label, rest) = ("/repos/{owner}/{repo}".to_owned(), below),
        // How GitHub calls a repository in the links to further pages and after a rename.
        ["repositories", _, below @ ..] => (label, rest) = ("/repos/{owner}/{repo}".to_owned(), below),
        // GraphQL of a GitHub Enterprise Server stands beside the base of REST.
        [.., "graphql"] => return "/graphql".to_owned(),
        _ => {}
    }
    if rest.len() > DEPTH {
        return "other".to_owned();
    }
    for segment in rest {
        let known = WORDS.binary_search(segment).is_ok();
        label.push('/');
        label.push_str(if known { segment } else { "{id}" });
        if *segment == "contents" {
            label.push_str("/{path}");
            break;
        }
    }
    label
}

fn outcome(result: Result<&Answer, &Error>) -> &'static str {
    let answer = match result {
        Ok(answer) => answer,
        Err(Error::Contract { .. }) => return "not_understood",
        Err(_) => return "no_answer",
    };
    // Only whether a time is named matters here, not which.
    let rate = RateHeaders::read(&answer.headers, DateTime::UNIX_EPOCH);
    match answer.status {
        200..=299 => "ok",
        304 => "not_modified",
        status if rate.is_limit(status, &answer.message()) => "rate_limited",
        401 => "unauthorized",
        403 => "forbidden",
        404 | 410 => "not_found",
        408 | 500.. => "server_error",
        400..=499 => "invalid",
        _ => "not_understood",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_for_the_search() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn labels_hold_no_names() {
        let check = |base: &str, path: &str, expected: &str| assert_eq!(endpoint(base, path), expected, "{path}");
        check("/", "/app", "/app");
        check("/", "/app/installations/42/access_tokens", "/app/installations/{id}/access_tokens");
        check("/", "/repos/acme/shop/pulls/7/files", "/repos/{owner}/{repo}/pulls/{id}/files");
        check("/", "/repositories/1296269/pulls/7/files", "/repos/{owner}/{repo}/pulls/{id}/files");
        check("/", "/repos/acme/shop/commits/6dcb09b/check-runs", "/repos/{owner}/{repo}/commits/{id}/check-runs");
        check("/", "/repos/git/user/git/blobs/ab", "/repos/{owner}/{repo}/git/blobs/{id}");
        check("/", "/repos/acme/shop/contents/src/secret%20plan.rs", "/repos/{owner}/{repo}/contents/{path}");
        check("/api/v3", "/api/v3/repos/acme/shop/check-runs", "/repos/{owner}/{repo}/check-runs");
        check("/api/v3", "/api/graphql", "/graphql");
        check("/", "/graphql", "/graphql");
        check("/", "/orgs/acme/teams/payments/members", "/orgs/{id}/teams/{id}/members");
        check("/", &"/x".repeat(DEPTH + 1), "other");
    }
}
