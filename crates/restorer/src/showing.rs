//! A service that lost rows of its ledger says so in what it signs. At the next contact this computer shows it the
//! receipts that may speak of them, and remembers when all were shown (docs/protocol.md section 5.8).

use keyferry_protocol::{MAX_ITEMS, Receipt, Receipts, Recovery, Request, Verdict, check_receipts, kind};

use crate::contact::Contact;
use crate::error::Result;

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
    let mut parcel = Parcel::default();
    store.for_each_receipt(Some(&root), |kept| -> Result<()> {
        let Some(entries) = needed(contact, &recovery, &kept) else {
            return Ok(());
        };
        if !parcel.has_room(entries, kept.bytes.len()) {
            send(contact, std::mem::take(&mut parcel), true)?;
        }
        parcel.entries += entries;
        parcel.bytes += kept.bytes.len();
        parcel.receipts.push(kept.bytes);
        Ok(())
    })?;
    send(contact, parcel, false)?;
    store.put_shown_to(&root, recovery.started)?;
    Ok(true)
}

/// How many entries it has, if the service may need it: its own word on rows that this computer's requests wrote.
fn needed(contact: &Contact<'_>, recovery: &Recovery, kept: &keyferry_store::Receipt) -> Option<usize> {
    let kinds = [kind::RESTORE, kind::RELEASE];
    if !recovery.needs(kept.time) || !kinds.contains(&kept.kind.as_str()) {
        return None;
    }
    // One that doesn't verify would spoil the message for the others.
    let receipt = Receipt::verify(&kept.bytes, &contact.card).ok()?;
    let wrote = |verdict| matches!(verdict, Verdict::Restored | Verdict::Released);
    let any = receipt.entries.iter().any(|entry| wrote(entry.verdict));
    (any && receipt.computer == contact.store.id()).then_some(receipt.entries.len())
}

fn send(contact: &mut Contact<'_>, parcel: Parcel, more: bool) -> Result<()> {
    contact.operation.check_canceled()?;
    let body = Receipts {
        receipts: parcel.receipts,
        more,
    };
    let (signing, operation) = (contact.store.signing(), contact.services.operation);
    let (root, last) = (contact.root(), contact.last()?);
    let request = Request::prepare(signing, root, operation, last, kind::RECEIPTS, &body)?;
    let checked = contact.ask(&request.bytes, |answer, card| {
        check_receipts(answer, &request.bytes, card)
    })?;
    contact.heard(&checked.receipt, checked.newer_card)
}
