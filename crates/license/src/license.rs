//! The `.license` file: grants with their keys sealed for one computer, and the cards that are needed to check them.

use minicbor::{Decode, Decoder, Encode};

use crate::armor;
use crate::card::{CARD_LIMIT, Card, CardKind};
use crate::cbor;
use crate::content_key::ContentKey;
use crate::error::{Error, Result};
use crate::grant::{GRANT_LIMIT, Grant};
use crate::id::ComputerId;
use crate::seal::{Encapsulation, SealedKey, Sealer, Suite};
use crate::verified::{Unverified, Verified};

/// Licenses in one armored block; a file may hold any number of blocks.
pub const LICENSES_IN_A_BLOCK: usize = 1000;
/// A decoded block is at most this many bytes long: the longest cards and as many of the longest grants as it may hold.
pub const LICENSE_BLOCK_LIMIT: usize = LICENSES_IN_A_BLOCK * (GRANT_LIMIT + 64) + 2 * CARD_LIMIT + 4096;

/// One license of a block: a signed grant and its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LicenseItem {
    /// The signed grant.
    #[cbor(n(0), encode_with = "minicbor::bytes::encode", decode_with = "decode_grant")]
    pub grant: Vec<u8>,
    /// Its content key, sealed for delivery.
    #[n(1)]
    pub key: SealedKey,
}

/// One block of a `.license` file (docs/license.md section 7). Not signed as a whole: each part proves itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LicenseFile {
    /// Always 1.
    #[n(1)]
    pub version: u8,
    /// The computer that the keys are sealed for.
    #[n(2)]
    pub computer: ComputerId,
    /// The issuer's card, signed.
    #[cbor(n(3), encode_with = "minicbor::bytes::encode", decode_with = "decode_card")]
    pub issuer: Vec<u8>,
    /// The service's card, signed.
    #[cbor(n(4), encode_with = "minicbor::bytes::encode", decode_with = "decode_card")]
    pub service: Vec<u8>,
    /// How the keys are sealed.
    #[n(5)]
    pub suite: Suite,
    /// The one encapsulation of all keys here.
    #[n(6)]
    pub enc: Encapsulation,
    /// 1 to 1,000 licenses.
    #[cbor(n(7), decode_with = "decode_items")]
    pub items: Vec<LicenseItem>,
}

impl LicenseFile {
    /// Seals a batch of grants with their keys for a computer. Each grant MUST name the issuer and the service whose
    /// cards go along.
    pub fn seal(
        issuer: &Verified<Card>,
        service: &Verified<Card>,
        computer: &Verified<Card>,
        now: u64,
        licenses: &[(Verified<Grant>, ContentKey)],
    ) -> Result<Self> {
        issuer.must_be(CardKind::Issuer)?;
        service.must_be(CardKind::Service)?;
        computer.must_be(CardKind::Computer)?;
        let (enc, sealer) = Sealer::delivery(computer.seal_key(now)?)?;
        let seal = |(grant, key): &(Verified<Grant>, ContentKey)| {
            names(grant, issuer, service)?;
            Ok(LicenseItem {
                grant: grant.as_bytes().to_vec(),
                key: sealer.seal(grant, key)?,
            })
        };
        let file = Self {
            version: 1,
            computer: computer.thumbprint(),
            issuer: issuer.as_bytes().to_vec(),
            service: service.as_bytes().to_vec(),
            suite: Suite::XWingHkdfSha256,
            enc,
            items: licenses.iter().map(seal).collect::<Result<_>>()?,
        };
        file.check()?;
        Ok(file)
    }

    /// Decodes one block.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let file: Self = cbor::decode_exact("license file", bytes, LICENSE_BLOCK_LIMIT)?;
        file.check()?;
        Ok(file)
    }

    /// The bytes of one block.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// The block in PEM armor.
    pub fn to_armor(&self) -> Result<String> {
        armor::write(armor::LICENSE, &self.to_bytes())
    }

    /// Both cards, checked against their own roots.
    pub fn cards(&self) -> Result<(Verified<Card>, Verified<Card>)> {
        let (issuer, service) = (Card::verify(&self.issuer)?, Card::verify(&self.service)?);
        issuer.must_be(CardKind::Issuer)?;
        service.must_be(CardKind::Service)?;
        Ok((issuer, service))
    }

    /// Its grants, verified together and in their order: each is signed by this issuer and leaves moves to this
    /// service. One that isn't takes nothing from the others.
    pub fn grants(&self, issuer: &Verified<Card>, service: &Verified<Card>) -> Vec<Result<Verified<Grant>>> {
        let parsed = self.items.iter().map(|item| Grant::parse(&item.grant));
        let (mut good, mut faults) = (Vec::new(), Vec::new());
        for grant in parsed {
            match grant.and_then(|grant| names(grant.claim(), issuer, service).map(|()| grant)) {
                Ok(grant) => {
                    good.push(grant);
                    faults.push(None);
                }
                Err(fault) => faults.push(Some(fault)),
            }
        }
        let mut verified = Unverified::verify_batch(&good, issuer).into_iter();
        let answer = |fault: Option<Error>| match fault {
            Some(fault) => Some(Err(fault)),
            None => verified.next(),
        };
        faults.into_iter().filter_map(answer).collect()
    }

    fn check(&self) -> Result<()> {
        if self.version != 1 {
            let why = format!(
                "version {} is not known to this Keyferry; a newer one may read it",
                self.version
            );
            return Err(Error::OutOfRange {
                field: "license file",
                why,
            });
        }
        if self.items.is_empty() {
            return Err(Error::OutOfRange {
                field: "license file",
                why: "there is no license in the block".into(),
            });
        }
        if self.items.len() > LICENSES_IN_A_BLOCK {
            return Err(Error::TooLarge {
                what: "number of licenses in a block",
                limit: LICENSES_IN_A_BLOCK,
                actual: self.items.len(),
            });
        }
        Ok(())
    }
}

fn names(grant: &Grant, issuer: &Card, service: &Card) -> Result<()> {
    let expected = issuer.thumbprint();
    if grant.issuer != expected {
        let found = grant.issuer;
        return Err(Error::OtherIssuer { expected, found });
    }
    let expected = service.thumbprint();
    if grant.service != expected {
        let found = grant.service;
        return Err(Error::OtherService { expected, found });
    }
    Ok(())
}

fn decode_grant<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<u8>, minicbor::decode::Error> {
    cbor::bytes("grant", GRANT_LIMIT, d)
}

fn decode_card<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<u8>, minicbor::decode::Error> {
    cbor::bytes("card", CARD_LIMIT, d)
}

fn decode_items<'b, C>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<LicenseItem>, minicbor::decode::Error> {
    cbor::list("number of licenses in a block", LICENSES_IN_A_BLOCK, d, ctx)
}
