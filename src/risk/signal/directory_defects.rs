//! Directory defects: how often earlier changes to files in the touched directories were rolled back.

use super::{Reading, Signal, Term, Thing, Unit, rolled_back};
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
    Ok(rolled_back(history.directories, history.worst_directory.as_ref(), Thing::Directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Failures, History, Rates},
        signal::{Evidence, file_type_defects},
        stories::pull_request,
    };

    #[test]
    fn the_rate_is_weighed_and_the_worst_is_named() {
        let rates = Rates { mean: 2.0_f64.ln(), highest: 9.0 };
        let failures = |name: &str| Failures { name: name.into(), changes: 40, rolled_back: 3 };
        let history = History {
            directories: rates,
            worst_directory: Some(failures("src/pay")),
            extensions: rates,
            worst_extension: Some(failures("ts")),
            ..History::default()
        };
        let mut facts = pull_request("x", Vec::new());
        for (signal, thing, name) in
            [(&SIGNAL, Thing::Directory, "src/pay"), (&file_type_defects::SIGNAL, Thing::FileType, "ts")]
        {
            facts.history = pull_request("x", Vec::new()).history;
            assert!((signal.measure)(&View::of(&facts)).is_err(), "without a history nothing is known");
            facts.history = Ok(history.clone());
            let measure = (signal.measure)(&View::of(&facts)).unwrap();
            assert!((measure.value - 2.0).abs() < 1e-12, "twice as often as usual");
            assert_eq!(measure.terms, [2.0_f64.ln()]);
            assert_eq!(measure.evidence, [Evidence::RolledBack { thing, failures: failures(name) }]);
        }
    }
}
