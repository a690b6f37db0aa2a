//! A history replayed: each change is scored from what came before it, and judged by what came after.
//!
//! Changes are taken in one by one, oldest first, in memory that grows with the number of changes and files. Nothing is
//! fitted to the history except the rivals that ours is compared with.

mod named;
mod report;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::story;

pub use named::Named;
pub use report::{Compared, Counts, Fixed, Part, RankBy, Report, SCORE_BIN, ScoreBin, Span, Window};

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{
    labels::{Label, Labels, Reverts},
    rivals::{Reader, Traits},
};
use crate::{
    history::{History, Landed, Place, on_calendar},
    risk::{Model, forecast::Forecast},
};

/// A replay in progress.
#[derive(Debug)]
pub struct Backtest<'m> {
    model: &'m Model,
    repository: String,
    since: Option<i64>,
    fixes: HashMap<String, bool>,
    history: History,
    labels: Labels,
    rivals: Reader,
    /// All of them, in the order of landing: how far dates can be believed is known at the end.
    scored: Vec<Scored>,
}

/// A change with its score.
#[derive(Clone, Debug)]
struct Scored {
    sha: String,
    dated: i64,
    title: String,
    lines: Option<u64>,
    forecast: Forecast,
    traits: Traits,
}

impl<'m> Backtest<'m> {
    /// Starts a replay. `repository` is what reports call the history. Changes that landed before `since` are history
    /// and not scored.
    pub fn new(repository: &str, model: &'m Model, since: Option<DateTime<Utc>>) -> Self {
        Self {
            model,
            repository: repository.to_owned(),
            since: since.map(|since| since.timestamp()),
            fixes: HashMap::new(),
            history: History::default(),
            labels: Labels::default(),
            rivals: Reader::default(),
            scored: Vec::new(),
        }
    }

    /// Says of changes, by object id, whether they needed a fix within 30 days: a main line alone does not tell.
    pub fn with_fixes(self, fixes: HashMap<String, bool>) -> Self {
        Self { fixes, ..self }
    }

    /// Scores the next change from what was taken in before it, then takes it in.
    pub fn take(&mut self, landed: &Landed) {
        let traits = self.rivals.read(landed);
        let step = self.history.step(landed, self.model);
        self.scored.push(Scored {
            sha: landed.sha.clone(),
            dated: on_calendar(landed.at),
            title: landed.title.clone(),
            lines: landed.lines.then(|| landed.added.saturating_add(landed.deleted)),
            forecast: step.forecast,
            traits,
        });
        self.labels.observe(landed, &step.undone);
    }

    /// Ends the replay: every scored change with what became of it; with a `limit`, from that many judged changes before the
    /// end on. What cannot be judged does not count against it.
    pub fn judged(self, limit: Option<usize>) -> Judged {
        let (outcomes, fixes) = (self.labels.outcomes(), &self.fixes);
        let history = Span::of(self.scored.len(), outcomes.between());
        let fixed = |label: Label, sha: &str| {
            let fixed = *fixes.get(sha)?;
            Some(fixed || label.failed()?)
        };
        let judged = |(place, scored): (Place, Scored)| Change {
            label: outcomes.of(place),
            fixed: fixed(outcomes.of(place), &scored.sha),
            undone_after_s: outcomes.undone_after_s(place),
            sha: scored.sha,
            dated: scored.dated,
            at: outcomes.landed_at(place),
            title: scored.title,
            lines: scored.lines,
            score: scored.forecast.score,
            probability: Some(scored.forecast.probability),
            fix_probability: Some(scored.forecast.fix_probability),
            traits: scored.traits,
        };
        let changes = (0..).zip(self.scored).map(judged);
        let mut changes: Vec<Change> =
            changes.filter(|change| self.since.is_none_or(|since| change.at >= since)).collect();
        let oldest = limit.and_then(|limit| nth_newest_judged(&changes, limit));
        changes.drain(..oldest.unwrap_or(0));
        Judged {
            repository: self.repository,
            model: self.model.version.clone(),
            rank_by: RankBy::Score,
            reverts: outcomes.reverts(),
            history,
            changes,
        }
    }
}

/// Place of the `number`th newest change that is judged, from 1; none of fewer.
fn nth_newest_judged(changes: &[Change], number: usize) -> Option<usize> {
    let judged = (0..changes.len()).rev().filter(|place| changes[*place].label.failed().is_some());
    judged.take(number).nth(number.checked_sub(1)?)
}

/// A replayed history: all scored changes in the order in which they landed, bots and reverts too.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What reports call the history.
    pub repository: String,
    /// Version of the model that scored.
    pub model: String,
    /// What ranks the changes.
    pub rank_by: RankBy,
    /// All changes that were read.
    pub history: Span,
    /// How their reverts were linked.
    pub reverts: Reverts,
    /// The scored changes.
    pub changes: Vec<Change>,
}

/// A scored change and what became of it.
#[derive(Clone, Debug)]
pub struct Change {
    /// Object id.
    pub sha: String,
    /// The commit's date, unix seconds.
    pub dated: i64,
    /// When it landed, unix seconds: by its own date, where that agrees with those before and after it.
    pub at: i64,
    /// First line of the message. Untrusted.
    pub title: String,
    /// Lines added and deleted, where they were counted.
    pub lines: Option<u64>,
    /// 0-100.
    pub score: u8,
    /// Probability of being rolled back that was stated, 0-1.
    pub probability: Option<f64>,
    /// Probability of needing a fix that was stated, 0-1.
    pub fix_probability: Option<f64>,
    /// What became of it.
    pub label: Label,
    /// Whether it was rolled back or needed a fix within 30 days, where it is judged and that is known.
    pub fixed: Option<bool>,
    /// Seconds until it was undone first, in time or not.
    pub undone_after_s: Option<i64>,
    traits: Traits,
}

impl Change {
    /// The commit's date; the epoch if it is beyond the calendar.
    pub fn date(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.dated, 0).unwrap_or_default()
    }
}
