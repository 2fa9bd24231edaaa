//! Who takes part: an issuer, a computer, and requests with licenses whose signatures and seals are real.

use std::sync::atomic::{AtomicU64, Ordering};

use keyferry_license::{
    BACKUP, Card, CardKey, CardKind, ComputerId, ContentKey, Error, Grant, IssuerKey, KemSecret, KeyId,
    KeyUse, LicenseId, Limits, PLAY, PublicKey, Right, Rights, Sealer, SigningSecret, Text, Thumbprint,
    Verified, random,
};
use keyferry_protocol::{Individualize, Item, Prepared, Request, Restore, kind};
use keyferry_service::Service;

use crate::{BATCH, NOW, Result};

/// In which order licenses come, among those that the ledger holds.
#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    /// One after the other, as an issuer made them.
    Key,
    /// From all over the table.
    Random,
}

/// An issuer and a computer that asks.
pub struct Cast {
    pub issuer: IssuerKey,
    pub card: Verified<Card>,
    signing: SigningSecret,
    computer: Verified<Card>,
    origin: ComputerId,
}

impl Cast {
    pub fn new() -> Result<Self> {
        let issuer = IssuerKey::generate()?;
        let card = issuer.card("Issuer", &[], NOW)?;
        let signing = SigningSecret::generate()?;
        let key = CardKey {
            usage: KeyUse::Sign,
            key: PublicKey::Ed25519(signing.public()),
            not_before: NOW,
            not_after: None,
        };
        let computer = Card {
            kind: CardKind::Computer,
            name: Text::new("name", "computer")?,
            root: PublicKey::Ed25519(signing.public()),
            keys: vec![key],
            urls: vec![],
            serial: 1,
        };
        let computer = computer.sign(&signing)?;
        let origin = Thumbprint(*KemSecret::generate()?.seed().expose());
        Ok(Self {
            issuer,
            card,
            signing,
            computer,
            origin,
        })
    }

    /// Makes the computer known.
    pub fn individualize(&self, service: &Service) -> Result<()> {
        let body = Individualize {
            card: self.computer.as_bytes().to_vec(),
            consent: NOW,
        };
        let to = service.card().thumbprint();
        let request = Request::prepare(&self.signing, to, random()?, None, kind::INDIVIDUALIZE, &body)?;
        service.handle(&request.bytes, NOW);
        Ok(())
    }

    /// So many requests of [`BATCH`] licenses each, which no ledger knows.
    pub fn requests(&self, service: &Service, batches: usize, order: Order) -> Result<Vec<Prepared>> {
        let to = service.card().thumbprint();
        let request = |_| {
            let body = self.batch(service, order)?;
            Ok(Request::prepare(
                &self.signing,
                to,
                random()?,
                None,
                kind::RESTORE,
                &body,
            )?)
        };
        (0..batches).map(request).collect()
    }

    fn batch(&self, service: &Service, order: Order) -> Result<Restore> {
        let (enc, sealer) = Sealer::escrow(service.card().seal_key(NOW)?)?;
        let item = |_| {
            let (grant, key) = self.license(service.card().thumbprint(), order)?;
            Ok(Item {
                grant: grant.as_bytes().to_vec(),
                escrow: sealer.seal(&grant, &key)?,
            })
        };
        let items = (0..BATCH).map(item).collect::<Result<_, Error>>()?;
        Ok(Restore::new(enc, items))
    }

    /// A license with its key.
    pub fn license(&self, service: Thumbprint, order: Order) -> Result<(Verified<Grant>, ContentKey), Error> {
        let key = ContentKey::generate()?;
        let license = license(order)?;
        let grant = Grant {
            license,
            issuer: self.card.thumbprint(),
            service,
            origin: self.origin,
            key_id: KeyId(random()?),
            kind: Text::new("kind", "music")?,
            rights: Rights::new(vec![right(PLAY)?, right(BACKUP)?])?,
            computers: None,
            commitment: key.commitment(&license),
            title: Text::new("title", "A song with a title of usual length")?,
            priority: 0,
            subject: None,
            parent: None,
        };
        Ok((grant.sign(self.issuer.signing())?, key))
    }
}

/// Licenses that were made in the order of their keys.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A license ID that is new; its first bytes are a time, and so its place in the table.
pub fn license(order: Order) -> Result<LicenseId, Error> {
    let (time, rest) = match order {
        // Of one millisecond, in their order: as `keyferry issuer issue` makes them.
        Order::Key => {
            let mut rest = [0; 10];
            rest[2..].copy_from_slice(&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            (NOW, rest)
        }
        // The milliseconds fill 48 bits.
        Order::Random => ((u64::from_be_bytes(random()?) >> 16) / 1000, random()?),
    };
    Ok(LicenseId::new_at(time, rest))
}

fn right(action: &str) -> Result<Right, Error> {
    Ok(Right {
        action: Text::new("right", action)?,
        limits: Limits::default(),
    })
}
