//! Layer 2, the encryption: one age file around the payload (docs/backup.md section 8). The age crate makes and opens
//! its header; the content is opened here, chunk by chunk and at any place, so that a damaged chunk costs what lies
//! in it and nothing more.

mod content;
mod envelope;
mod file;
mod head;
mod identity;
mod passphrase;
mod seal;

pub(crate) use content::Content;
pub use envelope::{Envelope, open_envelope};
pub(crate) use file::Inside;
pub use file::{FileKey, Unlock};
pub(crate) use head::Head;
pub use head::{Encrypted, HEAD_LIMIT, MAX_WORK_FACTOR};
pub use identity::{Identity, MAX_RECIPIENTS, Recipient};
pub use passphrase::Passphrase;
pub(crate) use seal::Sealing;
pub use seal::{Encryption, WORK_FACTOR};

use crate::payload::MAGIC;

const AGE: &[u8] = b"age-encryption.org/v1";

/// What begins at byte 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outermost {
    /// The payload itself: there is no layer 2.
    Payload,
    /// An age file that holds the payload.
    Age,
    /// Neither.
    Unknown,
}

/// Tells by the first bytes.
pub(crate) fn recognize(start: &[u8]) -> Outermost {
    if start.starts_with(MAGIC) {
        Outermost::Payload
    } else if start.starts_with(AGE) {
        Outermost::Age
    } else {
        Outermost::Unknown
    }
}
