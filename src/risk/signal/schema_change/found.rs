//! A schema statement that was found, before it is known what else the change holds.

use crate::risk::signal::SchemaEffect;

/// One statement, or one part of an ALTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// First row of the segment that it covers, 0-based.
    pub(super) first: usize,
    /// Last row.
    pub(super) last: usize,
    /// 1-based line in the file, on the side looked at; known once it is placed.
    pub(super) line: u64,
    pub(super) effect: SchemaEffect,
    /// In our own words.
    pub(super) what: String,
    /// Table or view acted on, normalised.
    pub(super) table: Option<String>,
    /// Table or view created, normalised.
    pub(super) creates: Option<String>,
    /// What it creates is the session's own and hides the table of that name, without touching it.
    pub(super) temporary: bool,
    /// The creation is skipped when there is one already.
    pub(super) if_not_exists: bool,
    /// Does away with the table as a whole.
    pub(super) whole: bool,
    /// Holds no data, so that dropping it and creating it anew is an update.
    pub(super) recreatable: bool,
    /// `table.column` that it adds.
    pub(super) adds: Option<String>,
    /// Every `table.column` that it overwrites in all rows.
    pub(super) writes: Vec<String>,
    /// No statement: what stands on these rows was not read.
    pub(super) unread: bool,
}

impl Found {
    /// A statement: `verb` in capitals, `object` as written.
    pub(super) fn new(effect: SchemaEffect, verb: &str, object: &str) -> Self {
        let what = if object.is_empty() { verb.to_owned() } else { format!("{verb} {}", shorten(object)) };
        Self {
            first: 0,
            last: 0,
            line: 0,
            effect,
            what,
            table: None,
            creates: None,
            temporary: false,
            if_not_exists: false,
            whole: false,
            recreatable: false,
            adds: None,
            writes: Vec::new(),
            unread: false,
        }
    }

    /// Rows that were not read.
    pub(super) fn unread(first: usize, last: usize) -> Self {
        Self { unread: true, ..Self::new(SchemaEffect::Additive, "", "").at(first, last) }
    }

    /// Names the table acted on.
    pub(super) fn on(self, table: &str) -> Self {
        let table = normal(table);
        Self { table: Some(table).filter(|table| !table.is_empty()), ..self }
    }

    /// Names the table created.
    pub(super) fn creating(self, table: &str, if_not_exists: bool) -> Self {
        let table = normal(table);
        Self { creates: Some(table).filter(|table| !table.is_empty()), if_not_exists, ..self }
    }

    /// Says which rows it covers.
    pub(super) fn at(self, first: usize, last: usize) -> Self {
        Self { first, last: last.max(first), ..self }
    }
}

/// A name without quotes, in lower case, so that two spellings of one table meet. `public` is where names without a
/// schema lie.
pub(super) fn normal(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(plain).collect();
    let parts = if parts.len() == 2 && parts[0] == "public" { &parts[1..] } else { &parts };
    parts.join(".")
}

/// A name without what it belongs to and without quotes, in lower case.
pub(super) fn last(name: &str) -> String {
    plain(name.rsplit('.').next().unwrap_or(name))
}

fn plain(part: &str) -> String {
    part.trim_matches(|c: char| matches!(c, '"' | '`' | '[' | ']' | '\'' | ':') || c.is_whitespace()).to_lowercase()
}

/// Names come from outside and may be of any length.
fn shorten(name: &str) -> String {
    const LONGEST: usize = 80;
    if name.chars().count() <= LONGEST { name.to_owned() } else { name.chars().take(LONGEST).chain(['…']).collect() }
}
