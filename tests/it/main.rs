//! The one integration-test binary: rules about the code, GitHub's contracts, and behaviour through the front door.

mod assess;
mod cli;
mod contracts;
mod readme;
mod support;
mod tidy;
