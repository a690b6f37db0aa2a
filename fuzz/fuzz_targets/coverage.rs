//! Fuzz target: `../src/coverage.rs` says what has to hold.

#![no_main]

#[path = "../src/coverage.rs"]
mod coverage;

libfuzzer_sys::fuzz_target!(|data: &[u8]| coverage::check(data));
