//! Developers: how many people have changed the touched files, and how many besides the author do so these days.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "developers",
    label: "many hands",
    unit: Unit::Count,
    why: "Files that many people change hold assumptions that no one of them knows all of.",
    terms: &[
        Term { id: "developers.before", transform: "ln(1 + people who have changed any touched file before)" },
        Term {
            id: "developers.now",
            transform: "ln(1 + people besides the author who have changed one in the last 14 days)",
        },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    if let Some(unknown) = history.without_author() {
        return Err(unknown);
    }
    let (people, others) = (history.developers, history.others_14d);
    let evidence = vec![Evidence::Developers { people, others_14d: others }];
    Ok(Measure { value: people as f64, terms: vec![ln1p(people), ln1p(others)], evidence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::History, stories::pull_request};

    #[test]
    fn people_before_and_people_now() {
        let mut facts = pull_request("x", Vec::new());
        facts.history = Ok(History { developers: 3, others_14d: 1, ..History::default() });
        let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
        assert_eq!((measure.value, measure.terms), (3.0, vec![ln1p(3), ln1p(1)]));
        assert_eq!(measure.evidence, [Evidence::Developers { people: 3, others_14d: 1 }]);
        // Who the others are cannot be told where nobody is the author.
        facts.history.as_mut().unwrap().authorless = true;
        assert!((SIGNAL.measure)(&View::of(&facts)).is_err());
    }
}
