//! What happened to a repository's main line before a change: which files, directories and kinds of change failed, who
//! knows which files, what changes together. One engine for live scoring, `score` and `backtest`.
//!
//! It is told of each landed change in order and answers for a change with what came strictly before it. It never reads
//! git, a file or the clock, and never keeps a figure about a person: authors are numbers that are met at files.

mod landed;
pub mod message;

pub use landed::{Author, Claim, Landed, LandedFile};

use serde::{Deserialize, Serialize};

use crate::risk::facts::{self, Change};

/// Place of a change in the order in which changes landed, from 0.
pub type Place = u32;

/// What is known of a main line up to its tip.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    tip: Option<String>,
    changes: Place,
}

impl History {
    /// Takes in the next change of the main line. Gives the places of the earlier changes that it undoes.
    pub fn observe(&mut self, landed: &Landed) -> Vec<Place> {
        self.tip = Some(landed.sha.clone());
        self.changes += 1;
        Vec::new()
    }

    /// What the history says of a change by `author` that would land at `at` (unix seconds).
    pub fn about(&self, change: &Change, author: Author, at: i64) -> facts::History {
        let _ = (change, author, at);
        facts::History { changes: 0, rolled_back: 0, files: 0, files_known_to_author: 0 }
    }

    /// Object id of the change that was taken in last.
    pub fn tip(&self) -> Option<&str> {
        self.tip.as_deref()
    }

    /// How many changes were taken in.
    pub fn changes(&self) -> Place {
        self.changes
    }
}
