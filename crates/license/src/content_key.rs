//! The content key and the commitment that lets whoever opens a key tell that it is the right one.

use std::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::Result;
use crate::id::LicenseId;
use crate::keys::random_secret;

const COMMITMENT_LABEL: &[u8] = b"keyferry v1 commitment";

/// 16 random bytes that open one piece of content. Wiped when dropped, never shown by `Debug`.
#[derive(Clone)]
pub struct ContentKey(Zeroizing<[u8; 16]>);

impl ContentKey {
    /// A fresh one.
    pub fn generate() -> Result<Self> {
        Ok(Self(random_secret()?))
    }

    /// Takes the bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies 16 bytes, for a caller that wipes its own.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Self(Zeroizing::new([0; 16]));
        (bytes.len() == key.0.len()).then(|| key.0.copy_from_slice(bytes))?;
        Some(key)
    }

    /// The bytes: for sealing, and for handing the key to whoever opens the content.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// SHA-256(label || license ID || content key), docs/license.md section 5.
    pub fn commitment(&self, license: &LicenseId) -> Commitment {
        let mut hash = Sha256::new();
        hash.update(COMMITMENT_LABEL);
        hash.update(license.as_bytes());
        hash.update(self.expose());
        Commitment(hash.finalize().into())
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

/// What a grant says about its content key without giving it away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commitment(pub [u8; 32]);

impl<C> Encode<C> for Commitment {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Commitment {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        let bytes = d.bytes()?.try_into();
        bytes
            .map(Self)
            .map_err(|_| minicbor::decode::Error::message("a commitment that is not 32 bytes").at(at))
    }
}
