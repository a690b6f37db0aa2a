//! The record of the scores as one page that needs nothing else: no script, no request.
//!
//! The template escapes every value, and the page forbids itself to load anything.

use askama::Template;

use super::{
    days, record as said,
    versions::{self, Version},
};
use crate::{
    outcome::{
        backtest::ScoreBin,
        recalibrate::record::{Record, SHARE_MIN},
    },
    report::{
        backtest::{
            CHARTS_CSS,
            chart::{Axis, Chart, HEIGHT, Shape, WIDTH},
            charts,
            words::{self, Table},
        },
        page::CSS,
    },
};

#[derive(Template)]
#[template(path = "record.html")]
struct Page {
    css: String,
    period: String,
    headline: Vec<String>,
    counts: Vec<(&'static str, String)>,
    charts: Vec<Chart>,
    calibration: Vec<String>,
    drift: Vec<String>,
    sections: Vec<Section>,
}

/// A table with what is to be known to read it.
struct Section {
    id: &'static str,
    heading: &'static str,
    table: Table,
    note: &'static str,
}

/// The page's own stylesheet, as it stands between its tags: a server can name it by its digest and allow no other.
pub fn style() -> String {
    format!("{CSS}{CHARTS_CSS}")
}

/// The page. `model` is the version in force; it may be untrusted.
pub fn render(record: &Record, model: &str, versions: &[Version]) -> String {
    let enough = record.counts.known() >= SHARE_MIN;
    let mut counts = said::counts(&record.counts);
    counts.push(("Model", words::shown(model)));
    let page = Page {
        css: style(),
        period: days(record.asked.since, record.asked.now),
        headline: said::headline(record),
        counts,
        charts: if enough { drawn(record) } else { Vec::new() },
        calibration: match &record.calibration {
            Some(found) => words::calibration(found),
            None => vec![words::NO_PROBABILITIES.to_owned()],
        },
        drift: said::drift(&record.drift),
        sections: if enough { sections(record, versions) } else { Vec::new() },
    };
    page.render().expect("templates write to a string and call nothing that fails")
}

fn drawn(record: &Record) -> Vec<Chart> {
    let bin = |(clean, failed): &(f64, f64)| ScoreBin { clean: clean.round() as u64, failed: failed.round() as u64 };
    let bins: Vec<ScoreBin> = record.distribution.iter().map(bin).collect();
    let reliability = record.calibration.as_ref().map(charts::reliability);
    let own = [super::charts::thresholds(record), super::charts::drift(&record.drift.windows)];
    reliability.into_iter().chain(charts::spread(&bins, 10, "Scores")).chain(own.into_iter().flatten()).collect()
}

fn sections(record: &Record, versions: &[Version]) -> Vec<Section> {
    let mut sections = vec![
        Section { id: "scores", heading: "Changes by score", table: said::scores(record), note: said::SCORES },
        Section {
            id: "thresholds",
            heading: "Precision and recall by threshold",
            table: said::thresholds(&record.thresholds),
            note: said::THRESHOLDS,
        },
        Section {
            id: "enforcing",
            heading: "What enforcing at a threshold would have done",
            table: said::enforcing(&record.enforcing),
            note: said::ENFORCING,
        },
    ];
    if !record.drift.windows.is_empty() {
        let table = said::windows(&record.drift.windows);
        sections.push(Section { id: "drift", heading: "Stated rates over time", table, note: said::WINDOWS });
    }
    if !record.worth.is_empty() {
        let heading = "Which signals earned their points";
        sections.push(Section { id: "worth", heading, table: said::worth(&record.worth), note: said::WORTH });
    }
    if record.overrides.of > 0.0 || record.overrides_open > 0 {
        let table = said::overrides(record);
        sections.push(Section { id: "overrides", heading: "Overrides, judged", table, note: said::OVERRIDES });
    }
    if !versions.is_empty() {
        let table = versions::table(versions);
        sections.push(Section { id: "versions", heading: "Which model was in force", table, note: versions::VERSIONS });
    }
    sections
}
