//! Things that many files have in common, such as a directory, each with what happened to it.

use serde::{Deserialize, Serialize};

use super::{
    file::Authors,
    names::Names,
    record::{HALF_LIFE, Record},
};

/// What happened to things of one kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Group {
    names: Names,
    /// By the numbers of `names`.
    things: Vec<Thing>,
}

/// One thing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Thing {
    pub(super) record: Record,
    /// Who has been there, where that is asked for.
    pub(super) authors: Authors,
}

impl Group {
    /// One more change to a thing; gives its number.
    pub(super) fn change(&mut self, name: &str, at: i64, author: Option<u32>) -> usize {
        let number = self.names.number(name);
        if self.things.len() <= number {
            self.things.resize_with(number + 1, Thing::default);
        }
        let thing = &mut self.things[number];
        thing.record.change(at, HALF_LIFE);
        if let Some(author) = author {
            thing.authors.add(author);
        }
        number
    }

    /// A change to a thing failed.
    pub(super) fn failure(&mut self, name: &str, at: i64) {
        if let Some(number) = self.names.get(name) {
            self.failure_of(number, at);
        }
    }

    /// The same by number.
    pub(super) fn failure_of(&mut self, number: usize, at: i64) {
        if let Some(thing) = self.things.get_mut(number) {
            thing.record.failure(at, HALF_LIFE);
        }
    }

    /// What is known of a thing.
    pub(super) fn get(&self, name: &str) -> Option<&Thing> {
        self.names.get(name).and_then(|number| self.things.get(number))
    }
}
