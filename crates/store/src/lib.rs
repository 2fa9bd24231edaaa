//! A computer's two files in its home folder: `computer.key`, which says who it is and what it was told, and
//! `store.sqlite`, which holds its licenses.
//!
//! Several processes may use one home at once. What must not go backwards (counts, marks, tombstones) is tied together
//! by a checkpoint in both files, so that an older copy of the store is noticed. `docs/store.md` gives the layout and
//! says which assumptions about the medium it rests on. The clock is always an argument.

mod computer;
mod document;
mod error;
mod files;
mod guard;
mod insert;
mod key_file;
mod machine;
mod outbox;
mod proven;
mod read;
mod removal;
mod shown;
mod sql;
mod store;
mod trust;
mod usage;

pub use document::{DocumentInfo, NewDocument, Put, StoredDocument};
pub use error::{Error, Result, UseError};
pub use files::FileLock as OperationLock;
pub use guard::{FileGuard, KeyGuard};
pub use insert::{Arrival, Inserted, NewLicense};
pub use machine::MachineIdentity;
pub use outbox::{OutboxEntry, Pending, Receipt};
pub use read::{Opener, Presence, Snapshot, StoredLicense};
pub use removal::Tombstone;
pub use store::Store;
pub use trust::{AcceptedRoot, LastReceipt};
pub use usage::Used;
