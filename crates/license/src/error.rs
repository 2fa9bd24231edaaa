//! What can be wrong with a document, a key or a seal: one enum for the crate.

use crate::Thumbprint;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why bytes were not accepted, or a key was not opened. Each message says what, where and, where it helps, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than its bound; nothing of it was read.
    #[error("{what} is {actual} bytes long, at most {limit} are allowed")]
    TooLarge {
        /// Which document or field.
        what: &'static str,
        /// The bound, in bytes or items.
        limit: usize,
        /// What was found.
        actual: usize,
    },
    /// Not well-formed, or not of the shape that its specification demands.
    #[error("{what} is malformed at byte {at}: {why}")]
    Malformed {
        /// Which document or field.
        what: &'static str,
        /// Offset in bytes from the start of the document.
        at: usize,
        /// What was expected.
        why: String,
    },
    /// Well-formed CBOR, but not the deterministic encoding of RFC 8949 section 4.2.
    #[error("{what} is not deterministic CBOR at byte {at}: {why}")]
    NotDeterministic {
        /// Which document.
        what: &'static str,
        /// Offset in bytes.
        at: usize,
        /// Which rule is broken.
        why: &'static str,
    },
    /// A map holds a key twice.
    #[error("{what} holds a map key twice, at byte {at}")]
    DuplicateKey {
        /// Which document.
        what: &'static str,
        /// Offset in bytes of the second.
        at: usize,
    },
    /// Nested deeper than eight levels.
    #[error("{what} is nested deeper than {limit} levels")]
    TooDeep {
        /// Which document.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Holds a field that this version does not know.
    #[error("{what} holds a field that this version does not know; a newer Keyferry may read it")]
    UnknownField {
        /// Which document.
        what: &'static str,
    },
    /// The protected header is not the one of this kind of document.
    #[error("this is not a {expected} but {found}")]
    WrongType {
        /// The kind asked for.
        expected: &'static str,
        /// What the header says.
        found: String,
    },
    /// A header parameter that must be understood is not.
    #[error("{what} has a critical header parameter that this version does not know")]
    UnknownCritical {
        /// Which document.
        what: &'static str,
    },
    /// Signature does not verify under any key that may have made it.
    #[error("the signature of {what} does not verify: it was altered, or somebody else signed it")]
    BadSignature {
        /// Which document.
        what: &'static str,
    },
    /// A public key of small order verifies anything and is refused.
    #[error("{what} holds a public key of small order")]
    SmallOrderKey {
        /// Which document.
        what: &'static str,
    },
    /// A key that is not a point, or not of the right length.
    #[error("{what} holds an unusable key")]
    BadKey {
        /// Which document.
        what: &'static str,
    },
    /// A value outside its range.
    #[error("{field}: {why}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Which rule is broken.
        why: String,
    },
    /// A grant names another issuer than the card that it was checked against.
    #[error("the grant was issued by {found}, not by {expected}")]
    OtherIssuer {
        /// The card's thumbprint.
        expected: Thumbprint,
        /// The grant's.
        found: Thumbprint,
    },
    /// A grant names another service than the one whose card comes with it.
    #[error("the grant leaves moves to the service {found}, not to {expected}")]
    OtherService {
        /// The card's thumbprint.
        expected: Thumbprint,
        /// The grant's.
        found: Thumbprint,
    },
    /// The key opens but is not the one that the grant committed to.
    #[error("the content key does not fit the grant's commitment: it belongs to another license")]
    WrongCommitment,
    /// The seal does not open: wrong secret, or altered key, or altered grant.
    #[error("the sealed key does not open: it was sealed for another computer or service, or was altered")]
    SealBroken,
    /// The suite is not one that this version knows.
    #[error("sealing suite {0} is not known to this version")]
    UnknownSuite(u64),
    /// No key of the needed use is in the card.
    #[error("the card of {name} holds no current key to {needed} with")]
    NoKey {
        /// Name in the card.
        name: String,
        /// `sign` or `seal`.
        needed: &'static str,
    },
    /// PEM armor that can't be read.
    #[error("not a readable {label} block at line {line}: {why}")]
    Armor {
        /// The label looked for.
        label: &'static str,
        /// Line in the file, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(String),
}

impl Error {
    /// What the decoder met; an error that this crate gave to the decoder comes out as it went in.
    pub(crate) fn of_decoding(what: &'static str, error: &minicbor::decode::Error) -> Self {
        let own = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Self>());
        own.cloned().unwrap_or_else(|| Error::Malformed {
            what,
            at: error.position().unwrap_or(0),
            why: error.to_string(),
        })
    }
}

impl From<minicbor::decode::Error> for Error {
    fn from(error: minicbor::decode::Error) -> Self {
        Error::of_decoding("document", &error)
    }
}
