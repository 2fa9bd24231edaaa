//! The header of a backup: whose it is, and what is needed to open what follows (docs/backup.md section 3).

use std::fmt;

use keyferry_license::{
    CARD_LIMIT, Card, CardKind, Encapsulation, Suite, Thumbprint, Verified, decode_exact, encode, random,
};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::error::{Error, Result};

/// A header is at most this many bytes long.
pub const HEADER_LIMIT: usize = 1024 * 1024;
/// Services in one backup.
pub const MAX_SERVICES: usize = 16;
/// Issuers in one backup.
pub const MAX_ISSUERS: usize = 64;

/// Names a backup: 16 random bytes. The computer keeps the return key of a backup under its ID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BackupId(pub [u8; 16]);

impl BackupId {
    /// A fresh one.
    pub fn generate() -> Result<Self> {
        random()
            .map(Self)
            .map_err(|error| Error::System(error.to_string()))
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackupId({self})")
    }
}

/// The one encapsulation under which all escrows for one service are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ServiceSeal {
    /// Thumbprint of the service's root; its card is in the header.
    #[n(1)]
    pub service: Thumbprint,
    /// How the escrows are sealed.
    #[n(2)]
    pub suite: Suite,
    /// The encapsulation.
    #[n(3)]
    pub enc: Encapsulation,
}

/// The last receipt that the computer had from a service when it made the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LastReceipt {
    /// Thumbprint of the service's root.
    #[n(1)]
    pub service: Thumbprint,
    /// ID of the request that it answers.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub request: [u8; 32],
    /// The service's time in it (Unix seconds).
    #[n(3)]
    pub time: u64,
}

/// What stands before the licenses.
#[derive(Debug, Clone)]
pub struct Header {
    /// Names the backup.
    pub backup: BackupId,
    /// When it was made, by the computer's clock (Unix seconds). Decides nothing.
    pub created: u64,
    /// The computer that made it, and whose key signs the footer.
    pub computer: Verified<Card>,
    /// Cards of the issuers whose grants are in it, at most 64.
    pub issuers: Vec<Verified<Card>>,
    /// Cards of the services that the escrows are for, at most 16.
    pub services: Vec<Verified<Card>>,
    /// One encapsulation for each service.
    pub seals: Vec<ServiceSeal>,
    /// At most one for each service.
    pub receipts: Vec<LastReceipt>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[cbor(n(1), with = "minicbor::bytes")]
    backup: [u8; 16],
    #[n(2)]
    created: u64,
    #[n(3)]
    computer: ByteVec,
    #[n(4)]
    issuers: Vec<ByteVec>,
    #[n(5)]
    services: Vec<ByteVec>,
    #[n(6)]
    seals: Vec<ServiceSeal>,
    #[n(7)]
    receipts: Vec<LastReceipt>,
}

impl Header {
    /// The bytes, after the rules were checked.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let bytes =
            |cards: &[Verified<Card>]| cards.iter().map(|card| card.as_bytes().to_vec().into()).collect();
        let stored = Stored {
            backup: self.backup.0,
            created: self.created,
            computer: self.computer.as_bytes().to_vec().into(),
            issuers: bytes(&self.issuers),
            services: bytes(&self.services),
            seals: self.seals.clone(),
            receipts: self.receipts.clone(),
        };
        let bytes = encode(&stored);
        at_most("header", bytes.len(), HEADER_LIMIT)?;
        Ok(bytes)
    }

    /// Decodes and checks the rules; the cards are verified against their own roots.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let stored: Stored = decode_exact("backup header", bytes, HEADER_LIMIT).map_err(broken)?;
        // Bounds before any signature is checked.
        at_most("issuers", stored.issuers.len(), MAX_ISSUERS)?;
        at_most("services", stored.services.len(), MAX_SERVICES)?;
        let cards = |list: &[ByteVec]| list.iter().map(|bytes| card(bytes)).collect::<Result<Vec<_>>>();
        let header = Self {
            backup: BackupId(stored.backup),
            created: stored.created,
            computer: card(&stored.computer)?,
            issuers: cards(&stored.issuers)?,
            services: cards(&stored.services)?,
            seals: stored.seals,
            receipts: stored.receipts,
        };
        header.check()?;
        Ok(header)
    }

    /// The rules of docs/backup.md section 3.
    fn check(&self) -> Result<()> {
        at_most("issuers", self.issuers.len(), MAX_ISSUERS)?;
        at_most("services", self.services.len(), MAX_SERVICES)?;
        at_most("last receipts", self.receipts.len(), MAX_SERVICES)?;
        let kinds = [
            (CardKind::Computer, std::slice::from_ref(&self.computer)),
            (CardKind::Issuer, &self.issuers),
            (CardKind::Service, &self.services),
        ];
        if kinds
            .iter()
            .any(|(kind, cards)| cards.iter().any(|card| card.kind != *kind))
        {
            return invalid("cards of the header", "a card is of another kind than its place");
        }
        let issuers = thumbprints(&self.issuers);
        let services = thumbprints(&self.services);
        let sealed: Vec<_> = self.seals.iter().map(|seal| seal.service).collect();
        let receipts: Vec<_> = self.receipts.iter().map(|receipt| receipt.service).collect();
        if [&issuers, &services, &sealed, &receipts]
            .into_iter()
            .any(|list| repeats(list))
        {
            return invalid("header", "an issuer or a service is named twice");
        }
        if sealed != services {
            return invalid(
                "seals of the header",
                "there must be one for each service, in the order of the cards",
            );
        }
        Ok(())
    }
}

fn card(bytes: &[u8]) -> Result<Verified<Card>> {
    at_most("card", bytes.len(), CARD_LIMIT)?;
    Card::verify(bytes).map_err(broken)
}

fn broken(error: keyferry_license::Error) -> Error {
    Error::Header {
        why: error.to_string(),
    }
}

fn thumbprints(cards: &[Verified<Card>]) -> Vec<Thumbprint> {
    cards.iter().map(|card| card.thumbprint()).collect()
}

/// Lists are short: 64 at most.
fn repeats(list: &[Thumbprint]) -> bool {
    list.iter().enumerate().any(|(at, one)| list[..at].contains(one))
}

fn invalid(what: &'static str, why: &'static str) -> Result<()> {
    Err(Error::Invalid { what, why })
}

pub(crate) fn at_most(what: &'static str, actual: usize, limit: usize) -> Result<()> {
    if actual <= limit {
        return Ok(());
    }
    let (limit, actual) = (limit as u64, actual as u64);
    Err(Error::TooLarge { what, limit, actual })
}
