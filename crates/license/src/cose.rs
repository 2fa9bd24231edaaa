//! COSE_Sign1 (RFC 9052) as all signed documents use it: Ed25519, a typ, no unprotected header.

use sha2::{Digest as _, Sha256};

use crate::cbor;
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::keys::{SigningSecret, VerifyingKey};

/// What kind of document: the `typ` (RFC 9596) in the protected header, so that none passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Typ {
    /// A card of an issuer, a service or a computer.
    Card,
    /// A grant.
    Grant,
    /// A computer's request to a service.
    Request,
    /// A service's receipt.
    Receipt,
    /// The footer of a backup.
    Backup,
    /// What an issuer takes back.
    RevocationList,
    /// A service's word that it has a revocation list.
    ListReceipt,
    /// An issuer's question who a computer is, before it revokes without a service.
    Challenge,
    /// A computer's answer to it.
    ChallengeAnswer,
    /// A computer's word that it obeyed the list which came of it.
    ListAcknowledgement,
}

/// Ed25519 (RFC 9864).
const ALG: i64 = -19;
/// Longer protected headers are not looked into to say what is wrong with them.
const HEADER_LIMIT: usize = 1024;
impl Typ {
    /// All of them.
    pub const ALL: [Typ; 10] = [
        Typ::Card,
        Typ::Grant,
        Typ::Request,
        Typ::Receipt,
        Typ::Backup,
        Typ::RevocationList,
        Typ::ListReceipt,
        Typ::Challenge,
        Typ::ChallengeAnswer,
        Typ::ListAcknowledgement,
    ];

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Typ::Card => "application/vnd.keyferry.card+cose",
            Typ::Grant => "application/vnd.keyferry.grant+cose",
            Typ::Request => "application/vnd.keyferry.request+cose",
            Typ::Receipt => "application/vnd.keyferry.receipt+cose",
            Typ::Backup => "application/vnd.keyferry.backup+cose",
            Typ::RevocationList => "application/vnd.keyferry.revocations+cose",
            Typ::ListReceipt => "application/vnd.keyferry.list-receipt+cose",
            Typ::Challenge => "application/vnd.keyferry.challenge+cose",
            Typ::ChallengeAnswer => "application/vnd.keyferry.challenge-answer+cose",
            Typ::ListAcknowledgement => "application/vnd.keyferry.list-acknowledgement+cose",
        }
    }

    /// What an error calls it.
    pub fn name(self) -> &'static str {
        match self {
            Typ::Card => "card",
            Typ::Grant => "grant",
            Typ::Request => "request",
            Typ::Receipt => "receipt",
            Typ::Backup => "backup footer",
            Typ::RevocationList => "revocation list",
            Typ::ListReceipt => "receipt of a revocation list",
            Typ::Challenge => "challenge",
            Typ::ChallengeAnswer => "answer to a challenge",
            Typ::ListAcknowledgement => "acknowledgement of a revocation list",
        }
    }

    /// `{1: -19, 16: typ}`, deterministic: alg Ed25519 (RFC 9864) and typ.
    fn protected(self) -> Vec<u8> {
        let mut out = vec![0xa2, 0x01, 0x32, 0x10];
        let typ = self.media_type();
        debug_assert!(typ.len() >= 24 && typ.len() < 256);
        out.extend([0x78, typ.len() as u8]);
        out.extend(typ.as_bytes());
        out
    }
}

/// The parts of a COSE_Sign1 whose header was checked and whose signature was not.
#[derive(Debug, Clone)]
pub struct Sign1<'b> {
    typ: Typ,
    /// The payload: deterministic CBOR of its own.
    pub payload: &'b [u8],
    /// Ed25519 signature.
    pub signature: [u8; 64],
}

impl<'b> Sign1<'b> {
    /// Takes a tagged COSE_Sign1 of this typ and at most `limit` bytes apart. The payload's own rules are checked
    /// by whoever decodes it.
    pub fn decode(typ: Typ, bytes: &'b [u8], limit: usize) -> Result<Self> {
        let what = typ.name();
        if bytes.len() > limit {
            return Err(Error::TooLarge {
                what,
                limit,
                actual: bytes.len(),
            });
        }
        cbor::check_deterministic(what, bytes)?;
        let shape = |e: minicbor::decode::Error| Error::Malformed {
            what,
            at: e.position().unwrap_or(0),
            why: format!("not a COSE_Sign1: {e}"),
        };
        let malformed = |why: &str| Error::Malformed {
            what,
            at: 0,
            why: format!("not a COSE_Sign1: {why}"),
        };
        let mut d = minicbor::Decoder::new(bytes);
        if d.tag().map_err(shape)?.as_u64() != 18 {
            return Err(malformed("tag 18 is missing"));
        }
        if d.array().map_err(shape)? != Some(4) {
            return Err(malformed("not four parts"));
        }
        let protected = d.bytes().map_err(shape)?;
        if protected != typ.protected() {
            return Err(diagnose_header(typ, protected));
        }
        if d.map().map_err(shape)? != Some(0) {
            return Err(malformed("the unprotected header is not empty"));
        }
        let payload = d.bytes().map_err(shape)?;
        let signature = d.bytes().map_err(shape)?;
        let signature = signature
            .try_into()
            .map_err(|_| malformed("the signature is not 64 bytes long"))?;
        Ok(Self {
            typ,
            payload,
            signature,
        })
    }

    /// The Sig_structure of RFC 9052 section 4.4: the bytes that are signed.
    pub fn sig_structure(&self) -> Vec<u8> {
        sig_structure(self.typ, self.payload)
    }

    /// The whole document.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + 128);
        out.extend([0xd2, 0x84]);
        put_bytes(&mut out, &self.typ.protected());
        out.push(0xa0);
        put_bytes(&mut out, self.payload);
        put_bytes(&mut out, &self.signature);
        out
    }

    /// Verifies with one key, by the ZIP-215 rules.
    pub fn verify(&self, key: &VerifyingKey) -> Result<()> {
        key.verify(&self.sig_structure(), &self.signature)
            .map_err(|_| Error::BadSignature {
                what: self.typ.name(),
            })
    }
}

/// Digest of a Sig_structure.
pub(crate) fn digest_of(sig_structure: &[u8]) -> Digest {
    Digest(Sha256::digest(sig_structure).into())
}

/// Signs a payload and gives the whole document.
pub fn sign_document(typ: Typ, payload: &[u8], key: &SigningSecret) -> Vec<u8> {
    let signature = key.sign(&sig_structure(typ, payload));
    let document = Sign1 {
        typ,
        payload,
        signature,
    };
    document.encode()
}

fn sig_structure(typ: Typ, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 80);
    out.extend(b"\x84\x6aSignature1");
    put_bytes(&mut out, &typ.protected());
    put_bytes(&mut out, &[]);
    put_bytes(&mut out, payload);
    out
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Writing to a Vec can't fail.
    let _ = minicbor::Encoder::new(out).bytes(bytes);
}

/// Says in what way a protected header is not the expected one.
fn diagnose_header(expected: Typ, protected: &[u8]) -> Error {
    let what = expected.name();
    let wrong = |found: String| Error::WrongType {
        expected: what,
        found,
    };
    if let Some(found) = Typ::ALL.iter().find(|typ| typ.protected() == protected) {
        return wrong(format!("a {}", found.name()));
    }
    if protected.len() > HEADER_LIMIT {
        return Error::TooLarge {
            what: "the protected header",
            limit: HEADER_LIMIT,
            actual: protected.len(),
        };
    }
    if let Err(error) = cbor::check_deterministic(what, protected) {
        return error;
    }
    let header = Header::read(protected);
    match header {
        Header { critical: true, .. } => Error::UnknownCritical { what },
        Header { alg: None, .. } | Header { typ: None, .. } => {
            wrong("a document without alg and typ in its header".into())
        }
        Header { alg: Some(alg), .. } if alg != ALG => wrong(format!("a document signed by algorithm {alg}")),
        Header { typ: Some(typ), .. } if typ != expected.media_type() => {
            wrong(format!("a document of type {:?}", crate::printable(typ)))
        }
        _ => Error::UnknownField {
            what: "the protected header",
        },
    }
}

/// What an unexpected header holds, as far as an error can use it.
#[derive(Default)]
struct Header<'b> {
    alg: Option<i64>,
    typ: Option<&'b str>,
    critical: bool,
}

impl<'b> Header<'b> {
    fn read(protected: &'b [u8]) -> Self {
        let mut header = Self::default();
        let mut d = minicbor::Decoder::new(protected);
        for _ in 0..d.map().ok().flatten().unwrap_or(0) {
            // A label that is text is none of those looked for.
            let label = d.probe().i64().unwrap_or(0);
            if d.skip().is_err() {
                break;
            }
            match label {
                1 => header.alg = d.probe().i64().ok(),
                2 => header.critical = true,
                16 => header.typ = d.probe().str().ok(),
                _ => {}
            }
            if d.skip().is_err() {
                break;
            }
        }
        header
    }
}
