//! What can go wrong with a backup: one enum for the crate. Each says who is at fault and what to do.

use std::io;

use crate::damage::Damage;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Who called: another argument, or another moment.
    Caller,
    /// The backup file: it is damaged, of another kind, or hostile.
    File,
    /// The medium: absent, full, read-only or failing.
    Medium,
    /// This program, or the system under it.
    Program,
}

/// Why a backup could not be written, read or put in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a backup at all.
    #[error("this is not a Keyferry backup: {why}")]
    NotABackup {
        /// What was found instead.
        why: &'static str,
    },
    /// It is encrypted with a passphrase, and none was given.
    #[error("this backup is encrypted with a passphrase")]
    NeedsPassphrase,
    /// It is encrypted to recipients, and no identity was given.
    #[error("this backup is encrypted to recipients, so the identity of one of them opens it")]
    NeedsIdentity,
    /// The passphrase does not open it; or, which nobody can tell apart, the bytes that it opens are damaged.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// No identity that was given is that of a recipient.
    #[error("the backup is not encrypted to any of these identities")]
    NoMatchingIdentity,
    /// Opening it would take more memory than is given to a file that comes from outside.
    #[error("the passphrase's work factor is {found}, at most {limit} is accepted")]
    WorkFactor {
        /// Of the file.
        found: u8,
        /// The bound.
        limit: u8,
    },
    /// What should be a recipient is none.
    #[error("{}{why}", line_of(*line))]
    BadRecipient {
        /// Line of the file, from 1.
        line: Option<usize>,
        /// What it is instead.
        why: &'static str,
    },
    /// What should be an identity is none. What was found is not repeated: it may be secret.
    #[error("{}{why}", line_of(*line))]
    BadIdentity {
        /// Line of the file, from 1.
        line: Option<usize>,
        /// What it is instead.
        why: &'static str,
    },
    /// Made by a newer Keyferry.
    #[error("this backup is of version {found}, this Keyferry reads version 1")]
    Version {
        /// The version that it states.
        found: u32,
    },
    /// The protection trailer has a version or a kind of parity that this Keyferry doesn't know.
    #[error(
        "the protection of this backup is of version {version} and kind {kind}, which this Keyferry does not know"
    )]
    Protection {
        /// Version in the trailer.
        version: u32,
        /// Kind of parity in the trailer.
        kind: u32,
    },
    /// A whole trailer that tells of another length: two files in one, or bytes put in or taken out.
    #[error(
        "the backup says that it is {stated} bytes long, and the file has {actual}: joined, or cut in the middle"
    )]
    Length {
        /// By the trailer.
        stated: u64,
        /// Of the file.
        actual: u64,
    },
    /// Something that the rest needs is damaged, or the caller asked for a whole backup.
    #[error("the backup is damaged: {0}")]
    Damaged(Damage),
    /// There is no parity in it, or too little is left of it and of the rest.
    #[error("the backup can't be repaired: {why}")]
    NotRepairable {
        /// What is missing.
        why: String,
    },
    /// The header is whole and breaks the rules.
    #[error("the header of the backup breaks the rules: {why}")]
    Header {
        /// Which rule.
        why: String,
    },
    /// Longer or more than the format allows.
    #[error("{what}: {actual}, at most {limit} are allowed in a backup")]
    TooLarge {
        /// Which field.
        what: &'static str,
        /// The bound, in bytes or items.
        limit: u64,
        /// What was given or found.
        actual: u64,
    },
    /// A value outside the rules of the format.
    #[error("{what}: {why}")]
    Invalid {
        /// Which field.
        what: &'static str,
        /// Which rule is broken.
        why: &'static str,
    },
    /// The signing key is not the one of the computer in the header.
    #[error("the key that should sign the backup is not the key of the computer in its header")]
    WrongKey,
    /// The folder is missing, or is no folder.
    #[error("no medium at {folder}: {why}")]
    NoMedium {
        /// The folder that was named.
        folder: String,
        /// Missing, or a file.
        why: &'static str,
    },
    /// There is a backup of this computer, and it may not be replaced.
    #[error("a backup exists already: {name}")]
    Exists {
        /// Its file name.
        name: String,
    },
    /// A file of somebody else bears a name that is needed while another file is written.
    #[error("{name} is in the way: that name is needed while a backup is written")]
    InTheWay {
        /// Its file name.
        name: String,
    },
    /// Another process writes this computer's backup into the same folder.
    #[error("another backup to {name} is being written")]
    Busy {
        /// The file name that both want.
        name: String,
    },
    /// No space left.
    #[error("{folder} is full")]
    Full {
        /// The folder.
        folder: String,
    },
    /// Too little space is left, as was seen before anything was written.
    #[error("{folder} has {free} bytes free, and the backup needs at least {needed} beside what is there")]
    TooLittleRoom {
        /// The folder.
        folder: String,
        /// Bytes that the backup takes, as far as that can be told before it is made.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Another medium is where the first one was.
    #[error("the medium at {folder} is not the one that it was when the backup began")]
    Swapped {
        /// The folder.
        folder: String,
    },
    /// The medium can't be written to.
    #[error("{folder} is read-only")]
    ReadOnly {
        /// The folder.
        folder: String,
    },
    /// The medium's file system can't hold a file this long.
    #[error("the file system of {folder} takes no file as long as this backup{}", longest_of(*limit))]
    FileTooLong {
        /// The folder.
        folder: String,
        /// How long the longest file may be, in bytes, where it is known.
        limit: Option<u64>,
    },
    /// Not allowed to.
    #[error("no permission to {doing} in {folder}")]
    Denied {
        /// What was attempted.
        doing: &'static str,
        /// The folder.
        folder: String,
    },
    /// What was read back is not what was written.
    #[error("what {folder} gives back is not what was written to it: {why}")]
    ReadBack {
        /// The folder.
        folder: String,
        /// Where or how it differs.
        why: String,
    },
    /// The medium failed in another way.
    #[error("could not {doing} in {folder}: {source}")]
    Medium {
        /// What was attempted.
        doing: &'static str,
        /// The folder.
        folder: String,
        /// What the system says.
        source: io::Error,
    },
    /// Reading or writing a stream failed.
    #[error("could not {doing} the backup at byte {at}: {source}")]
    Stream {
        /// `read` or `write`.
        doing: &'static str,
        /// Offset from the start of the file.
        at: u64,
        /// What the system says.
        source: io::Error,
    },
    /// No random bytes, or no compression.
    #[error("{0}")]
    System(String),
}

impl Error {
    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Error::TooLarge { .. } | Error::Invalid { .. } | Error::WrongKey => Fault::Caller,
            Error::Exists { .. } | Error::InTheWay { .. } | Error::Busy { .. } => Fault::Caller,
            Error::NeedsPassphrase | Error::NeedsIdentity => Fault::Caller,
            Error::WrongPassphrase | Error::NoMatchingIdentity => Fault::Caller,
            Error::BadRecipient { .. } | Error::BadIdentity { .. } => Fault::Caller,
            Error::NotABackup { .. } | Error::WorkFactor { .. } | Error::Version { .. } => Fault::File,
            Error::Protection { .. } | Error::Length { .. } => Fault::File,
            Error::Damaged(_) | Error::NotRepairable { .. } | Error::Header { .. } => Fault::File,
            Error::NoMedium { .. } | Error::Full { .. } | Error::ReadOnly { .. } => Fault::Medium,
            Error::TooLittleRoom { .. } | Error::Swapped { .. } => Fault::Medium,
            Error::FileTooLong { .. } | Error::Denied { .. } | Error::ReadBack { .. } => Fault::Medium,
            Error::Medium { .. } | Error::Stream { .. } => Fault::Medium,
            Error::System(_) => Fault::Program,
        }
    }

    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Error::NotABackup { .. } => "name a file that ends in .keyferry, or the folder that holds it",
            Error::NeedsPassphrase => "give the passphrase that it was made with",
            Error::NeedsIdentity => "give the file with the identity of a recipient",
            Error::WrongPassphrase => {
                "type it again; if it is right, the first bytes of the file are damaged"
            }
            Error::NoMatchingIdentity => "give the identity of one of its recipients",
            Error::WorkFactor { .. } => "decrypt it with age, if you trust where it comes from",
            Error::Version { .. } | Error::Protection { .. } => "a newer Keyferry reads it",
            Error::Length { .. } | Error::Damaged(_) => "take another copy, or an earlier backup",
            Error::NotRepairable { .. } => {
                "restore from it: what is whole is given; then take another copy, or an earlier backup"
            }
            Error::NoMedium { .. } => "connect the medium, or name a folder that exists; none is made",
            Error::Exists { .. } => "allow it to be replaced, or name another folder",
            Error::InTheWay { .. } => "give that file another name, or name another one to write",
            Error::Busy { .. } => "wait until the other one is done",
            Error::TooLittleRoom { .. } | Error::Full { .. } => {
                "free some space: the old and the new backup must fit side by side"
            }
            Error::Swapped { .. } => "put the first one in again, and back up once more",
            Error::ReadOnly { .. } => "release its write protection, or take another medium",
            Error::FileTooLong { .. } => "take a medium with another file system",
            Error::Denied { .. } => "name a folder that you may write to",
            Error::ReadBack { .. } => "do not trust this medium; take another",
            Error::Medium { .. } | Error::Stream { .. } => "check that the medium is connected and healthy",
            _ => return None,
        })
    }
}

fn longest_of(limit: Option<u64>) -> String {
    limit.map_or_else(String::new, |limit| format!(", {limit} bytes are the most"))
}

fn line_of(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}
