//! A row of the ledger: a change and its audit record in one, chained by hash (docs/protocol.md section 5).

use keyferry_license::{ComputerId, Digest, LicenseId, Thumbprint, encode};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::request::RequestId;

/// What a row changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Change {
    /// The computer takes the slot.
    #[n(1)]
    Take,
    /// The computer gives the slot back.
    #[n(2)]
    Release,
    /// The issuer revoked the license.
    #[n(3)]
    Revoke,
}

/// One row. No rows at all means that the grant's origin holds slot 1.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Row {
    /// Issuer of the license.
    #[n(0)]
    pub issuer: Thumbprint,
    /// The license.
    #[n(1)]
    pub license: LicenseId,
    /// 1, 2, … for each license.
    #[n(2)]
    pub seq: u64,
    /// Whose slot it is.
    #[n(3)]
    pub computer: ComputerId,
    /// What happens to it.
    #[n(4)]
    pub change: Change,
    /// From 1.
    #[n(5)]
    pub slot: u32,
    /// Number of the lease that goes with it; 0 until a license is leased.
    #[n(6)]
    pub lease: u64,
    /// The request that caused it.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub request: RequestId,
    /// Service time (Unix seconds).
    #[n(8)]
    pub time: u64,
    /// Hash of the row before it; zero before the first.
    #[n(9)]
    pub previous: Digest,
}

impl Row {
    /// SHA-256 of the row's deterministic CBOR.
    pub fn hash(&self) -> Digest {
        Digest(Sha256::digest(encode(self)).into())
    }
}
