//! What can go wrong with a computer's two files: one enum for the crate. Each message says who is at fault and what
//! to do next. The codes of the SDK stand beside the variants that have one of their own; all others are C00D2712.

use std::io;
use std::path::{Path, PathBuf};

use keyferry_license::document::DocumentId;
use keyferry_license::usage::Denied;
use keyferry_license::{LicenseId, Thumbprint};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused, or the medium failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Nothing ties this machine's keys to it.
    #[error("this machine has no identity of its own: {why}")]
    NoMachineIdentity {
        /// What was looked for.
        why: String,
    },
    /// `computer.key` was sealed on another machine (C00D2719).
    #[error(
        "computer.key was made on another machine: its {guard} guard does not open here; restore a backup instead \
         of copying the folder"
    )]
    OtherMachine {
        /// Name of the guard that refused.
        guard: &'static str,
    },
    /// `store.sqlite` belongs to another computer.key (C00D2719).
    #[error(
        "{} belongs to another computer: bring back its computer.key, or delete the store and restore a backup",
        path.display()
    )]
    ForeignStore {
        /// The store.
        path: PathBuf,
    },
    /// The store is older than its computer.key: a copy was put back (C00D277F).
    #[error(
        "{} was put back from an older copy: delete it and restore a backup",
        path.display()
    )]
    CheckpointFailed {
        /// The store.
        path: PathBuf,
    },
    /// A file is not what was written (C00D2783).
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit, and the way out.
        what: String,
    },
    /// One license of the store is not what was written; the others are not concerned (C00D2783).
    #[error("license {license} is damaged in the store: {what}; restore it from a backup")]
    DamagedLicense {
        /// Which.
        license: LicenseId,
        /// What does not fit.
        what: &'static str,
    },
    /// One license document is not what was put there; nothing else is concerned (C00D2783).
    #[error("license document {id} is damaged in the store: restore it from a backup, or import it again")]
    DamagedDocument {
        /// Which.
        id: DocumentId,
    },
    /// A revocation list was not taken, because one before it is missing; nothing changed.
    #[error(
        "revocation list {found} of issuer {issuer} can't be taken after {seen}: one before it is missing"
    )]
    RevocationGap {
        /// Whose.
        issuer: Thumbprint,
        /// The last that was taken; 0 for none.
        seen: u64,
        /// The one that came.
        found: u64,
    },
    /// A newer Keyferry wrote the file.
    #[error(
        "{} has format {found}, and this Keyferry knows none above {known}: use the newer one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that this program reads.
        known: u32,
    },
    /// Another operation runs, or another program keeps the store locked (C00D2744).
    #[error("another operation runs on this computer ({} is locked): wait for its end", path.display())]
    Busy {
        /// What is locked.
        path: PathBuf,
    },
    /// `computer.key` was deleted or replaced while the program ran.
    #[error("{} was replaced while this program ran: start it again", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// `computer.key` would become longer than it may be.
    #[error("{} would grow to {actual} bytes, at most {limit} are allowed: remove roots that are not needed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: usize,
        /// What it would be.
        actual: usize,
    },
    /// A card of another kind than the one that is kept there.
    #[error("the card of {name} is not the card of {expected}")]
    WrongCard {
        /// Name in the card.
        name: String,
        /// Whose card it should be.
        expected: &'static str,
    },
    /// The answer belongs to no request that waits here (C00D272E).
    #[error(
        "no request of this computer waits for this answer: it was answered before, or is another computer's"
    )]
    NotPending,
    /// SQLite refused.
    #[error("the license store {} failed: {source}", path.display())]
    Database {
        /// The store.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// A key guard failed for a reason of its own.
    #[error("the {guard} guard of computer.key failed: {why}")]
    Guard {
        /// Name of the guard.
        guard: &'static str,
        /// What it says.
        why: String,
    },
    /// A document, a seal or the randomness.
    #[error(transparent)]
    License(#[from] keyferry_license::Error),
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Error::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Error::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

/// Why a key was not handed out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// No license allows it.
    #[error("not allowed: {denied}")]
    Denied {
        /// The bits of every license that gives the right; NO_RIGHT or NO_LICENSE when there is none.
        denied: Denied,
        /// The first license in the order of use that gives the right, or else the first of all.
        nearest: Option<(Thumbprint, LicenseId)>,
        /// Roots of licenses for this key that are here, but whose issuers were not accepted.
        not_accepted: Vec<Thumbprint>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}
