//! Fuzzes PEM armor of every label.
#![no_main]

use keyferry_fuzz::license;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| license::armored(bytes));
