//! The open pull requests of a repository with their heads and nothing else, to find those that no webhook told of.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::error::Error;
use super::graphql::Partial;
use super::installation::Installation;
use super::name::RepoName;
use super::wire::Connection;

const QUERY: &str = include_str!("queries/open_pulls.graphql");

/// A page of a repository's open pull requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPulls {
    /// GitHub's id of the repository; it outlives renames.
    pub repository_id: u64,
    /// Its name today, which may differ from the one asked for.
    pub repository: RepoName,
    /// Nothing can be written to it.
    pub archived: bool,
    /// At most a hundred, in the order in which they were opened.
    pub pulls: Vec<OpenPull>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// An open pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPull {
    /// Number.
    pub number: u64,
    /// Head commit.
    pub head_sha: String,
    /// Branch that it would be merged into. Untrusted.
    pub base_ref: String,
    /// When anything of it changed last.
    pub updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    database_id: Option<u64>,
    name_with_owner: String,
    #[serde(default)]
    is_archived: bool,
    pull_requests: Option<Connection<Pull>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    number: u64,
    head_ref_oid: String,
    base_ref_name: String,
    updated_at: DateTime<Utc>,
}

impl Installation {
    /// A page of the open pull requests, from the cursor `after` on.
    pub async fn open_pulls(&self, repo: &RepoName, after: Option<&str>) -> Result<OpenPulls, Error> {
        let variables = json!({"owner": repo.owner(), "name": repo.name(), "after": after});
        let Partial { data, refusals } = self.graphql::<Data>(QUERY, &variables).await?;
        let Some(Repository { database_id, name_with_owner, is_archived, pull_requests: Some(page) }) = data.repository
        else {
            return Err(refusals.as_error());
        };
        let missing = |what: &str| Error::contract(format!("a repository without {what}"));
        let next = page.next();
        let pulls = page.nodes.into_iter().flatten();
        Ok(OpenPulls {
            repository_id: database_id.ok_or_else(|| missing("an id"))?,
            repository: RepoName::parse(&name_with_owner).ok_or_else(|| missing("a name"))?,
            archived: is_archived,
            pulls: pulls
                .map(|p| OpenPull {
                    number: p.number,
                    head_sha: p.head_ref_oid,
                    base_ref: p.base_ref_name,
                    updated_at: p.updated_at,
                })
                .collect(),
            next,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::scripted::{Scripted, json, repo};
    use super::*;

    #[tokio::test]
    async fn heads_are_read_page_after_page() {
        let s = Scripted::start(|a| {
            let asked: Value = serde_json::from_str(&a.body).ok()?;
            let second = asked["variables"]["after"] == "c1";
            let number = if second { 2 } else { 1 };
            let pull = json!({"number": number, "headRefOid": "abc", "baseRefName": "main", "updatedAt": "2026-03-03T10:00:00Z"});
            let pages = json!({"hasNextPage": !second, "endCursor": format!("c{number}")});
            let list = json!({"pageInfo": pages, "nodes": [pull, null]});
            let repository = json!({"databaseId": 9, "nameWithOwner": "acme/store", "pullRequests": list});
            a.is("POST", "/graphql").then(|| json(200, &json!({"data": {"repository": repository}})))
        })
        .await;
        let first = s.installation().open_pulls(&repo(), None).await.unwrap();
        assert_eq!((first.repository_id, first.repository.to_string()), (9, "acme/store".to_owned()));
        assert_eq!(first.next.as_deref(), Some("c1"));
        let second = s.installation().open_pulls(&repo(), first.next.as_deref()).await.unwrap();
        let heads: Vec<_> = first.pulls.iter().chain(&second.pulls).map(|p| (p.number, p.head_sha.as_str())).collect();
        assert_eq!((heads, second.next), (vec![(1, "abc"), (2, "abc")], None));
    }

    #[tokio::test]
    async fn a_refused_list_is_not_an_empty_one() {
        let s = Scripted::start(|a| {
            let repository = json!({"databaseId": 9, "nameWithOwner": "acme/shop", "pullRequests": null});
            let error = json!({"type": "FORBIDDEN", "path": ["repository", "pullRequests"], "message": "no"});
            let body = json!({"data": {"repository": repository}, "errors": [error]});
            a.is("POST", "/graphql").then(|| json(200, &body))
        })
        .await;
        assert_eq!(s.installation().open_pulls(&repo(), None).await, Err(Error::Forbidden { needs: None }));
    }
}
