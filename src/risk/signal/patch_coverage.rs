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
