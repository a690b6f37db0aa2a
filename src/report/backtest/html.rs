//! A backtest as one page that needs nothing else: no script, no request, light and dark, on a phone as on a desk.
//!
//! The template escapes every value, and the page forbids itself to load anything.

use askama::Template;

use super::{
    CHARTS_CSS,
    chart::{Axis, Chart, HEIGHT, Shape, WIDTH},
    charts::charts,
    words::{self, Line, Table},
};
use crate::{outcome::backtest::Report, report::page::CSS};

#[derive(Template)]
#[template(path = "backtest.html")]
struct Page {
    css: String,
    title: String,
    repository: String,
    headline: Vec<String>,
    judged: Vec<(&'static str, String)>,
    charts: Vec<Chart>,
    ranking: Option<Table>,
    effort: Option<&'static str>,
    fixed: Option<Table>,
    fix_rates: Vec<String>,
    comparison: Option<Table>,
    calibration: Vec<String>,
    catches: Vec<Line>,
    misses: Vec<Line>,
}

/// The page.
pub fn render(report: &Report) -> String {
    let calibration = report.test.evaluation.calibration.as_ref();
    let fix_rates = report.fixed.as_ref().and_then(|fixed| fixed.test.evaluation.calibration.as_ref());
    let repository = words::shown(&report.repository);
    let page = Page {
        css: format!("{CSS}{CHARTS_CSS}"),
        title: format!("Backtest of {repository}"),
        repository,
        headline: words::headline(report),
        judged: words::judged(report),
        charts: charts(report),
        ranking: words::ranking(report),
        effort: words::effort(report),
        fixed: words::fixed(report),
        fix_rates: fix_rates.map(words::calibration).unwrap_or_default(),
        comparison: words::comparison(report),
        calibration: calibration.map_or_else(|| vec![words::NO_PROBABILITIES.to_owned()], words::calibration),
        catches: report.catches.iter().map(words::line).collect(),
        misses: report.misses.iter().map(words::line).collect(),
    };
    page.render().expect("templates write to a string and call nothing that fails")
}
