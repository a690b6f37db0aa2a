//! Merged pull requests as deployments are told of: what they are called, and when their own commits were written, of which a
//! squash merge leaves one.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::error::Error;
use super::installation::Installation;
use super::name::RepoName;

/// GitHub lists so many commits of a pull request, and no more.
const COMMITS_MAX: usize = 250;
/// On one page.
const PER_PAGE: &str = "100";

/// A pull request that was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandedPull {
    /// Number.
    pub number: u64,
    /// Title. Untrusted.
    pub title: String,
    /// Description, empty when there is none. Untrusted.
    pub body: String,
    /// Names of its labels. Untrusted.
    pub labels: Vec<String>,
    /// Its branch. Untrusted.
    pub branch: String,
    /// When it was opened.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was merged; `None` for one that is not.
    pub merged_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Body {
    number: u64,
    #[serde(default)]
    title: String,
    body: Option<String>,
    #[serde(default)]
    labels: Vec<Label>,
    head: Head,
    created_at: Option<DateTime<Utc>>,
    merged_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Label {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref", default)]
    name: String,
}

#[derive(Deserialize)]
struct Listed {
    commit: Written,
    #[serde(default)]
    parents: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Written {
    author: Option<When>,
}

#[derive(Deserialize)]
struct When {
    date: Option<DateTime<Utc>>,
}

impl Installation {
    /// A pull request as it was merged.
    ///
    /// # Errors
    /// There is none of this number, or GitHub does not answer.
    pub async fn landed_pull(&self, repo: &RepoName, number: u64) -> Result<LandedPull, Error> {
        let url = self.transport().url(["repos", repo.owner(), repo.name(), "pulls", &number.to_string()], &[]);
        let Body { number, title, body, labels, head, created_at, merged_at } = self.get(url).await?.json()?;
        Ok(LandedPull {
            number,
            title,
            body: body.unwrap_or_default(),
            labels: labels.into_iter().map(|label| label.name).collect(),
            branch: head.name,
            created_at,
            merged_at,
        })
    }

    /// When each commit of a pull request was written, merges apart, by its author's clock: at most the 250 that GitHub lists.
    ///
    /// # Errors
    /// There is none of this number, or GitHub does not answer.
    pub async fn commits_written(&self, repo: &RepoName, number: u64) -> Result<Vec<DateTime<Utc>>, Error> {
        let segments = ["repos", repo.owner(), repo.name(), "pulls", &number.to_string(), "commits"];
        let mut next = Some(self.transport().url(segments, &[("per_page", PER_PAGE)]));
        let mut written = Vec::new();
        while let Some(url) = next.take().filter(|_| written.len() < COMMITS_MAX) {
            let answer = self.get(url).await?;
            let listed: Vec<Listed> = answer.json()?;
            // A merge brings what others wrote.
            let own = listed.into_iter().filter(|one| one.parents.len() < 2);
            written.extend(own.filter_map(|one| one.commit.author?.date));
            next = answer.next_link().map(|link| self.transport().on_base(link)).transpose()?;
        }
        Ok(written)
    }
}
