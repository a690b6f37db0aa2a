//! The one integration-test binary: rules about the code, GitHub's contracts, and behaviour through the front door.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

mod assess;
mod backlog;
mod changes;
mod cli;
mod commands;
mod contracts;
mod doors;
mod heal;
mod hostile;
mod kill;
mod limits;
mod logs;
mod overrides;
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
mod support;
mod tidy;
mod work;
