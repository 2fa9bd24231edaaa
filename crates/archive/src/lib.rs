//! The backup file of Keyferry, in three layers over `Read`, `Write` and `Seek`, and its way onto a medium.
//!
//! A [`Writer`] makes a backup from a [`Header`] and [`Record`]s, a [`Reader`] gives them back and says what is
//! damaged, [`medium::publish`] puts the file into a folder such that it is whole or absent at every instant.
//! Nothing here knows the license store, the network or the clock. `docs/backup.md` is the normative text; the
//! code cites its sections.

mod damage;
mod document;
mod encryption;
mod error;
mod header;
pub mod medium;
mod outside;
mod payload;
mod protection;
mod reader;
mod record;
mod repair;
mod verify;
mod writer;

pub use damage::{Damage, Lost, Place, Tally};
pub use document::{Assembled, Assembler, BrokenDocument, Document};
pub use encryption::{
    Encrypted, Encryption, Envelope, FileKey, HEAD_LIMIT, Identity, MAX_RECIPIENTS, MAX_WORK_FACTOR,
    Passphrase, Recipient, Unlock, WORK_FACTOR, open_envelope,
};
pub use error::{Error, Fault, Result};
pub use header::{BackupId, HEADER_LIMIT, Header, LastReceipt, MAX_ISSUERS, MAX_SERVICES, ServiceSeal};
pub use payload::{FooterState, Item, Records, Root};
pub use protection::{Parity, Protection, protect};
pub use reader::Reader;
pub use record::{
    DOCUMENT_LIMIT, DocumentPart, KIND_LIMIT, License, NAME_LIMIT, Name, PART_LEN, RECORD_LIMIT, Record,
};
pub use repair::Repair;
pub use verify::{
    Counts, Inspector, KeyCheck, LicenseVerdict, Opened, Report, Unchecked, Verdict, verify, verify_open,
};
pub use writer::{Summary, Writer};
