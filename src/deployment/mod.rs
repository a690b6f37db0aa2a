//! What went into production, what failed of it, and which deployment it was.
//!
//! Everything here is a function of the *set* of what was told: the order in which it arrived, and how often, changes
//! nothing. No figure is about a person; nothing here knows an author. docs/dora.md and docs/outcomes.md define each figure.

pub mod attribution;
pub mod brought;
pub mod build;
pub mod change;
pub mod dora;
pub mod failures;
pub mod fates;
pub mod graph;
pub mod incident;
pub mod ledger;
pub mod overview;
pub mod reckoning;
pub mod sighting;

#[cfg(test)]
mod stories;
mod witness;
