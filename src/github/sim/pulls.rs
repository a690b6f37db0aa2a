//! Pull requests of the simulated GitHub, and what follows from the commits: files, merge base, conflicts.

use std::cell::Cell;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::diff::{self, FileDiff};
use super::objects::Commit;
use super::state::{Permission, Repo, State, key};

pub(super) struct Pull {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) author: String,
    pub(super) draft: bool,
    pub(super) state: PullState,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) closed_at: Option<DateTime<Utc>>,
    pub(super) merged_by: Option<String>,
    pub(super) merge_commit: Option<String>,
    pub(super) base_ref: String,
    /// Tip of the base branch when the head last moved; frozen by closing.
    pub(super) base_sha: String,
    pub(super) head_owner: String,
    /// Full name of the head's repository; `None` once the fork is gone.
    pub(super) head_repo: Option<String>,
    pub(super) head_ref: String,
    pub(super) head_sha: String,
    pub(super) labels: Vec<String>,
    pub(super) requests: Vec<ReviewRequest>,
    pub(super) reviews: Vec<Review>,
    pub(super) threads: Vec<Thread>,
    pub(super) comments: Vec<Comment>,
    /// GitHub computes mergeability when first asked, and says null until then.
    pub(super) mergeable_asked: Cell<bool>,
    pub(super) queued: bool,
    /// The conversation is closed to Apps and to people without write access.
    pub(super) locked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullState {
    Open,
    Closed,
    Merged,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reviewer {
    User(String),
    Team(String),
}

#[derive(Clone, Debug)]
pub(super) struct ReviewRequest {
    pub(super) id: u64,
    pub(super) reviewer: Reviewer,
    pub(super) as_code_owner: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Review {
    pub(super) id: u64,
    pub(super) author: String,
    /// In GraphQL's spelling.
    pub(super) state: &'static str,
    pub(super) body: String,
    pub(super) commit: String,
    pub(super) submitted_at: DateTime<Utc>,
    pub(super) on_behalf_of: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) id: u64,
    /// Who opened it.
    pub(super) author: String,
    pub(super) resolved: bool,
    pub(super) outdated: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    /// Written with an installation token of ours.
    pub(super) by_app: bool,
    pub(super) reactions: Vec<Reaction>,
}

#[derive(Clone, Debug)]
pub(super) struct Reaction {
    pub(super) id: u64,
    pub(super) author: String,
    pub(super) content: String,
    pub(super) created_at: DateTime<Utc>,
}

impl Pull {
    pub(super) fn open(&self) -> bool {
        self.state == PullState::Open
    }

    pub(super) fn is_from_fork(&self, repo: &Repo) -> bool {
        !self.head_owner.eq_ignore_ascii_case(&repo.owner)
    }

    /// The last opinion of each reviewer, oldest first. A dismissed one is no opinion.
    pub(super) fn latest_opinions(&self) -> Vec<&Review> {
        let mut latest: Vec<&Review> = Vec::new();
        for review in self.reviews.iter().filter(|r| r.state != "COMMENTED") {
            latest.retain(|r| !r.author.eq_ignore_ascii_case(&review.author));
            latest.push(review);
        }
        latest.retain(|r| r.state != "DISMISSED");
        latest
    }
}

impl State {
    pub(super) fn pull(&self, full_name: &str, number: u64) -> Option<(&Repo, &Pull)> {
        let repo = self.repo(full_name)?;
        Some((repo, repo.pulls.get(&number)?))
    }

    /// The commit that the change is compared with.
    pub(super) fn merge_base(&self, repo: &Repo, pull: &Pull) -> String {
        let tip = match pull.state {
            PullState::Open => repo.branches.get(&pull.base_ref).unwrap_or(&pull.base_sha),
            _ => &pull.base_sha,
        };
        self.objects.merge_base(tip, &pull.head_sha)
    }

    pub(super) fn pull_files(&self, repo: &Repo, pull: &Pull) -> Arc<Vec<FileDiff>> {
        self.files_between(&self.merge_base(repo, pull), &pull.head_sha)
    }

    /// What one commit changed against its first parent.
    pub(super) fn commit_files(&self, commit: &Commit) -> Arc<Vec<FileDiff>> {
        self.files_between(commit.parents.first().map_or("", String::as_str), &commit.sha)
    }

    pub(super) fn files_between(&self, base: &str, head: &str) -> Arc<Vec<FileDiff>> {
        let key = (base.to_owned(), head.to_owned());
        if let Some(found) = self.diffs.borrow().get(&key) {
            return Arc::clone(found);
        }
        let files = Arc::new(diff::changes(&self.objects.tree(base), &self.objects.tree(head)));
        self.diffs.borrow_mut().insert(key, Arc::clone(&files));
        files
    }

    pub(super) fn pull_commits(&self, repo: &Repo, pull: &Pull) -> Vec<Arc<Commit>> {
        self.objects.between(&self.merge_base(repo, pull), &pull.head_sha)
    }

    /// Whether both sides changed one path in different ways since they parted.
    pub(super) fn conflicts(&self, repo: &Repo, pull: &Pull) -> bool {
        let Some(tip) = repo.branches.get(&pull.base_ref) else { return false };
        let (fork_point, tip, head) = (
            self.objects.tree(&self.merge_base(repo, pull)),
            self.objects.tree(tip),
            self.objects.tree(&pull.head_sha),
        );
        tip.keys().chain(fork_point.keys()).any(|path| {
            let (was, theirs, ours) = (fork_point.get(path), tip.get(path), head.get(path));
            was != theirs && was != ours && theirs != ours
        })
    }

    /// `mergeable` as the pull request itself says it: null on the first look at a head.
    pub(super) fn mergeable(&self, repo: &Repo, pull: &Pull) -> Option<bool> {
        if !pull.open() || !pull.mergeable_asked.replace(true) {
            return None;
        }
        Some(!self.conflicts(repo, pull))
    }

    /// How GitHub describes an author; membership of the organization is taken to be public.
    pub(super) fn association(&self, repo: &Repo, login: &str) -> &'static str {
        if login.eq_ignore_ascii_case(&repo.owner) {
            return "OWNER";
        }
        if repo.permission_of(login).is_some_and(|p| p >= Permission::Read) {
            return "MEMBER";
        }
        let merged_before = |p: &Pull| p.state == PullState::Merged && p.author.eq_ignore_ascii_case(login);
        if repo.pulls.values().any(merged_before) { "CONTRIBUTOR" } else { "NONE" }
    }

    /// Open pull requests whose head is `sha`, as checks list them: those from forks are not among them.
    pub(super) fn pulls_with_head<'a>(&'a self, repo: &'a Repo, sha: &'a str) -> impl Iterator<Item = &'a Pull> {
        repo.pulls.values().filter(move |p| p.open() && p.head_sha == sha && !p.is_from_fork(repo))
    }

    /// The branch whose tip is `sha`; a fork's branches do not count.
    pub(super) fn branch_of<'a>(&self, repo: &'a Repo, sha: &str) -> Option<&'a str> {
        repo.branches.iter().find(|(_, tip)| *tip == sha).map(|(name, _)| name.as_str())
    }

    /// Teams of the reviewer that were asked to review, or that the base branch's CODEOWNERS names.
    pub(super) fn teams_spoken_for(&self, repo: &Repo, pull: &Pull, login: &str) -> Vec<String> {
        let login = login.to_lowercase();
        let owners =
            self.codeowners_file(repo, &pull.base_ref).map(|(_, text)| text.to_lowercase()).unwrap_or_default();
        let mention = |slug: &str| owners.contains(&format!("@{}/{slug}", key(&repo.owner)));
        let asked = |slug: &str| pull.requests.iter().any(|r| r.reviewer == Reviewer::Team(slug.to_owned()));
        let mine = repo.teams.values().filter(|t| t.members.contains(&login) && t.permission >= Permission::Write);
        mine.filter(|t| asked(&t.slug) || mention(&t.slug)).map(|t| t.slug.clone()).collect()
    }

    /// The CODEOWNERS file in force on a branch.
    pub(super) fn codeowners_file(&self, repo: &Repo, branch: &str) -> Option<(&'static str, String)> {
        let tree = self.objects.tree(repo.branches.get(branch)?);
        let places = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];
        places.into_iter().find_map(|place| Some((place, tree.get(place)?.text().to_string())))
    }
}
