//! Fuzzes signed requests and the bodies of each kind.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::request(bytes));
