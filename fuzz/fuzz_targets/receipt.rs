//! Fuzzes payloads of receipts: verdicts, refusals and releases.
#![no_main]

use keyferry_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::receipt(bytes));
