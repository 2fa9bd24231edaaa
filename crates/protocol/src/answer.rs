//! The answer: a receipt with the keys it delivers, or a problem (docs/protocol.md section 4).

use keyferry_license::{Encapsulation, SealedKey, Suite, Text, decode_exact, encode};
use minicbor::{Decode, Encode};

use crate::MESSAGE_LIMIT;
use crate::error::{Error, Result};

/// Keys sealed for the request's one-time key, in the order of its items; not signed, the commitments prove them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Delivery {
    /// How the keys are sealed.
    #[n(1)]
    pub suite: Suite,
    /// The one encapsulation.
    #[n(2)]
    pub enc: Encapsulation,
    /// One for each item; null where it was refused.
    #[cbor(n(3), decode_with = "crate::bounds::items")]
    pub keys: Vec<Option<SealedKey>>,
}

/// Revocation lists and the cards to check them with. Not signed as a whole: each document is, and lists are numbered
/// without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lists {
    /// Signed lists: issuer by issuer in the order of the request, each issuer's by number, from the one after the
    /// number that was named. What doesn't fit comes with the next request.
    #[cbor(
        n(1),
        encode_with = "crate::bounds::encode_documents",
        decode_with = "crate::bounds::documents"
    )]
    pub lists: Vec<Vec<u8>>,
    /// The newest card of each issuer whose lists are here.
    #[cbor(
        n(2),
        encode_with = "crate::bounds::encode_documents",
        decode_with = "crate::bounds::documents"
    )]
    pub cards: Vec<Vec<u8>>,
}

/// Why a request could not be judged at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ProblemCode {
    /// Malformed, or signed by somebody else.
    #[n(1)]
    BadRequest,
    /// The kind is not known.
    #[n(2)]
    UnknownKind,
    /// Addressed to another service.
    #[n(3)]
    OtherService,
    /// The service does not know the computer.
    #[n(4)]
    NotIndividualized,
    /// The computer's certificate was revoked.
    #[n(5)]
    CertificateRevoked,
    /// Come back later.
    #[n(6)]
    Busy,
    /// Too many individualizations in a day.
    #[n(7)]
    TooManyIndividualizations,
    /// The service itself failed.
    #[n(8)]
    Internal,
}

impl ProblemCode {
    /// The word that JSON lines use.
    pub fn word(self) -> &'static str {
        match self {
            ProblemCode::BadRequest => "bad-request",
            ProblemCode::UnknownKind => "unknown-kind",
            ProblemCode::OtherService => "other-service",
            ProblemCode::NotIndividualized => "not-individualized",
            ProblemCode::CertificateRevoked => "certificate-revoked",
            ProblemCode::Busy => "busy",
            ProblemCode::TooManyIndividualizations => "too-many-individualizations",
            ProblemCode::Internal => "internal",
        }
    }
}

/// A request that got no judgment. [`ProblemCode::Busy`] and [`ProblemCode::Internal`] may come after something was
/// written: the same bytes get what it says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Problem {
    /// Which.
    #[n(1)]
    pub code: ProblemCode,
    /// For a person.
    #[n(2)]
    pub message: Text<1024>,
    /// Come back after this many seconds.
    #[n(3)]
    pub retry_after: Option<u32>,
}

/// What comes back. Either `receipt` or `problem` is there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Answer {
    /// The signed receipt.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub receipt: Option<Vec<u8>>,
    /// With the receipt of a restore that gave at least one key.
    #[n(2)]
    pub delivery: Option<Delivery>,
    /// The service's newest card.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub card: Option<Vec<u8>>,
    /// Instead of a receipt.
    #[n(4)]
    pub problem: Option<Problem>,
    /// With the receipt of a request for revocation lists.
    #[n(5)]
    pub lists: Option<Lists>,
}

impl Answer {
    /// An answer that judges nothing.
    pub fn problem(code: ProblemCode, message: &str, retry_after: Option<u32>) -> Self {
        Self {
            receipt: None,
            delivery: None,
            card: None,
            problem: Some(Problem {
                code,
                message: self::message(message),
                retry_after,
            }),
            lists: None,
        }
    }

    /// Decodes within the bounds of a message.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let answer: Self = decode_exact("answer", bytes, MESSAGE_LIMIT)?;
        if answer.receipt.is_some() == answer.problem.is_some() {
            return Err(Error::Inconsistent("it must hold either a receipt or a problem"));
        }
        Ok(answer)
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

/// A message for a person, cut between two characters where it is too long.
pub(crate) fn message(message: &str) -> Text<1024> {
    let mut end = message.len().min(1024);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    Text::new("message", &message[..end]).unwrap_or_default()
}
