//! Merge groups: pull requests that a merge queue would merge together. Facts like all others: plain data.

use serde::{Deserialize, Serialize};

use super::facts::Known;

/// Pull requests that a merge queue would merge together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeGroup {
    /// Full name of the group's branch. Untrusted.
    pub head_ref: String,
    /// The pull requests, in the order of the queue: those ahead are in it too.
    pub members: Known<Vec<GroupMember>>,
    /// Those of them whose override lets the group through.
    pub overridden: Vec<u64>,
}

/// A pull request in a merge group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// Number.
    pub number: u64,
    /// Its head commit.
    pub head_sha: String,
    /// What it scored by itself, if this very commit was scored.
    pub scored: Option<MemberScore>,
}

/// What a pull request scored by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberScore {
    /// Id of the assessment.
    pub assessment: String,
    /// 0-100.
    pub score: u8,
}
