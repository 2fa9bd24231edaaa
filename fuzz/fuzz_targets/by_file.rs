//! Fuzzes requests and answers by file.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::by_file(bytes));
