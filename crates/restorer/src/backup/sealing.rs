//! What is done to each license on its way from the store into a backup: opened, its right looked at, its key sealed
//! again, for the service (escrow) and for this computer (return).

use std::collections::BTreeMap;

use keyferry_archive::ServiceSeal;
use keyferry_license::{
    CardKind, Encapsulation, Grant, SealedKey, Sealer, Secret32, Suite, Thumbprint, Verified,
};
use keyferry_store::{Opener, Store, StoredLicense};

use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::{LicenseOutcome, Outcome};
use crate::import::outcome;

/// One encapsulation for each service that a license here may name.
pub(super) struct Seals(BTreeMap<Thumbprint, (Encapsulation, Sealer)>);

impl Seals {
    pub fn prepare(store: &Store, now: u64) -> Result<Self> {
        let cards = store.cards(CardKind::Service)?;
        let limit = keyferry_archive::MAX_SERVICES;
        if cards.len() > limit {
            return Err(Error::TooManyServices {
                found: cards.len(),
                limit,
            });
        }
        let seal = |card: &Verified<keyferry_license::Card>| {
            Ok((card.thumbprint(), Sealer::escrow(card.seal_key(now)?)?))
        };
        Ok(Self(cards.iter().map(seal).collect::<Result<_>>()?))
    }

    /// As the backup's header has them.
    pub fn in_header(&self) -> Vec<ServiceSeal> {
        let seal = |(service, (enc, _)): (&Thumbprint, &(Encapsulation, Sealer))| ServiceSeal {
            service: *service,
            suite: Suite::XWingHkdfSha256,
            enc: enc.clone(),
        };
        self.0.iter().map(seal).collect()
    }

    fn of(&self, service: &Thumbprint) -> Result<&Sealer> {
        let sealer = self.0.get(service).map(|(_, sealer)| sealer);
        sealer.ok_or(Error::NoServiceCard { service: *service })
    }
}

/// What became of a license.
pub(super) enum Sealed {
    /// It can be written.
    Ready {
        grant: Verified<Grant>,
        escrow: SealedKey,
        returning: Option<SealedKey>,
    },
    /// It may not leave the computer.
    Restricted(Verified<Grant>),
    /// Its key doesn't open.
    Damaged(Box<LicenseOutcome>),
}

/// Does it, on any thread.
pub(super) struct Sealing<'s> {
    opener: Opener,
    seals: &'s Seals,
    returning: Sealer,
}

impl<'s> Sealing<'s> {
    pub fn new(opener: Opener, seals: &'s Seals, return_key: &Secret32) -> Self {
        Self {
            opener,
            seals,
            returning: Sealer::returning(return_key),
        }
    }

    pub fn seal(&self, license: StoredLicense) -> Result<Sealed> {
        let (grant, key) = match self.opener.open(&license) {
            Ok(opened) => opened,
            Err(error) => {
                let claim = license.grant()?;
                let failed = Outcome::Failed(Failure::StoreCorrupt);
                let said = outcome(claim.claim(), failed, Some(error.to_string()));
                return Ok(Sealed::Damaged(Box::new(said)));
            }
        };
        if !grant.rights.may_be_backed_up() {
            return Ok(Sealed::Restricted(grant));
        }
        let escrow = self.seals.of(&grant.service)?.seal(&grant, &key)?;
        // What counts goes through the service: its state would be as old as the backup otherwise.
        let returning = match grant.rights.keep_state() {
            true => None,
            false => Some(self.returning.seal(&grant, &key)?),
        };
        Ok(Sealed::Ready {
            grant,
            escrow,
            returning,
        })
    }
}
