//! Routes of pull requests.

use super::super::answer::{Answer, Outcome};
use super::super::pulls::{Pull, Review};
use super::Call;

/// Files of a pull request, or of a commit, that GitHub lists.
pub(super) const FILES_MAX: usize = 3_000;
/// Commits of a pull request that GitHub lists.
pub(in super::super) const COMMITS_MAX: usize = 250;

impl Call<'_> {
    pub(super) fn pulls(&self, repo: &str) -> Outcome {
        self.need("pull_requests", "read")?;
        let repo = self.state.known(repo);
        let state = self.request.param("state").unwrap_or("open");
        let (head, base) = (self.request.param("head"), self.request.param("base"));
        let wanted = |p: &&Pull| {
            let fits = match state {
                "all" => true,
                "closed" => !p.open(),
                _ => p.open(),
            };
            let label = format!("{}:{}", p.head_owner, p.head_ref);
            fits && head.is_none_or(|h| h == label) && base.is_none_or(|b| b == p.base_ref)
        };
        let mut found: Vec<&Pull> = repo.pulls.values().rev().filter(wanted).collect();
        if self.request.param("direction") == Some("asc") {
            found.reverse();
        }
        self.page(&found, |p| self.state.pull_summary(repo, p))
    }

    pub(super) fn pull(&self, repo: &str, number: &str) -> Outcome {
        self.need("pull_requests", "read")?;
        let (repo, pull) = self.find_pull(repo, number)?;
        Ok(Answer::ok(self.state.pull_shape(repo, pull, self.state.mergeable(repo, pull))))
    }

    pub(super) fn pull_files(&self, repo: &str, number: &str) -> Outcome {
        self.need("pull_requests", "read")?;
        let (repo, pull) = self.find_pull(repo, number)?;
        let files = self.state.pull_files(repo, pull);
        let given = &files[..files.len().min(FILES_MAX)];
        self.page(given, |f| self.state.file_shape(repo, &pull.head_sha, f))
    }

    pub(super) fn pull_commits(&self, repo: &str, number: &str) -> Outcome {
        self.need("pull_requests", "read")?;
        let (repo, pull) = self.find_pull(repo, number)?;
        let commits = self.state.pull_commits(repo, pull);
        self.page(&commits[..commits.len().min(COMMITS_MAX)], |c| self.state.commit_shape(repo, c))
    }

    pub(super) fn pull_reviews(&self, repo: &str, number: &str) -> Outcome {
        self.need("pull_requests", "read")?;
        let (repo, pull) = self.find_pull(repo, number)?;
        let reviews: Vec<&Review> = pull.reviews.iter().collect();
        self.page(&reviews, |r| self.state.review_shape(repo, pull, r))
    }

    /// The merged pull request that brought a commit to the default branch, else the open ones that hold it.
    pub(super) fn commit_pulls(&self, repo: &str, sha: &str) -> Outcome {
        self.need("pull_requests", "read")?;
        let sha = self.find_ref(repo, sha).ok_or_else(|| no_commit(sha))?;
        let repo = self.state.known(repo);
        let holds = |p: &&Pull| {
            let merge = p.merge_commit.as_deref() == Some(&sha);
            merge || self.state.pull_commits(repo, p).iter().any(|c| c.sha == sha)
        };
        let found: Vec<&Pull> = repo.pulls.values().filter(holds).collect();
        self.page(&found, |p| self.state.pull_summary(repo, p))
    }
}

pub(super) fn no_commit(sha: &str) -> Answer {
    Answer::error(422, format!("No commit found for SHA: {sha}"))
}
