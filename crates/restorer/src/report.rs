//! What an operation is asked to do, and what it says at its end.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;

use keyferry_archive::{Encryption, Parity};
use keyferry_license::document::NotTaken;
use keyferry_license::{ComputerId, KeyId, LicenseId, Thumbprint};

use crate::code::{Failure, HResult};
use crate::contact::News;
use crate::events::Outcome;
use crate::only::Only;
use crate::unlocker::Unlocker;

/// How a backup is made.
#[derive(Debug, Clone, Default)]
pub struct BackupOptions {
    /// The folder; None: the one that the property BackupPath names.
    pub folder: Option<PathBuf>,
    /// Replace this computer's backup if there is one (WM_BACKUP_OVERWRITE).
    pub overwrite: bool,
    /// So many backups of this computer are kept in the folder, the new one included: the one that is there becomes an
    /// earlier generation, those that are too many go. None: earlier generations are left alone.
    pub keep: Option<NonZeroU32>,
    /// How the backup is encrypted; as the original did it, not at all unless somebody says so.
    pub encryption: Encryption,
    /// How much of the file may be damaged and still be repaired.
    pub parity: Parity,
    /// What goes into it; by default everything.
    pub only: Only,
    /// Of a plan: write it to this new file too.
    pub plan_out: Option<PathBuf>,
    /// Make the backup only if everything is as it was when this plan was written.
    pub plan: Option<PathBuf>,
}

/// How a restore is made.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// The file or folder; None: the one that the property RestorePath names.
    pub path: Option<PathBuf>,
    /// The person has agreed to individualize this computer (WM_RESTORE_INDIVIDUALIZE).
    pub individualize: bool,
    /// Issuers that the person accepts now, having seen name and thumbprint.
    pub trust: Vec<Thumbprint>,
    /// Of a folder with several computers' backups: whose, by the start of its ID (hexadecimal) or by its name.
    pub from: Option<String>,
    /// Write the requests to this new file instead of sending them.
    pub request_out: Option<PathBuf>,
    /// Opens the backup if it is encrypted.
    pub unlocker: Unlocker,
    /// What comes out of it; by default everything. The whole file is read and checked all the same.
    pub only: Only,
    /// Of a plan: write it to this new file too.
    pub plan_out: Option<PathBuf>,
    /// Restore only if everything is as it was when this plan was written.
    pub plan: Option<PathBuf>,
}

/// How many licenses, or license documents, came to which end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Licenses looked at.
    pub total: u64,
    /// Saved in the backup.
    pub backed_up: u64,
    /// May not leave the computer.
    pub restricted: u64,
    /// Are here now and were not before.
    pub restored: u64,
    /// Given again by the service; no slot was taken.
    pub reissued: u64,
    /// Were here before.
    pub already_here: u64,
    /// A service will be asked for them (in a plan).
    pub asks_service: u64,
    /// Left this computer, and their services know.
    pub released: u64,
    /// Left this computer; their slots will be given back at the next contact.
    pub slot_waits: u64,
    /// Not let in, by the word of the failure.
    pub failed: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.total += 1;
        match outcome {
            Outcome::BackedUp => self.backed_up += 1,
            Outcome::Restricted => self.restricted += 1,
            Outcome::Restored { .. } => self.restored += 1,
            Outcome::Reissued { .. } => self.reissued += 1,
            Outcome::AlreadyHere => self.already_here += 1,
            Outcome::AsksService => self.asks_service += 1,
            Outcome::Released { .. } => self.released += 1,
            Outcome::SlotWaits => self.slot_waits += 1,
            Outcome::Failed(failure) => *self.failed.entry(failure.word()).or_default() += 1,
        }
    }

    /// Licenses that came, or were here.
    pub fn here(&self) -> u64 {
        self.restored + self.reissued + self.already_here
    }

    /// Licenses that did not come.
    pub fn all_failed(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// The end of a backup.
#[derive(Debug, Clone)]
pub struct BackupReport {
    /// Where it stands.
    pub path: PathBuf,
    /// What happened to the licenses.
    pub counts: Counts,
    /// What happened to the license documents.
    pub documents: Counts,
    /// None: all that may leave is in it. Some: something is damaged in the store and is not in it.
    pub failure: Option<Failure>,
    /// Length of the file.
    pub bytes: u64,
    /// It is encrypted.
    pub encrypted: bool,
    /// It replaced an earlier one, which is gone.
    pub replaced: bool,
    /// Where the one that was there is kept.
    pub kept: Option<PathBuf>,
    /// Earlier generations that were too many, and are gone.
    pub removed: Vec<PathBuf>,
    /// Licenses and documents that the patterns left out.
    pub left_out: u64,
    /// Patterns that met nothing, safe to show.
    pub unmet: Vec<String>,
}

/// An issuer whose licenses wait for a person's trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerToTrust {
    /// What it calls itself, safe to show. Only the thumbprint proves who it is.
    pub name: String,
    /// To be compared with what the issuer publishes.
    pub thumbprint: Thumbprint,
    /// Address of the service that its licenses name, safe to show.
    pub service_url: String,
    /// Licenses that wait.
    pub licenses: u64,
}

/// A service that needs the person's consent to individualize this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentNeeded {
    /// What it calls itself, safe to show.
    pub name: String,
    /// Its root.
    pub thumbprint: Thumbprint,
    /// Where it is, safe to show.
    pub url: String,
    /// Licenses that wait.
    pub licenses: u64,
}

/// A service that a plan could not ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unasked {
    /// What it calls itself, safe to show.
    pub name: String,
    /// Its root.
    pub thumbprint: Thumbprint,
    /// What kind of failure kept it silent.
    pub failure: Failure,
    /// The same in words.
    pub why: String,
}

/// A page that explains refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalPage {
    /// Why.
    pub failure: Failure,
    /// Its address, of the service's own origin.
    pub url: String,
}

/// The end of a restore, or its plan.
#[derive(Debug, Clone, Default)]
pub struct RestoreReport {
    /// The file that was read.
    pub path: PathBuf,
    /// Whose backup it is.
    pub from: Option<(ComputerId, String)>,
    /// When it was made (Unix seconds).
    pub created: u64,
    /// What happened, or would happen, to the licenses.
    pub counts: Counts,
    /// The same of the license documents.
    pub documents: Counts,
    /// None: all that the backup holds is here. Some: why not.
    pub failure: Option<Failure>,
    /// More about the failure, for a person.
    pub why: Option<String>,
    /// Issuers that a person would have to accept.
    pub issuers_to_trust: Vec<IssuerToTrust>,
    /// Services that need consent.
    pub consents_needed: Vec<ConsentNeeded>,
    /// Pages of the refusals.
    pub pages: Vec<RefusalPage>,
    /// Requests that were written to the request file.
    pub requests_out: u64,
    /// What is wrong with the file, in words.
    pub damage: Vec<String>,
    /// What is lost with that, as far as the backup still names it; the first 1,000.
    pub lost: Vec<LostName>,
    /// The file is damaged, and all that is was repaired while it was read: a repair makes it whole.
    pub repairable: bool,
    /// What contacts with services brought beside the restore.
    pub news: News,
    /// Of a plan: services that could not be asked.
    pub unasked: Vec<Unasked>,
    /// Licenses and documents of the backup that the patterns left out.
    pub left_out: u64,
    /// Patterns that met nothing, safe to show.
    pub unmet: Vec<String>,
}

/// So many names of what is lost stand in a report.
pub(crate) const LOST_NAMES: usize = 1000;

/// A license or a document that can't be read any more. The name proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostName {
    /// License ID, or SHA-256 of the document.
    pub id: String,
    /// Title, or name of the document; without control characters.
    pub title: String,
}

impl RestoreReport {
    /// The HRESULT that END carried.
    pub fn hresult(&self) -> HResult {
        self.failure.map_or(HResult::OK, Failure::hresult)
    }
}

/// Which licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All that are here.
    All,
    /// Those that are named.
    These {
        /// By their own IDs.
        licenses: Vec<LicenseId>,
        /// By the IDs of their content keys.
        key_ids: Vec<KeyId>,
    },
}

/// How licenses are given back.
#[derive(Debug, Clone)]
pub struct ReleaseOptions {
    /// Which; none: only what waits for its service is sent.
    pub selection: Selection,
    /// The person has agreed to individualize this computer, without which a service can't be told.
    pub individualize: bool,
}

/// The end of a release, or its plan.
#[derive(Debug, Clone, Default)]
pub struct ReleaseReport {
    /// Licenses that left this computer now.
    pub left: u64,
    /// What became of them, and of those that waited for their service.
    pub counts: Counts,
    /// None: all services know. Some: why not.
    pub failure: Option<Failure>,
    /// More about the failure, for a person.
    pub why: Option<String>,
    /// Services that need consent; then nothing left.
    pub consents_needed: Vec<ConsentNeeded>,
    /// What contacts with services brought.
    pub news: News,
}

/// The end of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportReport {
    /// What happened to the licenses.
    pub counts: Counts,
    /// None: all is here. Some: why not.
    pub failure: Option<Failure>,
    /// Issuers that a person would have to accept.
    pub issuers_to_trust: Vec<IssuerToTrust>,
    /// Files that could not be read, and why.
    pub bad_files: Vec<(PathBuf, String)>,
}

/// A file that holds no license document, or none that can be taken.
#[derive(Debug)]
pub struct SkippedFile {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: Skipped,
}

/// Why a file was left where it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Skipped {
    /// What the system says.
    Unreadable(io::Error),
    /// What it is instead.
    NotTaken(NotTaken),
}

/// The end of an import of license documents.
#[derive(Debug, Default)]
pub struct DocumentsReport {
    /// What happened to the documents.
    pub counts: Counts,
    /// None: all files were taken. Some: why not.
    pub failure: Option<Failure>,
    /// Files that were not taken.
    pub skipped: Vec<SkippedFile>,
}

/// The failure that a whole operation ends with, from how much came or was here, and what failed: none; partly done; or, when none
/// came, the first that applies of 8, 12, 5, 7, 6, 1 (exit codes).
pub(crate) fn overall(here: u64, failures: &[Failure]) -> Option<Failure> {
    if failures.is_empty() {
        return None;
    }
    if here > 0 {
        return Some(Failure::NotAllStored);
    }
    let order = [8, 12, 5, 7, 6, 1];
    let rank = |failure: &Failure| {
        order
            .iter()
            .position(|code| *code == failure.exit_code())
            .unwrap_or(order.len())
    };
    failures.iter().min_by_key(|failure| rank(failure)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_applies() {
        assert_eq!(overall(0, &[]), None);
        assert_eq!(
            overall(0, &[Failure::ServiceUnavailable, Failure::Limit]),
            Some(Failure::Limit)
        );
        let both = [Failure::BackupCorrupt, Failure::IssuerNotAccepted];
        assert_eq!(overall(0, &both), Some(Failure::IssuerNotAccepted));
        assert_eq!(overall(1, &[Failure::Limit]), Some(Failure::NotAllStored));
    }
}
