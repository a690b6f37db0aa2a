//! Prior defects: how many earlier changes to the touched files were rolled back.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, share};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "prior_defects",
    label: "earlier failures here",
    unit: Unit::Ratio,
    why: "Files whose changes were rolled back before are the best predictor of the next rollback.",
    terms: &[Term {
        id: "prior_defects.rate",
        transform: "ln of the rolled back share of earlier changes over the usual 1.35 %, shrunk to it with the weight of 20 changes",
    }],
    measure,
};

/// Share of changes that are rolled back within 30 days, median of fourteen public repositories.
const BASE: f64 = 0.0135;
/// How many changes' worth of evidence the base rate has.
const STRENGTH: f64 = 20.0;

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let rolled_back = history.rolled_back.min(history.changes);
    let rate = (rolled_back as f64 + STRENGTH * BASE) / (history.changes as f64 + STRENGTH);
    let evidence = vec![Evidence::EarlierChanges { changes: history.changes, rolled_back }];
    Measure::single(share(rolled_back, history.changes), (rate / BASE).ln(), evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::History, stories::pull_request};

    #[test]
    fn rates_are_shrunk_to_the_base() {
        let check = |changes: u64, rolled_back: u64, expected: f64| {
            let mut facts = pull_request("x", Vec::new());
            facts.history = Ok(History { changes, rolled_back, files: 1, files_known_to_author: 0 });
            let term = (SIGNAL.measure)(&View::of(&facts)).unwrap().terms[0];
            assert!((term - expected).abs() < 1e-3, "{changes} {rolled_back}: {term}");
        };
        check(0, 0, 0.0);
        check(20, 0, -0.693);
        check(80, 3, 0.885);
        check(10, 99, 3.233);
        check(u64::MAX, u64::MAX, 4.305);
    }
}
