//! Credentials: each service's newest card, and this computer's certificate, before the first license is sent.

use std::collections::BTreeMap;

use keyferry_license::{Card, CardKind, Thumbprint, Verified, armor};
use keyferry_protocol::{
    Individualize, OperationId, Prepared, Receipt, Recovery, Request, check_answer, kind,
};
use keyferry_store::{LastReceipt, Store};

use super::outgoing::Outgoing;
use super::problems::{problem, while_individualizing};
use super::survey::Ground;
use super::{Links, failure_of};
use crate::code::{Failure, HResult};
use crate::contact::{Contact, News};
use crate::error::{Error, Result};
use crate::events::{IndividualizeStep, Status};
use crate::operation::Operation;
use crate::report::{ConsentNeeded, Counts};
use crate::showing;

/// How it stands with a service.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// Credentials are validated.
    Up {
        /// Base address.
        base: String,
        /// Its newest card.
        card: Box<Verified<Card>>,
    },
    /// Its licenses can't come now.
    Down(Failure, Option<String>),
}

/// All services that the backup names.
pub(crate) struct Services {
    links: Links,
    pub(crate) operation: OperationId,
    heard: BTreeMap<Thumbprint, LastReceipt>,
    /// Services that say, signed, that they lost rows of their ledgers.
    recovering: BTreeMap<Thumbprint, Recovery>,
    /// How often this operation individualized this computer.
    pub(crate) individualized: u32,
    /// Where requests go when they travel by file.
    pub(crate) outgoing: Option<Outgoing>,
    /// What contacts brought beside what they were made for.
    pub(crate) news: News,
    /// Of an operation that is about releases: what became of them.
    pub(crate) told: Option<Counts>,
}

impl Services {
    pub(crate) fn new(ground: &Ground, blocked: &[ConsentNeeded]) -> Self {
        let mut links = Links::new();
        for (root, _) in ground.services() {
            let waits = blocked.iter().any(|consent| consent.thumbprint == *root);
            let failure = if waits {
                Failure::NeedsIndividualization
            } else {
                Failure::ServiceUnavailable
            };
            links.insert(*root, Link::Down(failure, None));
        }
        Self {
            links,
            operation: [0; 16],
            heard: BTreeMap::new(),
            recovering: BTreeMap::new(),
            individualized: 0,
            outgoing: None,
            news: News::default(),
            told: None,
        }
    }

    /// For an operation without a backup.
    pub(crate) fn bare(told: Option<Counts>) -> Result<Self> {
        Ok(Self {
            links: Links::new(),
            operation: keyferry_license::random()?,
            heard: BTreeMap::new(),
            recovering: BTreeMap::new(),
            individualized: 0,
            outgoing: None,
            news: News::default(),
            told,
        })
    }

    /// Validates credentials with each of these services. One that is down fails only its own licenses.
    pub(crate) fn connect(
        &mut self,
        operation: &Operation<'_>,
        store: &Store,
        ground: &Ground,
        ask: &[Thumbprint],
    ) -> Result<()> {
        self.operation = keyferry_license::random()?;
        let issuers: Vec<Verified<Card>> = ground.issuers().cloned().collect();
        for root in ask {
            operation.check_canceled()?;
            // A new computer knows the service from the backup alone.
            let link = match self.validate(operation, store, ground.service(root)?, &issuers) {
                Ok(link) => link,
                Err(error @ (Error::Store(_) | Error::Canceled)) => return Err(error),
                Err(error) => {
                    let (failure, why) = failure_of(&error);
                    Link::Down(failure, Some(why))
                }
            };
            self.links.insert(*root, link);
        }
        Ok(())
    }

    /// Writes requests to a file from now on. Individualization leads them, so that one trip suffices.
    pub(crate) fn by_file(
        &mut self,
        operation: &Operation<'_>,
        store: &Store,
        ground: &Ground,
        ask: &[Thumbprint],
        mut outgoing: Outgoing,
    ) -> Result<()> {
        self.operation = keyferry_license::random()?;
        for root in ask {
            let card = ground.service(root)?;
            if store.certificate(root)?.is_none() {
                let request = self.certificate_request(operation, store, card)?;
                outgoing.put(store, card, self.operation, kind::INDIVIDUALIZE, request)?;
            }
            showing::put(self, store, card, &mut outgoing)?;
            outgoing.put_waiting(store, card, kind::RELEASE)?;
            let base = card.urls.first().map(|url| url.to_string()).unwrap_or_default();
            let link = Link::Up {
                base,
                card: Box::new(card.clone()),
            };
            self.links.insert(*root, link);
        }
        self.outgoing = Some(outgoing);
        Ok(())
    }

    /// Gives the request file its name; says how many requests it holds.
    pub(crate) fn post(&mut self) -> Result<u64> {
        let Some(outgoing) = self.outgoing.take() else {
            return Ok(0);
        };
        let requests = outgoing.requests;
        if requests > 0 {
            outgoing.finish()?;
        }
        Ok(requests)
    }

    pub(crate) fn any_link(&self) -> bool {
        self.links.values().any(|link| matches!(link, Link::Up { .. }))
    }

    pub(crate) fn is_up(&self, root: &Thumbprint) -> bool {
        matches!(self.links.get(root), Some(Link::Up { .. }))
    }

    pub(crate) fn link(&self, root: &Thumbprint) -> Option<&Link> {
        self.links.get(root)
    }

    /// From now on this service's licenses fail.
    pub(crate) fn cut(&mut self, root: &Thumbprint, failure: Failure, why: String) {
        self.links.insert(*root, Link::Down(failure, Some(why)));
    }

    /// A newer card came with an answer.
    pub(crate) fn renew(&mut self, root: &Thumbprint, newer: Verified<Card>) {
        if let Some(Link::Up { card, .. }) = self.links.get_mut(root) {
            **card = newer;
        }
    }

    /// What this computer last heard from a service, as a request says it.
    pub(crate) fn last_receipt(
        &self,
        store: &Store,
        service: &Thumbprint,
    ) -> Result<Option<keyferry_protocol::LastReceipt>> {
        let last = match self.heard.get(service) {
            Some(heard) => Some(*heard),
            None => store.last_receipt(service)?,
        };
        Ok(last.map(|last| keyferry_protocol::LastReceipt {
            request: last.request,
            time: last.time,
        }))
    }

    /// A receipt came: the next request says so, unless a later one came before it.
    pub(crate) fn heard(&mut self, receipt: &Receipt) {
        let last = LastReceipt {
            request: receipt.request,
            time: receipt.time,
        };
        if let Some(recovery) = receipt.recovery {
            self.recovering.insert(receipt.service, recovery);
        }
        self.newest(receipt.service, last);
    }

    /// What a service said of its lost rows in this operation.
    pub(crate) fn recovery(&self, service: &Thumbprint) -> Option<Recovery> {
        self.recovering.get(service).copied()
    }

    fn newest(&mut self, service: Thumbprint, last: LastReceipt) {
        let heard = self.heard.entry(service).or_insert(last);
        if last.time >= heard.time {
            *heard = last;
        }
    }

    /// Keeps what was heard, once for the whole operation. If that is lost in a crash, the next request is answered
    /// from the ledger's rows and asked again.
    pub(crate) fn keep_receipts(&self, store: &Store) -> Result<()> {
        for (service, last) in &self.heard {
            store.put_last_receipt(service, last)?;
        }
        Ok(())
    }

    pub(crate) fn failed(&self, root: &Thumbprint) -> (Failure, Option<String>) {
        match self.links.get(root) {
            Some(Link::Down(failure, why)) => (*failure, why.clone()),
            _ => (Failure::ServiceUnavailable, None),
        }
    }

    /// Validates credentials with a service, and settles what is open with it. `issuers`: cards of those whose
    /// revocation lists are obeyed.
    pub(crate) fn validate(
        &mut self,
        operation: &Operation<'_>,
        store: &Store,
        known: &Verified<Card>,
        issuers: &[Verified<Card>],
    ) -> Result<Link> {
        let root = known.thumbprint();
        let base = known.urls.first().map(|url| url.to_string()).unwrap_or_default();
        let card = newest_card(operation, &base, &root)?;
        let card = if card.serial >= known.serial {
            card
        } else {
            known.clone()
        };
        store.put_card(&card)?;
        if store.certificate(&root)?.is_none() {
            self.individualize(operation, store, &base, &card)?;
        }
        let contact = Contact {
            operation,
            store,
            services: self,
            base: &base,
            card,
        };
        let card = Box::new(contact.settle(issuers)?);
        Ok(Link::Up { base, card })
    }

    /// Has this computer's keys certified. The person's consent is recorded first.
    pub(crate) fn individualize(
        &mut self,
        operation: &Operation<'_>,
        store: &Store,
        base: &str,
        service: &Verified<Card>,
    ) -> Result<()> {
        let request = self.certificate_request(operation, store, service)?;
        operation.tell(Status::Individualize(IndividualizeStep::Begin));
        let certified = self.certify(operation, store, base, service, &request);
        match &certified {
            Ok(()) => operation.tell(Status::Individualize(IndividualizeStep::Succeed)),
            Err(error) => {
                let hr: HResult = error.failure().hresult();
                operation.tell(Status::Individualize(IndividualizeStep::Fail(hr)));
            }
        }
        certified
    }

    /// The request for a certificate, under the person's consent, which is recorded before.
    fn certificate_request(
        &self,
        operation: &Operation<'_>,
        store: &Store,
        service: &Verified<Card>,
    ) -> Result<Prepared> {
        let root = service.thumbprint();
        let consent = match store.consent(&root)? {
            Some(before) => before,
            None => {
                store.record_consent(&root, operation.now())?;
                operation.now()
            }
        };
        let body = Individualize {
            card: store.card()?.as_bytes().to_vec(),
            consent,
        };
        let last = self.last_receipt(store, &root)?;
        let (signing, operation) = (store.signing(), self.operation);
        Ok(Request::prepare(
            signing,
            root,
            operation,
            last,
            kind::INDIVIDUALIZE,
            &body,
        )?)
    }

    fn certify(
        &mut self,
        operation: &Operation<'_>,
        store: &Store,
        base: &str,
        service: &Verified<Card>,
        request: &Prepared,
    ) -> Result<()> {
        let answer = operation
            .send(base, &request.bytes)
            .map_err(while_individualizing)?;
        let checked = check_answer(&answer, &request.bytes, &[], service, None)?.map_err(problem)?;
        store.put_certificate(&service.thumbprint(), &checked.receipt_bytes)?;
        self.individualized += 1;
        self.heard(&checked.receipt);
        Ok(())
    }
}

/// Fetches the service's card and checks that it is the service that the grants name.
pub(crate) fn newest_card(
    operation: &Operation<'_>,
    base: &str,
    root: &Thumbprint,
) -> Result<Verified<Card>> {
    card_of(&operation.fetch_card(base)?, base, root)
}

/// The card that a service sent, if it is its own.
pub(crate) fn card_of(bytes: &[u8], base: &str, root: &Thumbprint) -> Result<Verified<Card>> {
    let armored = bytes.starts_with(b"-----");
    let bytes = match armored {
        true => armor::single(armor::CARD, bytes)?,
        false => bytes.to_vec(),
    };
    let card = Card::verify(&bytes)?;
    if card.thumbprint() != *root || card.kind != CardKind::Service {
        return Err(Error::OtherService {
            url: base.into(),
            expected: *root,
            found: card.thumbprint(),
        });
    }
    Ok(card)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_last_is_the_newest_receipt_whichever_was_taken_last() {
        let mut services = Services::bare(None).unwrap();
        let service = Thumbprint::from_slice(&[7; 32]).unwrap();
        let last = |time, request| LastReceipt {
            request: [request; 32],
            time,
        };
        for (time, request, newest) in [(5, 1, 1), (9, 2, 2), (8, 3, 2), (9, 4, 4)] {
            services.newest(service, last(time, request));
            assert_eq!(services.heard[&service].request, [newest; 32]);
        }
    }
}
