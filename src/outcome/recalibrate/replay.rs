//! A history replayed as if it were live: each night the rates follow what has become known, each month a challenger is
//! fitted and judged, and every change is scored and rated by what was in force when it landed.
//!
//! Four ways are followed side by side: nothing is learned; rates only; rates, and what is proposed; rates, and every
//! challenger. The second head, whether a change needs a fix, learns its rates only.

mod nights;
mod report;

pub use report::{Arm, FixPart, Part, Rated, Report, Way};

use super::{Assessed, Evidence, Failure, Label, fix_log_odds, terms_of};
use crate::{
    history::{Landed, Place, RIPE_AFTER, Step},
    risk::{Model, score_of_terms},
};
use nights::Nights;

/// Days after which weights are fitted anew.
pub const MONTH_DAYS: u32 = 30;

/// A history as it is taken in.
pub struct Replay<'m> {
    model: &'m Model,
    seen: Vec<Option<Seen>>,
    newest_at: i64,
}

/// A change that counts: one that a person wrote, that is no revert, and that touches a file.
struct Seen {
    at: i64,
    terms: Box<[f64]>,
    undone_at: Option<i64>,
    fixed: Option<bool>,
}

impl<'m> Replay<'m> {
    /// Starts with the model that is in force before anything is known.
    pub fn new(model: &'m Model) -> Self {
        Self { model, seen: Vec::new(), newest_at: i64::MIN }
    }

    /// Takes in the next change. `fixed` says whether it needed a fix within 30 days, where that is known.
    pub fn take(&mut self, landed: &Landed, step: &Step, fixed: Option<bool>) {
        for place in &step.undone {
            if let Some(undone) = self.seen_at(*place) {
                undone.undone_at.get_or_insert(step.at);
            }
        }
        self.newest_at = self.newest_at.max(step.at);
        let counts = !landed.bot && !landed.revert && landed.files_total > 0;
        let seen = || Seen { at: step.at, terms: terms_of(&step.facts), undone_at: None, fixed };
        self.seen.push(counts.then(seen));
    }

    fn seen_at(&mut self, place: Place) -> Option<&mut Seen> {
        self.seen.get_mut(place as usize)?.as_mut()
    }

    /// Lives through the nights. Changes whose 30 days are not over at the end of the history are left out.
    pub fn nights(self, repository: &str, weights_every_days: u32) -> Report {
        let (model, end) = (self.model, self.newest_at);
        let ripe = self.seen.into_iter().flatten().filter(|seen| seen.at <= end.saturating_sub(RIPE_AFTER));
        let mut seen: Vec<Seen> = ripe.collect();
        // Where clocks differ, the order of landing is not that of time.
        seen.sort_by_key(|seen| seen.at);
        let fixes: Vec<Option<bool>> = seen.iter().map(|seen| seen.fixed.map(|fixed| fixed || seen.failed())).collect();
        let rows: Vec<Assessed> =
            seen.into_iter().enumerate().map(|(place, seen)| seen.assessed(place, model)).collect();
        let fix_log_odds: Vec<f64> = rows.iter().map(|row| fix_log_odds(model, &row.terms)).collect();
        let mut nights = Nights::new(model, &rows, &fixes, &fix_log_odds, weights_every_days);
        for (place, row) in rows.iter().enumerate() {
            nights.until(row.at);
            nights.rate(place);
        }
        nights.report(repository)
    }
}

impl Seen {
    fn failed(&self) -> bool {
        self.undone_at.is_some_and(|undone| undone.saturating_sub(self.at) <= RIPE_AFTER)
    }

    fn assessed(self, place: usize, model: &Model) -> Assessed {
        let failed = self.failed();
        let after_s = self.undone_at.map_or(0, |undone| undone.saturating_sub(self.at));
        Assessed {
            id: place.to_string(),
            at: self.at,
            known_at: Some(self.at.saturating_add(RIPE_AFTER)),
            score: score_of_terms(model, &self.terms),
            floor: 0,
            stated: None,
            terms: self.terms,
            label: if failed {
                Label::Failed(Failure { by: Evidence::RolledBack, certainty: 1.0, after_s })
            } else {
                Label::Clean
            },
            overridden: false,
            deployed: false,
            held_s: None,
        }
    }
}
