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
    history::{History, Landed, Place},
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
    place: Place,
    scored: Vec<Scored>,
    span: Option<(i64, i64)>,
}

/// A change with its score.
#[derive(Clone, Debug)]
struct Scored {
    place: Place,
    sha: String,
    at: i64,
    title: String,
    lines: u64,
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
            place: 0,
            scored: Vec::new(),
            span: None,
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
        if self.since.is_none_or(|since| step.at >= since) {
            self.scored.push(Scored {
                place: self.place,
                sha: landed.sha.clone(),
                at: step.at,
                title: landed.title.clone(),
                lines: landed.added.saturating_add(landed.deleted),
                forecast: step.forecast,
                traits,
            });
        }
        self.labels.observe(landed, step.at, &step.undone);
        self.place += 1;
        let (from, to) = self.span.unwrap_or((step.at, step.at));
        self.span = Some((from.min(step.at), to.max(step.at)));
    }

    /// Ends the replay: every scored change with what became of it, of the newest `limit` changes if that is given.
    pub fn judged(mut self, limit: Option<usize>) -> Judged {
        let over = limit.map_or(0, |limit| self.scored.len().saturating_sub(limit));
        self.scored.drain(..over);
        let (labels, fixes) = (&self.labels, &self.fixes);
        let fixed = |label: Label, sha: &str| {
            let fixed = *fixes.get(sha)?;
            Some(fixed || label.failed()?)
        };
        let judged = |scored: Scored| Change {
            label: labels.of(scored.place),
            fixed: fixed(labels.of(scored.place), &scored.sha),
            undone_after_s: labels.undone_after_s(scored.place),
            sha: scored.sha,
            at: scored.at,
            title: scored.title,
            lines: scored.lines,
            score: scored.forecast.score,
            probability: Some(scored.forecast.probability),
            fix_probability: Some(scored.forecast.fix_probability),
            traits: scored.traits,
        };
        Judged {
            repository: self.repository,
            model: self.model.version.clone(),
            rank_by: RankBy::Score,
            reverts: self.labels.reverts(),
            history: Span::of(self.place as usize, self.span),
            changes: self.scored.into_iter().map(judged).collect(),
        }
    }
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
    /// When it landed, as far as its date can be believed; unix seconds.
    pub at: i64,
    /// First line of the message. Untrusted.
    pub title: String,
    /// Lines added and deleted.
    pub lines: u64,
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
    /// When it landed; the epoch if its time is beyond the calendar.
    pub fn landed_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.at, 0).unwrap_or_default()
    }
}
