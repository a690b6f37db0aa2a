//! Fuzz target: `../src/policy.rs` says what has to hold.

#![no_main]

#[path = "../src/policy.rs"]
mod policy;

libfuzzer_sys::fuzz_target!(|data: &[u8]| policy::check(data));
