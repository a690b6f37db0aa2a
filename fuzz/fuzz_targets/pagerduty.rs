//! Fuzz target: `../src/pagerduty.rs` says what has to hold.

#![no_main]

#[path = "../src/pagerduty.rs"]
mod pagerduty;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pagerduty::check(data));
