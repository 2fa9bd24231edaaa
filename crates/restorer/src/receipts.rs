//! The receipts that this computer kept: what they say, and what of it can be proven without a network.

use std::collections::BTreeMap;

use keyferry_license::{Digest, LicenseId, Thumbprint};
use keyferry_protocol::{Entry, Receipt};
use keyferry_store::Store;

use crate::error::Result;

/// One receipt.
#[derive(Debug, Clone)]
pub struct KeptReceipt {
    /// The request that it answers.
    pub request: Digest,
    /// Root of the service.
    pub service: Thumbprint,
    /// What the service calls itself, safe to show.
    pub name: String,
    /// Kind of the request.
    pub kind: String,
    /// Service time (Unix seconds).
    pub time: u64,
    /// Licenses by verdict.
    pub counts: BTreeMap<&'static str, u64>,
    /// Rows of the ledger that were made again from the receipt and have the hash that it names.
    pub rows: u64,
    /// What is wrong with it; empty where nothing is.
    pub findings: Vec<String>,
}

/// What was known of a license's newest row when its receipt was read.
struct Known {
    seq: u64,
    row: Digest,
    time: u64,
}

/// Calls `each` for every receipt, service by service, the oldest first, with what is wrong with it: a signature that is
/// not the service's, a receipt of another computer, rows whose hashes don't follow each other.
pub fn receipts(store: &Store, mut each: impl FnMut(KeptReceipt) -> Result<()>) -> Result<()> {
    let mut rows: BTreeMap<(Thumbprint, LicenseId), Known> = BTreeMap::new();
    store.for_each_receipt(None, |kept| {
        let card = store.service_card(&kept.service)?;
        let mut told = KeptReceipt {
            request: Digest(kept.request_id),
            service: kept.service,
            name: card.as_ref().map_or_else(String::new, |card| card.name.shown()),
            kind: keyferry_license::printable(&kept.kind),
            time: kept.time,
            counts: BTreeMap::new(),
            rows: 0,
            findings: Vec::new(),
        };
        match card.map(|card| Receipt::verify(&kept.bytes, &card)) {
            None => told
                .findings
                .push("the card of its service is missing here".into()),
            Some(Err(error)) => told.findings.push(error.to_string()),
            Some(Ok(receipt)) => {
                let named = (receipt.request, receipt.time, &*receipt.kind);
                if named != (kept.request_id, kept.time, &*kept.kind) {
                    let why = "it is filed under another request, time or kind than it names";
                    told.findings.push(why.into());
                }
                if receipt.computer != store.id() {
                    let why = format!("it was given to computer {}, not to this one", receipt.computer);
                    told.findings.push(why);
                }
                for entry in &receipt.entries {
                    *told.counts.entry(entry.verdict.word()).or_default() += 1;
                    told.rows += u64::from(is_made_again(&receipt, entry));
                    told.findings.extend(follow(&mut rows, &receipt, entry));
                }
            }
        }
        each(told)
    })
}

/// A row that this request wrote, made again. One of an earlier request, or of the same that was sent twice, is known by
/// its hash alone.
fn is_made_again(receipt: &Receipt, entry: &Entry) -> bool {
    receipt
        .row_of(entry)
        .is_some_and(|(row, hash)| row.hash() == hash)
}

/// Compares with what an earlier receipt said of the same license.
fn follow(
    rows: &mut BTreeMap<(Thumbprint, LicenseId), Known>,
    receipt: &Receipt,
    entry: &Entry,
) -> Option<String> {
    let (seq, previous, row) = (entry.seq?, entry.previous?, entry.row?);
    let name = (entry.issuer, entry.license);
    let finding = match rows.get(&name) {
        Some(known) if known.seq == seq && known.row != row => Some("two rows have one number"),
        Some(known) if known.seq.checked_add(1) == Some(seq) && known.row != previous => {
            Some("its row does not follow the one before it")
        }
        Some(known) if known.seq < seq && known.time > receipt.time => {
            Some("a later row is older than an earlier one")
        }
        _ => None,
    };
    if rows.get(&name).is_none_or(|known| known.seq <= seq) {
        let time = receipt.time;
        rows.insert(name, Known { seq, row, time });
    }
    finding.map(|why| format!("license {}: {why}", entry.license))
}

impl KeptReceipt {
    /// Licenses that it speaks of.
    pub fn licenses(&self) -> u64 {
        self.counts.values().sum()
    }
}
