//! Whose accounts wrote commits: git knows names and addresses, GitHub knows which account an address belongs to.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;

use super::check_run::full_sha;
use super::error::Error;
use super::graphql::Partial;
use super::installation::Installation;
use super::name::RepoName;

const QUERY: &str = include_str!("queries/commit_authors.graphql");
/// The query names so many commits.
const COMMITS_MAX: usize = 5;

#[derive(Deserialize)]
struct Data {
    repository: Option<HashMap<String, Option<Commit>>>,
}

#[derive(Deserialize)]
struct Commit {
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl Installation {
    /// Logins of those who wrote `commits` (whole object ids), in their order: one GraphQL call, for the first five.
    /// `None` where GitHub does not know the commit, or no account of its author. Programs have no account there.
    pub async fn commit_authors(&self, repo: &RepoName, commits: &[&str]) -> Result<Vec<Option<String>>, Error> {
        let Some((last, rest)) = commits.get(..commits.len().min(COMMITS_MAX)).and_then(<[&str]>::split_last) else {
            return Ok(Vec::new());
        };
        let mut variables = json!({ "owner": repo.owner(), "name": repo.name() });
        // Each variable has a value: the last commit stands for those that are not asked about.
        for (place, sha) in (1..=COMMITS_MAX).zip(rest.iter().chain(std::iter::repeat(last))) {
            variables[key(place)] = json!(full_sha(sha)?);
        }
        let Partial { data, refusals } = self.graphql::<Data>(QUERY, &variables).await?;
        let Some(mut found) = data.repository else { return Err(refusals.as_error()) };
        let login = |place| found.remove(&key(place)).flatten()?.author?.user.map(|user| user.login);
        Ok((1..=rest.len() + 1).map(login).collect())
    }
}

fn key(place: usize) -> String {
    format!("commit{place}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scripted::{SHA, Scripted, json, repo};

    #[tokio::test]
    async fn each_commit_has_the_login_of_its_author_or_none() {
        let s = Scripted::start(|asked| {
            (asked.target == "/graphql").then(|| {
                let wrote = |login: &str| json!({"author": {"user": {"login": login}}});
                let repository = json!({"commit1": wrote("ada"), "commit2": null,
                    "commit3": {"author": {"user": null}}, "commit4": {"author": null}, "commit5": {}});
                json(200, &json!({"data": {"repository": repository}}))
            })
        })
        .await;
        let read = async |count: usize| s.installation().commit_authors(&repo(), &vec![SHA; count]).await;
        let ada = || Some("ada".to_owned());
        assert_eq!(read(7).await, Ok(vec![ada(), None, None, None, None]));
        assert_eq!(read(1).await, Ok(vec![ada()]));
        assert_eq!(read(0).await, Ok(Vec::new()));
        let short = s.installation().commit_authors(&repo(), &["abc"]).await;
        assert!(short.is_err(), "a beginning of an id may be another commit's, or a branch's");
    }
}
