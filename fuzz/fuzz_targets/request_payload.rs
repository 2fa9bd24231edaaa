//! Fuzzes payloads of requests, under a signature that holds.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::request_payload(bytes));
