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
    /// For each change in this order: its place in the input, and how much of a failure it was, 0-1.
    places: Vec<(u32, f64)>,
}

impl Ties {
    /// Sorts changes by `values`, of which none is NaN.
    pub(super) fn descending<F: Copy + Into<f64>>(values: &[f64], failed: &[F]) -> Self {
        let value = |place: u32| values[place as usize];
        let mut places: Vec<(u32, f64)> = (0..).zip(failed.iter().map(|failed| (*failed).into())).collect();
        places.sort_by(|a, b| value(b.0).partial_cmp(&value(a.0)).unwrap_or(Ordering::Equal));
        let mut ends: Vec<(f64, usize)> = Vec::new();
        for (index, (place, _)) in places.iter().enumerate() {
            match ends.last_mut() {
                Some((last, end)) if *last == value(*place) => *end = index + 1,
                _ => ends.push((value(*place), index + 1)),
            }
        }
        Self { values: ends, places }
    }

    /// Each change once.
    pub(super) fn all(&self) -> Vec<Tie> {
        self.counted(|_| 1.0).collect()
    }

    /// Each change as often as it was drawn; ties of which none was drawn are left out.
    pub(super) fn drawn(&self, drawn: &[u32]) -> Vec<Tie> {
        self.counted(|place| f64::from(drawn[place as usize])).filter(|tie| tie.changes > 0.0).collect()
    }

    /// The same with those that were not drawn: as many ties as there are in all.
    pub(super) fn drawn_or_not(&self, drawn: &[u32]) -> Vec<Tie> {
        self.counted(|place| f64::from(drawn[place as usize])).collect()
    }

    /// The places in the input, tie by tie.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[(u32, f64)]> {
        let mut from = 0;
        self.values.iter().map(move |(_, end)| &self.places[std::mem::replace(&mut from, *end)..*end])
    }

    fn counted(&self, weight: impl Fn(u32) -> f64) -> impl Iterator<Item = Tie> {
        let tie = move |((value, _), places): (&(f64, usize), &[(u32, f64)])| {
            let (mut changes, mut failed) = (0.0, 0.0);
            for (place, share) in places {
                let weight = weight(*place);
                changes += weight;
                failed += share * weight;
            }
            Tie { value: *value, changes, failed }
        };
        self.values.iter().zip(self.groups()).map(tie)
    }
}

/// How many changes there are in all, and how many of them failed.
pub(super) fn total(ties: &[Tie]) -> (f64, f64) {
    ties.iter().fold((0.0, 0.0), |(changes, failed), tie| (changes + tie.changes, failed + tie.failed))
}
