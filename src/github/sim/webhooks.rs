//! Webhook payloads, built from the state when the event happens.

use serde_json::{Value, json};

use super::pulls::Reviewer;
use super::shapes::node_id;
use super::state::{InstallationRecord, Repo, State};

impl State {
    /// Adds what every payload of a repository carries and queues it.
    pub(super) fn emit(&mut self, event: &str, full_name: &str, sender: &str, mut payload: Value, more: Value) {
        let repo = self.known(full_name);
        payload["repository"] = self.repo_shape(repo);
        payload["sender"] = self.sender_shape(sender);
        if let Some(org) = self.organization_shape(repo) {
            payload["organization"] = org;
        }
        // A suspended installation gets nothing, nor does one without the repository, the subscription or the permission.
        let wanted = |i: &&InstallationRecord| {
            let granted = permission(event).is_none_or(|permission| i.permissions.contains_key(permission));
            i.suspended_at.is_none()
                && i.covers(repo)
                && granted
                && i.events.iter().any(|subscribed| subscribed == event)
        };
        let Some(installation) = self.installation_of(&repo.owner).filter(wanted) else { return };
        payload["installation"] = json!({"id": installation.id, "node_id": node_id("MDIzOk", installation.id)});
        if let (Value::Object(fields), Value::Object(more)) = (&mut payload, more) {
            fields.extend(more);
        }
        self.send(event, payload);
    }

    fn organization_shape(&self, repo: &Repo) -> Option<Value> {
        let account = self.sender_shape(&repo.owner);
        let login = account["login"].as_str().filter(|_| account["type"] == "Organization")?;
        let api = format!("{}/orgs/{login}", self.base);
        Some(json!({
            "login": login,
            "id": account["id"],
            "node_id": account["node_id"],
            "url": api,
            "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events"),
            "hooks_url": format!("{api}/hooks"),
            "issues_url": format!("{api}/issues"),
            "members_url": format!("{api}/members{{/member}}"),
            "public_members_url": format!("{api}/public_members{{/member}}"),
            "avatar_url": account["avatar_url"],
            "description": null,
        }))
    }

    pub(super) fn send_pull(&mut self, action: &str, full_name: &str, number: u64, sender: &str, more: Value) {
        let Some((repo, pull)) = self.pull(full_name, number) else { return };
        let shape = self.pull_shape(repo, pull, None);
        let payload = json!({"action": action, "number": number, "pull_request": shape});
        self.emit("pull_request", full_name, sender, payload, more);
    }

    pub(super) fn send_labeled(&mut self, action: &str, full_name: &str, number: u64, label: &str) {
        let label = self.label_shape(self.known(full_name), label);
        self.send_pull(action, full_name, number, "octocat", json!({"label": label}));
    }

    pub(super) fn send_review_requested(&mut self, full_name: &str, number: u64, reviewer: &Reviewer) {
        let (people, teams) = self.requested_shapes(self.known(full_name), &[reviewer]);
        let more = match (people.first(), teams.first()) {
            (Some(person), _) => json!({"requested_reviewer": person}),
            (_, Some(team)) => json!({"requested_team": team}),
            _ => return,
        };
        self.send_pull("review_requested", full_name, number, "octocat", more);
    }

    pub(super) fn send_review(&mut self, action: &str, full_name: &str, number: u64, review: u64, sender: &str) {
        let Some((repo, pull)) = self.pull(full_name, number) else { return };
        let Some(review) = pull.reviews.iter().find(|r| r.id == review) else { return };
        let mut shape = self.review_shape(repo, pull, review);
        shape["state"] = json!(review.state.to_lowercase());
        let payload = json!({"action": action, "review": shape, "pull_request": self.pull_summary(repo, pull)});
        self.emit("pull_request_review", full_name, sender, payload, Value::Null);
    }

    pub(super) fn send_comment(
        &mut self,
        action: &str,
        full_name: &str,
        number: u64,
        comment: u64,
        sender: &str,
        more: Value,
    ) {
        let Some((repo, pull)) = self.pull(full_name, number) else { return };
        let Some(comment) = pull.comments.iter().find(|c| c.id == comment) else { return };
        let shape = self.comment_shape(repo, number, comment);
        let payload = json!({"action": action, "issue": self.issue_shape(repo, pull), "comment": shape});
        self.emit("issue_comment", full_name, sender, payload, more);
    }

    pub(super) fn send_run(&mut self, action: &str, run: u64, sender: &str, more: Value) {
        let Some(run) = self.runs.get(&run) else { return };
        let Some(repo) = self.repo_by_id(run.repo) else { return };
        let full_name = repo.full_name();
        let payload = json!({"action": action, "check_run": self.run_hook_shape(repo, run)});
        self.emit("check_run", &full_name, sender, payload, more);
    }

    pub(super) fn send_suite(&mut self, action: &str, suite: u64, sender: &str) {
        let Some(suite) = self.suites.get(&suite) else { return };
        let Some(repo) = self.repo_by_id(suite.repo) else { return };
        let full_name = repo.full_name();
        let payload = json!({"action": action, "check_suite": self.suite_shape(repo, suite)});
        self.emit("check_suite", &full_name, sender, payload, Value::Null);
    }

    pub(super) fn send_status(&mut self, full_name: &str, status: u64) {
        let Some(status) = self.statuses.iter().find(|s| s.id == status) else { return };
        let repo = self.known(full_name);
        let Some(commit) = self.objects.get(&status.sha) else { return };
        let api = self.repo_api(repo);
        let tips = repo.branches.iter().filter(|(_, tip)| **tip == status.sha).map(|(name, tip)| {
            let commit = json!({"sha": tip, "url": format!("{api}/commits/{tip}")});
            json!({"name": name, "commit": commit, "protected": false})
        });
        let mut payload = self.status_shape(repo, status);
        payload["sha"] = json!(status.sha);
        payload["name"] = json!(repo.full_name());
        payload["branches"] = tips.collect();
        payload["commit"] = self.commit_shape(repo, commit);
        self.emit("status", full_name, "octocat", payload, Value::Null);
    }

    pub(super) fn send_push(&mut self, full_name: &str, branch: &str, before: &str, after: &str, sender: &str) {
        let repo = self.known(full_name);
        let created = before == super::objects::ZERO;
        let from =
            if created { repo.branches.get(&repo.default_branch).map_or(before, String::as_str) } else { before };
        let commits = self.objects.between(from, after);
        let list: Vec<Value> = commits.iter().take(2_048).map(|c| self.pushed_commit_shape(repo, c)).collect();
        let forced = !created && !self.objects.contains(after, before);
        let more = json!({ "commits": list, "created": created, "forced": forced });
        let payload = self.push_payload(repo, &format!("refs/heads/{branch}"), (before, after), sender, more);
        self.emit("push", full_name, sender, payload, Value::Null);
    }

    /// A tag is new, and brings no commits.
    pub(super) fn send_tag(&mut self, full_name: &str, tag: &str, sha: &str) {
        let repo = self.known(full_name);
        let more = json!({ "commits": [], "created": true, "forced": false });
        let ends = (super::objects::ZERO, sha);
        let payload = self.push_payload(repo, &format!("refs/tags/{tag}"), ends, "octocat", more);
        self.emit("push", full_name, "octocat", payload, Value::Null);
    }

    fn push_payload(
        &self,
        repo: &Repo,
        git_ref: &str,
        (before, after): (&str, &str),
        sender: &str,
        more: Value,
    ) -> Value {
        let head = self.objects.get(after).map(|c| self.pushed_commit_shape(repo, c));
        let (name, email) = self.git_identity(sender);
        let mut payload = json!({
            "ref": git_ref,
            "before": before,
            "after": after,
            "base_ref": null,
            "deleted": false,
            "compare": format!("{}/compare/{}...{}", self.repo_html(repo), &before[..12], &after[..12]),
            "pusher": {"name": name, "email": email},
            "head_commit": head,
        });
        if let (Value::Object(fields), Value::Object(more)) = (&mut payload, more) {
            fields.extend(more);
        }
        payload
    }

    /// The pair is the group's base and head.
    pub(super) fn send_merge_group(
        &mut self,
        full_name: &str,
        number: u64,
        (base_sha, sha): (&str, &str),
        action: &str,
        reason: Option<&str>,
    ) {
        let Some((_, pull)) = self.pull(full_name, number) else { return };
        let Some(commit) = self.objects.get(sha) else { return };
        let branch = super::queue::group_branch(&pull.base_ref, number, base_sha);
        let mut payload = json!({
            "action": action,
            "merge_group": {
                "head_sha": sha,
                "head_ref": format!("refs/heads/{branch}"),
                "base_sha": base_sha,
                "base_ref": format!("refs/heads/{}", pull.base_ref),
                "head_commit": self.simple_commit_shape(commit),
            },
        });
        if let Some(reason) = reason {
            payload["reason"] = json!(reason);
        }
        self.emit("merge_group", full_name, "octocat", payload, Value::Null);
    }
}

/// The permission without which an app cannot be subscribed to an event, nor is sent it. `None` for events that nobody
/// subscribes to.
pub(super) fn permission(event: &str) -> Option<&'static str> {
    Some(match event {
        "check_run" | "check_suite" => "checks",
        "create" | "delete" | "push" | "release" => "contents",
        "deployment" | "deployment_status" => "deployments",
        "issue_comment" => "issues",
        "merge_group" => "merge_queues",
        "pull_request" | "pull_request_review" => "pull_requests",
        "repository" => "metadata",
        "status" => "statuses",
        "workflow_run" => "actions",
        _ => return None,
    })
}
