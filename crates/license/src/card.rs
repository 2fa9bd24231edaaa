//! Cards: what issuers, services and computers show of themselves, signed by their own root key.

use minicbor::{Decode, Decoder, Encode};

use crate::cbor;
use crate::cose::{Typ, sign_document};
use crate::error::{Error, Result};
use crate::id::Thumbprint;
use crate::keys::{KemPublicKey, PublicKey, SigningSecret, VerifyingKey};
use crate::text::Text;
use crate::verified::{Unverified, Verified};

/// A signed card is at most this many bytes long.
pub const CARD_LIMIT: usize = 64 * 1024;
const MAX_KEYS: usize = 32;
const MAX_URLS: usize = 8;

/// Whose card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CardKind {
    /// Signs grants.
    #[n(1)]
    Issuer,
    /// Decides how many computers may hold a license.
    #[n(2)]
    Service,
    /// Holds licenses.
    #[n(3)]
    Computer,
}

impl CardKind {
    fn who(self) -> &'static str {
        match self {
            CardKind::Issuer => "an issuer",
            CardKind::Service => "a service",
            CardKind::Computer => "a computer",
        }
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyUse {
    /// Signs documents.
    #[n(1)]
    Sign,
    /// Content keys are sealed for it.
    #[n(2)]
    Seal,
}

/// One key of a card.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CardKey {
    /// What it is for; an Ed25519 key signs, an X-Wing key is sealed for.
    #[n(1)]
    pub usage: KeyUse,
    /// The key.
    #[n(2)]
    pub key: PublicKey,
    /// From when on it is used (Unix seconds).
    #[n(3)]
    pub not_before: u64,
    /// When it was retired: it still verifies and opens, and never signs or seals anew.
    #[n(4)]
    pub not_after: Option<u64>,
}

/// A card (docs/license.md section 3).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Card {
    /// Whose.
    #[n(1)]
    pub kind: CardKind,
    /// What people call it.
    #[n(2)]
    pub name: Text<256>,
    /// The key that signs the card; it doesn't change.
    #[n(3)]
    pub root: PublicKey,
    /// Keys, the newest first.
    #[cbor(n(4), decode_with = "decode_keys")]
    pub keys: Vec<CardKey>,
    /// Where it is to be found; for a service the base address of its messages first.
    #[cbor(n(5), decode_with = "decode_urls")]
    pub urls: Vec<Text<1024>>,
    /// Of two cards under one root the one with the higher serial counts.
    #[n(6)]
    pub serial: u64,
}

impl Card {
    /// Signs it with its root key.
    pub fn sign(&self, root: &SigningSecret) -> Result<Verified<Card>> {
        Self::verify(&sign_document(Typ::Card, &cbor::encode(self), root))
    }

    /// Decodes a signed card and checks it against its own root. Whether that root is to be trusted is another
    /// question, which the caller answers by the thumbprint.
    pub fn verify(bytes: &[u8]) -> Result<Verified<Card>> {
        let card = Unverified::decode(Typ::Card, bytes, CARD_LIMIT, |payload| {
            let card: Card = cbor::decode_exact("card", payload, CARD_LIMIT)?;
            card.check()?;
            Ok(card)
        })?;
        let root = card.claim().root_key();
        card.verify(root.into_iter())
    }

    /// Its name: the thumbprint of its root (RFC 9679).
    pub fn thumbprint(&self) -> Thumbprint {
        self.root_key().map(|key| key.thumbprint()).unwrap_or_default()
    }

    /// Keys that may have signed its documents, the newest first.
    pub fn signing_keys(&self) -> impl Iterator<Item = VerifyingKey> + '_ {
        self.keys
            .iter()
            .filter(|key| key.usage == KeyUse::Sign)
            .filter_map(|key| match key.key {
                PublicKey::Ed25519(key) => Some(key),
                PublicKey::XWing(_) => None,
            })
    }

    /// The key to seal for at `now` (Unix seconds). Clocks differ between computers, so the newest key that is not
    /// retired serves even a little before its time.
    pub fn seal_key(&self, now: u64) -> Result<&KemPublicKey> {
        let current = |key: &&CardKey| key.usage == KeyUse::Seal && key.not_after.is_none_or(|end| now < end);
        let key = self.keys.iter().find(current).map(|key| &key.key);
        match key {
            Some(PublicKey::XWing(key)) => Ok(key),
            _ => Err(Error::NoKey {
                name: self.name.shown(),
                needed: "seal",
            }),
        }
    }

    /// Refuses the card of another kind than this.
    pub(crate) fn must_be(&self, kind: CardKind) -> Result<()> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Error::OutOfRange {
            field: "card",
            why: format!("it is the card of {}, not of {}", self.kind.who(), kind.who()),
        })
    }

    fn root_key(&self) -> Option<VerifyingKey> {
        match self.root {
            PublicKey::Ed25519(key) => Some(key),
            PublicKey::XWing(_) => None,
        }
    }

    fn check(&self) -> Result<()> {
        if self.root_key().is_none() {
            return Err(Error::BadKey { what: "the card" });
        }
        for key in &self.keys {
            let fits = matches!(
                (key.usage, &key.key),
                (KeyUse::Sign, PublicKey::Ed25519(_)) | (KeyUse::Seal, PublicKey::XWing(_))
            );
            if !fits {
                return Err(Error::OutOfRange {
                    field: "key of a card",
                    why: "not of the kind of its use".into(),
                });
            }
        }
        let reversed = |key: &CardKey| key.not_after.is_some_and(|end| end < key.not_before);
        if self.keys.iter().any(reversed) {
            return Err(Error::OutOfRange {
                field: "key of a card",
                why: "retired before it began".into(),
            });
        }
        if self.name.shown().trim().is_empty() {
            return Err(Error::OutOfRange {
                field: "name of a card",
                why: "empty".into(),
            });
        }
        Ok(())
    }
}

fn decode_keys<'b, C>(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Vec<CardKey>, minicbor::decode::Error> {
    cbor::list("keys of a card", MAX_KEYS, d, ctx)
}

fn decode_urls<'b, C>(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Vec<Text<1024>>, minicbor::decode::Error> {
    cbor::list("URLs of a card", MAX_URLS, d, ctx)
}
