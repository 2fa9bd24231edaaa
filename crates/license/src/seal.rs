//! Seals: how a content key is kept for one reader. One construction for delivery, escrow, return and store
//! (docs/license.md section 6).
//!
//! KEK = Expand(secret, label || grant digest); sealed = AES-256-GCM(KEK, zero nonce, no AAD, content key). The digest
//! fixes the commitment and the commitment fixes the plaintext, so that one KEK never seals two messages: that is
//! why a sealer checks the commitment first.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hpke::aead::{AeadCtxR, AeadCtxS, ExportOnlyAead};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::content_key::ContentKey;
use crate::error::{Error, Result};
use crate::grant::Grant;
use crate::id::Digest;
use crate::keys::{KemPublicKey, KemSecret, Randomness, Secret32};
use crate::verified::{Unverified, Verified};

/// How a secret is agreed on: 1 is HPKE with X-Wing (0x647a), HKDF-SHA256 (0x0001), export-only (0xffff).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cbor(index_only)]
pub enum Suite {
    /// X-Wing, HKDF-SHA256, export only.
    #[n(1)]
    XWingHkdfSha256,
}

impl<'b, C> Decode<'b, C> for Suite {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.u64()? {
            1 => Ok(Suite::XWingHkdfSha256),
            other => Err(minicbor::decode::Error::custom(Error::UnknownSuite(other))),
        }
    }
}

/// The `enc` of one HPKE encapsulation: 1,120 bytes, one for a whole batch.
#[derive(Clone, PartialEq, Eq)]
pub struct Encapsulation(Vec<u8>);

impl Encapsulation {
    /// Length in bytes.
    pub const LEN: usize = 1120;

    /// Takes 1,120 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() != Self::LEN {
            let why = format!("{} bytes instead of {}", bytes.len(), Self::LEN);
            return Err(Error::OutOfRange { field: "enc", why });
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Encapsulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encapsulation({}..)", crate::id::hex(&self.0[..4]))
    }
}

/// A content key under a KEK: 16 bytes of ciphertext, 16 of tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedKey(pub [u8; 32]);

/// What a seal is for; each has its label, so that none opens as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Delivery,
    Escrow,
    Return,
    Store,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Delivery => b"keyferry v1 delivery",
            Purpose::Escrow => b"keyferry v1 escrow",
            Purpose::Return => b"keyferry v1 return",
            Purpose::Store => b"keyferry v1 store",
        }
    }
}

enum Secret {
    Sender(Box<AeadCtxS<ExportOnlyAead, HkdfSha256, XWing>>),
    Receiver(Box<AeadCtxR<ExportOnlyAead, HkdfSha256, XWing>>),
    Symmetric(Secret32),
}

/// Seals and opens content keys for one purpose under one secret.
pub struct Sealer {
    purpose: Purpose,
    secret: Secret,
}

impl Sealer {
    /// Seals a batch of keys for a computer: by an issuer, or by a service for a one-time key.
    pub fn delivery(to: &KemPublicKey) -> Result<(Encapsulation, Self)> {
        Self::encapsulate(Purpose::Delivery, to)
    }

    /// Opens what was delivered.
    pub fn open_delivery(enc: &Encapsulation, key: &KemSecret) -> Result<Self> {
        Self::decapsulate(Purpose::Delivery, enc, key)
    }

    /// Seals a batch of keys for a service.
    pub fn escrow(to: &KemPublicKey) -> Result<(Encapsulation, Self)> {
        Self::encapsulate(Purpose::Escrow, to)
    }

    /// Opens an escrow, at the service.
    pub fn open_escrow(enc: &Encapsulation, key: &KemSecret) -> Result<Self> {
        Self::decapsulate(Purpose::Escrow, enc, key)
    }

    /// Seals and opens under a computer's return key.
    pub fn returning(key: &Secret32) -> Self {
        Self {
            purpose: Purpose::Return,
            secret: Secret::Symmetric(key.clone()),
        }
    }

    /// Seals and opens under a computer's store key.
    pub fn store(key: &Secret32) -> Self {
        Self {
            purpose: Purpose::Store,
            secret: Secret::Symmetric(key.clone()),
        }
    }

    /// Seals a key for its grant, after checking that it is the one that the grant committed to.
    pub fn seal(&self, grant: &Verified<Grant>, key: &ContentKey) -> Result<SealedKey> {
        fits(grant, key)?;
        let sealed = self
            .cipher(grant.digest())?
            .encrypt(&Nonce::default(), key.expose().as_slice());
        let sealed = sealed.ok().and_then(|bytes| bytes.try_into().ok());
        sealed.map(SealedKey).ok_or(Error::SealBroken)
    }

    /// Opens a key and checks that it is the one that the grant committed to.
    pub fn open(&self, grant: &Verified<Grant>, sealed: &SealedKey) -> Result<ContentKey> {
        let key = self.open_unchecked(grant.digest(), sealed)?;
        fits(grant, &key)?;
        Ok(key)
    }

    /// Opens a key that this computer itself sealed under a secret that nobody else knows. It only ever does so after
    /// verifying the grant, and the seal binds the grant's digest: so opening it proves the grant again, at the price
    /// of one AEAD instead of a signature. An altered grant doesn't open its key. Escrow and delivery prove nothing
    /// of the kind: anybody can make them, and they are refused here.
    pub fn open_own(
        &self,
        grant: Unverified<Grant>,
        sealed: &SealedKey,
    ) -> Result<(Verified<Grant>, ContentKey)> {
        if !matches!(self.secret, Secret::Symmetric(_)) {
            return Err(Error::SealBroken);
        }
        let digest = grant.digest();
        let key = self.open_unchecked(&digest, sealed)?;
        fits(grant.claim(), &key)?;
        Ok((grant.vouched_as(digest), key))
    }

    fn encapsulate(purpose: Purpose, to: &KemPublicKey) -> Result<(Encapsulation, Self)> {
        let mut randomness = Randomness::new();
        let sender = hpke::setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, XWing>(
            &OpModeS::Base,
            &to.public()?,
            purpose.label(),
            &mut randomness,
        );
        randomness.was_given()?;
        let (enc, context) = sender.map_err(|_| Error::BadKey {
            what: "the reader's card",
        })?;
        let secret = Secret::Sender(Box::new(context));
        Ok((Encapsulation(enc.to_bytes().to_vec()), Self { purpose, secret }))
    }

    fn decapsulate(purpose: Purpose, enc: &Encapsulation, key: &KemSecret) -> Result<Self> {
        let enc = Deserializable::from_bytes(enc.as_bytes()).map_err(|_| Error::SealBroken)?;
        let receiver = hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, XWing>(
            &OpModeR::Base,
            &key.private()?,
            &enc,
            purpose.label(),
        );
        let secret = Secret::Receiver(Box::new(receiver.map_err(|_| Error::SealBroken)?));
        Ok(Self { purpose, secret })
    }

    fn open_unchecked(&self, digest: &Digest, sealed: &SealedKey) -> Result<ContentKey> {
        let plain = self
            .cipher(digest)?
            .decrypt(&Nonce::default(), sealed.0.as_slice());
        let plain = Zeroizing::new(plain.map_err(|_| Error::SealBroken)?);
        ContentKey::from_slice(&plain).ok_or(Error::SealBroken)
    }

    /// AES-256-GCM under the KEK of this grant.
    fn cipher(&self, digest: &Digest) -> Result<Aes256Gcm> {
        let mut info = [0; 64];
        let label = self.purpose.label();
        let end = label.len() + 32;
        info[..label.len()].copy_from_slice(label);
        info[label.len()..end].copy_from_slice(digest.as_bytes());
        let info = &info[..end];
        let mut kek = Zeroizing::new([0; 32]);
        let expanded = match &self.secret {
            Secret::Sender(context) => context.export(info, kek.as_mut_slice()).is_ok(),
            Secret::Receiver(context) => context.export(info, kek.as_mut_slice()).is_ok(),
            Secret::Symmetric(secret) => Hkdf::<Sha256>::from_prk(secret.expose())
                .is_ok_and(|hkdf| hkdf.expand(info, kek.as_mut_slice()).is_ok()),
        };
        if !expanded {
            return Err(Error::SealBroken);
        }
        Aes256Gcm::new_from_slice(kek.as_slice()).map_err(|_| Error::SealBroken)
    }
}

fn fits(grant: &Grant, key: &ContentKey) -> Result<()> {
    if key.commitment(&grant.license) == grant.commitment {
        Ok(())
    } else {
        Err(Error::WrongCommitment)
    }
}

macro_rules! bytes_codec {
    ($name:ident, $make:expr) => {
        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                let made: Option<Self> = $make(d.bytes()?);
                let wrong = concat!(stringify!($name), " of the wrong length");
                made.ok_or_else(|| minicbor::decode::Error::message(wrong).at(at))
            }
        }
    };
}
bytes_codec!(SealedKey, |bytes: &[u8]| bytes.try_into().ok().map(SealedKey));
bytes_codec!(Encapsulation, |bytes: &[u8]| Encapsulation::from_bytes(bytes)
    .ok());
