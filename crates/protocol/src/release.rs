//! `release`: a computer gives slots back (docs/protocol.md section 2.3), and what it makes of the answer.

use keyferry_license::{Card, Grant, LicenseId, Thumbprint, Verified, decode_exact};
use minicbor::{Decode, Encode};

use crate::MESSAGE_LIMIT;
use crate::answer::Problem;
use crate::check::{Opened, open};
use crate::error::{Error, Result};
use crate::receipt::{Entry, Reason, Receipt, Verdict};
use crate::request::Request;

/// One license that a computer gives back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReleaseItem {
    /// Its issuer.
    #[n(0)]
    pub issuer: Thumbprint,
    /// The license.
    #[n(1)]
    pub license: LicenseId,
    /// The signed grant. It alone shows that the computer is the origin, which holds slot 1 without a row.
    #[cbor(
        n(2),
        encode_with = "minicbor::bytes::encode",
        decode_with = "crate::bounds::optional_grant"
    )]
    pub grant: Option<Vec<u8>>,
}

impl ReleaseItem {
    /// Of a license whose grant is at hand.
    pub fn of(grant: &Verified<Grant>) -> Self {
        Self {
            issuer: grant.issuer,
            license: grant.license,
            grant: Some(grant.as_bytes().to_vec()),
        }
    }
}

/// Body of `release`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Release {
    /// 1 to 1,000 licenses, none twice.
    #[cbor(n(1), decode_with = "crate::bounds::items")]
    pub items: Vec<ReleaseItem>,
}

impl Request {
    /// The body of `release`, its bounds checked.
    pub fn release_body(&self) -> Result<Release> {
        let body: Release = decode_exact("request to release", &self.body, MESSAGE_LIMIT)?;
        if body.items.is_empty() {
            return Err(Error::Inconsistent("it gives no license back"));
        }
        Ok(body)
    }
}

/// What became of one license of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleasedItem {
    /// The slot is free; the receipt's entry names the row.
    Released {
        /// Which slot was given back, from 1.
        slot: u32,
    },
    /// There was nothing to give back.
    NotHeld,
    /// Nothing was changed. Ask again with a new request that names this receipt as the last one.
    Stale,
    /// The item could not be judged.
    Refused(Reason),
}

/// An answer to a release whose receipt was verified.
#[derive(Debug)]
pub struct CheckedRelease {
    /// The receipt's bytes, to be kept.
    pub receipt_bytes: Vec<u8>,
    /// What they say.
    pub receipt: Receipt,
    /// One for each item of the request, in its order.
    pub items: Vec<ReleasedItem>,
    /// The service's newest card, where it sent one that is newer than the known one.
    pub newer_card: Option<Verified<Card>>,
}

/// Checks an answer against the bytes of a release and the service's known card. `Ok(Err(problem))` is a service that
/// did not judge.
pub fn check_release(
    answer: &[u8],
    request_bytes: &[u8],
    service: &Verified<Card>,
) -> Result<Result<CheckedRelease, Problem>> {
    let opened = match open(answer, request_bytes, service)? {
        Ok(opened) => opened,
        Err(problem) => return Ok(Err(problem)),
    };
    let asked = opened.request.release_body()?.items;
    let Opened {
        receipt_bytes,
        receipt,
        newer_card,
        ..
    } = opened;
    if receipt.entries.len() != asked.len() {
        return Err(Error::Inconsistent(
            "the receipt does not speak of each license once",
        ));
    }
    let items = asked
        .iter()
        .zip(&receipt.entries)
        .map(|(item, entry)| released(item, entry));
    Ok(Ok(CheckedRelease {
        items: items.collect::<Result<_>>()?,
        receipt_bytes,
        receipt,
        newer_card,
    }))
}

fn released(item: &ReleaseItem, entry: &Entry) -> Result<ReleasedItem> {
    let named = (entry.issuer, entry.license) == (item.issuer, item.license);
    let row = entry.seq.is_some() && entry.previous.is_some() && entry.row.is_some();
    match (entry.verdict, entry.reason, entry.slot) {
        (Verdict::Released, None, Some(slot)) if named && row && slot >= 1 => {
            Ok(ReleasedItem::Released { slot })
        }
        (Verdict::NotHeld, None, None) if named => Ok(ReleasedItem::NotHeld),
        (Verdict::Stale, None, None) if named => Ok(ReleasedItem::Stale),
        (Verdict::Refused, Some(reason), None) if named => Ok(ReleasedItem::Refused(reason)),
        _ => Err(Error::Inconsistent(
            "an entry of the receipt contradicts itself or the request",
        )),
    }
}
