//! Prior defects: how often earlier changes to the touched files were rolled back, and how lately.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, times};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "prior_defects",
    label: "earlier failures here",
    unit: Unit::Times,
    why: "Files whose changes were rolled back before are the best predictor of the next rollback.",
    terms: &[
        Term {
            id: "prior_defects.rate",
            transform: "mean over the touched files of ln(share of changes rolled back / the repository's share), each shrunk to it with the weight of 20 changes, half-life 180 days",
        },
        Term {
            id: "prior_defects.recent",
            transform: "ln(1 + rollbacks of the touched file with most of them, half-life 180 days)",
        },
        Term {
            id: "prior_defects.recency",
            transform: "2^(-days since a change to a touched file was rolled back / 90), 0 where none was",
        },
    ],
    measure,
};

/// A thing that changes may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// An extension.
    FileType,
    /// A word of the title.
    Word,
}

/// Days after which a rollback counts half.
const HALF_LIFE_DAYS: f64 = 90.0;

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let recency = history.rollback_days.map_or(0.0, |days| (-days.max(0.0) / HALF_LIFE_DAYS).exp2());
    let terms = vec![history.files.mean, history.rollbacks_recent.max(0.0).ln_1p(), recency];
    let evidence = match &history.worst_file {
        Some(worst) => vec![Evidence::RolledBack { thing: Thing::File, failures: worst.clone() }],
        None => vec![Evidence::NeverRolledBack { files: history.existing }],
    };
    Ok(Measure { value: times(history.files.mean), terms, evidence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Failures, History, Rates},
        stories::pull_request,
    };

    #[test]
    fn failures_are_told_by_the_worst_file() {
        let mut facts = pull_request("x", Vec::new());
        let check = |facts: &_, value: f64, terms: [f64; 3], evidence: Evidence| {
            let measure = (SIGNAL.measure)(&View::of(facts)).unwrap();
            assert_eq!((measure.value, measure.terms, measure.evidence), (value, terms.to_vec(), vec![evidence]));
        };
        facts.history = Ok(History { existing: 3, ..History::default() });
        check(&facts, 1.0, [0.0; 3], Evidence::NeverRolledBack { files: 3 });
        let worst = Failures { name: "src/pay.rs".into(), changes: 9, rolled_back: 2 };
        facts.history = Ok(History {
            files: Rates { mean: 0.0, highest: 1.0 },
            worst_file: Some(worst.clone()),
            rollbacks_recent: 1.0,
            rollback_days: Some(180.0),
            ..History::default()
        });
        let evidence = Evidence::RolledBack { thing: Thing::File, failures: worst };
        check(&facts, 1.0, [0.0, 2.0_f64.ln(), 0.25], evidence);
    }
}
