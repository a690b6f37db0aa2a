//! The one integration-test binary: rules about the code, GitHub's contracts, and behaviour through the front door.

mod assess;
mod changes;
mod cli;
mod contracts;
mod hostile;
mod policies;
mod promises;
mod readme;
mod reverts;
mod reviews;
mod schema;
mod seen;
mod support;
mod tidy;
