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
