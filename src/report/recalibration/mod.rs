//! What was learned from outcomes, in words for a terminal. Every figure stands with its sample; no person is named.

pub mod judgement;
pub mod record;
pub mod replay;

#[cfg(test)]
mod tests;

use crate::{
    outcome::evaluate::Estimate,
    report::backtest::words::{date, percent},
};

/// A place without a figure.
fn none() -> String {
    "–".to_owned()
}

/// `12 % [8, 17]`.
fn share(share: Option<Estimate>) -> String {
    let bare = |end: f64| percent(end).trim_end_matches(" %").to_owned();
    share.map_or_else(none, |share| format!("{} [{}, {}]", percent(share.value), bare(share.low), bare(share.high)))
}

fn days(from: i64, until: i64) -> String {
    format!("{} to {}", date(from), date(until))
}
