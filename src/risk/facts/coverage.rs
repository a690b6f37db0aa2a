//! What test coverage says of a change: of its lines, of the files that it touches, and of the whole.

use super::Reason;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Coverage of the changed executable lines, and what else its source tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Changed lines that tests can run.
    pub executable: u64,
    /// How many of those ran.
    pub covered: u64,
    /// Which report says so. `None` in facts from before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<CoverageReport>,
    /// Touched files that the report tells of, those with most changed lines that did not run first; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<CoveredFile>,
    /// Changed source files that the report does not know, by path, at most 20. Untrusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Files of the report that fit several of the repository's and were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ambiguous: u64,
    /// Changed files of which nothing is counted: their changed lines were not given, or they are not in the list of changed
    /// files, which is cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: u64,
    /// All files of the report, here and at the merge base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<CoverageTotal>,
    /// What other sources say of the same lines, where it is not the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherCoverage>,
    /// Connected sources that could not be asked or know nothing of the commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// Parts that the source carried forward from earlier commits; nothing of them is counted above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<CarriedCoverage>,
    /// What the source concluded by its own rules, in its words ("quality gate: passed"). Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Coverage of everything by the parts that the source keeps apart, at most 10; those that it carried forward among
    /// them, as such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<FlagCoverage>,
    /// What the source itself counts for the pull request, by its own rules and against a base of its own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_count: Option<OwnCount>,
    /// The reports of a merge group's pull requests that the figures were added up from, where no report of the group's
    /// own commit is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull_requests: Vec<PullCoverage>,
}

/// Where coverage comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverageSource {
    /// Reports that CI uploaded.
    Upload,
    /// Report files named on the command line.
    File,
    /// Codecov.
    Codecov,
    /// SonarQube, Cloud or Server.
    Sonar,
}

/// The report that coverage was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageReport {
    /// Where it comes from.
    pub source: CoverageSource,
    /// Commit that it is of; `None` where nothing says (a file on the command line).
    pub commit: Option<String>,
    /// How many reports were put together.
    pub reports: u64,
    /// When the newest of them came.
    pub at: Option<DateTime<Utc>>,
}

/// Coverage of one touched file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredFile {
    /// Its path. Untrusted.
    pub path: String,
    /// Changed lines that tests can run.
    pub executable: u64,
    /// How many of those ran.
    pub covered: u64,
    /// Lines of the whole file that tests can run.
    pub lines: u64,
    /// How many of those ran.
    pub lines_covered: u64,
    /// Changed lines that did not run, in blocks, largest first; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<LineBlock>,
}

/// Lines one after the other on the new side, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineBlock {
    /// First line, 1-based.
    pub first: u64,
    /// Last line.
    pub last: u64,
    /// Changed lines in it that tests can run.
    pub executable: u64,
}

/// All executable lines of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageTotal {
    /// Lines that tests can run.
    pub lines: u64,
    /// How many of those ran.
    pub covered: u64,
    /// The same at the merge base, where a report of that very commit with the same parts is known.
    pub base: Option<BaseTotal>,
}

/// All executable lines at the merge base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseTotal {
    /// The commit.
    pub commit: String,
    /// Lines that tests can run.
    pub lines: u64,
    /// How many of those ran.
    pub covered: u64,
}

/// Coverage of everything by one part of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagCoverage {
    /// What the source calls the part. Untrusted.
    pub name: String,
    /// Lines that tests can run.
    pub lines: u64,
    /// How many of those ran.
    pub covered: u64,
    /// The part is of an earlier commit; which is told under [`Coverage::carried`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carried: bool,
}

/// What a source counts for a pull request by its own rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCount {
    /// Changed lines that tests can run, and those that ran; `None` while the source has not compared.
    pub patch: Option<(u64, u64)>,
    /// All lines at the head.
    pub head: (u64, u64),
    /// All lines at the base that the source chose; `None` where it has none.
    pub base: Option<(u64, u64)>,
}

/// A pull request's part in the coverage of its merge group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullCoverage {
    /// Its number.
    pub number: u64,
    /// Which source told of it.
    pub source: CoverageSource,
    /// The head commit that the report is of.
    pub commit: String,
}

/// What another source says of the changed lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherCoverage {
    /// Which.
    pub source: CoverageSource,
    /// Changed lines that tests can run, as it counts.
    pub executable: u64,
    /// How many of those ran.
    pub covered: u64,
}

/// A source of coverage that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Which.
    pub source: CoverageSource,
    /// Why.
    pub reason: Reason,
}

/// A part of a report that is of an earlier commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedCoverage {
    /// What the source calls the part. Untrusted.
    pub name: String,
    /// Commit that it is of, where the source says.
    pub commit: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
