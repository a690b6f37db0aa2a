//! What a replayed history says of its scores.

use super::{
    Change, Judged,
    named::{Named, best_and_worst},
};
use crate::outcome::{
    evaluate::{Difference, Estimate, Evaluation, Example, difference, evaluate, gain, rank},
    labels::{Because, Label, Reverts, is_ripe},
    rivals::{self, Rival, Traits},
};

/// The last part in time, on which scores are compared with those that were fitted on the part before it.
const TEST_SHARE: f64 = 0.3;

/// Points of the scale in one bin of the distribution.
pub const SCORE_BIN: u8 = 5;

/// Over time there is one window for this many failures, so that each can say something.
const FAILURES_PER_WINDOW: usize = 10;
const WINDOWS_MAX: usize = 12;

/// What a replayed history says of its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the history is called. Untrusted.
    pub repository: String,
    /// Version of the model that scored.
    pub model: String,
    /// What ranked the changes.
    pub rank_by: RankBy,
    /// Whether lines of the changes were counted. Else nothing that stands on lines is measured or compared.
    pub lines: bool,
    /// All changes that were read.
    pub history: Span,
    /// The scored ones and why some of them are not judged.
    pub counts: Counts,
    /// How the reverts in the history were linked.
    pub reverts: Reverts,
    /// All judged changes.
    pub all: Part,
    /// The last 30 % of them in time.
    pub test: Part,
    /// How well the second head does on the changes of which it is known whether they needed a fix; none without such.
    pub fixed: Option<Fixed>,
    /// Simpler scores on the test part; none where lines were not counted, which all of them stand on.
    pub compared: Vec<Compared>,
    /// Changes in the test part by what they scored: bins of [`SCORE_BIN`] points from 0; the last one holds 100 too.
    pub distribution: Vec<ScoreBin>,
    /// All judged changes in windows of equal count, in order of time; none where too few failed.
    pub windows: Vec<Window>,
    /// Failed changes with the highest scores, each above the middle of the judged ones.
    pub catches: Vec<Named>,
    /// Failed changes with the lowest scores, each below the middle.
    pub misses: Vec<Named>,
}

/// What ranks changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RankBy {
    /// The score as people see it: whole points, of which many changes have the same.
    #[default]
    Score,
    /// The stated probability, in which hardly two changes are equal.
    Probability,
}

/// How the second head does: it states how likely a change is rolled back or needs a fix, and is ranked by that.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    /// All judged changes.
    pub all: Part,
    /// The last 30 % of them in time.
    pub test: Part,
}

/// A number of changes and the time between the first and the last, unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// How many changes.
    pub changes: u64,
    /// When the first and the last of them landed; none of no changes.
    pub between: Option<(i64, i64)>,
}

/// The scored changes by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Scored: the sum of all below.
    pub scored: u64,
    /// Failed.
    pub failed: u64,
    /// Did not fail.
    pub clean: u64,
    /// Their time had not passed by the end of the history.
    pub unripe: u64,
    /// Written by programs.
    pub bots: u64,
    /// Reverts.
    pub reverts: u64,
    /// Without files.
    pub empty: u64,
}

impl Counts {
    /// How many are judged.
    pub fn judged(&self) -> u64 {
        self.failed + self.clean
    }

    fn add(&mut self, label: Label) {
        let place = match label {
            Label::Failed => &mut self.failed,
            Label::Clean => &mut self.clean,
            Label::Unripe => &mut self.unripe,
            Label::LeftOut(Because::Bot) => &mut self.bots,
            Label::LeftOut(Because::Revert) => &mut self.reverts,
            Label::LeftOut(Because::Empty) => &mut self.empty,
        };
        *place += 1;
        self.scored += 1;
    }
}

/// A part of the judged changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which time it covers.
    pub span: Span,
    /// How the scores did there.
    pub evaluation: Evaluation,
    /// For each per cent from 0 to 100 of the riskiest changes, the share of the failed ones among them; none if none
    /// failed.
    pub gain: Option<Vec<f64>>,
}

/// A simpler score on the test part.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Which.
    pub rival: Rival,
    /// How it did; none where there was nothing to fit it on.
    pub evaluation: Option<Evaluation>,
    /// How much better ours ranks.
    pub difference: Option<Difference>,
    /// Its curve of gain, as in [`Part`].
    pub gain: Option<Vec<f64>>,
}

/// Changes with scores in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoreBin {
    /// Those that did not fail.
    pub clean: u64,
    /// Those that failed.
    pub failed: u64,
}

/// Judged changes of one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Which time.
    pub span: Span,
    /// How many failed.
    pub failed: u64,
    /// Area under the ROC curve; none unless at least 5 failed and 5 did not.
    pub roc_auc: Option<Estimate>,
    /// Share of the failed ones in the top 20 %.
    pub recall: Option<Estimate>,
}

impl Judged {
    /// Measures the scores, and simpler scores beside them.
    pub fn report(&self) -> Report {
        Report { compared: self.compare(), ..self.measure() }
    }

    /// Measures the scores, without a comparison.
    pub fn measure(&self) -> Report {
        let mut counts = Counts::default();
        self.changes.iter().for_each(|change| counts.add(change.label));
        let judged = self.in_order();
        let (_, test) = judged.split_at(test_start(judged.len()));
        let (catches, misses) = best_and_worst(&judged);
        Report {
            repository: self.repository.clone(),
            model: self.model.clone(),
            rank_by: self.rank_by,
            lines: self.lines(),
            history: self.history,
            counts,
            reverts: self.reverts,
            all: Part::of(&judged, &self.examples(&judged)),
            test: Part::of(test, &self.examples(test)),
            fixed: judged.iter().any(|change| change.fixed.is_some()).then(|| Fixed::of(&judged, test)),
            compared: Vec::new(),
            distribution: distribution(test),
            windows: windows(&judged, self.rank_by),
            catches,
            misses,
        }
    }

    /// Measures simpler scores. It takes as long as [`measure`](Self::measure) and needs nothing from it.
    pub fn compare(&self) -> Vec<Compared> {
        if !self.lines() {
            return Vec::new();
        }
        let judged = self.in_order();
        let (past, test) = judged.split_at(test_start(judged.len()));
        compare(past, test, self.rank_by)
    }

    /// Whether lines of the changes were counted.
    fn lines(&self) -> bool {
        self.changes.iter().all(|change| change.lines.is_some())
    }

    fn examples(&self, changes: &[&Change]) -> Vec<Example> {
        let example = |change: &&Change| Example {
            score: rank_of(change, self.rank_by),
            probability: change.probability,
            lines: change.lines.unwrap_or(0),
            failed: change.label == Label::Failed,
        };
        changes.iter().map(example).collect()
    }

    /// The judged changes. Where clocks differ, the order of landing is not that of time; the sort keeps it among equal
    /// times.
    fn in_order(&self) -> Vec<&Change> {
        let mut judged: Vec<&Change> = self.changes.iter().filter(|change| change.label.failed().is_some()).collect();
        judged.sort_by_key(|change| change.at);
        judged
    }
}

/// Where the last part begins, rounded as the referee of the public data does.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is a length")]
fn test_start(judged: usize) -> usize {
    (judged as f64 * (1.0 - TEST_SHARE)).round_ties_even() as usize
}

impl Span {
    pub(super) fn of(changes: usize, between: Option<(i64, i64)>) -> Self {
        Self { changes: changes as u64, between }
    }

    /// Of changes in order of time.
    fn over(changes: &[&Change]) -> Self {
        let between = changes.first().zip(changes.last()).map(|(first, last)| (first.at, last.at));
        Self::of(changes.len(), between)
    }
}

impl Part {
    fn of(changes: &[&Change], examples: &[Example]) -> Self {
        let scores: Vec<f64> = examples.iter().map(|example| example.score).collect();
        let failed: Vec<bool> = examples.iter().map(|example| example.failed).collect();
        Self { span: Span::over(changes), evaluation: evaluate(examples), gain: gain(&scores, &failed) }
    }
}

impl Fixed {
    fn of(judged: &[&Change], test: &[&Change]) -> Self {
        let part = |changes: &[&Change]| {
            let known: Vec<&Change> = changes.iter().copied().filter(|change| fix_of(change).is_some()).collect();
            Part::of(&known, &known.iter().filter_map(|change| fix_of(change)).collect::<Vec<_>>())
        };
        Self { all: part(judged), test: part(test) }
    }
}

fn fix_of(change: &Change) -> Option<Example> {
    let (failed, probability) = (change.fixed?, change.fix_probability?);
    Some(Example { score: probability, probability: Some(probability), lines: change.lines.unwrap_or(0), failed })
}

fn rank_of(change: &Change, by: RankBy) -> f64 {
    let score = f64::from(change.score);
    match by {
        RankBy::Score => score,
        RankBy::Probability => change.probability.unwrap_or(score / 100.0),
    }
}

fn ranks(changes: &[&Change], by: RankBy) -> Vec<f64> {
    changes.iter().map(|change| rank_of(change, by)).collect()
}

fn outcomes(changes: &[&Change]) -> Vec<bool> {
    changes.iter().map(|change| change.label == Label::Failed).collect()
}

/// Simpler scores on `test`. What has to be fitted is fitted on those of `past` whose outcome was known when the first
/// change of `test` landed.
fn compare(past: &[&Change], test: &[&Change], by: RankBy) -> Vec<Compared> {
    let Some(first) = test.first() else { return Vec::new() };
    let known = past.iter().filter(|change| is_ripe(change.at, first.at));
    let known: Vec<(Traits, bool)> = known.map(|change| (change.traits, change.label == Label::Failed)).collect();
    let traits: Vec<Traits> = test.iter().map(|change| change.traits).collect();
    let failed = outcomes(test);
    let ours = ranks(test, by);
    let compared = |rival| {
        let Some(theirs) = rivals::scores(rival, &known, &traits) else {
            return Compared { rival, evaluation: None, difference: None, gain: None };
        };
        let example = |(change, score): (&&Change, &f64)| Example {
            score: *score,
            probability: theirs.are_probabilities.then_some(*score),
            lines: change.lines.unwrap_or(0),
            failed: change.label == Label::Failed,
        };
        let examples: Vec<Example> = test.iter().zip(&theirs.scores).map(example).collect();
        Compared {
            rival,
            evaluation: Some(evaluate(&examples)),
            difference: difference(&ours, &theirs.scores, &failed),
            gain: gain(&theirs.scores, &failed),
        }
    };
    Rival::ALL.map(compared).into()
}

fn distribution(changes: &[&Change]) -> Vec<ScoreBin> {
    let mut bins = vec![ScoreBin::default(); usize::from(100 / SCORE_BIN)];
    for change in changes {
        let bin = &mut bins[usize::from(change.score.min(99) / SCORE_BIN)];
        *if change.label == Label::Failed { &mut bin.failed } else { &mut bin.clean } += 1;
    }
    bins
}

fn windows(changes: &[&Change], by: RankBy) -> Vec<Window> {
    let failed = changes.iter().filter(|change| change.label == Label::Failed).count();
    let count = (failed / FAILURES_PER_WINDOW).min(WINDOWS_MAX);
    if count < 2 {
        return Vec::new();
    }
    let bound = |place: usize| changes.len() * place / count;
    let window = |place: usize| {
        let part = &changes[bound(place)..bound(place + 1)];
        let (scores, outcomes) = (ranks(part, by), outcomes(part));
        let ranking = rank(&scores, &outcomes);
        Window {
            span: Span::over(part),
            failed: outcomes.iter().filter(|failed| **failed).count() as u64,
            roc_auc: ranking.map(|ranking| ranking.roc_auc),
            recall: ranking.map(|ranking| ranking.top[3].recall),
        }
    };
    (0..count).map(window).collect()
}
