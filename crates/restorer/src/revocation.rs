//! Revocation, on the side of those who obey: at each contact a computer asks what the issuers that it accepts have
//! taken back, removes it, keeps it away, and acknowledges. And on the side of those who revoke: posting a list.

use std::sync::Arc;

use keyferry_license::{Card, Revocation, RevocationList, Thumbprint, Verified};
use keyferry_protocol::{
    Acknowledge, IssuerLists, ListNumber, ListReceipt, MAX_ITEMS, ProblemCode, Request, Revocations,
    check_acknowledgement, check_posted, check_revocations, kind,
};
use keyferry_store::{OutboxEntry, Receipt, Store};

use crate::code::Failure;
use crate::contact::{Contact, waiting};
use crate::error::{Error, Result};
use crate::events::{Events, LicenseOutcome, Outcome};
use crate::import::outcome;
use crate::patience::{self, Patience};
use crate::restore::card_of;
use crate::transport::Transport;

/// Licenses that are named when they are revoked; more are only counted.
const NAMED: usize = 1000;

/// Asks for the lists of these issuers and obeys them. What can't be taken is told and removes nothing.
pub(crate) fn obey(contact: &mut Contact<'_>, issuers: &[Verified<Card>]) -> Result<()> {
    acknowledge(contact)?;
    for issuers in issuers.chunks(MAX_ITEMS) {
        let mut cards = issuers.to_vec();
        let mut since = Vec::with_capacity(cards.len());
        for card in &cards {
            let number = contact.store.revocation_seen(&card.thumbprint())?;
            since.push(ListNumber {
                issuer: card.thumbprint(),
                number,
            });
        }
        while !since.is_empty() {
            contact.operation.check_canceled()?;
            since = match fetch(contact, &mut cards, since)? {
                Some(told) => take(contact, &told)?,
                None => break,
            };
        }
    }
    acknowledge(contact)
}

/// What a service told of one issuer, and the number that was asked with.
type Told = (IssuerLists, u64);

/// One request. None where the service can't tell: it is told, and nothing is removed.
fn fetch(
    contact: &mut Contact<'_>,
    cards: &mut [Verified<Card>],
    since: Vec<ListNumber>,
) -> Result<Option<Vec<Told>>> {
    let body = Revocations { since };
    let (signing, operation) = (contact.store.signing(), contact.services.operation);
    let (root, last) = (contact.root(), contact.last()?);
    let request = Request::prepare(signing, root, operation, last, kind::REVOCATIONS, &body)?;
    let asked = contact.ask(&request.bytes, |answer, card| {
        check_revocations(answer, &request.bytes, card, cards)
    });
    let checked = match asked {
        Ok(checked) => checked,
        Err(error) if leaves_the_rest(&error) => {
            contact.warn(format!("revocation lists could not be taken: {error}"));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    contact.heard(&checked.receipt, checked.newer_card)?;
    for newer in checked.issuers.iter().filter_map(|told| told.newer_card.as_ref()) {
        contact.store.put_card(newer)?;
        let known = cards
            .iter_mut()
            .find(|card| card.thumbprint() == newer.thumbprint());
        if let Some(known) = known {
            *known = newer.clone();
        }
    }
    let numbers = body.since.iter().map(|since| since.number);
    Ok(Some(checked.issuers.into_iter().zip(numbers).collect()))
}

/// A list that can't be taken is no reason to keep other licenses from coming: the service itself refuses what was
/// revoked.
fn leaves_the_rest(error: &Error) -> bool {
    let unknown = matches!(
        error,
        Error::Problem {
            code: ProblemCode::UnknownKind | ProblemCode::BadRequest,
            ..
        }
    );
    unknown || matches!(error, Error::Protocol(_) | Error::License(_))
}

/// Obeys what came, issuer by issuer; says what is to be asked for next.
fn take(contact: &mut Contact<'_>, told: &[Told]) -> Result<Vec<ListNumber>> {
    let mut next = Vec::new();
    for (told, since) in told {
        if let Some(why) = &told.broken {
            let issuer = name(contact.store, &told.issuer)?;
            contact.warn(format!(
                "a revocation list of {issuer} could not be taken, and nothing of it was removed: {why}"
            ));
        }
        let Some(last) = told.lists.last() else {
            continue;
        };
        obey_lists(contact, &told.lists)?;
        if told.broken.is_none() && told.has_more(*since) {
            next.push(ListNumber {
                issuer: told.issuer,
                number: last.number,
            });
        }
    }
    Ok(next)
}

/// Removes what these lists name; the acknowledgement waits in the outbox from the same moment on.
fn obey_lists(contact: &mut Contact<'_>, lists: &[Verified<RevocationList>]) -> Result<()> {
    let (store, now) = (contact.store, contact.operation.now());
    let here = named(store, lists)?;
    let mut requests = Vec::new();
    for lists in lists.chunks(MAX_ITEMS) {
        let number = |list: &Verified<RevocationList>| ListNumber {
            issuer: list.issuer,
            number: list.number,
        };
        let body = Acknowledge {
            lists: lists.iter().map(number).collect(),
        };
        let (root, operation, last) = (contact.root(), contact.services.operation, contact.last()?);
        let signing = store.signing();
        let request = Request::prepare(signing, root, operation, last, kind::ACKNOWLEDGE, &body)?;
        requests.push(OutboxEntry {
            request_id: request.id,
            operation,
            service: root,
            kind: kind::ACKNOWLEDGE.into(),
            bytes: request.bytes,
            one_time: None,
        });
    }
    let removed = match store.revoke(lists, &requests, now) {
        Ok(removed) => removed,
        Err(error @ keyferry_store::Error::RevocationGap { .. }) => {
            contact.warn(format!("revocation lists were not taken: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    contact.services.news.revoked += removed.len() as u64;
    for said in &here {
        contact.operation.events.beside(said);
    }
    Ok(())
}

/// The licenses here that these lists name, as they are told; not more than a person would read.
fn named(store: &Store, lists: &[Verified<RevocationList>]) -> Result<Vec<LicenseOutcome>> {
    let mut said: Vec<LicenseOutcome> = Vec::new();
    for list in lists {
        let entries: &[Revocation] = &list.entries;
        for license in store.licenses_matching(&list.issuer, entries)? {
            let known = said
                .iter()
                .any(|said| (said.issuer, said.license) == (list.issuer, license));
            if said.len() == NAMED || known {
                continue;
            }
            // One whose grant can't be read goes unnamed.
            let stored = store.license(&list.issuer, &license)?;
            if let Some(grant) = stored.and_then(|stored| stored.grant().ok()) {
                let failed = Outcome::Failed(Failure::Revoked);
                said.push(outcome(
                    grant.claim(),
                    failed,
                    Some("its issuer revoked it".into()),
                ));
            }
        }
    }
    Ok(said)
}

/// Sends the acknowledgements that wait for this service.
fn acknowledge(contact: &mut Contact<'_>) -> Result<()> {
    for id in waiting(contact.store, kind::ACKNOWLEDGE, &contact.root())? {
        let Some(entry) = contact.store.outbox_entry(&id)? else {
            continue;
        };
        let asked = contact.ask(&entry.bytes, |answer, card| {
            check_acknowledgement(answer, &entry.bytes, card)
        });
        let checked = match asked {
            Ok(checked) => checked,
            Err(error) if leaves_the_rest(&error) => {
                if matches!(error, Error::Problem { .. }) {
                    // The same bytes would get the same answer for ever.
                    contact.store.outbox_remove(&id)?;
                }
                contact.warn(format!(
                    "the service did not take the word that a list was obeyed: {error}"
                ));
                continue;
            }
            Err(error) => return Err(error),
        };
        let row = Receipt {
            request_id: checked.receipt.request,
            service: checked.receipt.service,
            kind: checked.receipt.kind.to_string(),
            time: checked.receipt.time,
            bytes: checked.receipt_bytes,
        };
        contact.store.settle(&row, &[])?;
        contact.heard(&checked.receipt, checked.newer_card)?;
    }
    Ok(())
}

/// What a person knows an issuer by.
fn name(store: &Store, issuer: &Thumbprint) -> Result<String> {
    let card = store.issuer_card(issuer)?;
    Ok(card.map_or_else(|| issuer.short(), |card| card.name.shown()))
}

/// Posts an issuer's revocation list to a service: the same list again gets the same receipt.
/// [`Error::ListNotTaken`] when the service says why not. `events` hears when a service makes it wait.
pub fn post_revocations(
    transport: &Arc<dyn Transport>,
    patience: Patience,
    events: &dyn Events,
    list: &Verified<RevocationList>,
    service: &Verified<Card>,
) -> Result<ListReceipt> {
    let base = service.urls.first().ok_or(Error::NoServiceCard {
        service: service.thumbprint(),
    })?;
    let (address, bytes) = (base.to_string(), Arc::<[u8]>::from(list.as_bytes()));
    let post = move |transport: &dyn Transport| transport.post_list(&address, &bytes);
    let answer = patience::call(transport, patience, events, patience::busy_posted, post)?;
    let checked = match check_posted(&answer, list, service) {
        // The service may have changed its keys since this card was written.
        Err(keyferry_protocol::Error::Document(keyferry_license::Error::BadSignature { .. })) => {
            let newer = card_of(&transport.card(base)?, base, &service.thumbprint())?;
            check_posted(&answer, list, &newer)
        }
        checked => checked,
    };
    checked?.map_err(|problem| Error::ListNotTaken {
        code: problem.code,
        message: problem.message.shown(),
        next: problem.next,
        retry_after: problem.retry_after,
    })
}
