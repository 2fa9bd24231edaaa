//! Ed25519 and X-Wing keys, secret and public, and their COSE_Key forms.

use std::fmt;

use hpke::{Deserializable, Kem, Serializable};
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::cbor;
use crate::error::{Error, Result};
use crate::id::Thumbprint;

/// Fresh random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|e| Error::NoRandomness(e.to_string()))?;
    Ok(out)
}

/// A symmetric secret of 32 bytes, wiped when dropped, never shown.
#[derive(Clone)]
pub struct Secret32(Zeroizing<[u8; 32]>);

impl Secret32 {
    /// A fresh one.
    pub fn generate() -> Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Takes the bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for sealing and storing.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret32(..)")
    }
}

/// An Ed25519 signing key, kept as its seed.
#[derive(Clone)]
pub struct SigningSecret {
    seed: Secret32,
    key: Box<Zeroizing<ed25519_zebra::SigningKey>>,
}

impl SigningSecret {
    /// A fresh key.
    pub fn generate() -> Result<Self> {
        Ok(Self::from_seed(Secret32::generate()?))
    }

    /// The key of this seed.
    pub fn from_seed(seed: Secret32) -> Self {
        let key = Box::new(Zeroizing::new(ed25519_zebra::SigningKey::from_bytes(
            seed.expose(),
        )));
        Self { seed, key }
    }

    /// The seed, for storing.
    pub fn seed(&self) -> &Secret32 {
        &self.seed
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// Its public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey(self.key.verification_key().into())
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecret(of {})", self.public().thumbprint())
    }
}

/// An Ed25519 public key that is a point of large order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Takes 32 bytes that are a point and not of small order (ZIP-215 alone would accept those).
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self> {
        let point = curve25519_dalek::edwards::CompressedEdwardsY(bytes).decompress();
        match point {
            None => Err(Error::BadKey { what: "the document" }),
            Some(point) if point.is_small_order() => Err(Error::SmallOrderKey { what: "the document" }),
            Some(_) => Ok(Self(bytes)),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies by the ZIP-215 rules, so that one signature and a batch agree.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<()> {
        let bad = |_| Error::BadSignature { what: "the message" };
        let key = ed25519_zebra::VerificationKey::try_from(self.0).map_err(bad)?;
        key.verify(&ed25519_zebra::Signature::from_bytes(signature), message)
            .map_err(bad)
    }

    /// RFC 9679: SHA-256 of the COSE_Key with its required members only.
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(Sha256::digest(cbor::encode(&PublicKey::Ed25519(*self))).into())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.thumbprint())
    }
}

/// An X-Wing key pair, kept as its 32-byte seed.
#[derive(Clone, Debug)]
pub struct KemSecret(Secret32);

impl KemSecret {
    /// A fresh key pair.
    pub fn generate() -> Result<Self> {
        Ok(Self(Secret32::generate()?))
    }

    /// The pair of this seed.
    pub fn from_seed(seed: Secret32) -> Self {
        Self(seed)
    }

    /// The seed, for storing.
    pub fn seed(&self) -> &Secret32 {
        &self.0
    }

    /// Its public half, 1,216 bytes.
    pub fn public(&self) -> Result<KemPublicKey> {
        let key = hpke::kem::XWing::sk_to_pk(&self.private()?);
        Ok(KemPublicKey(key.to_bytes().to_vec()))
    }

    pub(crate) fn private(&self) -> Result<<hpke::kem::XWing as Kem>::PrivateKey> {
        Deserializable::from_bytes(self.0.expose()).map_err(|_| Error::BadKey {
            what: "the key store",
        })
    }
}

/// An X-Wing public key: 1,216 bytes that decode.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KemPublicKey(Vec<u8>);

impl KemPublicKey {
    /// Length in bytes.
    pub const LEN: usize = 1216;

    /// Takes bytes that are an X-Wing public key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key = Self(bytes.to_vec());
        key.public()?;
        Ok(key)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn public(&self) -> Result<<hpke::kem::XWing as Kem>::PublicKey> {
        Deserializable::from_bytes(&self.0).map_err(|_| Error::BadKey { what: "the document" })
    }
}

impl fmt::Debug for KemPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemPublicKey({}..)", crate::id::hex(&self.0[..4]))
    }
}

/// A public key in its COSE_Key form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// `{1: 1, -1: 6, -2: x}`.
    Ed25519(VerifyingKey),
    /// `{1: 7, 3: -91258, -1: pub}`; no algorithm is registered yet, so one for private use stands for X-Wing.
    XWing(KemPublicKey),
}

const XWING_ALG: i64 = -91258;

impl<C> Encode<C> for PublicKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.map(3)?.u8(1)?;
        match self {
            Self::Ed25519(key) => e.u8(1)?.i8(-1)?.u8(6)?.i8(-2)?.bytes(&key.0)?.ok(),
            Self::XWing(key) => e.u8(7)?.u8(3)?.i64(XWING_ALG)?.i8(-1)?.bytes(&key.0)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        let bad = |why: &'static str| minicbor::decode::Error::message(why).at(at);
        if d.map()? != Some(3) || d.u8()? != 1 {
            return Err(bad("not a COSE_Key of three members"));
        }
        match d.u8()? {
            1 => {
                if (d.i8()?, d.u8()?, d.i8()?) != (-1, 6, -2) {
                    return Err(bad("not an Ed25519 COSE_Key"));
                }
                let bytes = d
                    .bytes()?
                    .try_into()
                    .map_err(|_| bad("an Ed25519 key that is not 32 bytes long"))?;
                // Small order is refused by name when the card is verified; here it only has to be a point.
                Ok(Self::Ed25519(VerifyingKey(bytes)))
            }
            7 => {
                if (d.u8()?, d.i64()?, d.i8()?) != (3, XWING_ALG, -1) {
                    return Err(bad("not an X-Wing COSE_Key"));
                }
                let key = d.bytes()?;
                if key.len() != KemPublicKey::LEN {
                    return Err(bad("an X-Wing key that is not 1,216 bytes long"));
                }
                Ok(Self::XWing(KemPublicKey(key.to_vec())))
            }
            _ => Err(bad("a kind of key that this version does not know")),
        }
    }
}

impl PublicKey {
    /// Is it usable: a point of large order, or an X-Wing key that decodes.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Ed25519(key) => VerifyingKey::from_bytes(key.0).map(drop),
            Self::XWing(key) => key.public().map(drop),
        }
    }
}
