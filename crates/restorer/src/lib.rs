//! Move device-bound licenses to a new computer: the backup restorer object.
//!
//! [`Restorer`] backs up the licenses on a computer, typically to removable media, and restores them on a new one,
//! with the help of a license management service that decides how many computers may hold a license. It is the open
//! form of the object that the Windows Media Format SDK created by `WMCreateBackupRestorer`.
//!
//! An operation runs on a thread of its own, tells one [`Events`] sink how it goes, can be canceled between batches,
//! and ends in exactly one [`Status::End`]. The two journeys read as straight lines in `backup.rs` and `restore/`.

mod authorize;
mod backup;
mod clock;
mod code;
mod error;
mod events;
mod http;
mod import;
mod object;
mod patience;
mod properties;
mod report;
mod restore;
mod transport;

pub use authorize::{Carried, authorize};
pub use clock::{Clock, SystemClock};
pub use code::{Failure, HResult};
pub use error::{Error, Result};
pub use events::{Events, IndividualizeStep, LicenseOutcome, Outcome, Progress, Silent, Status};
pub use http::HttpTransport;
pub use object::{Parts, Restorer, Running};
pub use patience::Patience;
pub use properties::{BACKUP_PATH, Properties, RESTORE_PATH, UnknownProperty};
pub use report::{
    BackupOptions, BackupReport, ConsentNeeded, Counts, ImportReport, IssuerToTrust, RefusalPage,
    RestoreOptions, RestoreReport,
};
pub use transport::{Transport, TransportError};

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
