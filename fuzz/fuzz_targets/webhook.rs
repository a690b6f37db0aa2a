//! Fuzz target: `../src/webhook.rs` says what has to hold.

#![no_main]

#[path = "../src/webhook.rs"]
mod webhook;

libfuzzer_sys::fuzz_target!(|data: &[u8]| webhook::check(data));
