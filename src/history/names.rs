//! Names as numbers: each text is kept once.

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

/// Texts, each with a number from 0 in the order in which they came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Names(IndexSet<Box<str>>);

impl Names {
    /// The number of a text that came before.
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.0.get_index_of(name)
    }

    /// The number of a text.
    pub(super) fn number(&mut self, name: &str) -> usize {
        match self.0.get_index_of(name) {
            Some(number) => number,
            None => self.0.insert_full(name.into()).0,
        }
    }

    /// The text of a number.
    pub(super) fn name(&self, number: usize) -> &str {
        self.0.get_index(number).map_or("", |name| name)
    }
}
