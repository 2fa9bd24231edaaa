//! A service that lost rows of its ledger says so in what it signs. At the next contact, by network or by file, this computer
//! shows it the receipts that may speak of them, and remembers when all were shown (docs/protocol.md section 5.8).

use keyferry_license::{Card, Verified};
use keyferry_protocol::{MAX_ITEMS, Receipt, Receipts, Recovery, Request, Verdict, check_receipts, kind};
use keyferry_store::{LastReceipt, OutboxEntry, Store};

use crate::contact::{Contact, waiting};
use crate::error::Result;
use crate::restore::{Outgoing, Services, problem};

/// Bytes of receipts in one message; well below the bound of a message.
const BYTES: usize = 8 * 1024 * 1024;

/// Receipts for one message.
#[derive(Default)]
struct Parcel {
    receipts: Vec<Vec<u8>>,
    entries: usize,
    bytes: usize,
}

impl Parcel {
    fn has_room(&self, entries: usize, bytes: usize) -> bool {
        self.entries + entries <= MAX_ITEMS && self.bytes + bytes <= BYTES
    }
}

/// Shows what the service may lack, unless that was done already. The oldest come first; a message that is answered is
/// durable at the service, and all of them are sent again if this is interrupted. Says whether it was done now.
pub(crate) fn show(contact: &mut Contact<'_>) -> Result<bool> {
    let (store, root) = (contact.store, contact.root());
    let Some(recovery) = contact.services.recovery(&root) else {
        return Ok(false);
    };
    if store.shown_to(&root)? == Some(recovery.started) {
        return Ok(false);
    }
    let card = contact.card.clone();
    parcels(store, &card, &recovery, |body| send(contact, &body))?;
    store.put_shown_to(&root, recovery.started)?;
    // What was to show them by file has nothing to say any more.
    for id in waiting(store, kind::RECEIPTS, &root)? {
        store.outbox_remove(&id)?;
    }
    Ok(true)
}

/// The same by file. That the service lost rows is known from the newest receipt of it.
pub(crate) fn put(
    services: &Services,
    store: &Store,
    card: &Verified<Card>,
    outgoing: &mut Outgoing,
) -> Result<()> {
    let root = card.thumbprint();
    if !waiting(store, kind::RECEIPTS, &root)?.is_empty() {
        return outgoing.put_waiting(store, card, kind::RECEIPTS);
    }
    let mut newest = None;
    store.for_each_receipt(Some(&root), |kept| -> Result<()> {
        newest = Some(kept.bytes);
        Ok(())
    })?;
    let newest = newest.and_then(|bytes| Receipt::verify(&bytes, card).ok());
    let Some(recovery) = newest.and_then(|receipt| receipt.recovery) else {
        return Ok(());
    };
    if store.shown_to(&root)? == Some(recovery.started) {
        return Ok(());
    }
    let (signing, operation) = (store.signing(), services.operation);
    let last = services.last_receipt(store, &root)?;
    parcels(store, card, &recovery, |body| {
        let request = Request::prepare(signing, root, operation, last, kind::RECEIPTS, &body)?;
        outgoing.put(store, card, operation, kind::RECEIPTS, request)
    })
}

/// Takes an answer that came by file; with the last of them everything is shown.
pub(crate) fn answered(
    store: &Store,
    entry: &OutboxEntry,
    answer: &[u8],
    card: &Verified<Card>,
) -> Result<()> {
    let checked = check_receipts(answer, &entry.bytes, card)?.map_err(problem)?;
    let (root, receipt) = (card.thumbprint(), &checked.receipt);
    store.outbox_remove(&entry.request_id)?;
    if let Some(newer) = &checked.newer_card {
        store.put_card(newer)?;
    }
    let last = LastReceipt {
        request: receipt.request,
        time: receipt.time,
    };
    store.put_last_receipt(&root, &last)?;
    match receipt.recovery {
        Some(recovery) if waiting(store, kind::RECEIPTS, &root)?.is_empty() => {
            Ok(store.put_shown_to(&root, recovery.started)?)
        }
        _ => Ok(()),
    }
}

/// What the service may lack, as bodies of requests.
fn parcels(
    store: &Store,
    card: &Verified<Card>,
    recovery: &Recovery,
    mut each: impl FnMut(Receipts) -> Result<()>,
) -> Result<()> {
    let mut parcel = Parcel::default();
    let mut tell = |parcel: Parcel, more| {
        each(Receipts {
            receipts: parcel.receipts,
            more,
        })
    };
    store.for_each_receipt(Some(&card.thumbprint()), |kept| -> Result<()> {
        let Some(entries) = needed(store, card, recovery, &kept) else {
            return Ok(());
        };
        if !parcel.has_room(entries, kept.bytes.len()) {
            tell(std::mem::take(&mut parcel), true)?;
        }
        parcel.entries += entries;
        parcel.bytes += kept.bytes.len();
        parcel.receipts.push(kept.bytes);
        Ok(())
    })?;
    tell(parcel, false)
}

/// How many entries it has, if the service may need it: its own word on rows that this computer's requests wrote.
fn needed(
    store: &Store,
    card: &Verified<Card>,
    recovery: &Recovery,
    kept: &keyferry_store::Receipt,
) -> Option<usize> {
    let kinds = [kind::RESTORE, kind::RELEASE];
    if !recovery.needs(kept.time) || !kinds.contains(&kept.kind.as_str()) {
        return None;
    }
    // One that doesn't verify would spoil the message for the others.
    let receipt = Receipt::verify(&kept.bytes, card).ok()?;
    let wrote = |verdict| matches!(verdict, Verdict::Restored | Verdict::Released);
    let any = receipt.entries.iter().any(|entry| wrote(entry.verdict));
    (any && receipt.computer == store.id()).then_some(receipt.entries.len())
}

fn send(contact: &mut Contact<'_>, body: &Receipts) -> Result<()> {
    contact.operation.check_canceled()?;
    let (signing, operation) = (contact.store.signing(), contact.services.operation);
    let (root, last) = (contact.root(), contact.last()?);
    let request = Request::prepare(signing, root, operation, last, kind::RECEIPTS, body)?;
    let checked = contact.ask(&request.bytes, |answer, card| {
        check_receipts(answer, &request.bytes, card)
    })?;
    contact.heard(&checked.receipt, checked.newer_card)
}
