//! How releases reach their service: each request until it has its answer, in the outbox until then.

use keyferry_license::{Grant, KeyId, Thumbprint};
use keyferry_protocol::{
    CheckedRelease, LastReceipt, OperationId, Reason, Release, ReleaseItem, ReleasedItem, Request,
    SignedRequest, check_release, kind,
};
use keyferry_store::{OutboxEntry, Presence, Receipt, Store};

use crate::code::Failure;
use crate::contact::{Contact, waiting};
use crate::error::{Error, Result};
use crate::events::{LicenseOutcome, Outcome};
use crate::import::outcome;
use crate::restore::failure;
use crate::showing;

/// A request for these licenses, as it waits in the outbox.
pub(super) fn entry(
    store: &Store,
    (operation, service): (OperationId, Thumbprint),
    last: Option<LastReceipt>,
    items: Vec<ReleaseItem>,
) -> Result<OutboxEntry> {
    let body = Release { items };
    let request = Request::prepare(store.signing(), service, operation, last, kind::RELEASE, &body)?;
    Ok(OutboxEntry {
        request_id: request.id,
        operation,
        service,
        kind: kind::RELEASE.into(),
        bytes: request.bytes,
        one_time: None,
    })
}

/// Sends the releases that wait for this service, until each has its answer.
pub(crate) fn deliver(contact: &mut Contact<'_>) -> Result<()> {
    for _ in 0..2 {
        let waiting = waiting(contact.store, kind::RELEASE, &contact.root())?;
        if waiting.is_empty() {
            return Ok(());
        }
        for id in waiting {
            contact.operation.check_canceled()?;
            let Some(entry) = still_meant(contact, &id)? else {
                continue;
            };
            let checked = judged(contact, &entry)?;
            let said = settle(contact.store, &entry, &checked)?;
            let slots = said
                .iter()
                .filter(|said| matches!(said.outcome, Outcome::Released { .. }));
            contact.services.news.given_back += slots.count() as u64;
            said.iter().for_each(|said| contact.tell(said));
            contact.heard(&checked.receipt, checked.newer_card)?;
        }
    }
    match waiting(contact.store, kind::RELEASE, &contact.root())?.is_empty() {
        true => Ok(()),
        false => Err(Error::Link {
            failure: Failure::ServiceBusy,
            why: "the service has not freed all slots that this computer gave back: try again".into(),
        }),
    }
}

/// Sends it. A service that lost rows judges without them, if it judges at all: it is shown what it lost, and then asked
/// again with the same bytes.
fn judged(contact: &mut Contact<'_>, entry: &OutboxEntry) -> Result<CheckedRelease> {
    let ask = |contact: &mut Contact<'_>| {
        contact.ask(&entry.bytes, |answer, card| {
            check_release(answer, &entry.bytes, card)
        })
    };
    let mut checked = ask(contact)?;
    let is = |checked: &CheckedRelease, open: fn(&ReleasedItem) -> bool| checked.items.iter().any(open);
    if is(&checked, |item| {
        matches!(item, ReleasedItem::Stale | ReleasedItem::NotHeld)
    }) {
        contact.heard(&checked.receipt, checked.newer_card.clone())?;
        if showing::show(contact)? {
            checked = ask(contact)?;
        }
    }
    let lasts = checked.receipt.recovery.is_some_and(|recovery| recovery.lasts());
    if lasts && is(&checked, |item| matches!(item, ReleasedItem::Stale)) {
        return Err(Error::Link {
            failure: Failure::ServiceBusy,
            why: "the service was restored from a backup and takes no slots back yet; what this computer gave back \
                  waits: try again in a few days"
                .into(),
        });
    }
    Ok(checked)
}

/// A request that waits, without the licenses that are here again: to give those back would take their slots from under
/// them.
fn still_meant(contact: &Contact<'_>, id: &[u8; 32]) -> Result<Option<OutboxEntry>> {
    let store = contact.store;
    let Some(waiting) = store.outbox_entry(id)? else {
        return Ok(None);
    };
    let items = items(&waiting)?;
    let names = items.iter().map(|item| (&item.issuer, &item.license));
    let presence = store.presence(names)?;
    if !presence.contains(&Presence::Here) {
        return Ok(Some(waiting));
    }
    let gone: Vec<ReleaseItem> = items
        .into_iter()
        .zip(presence)
        .filter(|(_, presence)| *presence != Presence::Here)
        .map(|(item, _)| item)
        .collect();
    let rest = match gone.is_empty() {
        true => None,
        false => Some(entry(
            store,
            (waiting.operation, waiting.service),
            contact.last()?,
            gone,
        )?),
    };
    if let Some(rest) = &rest {
        store.outbox_put(rest)?;
    }
    store.outbox_remove(id)?;
    Ok(rest)
}

/// Takes the answer to a release: its receipt is kept, the request goes. What the service could not judge because this
/// computer had not heard of its newest row is asked once more, knowing this receipt.
pub(crate) fn settle(
    store: &Store,
    answered: &OutboxEntry,
    checked: &CheckedRelease,
) -> Result<Vec<LicenseOutcome>> {
    let (receipt, mut again, mut said) = (&checked.receipt, Vec::new(), Vec::new());
    for (item, released) in items(answered)?.into_iter().zip(&checked.items) {
        match released {
            ReleasedItem::Released { slot } => {
                said.push(told(&item, Outcome::Released { slot: Some(*slot) }, None));
            }
            ReleasedItem::NotHeld => said.push(told(&item, Outcome::Released { slot: None }, None)),
            ReleasedItem::Stale => again.push(item),
            ReleasedItem::Refused(reason) => {
                let failed = Outcome::Failed(failure(*reason));
                said.push(told(&item, failed, Some(refused(*reason).into())));
            }
        }
    }
    if !again.is_empty() {
        let last = LastReceipt {
            request: receipt.request,
            time: receipt.time,
        };
        let waiting = entry(store, (answered.operation, answered.service), Some(last), again)?;
        // Before the first one goes, so that neither a crash nor a lost answer forgets it.
        store.outbox_put(&waiting)?;
    }
    let row = Receipt {
        request_id: receipt.request,
        service: receipt.service,
        kind: receipt.kind.to_string(),
        time: receipt.time,
        bytes: checked.receipt_bytes.clone(),
    };
    store.settle(&row, &[])?;
    Ok(said)
}

fn refused(reason: Reason) -> &'static str {
    match reason {
        Reason::UnknownIssuer => "the service does not know its issuer any more, so no slot was freed",
        _ => "the service could not judge it, so no slot was freed",
    }
}

pub(super) fn items(entry: &OutboxEntry) -> Result<Vec<ReleaseItem>> {
    Ok(SignedRequest::decode(&entry.bytes)?.claim().release_body()?.items)
}

pub(super) fn claim(item: &ReleaseItem) -> Option<Grant> {
    let grant = Grant::parse(item.grant.as_deref()?).ok()?;
    Some(grant.claim().clone())
}

pub(super) fn told(item: &ReleaseItem, said: Outcome, why: Option<String>) -> LicenseOutcome {
    match claim(item) {
        Some(grant) => outcome(&grant, said, why),
        None => LicenseOutcome {
            issuer: item.issuer,
            license: item.license,
            key_id: KeyId::default(),
            title: String::new(),
            outcome: said,
            why,
        },
    }
}
