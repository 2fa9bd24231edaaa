//! The secret of an issuer: its root key and the key that signs grants.

use minicbor::{Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use crate::armor;
use crate::card::{Card, CardKey, CardKind, KeyUse};
use crate::cbor;
use crate::error::Result;
use crate::keys::{PublicKey, Secret32, SigningSecret};
use crate::text::Text;
use crate::verified::Verified;

/// Keys of an issuer. Stored as `issuer.key`, an armored file that only its owner may read.
#[derive(Debug, Clone)]
pub struct IssuerKey {
    root: SigningSecret,
    signing: SigningSecret,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[cbor(n(1), with = "minicbor::bytes")]
    root: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    signing: [u8; 32],
}

impl IssuerKey {
    /// Fresh keys.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            root: SigningSecret::generate()?,
            signing: SigningSecret::generate()?,
        })
    }

    /// The key that signs grants.
    pub fn signing(&self) -> &SigningSecret {
        &self.signing
    }

    /// The first card under this root.
    pub fn card(&self, name: &str, urls: &[String], now: u64) -> Result<Verified<Card>> {
        let signing = CardKey {
            usage: KeyUse::Sign,
            key: PublicKey::Ed25519(self.signing.public()),
            not_before: now,
            not_after: None,
        };
        let card = Card {
            kind: CardKind::Issuer,
            name: Text::new("name", name)?,
            root: PublicKey::Ed25519(self.root.public()),
            keys: vec![signing],
            urls: urls
                .iter()
                .map(|url| Text::new("URL", url))
                .collect::<Result<_>>()?,
            serial: 1,
        };
        card.sign(&self.root)
    }

    /// The armored secret.
    pub fn to_armor(&self) -> Result<Zeroizing<String>> {
        let stored = Stored {
            root: *self.root.seed().expose(),
            signing: *self.signing.seed().expose(),
        };
        let bytes = Zeroizing::new(cbor::encode(&stored));
        armor::write(armor::ISSUER_KEY, &bytes).map(Zeroizing::new)
    }

    /// Reads the armored secret.
    pub fn from_armor(text: &[u8]) -> Result<Self> {
        let block = Zeroizing::new(armor::single(armor::ISSUER_KEY, text)?);
        let stored: Stored = cbor::decode_exact("issuer key", &block, 1024)?;
        let signing_secret = |seed| SigningSecret::from_seed(Secret32::from_bytes(seed));
        Ok(Self {
            root: signing_secret(stored.root),
            signing: signing_secret(stored.signing),
        })
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.root.zeroize();
        self.signing.zeroize();
    }
}
