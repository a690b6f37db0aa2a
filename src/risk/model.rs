//! The model: for each term a weight, the mean it is measured from and the spread of its population. Weights are
//! log-odds, so that fifteen points double the odds that a change fails.

use std::{collections::BTreeMap, sync::LazyLock};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::signal::{self, Reading, Signal};

/// What a reading is worth. Versions are never overwritten; a changed model is a new version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ModelFile")]
pub struct Model {
    /// Name of this version, such as "baseline-1".
    pub version: String,
    /// When the weights were made.
    pub fitted_at: DateTime<Utc>,
    /// Log-odds that a typical change fails: every term at its mean.
    pub intercept: f64,
    /// Score of a typical change, 0-100 points.
    pub base: i32,
    /// What the repository's own share of rollbacks does to the probability. It has no points: 30 is the typical change
    /// of *this* repository.
    pub base_rate: Offset,
    /// The second head: whether a change needs a fix, or is rolled back, within 30 days.
    pub fix: Head,
    /// One for each term of every signal, in the order of `SIGNALS`.
    terms: Vec<Weight>,
}

/// A number that moves the probability and not the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    /// Log-odds for each unit above the mean.
    pub weight: f64,
    /// Mean in the population.
    pub mean: f64,
}

impl Offset {
    /// Log-odds that a share of changes adds, read as its natural logarithm.
    fn log_odds(self, share: f64) -> f64 {
        let x = share.ln();
        if x.is_finite() { self.weight * (x - self.mean) } else { 0.0 }
    }
}

/// The second head, over the same terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Log-odds that a typical change needs a fix: every term at its mean.
    pub intercept: f64,
    /// What the repository's own share of fixes does.
    pub fix_rate: Offset,
}

/// What one term is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Name of the term: `signal.term`.
    pub id: String,
    /// Log-odds for each unit of the term above its mean.
    pub weight: f64,
    /// The same in the second head; 0 where nothing is claimed.
    #[serde(default)]
    pub fix_weight: f64,
    /// Mean of the term in the population; a term at its mean adds nothing.
    pub mean: f64,
    /// Tenth percentile of the term in the population: one end of the range while it is unknown.
    pub p10: f64,
    /// Ninetieth percentile: the other end.
    pub p90: f64,
    /// Where these numbers come from, in one sentence.
    pub source: String,
}

/// Why a model was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// It is not the JSON of a model.
    #[error("the model cannot be read: {0}")]
    Malformed(String),
    /// It weighs a term that no signal has.
    #[error("the model weighs {0}, which no signal has")]
    UnknownTerm(String),
    /// It weighs a term twice.
    #[error("the model weighs {0} twice")]
    DuplicateTerm(String),
    /// It does not weigh a term that a signal has.
    #[error("the model has no weight for {0}")]
    MissingTerm(String),
    /// A number is infinite, not a number or absurdly large.
    #[error("{field} of {term} is not a number between -{LARGEST} and {LARGEST}")]
    OutOfRange {
        /// The term, or "the model" for the intercept.
        term: String,
        /// Which of its numbers.
        field: &'static str,
    },
    /// The tenth percentile lies above the ninetieth.
    #[error("p10 of {0} lies above its p90")]
    Percentiles(String),
    /// The score of a typical change is off the scale.
    #[error("the base is {0}, not a score between 0 and 100")]
    Base(i32),
}

/// Terms that models stored by an earlier version of the program do not have.
const LATER: [&str; 5] =
    ["change_fail_rate.above_15_percent", "series.files", "series.directories", "series.subsystems", "series.scatter"];

/// No honest weight, mean or percentile comes near it, and sums of such numbers stay finite.
const LARGEST: f64 = 1e6;

/// The model that is used before any outcome is known.
static BASELINE: LazyLock<Model> = LazyLock::new(|| {
    Model::parse(include_str!("baseline.json")).expect("baseline.json is part of the program and tested")
});

impl Model {
    /// The model that is used before any outcome is known; each number names its source.
    pub fn baseline() -> &'static Self {
        &BASELINE
    }

    /// Reads a model from its JSON. A model that does not weigh exactly the terms of `SIGNALS` is refused.
    pub fn parse(json: &str) -> Result<Self, ModelError> {
        let file: ModelFile = serde_json::from_str(json).map_err(|error| ModelError::Malformed(error.to_string()))?;
        file.try_into()
    }

    /// Reads a model that was stored, perhaps before some signals were there: what came later weighs nothing in it.
    ///
    /// # Errors
    /// As for [`Self::parse`].
    pub fn parse_stored(json: &str) -> Result<Self, ModelError> {
        let mut file: ModelFile =
            serde_json::from_str(json).map_err(|error| ModelError::Malformed(error.to_string()))?;
        for id in LATER {
            if file.terms.iter().all(|weight| weight.id != id) {
                let source = "came after this model and weighs nothing in it".to_owned();
                let id = id.to_owned();
                file.terms.push(Weight { id, weight: 0.0, fix_weight: 0.0, mean: 0.0, p10: 0.0, p90: 0.0, source });
            }
        }
        file.try_into()
    }

    /// One weight for each term of every signal, in the order of `SIGNALS`.
    pub fn terms(&self) -> &[Weight] {
        &self.terms
    }

    /// A model of the same kind with other weights, checked as if it were read.
    ///
    /// # Errors
    /// The weights are not those of the signals' terms, or a number cannot be.
    pub fn with(self, version: String, fitted_at: DateTime<Utc>, terms: Vec<Weight>) -> Result<Self, ModelError> {
        let Self { intercept, base, base_rate, fix, .. } = self;
        ModelFile { version, fitted_at, intercept, base, base_rate, fix, terms }.try_into()
    }

    /// Log-odds of both heads, for readings in the order of `SIGNALS` and the repository's own shares of rollbacks and
    /// fixes, where they are known. What is unknown counts as its mean.
    pub(super) fn log_odds(&self, readings: &[Reading], shares: Option<(f64, f64)>) -> (f64, f64) {
        let (rollbacks, fixes) = shares.unwrap_or((f64::NAN, f64::NAN));
        let mut rolled_back = self.intercept + self.base_rate.log_odds(rollbacks);
        let mut fixed = self.fix.intercept + self.fix.fix_rate.log_odds(fixes);
        for (weights, reading) in self.by_signal().zip(readings) {
            let Ok(measure) = reading else { continue };
            for (weight, x) in weights.iter().zip(&measure.terms).filter(|(_, x)| x.is_finite()) {
                rolled_back += weight.weight * (x - weight.mean);
                fixed += weight.fix_weight * (x - weight.mean);
            }
        }
        (rolled_back, fixed)
    }

    /// The weights by signal, in the order of `SIGNALS`.
    pub(super) fn by_signal(&self) -> impl Iterator<Item = &[Weight]> {
        let mut rest = self.terms.as_slice();
        signals().map(move |signal| {
            let (own, others) = rest.split_at(signal.terms.len());
            rest = others;
            own
        })
    }
}

/// A model as it is written down: nothing is checked yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    version: String,
    fitted_at: DateTime<Utc>,
    intercept: f64,
    base: i32,
    #[serde(default)]
    base_rate: Offset,
    #[serde(default)]
    fix: Head,
    terms: Vec<Weight>,
}

impl TryFrom<ModelFile> for Model {
    type Error = ModelError;

    fn try_from(file: ModelFile) -> Result<Self, ModelError> {
        let ModelFile { version, fitted_at, intercept, base, base_rate, fix, terms } = file;
        in_range("the model", "intercept", intercept)?;
        in_range("the model", "weight of the base rate", base_rate.weight)?;
        in_range("the model", "mean of the base rate", base_rate.mean)?;
        in_range("the model", "intercept of the second head", fix.intercept)?;
        in_range("the model", "weight of the fix rate", fix.fix_rate.weight)?;
        in_range("the model", "mean of the fix rate", fix.fix_rate.mean)?;
        if !(0..=100).contains(&base) {
            return Err(ModelError::Base(base));
        }
        Ok(Self { version, fitted_at, intercept, base, base_rate, fix, terms: in_order(terms)? })
    }
}

/// The weights in the order of `SIGNALS`, each checked.
fn in_order(terms: Vec<Weight>) -> Result<Vec<Weight>, ModelError> {
    let mut by_id = BTreeMap::new();
    for weight in terms {
        checked(&weight)?;
        let id = weight.id.clone();
        if by_id.insert(id.clone(), weight).is_some() {
            return Err(ModelError::DuplicateTerm(id));
        }
    }
    let mut ordered = Vec::with_capacity(by_id.len());
    for term in signals().flat_map(|signal| signal.terms) {
        ordered.push(by_id.remove(term.id).ok_or_else(|| ModelError::MissingTerm(term.id.to_owned()))?);
    }
    match by_id.into_keys().next() {
        Some(unknown) => Err(ModelError::UnknownTerm(unknown)),
        None => Ok(ordered),
    }
}

fn checked(weight: &Weight) -> Result<(), ModelError> {
    in_range(&weight.id, "weight", weight.weight)?;
    in_range(&weight.id, "fix_weight", weight.fix_weight)?;
    in_range(&weight.id, "mean", weight.mean)?;
    in_range(&weight.id, "p10", weight.p10)?;
    in_range(&weight.id, "p90", weight.p90)?;
    if weight.p10 > weight.p90 { Err(ModelError::Percentiles(weight.id.clone())) } else { Ok(()) }
}

fn in_range(term: &str, field: &'static str, number: f64) -> Result<(), ModelError> {
    if number.abs() <= LARGEST { Ok(()) } else { Err(ModelError::OutOfRange { term: term.to_owned(), field }) }
}

fn signals() -> impl Iterator<Item = &'static Signal> {
    signal::SIGNALS.iter().copied()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(edit: impl FnOnce(&mut Value), expected: &str) {
        let mut file: Value = serde_json::from_str(include_str!("baseline.json")).unwrap();
        edit(&mut file);
        assert_eq!(Model::parse(&file.to_string()).unwrap_err().to_string(), expected);
    }

    fn terms(file: &mut Value) -> &mut Vec<Value> {
        file["terms"].as_array_mut().unwrap()
    }

    #[test]
    fn refuses_a_model_that_does_not_fit_the_signals() {
        check(|file| drop(terms(file).remove(0)), "the model has no weight for churn.added");
        check(|file| terms(file)[0]["id"] = json!("churn.mood"), "the model has no weight for churn.added");
        check(
            |file| {
                let mut extra = terms(file)[0].clone();
                extra["id"] = json!("churn.mood");
                terms(file).push(extra);
            },
            "the model weighs churn.mood, which no signal has",
        );
        check(
            |file| {
                let again = terms(file)[0].clone();
                terms(file).push(again);
            },
            "the model weighs churn.added twice",
        );
    }

    #[test]
    fn refuses_numbers_that_cannot_be() {
        check(|file| terms(file)[0]["p10"] = json!(99.0), "p10 of churn.added lies above its p90");
        check(
            |file| terms(file)[1]["weight"] = json!(1e7),
            "weight of churn.deleted is not a number between -1000000 and 1000000",
        );
        check(
            |file| file["intercept"] = json!(-1e300),
            "intercept of the model is not a number between -1000000 and 1000000",
        );
        check(|file| file["base"] = json!(101), "the base is 101, not a score between 0 and 100");
        let infinite =
            include_str!("baseline.json").replacen("\"intercept\": ", "\"intercept\": 1e999, \"intercept\": ", 1);
        assert!(matches!(Model::parse(&infinite), Err(ModelError::Malformed(_))));
        let terms = Model::baseline().terms.clone();
        for bad in [f64::NAN, f64::INFINITY] {
            let mut terms = terms.clone();
            terms[0].mean = bad;
            let expected = ModelError::OutOfRange { term: "churn.added".into(), field: "mean" };
            assert_eq!(in_order(terms), Err(expected));
        }
    }

    #[test]
    fn a_stored_model_from_before_a_signal_weighs_it_nothing() {
        let mut file: Value = serde_json::from_str(include_str!("baseline.json")).unwrap();
        terms(&mut file).retain(|term| term["id"] != LATER[0]);
        let earlier = Model::parse_stored(&file.to_string()).unwrap();
        assert_eq!(earlier.terms().iter().find(|term| term.id == LATER[0]).unwrap().weight, 0.0);
        assert_eq!(Model::parse(&file.to_string()), Err(ModelError::MissingTerm(LATER[0].to_owned())));
        terms(&mut file).remove(0);
        assert_eq!(Model::parse_stored(&file.to_string()), Err(ModelError::MissingTerm("churn.added".to_owned())));
    }

    #[test]
    fn survives_being_written_down() {
        let model = Model::baseline();
        assert_eq!(Model::parse(&serde_json::to_string(model).unwrap()).as_ref(), Ok(model));
        for weight in model.terms() {
            assert!(weight.source.len() > 30, "{} names no source", weight.id);
        }
    }
}
