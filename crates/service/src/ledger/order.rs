//! The order of a ledger's rows, for whoever reads all of them.

use super::LicenseName;

/// Bytes that stand in the order of a ledger's rows: by license, by issuer, by sequence number.
pub fn row_key(name: &LicenseName, seq: u64) -> [u8; 56] {
    let mut key = [0; 56];
    key[..16].copy_from_slice(name.1.as_bytes());
    key[16..48].copy_from_slice(name.0.as_bytes());
    key[48..].copy_from_slice(&seq.to_be_bytes());
    key
}
