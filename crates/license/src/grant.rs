//! The grant: what an issuer signs about one license. It never changes.

use minicbor::{Decode, Encode};

use crate::card::{Card, CardKind};
use crate::cbor;
use crate::content_key::Commitment;
use crate::cose::{Typ, sign_document};
use crate::error::{Error, Result};
use crate::id::{ComputerId, KeyId, LicenseId, Thumbprint};
use crate::keys::{Randomness, SigningSecret};
use crate::right::Rights;
use crate::text::Text;
use crate::verified::{Unverified, Verified};

/// A signed grant is at most this many bytes long.
pub const GRANT_LIMIT: usize = 8 * 1024;
/// How many computers may hold a license of which the grant says nothing else.
pub const DEFAULT_COMPUTERS: u8 = 4;

/// Who may do what with which key (docs/license.md section 4).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// UUIDv7 given by the issuer; with `issuer` it names the license.
    #[n(1)]
    pub license: LicenseId,
    /// Thumbprint of the issuer's root.
    #[n(2)]
    pub issuer: Thumbprint,
    /// Thumbprint of the root of the service that decides about moves.
    #[n(3)]
    pub service: Thumbprint,
    /// The computer that it was issued to.
    #[n(4)]
    pub origin: ComputerId,
    /// Names the content key.
    #[n(5)]
    pub key_id: KeyId,
    /// The issuer's word for what it opens: `app`, `music`, …
    #[n(6)]
    pub kind: Text<64>,
    /// What may be done.
    #[n(7)]
    pub rights: Rights,
    /// How many computers may hold it, 1 to 4; 4 when absent. Only a service's operator may allow more.
    #[n(8)]
    pub computers: Option<u8>,
    /// Fixes the content key.
    #[n(9)]
    pub commitment: Commitment,
    /// What a person knows it by.
    #[n(10)]
    pub title: Text<1024>,
    /// Among licenses for one key ID, the highest is used first.
    #[n(11)]
    pub priority: u16,
    /// Whom the issuer gave it to, in the issuer's words; for revocation.
    #[n(12)]
    pub subject: Option<Text<256>>,
    /// License ID of the same issuer that this one depends on.
    #[n(13)]
    pub parent: Option<LicenseId>,
}

impl Grant {
    /// Signs it with a key of the issuer that it names.
    pub fn sign(&self, key: &SigningSecret) -> Result<Verified<Grant>> {
        self.check()?;
        let bytes = sign_document(Typ::Grant, &cbor::encode(self), key);
        // Signed a moment ago with this very key: checking it again would take longer than signing did.
        Ok(Grant::parse(&bytes)?.vouched())
    }

    /// Decodes a signed grant without checking who signed it.
    pub fn parse(bytes: &[u8]) -> Result<Unverified<Grant>> {
        Unverified::decode(Typ::Grant, bytes, GRANT_LIMIT, |payload| {
            let grant: Grant = cbor::decode_exact("grant", payload, GRANT_LIMIT)?;
            grant.check()?;
            Ok(grant)
        })
    }

    /// The limit of computers that the grant gives.
    pub fn computers(&self) -> u8 {
        self.computers.unwrap_or(DEFAULT_COMPUTERS)
    }

    fn check(&self) -> Result<()> {
        self.license.check()?;
        self.rights.check()?;
        if let Some(parent) = &self.parent {
            parent.check()?;
        }
        if self.computers.is_some_and(|n| n == 0 || n >= DEFAULT_COMPUTERS) {
            let why = format!(
                "from 1 to {}, and absent for {DEFAULT_COMPUTERS}",
                DEFAULT_COMPUTERS - 1
            );
            return Err(Error::OutOfRange {
                field: "limit of computers",
                why,
            });
        }
        Ok(())
    }
}

impl Unverified<Grant> {
    /// Checks the signature against the keys in its issuer's card, retired ones included.
    pub fn verify_with(self, issuer: &Verified<Card>) -> Result<Verified<Grant>> {
        names_issuer(&self, issuer)?;
        self.verify(issuer.signing_keys())
    }

    /// Checks many grants of one issuer at once, a third of the time of one by one; the answers are in the order
    /// of the grants, and the same as [`Unverified::verify_with`] gives.
    pub fn verify_batch(grants: &[Self], issuer: &Verified<Card>) -> Vec<Result<Verified<Grant>>> {
        let one_by_one = || {
            grants
                .iter()
                .map(|grant| grant.clone().verify_with(issuer))
                .collect()
        };
        let Some(key) = issuer.signing_keys().next() else {
            return one_by_one();
        };
        let mut batch = ed25519_zebra::batch::Verifier::new();
        let named = issuer.thumbprint();
        let fits = issuer.kind == CardKind::Issuer
            && grants.iter().all(|grant| {
                batch.queue(grant.batch_item(&key));
                grant.claim().issuer == named
            });
        let mut randomness = Randomness::new();
        if fits && batch.verify(&mut randomness).is_ok() && randomness.was_given().is_ok() {
            return grants.iter().map(|grant| Ok(grant.vouched())).collect();
        }
        one_by_one()
    }
}

fn names_issuer(grant: &Unverified<Grant>, issuer: &Verified<Card>) -> Result<()> {
    issuer.must_be(CardKind::Issuer)?;
    let (expected, found) = (issuer.thumbprint(), grant.claim().issuer);
    if expected == found {
        return Ok(());
    }
    Err(Error::OtherIssuer { expected, found })
}
