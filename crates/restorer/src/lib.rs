//! Move device-bound licenses to a new computer: the backup restorer object.
//!
//! [`Restorer`] backs up the licenses on a computer, typically to removable media, and restores them on a new one,
//! with the help of a license management service that decides how many computers may hold a license. It is the open
//! form of the object that the Windows Media Format SDK created by `WMCreateBackupRestorer`.
//!
//! An operation runs on a thread of its own, tells one [`Events`] sink how it goes, can be canceled between batches,
//! and ends in exactly one [`Status::End`]. The two journeys read as straight lines in `backup.rs` and `restore/`.

/// What the options of backups and restores are made of.
pub use keyferry_archive::{
    Encrypted, Encryption, Identity, Parity, Passphrase, Protection, Recipient, Unlock,
};

/// Longest challenge that [`Restorer::answer_challenge`] takes, in bytes.
pub use keyferry_protocol::CHALLENGE_LIMIT;

mod agent;
mod authorize;
mod backup;
mod clock;
mod code;
mod contact;
mod documents;
mod drives;
mod error;
mod events;
mod home;
mod http;
mod import;
mod in_order;
mod object;
mod only;
mod operation;
mod patience;
mod plan;
mod properties;
mod receipts;
mod regular;
mod rehearse;
mod release;
mod repair;
mod replacing;
mod report;
mod restore;
mod revocation;
mod room;
mod roots;
mod shelf;
mod showing;
mod transport;
mod unlocker;

pub use agent::Obeyed;
pub use authorize::{Carried, authorize};
pub use clock::{Clock, SystemClock};
pub use code::{Failure, HResult};
pub use contact::News;
pub use drives::{Drive, LastBackup, Volume, drives, volume_of, volumes};
pub use error::{Error, Result};
pub use events::{
    DocumentOutcome, Events, IndividualizeStep, LicenseOutcome, Outcome, Progress, Silent, Status, Waiting,
};
pub use home::{HOME_VARIABLE, default_home, make_home};
pub use http::HttpTransport;
pub use object::{Parts, Restorer, Running};
pub use only::Only;
pub use patience::Patience;
pub use properties::{BACKUP_PATH, Properties, RESTORE_PATH, UnknownProperty};
pub use receipts::{KeptReceipt, receipts};
pub use regular::open_regular;
pub use rehearse::{RehearsalOptions, RehearsalReport};
pub use repair::{RepairOptions, RepairReport, repair};
pub use report::{
    BackupOptions, BackupReport, ConsentNeeded, Counts, DocumentsReport, ImportReport, IssuerToTrust,
    LostName, RefusalPage, ReleaseOptions, ReleaseReport, RestoreOptions, RestoreReport, Selection, Skipped,
    SkippedFile, Unasked,
};
pub use restore::find_backup;
pub use revocation::post_revocations;
pub use roots::{NotRoots, Roots};
pub use shelf::{Inside, Kind, Shelved, Standing, State, backup_at, backups_in, standing};
pub use transport::{CertificateProblem, Transport, TransportError};
pub use unlocker::Unlocker;

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
