//! Requests: what a computer asks of a service (docs/protocol.md section 2).

use keyferry_license::{
    CARD_LIMIT, Card, ComputerId, Encapsulation, KemPublicKey, KemSecret, SealedKey, Sign1, SigningSecret,
    Suite, Text, Thumbprint, Typ, Verified, VerifyingKey, check_deterministic, decode_exact, encode, random,
    sign_document,
};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::MESSAGE_LIMIT;
use crate::error::{Error, Result};

/// SHA-256 of a request's bytes.
pub type RequestId = [u8; 32];
/// 16 random bytes, the same for all messages of one restore.
pub type OperationId = [u8; 16];

/// The kinds of requests that this version knows.
pub mod kind {
    /// Have this computer's keys certified.
    pub const INDIVIDUALIZE: &str = "individualize";
    /// How would a restore be judged? Nothing is written.
    pub const PLAN: &str = "plan";
    /// Give the licenses a slot and their keys.
    pub const RESTORE: &str = "restore";
    /// This computer gives its slots back.
    pub const RELEASE: &str = "release";
    /// What did these issuers revoke?
    pub const REVOCATIONS: &str = "revocations";
    /// This computer has obeyed these revocation lists.
    pub const ACKNOWLEDGE: &str = "acknowledge";
    /// What this service signed, shown to it after it has lost rows.
    pub const RECEIPTS: &str = "receipts";
}

/// The last receipt that the computer got from this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LastReceipt {
    /// The request that it answered.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub request: RequestId,
    /// Service time in it (Unix seconds).
    #[n(2)]
    pub time: u64,
}

/// A request as the computer signs it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// 16 random bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// The same for all messages of one operation.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub operation: OperationId,
    /// Root of the service that is asked.
    #[n(3)]
    pub service: Thumbprint,
    /// Who asks.
    #[n(4)]
    pub computer: ComputerId,
    /// What it last heard from this service.
    #[n(5)]
    pub last_receipt: Option<LastReceipt>,
    /// X-Wing public key, used for this answer only; present in a restore.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub one_time_key: Option<Vec<u8>>,
    /// See [`kind`].
    #[n(7)]
    pub kind: Text<64>,
    /// Deterministic CBOR of the kind's body.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

/// Body of `individualize`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Individualize {
    /// The computer's signed card.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub card: Vec<u8>,
    /// When the person agreed, by the computer's clock (Unix seconds).
    #[n(2)]
    pub consent: u64,
}

/// One license in a restore.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Item {
    /// The signed grant.
    #[cbor(
        n(0),
        encode_with = "minicbor::bytes::encode",
        decode_with = "crate::bounds::grant"
    )]
    pub grant: Vec<u8>,
    /// Its key, sealed for the service.
    #[n(1)]
    pub escrow: SealedKey,
}

/// Body of `restore` and `plan`: licenses of one backup whose keys one encapsulation opens.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Restore {
    /// How the keys are sealed.
    #[n(1)]
    pub suite: Suite,
    /// The encapsulation for this service.
    #[n(2)]
    pub enc: Encapsulation,
    /// 1 to 1,000 licenses, none twice.
    #[cbor(n(3), decode_with = "crate::bounds::items")]
    pub items: Vec<Item>,
    /// In a plan: judge as if this computer held nothing.
    #[n(4)]
    pub as_new: Option<bool>,
}

/// A signed request together with what its sender keeps until the answer comes.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// SHA-256 of `bytes`.
    pub id: RequestId,
    /// What is sent; the same bytes again are the same request.
    pub bytes: Vec<u8>,
    /// Opens the delivery; deleted with the answer.
    pub one_time: Option<KemSecret>,
}

impl Request {
    /// Makes and signs a request; a restore gets a one-time key.
    pub fn prepare<B: Encode<()>>(
        computer: &SigningSecret,
        service: Thumbprint,
        operation: OperationId,
        last_receipt: Option<LastReceipt>,
        kind: &str,
        body: &B,
    ) -> Result<Prepared> {
        let one_time = (kind == kind::RESTORE).then(KemSecret::generate).transpose()?;
        let one_time_key = one_time.as_ref().map(KemSecret::public).transpose()?;
        let request = Self {
            nonce: random()?,
            operation,
            service,
            computer: computer.public().thumbprint(),
            last_receipt,
            one_time_key: one_time_key.map(|key| key.as_bytes().to_vec()),
            kind: Text::new("kind of request", kind)?,
            body: encode(body),
        };
        let bytes = sign_document(Typ::Request, &encode(&request), computer);
        Ok(Prepared {
            id: request_id(&bytes),
            bytes,
            one_time,
        })
    }

    /// The body of `individualize`: the card, which must be the one of the computer that asks.
    pub fn individualize_body(&self) -> Result<(Individualize, Verified<Card>)> {
        let body: Individualize = decode_exact("request to individualize", &self.body, CARD_LIMIT + 64)?;
        let card = Card::verify(&body.card)?;
        if card.thumbprint() != self.computer || card.kind != keyferry_license::CardKind::Computer {
            return Err(Error::Mismatch {
                what: "request",
                field: "computer",
            });
        }
        Ok((body, card))
    }

    /// The body of `restore` or `plan`, its bounds checked.
    pub fn restore_body(&self) -> Result<Restore> {
        let body: Restore = decode_exact("request to restore", &self.body, MESSAGE_LIMIT)?;
        if body.items.is_empty() {
            return Err(Error::Inconsistent("it asks for no license"));
        }
        Ok(body)
    }

    /// The one-time key of a restore.
    pub fn one_time_key(&self) -> Result<KemPublicKey> {
        let missing = Error::Inconsistent("a restore without a one-time key");
        Ok(KemPublicKey::from_bytes(
            self.one_time_key.as_deref().ok_or(missing)?,
        )?)
    }
}

/// A request that was decoded and whose signature nobody has checked yet.
#[derive(Debug)]
pub struct SignedRequest<'b> {
    sign1: Sign1<'b>,
    request: Request,
    id: RequestId,
}

impl<'b> SignedRequest<'b> {
    /// Decodes within the bounds of a message.
    pub fn decode(bytes: &'b [u8]) -> Result<Self> {
        let sign1 = Sign1::decode(Typ::Request, bytes, MESSAGE_LIMIT)?;
        let request: Request = decode_exact("request", sign1.payload, MESSAGE_LIMIT)?;
        check_deterministic("body of the request", &request.body)?;
        Ok(Self {
            sign1,
            request,
            id: request_id(bytes),
        })
    }

    /// What it claims, to find the key to check it with.
    pub fn claim(&self) -> &Request {
        &self.request
    }

    pub(crate) fn into_claim(self) -> Request {
        self.request
    }

    /// SHA-256 of the bytes.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The request, if this key, whose thumbprint must be the computer's ID, signed it.
    pub fn verify(self, key: &VerifyingKey) -> Result<(RequestId, Request)> {
        if key.thumbprint() != self.request.computer {
            return Err(Error::Mismatch {
                what: "request",
                field: "computer",
            });
        }
        self.sign1.verify(key)?;
        Ok((self.id, self.request))
    }
}

fn request_id(bytes: &[u8]) -> RequestId {
    Sha256::digest(bytes).into()
}
