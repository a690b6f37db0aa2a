//! Which signals earned their points: how much worse the rates would be if a signal's contribution were always its average.

use super::{super::log_odds, Known, Platt, SHARE_MIN};
use crate::{
    outcome::{evaluate::Estimate, fit::surprise},
    risk::{
        Model, Weight,
        signal::{SIGNALS, Signal},
    },
};

/// Standard deviations for an interval that holds for all 32 signals at once in 95 of 100 cases (Bonferroni), so that one
/// of them does not look good or bad by chance alone.
const Z_ALL: f64 = 3.16;

/// Contributions to log-odds that are nearer to one another are the same number, rounded.
const SAME: f64 = 1e-9;

/// What a signal was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worthy {
    /// Rates would be worse without it.
    Earned,
    /// That cannot be told from chance.
    Unclear,
    /// Rates would be better without it.
    Misled,
}

/// A signal and what its points were worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// Which signal: an id of `SIGNALS`.
    pub signal: &'static str,
    /// Changes in which it had points to give or take.
    pub known: u64,
    /// Mean of the points that it moved a score by, up or down, where it was known.
    pub points: f64,
    /// How much higher the log loss would be without it, per change, in thousandths.
    pub gain: Estimate,
}

impl Worth {
    /// Whether it earned its points.
    pub fn worthy(&self) -> Worthy {
        if self.gain.low > 0.0 {
            Worthy::Earned
        } else if self.gain.high < 0.0 {
            Worthy::Misled
        } else {
            Worthy::Unclear
        }
    }
}

/// Signals that moved at least [`SHARE_MIN`] known changes, and not all alike, the one worth most first.
pub(super) fn worth(known: &[Known<'_>], model: &Model, platt: Platt) -> Vec<Worth> {
    let stated: Vec<f64> = known.iter().map(|one| platt.log_odds(log_odds(model, &one.row.terms))).collect();
    let mut place = 0;
    let mut all = Vec::new();
    for signal in SIGNALS {
        let own = place..place + signal.terms.len();
        place = own.end;
        let weights = &model.terms()[own.clone()];
        let contributions: Vec<f64> =
            known.iter().map(|one| contribution(weights, &one.row.terms[own.clone()])).collect();
        all.extend(of_signal(signal, &contributions, &stated, known, platt));
    }
    all.sort_by(|a, b| b.gain.value.total_cmp(&a.gain.value));
    all
}

fn of_signal(
    signal: &Signal,
    contributions: &[f64],
    stated: &[f64],
    known: &[Known<'_>],
    platt: Platt,
) -> Option<Worth> {
    let moves = contributions.iter().filter(|x| **x != 0.0);
    let moved = moves.clone().count() as u64;
    // What is the same for every change tells none of them from another.
    let differs = contributions.iter().any(|x| (x - contributions[0]).abs() > SAME);
    if moved < SHARE_MIN || !differs {
        return None;
    }
    let n = known.len() as f64;
    let average = contributions.iter().sum::<f64>() / n;
    let loss =
        |log_odds: f64, failed: f64| failed * surprise(log_odds, true) + (1.0 - failed) * surprise(log_odds, false);
    let gains = || {
        contributions.iter().zip(stated).zip(known).map(|((contribution, stated), one)| {
            let without = stated - platt.slope * (contribution - average);
            1_000.0 * (loss(without, one.outcome) - loss(*stated, one.outcome))
        })
    };
    let value = gains().sum::<f64>() / n;
    let variance = gains().map(|gain| (gain - value).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let margin = Z_ALL * (variance / n).sqrt();
    Some(Worth {
        signal: signal.id,
        known: moved,
        points: moves.map(|x| x.abs()).sum::<f64>() / moved as f64 * 15.0 / std::f64::consts::LN_2,
        gain: Estimate { value, low: value - margin, high: value + margin },
    })
}

/// Log-odds that a signal's terms add.
fn contribution(weights: &[Weight], terms: &[f64]) -> f64 {
    let known = weights.iter().zip(terms).filter(|(_, x)| x.is_finite());
    known.map(|(weight, x)| weight.weight * (x - weight.mean)).sum()
}
