//! Who has changed what, as numbers, and how they may be asked. Nothing is counted of a person.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Author;

/// Authors by number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct People(IndexMap<Author, Person>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    bot: bool,
    contact: Option<Box<str>>,
}

impl People {
    /// The number of an author who has landed a change.
    pub(super) fn number(&mut self, author: Author, bot: bool, contact: Option<&str>) -> u32 {
        let entry = self.0.entry(author);
        let number = super::narrow(entry.index());
        let person = entry.or_default();
        person.bot |= bot;
        if let Some(contact) = contact {
            person.contact = Some(contact.into());
        }
        number
    }

    /// The number of an author, if he or she has landed a change before.
    pub(super) fn get(&self, author: Author) -> Option<u32> {
        self.0.get_index_of(&author).map(super::narrow)
    }

    /// How a person may be asked; programs are not.
    pub(super) fn contact(&self, number: u32) -> Option<&str> {
        let (_, person) = self.0.get_index(number as usize)?;
        person.contact.as_deref().filter(|_| !person.bot)
    }
}
