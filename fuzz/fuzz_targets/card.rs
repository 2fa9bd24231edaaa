//! Fuzzes cards: as they are, and as payloads under a signature that holds.
#![no_main]

use keyferry_fuzz::license;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    license::card(bytes);
    license::card_payload(bytes);
});
