//! What a computer checks before it takes anything of an answer (docs/protocol.md section 6).

use keyferry_license::{
    Card, ComputerId, ContentKey, Grant, KemSecret, LicenseId, Sealer, Thumbprint, Verified,
};

use crate::answer::{Answer, Delivery, Lists, Problem};
use crate::error::{Error, Result};
use crate::receipt::{Page, Reason, Receipt, Verdict};
use crate::request::{Request, RequestId, Restore, SignedRequest, kind};

/// What became of one license of a request.
#[derive(Debug)]
pub enum CheckedItem {
    /// A slot is held and the key is the one that the grant committed to.
    Granted {
        /// Whether a slot was taken or was held before.
        verdict: Verdict,
        /// This computer's slot, from 1.
        slot: u32,
        /// How many computers may hold it.
        of: u32,
        /// The key; absent in a plan.
        key: Option<ContentKey>,
    },
    /// The service said no.
    Refused(Reason),
    /// The service said yes, but what it delivered is not the key of this license. Ask again.
    WrongKey(keyferry_license::Error),
}

/// An answer whose receipt was verified against its request.
#[derive(Debug)]
pub struct Checked {
    /// The receipt's bytes, to be kept.
    pub receipt_bytes: Vec<u8>,
    /// What they say.
    pub receipt: Receipt,
    /// One for each item of the request, in its order.
    pub items: Vec<CheckedItem>,
    /// The service's newest card, where it sent one that is newer than the known one.
    pub newer_card: Option<Verified<Card>>,
}

impl Checked {
    /// The page that explains refusals of this reason.
    pub fn page(&self, reason: Reason) -> Option<&Page> {
        self.receipt.pages.iter().find(|page| page.reason == reason)
    }
}

/// Checks an answer against the request's bytes, the grants that were asked for (in order, already verified), the
/// service's known card and the one-time key. `Ok(Err(problem))` is a service that did not judge.
pub fn check_answer(
    answer: &[u8],
    request_bytes: &[u8],
    grants: &[Verified<Grant>],
    service: &Verified<Card>,
    one_time: Option<&KemSecret>,
) -> Result<Result<Checked, Problem>> {
    let Opened {
        request,
        receipt_bytes,
        receipt,
        newer_card,
        delivery,
        ..
    } = match open(answer, request_bytes, service)? {
        Ok(opened) => opened,
        Err(problem) => return Ok(Err(problem)),
    };
    let individualizes = *request.kind == *kind::INDIVIDUALIZE;
    let count = if individualizes { 0 } else { grants.len() };
    if receipt.entries.len() != count {
        return Err(Error::Inconsistent(
            "the receipt does not speak of each license once",
        ));
    }
    let keys = delivered(delivery, one_time, count)?;
    let mut items = Vec::with_capacity(count);
    for ((entry, grant), sealed) in receipt.entries.iter().zip(grants).zip(keys.sealed) {
        let named = names(entry.issuer, entry.license, grant);
        let verdict = entry.verdict;
        items.push(match (verdict, entry.reason, entry.slot.zip(entry.of)) {
            (Verdict::Refused, Some(reason), _) => CheckedItem::Refused(reason),
            (Verdict::Restored | Verdict::Reissued, None, Some((slot, of)))
                if named && slot >= 1 && slot <= of =>
            {
                match (&keys.sealer, sealed) {
                    (Some(sealer), Some(sealed)) => match sealer.open(grant, &sealed) {
                        Ok(key) => CheckedItem::Granted {
                            verdict,
                            slot,
                            of,
                            key: Some(key),
                        },
                        Err(error) => CheckedItem::WrongKey(error),
                    },
                    _ if one_time.is_none() => CheckedItem::Granted {
                        verdict,
                        slot,
                        of,
                        key: None,
                    },
                    _ => CheckedItem::WrongKey(keyferry_license::Error::SealBroken),
                }
            }
            _ => {
                return Err(Error::Inconsistent(
                    "an entry of the receipt contradicts itself or the request",
                ));
            }
        });
    }
    Ok(Ok(Checked {
        receipt_bytes,
        receipt,
        items,
        newer_card,
    }))
}

/// An answer whose receipt was verified and is the one of this request.
pub(crate) struct Opened {
    pub(crate) request: Request,
    pub(crate) receipt_bytes: Vec<u8>,
    pub(crate) receipt: Receipt,
    pub(crate) newer_card: Option<Verified<Card>>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) lists: Option<Lists>,
}

/// What holds for the answer to a request of any kind.
pub(crate) fn open(
    answer: &[u8],
    request_bytes: &[u8],
    service: &Verified<Card>,
) -> Result<Result<Opened, Problem>> {
    let answer = Answer::decode(answer)?;
    let receipt_bytes = match (answer.receipt, answer.problem) {
        (Some(receipt), _) => receipt,
        (None, Some(problem)) => return Ok(Err(problem)),
        (None, None) => return Err(Error::Inconsistent("it is empty")),
    };
    let newer_card = newer_card(answer.card.as_deref(), service)?;
    let receipt = Receipt::verify(&receipt_bytes, newer_card.as_ref().unwrap_or(service))?;
    let signed = SignedRequest::decode(request_bytes)?;
    belongs(&receipt, signed.id(), signed.claim())?;
    let request = signed.into_claim();
    certifies(&receipt, &request)?;
    if answer.lists.is_some() != (*request.kind == *kind::REVOCATIONS) {
        return Err(Error::Inconsistent(
            "revocation lists come when they are asked for, and then only",
        ));
    }
    if answer.delivery.is_some() && *request.kind != *kind::RESTORE {
        return Err(Error::Inconsistent("it delivers keys that nobody asked for"));
    }
    Ok(Ok(Opened {
        request,
        receipt_bytes,
        receipt,
        newer_card,
        delivery: answer.delivery,
        lists: answer.lists,
    }))
}

struct Keys {
    sealer: Option<Sealer>,
    sealed: Vec<Option<keyferry_license::SealedKey>>,
}

fn delivered(delivery: Option<Delivery>, one_time: Option<&KemSecret>, count: usize) -> Result<Keys> {
    match (delivery, one_time) {
        (Some(delivery), Some(one_time)) => {
            if delivery.keys.len() != count {
                return Err(Error::Inconsistent("it does not deliver a key for each license"));
            }
            let sealer = Sealer::open_delivery(&delivery.enc, one_time)?;
            Ok(Keys {
                sealer: Some(sealer),
                sealed: delivery.keys,
            })
        }
        (Some(_), None) => Err(Error::Inconsistent("it delivers keys that nobody asked for")),
        (None, _) => Ok(Keys {
            sealer: None,
            sealed: vec![None; count],
        }),
    }
}

fn names(issuer: Thumbprint, license: LicenseId, grant: &Grant) -> bool {
    grant.issuer == issuer && grant.license == license
}

/// The receipt names this very request, and its operation, service and computer.
fn belongs(receipt: &Receipt, id: RequestId, request: &Request) -> Result<()> {
    let same: (_, ComputerId, _) = (request.operation, request.computer, request.service);
    if receipt.request != id || (receipt.operation, receipt.computer, receipt.service) != same {
        return Err(Error::OtherRequest);
    }
    if receipt.kind != request.kind {
        return Err(Error::Mismatch {
            what: "receipt",
            field: "kind",
        });
    }
    Ok(())
}

/// The receipt of an individualization is a certificate: of the very card that was sent.
fn certifies(receipt: &Receipt, request: &Request) -> Result<()> {
    let sent = match *request.kind == *kind::INDIVIDUALIZE {
        true => Some(*request.individualize_body()?.1.digest()),
        false => None,
    };
    if receipt.card == sent {
        return Ok(());
    }
    Err(Error::Mismatch {
        what: "receipt",
        field: "card",
    })
}

/// A card under the same root and of a higher serial replaces the known one; any other is ignored.
fn newer_card(bytes: Option<&[u8]>, known: &Verified<Card>) -> Result<Option<Verified<Card>>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let card = Card::verify(bytes)?;
    let newer =
        card.thumbprint() == known.thumbprint() && card.kind == known.kind && card.serial > known.serial;
    Ok(newer.then_some(card))
}

impl Restore {
    /// The restore body of these licenses under one encapsulation.
    pub fn new(enc: keyferry_license::Encapsulation, items: Vec<crate::Item>) -> Self {
        Self {
            suite: keyferry_license::Suite::XWingHkdfSha256,
            enc,
            items,
            as_new: None,
        }
    }
}
