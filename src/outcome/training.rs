//! A baseline model from the histories of repositories: which weights outcomes may set, and what is kept as it is.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};

use super::{
    fit::{Examples, Fit, Sign, Spread, fit},
    labels::Labels,
};
use crate::{
    history::{Landed, Step},
    risk::{Head, Model, ModelError, Offset, Weight, facts::Facts, signal},
};

/// Precision of the prior for a standard deviation of a term. Chosen by leaving each repository out in turn: between 300
/// and 1,500 nothing changes beyond noise.
const PRECISION: f64 = 500.0;
/// A word in a title, or one fact alone, shall not count for more than twice or half the odds.
pub(super) const FLAG_LIMIT: f64 = std::f64::consts::LN_2;
/// Digits after the point that a weight is written with.
const DIGITS: f64 = 10_000.0;

/// Which way each fitted term may move the odds, by what the literature on just-in-time defect prediction knows of it
/// (Kamei 2013, McIntosh and Kamei 2018, Meta 2024); where that is disputed, the data decide. What is not here is not
/// fitted, since histories do not tell it.
const FITTED: [(&str, Sign); 42] = [
    ("churn.added", Sign::Raises),
    ("churn.deleted", Sign::Raises),
    ("diffusion.files", Sign::Raises),
    ("diffusion.directories", Sign::Raises),
    ("diffusion.subsystems", Sign::Raises),
    ("entropy.normalised", Sign::Raises),
    ("change_kind.fix", Sign::Lowers),
    ("change_kind.feature", Sign::Either),
    ("change_kind.refactor", Sign::Either),
    ("change_kind.docs", Sign::Lowers),
    ("change_kind.tests", Sign::Either),
    ("change_kind.chore", Sign::Either),
    ("change_kind.dependencies", Sign::Either),
    ("change_kind.trivial", Sign::Lowers),
    ("change_kind.performance", Sign::Raises),
    ("change_kind.enablement", Sign::Raises),
    ("change_kind.retry", Sign::Raises),
    ("change_kind.concurrency", Sign::Raises),
    ("change_kind.removal", Sign::Raises),
    ("change_kind.migration", Sign::Raises),
    ("change_kind.configuration", Sign::Raises),
    ("change_kind.docs_only", Sign::Lowers),
    ("change_kind.tests_only", Sign::Lowers),
    ("sensitive_paths.ci", Sign::Raises),
    ("sensitive_paths.dependencies", Sign::Raises),
    ("reland.claimed", Sign::Raises),
    ("prior_defects.rate", Sign::Raises),
    ("prior_defects.recent", Sign::Raises),
    ("prior_defects.recency", Sign::Raises),
    ("directory_defects.rate", Sign::Raises),
    ("file_type_defects.rate", Sign::Raises),
    ("topic_defects.rate", Sign::Raises),
    ("topic_defects.highest", Sign::Raises),
    ("repository_defects.recent", Sign::Raises),
    ("experience.unfamiliar", Sign::Raises),
    ("experience.changes", Sign::Lowers),
    ("experience.directories", Sign::Raises),
    ("developers.before", Sign::Raises),
    ("developers.now", Sign::Raises),
    ("age.days", Sign::Either),
    ("age.churn", Sign::Raises),
    ("co_change.missing", Sign::Raises),
];

/// Terms that weigh what another term weighs, since they are more of the same.
pub(super) const TIED: [(&str, &str); 6] = [
    ("series.added", "churn.added"),
    ("series.deleted", "churn.deleted"),
    ("series.files", "diffusion.files"),
    ("series.directories", "diffusion.directories"),
    ("series.subsystems", "diffusion.subsystems"),
    ("series.scatter", "entropy.normalised"),
];

/// What is seen of a change, and whether it needed a fix.
struct Seen {
    terms: Vec<f64>,
    fixed: Option<bool>,
}

/// The history of one repository, as it is replayed.
#[derive(Default)]
pub struct Lesson {
    changes: Vec<Seen>,
    labels: Labels,
}

/// What several histories teach.
pub struct Training {
    rollbacks: Examples,
    fixes: Examples,
    /// When the last change landed, unix seconds.
    until: i64,
    repositories: usize,
}

impl Lesson {
    /// Takes in the next change. `fixed` says whether it was rolled back or needed a fix within 30 days, where that is known.
    pub fn take(&mut self, landed: &Landed, step: &Step, fixed: Option<bool>) {
        let counted = !landed.bot && !landed.revert && landed.files_total > 0;
        let terms = if counted { terms_of(&step.facts) } else { Vec::new() };
        self.changes.push(Seen { terms, fixed });
        self.labels.observe(landed, &step.undone);
    }
}

impl Training {
    /// Puts histories together. A change whose 30 days are not over at the end of its history teaches nothing. Of rollbacks
    /// each repository teaches as much as another, however long its history is: the model is for one that it has not seen.
    pub fn of(lessons: Vec<Lesson>) -> Self {
        let width = terms_of_model() + 2;
        let (mut rollbacks, mut fixes) =
            (Examples { width, ..Examples::default() }, Examples { width, ..Examples::default() });
        let (mut until, repositories) = (0, lessons.len());
        let mut ends = Vec::new();
        for lesson in lessons {
            let outcomes = lesson.labels.outcomes();
            until = until.max(outcomes.until());
            for (place, change) in (0..).zip(lesson.changes) {
                let Some(failed) = outcomes.of(place).failed() else { continue };
                if let Some(fixed) = change.fixed {
                    fixes.push(change.terms.iter().copied(), fixed || failed);
                }
                rollbacks.push(joined(change.terms), failed);
            }
            ends.push(rollbacks.failed.len());
        }
        rollbacks.weigh_alike(&ends);
        Self { rollbacks, fixes, until, repositories }
    }

    /// Changes with a known outcome, and how many of them were rolled back.
    pub fn counts(&self) -> (usize, usize) {
        (self.rollbacks.failed.len(), self.rollbacks.failed.iter().filter(|failed| **failed).count())
    }

    /// The same for fixes.
    pub fn fix_counts(&self) -> (usize, usize) {
        (self.fixes.failed.len(), self.fixes.failed.iter().filter(|failed| **failed).count())
    }

    /// A model of this version; what histories do not tell stays as it is in `before`.
    ///
    /// # Errors
    /// A fitted number cannot be: the input is absurd.
    pub fn model(&self, before: &Model, version: String) -> Result<Model, ModelError> {
        let spreads = self.rollbacks.spreads();
        let last = terms_of_model();
        let head = |examples: &Examples, sign: &dyn Fn(usize) -> Sign| {
            let signs: Vec<Sign> = (0..examples.width).map(sign).collect();
            fit(examples, &spreads, &signs, PRECISION)
        };
        let rollbacks = head(&self.rollbacks, &|column| sign_of(before, column, last));
        // Which way a term moves the need for a fix is not shown to anybody, so the data may decide.
        let either = |column| match sign_of(before, column, last + 1) {
            Sign::None => Sign::None,
            _ => Sign::Either,
        };
        let fixes = (!self.fixes.failed.is_empty()).then(|| head(&self.fixes, &either));
        let mut terms = before.terms().to_vec();
        for (index, weight) in terms.iter_mut().enumerate() {
            self.set(weight, &rollbacks, fixes.as_ref(), index, spreads[index]);
        }
        tie(&mut terms);
        let offset =
            |fit: &Fit, at: usize| Offset { weight: rounded(fit.weights[at]), mean: rounded(spreads[at].mean) };
        let mut model = before.clone();
        model.intercept = rounded(rollbacks.intercept);
        model.base_rate = offset(&rollbacks, last);
        if let Some(fixes) = &fixes {
            model.fix = Head { intercept: rounded(fixes.intercept), fix_rate: offset(fixes, last + 1) };
        }
        let fitted_at: DateTime<Utc> = DateTime::from_timestamp_secs(self.until).unwrap_or_default();
        model.with(version, fitted_at, terms)
    }

    fn set(&self, weight: &mut Weight, rollbacks: &Fit, fixes: Option<&Fit>, index: usize, spread: Spread) {
        let fitted = fitted_sign(&weight.id).is_some();
        if !fitted && !TIED.iter().any(|(tied, _)| *tied == weight.id) {
            return;
        }
        (weight.mean, weight.p10, weight.p90) = (rounded(spread.mean), rounded(spread.p10), rounded(spread.p90));
        let (changes, failed) = self.counts();
        let mut source = format!(
            "Logistic regression with a Gaussian prior on {} public repositories, {} changes, {} rolled back within 30 days, each repository counting the same; mean and percentiles measured there",
            self.repositories,
            thousands(changes),
            thousands(failed)
        );
        if fitted {
            let found = rollbacks.weights[index];
            let limit = if weight.id.starts_with("change_kind.") { FLAG_LIMIT } else { f64::INFINITY };
            weight.weight = rounded(found.clamp(-limit, limit));
            weight.fix_weight = rounded(fixes.map_or(weight.fix_weight, |fit| fit.weights[index]));
            if found.abs() > limit {
                source.push_str("; held to twice or half the odds, as no word in a title shall count for more");
            }
            if weight.weight == 0.0 {
                source.push_str("; no effect in the expected direction was found, so none is claimed");
            }
        }
        weight.source = source;
    }
}

/// Where the terms of [`TIED`] stand among those of the model: each, and what it is more of.
static TIED_PLACES: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    let place = |id: &str| Model::baseline().terms().iter().position(|weight| weight.id == id);
    TIED.iter().filter_map(|(tied, to)| Some((place(tied)?, place(to)?))).collect()
});

/// One weight is fitted to both of a tied pair: to what the change is together with its series. Whether the change itself
/// needs a fix hangs on its own size and spread alone.
fn joined(mut terms: Vec<f64>) -> Vec<f64> {
    for (tied, to) in TIED_PLACES.iter() {
        if terms[*tied].is_finite() {
            terms[*to] += terms[*tied];
        }
    }
    terms
}

/// What the model sees of a change, the repository's own shares behind it; not a number where it is unknown.
pub(super) fn terms_of(facts: &Facts) -> Vec<f64> {
    let mut terms = Vec::with_capacity(terms_of_model() + 2);
    for (signal, reading) in signal::SIGNALS.iter().zip(signal::read_all(facts)) {
        match reading {
            Ok(measure) => terms.extend(measure.terms),
            Err(_) => terms.extend(signal.terms.iter().map(|_| f64::NAN)),
        }
    }
    terms.extend(shares_of(facts));
    terms
}

/// Logarithms of the repository's own shares of rollbacks and of fixes; not a number where they are unknown.
pub(super) fn shares_of(facts: &Facts) -> [f64; 2] {
    facts.history.as_ref().map_or([f64::NAN; 2], |history| [history.base_rate.ln(), history.fix_rate.ln()])
}

pub(super) fn terms_of_model() -> usize {
    signal::SIGNALS.iter().map(|signal| signal.terms.len()).sum()
}

pub(super) fn fitted_sign(id: &str) -> Option<Sign> {
    FITTED.iter().find(|(term, _)| *term == id).map(|(_, sign)| *sign)
}

/// The sign of a column: a term of the model, or one of the repository's two shares, of which each head reads its own.
fn sign_of(model: &Model, column: usize, rate: usize) -> Sign {
    match model.terms().get(column) {
        Some(weight) => fitted_sign(&weight.id).unwrap_or(Sign::None),
        None if column == rate => Sign::Raises,
        None => Sign::None,
    }
}

fn tie(terms: &mut [Weight]) {
    for (tied, to) in TIED {
        let Some(like) = terms.iter().find(|weight| weight.id == to).cloned() else { continue };
        for weight in terms.iter_mut().filter(|weight| weight.id == tied) {
            // Whether one of its pieces needs a fix does not hang on the others.
            (weight.weight, weight.fix_weight, weight.mean) = (like.weight, 0.0, 0.0);
            weight.source = format!(
                "The weight of {to}: a series counts as if it were one change. Counted from 0, so that nothing is added to a change that stands alone"
            );
        }
    }
}

pub(super) fn rounded(number: f64) -> f64 {
    // No negative zero in a file that people read.
    (number * DIGITS).round() / DIGITS + 0.0
}

pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Author, Claim, History, LandedFile};

    #[test]
    fn what_is_fitted_are_terms_of_the_model() {
        let known = |id: &str| Model::baseline().terms().iter().any(|weight| weight.id == id);
        let named = FITTED.iter().map(|(id, _)| *id).chain(TIED.iter().flat_map(|(tied, to)| [*tied, *to]));
        assert_eq!(named.filter(|id| !known(id)).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    /// A year in which every fourth change switches something on, and every second of those is rolled back a day later.
    fn lesson() -> Lesson {
        let (mut history, mut lesson) = (History::default(), Lesson::default());
        for day in 0..400_i64 {
            let on = day % 4 == 0;
            let mut landed = Landed {
                sha: format!("{:040x}", day + 1),
                at: 1_700_000_000 + day * 86_400,
                author: Author(7),
                title: if on { "Enable it" } else { "Count it" }.to_owned(),
                files: vec![LandedFile { path: "src/a.rs".into(), added: 3, ..LandedFile::default() }],
                files_total: 1,
                ..Landed::default()
            };
            if day % 8 == 1 {
                landed.revert = true;
                landed.undoes = vec![Claim::Commit(format!("{day:040x}"))];
            }
            let step = history.step(&landed, Model::baseline());
            lesson.take(&landed, &step, Some(day % 3 == 0));
        }
        lesson
    }

    #[test]
    fn a_model_learns_what_fails_and_keeps_the_rest() {
        let training = Training::of(vec![lesson(), lesson()]);
        // Of 400 days the last 30 are unripe, and each eighth is a revert.
        assert_eq!((training.counts(), training.fix_counts().0), ((2 * 323, 2 * 47), 2 * 323));
        let model = |training: &Training| training.model(Model::baseline(), "taught".to_owned()).unwrap();
        let taught = model(&training);
        assert_eq!(taught, model(&Training::of(vec![lesson(), lesson()])), "the same input gives the same model");
        let weight = |model: &Model, id: &str| model.terms().iter().find(|weight| weight.id == id).unwrap().clone();
        assert!(weight(&taught, "change_kind.enablement").weight > 0.1);
        assert_eq!(weight(&taught, "series.added").weight, weight(&taught, "churn.added").weight);
        assert_eq!(weight(&taught, "review.unapproved"), weight(Model::baseline(), "review.unapproved"));
        let limit = FLAG_LIMIT + 1e-4;
        assert!(taught.terms().iter().filter(|w| w.id.starts_with("change_kind.")).all(|w| w.weight.abs() <= limit));
    }
}
