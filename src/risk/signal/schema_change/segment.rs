//! The text of one hunk on one side, with the lines that the change touches.

use super::Found;
use crate::risk::patch::{LineKind, Patch, Piece};

/// Which side of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Old,
    New,
}

/// Consecutive lines of a file on one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment<'a> {
    /// What stands behind the hunk's numbers.
    pub(super) heading: &'a str,
    pub(super) rows: Vec<Row<'a>>,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) number: u64,
    pub(super) text: &'a str,
    /// Only on this side.
    pub(super) changed: bool,
}

impl Segment<'_> {
    /// Gives what was found its line, the first changed one; `None` when it lies in context altogether.
    pub(super) fn place(&self, found: Found) -> Option<Found> {
        let last = found.last.min(self.rows.len().saturating_sub(1));
        let row = self.rows.get(found.first..=last)?.iter().find(|row| row.changed)?;
        Some(Found { line: row.number, ..found })
    }
}

/// Hunks that change something on `side`, up to `budget` bytes, how many bytes they hold, and whether that is all.
pub(super) fn segments(patch: &Patch, side: Side, budget: usize) -> (Vec<Segment<'_>>, usize, bool) {
    let (own, other) = match side {
        Side::New => (LineKind::Added, LineKind::Deleted),
        Side::Old => (LineKind::Deleted, LineKind::Added),
    };
    let mut segments = Vec::new();
    let (mut bytes, mut whole) = (0, true);
    for piece in patch.pieces() {
        match piece {
            Piece::Hunk(heading) => segments.push(Segment { heading, rows: Vec::new() }),
            Piece::Line(line) if line.kind == other => {}
            Piece::Line(line) => {
                bytes += line.text.len() + 1;
                if bytes > budget {
                    (bytes, whole) = (budget, false);
                    break;
                }
                if let Some(segment) = segments.last_mut() {
                    let text = line.text.strip_suffix('\r').unwrap_or(line.text);
                    segment.rows.push(Row { number: line.number, text, changed: line.kind == own });
                }
            }
        }
    }
    segments.retain(|segment| segment.rows.iter().any(|row| row.changed));
    (segments, bytes, whole)
}
