//! Who may hold a license: a pure function of the grant, the license's rows and the request
//! (docs/protocol.md section 5). No clock, no database, no request bytes.

use std::collections::HashMap;

use keyferry_license::{ComputerId, Digest, Grant, LicenseId, Thumbprint};
use keyferry_protocol::{Change, LastReceipt, Reason, RequestId, Row};

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

/// Judges one license. `rows` are all of its rows, by sequence number.
pub fn judge(case: &Case, rows: &[Row], asker: &Asker) -> Judgment {
    let own = own_newest(rows, asker);
    let fresh = is_fresh(rows, own, asker);
    let not_before = own.map_or(0, |row| row.time.saturating_add(u64::from(!fresh)));
    let (decision, row) = decide(case, rows, asker, fresh);
    Judgment {
        decision,
        row,
        not_before: row_time(not_before, &decision, rows, asker),
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

fn decide(case: &Case, rows: &[Row], asker: &Asker, fresh: bool) -> (Decision, Option<Row>) {
    if rows.iter().any(|row| row.change == Change::Revoke) {
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
    let free = (1..=case.limit).find(|slot| held.iter().all(|(taken, ..)| taken != slot));
    let Some(slot) = free.filter(|_| held.len() < case.limit as usize) else {
        return (Decision::Refused(Reason::Limit), None);
    };
    let row = next_row(case, rows, asker, slot);
    (Decision::Take { slot, of: case.limit }, Some(row))
}

fn next_row(case: &Case, rows: &[Row], asker: &Asker, slot: u32) -> Row {
    let last = rows.last();
    Row {
        issuer: case.issuer,
        license: case.license,
        seq: last.map_or(1, |row| row.seq.saturating_add(1)),
        computer: asker.computer.unwrap_or_default(),
        change: Change::Take,
        slot,
        lease: 0,
        request: asker.request,
        time: last.map_or(asker.now, |row| row.time.max(asker.now)),
        previous: last.map_or(Digest::default(), Row::hash),
    }
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
