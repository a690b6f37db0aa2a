//! Fuzz target: `../src/codeowners.rs` says what has to hold.

#![no_main]

#[path = "../src/codeowners.rs"]
mod codeowners;

libfuzzer_sys::fuzz_target!(|data: &[u8]| codeowners::check(data));
