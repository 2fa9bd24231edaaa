//! The messages between a computer and a license management service: bytes in, values out, no I/O.
//!
//! A [`Request`] is signed by the computer, a [`Receipt`] by the service; the [`Answer`] carries the receipt and, for a
//! restore, the keys sealed for the request's one-time key. They travel by HTTP or by file alike. `docs/protocol.md`
//! is the normative text; the code cites its sections.

mod answer;
mod bounds;
mod check;
mod error;
mod receipt;
mod request;
mod row;

pub use answer::{Answer, Delivery, Problem, ProblemCode};
pub use check::{Checked, CheckedItem, check_answer};
pub use error::{Error, Result};
pub use receipt::{Entry, Page, Reason, Receipt, Verdict};
pub use request::{
    Individualize, Item, LastReceipt, OperationId, Prepared, Request, RequestId, Restore, SignedRequest, kind,
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
