//! Age: how long the pull request has been open. A draft is noted, without points.

use super::{Evidence, Measure, Reading, Signal, Term, Unit};
use crate::risk::{
    diff::View,
    facts::{Reason, Source, Unknown},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "pull_request_age",
    label: "age",
    unit: Unit::Days,
    why: "The longer a change stays open, the further the code around it moves on.",
    terms: &[Term { id: "pull_request_age.days", transform: "ln(1 + days open)" }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    const SECONDS_PER_DAY: f64 = 86_400.0;
    let change = &view.facts.change;
    let Some(created_at) = change.created_at else {
        return Err(Unknown { source: Source::Diff, reason: Reason::NotApplicable });
    };
    // Clocks differ: what was opened in the future has just been opened.
    let days = (view.facts.at.signed_duration_since(created_at).num_seconds() as f64 / SECONDS_PER_DAY).max(0.0);
    let mut evidence = vec![Evidence::OpenFor { days }];
    if change.draft {
        evidence.push(Evidence::Draft);
    }
    Measure::single(days, days.ln_1p(), evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{now, pull_request};

    #[test]
    fn counts_days() {
        let check = |hours: i64, draft: bool, days: f64| {
            let mut facts = pull_request("x", Vec::new());
            facts.change.created_at = Some(now() - chrono::TimeDelta::hours(hours));
            facts.change.draft = draft;
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!((measure.value, measure.terms[0]), (days, days.ln_1p()));
            assert_eq!(measure.evidence.contains(&Evidence::Draft), draft);
        };
        check(0, false, 0.0);
        check(36, true, 1.5);
        check(-5, false, 0.0);
        let mut local = pull_request("x", Vec::new());
        local.change.created_at = None;
        assert_eq!((SIGNAL.measure)(&View::of(&local)).unwrap_err().reason, Reason::NotApplicable);
    }
}
