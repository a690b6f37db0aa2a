//! Fuzz target: `../src/datadog.rs` says what has to hold.

#![no_main]

#[path = "../src/datadog.rs"]
mod datadog;

libfuzzer_sys::fuzz_target!(|data: &[u8]| datadog::check(data));
