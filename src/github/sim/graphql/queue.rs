//! Fields of merge queues and their entries.

use std::sync::Arc;

use serde_json::Value;

use super::super::pulls::Pull;
use super::super::queue::{Queue, Standing};
use super::super::shapes::{node_id, time};
use super::super::state::Repo;
use super::connection::Connection;
use super::nodes::Node;
use super::values::Arguments;
use super::{Found, Refused, Resolved, Run, scalar};

impl<'s> Run<'s> {
    pub(super) fn queue(&self, repo: &'s Repo, queue: &'s Queue, name: &str, arguments: &Arguments) -> Found<'s> {
        match name {
            "id" => scalar(node_id("MQ", queue.id)),
            "repository" => Ok(Resolved::Node(Node::Repository(repo))),
            "entries" => {
                let all = (0..queue.entries.len()).map(|place| Node::QueueEntry(repo, queue, place)).collect();
                Connection::page("MergeQueueEntryConnection", all, arguments)
            }
            "nextEntryEstimatedTimeToMerge" => scalar(Value::Null),
            _ => Err(Refused::Undefined),
        }
    }

    pub(super) fn queue_entry(&self, repo: &'s Repo, queue: &'s Queue, place: usize, name: &str) -> Found<'s> {
        let Some(entry) = queue.entries.get(place) else { return scalar(Value::Null) };
        let commit = |sha: &str| {
            self.need("contents")?;
            Ok(self.state.objects.get(sha).map(|c| Node::Commit(repo, Arc::clone(c))).into())
        };
        match name {
            "id" => scalar(node_id("MQE", entry.id)),
            "position" => scalar(place + 1),
            "state" => scalar(match self.state.queue_standing(repo, queue, entry) {
                Standing::Waiting => "AWAITING_CHECKS",
                Standing::Passed => "MERGEABLE",
                Standing::Failed => "UNMERGEABLE",
            }),
            "solo" | "jump" => scalar(false),
            "enqueuedAt" => scalar(time(entry.at)),
            "estimatedTimeToMerge" => scalar(Value::Null),
            "mergeQueue" => Ok(Resolved::Node(Node::Queue(repo, queue))),
            "baseCommit" => commit(&entry.base),
            "headCommit" => commit(&entry.head),
            "pullRequest" => {
                self.need("pull_requests")?;
                Ok(repo.pulls.get(&entry.number).map(|pull| Node::Pull(repo, pull)).into())
            }
            _ => Err(Refused::Undefined),
        }
    }
}

/// The entry of a pull request in the queue of its base branch.
pub(super) fn entry_of<'s>(repo: &'s Repo, pull: &Pull) -> Option<Node<'s>> {
    let queue = repo.queues.get(&pull.base_ref)?;
    let place = queue.entries.iter().position(|entry| entry.number == pull.number)?;
    Some(Node::QueueEntry(repo, queue, place))
}
