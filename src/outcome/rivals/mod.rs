//! Simpler scores for the same changes, so that ours has something to be better than: size, LApredict, and Kamei's
//! fourteen metrics. Those that are fitted are fitted on the past of the repository itself, which ours is not.

mod kamei;

use super::fit::{Examples, Sign, fit};
use crate::history::Landed;
use kamei::{Kamei, METRICS};

/// A simpler score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    /// Lines added and deleted.
    Size,
    /// Logistic regression on ln(1 + lines added) (LApredict; Zeng et al., ISSTA 2021).
    LaPredict,
    /// Logistic regression on the fourteen metrics of Kamei et al. (TSE 2013).
    Kamei,
}

impl Rival {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Size, Self::LaPredict, Self::Kamei];
}

/// What the rivals know of a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Traits {
    lines: f64,
    /// Smaller floats, since there is one row for each change of the history.
    metrics: [f32; METRICS],
}

/// Place of ln(1 + la) among the metrics.
const LINES_ADDED: usize = 4;

/// Reads what rivals know from a history of their own.
#[derive(Debug, Default)]
pub(super) struct Reader(Kamei);

impl Reader {
    /// What is known of a change before it lands; it is taken in then.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a logarithm of a count")]
    pub(super) fn read(&mut self, landed: &Landed) -> Traits {
        let metrics = self.0.metrics(landed).map(|metric| metric as f32);
        self.0.observe(landed);
        Traits { lines: landed.added.saturating_add(landed.deleted) as f64, metrics }
    }
}

/// The scores of a rival for changes, and its probabilities where it states such.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scores {
    pub(super) scores: Vec<f64>,
    pub(super) are_probabilities: bool,
}

/// Scores `changes` after fitting on `past`; none where the past holds no failure or nothing else.
pub(super) fn scores(rival: Rival, past: &[(Traits, bool)], changes: &[Traits]) -> Option<Scores> {
    let fitted = |scores| Scores { scores, are_probabilities: true };
    match rival {
        Rival::Size => {
            Some(Scores { scores: changes.iter().map(|change| change.lines).collect(), are_probabilities: false })
        }
        Rival::LaPredict => regression(past, changes, |traits| [f64::from(traits.metrics[LINES_ADDED])]).map(fitted),
        Rival::Kamei => regression(past, changes, |traits| traits.metrics.map(f64::from)).map(fitted),
    }
}

/// Probabilities of failing by logistic regression on `columns`, fitted on `past`.
fn regression<const K: usize>(
    past: &[(Traits, bool)],
    changes: &[Traits],
    columns: impl Fn(&Traits) -> [f64; K],
) -> Option<Vec<f64>> {
    /// The prior of a weight for a standard deviation: normal around 0 with standard deviation 1, which only keeps
    /// weights from running away where a few failures can be separated perfectly.
    const PRECISION: f64 = 1.0;
    let mut examples = Examples { width: K, ..Examples::default() };
    past.iter().for_each(|(traits, failed)| examples.push(columns(traits), *failed));
    if !(examples.failed.contains(&true) && examples.failed.contains(&false)) {
        return None;
    }
    let spreads = examples.spreads();
    let fitted = fit(&examples, &spreads, &[Sign::Either; K], PRECISION);
    let probability = |change: &Traits| {
        let row = columns(change);
        let terms = row.iter().zip(&spreads).zip(&fitted.weights);
        let log_odds = terms.fold(fitted.intercept, |sum, ((x, spread), weight)| sum + weight * (x - spread.mean));
        1.0 / (1.0 + (-log_odds).exp())
    };
    Some(changes.iter().map(probability).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 changes of no line and 1,000 of nine, of which 100 and 300 failed: the odds are known.
    #[test]
    fn regression_finds_the_odds_that_are_there() {
        let traits = |lines: f32| {
            let mut metrics = [0.0; METRICS];
            metrics[LINES_ADDED] = lines.ln_1p();
            Traits { lines: f64::from(lines), metrics }
        };
        let past: Vec<(Traits, bool)> = (0..2_000)
            .map(|place| if place < 1_000 { (traits(0.0), place < 100) } else { (traits(9.0), place < 1_300) })
            .collect();
        let changes = [traits(0.0), traits(9.0)];
        let found = scores(Rival::LaPredict, &past, &changes).unwrap();
        assert!((found.scores[0] - 0.1).abs() < 0.002 && (found.scores[1] - 0.3).abs() < 0.002, "{found:?}");
        assert_eq!(scores(Rival::Size, &past, &changes).unwrap().scores, [0.0, 9.0]);
        // Of failures alone nothing can be learned.
        assert_eq!(scores(Rival::Kamei, &past[..100], &changes), None);
    }
}
