//! Fuzzes payloads of challenges, of answers to them and of acknowledgements.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::challenge(bytes));
