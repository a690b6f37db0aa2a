//! Webhooks: the signature over the raw bytes, and the way from a payload to an [`Event`].
//!
//! Nothing is parsed before [`verify`] said yes. Unknown events and actions are ignored, unknown fields skipped, missing
//! ones defaulted; refused is only what lacks the very fields that its handler needs.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use super::EVENTS;
use super::deployed::{DeploymentBody, ReleaseBody};
pub use super::deployed::{DeploymentEvent, DeploymentState, DeploymentStatus, ReleaseEvent};
pub use super::event::{
    Account, CheckRunAction, CheckRunEvent, CheckSuiteAction, CheckSuiteEvent, Event, Ignored, InstallationAction,
    InstallationEvent, IssueCommentEvent, MergeGroupAction, MergeGroupEvent, Origin, PullRequestAction,
    PullRequestEvent, PullSummary, PushEvent, Repository, RepositoryEvent, ReviewAction, ReviewEvent, StatusEvent,
    WorkflowRunEvent,
};
use super::payload::{
    CheckRunBody, CheckSuiteBody, Common, InstallationBody, IssueCommentBody, MergeGroupBody, PullBody, PushBody,
    ReviewBody, StatusBody, WorkflowRunBody,
};

/// Whether `header` (`X-Hub-Signature-256`) signs `body` with one of `secrets`. Takes the same time whichever of the
/// secrets fits; an empty secret fits nothing.
pub fn verify(secrets: &[SecretString], header: &str, body: &[u8]) -> bool {
    let mut signature = [0; 32];
    let Some(hex) = header.strip_prefix("sha256=") else { return false };
    if hex::decode_to_slice(hex, &mut signature).is_err() {
        return false;
    }
    let mut fits = false;
    for secret in secrets.iter().map(ExposeSecret::expose_secret).filter(|s| !s.is_empty()) {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
        mac.update(body);
        fits |= mac.verify_slice(&signature).is_ok();
    }
    fits
}

/// The JSON of a form-encoded delivery: its field `payload`. `None` if there is none.
pub fn form_payload(body: &[u8]) -> Option<Vec<u8>> {
    let mut fields = url::form_urlencoded::parse(body);
    fields.find_map(|(name, value)| (name == "payload").then(|| value.into_owned().into_bytes()))
}

/// The payload is not what its event must hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload of {event} is not understood: {what}")]
pub struct Malformed {
    /// Event name as sent, cut to 64 characters.
    pub event: String,
    /// What is wrong, without any of the payload's text.
    pub what: String,
}

impl Event {
    /// Reads the payload (JSON) of the event that `X-GitHub-Event` names.
    pub fn parse(event: &str, payload: &[u8]) -> Result<Self, Malformed> {
        let Some(row) = EVENTS.iter().find(|row| row.name == event) else {
            return Ok(Self::Ignored(Ignored::Event));
        };
        let delivery = Delivery { event, payload };
        let common: Common = delivery.read()?;
        if !row.actions.is_empty() && !row.actions.contains(&common.action.as_str()) {
            return OTHER_ACTION;
        }
        match event {
            "ping" => Ok(Self::Ping),
            "pull_request" => delivery.pull_request(common),
            "pull_request_review" => delivery.review(common),
            "check_run" => delivery.check_run(common),
            "check_suite" => delivery.check_suite(common),
            "status" => delivery.status(common),
            "workflow_run" => delivery.workflow_run(common),
            "push" => delivery.push(common),
            "merge_group" => delivery.merge_group(common),
            "issue_comment" => delivery.issue_comment(common),
            "deployment" | "deployment_status" => {
                let body: DeploymentBody = delivery.read()?;
                delivery.origin(common).map(|origin| Event::Deployment(body.into_event(origin)))
            }
            "release" => {
                let body: ReleaseBody = delivery.read()?;
                delivery.origin(common).map(|origin| Event::Release(body.into_event(origin)))
            }
            "installation" | "installation_repositories" | "installation_target" => {
                delivery.installation(&common.action)
            }
            "repository" => delivery.origin(common).map(|origin| Event::Repository(RepositoryEvent { origin })),
            _ => Ok(Self::Ignored(Ignored::Event)),
        }
    }
}

const OTHER_ACTION: Result<Event, Malformed> = Ok(Event::Ignored(Ignored::Action));

struct Delivery<'a> {
    event: &'a str,
    payload: &'a [u8],
}

impl<'a> Delivery<'a> {
    fn pull_request(&self, common: Common) -> Result<Event, Malformed> {
        let body: PullBody = self.read()?;
        let action = match common.action.as_str() {
            "opened" => PullRequestAction::Opened,
            "reopened" => PullRequestAction::Reopened,
            "synchronize" => PullRequestAction::Synchronize,
            "ready_for_review" => PullRequestAction::ReadyForReview,
            "converted_to_draft" => PullRequestAction::ConvertedToDraft,
            "edited" => body.edited(),
            "labeled" => PullRequestAction::Labeled,
            "unlabeled" => PullRequestAction::Unlabeled,
            "closed" => PullRequestAction::Closed { merged: body.pull_request.merged },
            "review_requested" => PullRequestAction::ReviewRequested,
            "review_request_removed" => PullRequestAction::ReviewRequestRemoved,
            "enqueued" => PullRequestAction::Enqueued,
            "dequeued" => PullRequestAction::Dequeued,
            _ => return OTHER_ACTION,
        };
        let (origin, pull) = (self.origin(common)?, body.pull_request.into_summary());
        Ok(Event::PullRequest(PullRequestEvent { origin, action, pull }))
    }

    fn review(&self, common: Common) -> Result<Event, Malformed> {
        let action = match common.action.as_str() {
            "submitted" => ReviewAction::Submitted,
            "edited" => ReviewAction::Edited,
            "dismissed" => ReviewAction::Dismissed,
            _ => return OTHER_ACTION,
        };
        let ReviewBody { pull_request, review } = self.read()?;
        let (origin, pull) = (self.origin(common)?, pull_request.into_summary());
        let (state, reviewer) = (review.state.to_ascii_lowercase(), review.user.and_then(Into::into));
        Ok(Event::PullRequestReview(ReviewEvent { origin, action, pull, state, reviewer }))
    }

    fn check_run(&self, common: Common) -> Result<Event, Malformed> {
        let CheckRunBody { check_run: run, requested_action } = self.read()?;
        let action = match (common.action.as_str(), requested_action) {
            ("created", _) => CheckRunAction::Created,
            ("completed", _) => CheckRunAction::Completed,
            ("rerequested", _) => CheckRunAction::Rerequested,
            ("requested_action", Some(pressed)) => CheckRunAction::RequestedAction { identifier: pressed.identifier },
            ("requested_action", None) => return Err(self.malformed("no button in a press of one")),
            _ => return OTHER_ACTION,
        };
        let origin = self.origin(common)?;
        let pulls = run.pulls.of(origin.repository.id);
        Ok(Event::CheckRun(CheckRunEvent {
            action,
            id: run.id,
            name: run.name,
            head_sha: run.head_sha,
            external_id: run.external_id.filter(|id| !id.is_empty()),
            app_id: run.app.map(|a| a.id),
            pulls,
            origin,
        }))
    }

    fn check_suite(&self, common: Common) -> Result<Event, Malformed> {
        let action = match common.action.as_str() {
            "completed" => CheckSuiteAction::Completed,
            "requested" => CheckSuiteAction::Requested,
            "rerequested" => CheckSuiteAction::Rerequested,
            _ => return OTHER_ACTION,
        };
        let CheckSuiteBody { check_suite: suite } = self.read()?;
        let origin = self.origin(common)?;
        let (pulls, app_id) = (suite.pulls.of(origin.repository.id), suite.app.map(|a| a.id));
        Ok(Event::CheckSuite(CheckSuiteEvent { origin, action, head_sha: suite.head_sha, app_id, pulls }))
    }

    fn status(&self, common: Common) -> Result<Event, Malformed> {
        let StatusBody { sha, context, state } = self.read()?;
        Ok(Event::Status(StatusEvent { origin: self.origin(common)?, sha, context, state }))
    }

    fn workflow_run(&self, common: Common) -> Result<Event, Malformed> {
        let WorkflowRunBody { workflow_run: run } = self.read()?;
        let origin = self.origin(common)?;
        let pulls = run.pulls.of(origin.repository.id);
        Ok(Event::WorkflowRun(WorkflowRunEvent { origin, id: run.id, head_sha: run.head_sha, pulls }))
    }

    fn push(&self, common: Common) -> Result<Event, Malformed> {
        let origin = self.origin(common)?;
        let PushBody { git_ref, after, forced, commits, head_commit } = self.read()?;
        let paths: BTreeSet<String> = commits.into_iter().flat_map(|c| c.into_paths()).collect();
        let paths = paths.into_iter().collect();
        let head_commit = head_commit.and_then(|commit| commit.id);
        Ok(Event::Push(PushEvent { origin, git_ref, after, head_commit, forced, paths }))
    }

    fn merge_group(&self, common: Common) -> Result<Event, Malformed> {
        let MergeGroupBody { merge_group: group, reason } = self.read()?;
        let action = match common.action.as_str() {
            "checks_requested" => MergeGroupAction::ChecksRequested,
            "destroyed" => MergeGroupAction::Destroyed { reason: reason.unwrap_or_default() },
            _ => return OTHER_ACTION,
        };
        Ok(Event::MergeGroup(MergeGroupEvent {
            origin: self.origin(common)?,
            action,
            head_sha: group.head_sha,
            head_ref: group.head_ref,
            base_sha: group.base_sha,
            base_ref: group.base_ref,
            committed_at: group.head_commit.and_then(|commit| commit.timestamp),
        }))
    }

    fn issue_comment(&self, common: Common) -> Result<Event, Malformed> {
        let IssueCommentBody { issue, comment } = self.read()?;
        if issue.pull_request.is_none() {
            return Ok(Event::Ignored(Ignored::NotAPullRequest));
        }
        Ok(Event::IssueComment(IssueCommentEvent {
            origin: self.origin(common)?,
            number: issue.number,
            comment_id: comment.id,
            body: comment.body.unwrap_or_default(),
            author: comment.user.and_then(Into::into),
            app_id: comment.performed_via_github_app.map(|a| a.id),
            insider: matches!(comment.author_association.as_deref(), Some("OWNER" | "MEMBER" | "COLLABORATOR")),
            created_at: comment.created_at,
        }))
    }

    fn installation(&self, action: &str) -> Result<Event, Malformed> {
        let action = match action {
            "created" => InstallationAction::Created,
            "deleted" => InstallationAction::Deleted,
            "suspend" => InstallationAction::Suspended,
            "unsuspend" => InstallationAction::Unsuspended,
            "new_permissions_accepted" => InstallationAction::PermissionsAccepted,
            "added" => InstallationAction::RepositoriesAdded,
            "removed" => InstallationAction::RepositoriesRemoved,
            "renamed" => InstallationAction::AccountRenamed,
            _ => return OTHER_ACTION,
        };
        Ok(Event::Installation(self.read::<InstallationBody>()?.into_event(action)))
    }

    fn origin(&self, common: Common) -> Result<Origin, Malformed> {
        let repository = common.repository.and_then(Into::into);
        let repository = repository.ok_or_else(|| self.malformed("no repository that could be one"))?;
        let installation_id = common.installation.map(|i| i.id);
        Ok(Origin { installation_id, repository, sender: common.sender.and_then(Into::into) })
    }

    fn read<T: Deserialize<'a>>(&self) -> Result<T, Malformed> {
        serde_json::from_slice(self.payload).map_err(|error| {
            let message = error.to_string();
            // Any other message of serde's may quote the payload.
            let missing = message.starts_with("missing field").then(|| message.split(" at line").next()).flatten();
            self.malformed(missing.unwrap_or(match error.classify() {
                serde_json::error::Category::Data => "a field of another kind than documented",
                _ => "no JSON",
            }))
        })
    }

    fn malformed(&self, what: &str) -> Malformed {
        Malformed { event: self.event.chars().take(64).collect(), what: what.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn secrets(list: &[&str]) -> Vec<SecretString> {
        list.iter().map(|s| SecretString::from(*s)).collect()
    }

    #[test]
    fn the_published_signature_fits_and_nothing_else() {
        let secret = "It's a Secret to Everybody";
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let check = |list: &[&str], header: &str, body: &str, expected| {
            assert_eq!(verify(&secrets(list), header, body.as_bytes()), expected, "{list:?} {header} {body}");
        };
        check(&[secret], good, "Hello, World!", true);
        check(&["old", secret], good, "Hello, World!", true);
        check(&[secret, "new"], good, "Hello, World!", true);
        check(&["old", "new"], good, "Hello, World!", false);
        check(&[], good, "Hello, World!", false);
        check(&[secret], good, "Hello, World", false);
        check(&[secret], &good[7..], "Hello, World!", false);
        check(&[secret], &good[..good.len() - 2], "Hello, World!", false);
        check(&[secret], &format!("{good}00"), "Hello, World!", false);
        check(&[secret], &good.replace("sha256", "sha1"), "Hello, World!", false);
        check(&[secret], &format!("{good} "), "Hello, World!", false);
        check(&[secret], "sha256=", "Hello, World!", false);
        check(&[secret], "", "Hello, World!", false);
        check(&[secret], &format!("sha256={}", "é".repeat(32)), "Hello, World!", false);
        // The HMAC under an empty key is anybody's to make.
        let empty = "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        check(&[""], empty, "", false);
    }

    #[test]
    fn a_form_gives_its_payload() {
        let check = |body: &str, expected: Option<&str>| {
            assert_eq!(form_payload(body.as_bytes()).as_deref(), expected.map(str::as_bytes), "{body}");
        };
        check("payload=%7B%22a%22%3A+1%7D", Some("{\"a\": 1}"));
        check("x=1&payload=y", Some("y"));
        check("{\"payload\": 1}", None);
        check("", None);
    }

    fn pull(action: &str) -> Value {
        json!({
            "action": action,
            "number": 4,
            "pull_request": {
                "number": 4,
                "head": {"sha": SHA, "ref": "topic", "repo": null},
                "base": {"sha": SHA, "ref": "main"},
                "user": null,
                "merged": null,
                "updated_at": 1_800_000_000,
            },
            "repository": {"id": 9, "full_name": "acme/shop"},
            "sender": {"id": 3, "login": "mona", "type": "User", "new_field": {}},
        })
    }

    fn parse(event: &str, payload: &Value) -> Result<Event, Malformed> {
        Event::parse(event, payload.to_string().as_bytes())
    }

    #[test]
    fn little_is_enough_and_deleted_accounts_are_nobody() {
        let Ok(Event::PullRequest(event)) = parse("pull_request", &pull("synchronize")) else { panic!() };
        assert_eq!(event.action, PullRequestAction::Synchronize);
        assert_eq!(event.origin.installation_id, None);
        assert_eq!(event.origin.repository.name.to_string(), "acme/shop");
        assert_eq!(event.origin.sender.map(|s| (s.login, s.bot)), Some(("mona".to_owned(), false)));
        assert_eq!((event.pull.head_repository_id, event.pull.author), (None, None));
        assert_eq!(event.pull.updated_at.map(|t| t.timestamp()), Some(1_800_000_000));
        assert!(event.pull.open && !event.pull.draft);
    }

    #[test]
    fn an_edit_says_what_was_edited() {
        let mut payload = pull("edited");
        payload["changes"] = json!({"base": {"ref": {"from": "old"}}});
        let Ok(Event::PullRequest(event)) = parse("pull_request", &payload) else { panic!() };
        assert_eq!(event.action, PullRequestAction::Edited { base: true, title: false, body: false });
    }

    #[test]
    fn unknown_is_ignored_and_broken_is_refused() {
        let ignored = |why| Ok(Event::Ignored(why));
        assert_eq!(parse("pull_request", &pull("turned_blue")), ignored(Ignored::Action));
        assert_eq!(Event::parse("telepathy", b"not even JSON"), ignored(Ignored::Event));
        let comment = json!({"action": "created", "issue": {"number": 1}, "comment": {"id": 2},
            "repository": {"id": 9, "full_name": "acme/shop"}});
        assert_eq!(parse("issue_comment", &comment), ignored(Ignored::NotAPullRequest));
        let check = |payload: &[u8], what: &str| {
            let error = Event::parse("pull_request", payload).unwrap_err();
            assert_eq!(error.what, what, "{}", String::from_utf8_lossy(payload));
        };
        check(b"", "no JSON");
        check(b"{\"action\": \"opened\"", "no JSON");
        check(b"[]", "a field of another kind than documented");
        check(b"{\"action\": \"opened\"}", "missing field `pull_request`");
        check("[".repeat(100_000).as_bytes(), "a field of another kind than documented");
        check("{\"a\":".repeat(100_000).as_bytes(), "no JSON");
        let mut odd = pull("opened");
        odd["pull_request"]["number"] = json!("SENTINEL");
        check(odd.to_string().as_bytes(), "a field of another kind than documented");
        let mut nowhere = pull("opened");
        nowhere["repository"]["full_name"] = json!("acme/../etc");
        check(nowhere.to_string().as_bytes(), "no repository that could be one");
    }

    #[test]
    fn our_own_checks_come_back_and_cause_nothing() {
        let check = |event: &str, body: Value, ours: bool| {
            let mut payload = body;
            payload["repository"] = json!({"id": 9, "full_name": "acme/shop"});
            let parsed = parse(event, &payload).unwrap();
            assert_eq!(parsed.is_ours(7), ours, "{payload}");
            assert_eq!(parsed.origin().map(|o| o.repository.id), Some(9));
        };
        let run = |action: &str, app: u64| {
            let run = json!({"id": 1, "head_sha": SHA, "app": {"id": app}, "pull_requests": null});
            json!({"action": action, "check_run": run, "requested_action": {"identifier": "rescore"}})
        };
        check("check_run", run("created", 7), true);
        check("check_run", run("completed", 7), true);
        check("check_run", run("completed", 8), false);
        check("check_run", run("rerequested", 7), false);
        check("check_run", run("requested_action", 7), false);
        let suite = |action: &str, app: Value| json!({"action": action, "check_suite": {"head_sha": SHA, "app": app}});
        check("check_suite", suite("completed", json!({"id": 7})), true);
        check("check_suite", suite("requested", json!({"id": 7})), true);
        check("check_suite", suite("rerequested", json!({"id": 7})), false);
        check("check_suite", suite("completed", json!(null)), false);
        let comment = |app: Value| {
            let comment = json!({"id": 2, "body": null, "performed_via_github_app": app});
            json!({"action": "created", "issue": {"number": 1, "pull_request": {}}, "comment": comment})
        };
        check("issue_comment", comment(json!({"id": 7})), true);
        check("issue_comment", comment(json!(null)), false);
    }

    #[test]
    fn pull_requests_of_other_repositories_are_left_out() {
        let pulls =
            json!([{"number": 1, "base": {"repo": {"id": 9}}}, {"number": 2, "base": {"repo": {"id": 10}}}, null]);
        let payload = json!({"action": "completed", "repository": {"id": 9, "full_name": "acme/shop"},
            "check_suite": {"head_sha": SHA, "pull_requests": pulls}});
        let Ok(Event::CheckSuite(event)) = parse("check_suite", &payload) else { panic!() };
        assert_eq!(event.pulls, [1]);
    }
}
