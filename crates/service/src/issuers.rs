//! Issuers that are registered. The ledger has them; a process remembers their cards, and looks again when somebody names
//! one that it doesn't know, or shows a signature that the card doesn't verify: another process over the same ledger may
//! have registered it, or a newer card.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use keyferry_license::{Card, Thumbprint, Verified};

use crate::error::Result;
use crate::ledger::Ledger;
use crate::service::Service;

type Cards = HashMap<Thumbprint, Arc<Verified<Card>>>;

/// See the module.
pub(crate) struct Issuers {
    known: RwLock<Cards>,
    /// The second in which the ledger was asked last because of one that wasn't known here.
    looked: Mutex<Option<u64>>,
}

impl Issuers {
    /// Those of this ledger.
    pub(crate) fn of(ledger: &dyn Ledger) -> Result<Self> {
        Ok(Self {
            known: RwLock::new(read(ledger)?),
            looked: Mutex::default(),
        })
    }

    /// As this process knows it.
    pub(crate) fn get(&self, issuer: &Thumbprint) -> Option<Arc<Verified<Card>>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(issuer).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes up what others registered.
    fn renew(&self, ledger: &dyn Ledger) -> Result<()> {
        let newest = read(ledger)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(())
    }
}

fn read(ledger: &dyn Ledger) -> Result<Cards> {
    let registered = ledger.issuers()?.into_iter().map(|card| {
        let card = Card::verify(&card)?;
        Ok((card.thumbprint(), Arc::new(card)))
    });
    registered.collect()
}

impl Service {
    /// The card of an issuer, if it is registered.
    pub(crate) fn issuer(&self, issuer: &Thumbprint, now: u64) -> Result<Option<Arc<Verified<Card>>>> {
        if let Some(card) = self.issuers.get(issuer) {
            return Ok(Some(card));
        }
        self.look_for_issuers(now)?;
        Ok(self.issuers.get(issuer))
    }

    /// A newer card than this one of its issuer, if there is one: what it can't verify, that may.
    pub(crate) fn newer_issuer(
        &self,
        card: &Verified<Card>,
        now: u64,
    ) -> Result<Option<Arc<Verified<Card>>>> {
        let newer = |known: Option<Arc<Verified<Card>>>| known.filter(|known| known.serial > card.serial);
        let root = card.thumbprint();
        if let Some(known) = newer(self.issuers.get(&root)) {
            return Ok(Some(known));
        }
        self.look_for_issuers(now)?;
        Ok(newer(self.issuers.get(&root)))
    }

    /// Asks the ledger, once in a second at most, whoever names how many.
    fn look_for_issuers(&self, now: u64) -> Result<()> {
        // Whoever comes while another looks waits for what that finds.
        let looked = self.issuers.looked.lock();
        let mut looked = looked.unwrap_or_else(PoisonError::into_inner);
        if *looked != Some(now) {
            self.issuers.renew(&*self.ledger)?;
            *looked = Some(now);
        }
        Ok(())
    }
}
