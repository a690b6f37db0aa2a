//! Age: how long ago and how often the touched files were changed.

use super::{Evidence, Measure, Reading, Signal, Term, Unit};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "age",
    label: "age of the files",
    unit: Unit::Days,
    why: "What changes all the time is not settled; what was left alone for years is not remembered.",
    terms: &[
        Term {
            id: "age.days",
            transform: "ln(1 + days since any touched file was last changed), as after a year where none existed",
        },
        Term {
            id: "age.churn",
            transform: "ln(1 + earlier changes to the touched file with most of them, half-life 180 days)",
        },
    ],
    measure,
};

/// Days since the last change of what never was.
const NEVER: f64 = 365.0;

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let days = history.change_days.map(|days| days.max(0.0));
    let churn = history.churn.max(0.0);
    let evidence = vec![Evidence::LastChanged { days, churn }];
    Ok(Measure { value: days.unwrap_or(0.0), terms: vec![days.unwrap_or(NEVER).ln_1p(), churn.ln_1p()], evidence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::History, stories::pull_request};

    #[test]
    fn what_never_was_is_as_old_as_a_year() {
        let check = |change_days: Option<f64>, churn: f64, expected: [f64; 2]| {
            let mut facts = pull_request("x", Vec::new());
            facts.history = Ok(History { change_days, churn, ..History::default() });
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!(measure.terms, expected.map(f64::ln_1p), "{change_days:?} {churn}");
        };
        check(None, 0.0, [365.0, 0.0]);
        check(Some(0.0), 12.5, [0.0, 12.5]);
        check(Some(90.0), 1.0, [90.0, 1.0]);
        // Clocks differ.
        check(Some(-3.0), -1.0, [0.0, 0.0]);
    }
}
