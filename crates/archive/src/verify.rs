//! Verification: everything that can be checked of a backup without the service, what could not be checked and why
//! (docs/backup.md section 12).

mod inside;
mod outside;
mod report;

use std::io::{Read, Seek};

use keyferry_license::{Grant, Verified};

pub use report::{Counts, Opened, Report, Unchecked, Verdict};

use crate::damage::Damage;
use crate::document::{BrokenDocument, Document};
use crate::encryption::{Encrypted, Unlock};
use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::record::{License, Name};

/// Whether the content key of a license is the one that its grant committed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    /// A seal opened, and the key fits.
    Fits,
    /// A seal does not open under a key that should open it, or the key does not fit.
    Broken(String),
    /// No key that opens a seal of it is at hand.
    NotOpened,
}

/// What was found about one license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LicenseVerdict {
    /// Its issuer signed it, and its key fits as far as that could be checked.
    Good(KeyCheck),
    /// It is signed by nobody whose card is in the header.
    NoIssuerCard,
    /// What is wrong with it.
    Broken(String),
}

/// Who helps with a verification, and hears what it finds. Every method may be left as it is.
pub trait Inspector {
    /// Opens what it has keys for, a return seal above all.
    fn check_key(&mut self, grant: &Verified<Grant>, license: &License<'_>) -> KeyCheck {
        let _ = (grant, license);
        KeyCheck::NotOpened
    }

    /// Hears the verdict on a license. `grant` is `None` when it can't even be decoded; what it claims proves nothing
    /// unless the verdict is good.
    fn license(&mut self, grant: Option<&Grant>, verdict: &LicenseVerdict) {
        let _ = (grant, verdict);
    }

    /// Hears of a document that is whole.
    fn document(&mut self, document: &Document) {
        let _ = document;
    }

    /// Hears of a document that is not.
    fn broken_document(&mut self, document: &BrokenDocument) {
        let _ = document;
    }

    /// Hears of a license or a document that is lost with what is damaged. The name proves nothing.
    fn lost(&mut self, name: &Name<'_>) {
        let _ = name;
    }

    /// Hears of damage where it is found.
    fn damage(&mut self, damage: &Damage) {
        let _ = damage;
    }

    /// Asked every few hundred items; true ends the verification with what was found so far.
    fn is_canceled(&mut self) -> bool {
        false
    }
}

/// Nobody listens.
impl Inspector for () {}

/// Verifies a backup from its first byte to its last. If it is encrypted, `unlock` is asked with what; where nothing
/// is at hand ([`Unlock::None`]), what lies outside the encryption is verified. Damage is in the report; an error is a
/// file that is no backup, a passphrase or an identity that does not open it (unless the check says that the file is
/// damaged, which is told instead), or a medium that fails.
pub fn verify<R: Read + Seek, E: From<Error>>(
    source: R,
    unlock: impl FnOnce(&Encrypted) -> Result<Unlock, E>,
    inspector: &mut dyn Inspector,
) -> Result<Report, E> {
    let outside::Openable {
        mut report,
        source,
        outside,
        ends,
        findings,
        altered,
    } = match outside::look(source, inspector)? {
        outside::Look::Closed(report) => return Ok(*report),
        outside::Look::Openable(openable) => *openable,
    };
    let given = match &outside.head {
        None => Unlock::None,
        Some(head) => {
            head.check_work_factor()?;
            match unlock(&head.encrypted)? {
                Unlock::None => {
                    report.add_all(findings, inspector);
                    report.add_foreign(false, inspector);
                    if let Some(altered) = altered {
                        report.add(altered, inspector);
                    }
                    report.unchecked.push(Unchecked::Inside);
                    return Ok(report);
                }
                given => given,
            }
        }
    };
    match Reader::open_inside(source, &outside, &ends, findings.clone(), |_| {
        Ok::<_, Error>(given)
    }) {
        Ok(mut reader) => inside::verify(&mut report, &mut reader, inspector)?,
        Err(Error::Damaged(damage)) => {
            report.add_all(findings, inspector);
            report.add_foreign(false, inspector);
            report.add(damage, inspector);
        }
        // What is known from outside is said, whether it is the passphrase that is wrong or what it opens.
        Err(Error::WrongPassphrase | Error::NoMatchingIdentity)
            if altered.is_some() || report.is_damaged_outside() =>
        {
            report.unchecked.push(Unchecked::Inside);
            report.add_all(findings, inspector);
            report.add_foreign(false, inspector);
        }
        Err(error) => return Err(error.into()),
    }
    let nothing_else = report.damaged_places == 0;
    if let Some(altered) = altered.filter(|_| nothing_else) {
        report.add(altered, inspector);
    }
    Ok(report)
}

/// Verifies a backup that is open already.
pub fn verify_open<R: Read + Seek>(reader: &mut Reader<R>, inspector: &mut dyn Inspector) -> Result<Report> {
    let mut report = Report::new(reader.size(), reader.inner_len(), reader.encryption().copied());
    inside::verify(&mut report, reader, inspector)?;
    Ok(report)
}
