//! The one integration-test binary: rules about the code, GitHub's contracts, and behaviour through the front door.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

mod assess;
mod backlog;
mod backups;
mod changes;
mod cli;
mod contracts;
mod doors;
mod heal;
mod hostile;
mod kill;
mod limits;
mod logs;
mod monitoring;
mod otlp;
mod payloads;
mod policies;
mod post;
mod program;
mod promises;
mod readme;
mod receive;
mod retention;
mod reverts;
mod reviews;
mod rotation;
mod schema;
mod seen;
mod shutdown;
mod support;
mod tidy;
mod work;
