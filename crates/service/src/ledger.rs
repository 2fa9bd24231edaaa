//! The ledger: what the service remembers (docs/ledger.md). A trait, so that the same rules stand on any database:
//! SQLite, which is embedded, and PostgreSQL. A request, an escrow, a delivery or a content key is never handed to it.

mod numbers;
mod order;
mod place;
mod postgres;
mod revoking;
mod sqlite;
mod url;

use keyferry_license::{ComputerId, Digest, LicenseId, RevocationList, Thumbprint, Verified, VerifyingKey};
use keyferry_protocol::{ListNumber, OperationId, Reason, Recovery, RequestId, Row};
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::policy::{Asker, Case, Judgment, Return, Returned};

pub use order::row_key;
pub use postgres::PostgresLedger;
pub use sqlite::SqliteLedger;
pub use url::{LedgerFound, LedgerUrl, PostgresUrl};

/// 128 random bits: the address of a refusal page.
pub type PageId = [u8; 16];

/// What a license is called in the ledger.
pub type LicenseName = (Thumbprint, LicenseId);

/// Licenses that a refusal page names; of the others it says how many there are.
pub const LISTED_LICENSES: usize = 100;

/// A refusal page is kept for this long (seconds): 90 days.
pub const PAGE_LIFETIME: u64 = 90 * 24 * 60 * 60;

/// A computer that was individualized.
#[derive(Debug, Clone)]
pub struct Computer {
    /// Its ID.
    pub id: ComputerId,
    /// The key that signs its requests.
    pub key: VerifyingKey,
    /// Its newest card, signed.
    pub card: Vec<u8>,
    /// Serial of that card.
    pub serial: u64,
    /// Its name in that card.
    pub name: String,
    /// When it was individualized first (Unix seconds).
    pub since: u64,
}

/// A license that was refused, as its page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLicense {
    /// Who issued it.
    pub issuer: Thumbprint,
    /// Which.
    pub license: LicenseId,
    /// The computer it was issued to.
    pub origin: ComputerId,
    /// How many computers may hold it.
    pub limit: u32,
    /// What a person knows it by.
    pub title: String,
}

/// Licenses of one request that were refused for one reason.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Who was refused.
    pub computer: ComputerId,
    /// In which operation: all of its requests share the page.
    pub operation: OperationId,
    /// By which request.
    pub request: RequestId,
    /// Why.
    pub reason: Reason,
    /// How many licenses.
    pub licenses: u64,
    /// The first of them, [`LISTED_LICENSES`] at most.
    pub listed: Vec<RefusedLicense>,
    /// Service time (Unix seconds).
    pub now: u64,
}

/// What a refusal page speaks of.
#[derive(Debug, Clone)]
pub struct RefusalPage {
    /// Who was refused.
    pub computer: ComputerId,
    /// Why.
    pub reason: Reason,
    /// When first (Unix seconds).
    pub time: u64,
    /// How many licenses, listed or not.
    pub licenses: u64,
    /// The first of them.
    pub listed: Vec<RefusedLicense>,
}

/// What became of a revocation list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListPlace {
    /// It is here, and was taken first at this time (Unix seconds).
    Taken(u64),
    /// Its number is higher than the next one, which is this.
    Gap(u64),
    /// Another list has its number; the next one is this.
    Conflict(u64),
}

/// A computer's word that it obeyed a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The request that said so first.
    pub request: RequestId,
    /// Service time (Unix seconds).
    pub time: u64,
}

/// What became of a row that a receipt proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is here.
    Known,
    /// It was missing, and is here now.
    Made,
    /// Another row stands in its place, or the rows beside it don't fit: it is kept apart.
    Conflict,
}

/// How far a recovery has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Rows that were made again.
    pub rows: u64,
    /// Computers that have shown all they had.
    pub shown: u64,
    /// Computers that are known.
    pub computers: u64,
    /// Licenses of which a row is missing between others: they give no new slot.
    pub gaps: u64,
    /// Rows that are kept apart because they contradict others.
    pub conflicts: u64,
}

/// How the ledger knows a subject: by its SHA-256.
pub fn subject(subject: &str) -> Digest {
    Digest(Sha256::digest(subject.as_bytes()).into())
}

/// The service's memory (docs/ledger.md). Calls block; what they say is durable when they return.
pub trait Ledger: Send + Sync {
    /// Judges licenses and writes the rows that follow; the answers are in the order of `cases`. No license stands in
    /// `cases` twice. They come in the order of (issuer, license), so that two batches wait for each other in one
    /// direction only. What fails may have written some of the rows: the same request finds them.
    fn judge(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>>;

    /// Judges licenses as a restore would, and writes nothing.
    fn plan(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>>;

    /// Judges licenses that are given back and writes the rows that follow, as [`Ledger::judge`] does.
    fn release(&self, asker: Asker, items: Vec<Return>) -> Result<Vec<Returned>>;

    /// Takes an issuer's revocation list if it is the next one. From then on, what it names is revoked.
    fn put_list(&self, list: &Verified<RevocationList>, now: u64) -> Result<ListPlace>;

    /// Signed lists of this issuer after this number, by number: as many as fit into `bytes`.
    fn lists(&self, after: ListNumber, bytes: usize) -> Result<Vec<Vec<u8>>>;

    /// Number of the newest list of each of these issuers, 0 where there is none.
    fn newest_lists(&self, issuers: &[Thumbprint]) -> Result<Vec<u64>>;

    /// Remembers that a computer obeyed these lists. Gives the first that isn't here: then nothing is written.
    fn acknowledge(
        &self,
        computer: ComputerId,
        said: Acknowledged,
        lists: Vec<ListNumber>,
    ) -> Result<Option<ListNumber>>;

    /// Who obeyed this list, by computer.
    fn acknowledgements(&self, list: ListNumber) -> Result<Vec<(ComputerId, Acknowledged)>>;

    /// All rows of these licenses, by sequence number, in the order of `names`.
    fn rows(&self, names: &[LicenseName]) -> Result<Vec<Vec<Row>>>;

    /// Rows of all licenses, those after this license and number, in the order of [`row_key`]: at most so many.
    /// For whoever checks the ledger; nothing that answers a computer asks for them.
    fn walk(&self, after: (LicenseName, u64), most: usize) -> Result<Vec<Row>>;

    /// A computer, if it was individualized.
    fn computer(&self, id: &ComputerId) -> Result<Option<Computer>>;

    /// Remembers a computer. Of two cards the one with the higher serial stays, and the time of the first.
    fn register(&self, computer: Computer) -> Result<()>;

    /// Remembers an issuer's signed card, unless one of a higher serial is known.
    fn put_issuer(&self, root: Thumbprint, serial: u64, card: &[u8]) -> Result<()>;

    /// The signed cards of all issuers.
    fn issuers(&self) -> Result<Vec<Vec<u8>>>;

    /// Adds to the page of this computer, operation and reason, which is made if there is none; gives its address.
    fn refuse(&self, refusal: Refusal) -> Result<PageId>;

    /// A refusal page, unless it is too old.
    fn page(&self, id: &PageId, now: u64) -> Result<Option<RefusalPage>>;

    /// The newest recovery, whether it lasts or has ended.
    fn recovery(&self) -> Result<Option<Recovery>>;

    /// Starts a recovery: rows after `since` may be missing. Of one that lasts, the earlier of both times counts from now
    /// on, under the name that it has.
    fn start_recovery(&self, since: u64, now: u64) -> Result<Recovery>;

    /// Ends the recovery that lasts. Gives the newest, if there was one at all.
    fn end_recovery(&self, now: u64) -> Result<Option<Recovery>>;

    /// Writes rows that receipts prove, each where it belongs, as docs/protocol.md section 5.8 has it; each stands for
    /// itself. They SHOULD come in the order of (issuer, license, seq). `recovery` is when the recovery started.
    fn put_rows(&self, rows: Vec<Row>, recovery: u64) -> Result<Vec<Placed>>;

    /// Remembers that a computer has shown all it had to the recovery that started then.
    fn shown(&self, computer: ComputerId, recovery: u64) -> Result<()>;

    /// How far the recovery that started then has come.
    fn recovered(&self, recovery: u64) -> Result<Recovered>;

    /// Does it answer, and can it be written?
    fn ready(&self) -> Result<()>;
}
