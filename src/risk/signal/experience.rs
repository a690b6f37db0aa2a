//! Experience: how many of the touched files the author has changed before. Nothing else about a person is read.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, share};
use crate::risk::{
    diff::View,
    facts::{Reason, Source, Unknown},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "experience",
    label: "familiarity",
    unit: Unit::Ratio,
    why: "Code that the author sees for the first time holds surprises; a second reader who knows it helps.",
    terms: &[Term {
        id: "experience.unfamiliar",
        transform: "1 - share of the touched files that the author changed before",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    if history.files == 0 {
        // Nobody can have changed files that are new.
        return Err(Unknown { source: Source::History, reason: Reason::NotApplicable });
    }
    let known = history.files_known_to_author.min(history.files);
    let familiar = share(known, history.files);
    Measure::single(familiar, 1.0 - familiar, vec![Evidence::Familiarity { files: history.files, known }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::History, stories::pull_request};

    #[test]
    fn counts_files_that_existed() {
        let check = |files: u64, known: u64, expected: Option<f64>| {
            let mut facts = pull_request("x", Vec::new());
            facts.history = Ok(History { changes: 5, rolled_back: 0, files, files_known_to_author: known });
            let term = (SIGNAL.measure)(&View::of(&facts)).ok().map(|measure| measure.terms[0]);
            assert_eq!(term, expected, "{files} {known}");
        };
        check(4, 1, Some(0.75));
        check(4, 0, Some(1.0));
        check(4, 9, Some(0.0));
        check(0, 0, None);
    }
}
