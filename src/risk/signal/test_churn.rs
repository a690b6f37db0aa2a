//! Test churn: whether tests change along with the source.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p, share};
use crate::risk::{diff::View, paths::PathKind};

pub(super) static SIGNAL: Signal = Signal {
    id: "test_churn",
    label: "tests changed along",
    unit: Unit::Ratio,
    why: "Source that changes without its tests is checked by nobody but the reviewer.",
    terms: &[Term {
        id: "test_churn.untested",
        transform: "ln(1 + effective added source lines) when at least 10 were added and no test line changed, else 0",
    }],
    measure,
};

/// Below this, a change is often too small to need a test of its own.
const FEW_LINES: u64 = 10;

fn measure(view: &View<'_>) -> Reading {
    if let Some(unknown) = view.unread().or_else(|| view.uncounted()) {
        return Err(unknown);
    }
    let (mut source, mut test, mut added) = (0_u64, 0_u64, 0_u64);
    for (_, scan) in view.counted() {
        match scan.kind {
            PathKind::Test => test = test.saturating_add(scan.lines()),
            PathKind::Source => {
                test = test.saturating_add(scan.tests);
                source = source.saturating_add(scan.lines().saturating_sub(scan.tests));
                added = added.saturating_add(scan.added.saturating_sub(scan.tests_added));
            }
            _ => {}
        }
    }
    let untested = test == 0 && added >= FEW_LINES;
    if let Some(unknown) = view.incomplete().filter(|_| untested) {
        // The tests may be among the files that were not given.
        return Err(unknown);
    }
    let term = if untested { ln1p(added) } else { 0.0 };
    let value = share(test, test.saturating_add(source));
    Measure::single(value, term, vec![Evidence::TestsAlong { source, test }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::FileChange,
        stories::{file, pull_request},
    };

    #[test]
    fn source_without_tests_is_untested() {
        let check = |files: Vec<FileChange>, value: f64, term: f64| {
            let facts = pull_request("x", files);
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!((measure.value, measure.terms[0]), (value, term), "{:?}", facts.change.files);
        };
        check(vec![file("src/a.rs", 30, 0)], 0.0, ln1p(30));
        check(vec![file("src/a.rs", 9, 90)], 0.0, 0.0);
        check(vec![file("src/a.rs", 30, 0), file("tests/a.rs", 10, 0)], 0.25, 0.0);
        check(vec![file("src/a.rs", 30, 0), file("tests/a.rs", 0, 10)], 0.25, 0.0);
        check(vec![file("values.yaml", 300, 0), file("README.md", 30, 0)], 0.0, 0.0);
        check(vec![file("tests/a.rs", 30, 0)], 1.0, 0.0);
        check(Vec::new(), 0.0, 0.0);
    }

    #[test]
    fn tests_may_be_among_files_that_were_not_given() {
        let mut facts = pull_request("x", vec![file("src/a.rs", 30, 0)]);
        facts.change.files_total = 2;
        assert!((SIGNAL.measure)(&View::of(&facts)).is_err());
        facts.change.files.push(file("tests/a.rs", 1, 0));
        facts.change.files_total = 3;
        assert!((SIGNAL.measure)(&View::of(&facts)).is_ok());
    }
}
