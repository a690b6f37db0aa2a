//! How well stated probabilities hold: Brier score, log loss, reliability, and calibration error beside the error that
//! chance alone would show.

use super::{
    Estimate, can_be_judged,
    ties::{Tie, Ties, total},
};
use crate::outcome::chance::{DRAWS, Generator, SEED, bootstrap, estimate, quantile};

/// Bins of the reliability table, each with as many changes as the others.
const BINS: usize = 10;

/// A probability nearer to 0 or 1 is read as this near, so that one certain error does not make the log loss infinite.
const SURE: f64 = 1e-6;

/// How well stated probabilities hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// How many changes had a probability.
    pub changes: u64,
    /// Mean of the probabilities, 0-1.
    pub stated: f64,
    /// Share of these changes that failed, 0-1.
    pub observed: f64,
    /// Mean squared difference between probability and outcome, 0-1 (Brier 1950).
    pub brier: Estimate,
    /// 1 less the Brier score over that of stating the base rate each time: above 0 is better than the base rate.
    pub brier_skill: Estimate,
    /// Mean of −ln of the probability that was given to what happened.
    pub log_loss: Estimate,
    /// Expected calibration error, 0-1: mean over ten bins of equal count of the gap between stated and observed rate.
    /// It has no interval, since drawing anew adds the very noise that it measures; see the floor.
    pub ece: f64,
    /// What that error would be if every probability were exactly right.
    pub noise_floor: NoiseFloor,
    /// The ten bins, lowest probabilities first; fewer where there are fewer changes.
    pub reliability: Vec<Bin>,
}

/// The calibration error of a perfectly calibrated model on a sample of this size: outcomes drawn from the stated
/// probabilities themselves, a thousand times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseFloor {
    /// Mean error, 0-1.
    pub mean: f64,
    /// 95th percentile: a larger error is hardly chance.
    pub p95: f64,
}

/// Changes with neighbouring probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// How many changes.
    pub changes: f64,
    /// How many failed. Changes with the same probability that lie in two bins are split in proportion.
    pub failed: f64,
    /// Mean of their probabilities, 0-1.
    pub stated: f64,
    /// 95 % interval of the share that failed (Wilson 1927), 0-1.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Bin {
    /// Share that failed, 0-1.
    pub fn observed(&self) -> f64 {
        self.failed / self.changes
    }

    fn gap(&self) -> f64 {
        (self.stated - self.observed()).abs()
    }
}

/// How well probabilities hold, of changes with the one that was stated and how much of a failure each was, 0-1. None unless
/// at least 5 of those with a probability failed and 5 did not.
pub fn calibration(changes: impl Iterator<Item = (Option<f64>, f64)>) -> Option<Calibration> {
    let stated = changes.filter_map(|(stated, failed)| Some((stated?.clamp(SURE, 1.0 - SURE), failed)));
    let (probabilities, failed): (Vec<f64>, Vec<f64>) = stated.unzip();
    if !can_be_judged(&failed) {
        return None;
    }
    let ties = Ties::descending(&probabilities, &failed);
    let all = ties.all();
    let losses = LossOf::each(&all);
    let draws = bootstrap(failed.len(), |drawn| Losses::of(&ties.drawn_or_not(drawn), &losses));
    let losses = Losses::of(&all, &losses);
    let of = |read: fn(&Losses) -> f64| estimate(read(&losses), draws.iter().map(read));
    let (changes, failures) = total(&all);
    let reliability = bins(&all);
    Some(Calibration {
        changes: failed.len() as u64,
        stated: probabilities.iter().sum::<f64>() / changes,
        observed: failures / changes,
        brier: of(|losses| losses.brier),
        brier_skill: of(Losses::skill),
        log_loss: of(|losses| losses.log_loss),
        ece: ece(&reliability),
        noise_floor: noise_floor(&ties),
        reliability,
    })
}

/// Mean losses.
struct Losses {
    brier: f64,
    log_loss: f64,
    base: f64,
}

/// −ln of a probability and of its complement.
struct LossOf {
    failed: f64,
    clean: f64,
}

impl LossOf {
    /// Computed once, for all draws.
    fn each(ties: &[Tie]) -> Vec<Self> {
        ties.iter().map(|tie| Self { failed: -tie.value.ln(), clean: -(-tie.value).ln_1p() }).collect()
    }
}

impl Losses {
    fn of(ties: &[Tie], losses: &[LossOf]) -> Self {
        let (changes, failed) = total(ties);
        let (mut brier, mut log_loss) = (0.0, 0.0);
        for (Tie { value: p, changes, failed }, loss) in ties.iter().zip(losses) {
            let clean = changes - failed;
            brier += failed * (1.0 - p).powi(2) + clean * p.powi(2);
            log_loss += failed * loss.failed + clean * loss.clean;
        }
        Self { brier: brier / changes, log_loss: log_loss / changes, base: failed / changes }
    }

    fn skill(&self) -> f64 {
        1.0 - self.brier / (self.base * (1.0 - self.base))
    }
}

/// Ties in descending order as bins in ascending order, of which the first ones take what does not divide evenly.
fn bins(ties: &[Tie]) -> Vec<Bin> {
    let (changes, _) = total(ties);
    let (each, over) = ((changes / BINS as f64).floor(), changes % BINS as f64);
    let mut ascending = ties.iter().rev().copied();
    let mut current = ascending.next();
    let mut bins = Vec::with_capacity(BINS);
    for place in 0..BINS {
        let size = if (place as f64) < over { each + 1.0 } else { each };
        let (mut taken, mut failed, mut stated) = (0.0, 0.0, 0.0);
        while taken < size {
            let Some(tie) = current.as_mut() else { break };
            let part = tie.changes.min(size - taken);
            let failed_part = tie.failed * part / tie.changes;
            taken += part;
            failed += failed_part;
            stated += part * tie.value;
            tie.changes -= part;
            tie.failed -= failed_part;
            if tie.changes <= 0.0 {
                current = ascending.next();
            }
        }
        if taken > 0.0 {
            let (low, high) = wilson(failed, taken);
            bins.push(Bin { changes: taken, failed, stated: stated / taken, low, high });
        }
    }
    bins
}

/// Expected calibration error of probabilities in descending order.
pub(super) fn error(ties: &Ties) -> f64 {
    ece(&bins(&ties.all()))
}

fn ece(bins: &[Bin]) -> f64 {
    let changes: f64 = bins.iter().map(|bin| bin.changes).sum();
    bins.iter().map(|bin| bin.changes / changes * bin.gap()).sum()
}

fn noise_floor(ties: &Ties) -> NoiseFloor {
    let mut generator = Generator::new(SEED);
    let all = ties.all();
    let mut draw = || {
        let drawn: Vec<Tie> = all
            .iter()
            .map(|tie| {
                let failed = (0..tie.changes as u64).filter(|_| generator.unit() < tie.value).count();
                Tie { failed: failed as f64, ..*tie }
            })
            .collect();
        ece(&bins(&drawn))
    };
    let mut errors: Vec<f64> = (0..DRAWS).map(|_| draw()).collect();
    errors.sort_by(f64::total_cmp);
    NoiseFloor {
        mean: errors.iter().sum::<f64>() / errors.len() as f64,
        p95: quantile(&errors, 0.95).unwrap_or_default(),
    }
}

/// 95 % interval of a share of which `found` of `of` were seen (Wilson 1927), 0-1; the whole scale if none were.
pub fn wilson(found: f64, of: f64) -> (f64, f64) {
    /// 97.5th percentile of the standard normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if of <= 0.0 {
        return (0.0, 1.0);
    }
    let share = found / of;
    let middle = share + Z * Z / (2.0 * of);
    let spread = Z * (share * (1.0 - share) / of + Z * Z / (4.0 * of * of)).sqrt();
    let whole = 1.0 + Z * Z / of;
    (((middle - spread) / whole).max(0.0), ((middle + spread) / whole).min(1.0))
}
