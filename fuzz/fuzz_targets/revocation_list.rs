//! Fuzzes payloads of revocation lists.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::revocation_list(bytes));
