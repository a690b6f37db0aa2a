//! Churn: how many lines change, without those that say nothing about risk.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "churn",
    label: "size",
    unit: Unit::Lines,
    why: "Larger changes hold more mistakes and are reviewed less thoroughly.",
    terms: &[
        Term { id: "churn.added", transform: "ln(1 + effective added lines outside tests and docs)" },
        Term { id: "churn.deleted", transform: "ln(1 + effective deleted lines outside tests and docs)" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    if let Some(unknown) = view.unread().or_else(|| view.uncounted()) {
        return Err(unknown);
    }
    let diff = view.diff();
    // What is shown is what is weighed; the rest is named beside it.
    let weighed = diff.added.saturating_add(diff.deleted);
    let mut evidence = vec![Evidence::Lines {
        added: diff.added,
        deleted: diff.deleted,
        beside: diff.lines().saturating_sub(weighed),
        discounted: diff.discounted,
    }];
    // What was given is a lower bound: it counts for what it is, and the report says that there is more.
    evidence.extend(view.partly());
    Ok(Measure { value: weighed as f64, terms: vec![ln1p(diff.added), ln1p(diff.deleted)], evidence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{FileChange, Reason, Source, Unknown},
        stories::{file, pull_request},
    };

    /// Contents that are not here are no change of 0 lines.
    #[test]
    fn lines_that_were_not_read_are_unknown() {
        let unknown = Unknown { source: Source::Diff, reason: Reason::Unavailable("not here".to_owned()) };
        let unread = |path: &str| FileChange { patch: Err(unknown.clone()), ..file(path, 0, 0) };
        let measure = |files| (SIGNAL.measure)(&View::of(&pull_request("x", files)));
        assert_eq!(measure(vec![unread("src/a.rs"), unread("src/b.rs")]).unwrap_err(), unknown);
        // What is known of one file is a lower bound.
        assert_eq!(measure(vec![unread("src/a.rs"), file("src/b.rs", 3, 1)]).unwrap().value, 4.0);
    }

    #[test]
    fn counts_effective_lines() {
        let files = [("src/a.rs", 10, 4), ("tests/a.rs", 7, 0), ("README.md", 3, 1), ("go.sum", 90, 80)];
        let mut facts = pull_request("x", files.map(|(path, added, deleted)| file(path, added, deleted)).into());
        let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert_eq!((measure.value, measure.terms), (14.0, vec![ln1p(10), ln1p(4)]));
        assert_eq!(measure.evidence, [Evidence::Lines { added: 10, deleted: 4, beside: 11, discounted: 170 }]);
        facts.change.files_total = 9;
        let partial = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert_eq!(partial.evidence[1], Evidence::Partly { seen: 4, total: 9, of: "files" });
        facts.change.files.clear();
        assert!((SIGNAL.measure)(&View::of(&facts)).is_err());
        facts.change.files = vec![file("a.rs", u64::MAX, u64::MAX), file("b.rs", u64::MAX, u64::MAX)];
        assert!((SIGNAL.measure)(&View::of(&facts)).unwrap().value.is_finite());
    }
}
