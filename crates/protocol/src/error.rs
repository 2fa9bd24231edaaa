//! What can be wrong with a message.

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A document in the message, or the message itself, is not acceptable.
    #[error(transparent)]
    Document(#[from] keyferry_license::Error),
    /// The message asks for something that this version does not know.
    #[error("this version knows no request of the kind {0:?}")]
    UnknownKind(String),
    /// An answer to another request.
    #[error("the answer belongs to another request: nothing of it was taken")]
    OtherRequest,
    /// Signed for another service, computer or operation.
    #[error("the {what} names another {field} than it should")]
    Mismatch {
        /// `request`, `receipt` or `answer`.
        what: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// The message contradicts itself, or an answer its request.
    #[error("the message is not consistent: {0}")]
    Inconsistent(&'static str),
}
