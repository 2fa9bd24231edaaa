//! What the checker finds.

use std::fmt;

use keyferry_license::ComputerId;

use crate::ledger::LicenseName;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// About which license.
    pub license: Option<LicenseName>,
    /// About its row of this number.
    pub seq: Option<u64>,
    /// The computer that the row or the receipt names.
    pub computer: Option<ComputerId>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A receipt that isn't this service's, or that can't be read; why.
    BadReceipt(String),
    /// Numbers are missing before the row.
    Gap,
    /// The row doesn't name the hash of the one before it.
    Chain,
    /// The row is older than the one before it.
    Time,
    /// So many computers hold it after the row, or so high is its slot, and so many may hold it.
    OverLimit {
        /// How many, or which slot.
        held: u32,
        /// How many may.
        limit: u32,
    },
    /// The row takes a slot that is held.
    SlotTwice,
    /// The row gives a slot to a computer that holds one.
    SecondSlot,
    /// The row frees a slot that its computer doesn't hold.
    NotHeld,
    /// A receipt says yes by a row that isn't there.
    NoRow,
    /// A receipt says yes by a row of another hash than the one that is there.
    OtherRow,
    /// A receipt tells another computer, slot, change or request than its row.
    Contradiction,
    /// No receipt of its computer says why the row was written.
    NoCause,
    /// Receipts call two computers the one that it was issued to.
    TwoOrigins,
}

impl Fault {
    /// The word that JSON lines use.
    pub fn word(&self) -> &'static str {
        match self {
            Fault::BadReceipt(_) => "bad-receipt",
            Fault::Gap => "gap",
            Fault::Chain => "chain",
            Fault::Time => "time",
            Fault::OverLimit { .. } => "over-limit",
            Fault::SlotTwice => "slot-twice",
            Fault::SecondSlot => "second-slot",
            Fault::NotHeld => "not-held",
            Fault::NoRow => "no-row",
            Fault::OtherRow => "other-row",
            Fault::Contradiction => "contradiction",
            Fault::NoCause => "no-cause",
            Fault::TwoOrigins => "two-origins",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Fault::BadReceipt(why) => return write!(f, "a receipt proves nothing: {why}"),
            Fault::OverLimit { held, limit } => {
                return write!(
                    f,
                    "{held} computers, or slot {held}, where {limit} computers may hold it"
                );
            }
            Fault::Gap => "rows are missing before it",
            Fault::Chain => "it doesn't follow the row before it: one of them was changed",
            Fault::Time => "it is older than the row before it",
            Fault::SlotTwice => "it takes a slot that is held",
            Fault::SecondSlot => "it gives a second slot to a computer",
            Fault::NotHeld => "it frees a slot that its computer doesn't hold",
            Fault::NoRow => "a receipt says yes by this row, which is missing",
            Fault::OtherRow => "a receipt says yes by another row than this: it was changed",
            Fault::Contradiction => "a receipt tells otherwise than its row",
            Fault::NoCause => "no receipt of its computer says why it was written",
            Fault::TwoOrigins => "receipts call two computers the one that it was issued to",
        };
        f.write_str(text)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((issuer, license)) = &self.license {
            write!(f, "license {license} of issuer {}", issuer.short())?;
            if let Some(seq) = self.seq {
                write!(f, ", row {seq}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.fault)?;
        match &self.computer {
            Some(computer) => write!(f, " (computer {computer})"),
            None => Ok(()),
        }
    }
}
