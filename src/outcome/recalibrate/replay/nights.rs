//! The nights of a replay, and what is in force after each.

use super::{
    super::{Assessed, LATEST, Lineage, Platt, Verdict, challenge, judge::verdict, log_odds, sigmoid},
    report::{Arm, Rated, Report, Way},
};
use crate::risk::{Model, score_of_terms};

const DAY: i64 = 24 * 60 * 60;

/// What one way has in force.
struct InForce {
    way: Way,
    model: Model,
    platt: Platt,
    /// Log-odds of all rows by the model.
    log_odds: Vec<f64>,
    rated: Vec<Rated>,
    versions: u64,
}

pub(super) struct Nights<'r> {
    shipped: &'r Model,
    rows: &'r [Assessed],
    fixes: &'r [Option<bool>],
    fix_log_odds: &'r [f64],
    fix_platt: Platt,
    fix_rated: Vec<(f64, f64)>,
    ways: [InForce; 4],
    /// The next night, unix seconds.
    next: i64,
    /// The next night on which weights are fitted.
    weights_next: i64,
    weights_every: i64,
    /// Rows whose outcome is known; they are the first ones.
    known: usize,
}

impl<'r> Nights<'r> {
    pub(super) fn new(
        shipped: &'r Model,
        rows: &'r [Assessed],
        fixes: &'r [Option<bool>],
        fix_log_odds: &'r [f64],
        weights_every_days: u32,
    ) -> Self {
        let first = rows.first().map_or(0, |row| row.at);
        let by_model: Vec<f64> = rows.iter().map(|row| log_odds(shipped, &row.terms)).collect();
        let in_force = |way| InForce {
            way,
            model: shipped.clone(),
            platt: Platt::IDENTITY,
            log_odds: by_model.clone(),
            rated: Vec::with_capacity(rows.len()),
            versions: 0,
        };
        Self {
            shipped,
            rows,
            fixes,
            fix_log_odds,
            fix_platt: Platt::IDENTITY,
            fix_rated: Vec::with_capacity(rows.len()),
            ways: Way::ALL.map(in_force),
            next: first,
            weights_next: first,
            weights_every: i64::from(weights_every_days.max(1)) * DAY,
            known: 0,
        }
    }

    /// Lives through all nights up to an instant.
    pub(super) fn until(&mut self, at: i64) {
        while self.next <= at {
            self.night(self.next);
            self.next = self.next.saturating_add(DAY);
        }
    }

    fn night(&mut self, now: i64) {
        let before = self.known;
        // All rows take equally long to ripen, so that they do it in their order.
        self.known = self.rows.partition_point(|row| row.known_at.is_some_and(|known| known <= now));
        let weights = self.weights_next <= now;
        if weights {
            self.weights_next = now.saturating_add(self.weights_every);
        }
        if self.known == before {
            return;
        }
        let rows = self.rows;
        let known: Vec<&Assessed> = if weights { rows[..self.known].iter().collect() } else { Vec::new() };
        for way in &mut self.ways {
            if weights && let Some(model) = way.learned(&known, self.shipped, now) {
                way.log_odds = rows.iter().map(|row| log_odds(&model, &row.terms)).collect();
                way.model = model;
                way.versions += 1;
            }
            if way.way != Way::Nothing {
                way.platt = latest(&way.log_odds, self.known, |place| rows[place].outcome(now));
            }
        }
        let fixes = self.fixes;
        self.fix_platt =
            latest(self.fix_log_odds, self.known, |place| fixes[place].map(|fixed| f64::from(u8::from(fixed))));
    }

    /// Scores and rates a change by what is in force.
    pub(super) fn rate(&mut self, place: usize) {
        for way in &mut self.ways {
            let score = score_of_terms(&way.model, &self.rows[place].terms);
            way.rated.push(Rated { score, rate: way.platt.probability(way.log_odds[place]) });
        }
        let stated = self.fix_log_odds[place];
        self.fix_rated.push((sigmoid(stated), self.fix_platt.probability(stated)));
    }

    pub(super) fn report(self, repository: &str) -> Report {
        let failed: Vec<bool> = self.rows.iter().map(|row| row.label.failed() == Some(1.0)).collect();
        let arms = self.ways.map(|way| Arm { way: way.way, versions: way.versions, rated: way.rated });
        Report::of(repository, self.rows, &failed, arms, self.fixes, &self.fix_rated)
    }
}

impl InForce {
    /// The model that is in force from this night on, if it is another one.
    fn learned(&self, known: &[&Assessed], prior: &Model, now: i64) -> Option<Model> {
        let lineage = Lineage { prior, champion: &self.model };
        let fitted = || Some(challenge(known, lineage, now, "learned").ok()?.model);
        match self.way {
            Way::Nothing | Way::Rates => None,
            Way::Every => fitted(),
            Way::Better => match verdict(known, lineage, now) {
                Verdict::Proposed => fitted(),
                Verdict::Back => Some(prior.clone()),
                Verdict::TooFew | Verdict::NotBetter | Verdict::RanksWorse | Verdict::TooSoon => None,
            },
        }
    }
}

/// Rates corrected by the latest outcomes among the first `known` rows.
fn latest(log_odds: &[f64], known: usize, outcome: impl Fn(usize) -> Option<f64>) -> Platt {
    let latest = (0..known).rev().filter_map(|place| Some((log_odds[place], outcome(place)?))).take(LATEST);
    let mut latest: Vec<(f64, f64)> = latest.collect();
    latest.reverse();
    Platt::of(&latest)
}
