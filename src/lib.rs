//! Mergecast: facts about a change go in, an explained score comes out, and what happened after the deploy corrects
//! the next score.
//!
//! The layers, from pure to shell. A module may use those above it in this list, never those below:
//!
//! 1. pure, plain data in and out: [`codeowners`], [`risk`], [`report`]
//! 2. edges, one adapter per outside system: [`clock`], [`github`], [`git`], [`store`]
//! 3. shell, wires the above and decides nothing: [`config`], [`service`], [`cli`]

pub mod codeowners;
pub mod report;
pub mod risk;

pub mod clock;
pub mod git;
pub mod github;
pub mod store;

pub mod cli;
pub mod config;
pub mod service;
