//! Merge groups: pull requests that a merge queue would merge together. Facts like all others: plain data.

use serde::{Deserialize, Serialize};

use super::{
    assessment::Conclusion,
    facts::{Known, Remediation},
};

/// Pull requests that a merge queue would merge together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeGroup {
    /// Full name of the group's branch. Untrusted.
    pub head_ref: String,
    /// The pull requests, in the order of the queue: those ahead are in it too.
    pub members: Known<Vec<GroupMember>>,
    /// Those of them that are overridden. An override counts for its own pull request and no other.
    pub overridden: Vec<u64>,
    /// The proven reverts among them, with the files that are in the group as the revert leaves them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reverts: Vec<ProvenRevert>,
    /// Those of them that floors for the trouble of a service do not hold back by themselves, or do not while what they mend
    /// goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways_back: Vec<WayBack>,
}

/// A pull request of a group that is a way out of trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayBack {
    /// Number.
    pub number: u64,
    /// The incident that it mends; `None` for a proven revert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
}

/// A pull request of a group that is a proven revert by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenRevert {
    /// Number.
    pub number: u64,
    /// Files that the group changes just as it does. Untrusted.
    pub files: Vec<String>,
}

impl MergeGroup {
    /// The known pull requests without an override.
    fn unexcused(&self) -> impl Iterator<Item = &GroupMember> {
        let members = self.members.as_deref().unwrap_or_default().iter();
        members.filter(|member| !self.overridden.contains(&member.number))
    }

    /// Those without an override that are held back by themselves, where there are several: reviews, owners and checks are
    /// judged with each, not with the group. One alone is judged with all of them again.
    pub fn held_by_themselves(&self) -> Vec<u64> {
        if self.members.as_ref().map_or(0, Vec::len) < 2 {
            return Vec::new();
        }
        let held = |own: &MemberScore| own.conclusion == Conclusion::ActionRequired;
        let members = self.unexcused().filter(|member| member.scored.as_ref().is_some_and(held));
        members.map(|member| member.number).collect()
    }

    /// Those that keep the overrides of the others from letting the group through: not overridden, and not known to be
    /// below the threshold by themselves.
    pub fn in_the_way(&self, threshold: u8) -> Vec<u64> {
        let below = |own: &MemberScore| own.conclusion == Conclusion::Success && own.score < threshold;
        let members = self.unexcused().filter(|member| !member.scored.as_ref().is_some_and(below));
        members.map(|member| member.number).collect()
    }
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
    /// What its own check run concluded.
    pub conclusion: Conclusion,
}
