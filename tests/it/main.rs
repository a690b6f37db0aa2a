//! The one integration-test binary: rules about the code, GitHub's contracts, and behaviour through the front door.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

mod assess;
mod backlog;
mod backups;
mod binary;
mod changes;
mod cli;
mod commands;
mod contracts;
mod doctor;
mod documents;
mod doors;
mod fuzz;
mod heal;
mod hostile;
mod installations;
mod kill;
mod limits;
mod logs;
mod manifest;
mod merge_queue;
mod monitoring;
mod otlp;
mod overrides;
mod packaging;
mod payloads;
mod policies;
mod post;
mod program;
mod promises;
mod readme;
mod receive;
mod recovery;
mod retention;
mod reverts;
mod reviews;
mod rotation;
mod schema;
mod seen;
mod setup;
mod shutdown;
mod supply;
mod support;
mod tidy;
mod work;
