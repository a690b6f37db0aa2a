//! Fuzz target: `../src/diff.rs` says what has to hold.

#![no_main]

#[path = "../src/diff.rs"]
mod diff;

libfuzzer_sys::fuzz_target!(|data: &[u8]| diff::check(data));
