//! What happened to one file, and who has been there.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Place, record::Record};

/// How many of a file's latest changes are kept by name.
pub(super) const LATEST: usize = 32;

/// How often each author has changed something: pairs of author and times, in the order of the authors' numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Authors(Vec<(u32, u32)>);

impl Authors {
    pub(super) fn add(&mut self, author: u32) {
        match self.0.binary_search_by_key(&author, |(each, _)| *each) {
            Ok(index) => self.0[index].1 = self.0[index].1.saturating_add(1),
            Err(index) => self.0.insert(index, (author, 1)),
        }
    }

    pub(super) fn times(&self, author: u32) -> u32 {
        self.0.binary_search_by_key(&author, |(each, _)| *each).map_or(0, |index| self.0[index].1)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|(author, _)| *author)
    }
}

/// One file, under whatever name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct FileHistory {
    /// Number of the path that it has, or had last.
    pub(super) path: u32,
    pub(super) record: Record,
    pub(super) changed_at: Option<i64>,
    pub(super) failed_at: Option<i64>,
    pub(super) authors: Authors,
    /// Its latest changes, oldest first.
    pub(super) latest: VecDeque<Place>,
    /// Its last change removed it.
    pub(super) removed: bool,
}

impl FileHistory {
    pub(super) fn add_latest(&mut self, place: Place) {
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(place);
    }
}
