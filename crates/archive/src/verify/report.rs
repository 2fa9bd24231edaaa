//! What a verification found.

use keyferry_license::Thumbprint;

use super::Inspector;
use crate::damage::{Damage, Lost, Place};
use crate::encryption::Encrypted;
use crate::header::BackupId;
use crate::payload::FooterState;
use crate::protection::Protection;

/// Damaged places that a report keeps; more are counted.
const DAMAGE_KEPT: usize = 1000;

/// What a verification found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Length of the file.
    pub size: u64,
    /// N, if the trailer is whole.
    pub inner_len: Option<u64>,
    /// What it is encrypted with.
    pub encryption: Option<Encrypted>,
    /// What was found inside; `None` if it was not opened.
    pub opened: Option<Opened>,
    /// Damage, in the order in which it was found; the first 1,000.
    pub damage: Vec<Damage>,
    /// All damaged places.
    pub damaged_places: u64,
    /// Of them, those that cost nothing: there is parity enough, or they only repeat what stands elsewhere.
    pub repairable_places: u64,
    /// What the parity is worth, if there is any.
    pub protection: Option<Protection>,
    /// What could not be checked.
    pub unchecked: Vec<Unchecked>,
    /// The check over layers 1 and 2 was there, and fits.
    pub check_fits: bool,
}

/// What was found inside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Opened {
    /// Names the backup.
    pub backup: BackupId,
    /// The computer that made it.
    pub computer: Thumbprint,
    /// What the computer signed.
    pub footer: FooterState,
    /// What there is.
    pub counts: Counts,
}

/// Licenses and documents, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Licenses that were read.
    pub licenses: u64,
    /// Of them: signed by their issuer, and nothing about them is wrong.
    pub good: u64,
    /// Of the good ones: their key was opened and fits.
    pub keys_opened: u64,
    /// Licenses whose issuer's card is not in the header.
    pub without_card: u64,
    /// Licenses that are altered, forged, or whose key does not fit.
    pub broken: u64,
    /// Licenses known to be lost with what is damaged.
    pub lost: u64,
    /// Documents that are whole.
    pub documents: u64,
    /// Documents that are not.
    pub broken_documents: u64,
}

/// What could not be checked, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unchecked {
    /// Everything inside the encryption, because nothing that opens it was at hand.
    Inside,
    /// Commitments of so many licenses, because no key that opens a seal of them was at hand.
    Keys(u64),
    /// Signatures of so many licenses, because their issuers' cards are not in the header.
    Signatures(u64),
    /// How many licenses there should be, because the computer's signature proves nothing or is missing.
    Promise,
    /// The rest, because it was canceled.
    Canceled,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was read, and is what it promises.
    Whole,
    /// It was not opened; what lies outside the encryption is whole.
    OutsideWhole,
    /// Something is damaged, and nothing is lost: a repair gives the backup as it was written.
    Repairable,
    /// Something is damaged, altered, missing or not as many as promised; `usable` licenses and documents are good.
    Damaged {
        /// Good licenses and whole documents.
        usable: u64,
    },
    /// It was not opened, and nothing outside says what its bytes should be; or it was canceled before anything wrong
    /// was found, so that nothing can be said of the whole.
    NothingCheckable,
}

impl Report {
    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let usable = self
            .opened
            .as_ref()
            .map_or(0, |opened| opened.counts.good + opened.counts.documents);
        if self.is_wrong() || self.opened.as_ref().is_some_and(|opened| !opened.is_whole()) {
            return Verdict::Damaged { usable };
        }
        if self.unchecked.contains(&Unchecked::Canceled) {
            return Verdict::NothingCheckable;
        }
        if self.repairable_places > 0 {
            return Verdict::Repairable;
        }
        match self.opened {
            Some(_) => Verdict::Whole,
            None if self.check_fits => Verdict::OutsideWhole,
            None => Verdict::NothingCheckable,
        }
    }

    /// It was opened, and all that is damaged only repeats what stands elsewhere.
    pub fn loses_nothing(&self) -> bool {
        let named = self
            .damage
            .iter()
            .all(|damage| damage.lost == Some(Lost::default()));
        let opened = self.opened.as_ref().is_some_and(|opened| {
            let counts = &opened.counts;
            counts.lost == 0 && counts.good == counts.licenses && counts.broken_documents == 0
        });
        named && opened && self.damaged_places as usize <= DAMAGE_KEPT
    }

    pub(super) fn new(size: u64, inner_len: Option<u64>, encryption: Option<Encrypted>) -> Self {
        Self {
            size,
            inner_len,
            encryption,
            opened: None,
            damage: Vec::new(),
            damaged_places: 0,
            repairable_places: 0,
            protection: None,
            unchecked: Vec::new(),
            check_fits: false,
        }
    }

    /// Is anything damaged that no repair makes whole?
    pub(super) fn is_wrong(&self) -> bool {
        self.damaged_places > self.repairable_places
    }

    /// Is anything known to be damaged before it was opened?
    pub(super) fn is_damaged_outside(&self) -> bool {
        self.is_wrong() || self.protection.is_some_and(|protection| protection.is_foreign)
    }

    /// What was found at the end of the file. Where there is parity, it leads there as well.
    pub(super) fn add_all(&mut self, findings: Vec<Damage>, inspector: &mut dyn Inspector) {
        for finding in findings {
            let stands_elsewhere = matches!(finding.place, Place::Trailer | Place::Protection);
            if self.protection.is_some() && stands_elsewhere {
                self.add_repairable(finding, inspector);
            } else {
                self.add(finding, inspector);
            }
        }
    }

    /// Parity that is of no use. If all the rest is as it was signed, new parity makes it whole.
    pub(super) fn add_foreign(&mut self, opened: bool, inspector: &mut dyn Inspector) {
        let Some(protection) = self.protection.filter(|protection| protection.is_foreign) else {
            return;
        };
        let is_whole = self.opened.as_ref().is_some_and(Opened::is_whole);
        if opened && !self.is_wrong() && is_whole {
            self.add_repairable(protection.damage(), inspector);
        } else {
            self.add(protection.damage(), inspector);
        }
    }

    pub(super) fn add_repairable(&mut self, damage: Damage, inspector: &mut dyn Inspector) {
        self.add(damage, inspector);
        self.repairable_places += 1;
    }

    pub(super) fn add(&mut self, damage: Damage, inspector: &mut dyn Inspector) {
        inspector.damage(&damage);
        self.damaged_places += 1;
        if self.damage.len() < DAMAGE_KEPT {
            self.damage.push(damage);
        }
    }
}

impl Opened {
    fn is_whole(&self) -> bool {
        let counts = &self.counts;
        matches!(self.footer, FooterState::Signed { .. })
            && counts.good == counts.licenses
            && counts.broken_documents == 0
    }
}
