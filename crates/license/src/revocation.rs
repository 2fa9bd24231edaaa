//! The revocation list: what an issuer takes back, in its own signed words (docs/protocol.md section 8).

use std::collections::HashSet;

use minicbor::{Decode, Decoder, Encode};

use crate::card::{Card, CardKind};
use crate::cbor;
use crate::cose::{Typ, sign_document};
use crate::error::{Error, Result};
use crate::grant::Grant;
use crate::id::{KeyId, LicenseId, Thumbprint};
use crate::keys::SigningSecret;
use crate::text::Text;
use crate::verified::{Unverified, Verified};

/// A signed revocation list is at most this many bytes long.
pub const REVOCATION_LIST_LIMIT: usize = 512 * 1024;
/// A revocation list has at most this many entries.
pub const MAX_REVOCATIONS: usize = 1000;

/// What one entry takes back, of the licenses of the list's issuer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Revocation {
    /// One license.
    #[n(1)]
    License(#[n(0)] LicenseId),
    /// All licenses for a key ID, issued before or after.
    #[n(2)]
    KeyId(#[n(0)] KeyId),
    /// All licenses of a subject, issued before or after.
    #[n(3)]
    Subject(#[n(0)] Text<256>),
    /// All licenses of the issuer.
    #[n(4)]
    Everything,
}

impl Revocation {
    /// Does it take back this license? Whether the issuer is the same is [`RevocationList::revokes`]' question.
    fn names(&self, grant: &Grant) -> bool {
        match self {
            Revocation::License(license) => *license == grant.license,
            Revocation::KeyId(key_id) => *key_id == grant.key_id,
            Revocation::Subject(subject) => grant.subject.as_ref() == Some(subject),
            Revocation::Everything => true,
        }
    }
}

/// One list of an issuer. Lists only add: what was revoked stays so.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RevocationList {
    /// Thumbprint of the issuer's root. It revokes only its own licenses.
    #[n(1)]
    pub issuer: Thumbprint,
    /// 1, 2, 3, … for each issuer, without gaps.
    #[n(2)]
    pub number: u64,
    /// From a computer's answer to a challenge, where the list is for that computer alone (docs/protocol.md section 8.3).
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: Option<[u8; 16]>,
    /// 1 to 1,000, none twice.
    #[cbor(n(4), decode_with = "decode_entries")]
    pub entries: Vec<Revocation>,
}

impl RevocationList {
    /// Signs it with a key of the issuer that it names.
    pub fn sign(&self, key: &SigningSecret) -> Result<Verified<RevocationList>> {
        self.check()?;
        let bytes = sign_document(Typ::RevocationList, &cbor::encode(self), key);
        Self::parse(&bytes)?.verify(std::iter::once(key.public()))
    }

    /// Decodes a signed list without checking who signed it.
    pub fn parse(bytes: &[u8]) -> Result<Unverified<RevocationList>> {
        Unverified::decode(Typ::RevocationList, bytes, REVOCATION_LIST_LIMIT, |payload| {
            let list: Self = cbor::decode_exact("revocation list", payload, REVOCATION_LIST_LIMIT)?;
            list.check()?;
            Ok(list)
        })
    }

    /// Decodes a signed list and checks that this issuer signed it.
    pub fn verify(bytes: &[u8], issuer: &Verified<Card>) -> Result<Verified<RevocationList>> {
        Self::parse(bytes)?.verify_with(issuer)
    }

    /// Does it take back the license of this grant? Never one of another issuer.
    pub fn revokes(&self, grant: &Grant) -> bool {
        grant.issuer == self.issuer && self.entries.iter().any(|entry| entry.names(grant))
    }

    fn check(&self) -> Result<()> {
        let wrong = |why: &str| Error::OutOfRange {
            field: "revocation list",
            why: why.into(),
        };
        if self.number == 0 {
            return Err(wrong("numbers start at 1"));
        }
        if self.entries.is_empty() {
            return Err(wrong("it revokes nothing"));
        }
        cbor::bounded(ENTRIES, MAX_REVOCATIONS, self.entries.len() as u64)?;
        let mut seen = HashSet::with_capacity(self.entries.len());
        for entry in &self.entries {
            match entry {
                Revocation::License(license) => license.check()?,
                Revocation::Subject(subject) if subject.is_empty() => {
                    return Err(wrong("a subject is empty"));
                }
                _ => {}
            }
            if !seen.insert(entry) {
                return Err(wrong("an entry stands in it twice"));
            }
        }
        Ok(())
    }
}

impl Unverified<RevocationList> {
    /// Checks the signature against the keys in its issuer's card, retired ones included.
    pub fn verify_with(self, issuer: &Verified<Card>) -> Result<Verified<RevocationList>> {
        issuer.must_be(CardKind::Issuer)?;
        let (expected, found) = (issuer.thumbprint(), self.claim().issuer);
        if expected != found {
            return Err(Error::OutOfRange {
                field: "issuer of a revocation list",
                why: format!("it is {found}, not {expected}"),
            });
        }
        self.verify(issuer.signing_keys())
    }
}

const ENTRIES: &str = "number of entries of a revocation list";

fn decode_entries<'b, C>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<Revocation>, minicbor::decode::Error> {
    cbor::list(ENTRIES, MAX_REVOCATIONS, d, ctx)
}
