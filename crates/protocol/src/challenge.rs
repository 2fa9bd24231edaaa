//! Revocation without a service: an issuer's challenge, the computer's answer, and its word that it obeyed the list which
//! came of it (docs/protocol.md section 8.3). The list itself is a [`RevocationList`] with the answer's nonce.

use keyferry_license::{
    CARD_LIMIT, Card, CardKind, ComputerId, Digest, MAX_REVOCATIONS, Revocation, RevocationList, Sign1,
    SigningSecret, Thumbprint, Typ, Verified, VerifyingKey, decode_exact, encode, random, sign_document,
};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// A signed challenge is at most this many bytes long.
pub const CHALLENGE_LIMIT: usize = CARD_LIMIT + 256;
/// A signed answer to a challenge, and a signed acknowledgement of a list, is at most this many bytes long.
pub const CHALLENGE_ANSWER_LIMIT: usize = 1024;

/// Names a challenge: the SHA-256 of its bytes, signature included.
pub type ChallengeId = [u8; 32];

/// An issuer's question who a computer is and which list it obeyed last.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Challenge {
    /// The issuer's card, signed.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub card: Vec<u8>,
    /// Random.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub random: [u8; 16],
}

impl Challenge {
    /// A fresh one of this issuer.
    pub fn new(issuer: &Verified<Card>) -> Result<Self> {
        Ok(Self {
            card: issuer.as_bytes().to_vec(),
            random: random()?,
        })
    }

    /// Signs it with a key to sign of the issuer's card.
    pub fn sign(&self, key: &SigningSecret) -> Vec<u8> {
        sign_document(Typ::Challenge, &encode(self), key)
    }

    /// Names the challenge of these bytes.
    pub fn id(bytes: &[u8]) -> ChallengeId {
        Sha256::digest(bytes).into()
    }

    /// Decodes it and checks that the issuer whose card it holds signed it. `known` gives the card that is known of that
    /// issuer, if any, and refuses issuers; the newer of both cards counts, and is given back.
    pub fn verify<E: From<Error>>(
        bytes: &[u8],
        known: impl FnOnce(&Thumbprint) -> Result<Option<Verified<Card>>, E>,
    ) -> Result<Verified<Card>, E> {
        let (sign1, challenge) = read::<Self>(Typ::Challenge, bytes, CHALLENGE_LIMIT)?;
        let own = Card::verify(&challenge.card).map_err(Error::from)?;
        if own.kind != CardKind::Issuer {
            return Err(Error::Inconsistent("the card of a challenge has to be an issuer's").into());
        }
        let known = known(&own.thumbprint())?.filter(|known| known.serial > own.serial);
        let card = known.unwrap_or(own);
        if !card.signing_keys().any(|key| sign1.verify(&key).is_ok()) {
            return Err(bad_signature(Typ::Challenge).into());
        }
        Ok(card)
    }
}

/// A computer's answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChallengeAnswer {
    /// The challenge.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub challenge: ChallengeId,
    /// Whose it is.
    #[n(2)]
    pub issuer: Thumbprint,
    /// The computer's signing key, Ed25519.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub key: [u8; 32],
    /// Random; a list with it is for this computer alone.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// Number of the issuer's last list that the computer has obeyed; 0 for none.
    #[n(5)]
    pub since: u64,
}

impl ChallengeAnswer {
    /// The answer of the computer with this key, with a fresh nonce.
    pub fn new(challenge: ChallengeId, issuer: Thumbprint, since: u64, key: &SigningSecret) -> Result<Self> {
        Ok(Self {
            challenge,
            issuer,
            key: *key.public().as_bytes(),
            nonce: random()?,
            since,
        })
    }

    /// Signs it with the key that it names.
    pub fn sign(&self, key: &SigningSecret) -> Vec<u8> {
        sign_document(Typ::ChallengeAnswer, &encode(self), key)
    }

    /// Decodes it and checks that the computer which it names signed it.
    pub fn verify(bytes: &[u8]) -> Result<Self> {
        let (sign1, answer) = read::<Self>(Typ::ChallengeAnswer, bytes, CHALLENGE_ANSWER_LIMIT)?;
        signed_by(&sign1, answer.key, Typ::ChallengeAnswer)?;
        Ok(answer)
    }

    /// For the issuer: the same, and that it answers this challenge of this issuer.
    /// [`Error::OtherRequest`] when it answers another.
    pub fn of(bytes: &[u8], challenge: &[u8], issuer: &Thumbprint) -> Result<Self> {
        let answer = Self::verify(bytes)?;
        if (answer.challenge, answer.issuer) != (Challenge::id(challenge), *issuer) {
            return Err(Error::OtherRequest);
        }
        Ok(answer)
    }

    /// Who answered.
    pub fn computer(&self) -> Result<ComputerId> {
        Ok(VerifyingKey::from_bytes(self.key)?.thumbprint())
    }

    /// For the issuer: what this computer lacks, as one list to be signed for it. `lists`: the issuer's lists, at least
    /// those after [`since`](Self::since), in their order. As many as fit into one list; None where the computer lacks
    /// none.
    pub fn list(&self, lists: &[Verified<RevocationList>]) -> Result<Option<RevocationList>> {
        let mut number = self.since;
        let mut entries: Vec<Revocation> = Vec::new();
        for list in lists.iter().filter(|list| list.number > self.since) {
            if list.issuer != self.issuer || list.nonce.is_some() {
                return Err(Error::Inconsistent("a list is not of this issuer's own"));
            }
            if list.number - 1 != number {
                return Err(Error::Inconsistent("a revocation list is missing between two"));
            }
            let mut more = entries.clone();
            more.extend(
                list.entries
                    .iter()
                    .filter(|entry| !entries.contains(entry))
                    .cloned(),
            );
            if more.len() > MAX_REVOCATIONS {
                break;
            }
            (number, entries) = (list.number, more);
        }
        if entries.is_empty() {
            return Ok(None);
        }
        Ok(Some(RevocationList {
            issuer: self.issuer,
            number,
            nonce: Some(self.nonce),
            entries,
        }))
    }
}

/// A computer's word that what a list names was removed, durably.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ListAcknowledgement {
    /// Whose list.
    #[n(1)]
    pub issuer: Thumbprint,
    /// The computer's signing key, Ed25519.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub key: [u8; 32],
    /// The list's nonce.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// Its number.
    #[n(4)]
    pub number: u64,
    /// Its digest.
    #[n(5)]
    pub list: Digest,
}

impl ListAcknowledgement {
    /// What the computer that gave this answer says of the list that came of it. [`Error::OtherRequest`] when the list
    /// came of another answer, [`Error::Inconsistent`] when it says nothing that the computer lacks.
    pub fn of(list: &Verified<RevocationList>, answer: &ChallengeAnswer) -> Result<Self> {
        if (list.issuer, list.nonce) != (answer.issuer, Some(answer.nonce)) {
            return Err(Error::OtherRequest);
        }
        if list.number <= answer.since {
            return Err(Error::Inconsistent("the computer had obeyed this list before"));
        }
        Ok(Self {
            issuer: list.issuer,
            key: answer.key,
            nonce: answer.nonce,
            number: list.number,
            list: *list.digest(),
        })
    }

    /// Whose word it is.
    pub fn computer(&self) -> Result<ComputerId> {
        Ok(VerifyingKey::from_bytes(self.key)?.thumbprint())
    }

    /// Signs it with the key that it names.
    pub fn sign(&self, key: &SigningSecret) -> Vec<u8> {
        sign_document(Typ::ListAcknowledgement, &encode(self), key)
    }

    /// Decodes it and checks that the computer which it names signed it.
    pub fn verify(bytes: &[u8]) -> Result<Self> {
        let (sign1, word) = read::<Self>(Typ::ListAcknowledgement, bytes, CHALLENGE_ANSWER_LIMIT)?;
        if word.number == 0 {
            return Err(Error::Inconsistent("lists are numbered from 1"));
        }
        signed_by(&sign1, word.key, Typ::ListAcknowledgement)?;
        Ok(word)
    }

    /// For the issuer: did the computer that gave this answer obey this list? [`Error::OtherRequest`] when it is the word
    /// of another computer, or on another list.
    pub fn check(bytes: &[u8], list: &Verified<RevocationList>, answer: &ChallengeAnswer) -> Result<()> {
        if Self::verify(bytes)? != Self::of(list, answer)? {
            return Err(Error::OtherRequest);
        }
        Ok(())
    }
}

/// Takes a document apart within its bound; its signature is not checked.
fn read<'b, T: for<'d> Decode<'d, ()> + Encode<()>>(
    typ: Typ,
    bytes: &'b [u8],
    limit: usize,
) -> Result<(Sign1<'b>, T)> {
    let sign1 = Sign1::decode(typ, bytes, limit)?;
    let value = decode_exact(typ.name(), sign1.payload, limit)?;
    Ok((sign1, value))
}

fn signed_by(sign1: &Sign1<'_>, key: [u8; 32], typ: Typ) -> Result<()> {
    let key = VerifyingKey::from_bytes(key)?;
    sign1.verify(&key).map_err(|_| bad_signature(typ))
}

fn bad_signature(typ: Typ) -> Error {
    keyferry_license::Error::BadSignature { what: typ.name() }.into()
}
