//! Directory defects: how often earlier changes to files in the touched directories were rolled back.

use super::{Evidence, Measure, Reading, Signal, Term, Thing, Unit, times};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "directory_defects",
    label: "failures in these directories",
    unit: Unit::Times,
    why: "What is hard to change in one file is mostly so in the files beside it.",
    terms: &[Term {
        id: "directory_defects.rate",
        transform: "mean over the touched directories of ln(share of changes rolled back / the repository's share), each shrunk to it with the weight of 20 changes, half-life 180 days",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let evidence = history
        .worst_directory
        .iter()
        .cloned()
        .map(|failures| Evidence::RolledBack { thing: Thing::Directory, failures })
        .collect();
    Ok(Measure { value: times(history.directories.mean), terms: vec![history.directories.mean], evidence })
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
        let failures = Failures { name: "src/pay".into(), changes: 40, rolled_back: 3 };
        facts.history = Ok(History {
            directories: Rates { mean: 2.0_f64.ln(), highest: 9.0 },
            worst_directory: Some(failures.clone()),
            ..History::default()
        });
        let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert!((measure.value - 2.0).abs() < 1e-12, "twice as often as usual");
        assert_eq!(measure.terms, [2.0_f64.ln()]);
        assert_eq!(measure.evidence, [Evidence::RolledBack { thing: Thing::Directory, failures }]);
    }
}
