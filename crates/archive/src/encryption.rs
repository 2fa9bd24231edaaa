//! Layer 2, the encryption: its place (docs/backup.md section 8). What the first bytes say is all that this version
//! knows of it.

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
