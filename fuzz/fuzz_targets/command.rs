//! Fuzz target: `../src/command.rs` says what has to hold.

#![no_main]

#[path = "../src/command.rs"]
mod command;

libfuzzer_sys::fuzz_target!(|data: &[u8]| command::check(data));
