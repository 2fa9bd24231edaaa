//! What a checked answer brought: stored with its receipt in one transaction, and told license by license.

use keyferry_license::{Card, Grant, Verified};
use keyferry_protocol::{Checked, CheckedItem, Reason, Verdict};
use keyferry_store::{Arrival, NewLicense, Receipt, Store};

use super::batch::Asked;
use super::told::Told;
use crate::code::Failure;
use crate::error::Result;
use crate::events::Outcome;
use crate::http::same_origin;
use crate::import::{arrived, outcome};
use crate::operation::Operation;

/// What is left to do after an answer.
pub(crate) struct Settled {
    /// Licenses to ask for once more, with the receipt that has come.
    pub(crate) repeat: Vec<Asked>,
    /// A newer card of the service, already stored.
    pub(crate) newer_card: Option<Verified<Card>>,
}

/// A license that did not come, why, more about it, and the service's reason.
type Refused = (Verified<Grant>, Failure, Option<String>, Option<Reason>);

/// What an answer says of each license.
#[derive(Default)]
struct Sorted {
    licenses: Vec<NewLicense>,
    granted: Vec<Outcome>,
    refused: Vec<Refused>,
    repeat: Vec<Asked>,
}

/// Stores what came and the receipt, and tells each outcome. With `again`, licenses that were given back before are
/// to be asked for once more.
pub(crate) fn settle(
    operation: &Operation<'_>,
    store: &Store,
    card: &Verified<Card>,
    asked: Vec<Asked>,
    checked: Checked,
    again: bool,
    told: &mut Told,
) -> Result<Settled> {
    let Checked {
        receipt_bytes,
        receipt,
        items,
        newer_card,
    } = checked;
    let sorted = sort(asked, items, again);
    let mut said: Vec<_> = sorted
        .licenses
        .iter()
        .map(|license| outcome(&license.grant, Outcome::AlreadyHere, None))
        .collect();
    let row = Receipt {
        request_id: receipt.request,
        service: receipt.service,
        kind: receipt.kind.to_string(),
        time: receipt.time,
        bytes: receipt_bytes,
    };
    let inserted = store.settle(&row, &sorted.licenses)?;
    if let Some(card) = &newer_card {
        store.put_card(card)?;
    }
    for ((said, inserted), granted) in said.iter_mut().zip(inserted).zip(sorted.granted) {
        (said.outcome, said.why) = arrived(inserted, granted);
    }
    said.into_iter().for_each(|said| told.say(operation, said));
    let urls = newer_card.as_ref().unwrap_or(card);
    for (grant, failure, why, reason) in sorted.refused {
        told.say(operation, outcome(&grant, Outcome::Failed(failure), why));
        let page = reason.and_then(|reason| receipt.pages.iter().find(|page| page.reason == reason));
        if let Some(page) = page
            && same_origin(&page.url, urls.urls.iter().map(|url| &**url))
        {
            told.page(operation, failure, page.url.to_string());
        }
    }
    Ok(Settled {
        repeat: sorted.repeat,
        newer_card,
    })
}

fn sort(asked: Vec<Asked>, items: Vec<CheckedItem>, again: bool) -> Sorted {
    let mut sorted = Sorted::default();
    for ((grant, escrow), item) in asked.into_iter().zip(items) {
        match item {
            CheckedItem::Granted {
                verdict,
                slot,
                of,
                key: Some(key),
            } => {
                sorted.granted.push(match verdict {
                    Verdict::Reissued => Outcome::Reissued { slot: (slot, of) },
                    _ => Outcome::Restored {
                        slot: Some((slot, of)),
                    },
                });
                sorted.licenses.push(NewLicense {
                    grant,
                    key,
                    arrival: Arrival::Receipt,
                });
            }
            CheckedItem::Refused(Reason::Released) if again => sorted.repeat.push((grant, escrow)),
            CheckedItem::Refused(reason) => {
                sorted
                    .refused
                    .push((grant, failure(reason), why(reason), Some(reason)));
            }
            CheckedItem::WrongKey(error) => {
                let why = format!("the service delivered a wrong key: {error}");
                sorted.refused.push((grant, Failure::BadData, Some(why), None));
            }
            CheckedItem::Granted { key: None, .. } => {
                let why = "the service delivered no key".into();
                sorted.refused.push((grant, Failure::BadData, Some(why), None));
            }
        }
    }
    sorted
}

/// What a failure doesn't say by its name.
fn why(reason: Reason) -> Option<String> {
    let words = "the service was restored from a backup and gives no new slot yet; nothing is lost: try again in a few days";
    (reason == Reason::Recovery).then(|| words.into())
}

/// The service's reason as a failure of this side.
pub(crate) fn failure(reason: Reason) -> Failure {
    match reason {
        Reason::Limit => Failure::Limit,
        Reason::Revoked => Failure::Revoked,
        Reason::Released => Failure::Released,
        Reason::OtherService => Failure::OtherService,
        Reason::BadSignature | Reason::BadEscrow | Reason::Malformed => Failure::BackupCorrupt,
        Reason::Recovery => Failure::ServiceBusy,
        Reason::NoBackupRight | Reason::UnknownIssuer | Reason::Twice => Failure::Refused,
    }
}
