//! File type defects: how often earlier changes to files with these extensions were rolled back.

use super::{Evidence, Measure, Reading, Signal, Term, Thing, Unit, times};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "file_type_defects",
    label: "failures of these file types",
    unit: Unit::Times,
    why: "Some kinds of files fail more often in a repository than others, such as its build files.",
    terms: &[Term {
        id: "file_type_defects.rate",
        transform: "mean over the extensions of the touched files of ln(share of changes rolled back / the repository's share), each shrunk to it with the weight of 20 changes, half-life 180 days",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let evidence = history
        .worst_extension
        .iter()
        .cloned()
        .map(|failures| Evidence::RolledBack { thing: Thing::FileType, failures })
        .collect();
    Ok(Measure { value: times(history.extensions.mean), terms: vec![history.extensions.mean], evidence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Failures, History, Rates},
        stories::pull_request,
    };

    #[test]
    fn the_rate_is_weighed_and_the_worst_is_named() {
        let mut facts = pull_request("x", Vec::new());
        assert!((SIGNAL.measure)(&View::of(&facts)).is_err(), "without a history nothing is known");
        let failures = Failures { name: "ts".into(), changes: 40, rolled_back: 3 };
        facts.history = Ok(History {
            extensions: Rates { mean: 2.0_f64.ln(), highest: 9.0 },
            worst_extension: Some(failures.clone()),
            ..History::default()
        });
        let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert!((measure.value - 2.0).abs() < 1e-12, "twice as often as usual");
        assert_eq!(measure.terms, [2.0_f64.ln()]);
        assert_eq!(measure.evidence, [Evidence::RolledBack { thing: Thing::FileType, failures }]);
    }
}
