//! A simulated year of assessed changes with a known truth: weights that nobody told the champion.

use super::{Assessed, Fate, columns::columns, log_odds, sigmoid};
use crate::{
    outcome::chance::Generator,
    risk::{Model, score_of_terms},
};

const DAY: i64 = 24 * 60 * 60;
pub(crate) const YEAR: i64 = 365 * DAY;
/// Failures show within four hours.
pub(crate) const WINDOW: i64 = 4 * 60 * 60;
/// One in nine typical changes fails, so that a year of one organisation holds enough.
const INTERCEPT: f64 = -2.1;

/// How a term is spread.
#[derive(Clone, Copy)]
enum Shape {
    /// Gaussian around the champion's mean, with this standard deviation.
    Bell(f64),
    /// 1 with this probability, else 0.
    Flag(f64),
}

impl Shape {
    fn sd(self) -> f64 {
        match self {
            Self::Bell(sd) => sd,
            Self::Flag(share) => (share * (1.0 - share)).sqrt(),
        }
    }
}

/// The terms that are known; all others are not.
const TERMS: [(&str, Shape); 8] = [
    ("churn.added", Shape::Bell(1.8)),
    ("diffusion.subsystems", Shape::Bell(0.4)),
    ("change_kind.feature", Shape::Flag(0.3)),
    ("review.unapproved", Shape::Flag(0.3)),
    ("prior_defects.rate", Shape::Bell(0.5)),
    ("experience.unfamiliar", Shape::Flag(0.4)),
    ("age.days", Shape::Bell(1.6)),
    ("burn_rate.above_2x", Shape::Flag(0.15)),
];

/// What is so, and what the champion believes.
pub(crate) struct World {
    pub(crate) champion: Model,
    pub(crate) truth: Model,
    /// Where [`TERMS`] stand among those of the model.
    places: [usize; TERMS.len()],
    generator: Generator,
}

/// What the gate does to a change that scores high.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Gate {
    /// Nothing.
    Open,
    /// Every second one from this score on is held and never deployed.
    Half(u8),
}

impl World {
    /// `hidden` is how far the true weights lie from the champion's: the standard deviation of a normal distribution, in
    /// log-odds for a standard deviation of the term, cut at what one step may reach. The intercept strays by `level`.
    pub(crate) fn new(seed: u64, hidden: f64, level: f64) -> Self {
        let mut generator = Generator::new(seed);
        let mut champion = Model::baseline().clone();
        champion.intercept = INTERCEPT;
        let columns = columns(&champion);
        let mut terms = champion.terms().to_vec();
        for (id, shape) in TERMS {
            let place = place_of(&champion, id);
            let column = columns.iter().find(|column| column.weighs(place)).unwrap();
            terms[place].weight = loop {
                let weight = column.weight + hidden / shape.sd() * normal(&mut generator);
                if (column.low..=column.high).contains(&weight) {
                    break weight;
                }
            };
        }
        let mut truth = champion.clone();
        truth.intercept += level * normal(&mut generator);
        let truth = truth.with("truth".to_owned(), champion.fitted_at, terms).unwrap();
        let places = TERMS.map(|(id, _)| place_of(&champion, id));
        Self { champion, truth, places, generator }
    }

    /// The true weight of a term.
    pub(crate) fn weight(&self, id: &str) -> f64 {
        if id == "base_rate" {
            return self.truth.base_rate.weight;
        }
        self.truth.terms()[place_of(&self.truth, id)].weight
    }

    /// The true probability that a change fails.
    pub(crate) fn rate(&self, row: &Assessed) -> f64 {
        sigmoid(log_odds(&self.truth, &row.terms))
    }

    /// Changes over a year, evenly, labelled at its end.
    pub(crate) fn year(&mut self, changes: usize, gate: Gate) -> Vec<(Assessed, Fate)> {
        (0..changes).map(|place| self.change(place as i64 * (YEAR - DAY) / changes as i64, gate)).collect()
    }

    fn change(&mut self, at: i64, gate: Gate) -> (Assessed, Fate) {
        let mut terms = vec![f64::NAN; self.champion.terms().len() + 2];
        for ((_, shape), place) in TERMS.into_iter().zip(self.places) {
            terms[place] = match shape {
                Shape::Bell(sd) => self.champion.terms()[place].mean + sd * normal(&mut self.generator),
                Shape::Flag(share) => f64::from(u8::from(self.generator.unit() < share)),
            };
        }
        let score = score_of_terms(&self.champion, &terms);
        let fails = self.generator.unit() < sigmoid(log_odds(&self.truth, &terms));
        let after = (self.generator.unit() * WINDOW as f64) as i64;
        let (unlucky, deployed_at) = (self.generator.unit() < 0.5, at + 3_600);
        let held = unlucky && matches!(gate, Gate::Half(threshold) if score >= threshold);
        let fate = Fate {
            superseded: false,
            held,
            deployed_at: (!held).then_some(deployed_at),
            observed_until: Some(YEAR),
            failures: fails
                .then_some((super::Evidence::Incident, 1.0, deployed_at + after))
                .into_iter()
                .filter(|_| !held)
                .collect(),
        };
        let row = Assessed {
            id: at.to_string(),
            at,
            known_at: fate.known_at(WINDOW),
            score,
            floor: 0,
            stated: Some(sigmoid(log_odds(&self.champion, &terms))),
            terms: terms.into(),
            label: fate.label(WINDOW, YEAR),
            overridden: false,
            deployed: true,
            held_s: held.then_some(7_200),
        };
        (row, fate)
    }
}

/// The rows of a year.
pub(crate) fn rows(year: Vec<(Assessed, Fate)>) -> Vec<Assessed> {
    year.into_iter().map(|(row, _)| row).collect()
}

fn place_of(model: &Model, id: &str) -> usize {
    model.terms().iter().position(|weight| weight.id == id).unwrap()
}

/// Standard normal (Box and Muller 1958).
fn normal(generator: &mut Generator) -> f64 {
    let radius = (-2.0 * (1.0 - generator.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * generator.unit()).cos()
}
