//! A service that was restored from a backup, and the receipts that computers show it: its own signed word on the rows
//! that it lost (docs/protocol.md section 5.8).

use keyferry_license::{Card, Digest, Verified, decode_exact};
use minicbor::{Decode, Encode};

use crate::answer::Problem;
use crate::check::{Opened, open};
use crate::error::{Error, Result};
use crate::receipt::{Entry, Receipt, Verdict};
use crate::request::{Request, kind};
use crate::row::{Change, Row};
use crate::{MAX_ITEMS, MESSAGE_LIMIT};

/// How far before a receipt's time the time of a row is searched for (seconds): 7 days.
pub const ROW_TIME_SEARCH: u64 = 7 * 24 * 60 * 60;

/// A service's ledger was restored from a backup and may lack its newest rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Recovery {
    /// When it started (Unix seconds); names it.
    #[n(0)]
    pub started: u64,
    /// Rows up to this time are not missing (Unix seconds).
    #[n(1)]
    pub since: u64,
    /// When its operator ended it (Unix seconds); until then the service writes no row but those that were.
    #[n(2)]
    pub ended: Option<u64>,
}

impl Recovery {
    /// Does it last?
    pub fn lasts(&self) -> bool {
        self.ended.is_none()
    }

    /// May a receipt of this time speak of rows that are missing?
    pub fn needs(&self, time: u64) -> bool {
        time >= self.since && self.ended.is_none_or(|ended| time <= ended)
    }
}

/// Body of `receipts`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipts {
    /// Signed receipts of restores and releases, with at most [`MAX_ITEMS`] entries in all of them together.
    #[cbor(
        n(1),
        encode_with = "crate::bounds::encode_documents",
        decode_with = "crate::bounds::documents"
    )]
    pub receipts: Vec<Vec<u8>>,
    /// More will follow in another request.
    #[n(2)]
    pub more: bool,
}

impl Request {
    /// The body of `receipts`, its bounds checked.
    pub fn receipts_body(&self) -> Result<Receipts> {
        Ok(decode_exact(
            "request that shows receipts",
            &self.body,
            MESSAGE_LIMIT,
        )?)
    }
}

impl Receipts {
    /// The receipts, each verified: signed by this service for this computer, of restores and releases, and with no more
    /// entries than a message may have.
    pub fn verified(&self, service: &Verified<Card>, request: &Request) -> Result<Vec<Receipt>> {
        let (mut verified, mut entries) = (Vec::with_capacity(self.receipts.len()), 0_usize);
        for bytes in &self.receipts {
            let receipt = Receipt::verify(bytes, service)?;
            if receipt.computer != request.computer {
                return Err(Error::Mismatch {
                    what: "receipt",
                    field: "computer",
                });
            }
            if ![kind::RESTORE, kind::RELEASE].contains(&&*receipt.kind) {
                return Err(Error::Mismatch {
                    what: "receipt",
                    field: "kind",
                });
            }
            entries += receipt.entries.len();
            if entries > MAX_ITEMS {
                return Err(Error::Inconsistent("its receipts have more than 1,000 entries"));
            }
            verified.push(receipt);
        }
        Ok(verified)
    }
}

/// An answer to `receipts` whose receipt was verified.
#[derive(Debug)]
pub struct CheckedReceipts {
    /// What it says.
    pub receipt: Receipt,
    /// The service's newest card, where it sent one that is newer than the known one.
    pub newer_card: Option<Verified<Card>>,
}

/// Checks an answer against the bytes of a request that shows receipts, and the service's known card.
pub fn check_receipts(
    answer: &[u8],
    request_bytes: &[u8],
    service: &Verified<Card>,
) -> Result<Result<CheckedReceipts, Problem>> {
    let Opened {
        request,
        receipt,
        newer_card,
        ..
    } = match open(answer, request_bytes, service)? {
        Ok(opened) => opened,
        Err(problem) => return Ok(Err(problem)),
    };
    request.receipts_body()?;
    Ok(Ok(CheckedReceipts { receipt, newer_card }))
}

/// What an entry of a receipt says about the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remade {
    /// The row that its request wrote, made again: it has the hash that the entry names.
    Row(Row),
    /// It names no row that its request wrote.
    None,
    /// Its request wrote a row, and no time that was tried gives the hash that the entry names.
    Unknown,
}

/// Makes rows of the ledger again from what receipts say of them. An entry says all of a row but its time, which is the
/// receipt's or an earlier one; the hash decides. The hashes that are tried are bounded, for all receipts together.
#[derive(Debug)]
pub struct Remaking {
    hashes: u64,
    /// Of the receipt that was looked at last.
    times: Vec<u64>,
    request: [u8; 32],
}

impl Default for Remaking {
    /// Enough for three searches through all of the seven days.
    fn default() -> Self {
        Self::within(3 * ROW_TIME_SEARCH)
    }
}

impl Receipt {
    /// The row that this entry, one of the receipt's, says was written, with the time of the receipt; and the hash that it
    /// names. The row has that hash if it was written at that time. `None` of an entry that wrote nothing.
    pub fn row_of(&self, entry: &Entry) -> Option<(Row, Digest)> {
        let change = match entry.verdict {
            Verdict::Restored => Change::Take,
            Verdict::Released => Change::Release,
            _ => return None,
        };
        let row = Row {
            issuer: entry.issuer,
            license: entry.license,
            seq: entry.seq?,
            computer: self.computer,
            change,
            slot: entry.slot?,
            lease: 0,
            request: self.request,
            time: self.time,
            previous: entry.previous?,
        };
        Some((row, entry.row?))
    }
}

impl Remaking {
    /// Tries at most so many hashes.
    pub fn within(hashes: u64) -> Self {
        Self {
            hashes,
            times: Vec::new(),
            request: [0; 32],
        }
    }

    /// The row of this entry, which is one of the receipt's.
    pub fn row(&mut self, receipt: &Receipt, entry: &Entry) -> Remade {
        let Some((mut row, hash)) = receipt.row_of(entry) else {
            return Remade::None;
        };
        if self.request != receipt.request {
            (self.request, self.times) = (receipt.request, Vec::new());
        }
        let earliest = receipt.time.saturating_sub(ROW_TIME_SEARCH);
        let known = std::mem::take(&mut self.times);
        let mut fits = |time: &u64| {
            row.time = *time;
            row.hash() == hash
        };
        // All rows of a request are of one time, or of that of the row before.
        let mut found = known.iter().copied().find(|time| fits(time));
        self.times = known;
        if found.is_none() {
            for time in (earliest..=receipt.time).rev() {
                let Some(left) = self.hashes.checked_sub(1) else {
                    break;
                };
                self.hashes = left;
                if fits(&time) {
                    self.times.push(time);
                    found = Some(time);
                    break;
                }
            }
        }
        match found {
            Some(time) => Remade::Row(Row { time, ..row }),
            None => Remade::Unknown,
        }
    }
}
