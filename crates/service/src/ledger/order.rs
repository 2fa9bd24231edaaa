//! The order of a ledger's rows, for whoever reads all of them.

use super::LicenseName;

/// The order in which a ledger keeps its rows; within a license always by sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// By issuer, then by license.
    Issuer,
    /// By license, then by issuer.
    License,
}

impl RowOrder {
    /// Bytes that stand in the order of the ledger's rows.
    pub fn key(self, name: &LicenseName, seq: u64) -> [u8; 56] {
        let (issuer, license) = (name.0.as_bytes().as_slice(), name.1.as_bytes().as_slice());
        let (first, second) = match self {
            RowOrder::Issuer => (issuer, license),
            RowOrder::License => (license, issuer),
        };
        let mut key = [0; 56];
        key[..first.len()].copy_from_slice(first);
        key[first.len()..48].copy_from_slice(second);
        key[48..].copy_from_slice(&seq.to_be_bytes());
        key
    }
}
