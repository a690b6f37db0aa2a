//! What was learned from outcomes, in words for a terminal. Every figure stands with its sample; no person is named.

mod charts;
pub mod html;
pub mod json;
pub mod judgement;
pub mod model;
pub mod record;
pub mod replay;
mod versions;

#[cfg(test)]
mod tests;

pub use versions::Version;

use crate::{
    outcome::{evaluate::Estimate, recalibrate::Censored},
    report::backtest::words::{date, percent},
};

/// Why a change has no outcome: in a word for programs, and for people.
fn because(why: Censored) -> (&'static str, &'static str) {
    match why {
        Censored::Superseded => ("superseded", "superseded by a later assessment"),
        Censored::Held => ("held", "held and never deployed"),
        Censored::NotDeployed => ("not_deployed", "not deployed"),
        Censored::Unripe => ("unripe", "whose window has not passed"),
        Censored::NotObserved => ("not_observed", "that nobody watched for the whole window"),
    }
}

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
