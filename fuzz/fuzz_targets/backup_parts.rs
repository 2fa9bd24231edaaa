//! Fuzzes headers and records of backups, under digests and a signature that fit.
#![no_main]

use keyferry_fuzz::archive;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archive::backup_parts(bytes));
