//! Pull requests, reviews, labels and comments as JSON.

use serde_json::{Value, json};

use super::super::pulls::{Comment, Pull, PullState, Reaction, Review, Reviewer};
use super::super::state::{Repo, State};
use super::{encode_path, node_id, time};

/// Fields that only the answer for one pull request has, not lists and not reviews' webhooks.
const SINGLE_ONLY: [&str; 12] = [
    "merged",
    "mergeable",
    "mergeable_state",
    "merged_by",
    "rebaseable",
    "comments",
    "review_comments",
    "maintainer_can_modify",
    "commits",
    "additions",
    "deletions",
    "changed_files",
];

/// Kinds of reaction.
pub(in super::super) const REACTIONS: [&str; 8] =
    ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

impl State {
    /// A pull request as lists show it.
    pub(in super::super) fn pull_summary(&self, repo: &Repo, pull: &Pull) -> Value {
        let mut shape = self.pull_shape(repo, pull, None);
        if let Value::Object(fields) = &mut shape {
            SINGLE_ONLY.iter().for_each(|f| {
                fields.remove(*f);
            });
        }
        shape
    }

    /// A pull request whole; `mergeable` is what the caller found out.
    pub(in super::super) fn pull_shape(&self, repo: &Repo, pull: &Pull, mergeable: Option<bool>) -> Value {
        let (api, html) = (self.repo_api(repo), self.repo_html(repo));
        let n = pull.number;
        let (own, issue) = (format!("{api}/pulls/{n}"), format!("{api}/issues/{n}"));
        let page = format!("{html}/pull/{n}");
        let merged_at = pull.closed_at.filter(|_| pull.state == PullState::Merged).map(time);
        let reviewers: Vec<&Reviewer> = pull.requests.iter().map(|r| &r.reviewer).collect();
        let (people, teams) = self.requested_shapes(repo, &reviewers);
        let mut shape = json!({
            "url": own,
            "id": pull.id,
            "node_id": node_id("PR", pull.id),
            "html_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "issue_url": issue,
            "commits_url": format!("{own}/commits"),
            "review_comments_url": format!("{own}/comments"),
            "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
            "comments_url": format!("{issue}/comments"),
            "statuses_url": format!("{api}/statuses/{}", pull.head_sha),
            "number": n,
            "state": if pull.open() { "open" } else { "closed" },
            "locked": pull.locked,
            "active_lock_reason": null,
            "title": pull.title,
            "user": self.sender_shape(&pull.author),
            "body": pull.body,
            "labels": pull.labels.iter().map(|l| self.label_shape(repo, l)).collect::<Vec<_>>(),
            "milestone": null,
            "created_at": time(pull.created_at),
            "updated_at": time(pull.updated_at),
            "closed_at": pull.closed_at.map(time),
            "merged_at": merged_at,
            "merge_commit_sha": pull.merge_commit,
            "assignee": null,
            "assignees": [],
            "requested_reviewers": people,
            "requested_teams": teams,
            "draft": pull.draft,
            "author_association": self.association(repo, &pull.author),
            "auto_merge": null,
        });
        shape["_links"] = json!({
            "self": {"href": own},
            "html": {"href": page},
            "issue": {"href": issue},
            "comments": {"href": shape["comments_url"]},
            "review_comments": {"href": shape["review_comments_url"]},
            "review_comment": {"href": shape["review_comment_url"]},
            "commits": {"href": shape["commits_url"]},
            "statuses": {"href": shape["statuses_url"]},
        });
        shape["head"] = self.head_shape(pull);
        shape["base"] = self.end_shape(&repo.owner, &pull.base_ref, &pull.base_sha, Some(repo));
        self.add_sums(&mut shape, repo, pull, mergeable);
        shape
    }

    fn add_sums(&self, shape: &mut Value, repo: &Repo, pull: &Pull, mergeable: Option<bool>) {
        let files = self.pull_files(repo, pull);
        let state = match mergeable {
            None => "unknown",
            Some(false) => "dirty",
            Some(true) if pull.draft => "draft",
            Some(true) => "clean",
        };
        shape["merged"] = json!(pull.state == PullState::Merged);
        shape["mergeable"] = json!(mergeable);
        shape["rebaseable"] = json!(mergeable);
        shape["mergeable_state"] = json!(state);
        shape["merged_by"] = pull.merged_by.as_deref().map_or(Value::Null, |by| self.user_shape(by));
        shape["comments"] = json!(pull.comments.len());
        shape["review_comments"] = json!(pull.threads.len());
        shape["maintainer_can_modify"] = json!(pull.is_from_fork(repo));
        shape["commits"] = json!(self.pull_commits(repo, pull).len());
        shape["additions"] = json!(files.iter().map(|f| f.counts.added).sum::<u64>());
        shape["deletions"] = json!(files.iter().map(|f| f.counts.deleted).sum::<u64>());
        shape["changed_files"] = json!(files.len());
    }

    fn head_shape(&self, pull: &Pull) -> Value {
        let head_repo = pull.head_repo.as_deref().and_then(|name| self.repo(name));
        self.end_shape(&pull.head_owner, &pull.head_ref, &pull.head_sha, head_repo)
    }

    fn end_shape(&self, owner: &str, branch: &str, sha: &str, repo: Option<&Repo>) -> Value {
        json!({
            "label": format!("{owner}:{branch}"),
            "ref": branch,
            "sha": sha,
            "user": self.sender_shape(owner),
            "repo": repo.map(|r| self.repo_shape(r)),
        })
    }

    /// The form in which checks name a pull request.
    pub(in super::super) fn pull_stub(&self, repo: &Repo, pull: &Pull) -> Value {
        let (api, stub) = (self.repo_api(repo), self.repo_stub(repo));
        json!({
            "url": format!("{api}/pulls/{}", pull.number),
            "id": pull.id,
            "number": pull.number,
            "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": stub},
            "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": stub},
        })
    }

    pub(in super::super) fn label_shape(&self, repo: &Repo, label: &str) -> Value {
        let id = repo.labels.get(label).copied().unwrap_or_default();
        json!({
            "id": id,
            "node_id": node_id("LA", id),
            "url": format!("{}/labels/{}", self.repo_api(repo), encode_path(label)),
            "name": label,
            "color": "ededed",
            "default": false,
            "description": "",
        })
    }

    /// A review; webhooks write its state in lower case.
    pub(in super::super) fn review_shape(&self, repo: &Repo, pull: &Pull, review: &Review) -> Value {
        let own = format!("{}/pulls/{}", self.repo_api(repo), pull.number);
        let page = format!("{}/pull/{}#pullrequestreview-{}", self.repo_html(repo), pull.number, review.id);
        json!({
            "id": review.id,
            "node_id": node_id("PRR", review.id),
            "user": self.user_shape(&review.author),
            "body": review.body,
            "state": review.state,
            "html_url": page,
            "pull_request_url": own,
            "author_association": self.association(repo, &review.author),
            "_links": {"html": {"href": page}, "pull_request": {"href": own}},
            "submitted_at": time(review.submitted_at),
            "commit_id": review.commit,
        })
    }

    pub(in super::super) fn comment_shape(&self, repo: &Repo, number: u64, comment: &Comment) -> Value {
        let (api, html) = (self.repo_api(repo), self.repo_html(repo));
        let own = format!("{api}/issues/comments/{}", comment.id);
        json!({
            "url": own,
            "html_url": format!("{html}/pull/{number}#issuecomment-{}", comment.id),
            "issue_url": format!("{api}/issues/{number}"),
            "id": comment.id,
            "node_id": node_id("IC", comment.id),
            "user": self.user_shape(&comment.author),
            "created_at": time(comment.created_at),
            "updated_at": time(comment.updated_at),
            "author_association": self.association(repo, &comment.author),
            "body": comment.body,
            "reactions": rollup(&own, &comment.reactions),
            "performed_via_github_app": comment.by_app.then(|| self.app_shape(&self.app)),
        })
    }

    pub(in super::super) fn reaction_shape(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id,
            "node_id": node_id("REA", reaction.id),
            "user": self.user_shape(&reaction.author),
            "content": reaction.content,
            "created_at": time(reaction.created_at),
        })
    }

    /// A pull request in its other guise, as `issue_comment` carries it.
    pub(in super::super) fn issue_shape(&self, repo: &Repo, pull: &Pull) -> Value {
        let summary = self.pull_summary(repo, pull);
        let (api, page) = (summary["issue_url"].as_str().unwrap_or_default(), &summary["html_url"]);
        let mut shape = json!({
            "url": api,
            "repository_url": self.repo_api(repo),
            "labels_url": format!("{api}/labels{{/name}}"),
            "comments_url": format!("{api}/comments"),
            "events_url": format!("{api}/events"),
            "timeline_url": format!("{api}/timeline"),
            "html_url": page,
            "comments": pull.comments.len(),
            "state_reason": null,
            "performed_via_github_app": null,
            "reactions": rollup(api, &[]),
            "pull_request": {
                "url": summary["url"],
                "html_url": page,
                "diff_url": summary["diff_url"],
                "patch_url": summary["patch_url"],
                "merged_at": summary["merged_at"],
            },
        });
        for field in [
            "id",
            "node_id",
            "number",
            "title",
            "user",
            "labels",
            "state",
            "locked",
            "assignee",
            "assignees",
            "milestone",
            "created_at",
            "updated_at",
            "closed_at",
            "author_association",
            "active_lock_reason",
            "body",
            "draft",
        ] {
            shape[field] = summary[field].clone();
        }
        shape
    }
}

fn rollup(own: &str, reactions: &[Reaction]) -> Value {
    let mut shape = json!({"url": format!("{own}/reactions"), "total_count": reactions.len()});
    for kind in REACTIONS {
        shape[kind] = json!(reactions.iter().filter(|r| r.content == kind).count());
    }
    shape
}
