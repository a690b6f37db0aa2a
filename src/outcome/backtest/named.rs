//! Changes by name: the failures that the score saw best and those that it saw worst, five of each at most.

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
    /// Lines added and deleted, where they were counted.
    pub lines: Option<u64>,
    /// Seconds until it was undone.
    pub undone_after_s: i64,
}

/// The failed ones of `changes` that scored highest, of those in the upper half, and that scored lowest, of those in the
/// lower half; the newer first of equal ones. What scored in the middle was neither seen nor missed.
pub(super) fn best_and_worst(changes: &[&Change]) -> (Vec<Named>, Vec<Named>) {
    let mut scores: Vec<u8> = changes.iter().map(|change| change.score).collect();
    scores.sort_unstable();
    let mut failed: Vec<&Change> =
        changes.iter().copied().filter(|change| change.label.failed() == Some(true)).collect();
    failed.sort_by_key(|change| (std::cmp::Reverse(change.score), std::cmp::Reverse(change.at)));
    let best = failed.iter().map(|change| named(change, &scores)).filter(|change| change.above > 0.5);
    let best = best.take(NAMED).collect();
    failed.sort_by_key(|change| (change.score, std::cmp::Reverse(change.at)));
    let worst = failed.iter().map(|change| named(change, &scores)).filter(|change| change.above < 0.5);
    (best, worst.take(NAMED).collect())
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
