//! Proof in the type: a document that was decoded, and one that may be used.

use std::ops::Deref;

use crate::cose::{Sign1, Typ, digest_of};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::keys::VerifyingKey;

/// A signed document that was decoded within its bounds and whose signature nobody has checked yet.
#[derive(Debug, Clone)]
pub struct Unverified<T> {
    value: T,
    bytes: Vec<u8>,
    message: Vec<u8>,
    signature: [u8; 64],
    typ: Typ,
}

/// A document whose signature holds (or whose key seal, which binds its digest, opened). There is no other way to
/// get one than to check it.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    value: T,
    bytes: Vec<u8>,
    digest: Digest,
}

impl<T> Unverified<T> {
    /// Splits a COSE_Sign1 and decodes its payload with `payload`.
    pub(crate) fn decode(
        typ: Typ,
        bytes: &[u8],
        limit: usize,
        payload: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<Self> {
        let sign1 = Sign1::decode(typ, bytes, limit)?;
        let value = payload(sign1.payload)?;
        Ok(Self {
            value,
            bytes: bytes.to_vec(),
            message: sign1.sig_structure(),
            signature: sign1.signature,
            typ,
        })
    }

    /// The content, to find out whose key to check with. It proves nothing.
    pub fn claim(&self) -> &T {
        &self.value
    }

    /// SHA-256 of the Sig_structure.
    pub fn digest(&self) -> Digest {
        digest_of(&self.message)
    }

    /// The document's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn verify(self, mut keys: impl Iterator<Item = VerifyingKey>) -> Result<Verified<T>> {
        if keys.any(|key| key.verify(&self.message, &self.signature).is_ok()) {
            return Ok(self.vouched());
        }
        Err(Error::BadSignature {
            what: self.typ.name(),
        })
    }

    /// For batch verification.
    pub(crate) fn batch_item(&self, key: &VerifyingKey) -> ed25519_zebra::batch::Item {
        let signature = ed25519_zebra::Signature::from_bytes(&self.signature);
        (
            ed25519_zebra::VerificationKeyBytes::from(*key.as_bytes()),
            signature,
            &self.message,
        )
            .into()
    }

    /// Only for callers in this crate that have just proven it in another way.
    pub(crate) fn vouched(self) -> Verified<T> {
        let digest = self.digest();
        self.vouched_as(digest)
    }

    /// The same where the digest is at hand.
    pub(crate) fn vouched_as(self, digest: Digest) -> Verified<T> {
        Verified {
            value: self.value,
            bytes: self.bytes,
            digest,
        }
    }
}

impl<T> Verified<T> {
    /// SHA-256 of the Sig_structure: what seals are bound to.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The document's bytes, as they were signed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}
