//! The footer: the computer's word on what is in the backup (docs/backup.md section 6).

use keyferry_license::{
    Card, PublicKey, Sign1, SigningSecret, Typ, Verified, decode_exact, encode, sign_document,
};
use minicbor::{Decode, Encode};

/// A signed footer is at most this many bytes long.
pub(super) const FOOTER_LIMIT: usize = 1024;

/// What the computer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Footer {
    #[cbor(n(1), with = "minicbor::bytes")]
    pub backup: [u8; 16],
    #[n(2)]
    pub licenses: u64,
    #[n(3)]
    pub documents: u64,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub root: [u8; 32],
    #[n(5)]
    pub index_offset: u64,
    #[n(6)]
    pub frames: u32,
}

impl Footer {
    pub fn sign(&self, secret: &SigningSecret) -> Vec<u8> {
        sign_document(Typ::Backup, &encode(self), secret)
    }

    /// Decodes a footer whose signature by the computer holds.
    pub fn verify(bytes: &[u8], computer: &Verified<Card>) -> keyferry_license::Result<Self> {
        let signed = Sign1::decode(Typ::Backup, bytes, FOOTER_LIMIT)?;
        match &computer.root {
            PublicKey::Ed25519(key) => signed.verify(key)?,
            PublicKey::XWing(_) => return Err(keyferry_license::Error::BadKey { what: "the card" }),
        }
        decode_exact("backup footer", signed.payload, FOOTER_LIMIT)
    }
}
