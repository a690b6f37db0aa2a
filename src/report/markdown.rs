//! Outside text in GitHub's Markdown: inert and still readable.

/// A name, a path or code from outside, as a code span.
pub fn code(outside: &str) -> String {
    format!("`{}`", outside.replace('`', "'"))
}

/// Prose from outside, on one line.
pub fn text(outside: &str) -> String {
    code(outside)
}

/// `markdown`, fit for a cell of a table.
pub fn cell(markdown: &str) -> String {
    markdown.replace('|', "\\|")
}
