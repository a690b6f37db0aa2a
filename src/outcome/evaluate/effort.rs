//! How much is found for little reading: changes are read in order of score per changed line.
//!
//! Both figures hardly tell a good score from a bad one, since small changes are cheap whoever ranks them. They are
//! reported because others report them, never aimed at.

use super::{Estimate, Example, ties::Ties};
use crate::outcome::chance::estimate;

/// The share of all changed lines that is read.
const READ: f64 = 0.2;

/// What is found when changes are read in order of score per changed line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort<T> {
    /// Share of the failed changes among those that fit into the first fifth of all changed lines, 0-1.
    pub recall: T,
    /// Area between this order and the worst one, over that between the best and the worst, 0-1 (Popt, Mende and
    /// Koschke 2010).
    pub popt: T,
}

impl Effort<Estimate> {
    pub(super) fn estimated(value: Effort<f64>, draws: &[Effort<f64>]) -> Self {
        let of = |read: fn(&Effort<f64>) -> f64| estimate(read(&value), draws.iter().map(read));
        Self { recall: of(|effort| effort.recall), popt: of(|effort| effort.popt) }
    }
}

/// Changes in the order in which they are read, and in the best order there is.
pub(super) struct Walk {
    /// Lines and outcome of each change.
    changes: Vec<(f64, bool)>,
    order: Ties,
    best: Vec<u32>,
}

/// Changes that are read together.
struct Step {
    changes: f64,
    lines: f64,
    failed: f64,
}

impl Walk {
    /// None if there is no line to read.
    pub(super) fn of(examples: &[Example]) -> Option<Self> {
        let changes: Vec<(f64, bool)> = examples.iter().map(|one| (one.lines as f64, one.failed)).collect();
        let failed: Vec<bool> = examples.iter().map(|one| one.failed).collect();
        let density: Vec<f64> = examples.iter().map(|one| one.score.max(0.0) / (one.lines as f64 + 1.0)).collect();
        let mut best: Vec<u32> = (0..).take(changes.len()).collect();
        best.sort_by_key(|&place| (!examples[place as usize].failed, examples[place as usize].lines));
        let some = examples.iter().any(|one| one.lines > 0);
        some.then(|| Self { changes, order: Ties::descending(&density, &failed), best })
    }

    /// Measures with each change counted as often as it was drawn, or once.
    pub(super) fn measure(&self, drawn: Option<&[u32]>) -> Effort<f64> {
        let walk: Vec<Step> =
            self.order.groups().map(|places| self.step(places.iter().map(|(place, _)| *place), drawn)).collect();
        let single = |place: &u32| self.step(std::iter::once(*place), drawn);
        let best = area(self.best.iter().map(single));
        let worst = area(self.best.iter().rev().map(single));
        let recall = recall(&walk);
        Effort { recall, popt: 1.0 - (best - area(walk.into_iter())) / (best - worst) }
    }

    fn step(&self, places: impl Iterator<Item = u32>, drawn: Option<&[u32]>) -> Step {
        places.fold(Step { changes: 0.0, lines: 0.0, failed: 0.0 }, |sum, place| {
            let (lines, failed) = self.changes[place as usize];
            let weight = drawn.map_or(1.0, |drawn| f64::from(drawn[place as usize]));
            Step {
                changes: sum.changes + weight,
                lines: sum.lines + weight * lines,
                failed: sum.failed + if failed { weight } else { 0.0 },
            }
        })
    }
}

/// Share of the failed changes that are read within the limit. Of changes with the same score per line, as large a part
/// is read as still fits.
fn recall(walk: &[Step]) -> f64 {
    let lines: f64 = walk.iter().map(|step| step.lines).sum();
    let failed: f64 = walk.iter().map(|step| step.failed).sum();
    let mut left = READ * lines;
    let mut found = 0.0;
    for step in walk {
        if step.lines > left {
            let fits = if step.changes > 1.0 { left / step.lines } else { 0.0 };
            return (found + fits * step.failed) / failed;
        }
        left -= step.lines;
        found += step.failed;
    }
    found / failed
}

/// Area under the share of failed changes found over the share of lines read.
fn area(steps: impl Iterator<Item = Step>) -> f64 {
    let (mut lines, mut failed, mut sum) = (0.0, 0.0, 0.0);
    for step in steps {
        sum += step.lines * (failed + step.failed / 2.0);
        lines += step.lines;
        failed += step.failed;
    }
    sum / (lines * failed)
}
