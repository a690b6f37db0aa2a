//! Repository defects: whether this repository's changes fail more often these days.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "repository_defects",
    label: "rollbacks this week",
    unit: Unit::Count,
    why: "Rollbacks come in bursts: what made the last change fail may still be there.",
    terms: &[Term {
        id: "repository_defects.recent",
        transform: "ln(1 + rollbacks in the last 7 days) - ln(1 + those that are usual for as many changes as landed in them)",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let rollbacks = history.rollbacks_7d;
    // The usual rate is no news: 30 is the typical change of this repository.
    let usual = history.base_rate.clamp(0.0, 1.0) * history.changes_7d as f64;
    Measure::single(
        rollbacks as f64,
        ln1p(rollbacks) - usual.ln_1p(),
        vec![Evidence::RollbacksOfLate { rollbacks, usual }],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::History, stories::pull_request};

    #[test]
    fn what_is_usual_is_no_news() {
        let check = |rollbacks_7d: u64, changes_7d: u64, base_rate: f64, expected: f64| {
            let mut facts = pull_request("x", Vec::new());
            facts.history = Ok(History { rollbacks_7d, changes_7d, base_rate, ..History::default() });
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert!((measure.terms[0] - expected).abs() < 1e-12, "{rollbacks_7d} {changes_7d} {base_rate}");
            let usual = base_rate.clamp(0.0, 1.0) * changes_7d as f64;
            assert_eq!(measure.evidence, [Evidence::RollbacksOfLate { rollbacks: rollbacks_7d, usual }]);
        };
        check(0, 0, 0.02, 0.0);
        check(2, 100, 0.02, 0.0);
        check(5, 100, 0.02, 2.0_f64.ln());
        check(0, 100, 0.01, -2.0_f64.ln());
        check(1, 10, f64::INFINITY, 2.0_f64.ln() - 11.0_f64.ln());
    }
}
