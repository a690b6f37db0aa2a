//! Topic defects: how often earlier changes whose titles share words with this one's were rolled back.

use super::{Reading, Signal, Term, Thing, Unit, rolled_back};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "topic_defects",
    label: "failures of this topic",
    unit: Unit::Times,
    why: "Work on one subject tends to fail again until it is settled.",
    terms: &[
        Term {
            id: "topic_defects.rate",
            transform: "mean over the words of the title of ln(share of changes rolled back / the repository's share), each shrunk to it with the weight of 20 changes, half-life 180 days",
        },
        Term { id: "topic_defects.highest", transform: "the highest of these" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let mut measure = rolled_back(history.topics, history.worst_word.as_ref(), Thing::Word);
    measure.terms.push(history.topics.highest);
    Ok(measure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Failures, History, Rates},
        signal::Evidence,
        stories::pull_request,
    };

    #[test]
    fn the_mean_and_the_worst_word_are_weighed() {
        let mut facts = pull_request("x", Vec::new());
        assert!((SIGNAL.measure)(&View::of(&facts)).is_err(), "without a history nothing is known");
        let failures = Failures { name: "retry".into(), changes: 31, rolled_back: 3 };
        facts.history = Ok(History {
            topics: Rates { mean: 2.0_f64.ln(), highest: 1.5 },
            worst_word: Some(failures.clone()),
            ..History::default()
        });
        let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert_eq!(measure.terms, [2.0_f64.ln(), 1.5]);
        assert_eq!(measure.evidence, [Evidence::RolledBack { thing: Thing::Word, failures }]);
    }
}
