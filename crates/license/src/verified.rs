//! Proof in the type: a document that was decoded, and one that may be used.

use std::ops::Deref;
use std::sync::Arc;

use crate::cose::{Sign1, Typ, digest_of};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::keys::VerifyingKey;

/// A signed document that was decoded within its bounds and whose signature nobody has checked yet.
#[derive(Debug)]
pub struct Unverified<T> {
    content: Arc<Content<T>>,
    message: Vec<u8>,
    signature: [u8; 64],
    typ: Typ,
}

/// A document whose signature holds (or whose key seal, which binds its digest, opened). There is no other way to
/// get one than to check it. A clone shares the document.
#[derive(Debug)]
pub struct Verified<T> {
    content: Arc<Content<T>>,
    digest: Digest,
}

/// A document and its bytes. Shared, because batches of a thousand are moved from hand to hand.
#[derive(Debug)]
struct Content<T> {
    value: T,
    bytes: Vec<u8>,
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
            content: Arc::new(Content {
                value,
                bytes: bytes.to_vec(),
            }),
            message: sign1.sig_structure(),
            signature: sign1.signature,
            typ,
        })
    }

    /// The content, to find out whose key to check with. It proves nothing.
    pub fn claim(&self) -> &T {
        &self.content.value
    }

    /// SHA-256 of the Sig_structure.
    pub fn digest(&self) -> Digest {
        digest_of(&self.message)
    }

    /// The document's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.content.bytes
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
    pub(crate) fn vouched(&self) -> Verified<T> {
        let digest = self.digest();
        self.vouched_as(digest)
    }

    /// The same where the digest is at hand.
    pub(crate) fn vouched_as(&self, digest: Digest) -> Verified<T> {
        Verified {
            content: Arc::clone(&self.content),
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
        &self.content.bytes
    }
}

impl<T> Clone for Unverified<T> {
    fn clone(&self) -> Self {
        Self {
            content: Arc::clone(&self.content),
            message: self.message.clone(),
            signature: self.signature,
            typ: self.typ,
        }
    }
}

impl<T> Clone for Verified<T> {
    fn clone(&self) -> Self {
        Self {
            content: Arc::clone(&self.content),
            digest: self.digest,
        }
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.content.value
    }
}
