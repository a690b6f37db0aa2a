//! Re-land: whether the change brings back what was taken out.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{diff::View, revert};

pub(super) static SIGNAL: Signal = Signal {
    id: "reland",
    label: "re-land",
    unit: Unit::Flag,
    why: "What was rolled back once comes back with the reason for it, unless somebody found that.",
    terms: &[Term {
        id: "reland.claimed",
        transform: "1 when the title takes back a revert or says that it lands again",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let again = revert::brings_back(&view.facts.change.title);
    Measure::single(flag(again), flag(again), again.then_some(Evidence::Relands).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::pull_request;

    #[test]
    fn a_revert_of_a_revert_and_what_lands_again_are_told_by_their_titles() {
        let check = |title: &str, expected: bool| {
            let facts = pull_request(title, Vec::new());
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!(
                (measure.terms, measure.evidence.len()),
                (vec![flag(expected)], usize::from(expected)),
                "{title}"
            );
        };
        check("Revert \"Revert \"Round payments\"\"", true);
        check("Reland \"Round payments\"", true);
        check("Revert \"Round payments\"", false);
        check("Round payments", false);
    }
}
