//! Fuzzes blocks of license files, and the cards and grants in them.
#![no_main]

use keyferry_fuzz::license;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| license::license_file(bytes));
