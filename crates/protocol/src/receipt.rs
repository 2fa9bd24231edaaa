//! The receipt: the service's signed word on a request (docs/protocol.md section 3).

use keyferry_license::{
    Card, ComputerId, Digest, LicenseId, Sign1, SigningSecret, Text, Thumbprint, Typ, Verified, decode_exact,
    encode, sign_document,
};
use minicbor::{Decode, Encode};

use crate::MESSAGE_LIMIT;
use crate::error::Result;
use crate::recovery::Recovery;
use crate::request::{OperationId, RequestId};
use crate::revocations::ListNumber;

/// What was decided about a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Verdict {
    /// A slot was taken; the key is delivered.
    #[n(1)]
    Restored,
    /// The computer holds it already, nothing was taken; the key is delivered.
    #[n(2)]
    Reissued,
    /// A no; the reason says why.
    #[n(3)]
    Refused,
    /// Of a release: the computer no longer holds the slot.
    #[n(4)]
    Released,
    /// Of a release: the computer doesn't hold the license, or nothing in the request shows that it does.
    #[n(5)]
    NotHeld,
    /// Of a release: the request doesn't show that the computer knows its newest row. Nothing was changed; ask again
    /// with this receipt as the last one.
    #[n(6)]
    Stale,
}

impl Verdict {
    /// The word that JSON lines use.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Restored => "restored",
            Verdict::Reissued => "reissued",
            Verdict::Refused => "refused",
            Verdict::Released => "given-back",
            Verdict::NotHeld => "not-held",
            Verdict::Stale => "stale",
        }
    }
}

/// Why a license was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// The limit of computers is reached.
    #[n(1)]
    Limit,
    /// The issuer revoked it.
    #[n(2)]
    Revoked,
    /// This computer gave it back since; ask again with the newest receipt.
    #[n(3)]
    Released,
    /// The grant does not give the right Backup.
    #[n(4)]
    NoBackupRight,
    /// The service does not know the issuer.
    #[n(5)]
    UnknownIssuer,
    /// The grant names another service.
    #[n(6)]
    OtherService,
    /// The grant's signature does not verify.
    #[n(7)]
    BadSignature,
    /// The escrow does not open, or holds another key than the grant's.
    #[n(8)]
    BadEscrow,
    /// The grant can't be read.
    #[n(9)]
    Malformed,
    /// The license stands twice in the request.
    #[n(10)]
    Twice,
    /// The service was restored from a backup and can't know yet which slots are free.
    #[n(11)]
    Recovery,
}

impl Reason {
    /// The word that JSON lines and metrics use.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Limit => "limit",
            Reason::Revoked => "revoked",
            Reason::Released => "released",
            Reason::NoBackupRight => "no-backup-right",
            Reason::UnknownIssuer => "unknown-issuer",
            Reason::OtherService => "other-service",
            Reason::BadSignature => "bad-signature",
            Reason::BadEscrow => "bad-escrow",
            Reason::Malformed => "malformed",
            Reason::Twice => "twice",
            Reason::Recovery => "recovery",
        }
    }
}

/// The decision about one license. Entries stand in the order of the request's items.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// The issuer; zero where the grant can't be read.
    #[n(0)]
    pub issuer: Thumbprint,
    /// The license; zero where the grant can't be read.
    #[n(1)]
    pub license: LicenseId,
    /// Yes or no.
    #[n(2)]
    pub verdict: Verdict,
    /// With a no.
    #[n(3)]
    pub reason: Option<Reason>,
    /// With a yes: this computer's slot, from 1.
    #[n(4)]
    pub slot: Option<u32>,
    /// How many computers may hold it.
    #[n(5)]
    pub of: Option<u32>,
    /// Number of the ledger's row that gave the slot; absent while the origin holds slot 1 without a row.
    #[n(6)]
    pub seq: Option<u64>,
    /// Hash of the row before it; zero before the first.
    #[n(7)]
    pub previous: Option<Digest>,
    /// Hash of the row.
    #[n(8)]
    pub row: Option<Digest>,
}

/// Page that explains the refusals of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    /// Which refusals.
    #[n(0)]
    pub reason: Reason,
    /// Its address; it carries 128 random bits.
    #[n(1)]
    pub url: Text<1024>,
}

/// What a service signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// The request that it answers.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub request: RequestId,
    /// Its operation.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub operation: OperationId,
    /// Root of the service.
    #[n(3)]
    pub service: Thumbprint,
    /// Who asked.
    #[n(4)]
    pub computer: ComputerId,
    /// Service time (Unix seconds).
    #[n(5)]
    pub time: u64,
    /// Kind of the request.
    #[n(6)]
    pub kind: Text<64>,
    /// One for each license of a restore, a plan or a release, in its order.
    #[cbor(n(7), decode_with = "crate::bounds::items")]
    pub entries: Vec<Entry>,
    /// At most one for each reason.
    #[cbor(n(8), decode_with = "crate::bounds::items")]
    pub pages: Vec<Page>,
    /// Of an individualization: digest of the card that is certified. This receipt is the certificate.
    #[n(9)]
    pub card: Option<Digest>,
    /// Of a request for revocation lists: the newest number of each issuer that is registered, 0 where there is none.
    #[cbor(n(10), decode_with = "crate::bounds::optional_items")]
    pub newest: Option<Vec<ListNumber>>,
    /// Of a service whose ledger was restored from a backup.
    #[n(11)]
    pub recovery: Option<Recovery>,
}

impl Receipt {
    /// Signs it.
    pub fn sign(&self, key: &SigningSecret) -> Vec<u8> {
        sign_document(Typ::Receipt, &encode(self), key)
    }

    /// The computer that it says it is for, unverified: to tell a person whose it is.
    pub fn claimed_computer(bytes: &[u8]) -> Result<ComputerId> {
        let sign1 = Sign1::decode(Typ::Receipt, bytes, MESSAGE_LIMIT)?;
        let receipt: Self = decode_exact("receipt", sign1.payload, MESSAGE_LIMIT)?;
        Ok(receipt.computer)
    }

    /// Decodes it and checks that this service signed it.
    pub fn verify(bytes: &[u8], service: &Verified<Card>) -> Result<Self> {
        let sign1 = Sign1::decode(Typ::Receipt, bytes, MESSAGE_LIMIT)?;
        let receipt: Self = decode_exact("receipt", sign1.payload, MESSAGE_LIMIT)?;
        let mut verified = Err(keyferry_license::Error::BadSignature { what: "receipt" });
        for key in service.signing_keys() {
            verified = sign1.verify(&key);
            if verified.is_ok() {
                break;
            }
        }
        verified?;
        if receipt.service != service.thumbprint() {
            return Err(crate::Error::Mismatch {
                what: "receipt",
                field: "service",
            });
        }
        Ok(receipt)
    }
}
