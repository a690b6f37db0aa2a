//! Learning from a million assessments of 40 known terms: fitting them, correcting their rates, reporting on them; and what
//! a challenger in shadow would cost beside an assessment. Each is done once or a few times, and the clock is the wall's.

use std::{hint::black_box, time::Instant};

use mergecast::{
    outcome::recalibrate::{
        Assessed, Evidence, Failure, Label, Lineage, challenge, judge, log_odds, rates,
        record::{Asked, record},
    },
    risk::{Model, score_of_terms},
};

const CHANGES: usize = 1_000_000;
const KNOWN_TERMS: usize = 40;
const YEAR_S: i64 = 365 * 24 * 60 * 60;
const WINDOW_S: i64 = 4 * 60 * 60;

fn main() {
    let model = Model::baseline();
    let changes = timed("making them", || assessed(model));
    let all: Vec<&Assessed> = changes.iter().collect();
    let failed = changes.iter().filter(|one| one.label != Label::Clean).count();
    println!("{CHANGES} assessments of {KNOWN_TERMS} known terms, {failed} failed");
    let lineage = Lineage::first(model);
    let found = timed("fitting", || challenge(&all, lineage, YEAR_S, "bench").expect("enough is known"));
    println!("  {} weights moved, strength {}", found.moved.len(), found.strength);
    let platt = timed("correcting rates", || rates(&changes, &found.model, YEAR_S));
    let asked = Asked { since: 0, now: YEAR_S, threshold: 70 };
    let read = timed("the report", || record(&changes, model, platt, asked));
    println!("  {} of {} assessed have an outcome", read.counts.failed + read.counts.clean, read.counts.assessed);
    let tenth = &changes[..CHANGES / 10];
    timed("judging 100,000 of them, five fits", || judge(tenth, lineage, YEAR_S, "bench").expect("enough is known"));
    timed("the score of each by a challenger in shadow", || {
        changes.iter().map(|one| u64::from(score_of_terms(black_box(&found.model), &one.terms))).sum::<u64>()
    });
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    done
}

/// Changes over a year whose first known terms are spread around their means; one in about ten fails, by the model's own
/// weights half as strong again.
fn assessed(model: &Model) -> Vec<Assessed> {
    let mut state = 20_261_126_u64;
    // Lehmer's generator in 64 bits: a benchmark needs no better one.
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let change = |place: usize| {
        let mut terms = vec![f64::NAN; model.terms().len() + 2];
        for (x, weight) in terms.iter_mut().zip(model.terms()).take(KNOWN_TERMS) {
            *x = weight.mean + (weight.p90 - weight.p10).max(1.0) * (unit() - 0.5);
        }
        let odds = 1.5 * (log_odds(model, &terms) - model.intercept) - 2.2;
        let at = (place as i64) * (YEAR_S - 2 * WINDOW_S) / CHANGES as i64;
        let failed = unit() < 1.0 / (1.0 + (-odds).exp());
        let failure = Failure { by: Evidence::Incident, certainty: 1.0, after_s: 60 };
        Assessed {
            id: place.to_string(),
            at,
            known_at: Some(at + WINDOW_S),
            score: score_of_terms(model, &terms),
            floor: 0,
            stated: Some(1.0 / (1.0 + (-log_odds(model, &terms)).exp())),
            label: if failed { Label::Failed(failure) } else { Label::Clean },
            terms: terms.into(),
            overridden: place.is_multiple_of(100),
            deployed: true,
            held_s: None,
        }
    };
    (0..CHANGES).map(change).collect()
}
