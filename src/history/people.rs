//! Who has changed what, as numbers, and how they may be asked. Nothing is counted of a person.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Author, Landed};

/// Authors by number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct People(IndexMap<Author, Person>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    bot: bool,
    contact: Option<Box<str>>,
    /// The latest commit that he or she wrote, as far as there is a contact.
    commit: Option<Box<str>>,
}

impl People {
    /// The number of the author of a change that landed.
    pub(super) fn number(&mut self, landed: &Landed) -> u32 {
        let entry = self.0.entry(landed.author);
        let number = super::narrow(entry.index());
        let person = entry.or_default();
        person.bot |= landed.bot;
        if let Some(contact) = &landed.contact {
            person.contact = Some(contact.as_str().into());
            person.commit = Some(landed.written.as_ref().unwrap_or(&landed.sha).as_str().into());
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

    /// A commit that the person wrote, by which a host can tell who that is.
    pub(super) fn commit(&self, number: u32) -> Option<&str> {
        self.0.get_index(number as usize).and_then(|(_, person)| person.commit.as_deref())
    }
}
