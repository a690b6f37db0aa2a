//! Entropy: how evenly the changed lines are spread over the files (Kamei 2013).

use super::{Evidence, Measure, Reading, Signal, Term, Unit};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "entropy",
    label: "scatter",
    unit: Unit::Ratio,
    why: "Lines scattered evenly over many files are harder to follow than the same lines in one place.",
    terms: &[Term {
        id: "entropy.normalised",
        transform: "Shannon entropy of effective lines over files / log2(files); 0 for one file",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    // Files that are not seen could hold all the lines or none: no bound can be given.
    if let Some(unknown) = view.incomplete().or_else(|| view.uncounted()) {
        return Err(unknown);
    }
    let lines = || view.counted().filter(|(_, scan)| scan.lines() > 0);
    let Some((largest, scan)) = lines().max_by_key(|(_, scan)| scan.lines()) else {
        return Measure::single(0.0, 0.0, Vec::new());
    };
    let each: Vec<u64> = lines().map(|(_, scan)| scan.lines()).collect();
    let total: f64 = each.iter().map(|lines| *lines as f64).sum();
    let evidence = vec![Evidence::LargestFile { path: largest.path.clone(), share: scan.lines() as f64 / total }];
    let normalised = normalised(&each);
    Measure::single(normalised, normalised, evidence)
}

/// Entropy of lines by file, none of them without lines, over that of as many files with equally many; 0 for one file.
pub(super) fn normalised(lines: &[u64]) -> f64 {
    if lines.len() < 2 {
        return 0.0;
    }
    let total: f64 = lines.iter().map(|lines| *lines as f64).sum();
    let bits: f64 = lines.iter().map(|lines| *lines as f64 / total).map(|share| -share * share.log2()).sum();
    (bits / (lines.len() as f64).log2()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{file, pull_request};

    #[test]
    fn measures_evenness() {
        let check = |lines: &[u64], expected: f64| {
            let files = lines.iter().enumerate().map(|(n, lines)| file(&format!("src/{n}.rs"), *lines, 0)).collect();
            let facts = pull_request("x", files);
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert!((measure.value - expected).abs() < 1e-3, "{lines:?} {}", measure.value);
        };
        check(&[], 0.0);
        check(&[10], 0.0);
        check(&[10, 10], 1.0);
        check(&[5, 5, 5, 5], 1.0);
        check(&[9, 1], 0.469);
        check(&[10, 10, 0], 1.0);
        check(&[u64::MAX, u64::MAX, 1], 0.631);
    }
}
