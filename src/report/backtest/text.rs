//! A backtest for a terminal, readable without colour and in ASCII.

use owo_colors::Style as Paint;

use super::words::{self, Table};
use crate::{
    outcome::backtest::{Named, Report},
    report::terminal::{Screen, Style},
};

/// The report, ending with a line break. Holds no control character from outside.
pub fn render(report: &Report, style: Style) -> String {
    let mut screen = Screen::new(style);
    screen.wrapped(&format!("Backtest of {}", words::shown(&report.repository)), 0, Paint::new().bold());
    screen.line("", Paint::new());
    for sentence in words::headline(report) {
        screen.wrapped(&sentence, 0, Paint::new());
    }
    screen.heading("What was judged");
    for (name, text) in words::judged(report) {
        screen.hanging(&format!("{name:<12}"), &text, Paint::new());
    }
    if let Some(measures) = words::ranking(report) {
        screen.heading("How well the score ranks");
        table(&measures, &mut screen);
        screen.wrapped(words::INTERVALS, 2, Paint::new().dimmed());
        words::effort(report).iter().for_each(|said| screen.wrapped(said, 2, Paint::new().dimmed()));
        rates(report, &mut screen);
    }
    if let Some(fixed) = words::fixed(report) {
        screen.heading("Rolled back, or in need of a fix");
        table(&fixed, &mut screen);
        screen.wrapped(words::FIXED, 2, Paint::new().dimmed());
        if let Some(calibration) = report.fixed.as_ref().and_then(|fixed| fixed.test.evaluation.calibration.as_ref()) {
            words::calibration(calibration).iter().for_each(|said| screen.wrapped(said, 2, Paint::new()));
        }
    }
    if let Some(comparison) = words::comparison(report) {
        screen.heading("Against simpler scores");
        table(&comparison, &mut screen);
        screen.wrapped(words::RIVALS, 2, Paint::new().dimmed());
    }
    named("Best catches", &report.catches, &mut screen);
    named("Worst misses", &report.misses, &mut screen);
    screen.heading("How far this carries");
    for limit in words::LIMITS {
        screen.wrapped(limit, 2, Paint::new());
    }
    screen.finish()
}

fn rates(report: &Report, screen: &mut Screen) {
    screen.heading("How well the stated rates hold (last 30 %)");
    let Some(calibration) = &report.test.evaluation.calibration else {
        return screen.wrapped(words::NO_PROBABILITIES, 2, Paint::new());
    };
    for sentence in words::calibration(calibration) {
        screen.wrapped(&sentence, 2, Paint::new());
    }
    table(&words::reliability(calibration), screen);
}

fn named(heading: &str, changes: &[Named], screen: &mut Screen) {
    if changes.is_empty() {
        return;
    }
    screen.heading(heading);
    for change in changes {
        let line = words::line(change);
        screen.hanging(
            &format!("{:>3}", line.score),
            &format!("{} {} {}", line.date, line.sha, line.title),
            Paint::new(),
        );
        screen.wrapped(&line.about, 9, Paint::new().dimmed());
    }
}

/// The first column to the left, the last one too where it is text, the others to the right.
pub(in crate::report) fn table(table: &Table, screen: &mut Screen) {
    let rows = || std::iter::once(&table.head).chain(&table.rows);
    let width = |column: usize| rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..table.head.len()).map(|column| width(column).unwrap_or(0)).collect();
    for (place, row) in rows().enumerate() {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let left = column == 0 || (column > 1 && column + 1 == row.len());
            line += &if left { format!(" {cell:<width$} ") } else { format!(" {cell:>width$} ") };
        }
        let paint = if place == 0 { Paint::new().dimmed() } else { Paint::new() };
        screen.line(line.trim_end(), paint);
    }
}
