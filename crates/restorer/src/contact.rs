//! A contact with a service: what waits for it is sent before anything new is asked. First the releases that it has not
//! answered, then its issuers' revocation lists, then the word that they were obeyed; and to one that lost rows of its
//! ledger what it signed.

use keyferry_license::{Card, Thumbprint, Verified};
use keyferry_protocol::{LastReceipt, Problem, Receipt};
use keyferry_store::Store;

use crate::error::Result;
use crate::events::LicenseOutcome;
use crate::operation::Operation;
use crate::restore::{self, Services, is_not_individualized, problem};
use crate::{release, revocation, showing};

/// What contacts brought beside what they were made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Licenses that were here and that their issuers revoked: they are gone.
    pub revoked: u64,
    /// Licenses given back earlier whose slots the service freed now.
    pub given_back: u64,
    /// What a person should know, in words.
    pub warnings: Vec<String>,
}

/// One service, its credentials validated.
pub(crate) struct Contact<'c> {
    pub(crate) operation: &'c Operation<'c>,
    pub(crate) store: &'c Store,
    pub(crate) services: &'c mut Services,
    pub(crate) base: &'c str,
    pub(crate) card: Verified<Card>,
}

impl Contact<'_> {
    /// Settles what is open between this computer and the service. `issuers`: cards of those whose lists are obeyed.
    pub(crate) fn settle(mut self, issuers: &[Verified<Card>]) -> Result<Verified<Card>> {
        let delivered = release::deliver(&mut self);
        // A service that lost rows is helped before anything else, even where it takes no releases for now.
        showing::show(&mut self)?;
        delivered?;
        revocation::obey(&mut self, issuers)?;
        showing::show(&mut self)?;
        restore::resume(&mut self)?;
        Ok(self.card)
    }

    pub(crate) fn root(&self) -> Thumbprint {
        self.card.thumbprint()
    }

    /// What was heard last from this service.
    pub(crate) fn last(&self) -> Result<Option<LastReceipt>> {
        self.services.last_receipt(self.store, &self.root())
    }

    /// Sends a request and checks the answer. A computer that the service has forgotten is individualized once more,
    /// under the consent that was recorded.
    pub(crate) fn ask<T>(
        &mut self,
        request: &[u8],
        check: impl Fn(&[u8], &Verified<Card>) -> keyferry_protocol::Result<Result<T, Problem>>,
    ) -> Result<T> {
        let first = self.ask_once(request, &check);
        match first {
            Err(error) if is_not_individualized(&error) && self.store.consent(&self.root())?.is_some() => {
                let (operation, store, base) = (self.operation, self.store, self.base);
                self.services.individualize(operation, store, base, &self.card)?;
                self.ask_once(request, &check)
            }
            done => done,
        }
    }

    fn ask_once<T>(
        &self,
        request: &[u8],
        check: impl Fn(&[u8], &Verified<Card>) -> keyferry_protocol::Result<Result<T, Problem>>,
    ) -> Result<T> {
        let answer = self.operation.send(self.base, request)?;
        check(&answer, &self.card)?.map_err(problem)
    }

    /// A receipt came, and maybe a newer card.
    pub(crate) fn heard(&mut self, receipt: &Receipt, newer: Option<Verified<Card>>) -> Result<()> {
        self.services.heard(receipt);
        if let Some(card) = newer {
            self.store.put_card(&card)?;
            self.card = card;
        }
        Ok(())
    }

    /// Tells of a license that left at this contact.
    pub(crate) fn tell(&mut self, said: &LicenseOutcome) {
        match &mut self.services.told {
            Some(counts) => {
                counts.add(said.outcome);
                self.operation.events.outcome(said);
            }
            None => self.operation.events.beside(said),
        }
    }

    pub(crate) fn warn(&mut self, why: String) {
        self.services.news.warnings.push(why);
    }
}

/// IDs of the requests of one kind that wait for a service, the oldest first.
pub(crate) fn waiting(store: &Store, kind: &str, service: &Thumbprint) -> Result<Vec<[u8; 32]>> {
    let names = store.pending(Some(kind))?;
    let of_service = names.iter().filter(|name| name.service == *service);
    Ok(of_service.map(|name| name.request_id).collect())
}
