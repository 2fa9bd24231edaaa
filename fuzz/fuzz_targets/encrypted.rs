//! Fuzzes the start of encrypted backup files.
#![no_main]

use keyferry_fuzz::archive;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archive::encrypted(bytes));
