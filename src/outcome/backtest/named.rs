//! Changes by name: the failures that the score saw best and those that it saw worst.

use super::Change;

/// How many of each kind are named.
const NAMED: usize = 5;

/// A change that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Object id.
    pub sha: String,
    /// The commit's date, unix seconds.
    pub at: i64,
    /// First line of its message. Untrusted.
    pub title: String,
    /// 0-100.
    pub score: u8,
    /// Share of the counted changes that scored lower, equal ones counting half, 0-1.
    pub above: f64,
    /// Lines added and deleted.
    pub lines: u64,
    /// Seconds until it was undone.
    pub undone_after_s: i64,
}

/// The failed ones of `changes` with the highest scores, and those with the lowest; the newer first of equal ones.
pub(super) fn best_and_worst(changes: &[&Change]) -> (Vec<Named>, Vec<Named>) {
    let mut scores: Vec<u8> = changes.iter().map(|change| change.score).collect();
    scores.sort_unstable();
    let mut failed: Vec<&Change> =
        changes.iter().copied().filter(|change| change.label.failed() == Some(true)).collect();
    failed.sort_by_key(|change| (std::cmp::Reverse(change.score), std::cmp::Reverse(change.at)));
    let best: Vec<Named> = failed.iter().take(NAMED).map(|change| named(change, &scores)).collect();
    // Few failures are named once.
    let rest = failed.get(best.len()..).unwrap_or_default();
    let lowest = &rest[rest.len().saturating_sub(NAMED)..];
    let mut worst: Vec<&Change> = lowest.to_vec();
    worst.sort_by_key(|change| (change.score, std::cmp::Reverse(change.at)));
    (best, worst.into_iter().map(|change| named(change, &scores)).collect())
}

fn named(change: &Change, sorted: &[u8]) -> Named {
    let below = sorted.partition_point(|score| *score < change.score);
    let equal = sorted.partition_point(|score| *score <= change.score) - below;
    Named {
        sha: change.sha.clone(),
        at: change.dated,
        title: change.title.clone(),
        score: change.score,
        above: (below as f64 + equal as f64 / 2.0) / sorted.len() as f64,
        lines: change.lines,
        undone_after_s: change.undone_after_s.unwrap_or_default(),
    }
}
