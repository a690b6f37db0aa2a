//! Patch coverage: the share of changed executable lines that tests ran.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, share};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "patch_coverage",
    label: "patch coverage",
    unit: Unit::Ratio,
    why: "Changed lines that no test ran reach production unobserved.",
    terms: &[Term {
        id: "patch_coverage.uncovered",
        transform: "1 - share of changed executable lines that tests ran; 0 below 10 such lines",
    }],
    measure,
};

/// With fewer lines a percentage says more about rounding than about tests.
const FEW_LINES: u64 = 10;

fn measure(view: &View<'_>) -> Reading {
    let coverage = view.facts.coverage.as_ref().map_err(Clone::clone)?;
    let covered = coverage.covered.min(coverage.executable);
    // Nothing to run is nothing left unrun.
    let ratio = if coverage.executable == 0 { 1.0 } else { share(covered, coverage.executable) };
    let uncovered = if coverage.executable < FEW_LINES { 0.0 } else { 1.0 - ratio };
    let evidence = vec![Evidence::CoveredLines { executable: coverage.executable, covered }];
    Measure::single(ratio, uncovered, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::Coverage, stories::pull_request};

    #[test]
    fn few_lines_say_nothing() {
        let check = |executable: u64, covered: u64, value: f64, term: f64| {
            let mut facts = pull_request("x", Vec::new());
            facts.coverage = Ok(Coverage { executable, covered });
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!((measure.value, measure.terms[0]), (value, term), "{executable} {covered}");
        };
        check(0, 0, 1.0, 0.0);
        check(9, 0, 0.0, 0.0);
        check(10, 0, 0.0, 1.0);
        check(20, 15, 0.75, 0.25);
        check(10, 99, 1.0, 0.0);
    }
}
