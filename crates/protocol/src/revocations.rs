//! `revocations` and `acknowledge`: what issuers took back, and a computer's word that it obeyed (docs/protocol.md
//! sections 2.4 and 2.5).

use std::collections::HashSet;

use keyferry_license::{Card, CardKind, RevocationList, Thumbprint, Verified, decode_exact};
use minicbor::{Decode, Encode};

use crate::MESSAGE_LIMIT;
use crate::answer::{Lists, Problem};
use crate::check::{Opened, open};
use crate::error::{Error, Result};
use crate::receipt::Receipt;
use crate::request::Request;

/// Names one revocation list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ListNumber {
    /// Whose.
    #[n(0)]
    pub issuer: Thumbprint,
    /// From 1; 0 is before the first.
    #[n(1)]
    pub number: u64,
}

/// Body of `revocations`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Revocations {
    /// The newest list of each issuer that the computer knows, 0 for none; no issuer twice.
    #[cbor(n(1), decode_with = "crate::bounds::items")]
    pub since: Vec<ListNumber>,
}

/// Body of `acknowledge`. The request's signature is the computer's word.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acknowledge {
    /// Lists that this computer has obeyed; none twice.
    #[cbor(n(1), decode_with = "crate::bounds::items")]
    pub lists: Vec<ListNumber>,
}

impl Request {
    /// The body of `revocations`, its bounds checked.
    pub fn revocations_body(&self) -> Result<Revocations> {
        let body: Revocations = decode_exact("request for revocations", &self.body, MESSAGE_LIMIT)?;
        let issuers: HashSet<_> = body.since.iter().map(|known| known.issuer).collect();
        if issuers.is_empty() || issuers.len() != body.since.len() {
            return Err(Error::Inconsistent("it does not name each issuer once"));
        }
        Ok(body)
    }

    /// The body of `acknowledge`, its bounds checked.
    pub fn acknowledge_body(&self) -> Result<Acknowledge> {
        let body: Acknowledge = decode_exact("acknowledgement", &self.body, MESSAGE_LIMIT)?;
        let lists: HashSet<_> = body.lists.iter().collect();
        if lists.is_empty() || lists.len() != body.lists.len() {
            return Err(Error::Inconsistent("it does not name each list once"));
        }
        if lists.iter().any(|list| list.number == 0) {
            return Err(Error::Inconsistent("lists are numbered from 1"));
        }
        Ok(body)
    }
}

/// What one issuer took back since the number that was named.
#[derive(Debug)]
pub struct IssuerLists {
    /// Whose.
    pub issuer: Thumbprint,
    /// Number of its newest list at the service; `None` where the issuer is not registered there.
    pub newest: Option<u64>,
    /// Its lists, the numbers following each other without a gap.
    pub lists: Vec<Verified<RevocationList>>,
    /// Its newest card, where one came that is newer than the known one.
    pub newer_card: Option<Verified<Card>>,
    /// Why lists after those above could not be taken.
    pub broken: Option<Error>,
}

impl IssuerLists {
    /// Is there more to be asked for, after the lists that are here?
    pub fn has_more(&self, since: u64) -> bool {
        let known = self.lists.last().map_or(since, |list| list.number);
        self.newest.is_some_and(|newest| newest > known)
    }
}

/// An answer with revocation lists: its receipt was verified, and each list.
#[derive(Debug)]
pub struct CheckedLists {
    /// The receipt's bytes.
    pub receipt_bytes: Vec<u8>,
    /// What they say.
    pub receipt: Receipt,
    /// One for each issuer of the request, in its order.
    pub issuers: Vec<IssuerLists>,
    /// The service's newest card, where it sent one that is newer than the known one.
    pub newer_card: Option<Verified<Card>>,
}

/// An answer to an acknowledgement whose receipt was verified.
#[derive(Debug)]
pub struct CheckedAcknowledgement {
    /// The receipt's bytes.
    pub receipt_bytes: Vec<u8>,
    /// What they say.
    pub receipt: Receipt,
    /// The service's newest card, where it sent one that is newer than the known one.
    pub newer_card: Option<Verified<Card>>,
}

/// Checks an answer against the bytes of a request for revocation lists, the service's known card and the known cards
/// of the issuers. A list that can't be taken takes nothing from those before it, or from other issuers'.
pub fn check_revocations(
    answer: &[u8],
    request_bytes: &[u8],
    service: &Verified<Card>,
    issuers: &[Verified<Card>],
) -> Result<Result<CheckedLists, Problem>> {
    let Opened {
        request,
        receipt_bytes,
        receipt,
        newer_card,
        lists,
        ..
    } = match open(answer, request_bytes, service)? {
        Ok(opened) => opened,
        Err(problem) => return Ok(Err(problem)),
    };
    let asked = request.revocations_body()?.since;
    let newest = receipt.newest.as_deref().unwrap_or_default();
    let lists = lists.unwrap_or(Lists {
        lists: Vec::new(),
        cards: Vec::new(),
    });
    let told = |since: &ListNumber| IssuerLists {
        issuer: since.issuer,
        newest: newest
            .iter()
            .find(|list| list.issuer == since.issuer)
            .map(|list| list.number),
        lists: Vec::new(),
        newer_card: None,
        broken: None,
    };
    let mut told: Vec<IssuerLists> = asked.iter().map(told).collect();
    take_cards(&lists.cards, issuers, &mut told);
    for bytes in &lists.lists {
        let claim = RevocationList::parse(bytes)?;
        let issuer = claim.claim().issuer;
        let at = asked.iter().position(|since| since.issuer == issuer);
        let at = at.ok_or(Error::Inconsistent("it holds a list that was not asked for"))?;
        take_list(claim, asked[at].number, issuers, &mut told[at]);
    }
    Ok(Ok(CheckedLists {
        receipt_bytes,
        receipt,
        issuers: told,
        newer_card,
    }))
}

/// Checks an answer against the bytes of an acknowledgement and the service's known card.
pub fn check_acknowledgement(
    answer: &[u8],
    request_bytes: &[u8],
    service: &Verified<Card>,
) -> Result<Result<CheckedAcknowledgement, Problem>> {
    let opened = match open(answer, request_bytes, service)? {
        Ok(opened) => opened,
        Err(problem) => return Ok(Err(problem)),
    };
    opened.request.acknowledge_body()?;
    Ok(Ok(CheckedAcknowledgement {
        receipt_bytes: opened.receipt_bytes,
        receipt: opened.receipt,
        newer_card: opened.newer_card,
    }))
}

/// A card under a known root and of a higher serial replaces the known one; any other is ignored.
fn take_cards(cards: &[Vec<u8>], known: &[Verified<Card>], told: &mut [IssuerLists]) {
    for card in cards.iter().filter_map(|bytes| Card::verify(bytes).ok()) {
        let root = card.thumbprint();
        let newer = |known: &Verified<Card>| known.thumbprint() == root && card.serial > known.serial;
        let Some(place) = told.iter_mut().find(|issuer| issuer.issuer == root) else {
            continue;
        };
        if card.kind == CardKind::Issuer && known.iter().any(newer) {
            place.newer_card = Some(card);
        }
    }
}

fn take_list(
    list: keyferry_license::Unverified<RevocationList>,
    since: u64,
    known: &[Verified<Card>],
    place: &mut IssuerLists,
) {
    if place.broken.is_some() {
        return;
    }
    let last = place.lists.last().map_or(since, |list| list.number);
    let card = known.iter().find(|card| card.thumbprint() == place.issuer);
    let Some(card) = place.newer_card.as_ref().or(card) else {
        place.broken = Some(Error::Inconsistent("the issuer's card is not known here"));
        return;
    };
    if last.checked_add(1) != Some(list.claim().number) {
        place.broken = Some(Error::Inconsistent("a revocation list is missing between two"));
        return;
    }
    if list.claim().nonce.is_some() {
        place.broken = Some(Error::Inconsistent("a revocation list is meant for one computer"));
        return;
    }
    match list.verify_with(card) {
        Ok(list) => place.lists.push(list),
        Err(error) => place.broken = Some(error.into()),
    }
}
