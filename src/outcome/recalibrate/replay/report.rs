//! What a replay says of learning.

use super::super::Assessed;
use crate::outcome::evaluate::{Difference, Evaluation, Example, difference, evaluate};

/// The last part in time, on which shipped models are judged too.
const TEST_SHARE: f64 = 0.3;

/// How much is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing: the shipped model and the rates it states.
    Nothing,
    /// Rates follow outcomes; scores are the shipped model's.
    Rates,
    /// Rates, and weights of what was proposed, as soon as it was.
    Better,
    /// Rates, and weights of every challenger.
    Every,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Rates, Self::Better, Self::Every];
}

/// What was said of a change when it landed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rated {
    /// 0-100.
    pub score: u8,
    /// Probability of being rolled back, 0-1.
    pub rate: f64,
}

/// One way through a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Which.
    pub way: Way,
    /// Model versions after the shipped one.
    pub versions: u64,
    /// Each change, in order of time.
    pub rated: Vec<Rated>,
}

/// How the second head did before and after its rates followed outcomes.
#[derive(Clone, Debug, PartialEq)]
pub struct FixPart {
    /// The rates as the shipped model states them.
    pub stated: Evaluation,
    /// The rates as they followed outcomes.
    pub followed: Evaluation,
}

/// A part of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// When the first of its changes landed, unix seconds; 0 of none.
    pub from: i64,
    /// How each way did, in the order of [`Way::ALL`].
    pub ways: [Evaluation; Way::ALL.len()],
    /// How much better each way ranks than the shipped model.
    pub better: [Option<Difference>; Way::ALL.len()],
    /// The second head; none where it is not known which changes needed a fix.
    pub fix: Option<FixPart>,
}

/// A replayed history.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the history is called. Untrusted.
    pub repository: String,
    /// The four ways.
    pub arms: [Arm; Way::ALL.len()],
    /// All changes, from the first night on, when nothing was known.
    pub all: Part,
    /// The last 30 % in time.
    pub test: Part,
}

impl Report {
    pub(super) fn of(
        repository: &str,
        rows: &[Assessed],
        failed: &[bool],
        arms: [Arm; Way::ALL.len()],
        fixes: &[Option<bool>],
        fix_rated: &[(f64, f64)],
    ) -> Self {
        let part = |from: usize| {
            let rated = |arm: &Arm| -> Vec<Example> {
                let changes = arm.rated[from..].iter().zip(&failed[from..]);
                changes.map(|(rated, failed)| example(f64::from(rated.score), rated.rate, *failed)).collect()
            };
            let scores = |arm: &Arm| -> Vec<f64> { arm.rated[from..].iter().map(|one| f64::from(one.score)).collect() };
            let shipped = scores(&arms[0]);
            Part {
                from: rows.get(from).map_or(0, |row| row.at),
                ways: std::array::from_fn(|way| evaluate(&rated(&arms[way]))),
                better: std::array::from_fn(|way| difference(&scores(&arms[way]), &shipped, &failed[from..])),
                fix: fix(&fixes[from..], &fix_rated[from..]),
            }
        };
        let (all, test) = (part(0), part(test_start(rows.len())));
        Self { repository: repository.to_owned(), all, test, arms }
    }
}

/// Rounded as the referee of the public data does.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is a length")]
fn test_start(changes: usize) -> usize {
    (changes as f64 * (1.0 - TEST_SHARE)).round_ties_even() as usize
}

fn fix(fixes: &[Option<bool>], rated: &[(f64, f64)]) -> Option<FixPart> {
    let of = |rate: fn(&(f64, f64)) -> f64| -> Vec<Example> {
        let known = rated.iter().zip(fixes).filter_map(|(rated, fixed)| Some((rate(rated), (*fixed)?)));
        known.map(|(rate, fixed)| example(rate, rate, fixed)).collect()
    };
    let stated = of(|rated| rated.0);
    (!stated.is_empty()).then(|| FixPart { stated: evaluate(&stated), followed: evaluate(&of(|rated| rated.1)) })
}

fn example(score: f64, rate: f64, failed: bool) -> Example {
    Example { score, probability: Some(rate), lines: 0, failed }
}
