//! Fuzzes backup files that are not encrypted.
#![no_main]

use keyferry_fuzz::archive;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archive::backup(bytes));
