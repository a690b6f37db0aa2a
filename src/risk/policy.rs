//! Score and repository policy -> verdict. The policy file is read elsewhere; here it is plain data with defaults.

use serde::{Deserialize, Serialize};

use super::assessment::Mode;

/// What a repository wants done with a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Advisory unless the repository says otherwise.
    pub mode: Mode,
    /// From which score on a change is held back.
    pub threshold: Threshold,
    /// Floors, `None` when switched off.
    pub floors: Floors,
    /// Where the policy came from, for the report.
    pub origin: PolicyOrigin,
}

/// A threshold as the policy states it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// A score, 0-100.
    Score(u8),
    /// The riskiest share of this repository's changes, in hundredths of a per cent (5 % = 500).
    TopShareBp(u32),
}

/// Least scores by rule; `None` switches a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floors {
    /// A migration destroys data or takes a lock that blocks writers.
    pub destructive_migration: Option<u8>,
    /// The target service has an open incident of high severity.
    pub active_incident: Option<u8>,
    /// The target service has spent its error budget.
    pub budget_exhausted: Option<u8>,
}

/// Where a policy came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyOrigin {
    /// `Some` path of the file in force; `None` when the defaults are.
    pub file: Option<String>,
    /// Mistakes in the newest version of the file, for which the last good one (or the defaults) stays in force.
    pub errors: Vec<PolicyError>,
}

/// One mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyError {
    /// 1-based line, where it is known.
    pub line: Option<u64>,
    /// What is wrong and what would be right. Holds text from the file: untrusted.
    pub message: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Advisory,
            threshold: Threshold::TopShareBp(500),
            floors: Floors::default(),
            origin: PolicyOrigin { file: None, errors: Vec::new() },
        }
    }
}

impl Default for Floors {
    fn default() -> Self {
        Self { destructive_migration: Some(70), active_incident: Some(80), budget_exhausted: Some(80) }
    }
}
