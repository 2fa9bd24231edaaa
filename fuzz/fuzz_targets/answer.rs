//! Fuzzes answers of a service.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::answer(bytes));
