//! Change window: whether a declared freeze is in force. Weekday and hour are noted without points, since they
//! predict nothing.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "change_window",
    label: "freeze",
    unit: Unit::Flag,
    why: "The repository declares times in which a failure would cost more or find fewer people.",
    terms: &[Term { id: "change_window.frozen", transform: "1 while a declared freeze is in force" }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let at = view.facts.at;
    let mut evidence: Vec<Evidence> = view
        .facts
        .declared
        .freezes
        .iter()
        .filter(|freeze| freeze.from <= at && at < freeze.until)
        .map(|freeze| Evidence::Frozen { name: freeze.name.clone(), until: freeze.until })
        .collect();
    let frozen = flag(!evidence.is_empty());
    evidence.push(Evidence::MergeTime { at: at.format("%A %H:%M UTC").to_string() });
    Measure::single(frozen, frozen, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{freeze, pull_request};

    #[test]
    fn a_freeze_holds_from_its_first_instant_until_before_its_end() {
        let check = |from: i64, until: i64, frozen: f64| {
            let mut facts = pull_request("x", Vec::new());
            facts.declared.freezes = vec![freeze(from, until)];
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!((measure.value, measure.terms[0]), (frozen, frozen), "{from} {until}");
            assert_eq!(measure.evidence.last(), Some(&Evidence::MergeTime { at: "Tuesday 10:00 UTC".into() }));
        };
        check(-1, 1, 1.0);
        check(0, 1, 1.0);
        check(-1, 0, 0.0);
        check(1, 2, 0.0);
        check(1, -1, 0.0);
    }
}
