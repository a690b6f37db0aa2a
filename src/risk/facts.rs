//! Facts: all that is known of one change at one instant. What is not known says why.
//!
//! Plain data without methods that fetch. Facts are stored beside their assessment, so that the same bytes can be
//! scored again; a field may be added with a default, never removed or given another meaning.

mod coverage;
mod history;
mod review;
mod runtime;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{merge_group::MergeGroup, overrides::Override, patch::Patch};
use crate::codeowners::Mistake;
pub use coverage::{
    BaseTotal, CarriedCoverage, Coverage, CoverageReport, CoverageSource, CoverageTotal, CoveredFile, FlagCoverage,
    LineBlock, OtherCoverage, OwnCount, PassedOver, PullCoverage,
};
pub use history::{CoChange, Failures, History, Knower, Outcomes, Part, Rates, Series, SeriesFile, SeriesPart};
pub use review::{Circumstances, ReviewRules};
pub use runtime::{
    Asked, ChangeFailRate, FlakyPipeline, FlakySuite, LatestDeployment, OpenIncident, Remediation, Runtime, Says,
    ServiceFile, SloBurn, SloCounts, SloHealth, TargetService, Told,
};

/// A value that was read, or the reason why it could not be. Never zero for want of knowledge.
pub type Known<T> = Result<T, Unknown>;

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Where the value would have come from.
    pub source: Source,
    /// What stood in the way.
    pub reason: Reason,
}

impl Unknown {
    /// `source` is not connected to this Mergecast.
    pub fn not_connected(source: Source) -> Self {
        Self { source, reason: Reason::NotConnected }
    }
}

/// An outside source of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The pull request and its changed files.
    Diff,
    /// Reviews and review requests.
    Reviews,
    /// The CODEOWNERS file of the base branch.
    Codeowners,
    /// Checks and commit statuses on the head commit.
    Checks,
    /// `.github/mergecast.yml` of the base branch.
    Policy,
    /// The merge queue of the base branch.
    MergeQueue,
    /// The repository's git history.
    History,
    /// Test coverage of the changed lines.
    Coverage,
    /// Datadog: SLOs, incidents, deployments, flaky tests of the target service.
    Datadog,
}

/// What stood in the way of knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The source is not connected.
    NotConnected,
    /// The source has nothing to say here (a local range has no reviews).
    NotApplicable,
    /// Access was refused; the permission that is missing, where the source names it.
    Forbidden(Option<String>),
    /// The source did not answer in time or answered with an error (a short description, no secrets).
    Unavailable(String),
    /// The source has answered, with what says nothing here however often it is asked (a short description).
    Unusable(String),
    /// The source is being read for the first time.
    Loading {
        /// How much of that is done, 0-100.
        percent: u8,
    },
    /// The source has nothing for this commit yet; it is asked again when it says that it has.
    Awaited {
        /// Commit of the newest that it has, which is not used.
        newest: Option<String>,
    },
    /// The source has answered, and has nothing of this kind.
    Nothing(Absence),
    /// The source gave only a part.
    Partial {
        /// How many items were given.
        seen: u64,
        /// How many there are.
        total: u64,
    },
}

/// What a source that has answered has nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// No service is mapped to the changed files.
    Service,
    /// The services have no SLO.
    Slo,
    /// Their SLOs have no data.
    Data,
    /// There was so little traffic that a single bad event would decide.
    Traffic,
    /// No deployment is known.
    Deployments,
    /// No test run is known.
    TestRuns,
    /// The source has nothing of that kind at all, such as a site that does not offer it.
    NotThere,
}

/// Everything that is known of one change at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The instant for which the facts hold; the only "now" the pure core knows.
    pub at: DateTime<Utc>,
    /// `owner/name`, or the directory's name for a local range.
    pub repository: String,
    /// The change itself.
    pub change: Change,
    /// Reviews of the change.
    pub review: Known<Review>,
    /// Who owns the changed files.
    pub ownership: Known<Ownership>,
    /// Checks on the head commit, ours left out.
    pub checks: Known<Checks>,
    /// What the repository says of itself in its policy file.
    pub declared: Declared,
    /// What git history says of the touched files.
    pub history: Known<History>,
    /// Other pull requests of the same author to the same base branch that were pushed within a day and make changes in the
    /// same places; merged ones among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesPart>,
    /// Parts that the change could be taken apart into, none of which lies where another does; none or two and more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Coverage of the changed lines.
    pub coverage: Known<Coverage>,
    /// The services that the change is for, by name; empty where nothing says of a file which it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<TargetService>,
    /// Health of the services that the change is for.
    pub runtime: Known<Runtime>,
    /// The incident that the change mends, if somebody who may has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// Final scores (0-100) of this repository's latest assessed changes, newest first, at most 500;
    /// a threshold given as a share of changes is read off them.
    pub recent_scores: Vec<u8>,
    /// How this repository's changes came out in production, by the score that they were merged with: the latest of which
    /// that is known. Nothing while nobody tells of deployments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_production: Vec<Outcomes>,
    /// The override that stands for this change, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
    /// What the installation of the App lacks; `None` if that is nothing, and for a local range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacking: Option<Lacking>,
}

/// What the App asks for and an owner of the account has not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// The permissions by name and access, such as `members: read`; at least one.
    pub permissions: Vec<String>,
    /// Address of the page on which an owner can grant them, where it is known.
    pub accept_at: Option<String>,
}

/// The set of commits that a pull request, a merge group or a local range would merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Pull-request number; `None` for a merge group and for a local range.
    pub pull_request: Option<u64>,
    /// What a merge queue would merge together, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_group: Option<MergeGroup>,
    /// Title of the pull request, or the first line of the newest commit. Untrusted.
    pub title: String,
    /// Who opened it.
    pub author: Author,
    /// Commit that would be merged.
    pub head_sha: String,
    /// Commit on the base branch that it is compared with. Of a pull request that is the tip of the branch as GitHub last
    /// took it.
    pub base_sha: String,
    /// Commit at which it left the base branch, where that can be told; unread in facts that were gathered before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_base_sha: Option<String>,
    /// Branch it would be merged into.
    pub base_ref: String,
    /// The head lives in another repository.
    pub from_fork: bool,
    /// Not ready for review yet.
    pub draft: bool,
    /// Open, closed or merged.
    pub state: ChangeState,
    /// When it was opened; `None` for a local range.
    pub created_at: Option<DateTime<Utc>>,
    /// Label names. Untrusted.
    pub labels: Vec<String>,
    /// Commits, oldest first, as many as the source gave.
    pub commits: Vec<Commit>,
    /// How many commits there are in all.
    pub commits_total: u64,
    /// Changed files, as many as the source gave.
    pub files: Vec<FileChange>,
    /// How many changed files there are in all.
    pub files_total: u64,
    /// Whether it undoes an earlier change, and whether that could be proven.
    pub revert: Known<Option<Revert>>,
}

/// Whether a pull request can still be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Can be merged.
    Open,
    /// Was closed without being merged.
    Closed,
    /// Was merged.
    Merged,
}

/// Who opened a change. No figure about a person is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// Login, or the git author's name for a local range. Untrusted.
    pub login: String,
    /// Person or machine.
    pub kind: AuthorKind,
}

/// Person or machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    /// A person.
    Human,
    /// A bot or an App.
    Bot,
    /// The account is gone.
    Ghost,
}

/// One commit of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Object id.
    pub sha: String,
    /// First line of the message. Untrusted.
    pub headline: String,
    /// Committer date.
    pub committed_at: DateTime<Utc>,
}

/// One changed file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileChange {
    /// Path on the new side (on the old side for a removed file), `/`-separated. Untrusted.
    pub path: String,
    /// Path before a rename or copy.
    pub previous_path: Option<String>,
    /// What happened to it.
    pub status: FileStatus,
    /// Added lines.
    pub added: u64,
    /// Deleted lines.
    pub deleted: u64,
    /// Changed lines; unknown where the source withholds them (large diffs). Empty for binary files and pure renames.
    pub patch: Known<Patch>,
    /// The content is not text.
    pub binary: bool,
    /// The entry is a submodule (gitlink).
    pub submodule: bool,
}

/// What happened to a file, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// New.
    Added,
    /// Changed in place.
    Modified,
    /// Deleted.
    Removed,
    /// Moved, perhaps changed too.
    Renamed,
    /// Copied, perhaps changed too.
    Copied,
    /// Changed in mode or type only.
    Changed,
    /// Listed without a change.
    Unchanged,
}

/// A change that says it undoes an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revert {
    /// Commit or pull request that it names, as written ("0a1b2c3", "#41").
    pub of: String,
    /// Whether its patch is the exact inverse of that change; unknown where the patches could not be compared.
    pub proven: Known<bool>,
}

/// Reviews, folded per reviewer as GitHub folds them: the last of approved, changes requested, dismissed stands;
/// comments do not change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The standing opinion of each reviewer who has one; dismissed ones are left out.
    pub opinions: Vec<Opinion>,
    /// Reviews without an opinion (comments).
    pub comments: u64,
    /// Review threads that are not resolved.
    pub unresolved_threads: u64,
    /// Logins and team slugs that are asked and have not answered. Untrusted.
    pub requested: Vec<String>,
    /// What else bears on how much the reviews are worth.
    #[serde(default, skip_serializing_if = "Circumstances::is_unread")]
    pub circumstances: Circumstances,
}

/// One reviewer's standing opinion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// Login. Untrusted.
    pub reviewer: String,
    /// Person or machine.
    pub kind: AuthorKind,
    /// Approved, or wants changes.
    pub verdict: ReviewVerdict,
    /// Commit that was reviewed; `None` where GitHub no longer has it.
    pub commit: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// The reviewer may push to the repository; only such reviews count for protection.
    pub can_write: bool,
    /// Teams (`org/team`) on whose behalf the review was given.
    pub on_behalf_of: Known<Vec<String>>,
    /// Owning teams (`org/team`) of which it cannot be told whether the reviewer is in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams_unknown: Vec<String>,
    /// Owned changed files whose content at `commit` is not that of the head. `None` where that was not asked: then an
    /// approval of another commit than the head covers nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_since: Option<Known<Vec<String>>>,
    /// The last path, in the order of bytes, that was compared for `changed_since`: of files after it nothing is known.
    /// `None` where none was, and in facts that were gathered before that was kept. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_until: Option<String>,
}

/// What a reviewer concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// May be merged.
    Approved,
    /// Must change first.
    ChangesRequested,
}

/// Owners of the changed files by the CODEOWNERS file of the base branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Path of the CODEOWNERS file in force; `None` when there is none.
    pub file: Option<String>,
    /// For each changed file that a rule gives owners: the rule.
    pub owned: BTreeMap<String, Arc<OwnerRule>>,
    /// Lines of the CODEOWNERS file that GitHub skips as invalid (1-based).
    pub invalid_lines: Vec<u64>,
    /// The first few of them with what is wrong; none in facts that were gathered before that was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// Owners, as written, whose approval GitHub does not take by its own check of the file: it does not know them, they
    /// may not write, or the team cannot be seen. Untrusted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unusable: BTreeSet<String>,
}

/// The CODEOWNERS rule in force for a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRule {
    /// 1-based line.
    pub line: u64,
    /// Pattern as written. Untrusted.
    pub pattern: String,
    /// `@user`, `@org/team` or an e-mail address, as written. Untrusted.
    pub owners: Vec<String>,
}

/// Checks and commit statuses on the head commit, without our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Names of failed ones (failure, timed out, cancelled, action required, error). Untrusted.
    pub failed: Vec<String>,
    /// Names of unfinished ones. Untrusted.
    pub pending: Vec<String>,
    /// How many passed, were neutral or skipped.
    pub passed: u64,
}

/// What the policy file declares about paths and calendar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// Globs of files that count for nothing.
    pub ignore: Vec<String>,
    /// Globs with extra points for changes below them.
    pub sensitive_paths: BTreeMap<String, f64>,
    /// Times in which merging is unwanted.
    pub freezes: Vec<Freeze>,
    /// Services by name, each with its path globs.
    pub services: BTreeMap<String, Vec<String>>,
}

/// A time in which merging is unwanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// What it is called. Untrusted.
    pub name: String,
    /// First instant.
    pub from: DateTime<Utc>,
    /// First instant after it.
    pub until: DateTime<Utc>,
}
