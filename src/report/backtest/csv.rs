//! Every scored change as a line of CSV, in the order in which they landed; bots and reverts too.

use std::fmt::Write;

use chrono::SecondsFormat;

use crate::outcome::backtest::{Change, Judged};

/// The columns.
const HEAD: &str = "sha,time,score,probability,fix_probability,label";

/// The table: times are RFC 3339 in UTC, probabilities 0-1 with all their digits. What is not known is empty, and so is
/// the label of a change that is not judged.
pub fn render(judged: &Judged) -> String {
    let mut table = format!("{HEAD}\n");
    for change in &judged.changes {
        let Change { score, probability, fix_probability, label, .. } = change;
        // A stream may say anything in the place of an object id.
        let sha: String = change.sha.chars().filter(char::is_ascii_alphanumeric).collect();
        let time = change.date().to_rfc3339_opts(SecondsFormat::Secs, true);
        let (probability, fix_probability) = (or_empty(*probability), or_empty(*fix_probability));
        let label = or_empty(label.failed().map(u8::from));
        writeln!(table, "{sha},{time},{score},{probability},{fix_probability},{label}")
            .expect("a string takes all that is written to it");
    }
    table
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
