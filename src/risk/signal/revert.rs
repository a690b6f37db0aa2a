//! Revert: whether the change takes back an earlier one, and whether its patch proves that.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "revert",
    label: "revert",
    unit: Unit::Flag,
    why: "An exact inverse brings back a state that ran before; a title alone promises nothing.",
    terms: &[
        Term { id: "revert.proven", transform: "1 when the patch is the exact inverse of what it says it undoes" },
        Term { id: "revert.claimed", transform: "1 when it says that it undoes something and that is not proven" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let Some(revert) = view.facts.change.revert.as_ref().map_err(Clone::clone)? else {
        return Ok(Measure { value: 0.0, terms: vec![0.0, 0.0], evidence: Vec::new() });
    };
    let proven = revert.proven.clone()?;
    let evidence = vec![Evidence::Undoes { of: revert.of.clone(), proven }];
    Ok(Measure { value: 1.0, terms: vec![flag(proven), flag(!proven)], evidence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Known, Revert, Source, Unknown},
        stories::pull_request,
    };

    #[test]
    fn a_title_proves_nothing() {
        let check = |proven: Known<bool>, expected: Known<Vec<f64>>| {
            let mut facts = pull_request("x", Vec::new());
            facts.change.revert = Ok(Some(Revert { of: "#41".into(), proven }));
            assert_eq!((SIGNAL.measure)(&View::of(&facts)).map(|measure| measure.terms), expected);
        };
        check(Ok(true), Ok(vec![1.0, 0.0]));
        check(Ok(false), Ok(vec![0.0, 1.0]));
        let unknown = Unknown::not_connected(Source::Diff);
        check(Err(unknown.clone()), Err(unknown));
        let mut facts = pull_request("Revert \"x\"", Vec::new());
        facts.change.revert = Ok(None);
        assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms, [0.0, 0.0]);
        facts.change.revert = Err(Unknown::not_connected(Source::Diff));
        assert!((SIGNAL.measure)(&View::of(&facts)).is_err());
    }
}
