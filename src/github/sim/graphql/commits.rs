//! Fields of commits, their files and what checks say of them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::checks::{Run as CheckRun, Status, Suite};
use super::super::objects::{Commit, Entry, EntryKind};
use super::super::shapes::{node_id, time};
use super::super::state::Repo;
use super::connection::Connection;
use super::nodes::Node;
use super::values::Arguments;
use super::{Found, Refused, Resolved, Run, scalar};

/// Largest text that a blob gives whole, in bytes.
const BLOB_TEXT_MAX: usize = 512 * 1024;

impl<'s> Run<'s> {
    pub(super) fn commit(&self, repo: &'s Repo, commit: &Arc<Commit>, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "id" => scalar(format!("C_{}", commit.sha)),
            "oid" => scalar(&commit.sha),
            "abbreviatedOid" => scalar(&commit.sha[..7]),
            "message" => scalar(&commit.message),
            "messageHeadline" => scalar(commit.headline()),
            "authoredDate" | "committedDate" => scalar(time(commit.at)),
            "additions" | "deletions" | "changedFilesIfAvailable" | "changedFiles" => {
                let files = self.state.commit_files(commit);
                scalar(match name {
                    "additions" => files.iter().map(|f| f.counts.added).sum::<u64>(),
                    "deletions" => files.iter().map(|f| f.counts.deleted).sum::<u64>(),
                    _ => files.len() as u64,
                })
            }
            "signature" => scalar(Value::Null),
            "author" | "committer" => Ok(self.git_actor_of(commit).into()),
            "authors" => {
                Connection::page("GitActorConnection", self.git_actor_of(commit).into_iter().collect(), arguments)
            }
            "parents" => Connection::page("CommitConnection", self.commits(repo, &commit.parents), arguments),
            "history" => self.history(repo, commit, arguments),
            "file" => {
                self.need("contents")?;
                let path = arguments.text("path").unwrap_or_default();
                let entry = commit.tree.get(path).cloned();
                Ok(entry.map(|e| Node::TreeEntry(repo, path.to_owned(), e)).into())
            }
            "statusCheckRollup" => {
                self.need("checks")?;
                let any = self.state.rollup(repo.id, &commit.sha).is_some();
                Ok(any.then(|| Node::Rollup(repo, Arc::clone(commit))).into())
            }
            "checkSuites" => {
                self.need("checks")?;
                let filter = arguments.get("filterBy");
                let (app, run_name) = (filter["appId"].as_u64(), filter["checkName"].as_str());
                let has_run = |s: &Suite, n: &str| self.state.runs.values().any(|r| r.suite == s.id && r.name == n);
                let fits = |s: &&Suite| {
                    s.repo == repo.id
                        && s.head_sha == commit.sha
                        && app.is_none_or(|a| a == s.app)
                        && run_name.is_none_or(|n| has_run(s, n))
                };
                let all = self.state.suites.values().filter(fits).map(|s| Node::Suite(repo, s)).collect();
                Connection::page("CheckSuiteConnection", all, arguments)
            }
            _ => Err(Refused::Undefined),
        }
    }

    fn git_actor_of(&self, commit: &Commit) -> Option<Node<'s>> {
        let user = self.state.users.get(&commit.author.to_lowercase());
        user.map(|u| Node::GitActor(u.login.as_str()))
    }

    fn commits(&self, repo: &'s Repo, shas: &[String]) -> Vec<Node<'s>> {
        let found = shas.iter().filter_map(|s| self.state.objects.get(s));
        found.map(|c| Node::Commit(repo, Arc::clone(c))).collect()
    }

    /// Ancestors, newest first, that changed `path` and are not older than `since`.
    fn history(&self, repo: &'s Repo, commit: &Commit, arguments: &Arguments) -> Found<'s> {
        let path = arguments.text("path");
        let since = arguments.text("since").and_then(|s| s.parse::<chrono::DateTime<chrono::Utc>>().ok());
        let author = arguments.get("author")["id"].as_str().map(str::to_owned);
        let by = |c: &Commit| self.state.users.get(&c.author.to_lowercase()).map(|u| node_id("U", u.id));
        let fits = |c: &Arc<Commit>| {
            since.is_none_or(|s| c.at >= s)
                && author.as_ref().is_none_or(|a| by(c).as_ref() == Some(a))
                && path.is_none_or(|p| self.state.commit_files(c).iter().any(|f| f.path == p))
        };
        let all = self.state.objects.first_parents(&commit.sha).into_iter().filter(fits);
        Connection::page("CommitHistoryConnection", all.map(|c| Node::Commit(repo, c)).collect(), arguments)
    }

    pub(super) fn tree_entry(&self, repo: &'s Repo, path: &str, entry: &Entry, name: &str) -> Found<'s> {
        match name {
            "path" => scalar(path),
            "name" => scalar(path.rsplit('/').next()),
            "oid" => scalar(&entry.sha),
            "size" => scalar(if entry.kind == EntryKind::Submodule { 0 } else { entry.bytes.len() }),
            "mode" => scalar(match entry.kind {
                EntryKind::File => 0o100_644,
                EntryKind::Executable => 0o100_755,
                EntryKind::Submodule => 0o160_000,
            }),
            "type" => scalar(if entry.kind == EntryKind::Submodule { "commit" } else { "blob" }),
            "isGenerated" => scalar(false),
            "lineCount" => scalar(entry.text().lines().count()),
            "repository" => Ok(Resolved::Node(Node::Repository(repo))),
            "object" if entry.kind == EntryKind::Submodule => scalar(Value::Null),
            "object" => Ok(Resolved::Node(Node::Blob(entry.clone()))),
            _ => Err(Refused::Undefined),
        }
    }

    pub(super) fn rollup(&self, repo: &'s Repo, commit: &Arc<Commit>, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "id" => scalar(format!("SCR_{}", commit.sha)),
            "state" => scalar(self.state.rollup(repo.id, &commit.sha)),
            "commit" => Ok(Resolved::Node(Node::Commit(repo, Arc::clone(commit)))),
            "contexts" => {
                // The repository borrows from the state, and so does what stands on its commits.
                let sha = self.state.objects.get(&commit.sha).map_or("", |c| c.sha.as_str());
                let runs = self.state.latest_runs(repo.id, sha).into_iter().map(|r| Node::CheckRun(repo, r));
                let statuses = self.state.latest_statuses(repo.id, sha).into_iter().map(Node::Status);
                Connection::page("StatusCheckRollupContextConnection", runs.chain(statuses).collect(), arguments)
            }
            _ => Err(Refused::Undefined),
        }
    }

    pub(super) fn check_run(&self, repo: &'s Repo, run: &'s CheckRun, name: &str) -> Found<'s> {
        match name {
            "id" => scalar(node_id("CR", run.id)),
            "databaseId" => scalar(run.id),
            "name" => scalar(&run.name),
            "status" => scalar(run.status.to_uppercase()),
            "conclusion" => scalar(run.conclusion.as_ref().map(|c| c.to_uppercase())),
            "startedAt" => scalar(run.started_at.map(time)),
            "completedAt" => scalar(run.completed_at.map(time)),
            "externalId" => scalar(Some(&run.external_id).filter(|id| !id.is_empty())),
            "title" => scalar(&run.title),
            "summary" => scalar(&run.summary),
            "text" => scalar(&run.text),
            "detailsUrl" => scalar(&run.details_url),
            "url" | "permalink" => scalar(format!("{}/runs/{}", self.state.repo_html(repo), run.id)),
            "isRequired" => scalar(false),
            "checkSuite" => Ok(self.state.suites.get(&run.suite).map(|s| Node::Suite(repo, s)).into()),
            _ => Err(Refused::Undefined),
        }
    }

    pub(super) fn suite(&self, repo: &'s Repo, suite: &'s Suite, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "id" => scalar(node_id("CS", suite.id)),
            "databaseId" => scalar(suite.id),
            "status" => scalar(suite.status.to_uppercase()),
            "conclusion" => scalar(suite.conclusion.as_ref().map(|c| c.to_uppercase())),
            "createdAt" => scalar(time(suite.created_at)),
            "app" => Ok(self.state.app_by_id(suite.app).map(Node::App).into()),
            "checkRuns" => {
                let filter = arguments.get("filterBy");
                let wanted = |r: &&CheckRun| {
                    r.suite == suite.id
                        && filter["checkName"].as_str().is_none_or(|n| n == r.name)
                        && filter["appId"].as_u64().is_none_or(|a| a == r.app)
                };
                let all = filter["checkType"] == json!("ALL");
                let runs: Vec<&CheckRun> = if all {
                    self.state.runs.values().filter(wanted).collect()
                } else {
                    self.state.latest_runs(suite.repo, &suite.head_sha).into_iter().filter(wanted).collect()
                };
                let nodes = runs.into_iter().map(|r| Node::CheckRun(repo, r)).collect();
                Connection::page("CheckRunConnection", nodes, arguments)
            }
            _ => Err(Refused::Undefined),
        }
    }
}

pub(super) fn blob<'s>(entry: &Entry, name: &str) -> Found<'s> {
    let (binary, truncated) = (entry.is_binary(), entry.bytes.len() > BLOB_TEXT_MAX);
    match name {
        "oid" => scalar(&entry.sha),
        "byteSize" => scalar(entry.bytes.len()),
        "isBinary" => scalar(binary),
        "isTruncated" => scalar(truncated),
        "text" if binary => scalar(Value::Null),
        "text" => {
            let shown = &entry.bytes[..entry.bytes.len().min(BLOB_TEXT_MAX)];
            scalar(String::from_utf8_lossy(shown))
        }
        _ => Err(Refused::Undefined),
    }
}

pub(super) fn status<'s>(status: &Status, name: &str) -> Found<'s> {
    match name {
        "id" => scalar(node_id("SC", status.id)),
        "context" => scalar(&status.context),
        "state" => scalar(status.state.to_uppercase()),
        "targetUrl" => scalar(&status.target_url),
        "description" => scalar(&status.description),
        "createdAt" => scalar(time(status.at)),
        "isRequired" => scalar(false),
        _ => Err(Refused::Undefined),
    }
}
