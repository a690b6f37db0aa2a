//! The shapes in which GraphQL answers. Everything may be null: what is refused is.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// Data of `pull_request.graphql` and, with other fields filled, of `pull_request_page.graphql`.
#[derive(Deserialize)]
pub(super) struct Data {
    pub(super) repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Repository {
    pub(super) database_id: Option<u64>,
    pub(super) name_with_owner: Option<String>,
    pub(super) default_branch_ref: Option<RefName>,
    /// What GitHub finds wrong with the CODEOWNERS file of the default branch.
    pub(super) codeowners: Option<Codeowners>,
    pub(super) pull_request: Option<Pull>,
    /// The pull request that this one claims to undo.
    pub(super) undone_pull: Option<UndonePull>,
    /// Only in a page: the head commit.
    pub(super) object: Option<HeadCommit>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Pull {
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) state: String,
    pub(super) is_draft: bool,
    pub(super) created_at: Option<DateTime<Utc>>,
    pub(super) updated_at: Option<DateTime<Utc>>,
    pub(super) author: Option<Actor>,
    pub(super) is_cross_repository: bool,
    pub(super) head_ref_name: String,
    pub(super) head_ref_oid: String,
    pub(super) base_ref_name: String,
    pub(super) base_ref_oid: String,
    pub(super) changed_files: u64,
    pub(super) labels: Option<Connection<Label>>,
    pub(super) commits: Option<Connection<CommitNode<PlainCommit>>>,
    pub(super) head_commit: Option<Connection<CommitNode<HeadCommit>>>,
    pub(super) opinions: Option<Connection<OpinionNode>>,
    pub(super) comments: Option<Connection<Remark>>,
    pub(super) review_requests: Option<Connection<ReviewRequest>>,
    pub(super) review_threads: Option<Connection<Thread>>,
    pub(super) base_ref: Option<BaseRef>,
    /// The base branch, compared with the commit that this pull request claims to undo.
    pub(super) undone_commit: Option<Compared>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UndonePull {
    pub(super) number: u64,
    #[serde(default)]
    pub(super) title: String,
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) state: String,
    pub(super) head_ref_oid: String,
    pub(super) base_ref_name: String,
    pub(super) changed_files: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Compared {
    pub(super) compare: Option<Comparison>,
}

#[derive(Deserialize)]
pub(super) struct Comparison {
    pub(super) status: String,
}

#[derive(Deserialize)]
pub(super) struct RefName {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Codeowners {
    #[serde(default)]
    pub(super) errors: Vec<CodeownersError>,
}

#[derive(Deserialize)]
pub(super) struct CodeownersError {
    #[serde(default)]
    pub(super) kind: String,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// One page of a list; a node that is refused is null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<T> {
    pub(super) total_count: Option<u64>,
    #[serde(default)]
    pub(super) page_info: PageInfo,
    #[serde(default = "Vec::new")]
    pub(super) nodes: Vec<Option<T>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
    pub(super) end_cursor: Option<String>,
}

impl<T> Connection<T> {
    /// Where the next page begins.
    pub(super) fn next(&self) -> Option<String> {
        self.page_info.end_cursor.clone().filter(|_| self.page_info.has_next_page)
    }

    /// Adds a further page.
    pub(super) fn append(&mut self, page: Self) {
        self.nodes.extend(page.nodes);
        self.page_info = page.page_info;
    }

    /// How many there are in all.
    pub(super) fn total(&self) -> u64 {
        self.total_count.unwrap_or(self.nodes.len() as u64)
    }
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Actor {
    #[serde(rename = "__typename", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) login: String,
    #[serde(default)]
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CommitNode<T> {
    pub(super) commit: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlainCommit {
    pub(super) oid: String,
    #[serde(default)]
    pub(super) message_headline: String,
    pub(super) committed_date: DateTime<Utc>,
    pub(super) parents: Option<Connection<Oid>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct HeadCommit {
    pub(super) oid: String,
    pub(super) message: String,
    pub(super) author: Option<GitActor>,
    pub(super) committer: Option<GitActor>,
    pub(super) status_check_rollup: Option<Rollup>,
    pub(super) check_suites: Option<Connection<Suite>>,
}

/// Who a commit says wrote it.
#[derive(Deserialize)]
pub(super) struct GitActor {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) user: Option<Login>,
}

#[derive(Deserialize)]
pub(super) struct Login {
    pub(super) login: String,
}

impl HeadCommit {
    pub(super) fn contexts(&self) -> Option<&Connection<Context>> {
        self.status_check_rollup.as_ref()?.contexts.as_ref()
    }

    /// Adds a further page of the contexts.
    pub(super) fn append_contexts(&mut self, page: Self) {
        let list = self.status_check_rollup.as_mut().and_then(|r| r.contexts.as_mut());
        if let (Some(list), Some(page)) = (list, page.status_check_rollup.and_then(|r| r.contexts)) {
            list.append(page);
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Rollup {
    pub(super) contexts: Option<Connection<Context>>,
}

/// A check run of anybody, or a commit status.
#[derive(Deserialize)]
#[serde(tag = "__typename")]
pub(super) enum Context {
    #[serde(rename = "CheckRun", rename_all = "camelCase")]
    Run { name: String, status: String, conclusion: Option<String>, check_suite: Option<SuiteApp> },
    #[serde(rename = "StatusContext")]
    Status { context: String, state: String },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct SuiteApp {
    pub(super) app: Option<AppId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppId {
    pub(super) database_id: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Suite {
    pub(super) check_runs: Option<Connection<OwnRun>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnRun {
    pub(super) database_id: Option<u64>,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) completed_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpinionNode {
    pub(super) state: String,
    pub(super) submitted_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) author_can_push_to_repository: bool,
    pub(super) author: Option<Actor>,
    pub(super) commit: Option<Oid>,
    pub(super) on_behalf_of: Option<Connection<Team>>,
}

#[derive(Deserialize)]
pub(super) struct Oid {
    pub(super) oid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Team {
    pub(super) combined_slug: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReviewRequest {
    pub(super) requested_reviewer: Option<Reviewer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reviewer {
    #[serde(rename = "__typename", default)]
    pub(super) kind: String,
    pub(super) login: Option<String>,
    pub(super) combined_slug: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thread {
    pub(super) is_resolved: bool,
    /// The first, by whoever opened it.
    pub(super) comments: Option<Connection<Remark>>,
}

/// A review without a verdict, or a comment of a thread.
#[derive(Deserialize)]
pub(super) struct Remark {
    pub(super) author: Option<Actor>,
}

#[derive(Deserialize)]
pub(super) struct BaseRef {
    pub(super) target: Option<BaseCommit>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct BaseCommit {
    pub(super) oid: String,
    pub(super) codeowners1: Option<TreeEntry>,
    pub(super) codeowners2: Option<TreeEntry>,
    pub(super) codeowners3: Option<TreeEntry>,
    pub(super) policy: Option<TreeEntry>,
}

#[derive(Deserialize)]
pub(super) struct TreeEntry {
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) mode: u32,
    #[serde(default)]
    pub(super) size: u64,
    pub(super) oid: String,
    pub(super) object: Option<Blob>,
}

/// Without any of its fields it is a directory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob {
    pub(super) is_binary: Option<bool>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    pub(super) text: Option<String>,
}
