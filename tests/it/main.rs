//! The one integration-test binary: rules about the code, GitHub's contracts, and behaviour through the front door.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

mod assess;
mod backlog;
mod binary;
mod changes;
mod cli;
mod contracts;
mod doctor;
mod doors;
mod heal;
mod hostile;
mod kill;
mod limits;
mod logs;
mod manifest;
mod payloads;
mod policies;
mod post;
mod promises;
mod readme;
mod receive;
mod reverts;
mod reviews;
mod schema;
mod seen;
mod setup;
mod support;
mod tidy;
mod work;
