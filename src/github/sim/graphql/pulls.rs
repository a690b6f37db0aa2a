//! Fields of pull requests, their files, reviews, requests and threads.

use std::sync::Arc;

use serde_json::Value;

use super::super::diff::FileDiff;
use super::super::pulls::{Pull, PullState, Review, ReviewRequest, Reviewer, Thread};
use super::super::rest::COMMITS_MAX;
use super::super::shapes::{node_id, time};
use super::super::state::Repo;
use super::connection::Connection;
use super::nodes::{Node, reference};
use super::values::Arguments;
use super::{Found, Refused, Resolved, Run, scalar};

impl<'s> Run<'s> {
    pub(super) fn pull(&self, repo: &'s Repo, pull: &'s Pull, name: &str, arguments: &Arguments) -> Found<'s> {
        let from_fork = pull.is_from_fork(repo);
        match name {
            "id" => scalar(node_id("PR", pull.id)),
            "databaseId" => scalar(pull.id),
            "fullDatabaseId" => scalar(pull.id.to_string()),
            "number" => scalar(pull.number),
            "title" => scalar(&pull.title),
            // Null in REST, empty here.
            "body" | "bodyText" => scalar(pull.body.as_deref().unwrap_or_default()),
            "url" => scalar(format!("{}/pull/{}", self.state.repo_html(repo), pull.number)),
            "state" => scalar(state_name(pull)),
            "isDraft" => scalar(pull.draft),
            "merged" => scalar(pull.state == PullState::Merged),
            "closed" => scalar(!pull.open()),
            "locked" => scalar(pull.locked),
            "createdAt" => scalar(time(pull.created_at)),
            "publishedAt" => scalar(time(pull.created_at)),
            "updatedAt" => scalar(time(pull.updated_at)),
            "closedAt" => scalar(pull.closed_at.map(time)),
            "mergedAt" => scalar(pull.closed_at.filter(|_| pull.state == PullState::Merged).map(time)),
            "author" => Ok(self.account(&pull.author)),
            "authorAssociation" => scalar(self.state.association(repo, &pull.author)),
            "isCrossRepository" => scalar(from_fork),
            "maintainerCanModify" => scalar(from_fork),
            "repository" | "baseRepository" => Ok(Resolved::Node(Node::Repository(repo))),
            "headRepository" => {
                let head = pull.head_repo.as_deref().and_then(|n| self.state.repo(n));
                Ok(head.map(Node::Repository).into())
            }
            "headRefName" => scalar(&pull.head_ref),
            "headRefOid" => scalar(&pull.head_sha),
            "baseRefName" => scalar(&pull.base_ref),
            "baseRefOid" => scalar(&pull.base_sha),
            "baseRef" => Ok(reference(repo, &pull.base_ref).into()),
            "mergeCommit" => {
                let sha = pull.merge_commit.as_deref().and_then(|s| self.state.objects.get(s));
                Ok(sha.map(|c| Node::Commit(repo, Arc::clone(c))).into())
            }
            "isInMergeQueue" => scalar(pull.queued),
            "mergeQueueEntry" => {
                self.need("merge_queues")?;
                Ok(super::queue::entry_of(repo, pull).into())
            }
            "reviewDecision" => scalar(Value::Null),
            "additions" | "deletions" | "changedFiles" | "files" => self.pull_files(repo, pull, name, arguments),
            "mergeable" | "mergeStateStatus" => scalar(self.mergeable(repo, pull, name)),
            _ => self.pull_lists(repo, pull, name, arguments),
        }
    }

    fn pull_files(&self, repo: &'s Repo, pull: &'s Pull, name: &str, arguments: &Arguments) -> Found<'s> {
        let files = self.state.pull_files(repo, pull);
        match name {
            "additions" => scalar(files.iter().map(|f| f.counts.added).sum::<u64>()),
            "deletions" => scalar(files.iter().map(|f| f.counts.deleted).sum::<u64>()),
            "changedFiles" => scalar(files.len()),
            _ => {
                let all = (0..files.len()).map(|at| Node::ChangedFile(Arc::clone(&files), at)).collect();
                Connection::page("PullRequestChangedFileConnection", all, arguments)
            }
        }
    }

    fn mergeable(&self, repo: &Repo, pull: &Pull, name: &str) -> &'static str {
        match (name, self.state.mergeable(repo, pull)) {
            (_, None) => "UNKNOWN",
            ("mergeable", Some(true)) => "MERGEABLE",
            ("mergeable", Some(false)) => "CONFLICTING",
            (_, Some(true)) if pull.draft => "DRAFT",
            (_, Some(true)) => "CLEAN",
            (_, Some(false)) => "DIRTY",
        }
    }

    fn pull_lists(&self, repo: &'s Repo, pull: &'s Pull, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "labels" => {
                let all = pull.labels.iter().map(|l| Node::Label(repo, l)).collect();
                Connection::page("LabelConnection", all, arguments)
            }
            "commits" => {
                // GitHub lists the first 250 commits, but counts them all.
                let mut commits = self.state.pull_commits(repo, pull);
                let counted = commits.len();
                commits.truncate(COMMITS_MAX);
                let all = commits.into_iter().map(|c| Node::PullCommit(repo, pull, c)).collect();
                Connection::part("PullRequestCommitConnection", counted, all, arguments)
            }
            "reviews" => {
                let states = arguments.names("states");
                let author = arguments.text("author");
                let fits = |r: &&Review| {
                    states.as_ref().is_none_or(|s| s.contains(&r.state))
                        && author.is_none_or(|a| a.eq_ignore_ascii_case(&r.author))
                };
                let all = pull.reviews.iter().filter(fits).map(|r| Node::Review(repo, pull, r)).collect();
                Connection::page("PullRequestReviewConnection", all, arguments)
            }
            "latestOpinionatedReviews" => {
                let writers = arguments.flag("writersOnly");
                let opinions = pull.latest_opinions().into_iter().filter(|r| !writers || repo.may_write(&r.author));
                let all = opinions.map(|r| Node::Review(repo, pull, r)).collect();
                Connection::page("PullRequestReviewConnection", all, arguments)
            }
            "reviewRequests" => {
                let all = pull.requests.iter().map(|r| Node::ReviewRequest(repo, r)).collect();
                Connection::page("ReviewRequestConnection", all, arguments)
            }
            "reviewThreads" => {
                let all = pull.threads.iter().map(Node::Thread).collect();
                Connection::page("PullRequestReviewThreadConnection", all, arguments)
            }
            _ => Err(Refused::Undefined),
        }
    }

    pub(super) fn review(
        &self,
        repo: &'s Repo,
        pull: &'s Pull,
        review: &'s Review,
        name: &str,
        arguments: &Arguments,
    ) -> Found<'s> {
        match name {
            "id" => scalar(node_id("PRR", review.id)),
            "databaseId" => scalar(review.id),
            "fullDatabaseId" => scalar(review.id.to_string()),
            "state" => scalar(review.state),
            "body" => scalar(&review.body),
            "submittedAt" | "createdAt" => scalar(time(review.submitted_at)),
            "authorAssociation" => scalar(self.state.association(repo, &review.author)),
            "authorCanPushToRepository" => scalar(repo.may_write(&review.author)),
            "author" => Ok(self.account(&review.author)),
            "pullRequest" => Ok(Resolved::Node(Node::Pull(repo, pull))),
            "commit" => {
                let commit = self.state.objects.get(&review.commit);
                Ok(commit.map(|c| Node::Commit(repo, Arc::clone(c))).into())
            }
            "onBehalfOf" => {
                self.need("members")?;
                let teams = review.on_behalf_of.iter().filter_map(|slug| repo.teams.get(slug));
                Connection::page("TeamConnection", teams.map(|t| Node::Team(repo, t)).collect(), arguments)
            }
            _ => Err(Refused::Undefined),
        }
    }

    pub(super) fn review_request(&self, repo: &'s Repo, request: &'s ReviewRequest, name: &str) -> Found<'s> {
        match name {
            "id" => scalar(node_id("RR", request.id)),
            "asCodeOwner" => scalar(request.as_code_owner),
            "requestedReviewer" => match &request.reviewer {
                Reviewer::User(login) => Ok(self.account(login)),
                Reviewer::Team(slug) => Ok(repo.teams.get(slug).map(|t| Node::Team(repo, t)).into()),
            },
            _ => Err(Refused::Undefined),
        }
    }

    pub(super) fn thread(&self, thread: &'s Thread, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "id" => scalar(node_id("PRRT", thread.id)),
            "isResolved" => scalar(thread.resolved),
            "isOutdated" => scalar(thread.outdated),
            "comments" => {
                let opening = vec![Node::ReviewComment(thread)];
                Connection::page("PullRequestReviewCommentConnection", opening, arguments)
            }
            _ => Err(Refused::Undefined),
        }
    }

    /// The comment that opened a thread.
    pub(super) fn review_comment(&self, thread: &Thread, name: &str) -> Found<'s> {
        match name {
            "author" => Ok(self.account(&thread.author)),
            _ => Err(Refused::Undefined),
        }
    }
}

pub(super) fn state_name(pull: &Pull) -> &'static str {
    match pull.state {
        PullState::Open => "OPEN",
        PullState::Closed => "CLOSED",
        PullState::Merged => "MERGED",
    }
}

pub(super) fn changed_file<'s>(file: &FileDiff, name: &str) -> Found<'s> {
    match name {
        "path" => scalar(&file.path),
        "additions" => scalar(file.counts.added),
        "deletions" => scalar(file.counts.deleted),
        "changeType" => scalar(match file.status {
            "removed" => "DELETED".to_owned(),
            other => other.to_uppercase(),
        }),
        _ => Err(Refused::Undefined),
    }
}
