//! LCOV's tracefile: `SF:` opens a file, `DA:line,hits` is a line, `end_of_record` ends it. Other records (functions,
//! branches, sums) say nothing about lines that those do not.

use super::{Draft, Format, Refused};

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Refused> {
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_ascii();
        if let Some(path) = line.strip_prefix("SF:") {
            draft.open(path)?;
        } else if let Some(data) = line.strip_prefix("DA:") {
            let (number, hits) = data_line(data).ok_or(Refused::Malformed {
                format: Format::Lcov,
                line: Some(at as u64 + 1),
                what: "a DA record without line and count",
            })?;
            draft.line(number, hits)?;
        } else if line == "end_of_record" {
            draft.close();
        }
    }
    Ok(())
}

/// `line,hits` with, perhaps, a checksum behind. A count below zero is gcov's overflow.
fn data_line(data: &str) -> Option<(u64, u64)> {
    let mut parts = data.split(',').map(str::trim_ascii);
    let number = parts.next()?.parse().ok()?;
    let hits = parts.next()?;
    if let Ok(hits) = hits.parse() {
        return Some((number, hits));
    }
    // Some tools write large counts as 1e+06.
    let hits: f64 = hits.parse().ok().filter(|hits: &f64| hits.is_finite())?;
    Some((number, hits.max(0.0) as u64))
}
