//! A branch's merge queue as GraphQL tells it: which pull requests a group holds, and the branch they would be merged
//! into. REST has no such list, and the webhook of a group names none.

use serde::Deserialize;
use serde_json::json;

use super::base_files::BaseFiles;
use super::error::Error;
use super::fold::unknown;
use super::graphql::Partial;
use super::installation::Installation;
use super::name::RepoName;
use super::pull_request::TextFile;
use super::wire::{BaseRef, Connection, Oid};
use crate::risk::facts::{Known, Reason, Source};

const QUERY: &str = include_str!("queries/merge_queue.graphql");
/// Pages of a hundred entries at most: a group that far back is not built yet.
const MAX_PAGES: usize = 5;

/// A merge queue, as far as a group reaches, and its branch. What GitHub refused is unknown, with the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeQueue {
    /// GitHub's id of the repository.
    pub repository_id: u64,
    /// The repository's name today.
    pub repository: RepoName,
    /// Tip of the base branch.
    pub base_tip: Option<String>,
    /// Entries of the group that was asked about, first to last; `Ok(None)` when the queue does not hold it.
    pub group: Known<Option<Vec<QueueEntry>>>,
    /// `.github/mergecast.yml` of the base branch; `Ok(None)` when there is none.
    pub policy: Known<Option<TextFile>>,
}

/// A pull request in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueEntry {
    /// Number.
    pub number: u64,
    /// Head commit of the pull request.
    pub head_sha: String,
    /// The head lives in another repository.
    pub from_fork: bool,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    database_id: Option<u64>,
    name_with_owner: Option<String>,
    base_ref: Option<BaseRef>,
    merge_queue: Option<Queue>,
}

#[derive(Deserialize)]
struct Queue {
    entries: Option<Connection<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    head_commit: Option<Oid>,
    pull_request: Option<Pull>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    number: u64,
    head_ref_oid: String,
    #[serde(default)]
    is_cross_repository: bool,
}

impl Installation {
    /// The queue of `branch` up to the group whose commit is `sha`: one GraphQL call, and one for each further hundred of
    /// entries.
    pub async fn merge_queue(&self, repo: &RepoName, branch: &str, sha: &str) -> Result<MergeQueue, Error> {
        let granted = self.permissions().await?;
        let mut variables = json!({
            "owner": repo.owner(),
            "name": repo.name(),
            "branch": branch,
            "baseRef": format!("refs/heads/{branch}"),
            "after": null,
        });
        let Partial { data, mut refusals } = self.graphql::<Data>(QUERY, &variables).await?;
        let Some(mut first) = data.repository else { return Err(refusals.as_error()) };
        let mut list = first.merge_queue.take().and_then(|queue| queue.entries);
        for _ in 1..MAX_PAGES {
            let Some(read) = list.as_mut().filter(|read| place(read, sha).is_none()) else { break };
            let Some(after) = read.next() else { break };
            variables["after"] = json!(after);
            let Partial { data, refusals: more } = self.graphql::<Data>(QUERY, &variables).await?;
            refusals.extend(more);
            let page = data.repository.and_then(|repository| repository.merge_queue?.entries);
            read.append(page.ok_or_else(|| Error::unavailable("the queue was gone before it was read"))?);
        }
        let reason = refusals.under("mergeQueue");
        let refused = |reason| Err(unknown(Source::MergeQueue, reason, &granted, &["merge_queues", "pull_requests"]));
        let group = match (list, reason) {
            (Some(list), reason) => entries(list, sha).or_else(|()| {
                refused(reason.unwrap_or_else(|| Reason::Unavailable("GraphQL left a pull request out".to_owned())))
            }),
            (None, Some(reason)) => refused(reason),
            (None, None) => Ok(None),
        };
        let base = first.base_ref.and_then(|base| base.target);
        let base_tip = base.as_ref().map(|commit| commit.oid.clone()).filter(|oid| !oid.is_empty());
        let files = BaseFiles { repo, granted: &granted, refusals: &refusals };
        let (_, policy) = self.base_files(&files, base).await?;
        let full_name = first.name_with_owner.as_deref().and_then(RepoName::parse);
        let missing = |what: &str| Error::contract(format!("a repository without {what}"));
        Ok(MergeQueue {
            repository_id: first.database_id.ok_or_else(|| missing("an id"))?,
            repository: full_name.ok_or_else(|| missing("a name"))?,
            base_tip,
            group,
            policy,
        })
    }
}

/// Where the group's own entry stands.
fn place(list: &Connection<Entry>, sha: &str) -> Option<usize> {
    let ours = |entry: &Entry| entry.head_commit.as_ref().is_some_and(|commit| commit.oid == sha);
    list.nodes.iter().position(|entry| entry.as_ref().is_some_and(ours))
}

/// The entries up to the group's own; an error if one of them may not be seen.
fn entries(list: Connection<Entry>, sha: &str) -> Result<Option<Vec<QueueEntry>>, ()> {
    let Some(place) = place(&list, sha) else {
        // An entry that is hidden may be the one.
        let hidden = list.nodes.iter().any(Option::is_none);
        return if hidden { Err(()) } else { Ok(None) };
    };
    let entry = |entry: Option<Entry>| {
        let pull = entry?.pull_request?;
        Some(QueueEntry { number: pull.number, head_sha: pull.head_ref_oid, from_fork: pull.is_cross_repository })
    };
    let entries: Option<Vec<_>> = list.nodes.into_iter().take(place + 1).map(entry).collect();
    entries.map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::scripted::{SHA, Scripted, json, repo};
    use super::*;

    fn entry(number: u64, head: &str) -> Value {
        json!({"headCommit": {"oid": head}, "pullRequest": {"number": number, "headRefOid": SHA}})
    }

    fn page(nodes: &[Value], next: Option<&str>) -> Value {
        let entries = json!({"totalCount": 3, "nodes": nodes,
            "pageInfo": {"hasNextPage": next.is_some(), "endCursor": next}});
        json!({"data": {"repository": {"databaseId": 9, "nameWithOwner": "acme/shop",
            "baseRef": {"target": {"oid": "tip"}}, "mergeQueue": {"entries": entries}}}})
    }

    async fn asked(pages: Vec<Value>) -> (Result<MergeQueue, Error>, Vec<Value>) {
        let s = Scripted::start(move |a| {
            let after = serde_json::from_str::<Value>(&a.body).ok()?["variables"]["after"].clone();
            let at = after.as_str().map_or(0, |after| after.parse().unwrap());
            a.is("POST", "/graphql").then(|| json(200, &pages[at]))
        })
        .await;
        let queue = s.installation().merge_queue(&repo(), "release/1.x", "c").await;
        let asked = s.asked().into_iter().filter(|a| a.target == "/graphql");
        (queue, asked.map(|a| serde_json::from_str::<Value>(&a.body).unwrap()["variables"].clone()).collect())
    }

    #[tokio::test]
    async fn the_entries_up_to_the_groups_own_are_its_members() {
        let pages = vec![
            page(&[entry(12, "a"), entry(15, "b")], Some("1")),
            page(&[entry(18, "c"), entry(20, "d")], Some("2")),
        ];
        let (queue, asked) = asked(pages).await;
        let queue = queue.unwrap();
        let numbers: Vec<u64> = queue.group.unwrap().unwrap().iter().map(|entry| entry.number).collect();
        assert_eq!((numbers, queue.base_tip.as_deref(), queue.policy), (vec![12, 15, 18], Some("tip"), Ok(None)));
        assert_eq!(asked.len(), 2, "no page beyond the group is read");
        assert_eq!(
            (&asked[0]["branch"], &asked[0]["baseRef"]),
            (&json!("release/1.x"), &json!("refs/heads/release/1.x"))
        );
    }

    #[tokio::test]
    async fn a_group_that_is_gone_is_told_from_one_that_may_not_be_seen() {
        let gone = asked(vec![page(&[entry(12, "a")], None)]).await.0.unwrap();
        assert_eq!(gone.group, Ok(None));
        let mut no_queue = page(&[], None);
        no_queue["data"]["repository"]["mergeQueue"] = Value::Null;
        assert_eq!(asked(vec![no_queue.clone()]).await.0.unwrap().group, Ok(None));
        no_queue["errors"] = json!([{"type": "FORBIDDEN", "path": ["repository", "mergeQueue"], "message": "no"}]);
        let refused = asked(vec![no_queue]).await.0.unwrap().group.unwrap_err();
        assert_eq!((refused.source, matches!(refused.reason, Reason::Forbidden(_))), (Source::MergeQueue, true));
        let hidden = json!({"headCommit": {"oid": "b"}, "pullRequest": null});
        let partly = asked(vec![page(&[hidden, entry(18, "c")], None)]).await.0.unwrap().group;
        assert!(partly.is_err(), "{partly:?}");
    }
}
