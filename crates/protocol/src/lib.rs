//! The messages between a computer and a license management service: bytes in, values out, no I/O.
//!
//! A [`Request`] is signed by the computer, a [`Receipt`] by the service; the [`Answer`] carries the receipt and, for a
//! restore, the keys sealed for the request's one-time key. They travel by HTTP or by file alike. `docs/protocol.md`
//! is the normative text; the code cites its sections.

mod answer;
mod bounds;
mod challenge;
mod check;
mod error;
mod kept;
mod parcel;
mod posted;
mod receipt;
mod recovery;
mod release;
mod request;
mod revocations;
mod row;

pub use answer::{Answer, Delivery, Lists, Problem, ProblemCode};
pub use challenge::{
    CHALLENGE_ANSWER_LIMIT, CHALLENGE_LIMIT, Challenge, ChallengeAnswer, ChallengeId, ListAcknowledgement,
};
pub use check::{Checked, CheckedItem, check_answer};
pub use error::{Error, Result};
pub use kept::{kept_receipt, next_kept_receipt};
pub use parcel::{ANSWER_LABEL, AnswerParcel, REQUEST_LABEL, RequestParcel};
pub use posted::{ListProblem, ListProblemCode, ListReceipt, POSTED_LIMIT, Posted, check_posted};
pub use receipt::{Entry, Page, Reason, Receipt, Verdict};
pub use recovery::{CheckedReceipts, ROW_TIME_SEARCH, Receipts, Recovery, Remade, Remaking, check_receipts};
pub use release::{CheckedRelease, Release, ReleaseItem, ReleasedItem, check_release};
pub use request::{
    Individualize, Item, LastReceipt, OperationId, Prepared, Request, RequestId, Restore, SignedRequest, kind,
};
pub use revocations::{
    Acknowledge, CheckedAcknowledgement, CheckedLists, IssuerLists, ListNumber, Revocations,
    check_acknowledgement, check_revocations,
};
pub use row::{Change, Row};

/// A message is at most this many bytes long.
pub const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
/// A request or an answer speaks of at most this many licenses.
pub const MAX_ITEMS: usize = 1000;
/// Media type of a request.
pub const REQUEST_TYPE: &str = "application/vnd.keyferry.request+cose";
/// Media type of an answer, a problem included.
pub const ANSWER_TYPE: &str = "application/vnd.keyferry.answer+cbor";
/// Where a service takes requests, below the first URL of its card.
pub const MESSAGES_PATH: &str = "v1/messages";
/// Media type of a signed revocation list.
pub const REVOCATIONS_TYPE: &str = "application/vnd.keyferry.revocations+cose";
/// Media type of the answer to a posted revocation list.
pub const POSTED_TYPE: &str = "application/vnd.keyferry.posted+cbor";
/// Where a service takes revocation lists of issuers, below the first URL of its card.
pub const REVOCATIONS_PATH: &str = "v1/revocations";
