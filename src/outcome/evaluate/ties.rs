//! Changes in order of a number, those with the same number together: what every measure is computed from.
//!
//! A draw of the bootstrap only changes how often each change counts, so changes are sorted once.

use std::cmp::Ordering;

/// Changes with the same number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tie {
    /// The number.
    pub(super) value: f64,
    /// How many changes.
    pub(super) changes: f64,
    /// How many of them failed.
    pub(super) failed: f64,
}

/// Changes in descending order of a number.
#[derive(Clone, Debug)]
pub(super) struct Ties {
    /// The number, and where its changes end in `places`.
    values: Vec<(f64, usize)>,
    /// For each change in this order: its place in the input, and whether it failed.
    places: Vec<(usize, bool)>,
}

impl Ties {
    /// Sorts changes by `values`, of which none is NaN.
    pub(super) fn descending(values: &[f64], failed: &[bool]) -> Self {
        let mut places: Vec<(usize, bool)> = failed.iter().copied().enumerate().collect();
        places.sort_by(|a, b| values[b.0].partial_cmp(&values[a.0]).unwrap_or(Ordering::Equal));
        let mut ends: Vec<(f64, usize)> = Vec::new();
        for (index, (place, _)) in places.iter().enumerate() {
            match ends.last_mut() {
                Some((value, end)) if *value == values[*place] => *end = index + 1,
                _ => ends.push((values[*place], index + 1)),
            }
        }
        Self { values: ends, places }
    }

    /// Each change once.
    pub(super) fn all(&self) -> Vec<Tie> {
        self.counted(|_| 1.0)
    }

    /// Each change as often as it was drawn.
    pub(super) fn drawn(&self, drawn: &[u32]) -> Vec<Tie> {
        self.counted(|place| f64::from(drawn[place]))
    }

    /// The places in the input, tie by tie.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[(usize, bool)]> {
        let mut from = 0;
        self.values.iter().map(move |(_, end)| &self.places[std::mem::replace(&mut from, *end)..*end])
    }

    fn counted(&self, weight: impl Fn(usize) -> f64) -> Vec<Tie> {
        let tie = |((value, _), places): (&(f64, usize), &[(usize, bool)])| {
            let (mut changes, mut failed) = (0.0, 0.0);
            for (place, has_failed) in places {
                let weight = weight(*place);
                changes += weight;
                failed += if *has_failed { weight } else { 0.0 };
            }
            Tie { value: *value, changes, failed }
        };
        self.values.iter().zip(self.groups()).map(tie).filter(|tie| tie.changes > 0.0).collect()
    }
}

/// How many changes there are in all, and how many of them failed.
pub(super) fn total(ties: &[Tie]) -> (f64, f64) {
    ties.iter().fold((0.0, 0.0), |(changes, failed), tie| (changes + tie.changes, failed + tie.failed))
}
