//! Changes that would have had another level.

use std::cmp::Reverse;

use crate::{
    outcome::recalibrate::Assessed,
    risk::{Model, assessment::Level},
};

/// Which way a level changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlipTo {
    /// A higher one.
    Higher,
    /// A lower one.
    Lower,
}

/// A change that would have had another level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flipped {
    /// Which assessment.
    pub id: String,
    /// When it was made, unix seconds.
    pub at: i64,
    /// What the champion scores.
    pub from: u8,
    /// What the challenger scores.
    pub to: u8,
    /// Whether it failed; none where that is not known.
    pub failed: Option<bool>,
}

impl Flipped {
    /// Which way.
    pub fn way(&self) -> FlipTo {
        if self.to > self.from { FlipTo::Higher } else { FlipTo::Lower }
    }

    /// Whether its outcome speaks for the flip: one that failed goes up, one that did not goes down. None where that is
    /// not known.
    pub fn right(&self) -> Option<bool> {
        self.failed.map(|failed| failed == (self.way() == FlipTo::Higher))
    }
}

/// Those of `rows` whose level differs, the largest difference first, of equal ones the newest.
pub(super) fn flipped(rows: &[&Assessed], champion: &Model, challenger: &Model, now: i64) -> Vec<Flipped> {
    let flip = |row: &&Assessed| {
        let (from, to) = (row.score_by(champion), row.score_by(challenger));
        let failed = row.outcome(now).map(|failed| failed >= 0.5);
        (Level::of(from) != Level::of(to)).then(|| Flipped { id: row.id.clone(), at: row.at, from, to, failed })
    };
    let mut flipped: Vec<Flipped> = rows.iter().filter_map(flip).collect();
    flipped.sort_by_key(|flip| (Reverse(flip.from.abs_diff(flip.to)), Reverse(flip.at)));
    flipped
}
