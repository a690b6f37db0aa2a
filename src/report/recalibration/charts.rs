//! The charts of a record that a backtest does not have: precision and recall by threshold, and rates over time.

use super::record as said;
use crate::{
    outcome::{
        evaluate::{Estimate, wilson},
        recalibrate::{
            Caught,
            record::{Record, Window},
        },
    },
    report::{
        backtest::{
            chart::{Chart, Key, Line, Scale, Shape, round_steps},
            words::{date, percent},
        },
        sentences::figures,
    },
};

const FIFTHS: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// Precision and recall at each threshold; nothing while nothing failed.
pub(super) fn thresholds(record: &Record) -> Option<Chart> {
    let caught = record.thresholds.first().filter(|(_, caught)| caught.failed > 0.0)?.1;
    let scale = Scale { x_end: 100.0, y_end: 1.0 };
    let points = |of: fn(&Caught) -> Option<Estimate>| -> Vec<(f64, Estimate)> {
        record.thresholds.iter().filter_map(|(from, caught)| Some((f64::from(*from), of(caught)?))).collect()
    };
    let (precision, recall) = (points(Caught::precision), points(Caught::recall));
    let line = |class, points: &[(f64, Estimate)]| Line {
        class,
        points: scale.points(points.iter().map(|(from, estimate)| (*from, estimate.value))),
    };
    // Side by side, so that neither interval hides the other.
    let beside = |class, points: &[(f64, Estimate)], aside: f64| -> Vec<_> {
        points.iter().map(|(from, e)| scale.whisker(class, from + aside, e.low, e.high)).collect()
    };
    let marks = |class, square, points: &[(f64, Estimate)], aside: f64| -> Vec<_> {
        points.iter().map(|(from, e)| scale.mark(class, square, from + aside, e.value)).collect()
    };
    Some(Chart {
        id: "precision",
        title: "Precision and recall by threshold",
        description: format!(
            "For each threshold the share of the changes at or above it that failed, and the share of the {} failures \
             that lie there, with 95 % intervals.",
            figures::decimal(caught.failed)
        ),
        x: scale.x_axis("Threshold", &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0], |score| format!("{score:.0}")),
        y: scale.y_axis("Share", &FIFTHS, percent),
        lines: vec![line("size", &recall), line("ours", &precision)],
        bars: Vec::new(),
        whiskers: beside("size", &recall, 0.6).into_iter().chain(beside("ours", &precision, -0.6)).collect(),
        marks: marks("size", true, &recall, 0.6).into_iter().chain(marks("ours", false, &precision, -0.6)).collect(),
        legend: vec![
            key("ours", Shape::Disc, "precision: failed of those at or above"),
            key("size", Shape::Square, "recall: of all that failed"),
        ],
        table: said::thresholds(&record.thresholds),
    })
}

/// Stated rates beside what failed, window by window; nothing while there is no window.
pub(super) fn drift(windows: &[Window]) -> Option<Chart> {
    let share = |window: &Window, failed: f64| failed / window.changes as f64;
    let interval = |window: &Window| wilson(window.failed, window.changes as f64);
    let most = windows.iter().map(|window| interval(window).1.max(share(window, window.expected)));
    let steps = round_steps(most.reduce(f64::max)?);
    let scale = Scale { x_end: windows.len() as f64, y_end: steps.last().copied().unwrap_or(1.0) };
    let placed = || windows.iter().enumerate().map(|(place, window)| (place as f64 + 0.5, window));
    let month = |place: f64| {
        windows.get(place as usize).map(|window| date(window.from).chars().take(7).collect()).unwrap_or_default()
    };
    let ticks: Vec<f64> = placed().map(|(place, _)| place).step_by(windows.len().div_ceil(4)).collect();
    let off = windows.iter().filter(|window| window.alarms()).count();
    Some(Chart {
        id: "drifting",
        title: "Stated rates over time",
        description: format!(
            "{} windows with about as many expected failures each: the mean of the stated rates, and the share that \
             failed with its 95 % interval. In {off} of them they are apart by more than chance.",
            windows.len()
        ),
        x: scale.x_axis("Window beginning", &ticks, month),
        y: scale.y_axis("Share of changes", &steps, percent),
        lines: vec![Line {
            class: "chance",
            points: scale.points(placed().map(|(place, window)| (place, share(window, window.expected)))),
        }],
        bars: Vec::new(),
        whiskers: placed()
            .map(|(place, window)| scale.whisker("ours", place, interval(window).0, interval(window).1))
            .collect(),
        marks: placed().map(|(place, window)| scale.mark("ours", false, place, share(window, window.failed))).collect(),
        legend: vec![
            key("ours", Shape::Disc, "failed, with 95 % interval"),
            key("chance", Shape::Line, "stated, on average"),
        ],
        table: said::windows(windows),
    })
}

fn key(class: &'static str, shape: Shape, label: &str) -> Key {
    Key { class, shape, label: label.to_owned() }
}
