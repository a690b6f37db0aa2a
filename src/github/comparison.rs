//! What a commit would bring into another: GitHub's comparison of the two, from where they parted.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::check_run::full_sha;
use super::error::Error;
use super::files::Entry;
use super::installation::Installation;
use super::name::RepoName;
use crate::risk::facts::{Commit, FileChange};

/// GitHub gives so many files with a comparison and never says whether there are more.
const MAX_FILES: usize = 300;

/// What one commit has that another has not.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Where the two parted: the files are compared with it.
    pub merge_base_sha: String,
    /// Changed files, at most 300.
    pub files: Vec<FileChange>,
    /// Nothing is missing among the files.
    pub complete: bool,
    /// Commits, oldest first, at most 100.
    pub commits: Vec<Commit>,
    /// How many commits there are.
    pub commits_total: u64,
}

#[derive(Deserialize)]
struct Body {
    merge_base_commit: Sha,
    #[serde(default)]
    total_commits: u64,
    #[serde(default)]
    commits: Vec<CommitBody>,
    #[serde(default)]
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Sha {
    sha: String,
}

#[derive(Deserialize)]
struct CommitBody {
    sha: String,
    commit: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    message: String,
    committer: Option<Committer>,
}

#[derive(Deserialize)]
struct Committer {
    date: Option<DateTime<Utc>>,
}

impl CommitBody {
    fn into_commit(self) -> Commit {
        let headline = self.commit.message.lines().next().unwrap_or_default().to_owned();
        let committed_at = self.commit.committer.and_then(|committer| committer.date).unwrap_or_default();
        Commit { sha: self.sha, headline, committed_at }
    }
}

impl Installation {
    /// What `head` would bring into `base`; both are whole commit ids. One call.
    pub async fn compare(&self, repo: &RepoName, base: &str, head: &str) -> Result<Comparison, Error> {
        let range = format!("{}...{}", full_sha(base)?, full_sha(head)?);
        let segments = ["repos", repo.owner(), repo.name(), "compare", &range];
        let body: Body = self.get(self.transport().url(segments, &[("per_page", "100")])).await?.json()?;
        Ok(Comparison {
            merge_base_sha: body.merge_base_commit.sha,
            complete: body.files.len() < MAX_FILES,
            files: body.files.into_iter().map(Entry::into_file).collect(),
            commits: body.commits.into_iter().map(CommitBody::into_commit).collect(),
            commits_total: body.total_commits,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::scripted::{SHA, Scripted, json, repo};
    use super::*;

    async fn with_files(count: usize) -> Comparison {
        let file =
            |n| json!({"filename": format!("f{n}"), "status": "added", "additions": 1, "patch": "@@ -0,0 +1 @@\n+x"});
        let files: Vec<Value> = (0..count).map(file).collect();
        let commit =
            json!({"sha": SHA, "commit": {"message": "One\n\nTwo", "committer": {"date": "2027-01-15T07:00:00Z"}}});
        let body =
            json!({"merge_base_commit": {"sha": "parted"}, "total_commits": 7, "commits": [commit], "files": files});
        let s = Scripted::start(move |a| a.target.contains("/compare/").then(|| json(200, &body))).await;
        let compared = s.installation().compare(&repo(), SHA, SHA).await.unwrap();
        let asked = s.asked().into_iter().map(|a| a.target).find(|target| target.contains("/compare/"));
        assert_eq!(asked, Some(format!("/repos/acme/shop/compare/{SHA}...{SHA}?per_page=100")));
        compared
    }

    #[tokio::test]
    async fn a_full_list_of_files_may_not_be_all() {
        let compared = with_files(299).await;
        assert_eq!((compared.files.len(), compared.complete), (299, true));
        assert_eq!((compared.merge_base_sha.as_str(), compared.commits_total), ("parted", 7));
        assert_eq!(compared.commits[0].headline, "One");
        assert!(!with_files(300).await.complete);
    }

    #[tokio::test]
    async fn no_branch_is_taken_for_a_commit() {
        let s = Scripted::start(|_| None).await;
        assert!(matches!(s.installation().compare(&repo(), "main", SHA).await, Err(Error::Invalid { .. })));
        assert_eq!(s.asked().len(), 0);
    }
}
