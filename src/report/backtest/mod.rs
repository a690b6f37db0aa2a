//! A backtest in words: for a terminal, as JSON and as a page with charts.
//!
//! Every rendering says the same, with the interval of each figure. Names from outside are made harmless; no person is
//! named.

pub mod csv;
pub mod html;
pub mod json;
pub mod text;

pub(super) mod chart;
pub(super) mod charts;

/// What the style sheet of all pages lacks for charts.
pub(super) const CHARTS_CSS: &str = include_str!("backtest.css");

pub(super) mod words;

#[cfg(test)]
mod tests;
