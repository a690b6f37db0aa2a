//! Go's coverprofile: after `mode:`, one block of statements in a line, `path:line.column,line.column statements count`.
//!
//! A line belongs to every block that it lies in; it ran if one of them did.

use super::{Draft, Format, Refused};

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Refused> {
    let mut open = "";
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_ascii();
        // Profiles that were put together have several headings.
        if line.is_empty() || line.starts_with("mode:") {
            continue;
        }
        let block = Block::read(line).ok_or(Refused::Malformed {
            format: Format::Go,
            line: Some(at as u64 + 1),
            what: "not a block of statements",
        })?;
        if block.path != open {
            draft.open(block.path)?;
            open = block.path;
        }
        if block.statements == 0 {
            continue;
        }
        (block.first..=block.last).try_for_each(|number| draft.line(number, block.count))?;
    }
    Ok(())
}

struct Block<'a> {
    path: &'a str,
    first: u64,
    last: u64,
    /// None in the body of an empty function, which cannot run.
    statements: u64,
    count: u64,
}

impl<'a> Block<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (path, rest) = line.rsplit_once(':')?;
        let mut parts = rest.split_ascii_whitespace();
        let (from, to) = parts.next()?.split_once(',')?;
        let number = |place: &str| place.split_once('.')?.0.parse::<u64>().ok();
        let (first, last) = (number(from)?, number(to)?);
        let statements: u64 = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        (first <= last && parts.next().is_none()).then_some(Self { path, first, last, statements, count })
    }
}
