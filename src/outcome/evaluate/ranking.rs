//! How well a score ranks: ROC AUC, average precision, and what the riskiest few per cent hold.
//!
//! Changes with the same score are in no order. Where a cut runs through them, they count in the proportion in which they
//! lie above it: the exact mean over all ways of ordering them, so that no order of the input is favoured.

use super::{
    Estimate,
    ties::{Tie, Ties, total},
};
use crate::outcome::chance::estimate;

/// Shares of the riskiest changes that are looked at.
pub const SHARES: [f64; 5] = [0.01, 0.05, 0.1, 0.2, 0.5];

/// How well a score ranks changes that failed above those that did not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranking<T> {
    /// Area under the ROC curve, 0-1: how likely a change that failed scores higher than one that did not, equal scores
    /// counting half (Mann and Whitney's U over the number of pairs, with mid-ranks). 0.5 is chance.
    pub roc_auc: T,
    /// Average precision, 0-1: the mean over failed changes of the precision down to their score.
    pub average_precision: T,
    /// Average precision over the base rate: 1 is chance.
    pub pr_lift: T,
    /// What the riskiest changes hold, for each of [`SHARES`].
    pub top: [Top<T>; SHARES.len()],
}

/// What the riskiest changes hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Top<T> {
    /// Share of the failed changes that are among them, 0-1.
    pub recall: T,
    /// Share of them that failed, 0-1.
    pub precision: T,
}

impl Ranking<f64> {
    pub(super) fn of(ties: &[Tie]) -> Self {
        let (changes, failed) = total(ties);
        let average_precision = average_precision(ties);
        Self {
            roc_auc: roc_auc(ties),
            average_precision,
            pr_lift: average_precision * changes / failed,
            top: SHARES.map(|share| top(ties, share)),
        }
    }
}

impl Ranking<Estimate> {
    pub(super) fn estimated(value: Ranking<f64>, draws: &[Ranking<f64>]) -> Self {
        let of = |read: &dyn Fn(&Ranking<f64>) -> f64| estimate(read(&value), draws.iter().map(read));
        Self {
            roc_auc: of(&|ranking| ranking.roc_auc),
            average_precision: of(&|ranking| ranking.average_precision),
            pr_lift: of(&|ranking| ranking.pr_lift),
            top: std::array::from_fn(|place| Top {
                recall: of(&|ranking| ranking.top[place].recall),
                precision: of(&|ranking| ranking.top[place].precision),
            }),
        }
    }
}

/// The curve of cumulative gain: for each per cent from 0 to 100 of the riskiest changes, the share of the failed ones that
/// it holds, 0-1. None unless one failed.
pub fn gain(scores: &[f64], failed: &[bool]) -> Option<Vec<f64>> {
    let ties = Ties::descending(scores, failed).all();
    let (changes, all_failed) = total(&ties);
    let mut rest = ties.iter();
    let mut current = rest.next();
    let (mut above, mut failed_above) = (0.0, 0.0);
    let mut at = |percent: u32| {
        let wanted = changes * f64::from(percent) / 100.0;
        while let Some(tie) = current.filter(|tie| above + tie.changes <= wanted) {
            above += tie.changes;
            failed_above += tie.failed;
            current = rest.next();
        }
        let part = current.map_or(0.0, |tie| tie.failed * (wanted - above) / tie.changes);
        (failed_above + part) / all_failed
    };
    (all_failed > 0.0).then(|| (0..=100).map(&mut at).collect())
}

/// Area under the ROC curve of ties in descending order; NaN unless some failed and some did not.
pub(super) fn roc_auc(ties: &[Tie]) -> f64 {
    let (changes, failed) = total(ties);
    let mut failed_above = 0.0;
    let mut won = 0.0;
    for tie in ties {
        won += (tie.changes - tie.failed) * (failed_above + tie.failed / 2.0);
        failed_above += tie.failed;
    }
    won / (failed * (changes - failed))
}

/// Average precision of ties in descending order, which share their precision; NaN if none failed.
fn average_precision(ties: &[Tie]) -> f64 {
    let (_, all_failed) = total(ties);
    let (mut changes, mut failed, mut sum) = (0.0, 0.0, 0.0);
    for tie in ties {
        changes += tie.changes;
        failed += tie.failed;
        sum += tie.failed * failed / changes;
    }
    sum / all_failed
}

/// What the first `share` of ties in descending order holds: at least one change, whole changes.
fn top(ties: &[Tie], share: f64) -> Top<f64> {
    let (changes, failed) = total(ties);
    let wanted = (changes * share).round_ties_even().max(1.0);
    let (mut taken, mut found) = (0.0, 0.0);
    for tie in ties {
        let of_these = tie.changes.min(wanted - taken);
        found += tie.failed * of_these / tie.changes;
        taken += of_these;
        if taken >= wanted {
            break;
        }
    }
    Top { recall: found / failed, precision: found / wanted }
}
