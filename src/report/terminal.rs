//! The assessment for a terminal: readable without colour.

use super::Subject;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours are wanted.
    pub color: bool,
    /// Columns.
    pub width: usize,
    /// Characters beyond ASCII can be shown.
    pub unicode: bool,
}

/// The assessment for a terminal, ending with a line break.
pub fn render(subject: &Subject<'_>, style: Style) -> String {
    let _ = style;
    format!("{}\n", subject.assessment.score)
}
