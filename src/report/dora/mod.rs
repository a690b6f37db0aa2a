//! The DORA metrics in words, for terminals and for programs. No figure in them is about a person.

mod json;
#[cfg(test)]
mod tests;
mod text;

pub use json::render as json;
pub use text::render as text;

/// Figures of fewer than so many are marked: a single deployment more or less changes them by a tenth.
pub const ENOUGH: u64 = 10;
