//! Co-change: files that usually change with the touched ones and are not touched.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "co_change",
    label: "usual companions missing",
    unit: Unit::Count,
    why: "Where two files have always changed together, changing one alone may be half a change.",
    terms: &[Term {
        id: "co_change.missing",
        transform: "ln(1 + untouched files that changed in 60 % or more, and 4 or more, of the last 20 changes to a touched file)",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let missing = history.missing.len() as u64;
    let evidence = history.missing.iter().cloned().map(Evidence::CoChange).collect();
    Measure::single(missing as f64, ln1p(missing), evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{CoChange, History},
        stories::pull_request,
    };

    #[test]
    fn each_missing_companion_is_named() {
        let mut facts = pull_request("x", Vec::new());
        let companion = |path: &str| CoChange { path: path.to_owned(), with: "a.rs".to_owned(), together: 5, of: 6 };
        let missing = vec![companion("a.md"), companion("b.rs")];
        facts.history = Ok(History { missing: missing.clone(), ..History::default() });
        let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert_eq!((measure.value, measure.terms), (2.0, vec![ln1p(2)]));
        assert_eq!(measure.evidence, missing.into_iter().map(Evidence::CoChange).collect::<Vec<_>>());
    }
}
