//! Fuzzes answers to revocation lists.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::posted(bytes));
