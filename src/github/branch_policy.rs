//! The policy file of a branch by itself, to tell whether what was scored under another one is to be scored again.

use serde::Deserialize;
use serde_json::json;

use super::base_files::BaseFiles;
use super::error::Error;
use super::graphql::Partial;
use super::installation::Installation;
use super::name::RepoName;
use super::pull_request::TextFile;
use super::wire::BaseRef;
use crate::risk::facts::Known;

const QUERY: &str = include_str!("queries/branch_policy.graphql");

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    base_ref: Option<BaseRef>,
}

impl Installation {
    /// `.github/mergecast.yml` of a branch; `Ok(None)` when there is none. What GitHub refused is unknown, as it is for a
    /// pull request.
    pub async fn branch_policy(&self, repo: &RepoName, branch: &str) -> Result<Known<Option<TextFile>>, Error> {
        let granted = self.permissions().await?;
        let variables = json!({"owner": repo.owner(), "name": repo.name(), "baseRef": format!("refs/heads/{branch}")});
        let Partial { data, refusals } = self.graphql::<Data>(QUERY, &variables).await?;
        let Some(repository) = data.repository else { return Err(refusals.as_error()) };
        let files = BaseFiles { repo, granted: &granted, refusals: &refusals };
        let (_, policy) = self.base_files(&files, repository.base_ref.and_then(|base| base.target)).await?;
        Ok(policy)
    }
}
