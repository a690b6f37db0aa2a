//! A file's patch as GitHub gives it: hunks without a file header, perhaps cut off.

use serde::{Deserialize, Serialize};

/// Hunks of one file in unified format, from the first `@@` on. Untrusted text; may be cut off anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Patch(pub String);

/// One line of a hunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchLine<'a> {
    /// What the patch does with it.
    pub kind: LineKind,
    /// 1-based line number, on the new side for context and added lines, on the old side for deleted ones.
    pub number: u64,
    /// Text without the leading sign.
    pub text: &'a str,
}

/// What a patch does with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Unchanged.
    Context,
    /// Only on the new side.
    Added,
    /// Only on the old side.
    Deleted,
}
