//! Series: what the same author does in the same place within a day, landed or in other pull requests, seen as one change
//! with this one. A large change does not get safer by being made in pieces.

use std::collections::BTreeMap;

use super::{Evidence, Measure, Reading, Signal, Term, Unit, diffusion::spread, entropy::normalised, ln1p};
use crate::risk::{
    diff::View,
    facts::{Facts, Reason, Series, SeriesFile, SeriesPart, Source, Unknown},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "series",
    label: "part of a series",
    unit: Unit::Count,
    why: "Several changes to one place in a day are one change for whoever has to find what broke.",
    terms: &[
        Term {
            id: "series.added",
            transform: "how much larger churn.added is when the author's changes in the same places within 24 hours are one change with this one",
        },
        Term { id: "series.deleted", transform: "the same for churn.deleted" },
        Term { id: "series.files", transform: "the same for diffusion.files" },
        Term { id: "series.directories", transform: "the same for diffusion.directories" },
        Term { id: "series.subsystems", transform: "the same for diffusion.subsystems" },
        Term { id: "series.scatter", transform: "the same for entropy.normalised; 0 where it is smaller" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let others = others(view.facts)?;
    let (landed, parts) = (others.landed, others.parts);
    let diff = view.diff();
    let sum = |lines: fn(&SeriesPart) -> u64| parts.iter().map(|part| lines(part)).fold(0, u64::saturating_add);
    let larger = |own: u64, others: u64| ln1p(own.saturating_add(others)) - ln1p(own);
    let mut terms = vec![
        larger(diff.added, landed.added.saturating_add(sum(|part| part.added))),
        larger(diff.deleted, landed.deleted.saturating_add(sum(|part| part.deleted))),
    ];
    terms.extend(wider(view, others.files.iter().chain(parts.iter().flat_map(|part| part.files.iter()))));
    let value = landed.changes as f64 + parts.len() as f64;
    let mut evidence = Vec::new();
    if landed.changes > 0 {
        evidence.push(Evidence::Series(landed));
    }
    if !parts.is_empty() {
        evidence.push(Evidence::SeriesParts(parts.into_iter().cloned().collect()));
    }
    Ok(Measure { value, terms, evidence })
}

/// How much further spread and how much more scattered the change is with the files of the others.
fn wider<'a>(view: &View<'_>, others: impl Iterator<Item = &'a SeriesFile>) -> [f64; 4] {
    let mut others = others.peekable();
    if others.peek().is_none() {
        return [0.0; 4];
    }
    let own: BTreeMap<&str, u64> = view.counted().map(|(file, scan)| (file.path.as_str(), scan.lines())).collect();
    let mut whole = own.clone();
    for file in others {
        let lines = whole.entry(&file.path).or_default();
        *lines = lines.saturating_add(file.lines);
    }
    let [before, after] = [&own, &whole].map(|files| spread(files.keys().copied()));
    let further = |at: usize| ln1p(after[at]) - ln1p(before[at]);
    let scatter = |files: &BTreeMap<&str, u64>| {
        normalised(&files.values().copied().filter(|lines| *lines > 0).collect::<Vec<_>>())
    };
    // Of a change that is not seen whole it is not known how scattered it is.
    let scattered = if view.incomplete().is_some() { 0.0 } else { (scatter(&whole) - scatter(&own)).max(0.0) };
    [further(0), further(1), further(2), scattered]
}

/// The other pieces of the series.
struct Others<'a> {
    landed: Series,
    /// Files of what landed.
    files: &'a [SeriesFile],
    parts: Vec<&'a SeriesPart>,
}

/// What landed, and other pull requests. Where the lines of what landed are not known, those that are known of pull
/// requests are a lower bound and count for what they are.
fn others(facts: &Facts) -> Result<Others<'_>, Unknown> {
    let open = || facts.series.iter().filter(|part| !part.merged).collect();
    match &facts.history {
        Ok(history) if history.lines => {
            Ok(Others { landed: history.series, files: &history.series_files, parts: open() })
        }
        _ if !facts.series.is_empty() => {
            Ok(Others { landed: Series::default(), files: &[], parts: facts.series.iter().collect() })
        }
        Ok(history) if history.series.changes > 0 => {
            let reason = Reason::Unusable("lines of earlier changes are not kept".to_owned());
            Err(Unknown { source: Source::History, reason })
        }
        Ok(_) => Ok(Others { landed: Series::default(), files: &[], parts: Vec::new() }),
        Err(unknown) => Err(unknown.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::{collection::vec, prelude::*};

    use super::{
        super::{churn, diffusion, entropy},
        *,
    };
    use crate::risk::{
        facts::{FileChange, History},
        series::Piece,
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
            files: Arc::default(),
        };
        facts.series = (1..).zip(parts).map(part).collect();
        (SIGNAL.measure)(&View::of(&facts)).map(|measure| (measure.value, measure.terms))
    }

    #[test]
    fn lines_of_the_series_count_as_if_they_were_in_one_change() {
        let landed =
            |lines| History { lines, series: Series { changes: 2, added: 90, deleted: 6 }, ..History::default() };
        let check = |history: Result<History, Reason>, parts: &[(u64, bool)], value: f64, lines: [u64; 2]| {
            let terms = vec![ln1p(lines[0]) - ln1p(10), ln1p(lines[1]) - ln1p(4), 0.0, 0.0, 0.0, 0.0];
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

    /// Size, spread and scatter of a change, by what is read of a piece of it beside the other.
    fn whole_of(piece: &[&FileChange], beside: &[&FileChange]) -> Vec<f64> {
        let change = |files: &[&FileChange]| pull_request("x", files.iter().copied().cloned().collect());
        let mut facts = change(piece);
        facts.history = Ok(History::default());
        if !beside.is_empty() {
            facts.series = vec![Piece::of(&View::of(&change(beside))).unwrap().part(8, false)];
        }
        let view = View::of(&facts);
        let terms = |signal: &Signal| (signal.measure)(&view).unwrap().terms;
        let own = [&churn::SIGNAL, &diffusion::SIGNAL, &entropy::SIGNAL].into_iter().flat_map(terms);
        own.zip(terms(&SIGNAL)).map(|(own, more)| own + more).collect()
    }

    fn any_part() -> impl Strategy<Value = (FileChange, bool)> {
        let path = "(packages/(a|b)|src|src/x|docs|tests)/[a-e]\\.(rs|md|lock)";
        (path, 0..300_u64, 0..300_u64, any::<bool>())
            .prop_map(|(path, added, deleted, first)| (file(&path, added, deleted), first))
    }

    proptest! {
        #[test]
        fn a_piece_is_as_large_and_as_spread_as_the_whole(files in vec(any_part(), 1..12)) {
            let files: BTreeMap<String, (FileChange, bool)> =
                files.into_iter().map(|(file, first)| (file.path.clone(), (file, first))).collect();
            let (first, second): (Vec<_>, Vec<_>) = files.values().partition(|(_, first)| *first);
            let [first, second] = [first, second].map(|part| part.into_iter().map(|(file, _)| file).collect::<Vec<_>>());
            let whole = whole_of(&files.values().map(|(file, _)| file).collect::<Vec<_>>(), &[]);
            for (piece, beside) in [(&first, &second), (&second, &first)] {
                for (piece, whole) in whole_of(piece, beside).into_iter().zip(&whole) {
                    prop_assert!(piece >= whole - 1e-9, "{piece} of {whole}");
                }
            }
        }
    }
}
