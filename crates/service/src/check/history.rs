//! One license, row by row: who holds it, and what receipts say about each row.

use std::collections::BTreeMap;

use keyferry_license::{ComputerId, DEFAULT_COMPUTERS, Digest};
use keyferry_protocol::{Change, Row, Verdict};

use super::claims::Claim;
use super::finding::{Fault, Finding};
use crate::ledger::LicenseName;

/// A license as its rows have made it so far.
pub(super) struct History {
    pub(super) name: LicenseName,
    /// What the operator allows at least.
    allowed: u32,
    /// The highest limit that a receipt told so far.
    known: Option<u32>,
    /// By slot; `None` is the computer that it was issued to, while nothing has told which that is.
    holders: BTreeMap<u32, Option<ComputerId>>,
    origin: Option<ComputerId>,
    last: Option<Last>,
    /// Takes whose receipt is missing, by slot. An answer may be lost, and its request be dropped by a release that then
    /// says as much.
    uncaused: BTreeMap<u32, (u64, ComputerId)>,
    ended: Ended,
}

struct Last {
    seq: u64,
    time: u64,
    hash: Digest,
}

/// What was found about a license.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) rows: u64,
    pub(super) unproven: u64,
    pub(super) findings: Vec<Finding>,
}

impl History {
    pub(super) fn new(name: LicenseName, allowed: u32) -> Self {
        Self {
            name,
            allowed,
            known: None,
            holders: BTreeMap::from([(1, None)]),
            origin: None,
            last: None,
            uncaused: BTreeMap::new(),
            ended: Ended::default(),
        }
    }

    /// What receipts say of a row that isn't there. Number 0: that the license is where it was issued to, by no row.
    pub(super) fn without_row(&mut self, seq: u64, claims: &[Claim]) {
        for claim in claims {
            if seq > 0 {
                self.found(Fault::NoRow, Some(seq), claim.computer);
            } else if *self.origin.get_or_insert(claim.computer) != claim.computer {
                self.found(Fault::TwoOrigins, None, claim.computer);
            }
        }
    }

    /// The next row with what receipts say of it; `reached`: receipts of its computer were given that are as new.
    pub(super) fn row(&mut self, row: &Row, claims: &[Claim], reached: bool) {
        self.ended.rows += 1;
        self.follow(row);
        for claim in claims {
            self.compare(row, claim);
        }
        let restored = claims.iter().filter(|claim| claim.verdict == Verdict::Restored);
        let told_limit = restored.map(|claim| claim.of).min();
        self.known = self.known.max(told_limit);
        let most = || {
            self.known
                .unwrap_or(u32::from(DEFAULT_COMPUTERS))
                .max(self.allowed)
        };
        let limit = told_limit.unwrap_or_else(most);
        match row.change {
            Change::Take => self.take(row, limit),
            Change::Release => self.release(row),
            Change::Revoke => {}
        }
        let told = claims.iter().any(|claim| claim.computer == row.computer);
        if !reached && !told {
            self.ended.unproven += 1;
        }
        match row.change {
            Change::Release if told => {
                self.uncaused
                    .retain(|slot, (_, computer)| (*slot, *computer) != (row.slot, row.computer));
            }
            Change::Take if reached && !told => {
                let replaced = self.uncaused.insert(row.slot, (row.seq, row.computer));
                self.no_cause(replaced);
            }
            _ if reached && !told => self.found(Fault::NoCause, Some(row.seq), row.computer),
            _ => {}
        }
    }

    /// Everything that was found about it.
    pub(super) fn end(mut self) -> Ended {
        let uncaused = std::mem::take(&mut self.uncaused);
        uncaused.into_values().for_each(|take| self.no_cause(Some(take)));
        self.ended
    }

    fn no_cause(&mut self, take: Option<(u64, ComputerId)>) {
        if let Some((seq, computer)) = take {
            self.found(Fault::NoCause, Some(seq), computer);
        }
    }

    /// Number, hash and time.
    fn follow(&mut self, row: &Row) {
        let (seq, hash, time) = match &self.last {
            Some(last) => (last.seq.saturating_add(1), last.hash, last.time),
            None => (1, Digest::default(), 0),
        };
        let about = |fault| (fault, Some(row.seq), row.computer);
        let mut wrong = Vec::new();
        if row.seq != seq {
            wrong.push(about(Fault::Gap));
        } else if row.previous != hash {
            wrong.push(about(Fault::Chain));
        }
        if row.time < time {
            wrong.push(about(Fault::Time));
        }
        for (fault, seq, computer) in wrong {
            self.found(fault, seq, computer);
        }
        self.last = Some(Last {
            seq: row.seq,
            time: row.time,
            hash: row.hash(),
        });
    }

    fn compare(&mut self, row: &Row, claim: &Claim) {
        if claim.row != row.hash() {
            self.found(Fault::OtherRow, Some(row.seq), claim.computer);
            return;
        }
        let change = match claim.verdict {
            Verdict::Released => Change::Release,
            _ => Change::Take,
        };
        let caused = claim.verdict == Verdict::Reissued || claim.request == row.request;
        if !caused || (row.change, row.slot, row.computer) != (change, claim.slot, claim.computer) {
            self.found(Fault::Contradiction, Some(row.seq), claim.computer);
        }
    }

    fn take(&mut self, row: &Row, limit: u32) {
        let mine = Some(row.computer);
        let is_mine = |holder: &Option<ComputerId>| holder.or(self.origin) == mine;
        if self.holders.values().any(is_mine) {
            self.found(Fault::SecondSlot, Some(row.seq), row.computer);
        }
        if self.holders.insert(row.slot, mine).is_some() {
            self.found(Fault::SlotTwice, Some(row.seq), row.computer);
        }
        let held = row.slot.max(self.holders.len() as u32);
        if held > limit {
            self.found(Fault::OverLimit { held, limit }, Some(row.seq), row.computer);
        }
    }

    fn release(&mut self, row: &Row) {
        let mine = Some(row.computer);
        match self.holders.get(&row.slot) {
            Some(None) if self.origin.is_none_or(|origin| origin == row.computer) => self.origin = mine,
            Some(holder) if *holder == mine => {}
            _ => {
                self.found(Fault::NotHeld, Some(row.seq), row.computer);
                return;
            }
        }
        self.holders.remove(&row.slot);
    }

    fn found(&mut self, fault: Fault, seq: Option<u64>, computer: ComputerId) {
        self.ended.findings.push(Finding {
            fault,
            license: Some(self.name),
            seq,
            computer: Some(computer),
        });
    }
}
