//! Series: what the same author does in the same places within a day, landed or in other pull requests, counted with
//! this change. A large change does not get safer by being made in pieces.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::{
    diff::View,
    facts::{Facts, Reason, Series, SeriesPart, Source, Unknown},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "series",
    label: "part of a series",
    unit: Unit::Count,
    why: "Several changes to one place in a day are one change for whoever has to find what broke.",
    terms: &[
        Term {
            id: "series.added",
            transform: "how much larger churn.added is when the lines of the author's changes in the same places within 24 hours are added",
        },
        Term { id: "series.deleted", transform: "the same for churn.deleted" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let (landed, parts) = others(view.facts)?;
    let diff = view.diff();
    let sum = |lines: fn(&SeriesPart) -> u64| parts.iter().map(lines).fold(0, u64::saturating_add);
    let larger = |own: u64, others: u64| ln1p(own.saturating_add(others)) - ln1p(own);
    let terms = vec![
        larger(diff.added, landed.added.saturating_add(sum(|part| part.added))),
        larger(diff.deleted, landed.deleted.saturating_add(sum(|part| part.deleted))),
    ];
    let value = landed.changes as f64 + parts.len() as f64;
    let mut evidence = Vec::new();
    if landed.changes > 0 {
        evidence.push(Evidence::Series(landed));
    }
    if !parts.is_empty() {
        evidence.push(Evidence::SeriesParts(parts));
    }
    Ok(Measure { value, terms, evidence })
}

/// What landed, and other pull requests. Where the lines of what landed are not known, those that are known of pull
/// requests are a lower bound and count for what they are.
fn others(facts: &Facts) -> Result<(Series, Vec<SeriesPart>), Unknown> {
    let open = || facts.series.iter().filter(|part| !part.merged).copied().collect();
    match &facts.history {
        Ok(history) if history.lines => Ok((history.series, open())),
        _ if !facts.series.is_empty() => Ok((Series::default(), facts.series.clone())),
        Ok(history) if history.series.changes > 0 => {
            let reason = Reason::Unavailable("lines of earlier changes are not kept".to_owned());
            Err(Unknown { source: Source::History, reason })
        }
        Ok(_) => Ok((Series::default(), Vec::new())),
        Err(unknown) => Err(unknown.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::History,
        stories::{file, pull_request},
    };

    fn measured(history: Result<History, Reason>, parts: &[(u64, bool)]) -> Result<(f64, Vec<f64>), Unknown> {
        let mut facts = pull_request("x", vec![file("src/a.rs", 10, 4)]);
        facts.history = history.map_err(|reason| Unknown { source: Source::History, reason });
        let part = |(number, (added, merged)): (u64, &(u64, bool))| SeriesPart {
            number,
            added: *added,
            deleted: 0,
            merged: *merged,
        };
        facts.series = (1..).zip(parts).map(part).collect();
        (SIGNAL.measure)(&View::of(&facts)).map(|measure| (measure.value, measure.terms))
    }

    #[test]
    fn lines_of_the_series_count_as_if_they_were_in_one_change() {
        let landed =
            |lines| History { lines, series: Series { changes: 2, added: 90, deleted: 6 }, ..History::default() };
        let check = |history: Result<History, Reason>, parts: &[(u64, bool)], value: f64, lines: [u64; 2]| {
            let terms = vec![ln1p(lines[0]) - ln1p(10), ln1p(lines[1]) - ln1p(4)];
            assert_eq!(measured(history, parts), Ok((value, terms)));
        };
        check(Ok(landed(true)), &[], 2.0, [100, 10]);
        check(Ok(landed(true)), &[(30, false), (50, true)], 3.0, [130, 10]);
        check(Ok(landed(false)), &[(30, false), (50, true)], 2.0, [90, 4]);
        check(Err(Reason::NotConnected), &[(30, false)], 1.0, [40, 4]);
        check(Ok(History::default()), &[], 0.0, [10, 4]);
        check(Ok(History::default()), &[(u64::MAX, false), (u64::MAX, false)], 2.0, [u64::MAX, 4]);
        assert!(measured(Ok(landed(false)), &[]).is_err() && measured(Err(Reason::NotConnected), &[]).is_err());
    }
}
