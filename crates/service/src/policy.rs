//! Who may hold a license: a pure function of the grant, the license's rows and the request
//! (docs/protocol.md section 5). No clock, no database, no request bytes.

use std::collections::HashMap;

use keyferry_license::{ComputerId, Digest, Grant, KeyId, LicenseId, Thumbprint};
use keyferry_protocol::{Change, LastReceipt, Reason, RequestId, Row};

use crate::ledger::LicenseName;

/// What an operator allows beyond the grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// By the issuer's root.
    pub issuers: HashMap<Thumbprint, IssuerPolicy>,
}

/// What an operator allows for the licenses of one issuer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IssuerPolicy {
    /// At least this many computers may hold a license, whatever its grant says.
    pub computers: Option<u32>,
}

impl Policy {
    /// How many computers may hold the license of this grant.
    pub fn limit(&self, grant: &Grant) -> u32 {
        let granted = u32::from(grant.computers());
        let allowed = self
            .issuers
            .get(&grant.issuer)
            .and_then(|issuer| issuer.computers);
        allowed.map_or(granted, |allowed| allowed.max(granted))
    }
}

/// One license as the policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Who issued it.
    pub issuer: Thumbprint,
    /// Which.
    pub license: LicenseId,
    /// The computer it was issued to: holds slot 1 until a row says otherwise.
    pub origin: ComputerId,
    /// What its key is called: revocations may name it.
    pub key_id: KeyId,
    /// SHA-256 of the subject in its grant: revocations may name it.
    pub subject: Option<Digest>,
    /// How many computers may hold it.
    pub limit: u32,
    /// Does its grant let it move?
    pub backup: bool,
}

/// The request as the policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Who asks; `None` judges as a computer that holds nothing.
    pub computer: Option<ComputerId>,
    /// The request.
    pub request: RequestId,
    /// What the computer last heard.
    pub last_receipt: Option<LastReceipt>,
    /// Service time (Unix seconds).
    pub now: u64,
    /// Rows may be missing, so none is written.
    pub recovering: bool,
}

/// What is decided about one license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The computer gets a free slot.
    Take {
        /// From 1.
        slot: u32,
        /// Of so many.
        of: u32,
    },
    /// The computer holds a slot already; nothing is spent.
    Reissue {
        /// From 1.
        slot: u32,
        /// Of so many.
        of: u32,
    },
    /// A no.
    Refused(Reason),
}

/// A decision with what the receipt says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgment {
    /// Yes or no.
    pub decision: Decision,
    /// The row that gives the slot: new with [`Decision::Take`], found with [`Decision::Reissue`], none while the
    /// origin holds slot 1 without one.
    pub row: Option<Row>,
    /// The receipt's time must not be less than this, so that the next request can show what the computer knows.
    pub not_before: u64,
}

impl Judgment {
    /// The row to be written, if any.
    pub fn new_row(&self) -> Option<&Row> {
        let taken = matches!(self.decision, Decision::Take { .. });
        self.row.as_ref().filter(|_| taken)
    }
}

/// Judges one license. `rows` are all of its rows, by sequence number; `revoked` says whether a list of its issuer
/// names it.
pub fn judge(case: &Case, rows: &[Row], revoked: bool, asker: &Asker) -> Judgment {
    let own = own_newest(rows, asker);
    let fresh = is_fresh(rows, own, asker);
    let not_before = own.map_or(0, |row| row.time.saturating_add(u64::from(!fresh)));
    let (decision, row) = decide(case, rows, revoked, asker, fresh);
    Judgment {
        decision,
        row,
        not_before: row_time(not_before, &decision, rows, asker),
    }
}

/// A license that a computer gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// Who issued it.
    pub issuer: Thumbprint,
    /// Which.
    pub license: LicenseId,
    /// Does a sound grant name the asker as the computer that it was issued to?
    pub origin: bool,
}

/// What is decided about a license that is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnDecision {
    /// This request gives the slot back, now or when it came first.
    Released {
        /// From 1.
        slot: u32,
    },
    /// The computer holds none.
    NotHeld,
    /// The computer doesn't know its newest row: the request is older than what it did since.
    Stale,
}

/// A decision about a license that is given back, with what the receipt says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// What.
    pub decision: ReturnDecision,
    /// The row that frees the slot.
    pub row: Option<Row>,
    /// Is the row to be written, or was it found?
    pub is_new: bool,
    /// The receipt's time must not be less than this.
    pub not_before: u64,
}

impl Returned {
    /// The row to be written, if any.
    pub fn new_row(&self) -> Option<&Row> {
        self.row.as_ref().filter(|_| self.is_new)
    }
}

/// Judges one license that is given back. Revocation doesn't matter: what is revoked may be given back too.
pub fn release(item: &Return, rows: &[Row], asker: &Asker) -> Returned {
    let own = own_newest(rows, asker);
    let told = |decision, row: Option<&Row>, not_before| Returned {
        decision,
        row: row.cloned(),
        is_new: false,
        not_before,
    };
    let done = |row: &&Row| {
        (row.request, row.change, Some(row.computer)) == (asker.request, Change::Release, asker.computer)
    };
    let newest = own.map_or(0, |row| row.time);
    if let Some(row) = rows.iter().find(done) {
        return told(ReturnDecision::Released { slot: row.slot }, Some(row), newest);
    }
    if asker.recovering {
        return told(ReturnDecision::Stale, None, newest.saturating_add(1));
    }
    let slot = match own {
        Some(row) if row.change == Change::Take => Some(row.slot),
        Some(_) => None,
        None => item.origin.then_some(1),
    };
    let Some(slot) = slot else {
        return told(ReturnDecision::NotHeld, None, newest);
    };
    if !is_fresh(rows, own, asker) {
        return told(ReturnDecision::Stale, None, newest.saturating_add(1));
    }
    let row = next_row((item.issuer, item.license), rows, asker, Change::Release, slot);
    Returned {
        decision: ReturnDecision::Released { slot },
        not_before: row.time,
        row: Some(row),
        is_new: true,
    }
}

/// The computers that hold the license, by slot: (slot, computer, the row that says so).
pub fn holders<'r>(origin: ComputerId, rows: &'r [Row]) -> Vec<(u32, ComputerId, Option<&'r Row>)> {
    let mut held: Vec<(u32, ComputerId, Option<&'r Row>)> = vec![(1, origin, None)];
    for row in rows {
        match row.change {
            Change::Take => {
                held.retain(|(slot, ..)| *slot != row.slot);
                held.push((row.slot, row.computer, Some(row)));
            }
            Change::Release => {
                held.retain(|(slot, computer, _)| (*slot, *computer) != (row.slot, row.computer));
            }
            Change::Revoke => {}
        }
    }
    held.sort_by_key(|(slot, ..)| *slot);
    held
}

fn decide(case: &Case, rows: &[Row], revoked: bool, asker: &Asker, fresh: bool) -> (Decision, Option<Row>) {
    if revoked || rows.iter().any(|row| row.change == Change::Revoke) {
        return (Decision::Refused(Reason::Revoked), None);
    }
    let held = holders(case.origin, rows);
    let own = held
        .iter()
        .find(|(_, computer, _)| Some(*computer) == asker.computer);
    if let Some((slot, _, row)) = own {
        // The limit may have been higher when the slot was taken.
        let (slot, of) = (*slot, case.limit.max(*slot));
        return (Decision::Reissue { slot, of }, row.cloned());
    }
    if !fresh {
        return (Decision::Refused(Reason::Released), None);
    }
    if !case.backup {
        return (Decision::Refused(Reason::NoBackupRight), None);
    }
    if asker.recovering || has_gap(rows) {
        return (Decision::Refused(Reason::Recovery), None);
    }
    let free = (1..=case.limit).find(|slot| held.iter().all(|(taken, ..)| taken != slot));
    let Some(slot) = free.filter(|_| held.len() < case.limit as usize) else {
        return (Decision::Refused(Reason::Limit), None);
    };
    let row = next_row((case.issuer, case.license), rows, asker, Change::Take, slot);
    (Decision::Take { slot, of: case.limit }, Some(row))
}

fn next_row(name: LicenseName, rows: &[Row], asker: &Asker, change: Change, slot: u32) -> Row {
    let last = rows.last();
    Row {
        issuer: name.0,
        license: name.1,
        seq: last.map_or(1, |row| row.seq.saturating_add(1)),
        computer: asker.computer.unwrap_or_default(),
        change,
        slot,
        lease: 0,
        request: asker.request,
        time: last.map_or(asker.now, |row| row.time.max(asker.now)),
        previous: last.map_or(Digest::default(), Row::hash),
    }
}

/// Is a row missing between others? It may be the one by which somebody holds a slot.
fn has_gap(rows: &[Row]) -> bool {
    rows.last().is_some_and(|last| last.seq != rows.len() as u64)
}

/// A receipt is not older than the row that it announces.
fn row_time(not_before: u64, decision: &Decision, rows: &[Row], asker: &Asker) -> u64 {
    match decision {
        Decision::Take { .. } => rows
            .last()
            .map_or(asker.now, |row| row.time.max(asker.now))
            .max(not_before),
        Decision::Reissue { .. } | Decision::Refused(_) => not_before,
    }
}

fn own_newest<'r>(rows: &'r [Row], asker: &Asker) -> Option<&'r Row> {
    rows.iter()
        .rev()
        .find(|row| row.change != Change::Revoke && Some(row.computer) == asker.computer)
}

/// Does the computer know of its own newest row? Only then may the request spend anything. A request that has a row
/// already was judged once and never spends again, whatever it says about receipts.
fn is_fresh(rows: &[Row], own: Option<&Row>, asker: &Asker) -> bool {
    let Some(own) = own else { return true };
    let knows = |last: LastReceipt| last.time > own.time || last.request == own.request;
    let judged = rows.iter().any(|row| row.request == asker.request);
    !judged && asker.last_receipt.is_some_and(knows)
}
