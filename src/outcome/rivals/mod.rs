//! Simpler scores for the same changes, so that ours has something to be better than: size, LApredict, and Kamei's
//! fourteen metrics. Those that are fitted are fitted on the past of the repository itself, which ours is not.

mod kamei;
mod logistic;

use crate::history::Landed;
use kamei::{Kamei, METRICS};
use logistic::Logistic;

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

fn regression<const K: usize>(
    past: &[(Traits, bool)],
    changes: &[Traits],
    columns: impl Fn(&Traits) -> [f64; K],
) -> Option<Vec<f64>> {
    let (rows, failed): (Vec<_>, Vec<bool>) = past.iter().map(|(traits, failed)| (columns(traits), *failed)).unzip();
    let model = Logistic::fit(&rows, &failed)?;
    Some(changes.iter().map(|change| model.probability(&columns(change))).collect())
}
