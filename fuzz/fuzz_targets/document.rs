//! Fuzzes license documents of other systems.
#![no_main]

use keyferry_fuzz::license;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| license::document(bytes));
