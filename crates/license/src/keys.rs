//! Ed25519 and X-Wing keys, secret and public, and their COSE_Key forms.

use std::convert::Infallible;
use std::fmt;

use hpke::{Deserializable, Kem, Serializable};
use minicbor::{Decode, Decoder, Encode, Encoder};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::cbor;
use crate::error::{Error, Result};
use crate::id::Thumbprint;

/// Fresh random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|e| Error::NoRandomness(e.to_string()))?;
    Ok(out)
}

/// Fresh random bytes in the place where a secret is kept, so that no copy of it stays behind.
pub(crate) fn random_secret<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut out = Zeroizing::new([0; N]);
    getrandom::fill(out.as_mut_slice()).map_err(|e| Error::NoRandomness(e.to_string()))?;
    Ok(out)
}

/// Random bytes for code that can't be told that there are none: it gets zeros then, and what it made of them MUST
/// be thrown away unless [`Randomness::was_given`].
pub(crate) struct Randomness {
    ahead: Zeroizing<[u8; 512]>,
    used: usize,
    missing: Option<getrandom::Error>,
}

impl Randomness {
    pub(crate) fn new() -> Self {
        Self {
            ahead: Zeroizing::new([0; 512]),
            used: 512,
            missing: None,
        }
    }

    /// Was every byte so far random?
    pub(crate) fn was_given(&self) -> Result<()> {
        match self.missing {
            None => Ok(()),
            Some(error) => Err(Error::NoRandomness(error.to_string())),
        }
    }

    fn byte(&mut self) -> u8 {
        if self.used == self.ahead.len() {
            // One system call for many numbers: a batch draws 16 bytes for each signature.
            if let Err(error) = getrandom::fill(self.ahead.as_mut_slice()) {
                self.ahead.zeroize();
                self.missing = Some(error);
            }
            self.used = 0;
        }
        self.used += 1;
        std::mem::take(&mut self.ahead[self.used - 1])
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }
}

impl TryRng for Randomness {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.array()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.iter_mut().for_each(|byte| *byte = self.byte());
        Ok(())
    }
}

impl TryCryptoRng for Randomness {}

/// A symmetric secret of 32 bytes, wiped when dropped, never shown.
#[derive(Clone)]
pub struct Secret32(Zeroizing<[u8; 32]>);

impl Secret32 {
    /// A fresh one.
    pub fn generate() -> Result<Self> {
        Ok(Self(random_secret()?))
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

/// A public key in its COSE_Key form. Decoding refuses what is no usable key: a point of small order, an X-Wing key
/// with a coefficient out of range.
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
                let key = VerifyingKey::from_bytes(bytes);
                key.map(Self::Ed25519).map_err(minicbor::decode::Error::custom)
            }
            7 => {
                if (d.u8()?, d.i64()?, d.i8()?) != (3, XWING_ALG, -1) {
                    return Err(bad("not an X-Wing COSE_Key"));
                }
                let key = d.bytes()?;
                if key.len() != KemPublicKey::LEN {
                    return Err(bad("an X-Wing key that is not 1,216 bytes long"));
                }
                let key = KemPublicKey::from_bytes(key);
                key.map(Self::XWing).map_err(minicbor::decode::Error::custom)
            }
            _ => Err(bad("a kind of key that this version does not know")),
        }
    }
}
