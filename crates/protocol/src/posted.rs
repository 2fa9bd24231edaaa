//! What a service answers to an issuer that posts a revocation list (docs/protocol.md section 8.2).

use keyferry_license::{
    Card, Digest, RevocationList, Sign1, SigningSecret, Text, Thumbprint, Typ, Verified, decode_exact,
    encode, sign_document,
};
use minicbor::{Decode, Encode};

use crate::error::{Error, Result};

/// An answer to a posted list is at most this many bytes long.
pub const POSTED_LIMIT: usize = 128 * 1024;

/// The service's signed word that it has a list, and from when on it obeys it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ListReceipt {
    /// Root of the service.
    #[n(1)]
    pub service: Thumbprint,
    /// Whose list.
    #[n(2)]
    pub issuer: Thumbprint,
    /// Its number.
    #[n(3)]
    pub number: u64,
    /// Its digest.
    #[n(4)]
    pub list: Digest,
    /// Service time at which it was taken first (Unix seconds).
    #[n(5)]
    pub time: u64,
}

impl ListReceipt {
    /// Signs it.
    pub fn sign(&self, key: &SigningSecret) -> Vec<u8> {
        sign_document(Typ::ListReceipt, &encode(self), key)
    }

    /// Decodes it and checks that this service signed it.
    pub fn verify(bytes: &[u8], service: &Verified<Card>) -> Result<Self> {
        let sign1 = Sign1::decode(Typ::ListReceipt, bytes, POSTED_LIMIT)?;
        let receipt: Self = decode_exact("receipt of a revocation list", sign1.payload, POSTED_LIMIT)?;
        let mut keys = service.signing_keys();
        if !keys.any(|key| sign1.verify(&key).is_ok()) {
            let what = Typ::ListReceipt.name();
            return Err(keyferry_license::Error::BadSignature { what }.into());
        }
        if receipt.service != service.thumbprint() {
            return Err(Error::Mismatch {
                what: "receipt",
                field: "service",
            });
        }
        Ok(receipt)
    }
}

/// Why a list was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ListProblemCode {
    /// It can't be read, or is over a bound.
    #[n(1)]
    Malformed,
    /// Its issuer is not registered at this service.
    #[n(2)]
    UnknownIssuer,
    /// The issuer that it names did not sign it.
    #[n(3)]
    BadSignature,
    /// A list before it is missing.
    #[n(4)]
    Gap,
    /// Another list has this number.
    #[n(5)]
    Conflict,
    /// Come back later.
    #[n(6)]
    Busy,
    /// The service itself failed.
    #[n(7)]
    Internal,
}

impl ListProblemCode {
    /// The word that JSON lines use.
    pub fn word(self) -> &'static str {
        match self {
            ListProblemCode::Malformed => "malformed",
            ListProblemCode::UnknownIssuer => "unknown-issuer",
            ListProblemCode::BadSignature => "bad-signature",
            ListProblemCode::Gap => "gap",
            ListProblemCode::Conflict => "conflict",
            ListProblemCode::Busy => "busy",
            ListProblemCode::Internal => "internal",
        }
    }
}

/// A list that was not taken. [`ListProblemCode::Busy`] and [`ListProblemCode::Internal`] may come after it was: the same
/// list gets its receipt then.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ListProblem {
    /// Which.
    #[n(1)]
    pub code: ListProblemCode,
    /// For a person.
    #[n(2)]
    pub message: Text<1024>,
    /// With a gap or a conflict: the number that the issuer's next list has to have.
    #[n(3)]
    pub next: Option<u64>,
    /// Come back after this many seconds.
    #[n(4)]
    pub retry_after: Option<u32>,
}

/// What comes back to an issuer. Either `receipt` or `problem` is there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Posted {
    /// The signed receipt.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub receipt: Option<Vec<u8>>,
    /// Instead of a receipt.
    #[n(2)]
    pub problem: Option<ListProblem>,
}

impl Posted {
    /// A list that was not taken.
    pub fn problem(code: ListProblemCode, message: &str, next: Option<u64>) -> Self {
        let problem = ListProblem {
            code,
            message: crate::answer::message(message),
            next,
            retry_after: None,
        };
        Self {
            receipt: None,
            problem: Some(problem),
        }
    }

    /// A list that can't be taken now.
    pub fn busy(message: &str, retry_after: u32) -> Self {
        let mut busy = Self::problem(ListProblemCode::Busy, message, None);
        if let Some(problem) = &mut busy.problem {
            problem.retry_after = Some(retry_after);
        }
        busy
    }

    /// Decodes within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let posted: Self = decode_exact("answer", bytes, POSTED_LIMIT)?;
        if posted.receipt.is_some() == posted.problem.is_some() {
            return Err(Error::Inconsistent("it must hold either a receipt or a problem"));
        }
        Ok(posted)
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

/// Checks the answer to this list against the service's card. `Ok(Err(problem))` is a list that was not taken.
pub fn check_posted(
    answer: &[u8],
    list: &Verified<RevocationList>,
    service: &Verified<Card>,
) -> Result<Result<ListReceipt, ListProblem>> {
    let posted = Posted::decode(answer)?;
    let receipt = match (posted.receipt, posted.problem) {
        (Some(receipt), _) => ListReceipt::verify(&receipt, service)?,
        (None, Some(problem)) => return Ok(Err(problem)),
        (None, None) => return Err(Error::Inconsistent("it is empty")),
    };
    if (receipt.issuer, receipt.number, receipt.list) != (list.issuer, list.number, *list.digest()) {
        return Err(Error::OtherRequest);
    }
    Ok(Ok(receipt))
}
