//! Revocation without a service, on the computer's side: the answer to an issuer's challenge, and obedience to the list
//! that comes of it (docs/protocol.md section 8.3). Bytes come in and go out; who carries them is the application's affair.

use keyferry_license::{Card, ComputerId, LicenseId, RevocationList, Thumbprint, Verified};
use keyferry_protocol::{Challenge, ChallengeAnswer, ListAcknowledgement};
use keyferry_store::{OutboxEntry, Store};

use crate::contact::waiting;
use crate::error::{Error, Result};
use crate::object::Restorer;

/// In the outbox: an answer that waits for its list.
const ANSWER: &str = "challenge-answer";
/// In the outbox: the acknowledgement of that list.
const WORD: &str = "list-acknowledgement";

/// A revocation list that this computer has obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obeyed {
    /// The computer's signed word, for the issuer.
    pub acknowledgement: Vec<u8>,
    /// Issuer and ID of each license that was here and is gone now; none when the list had been obeyed before.
    pub removed: Vec<(Thumbprint, LicenseId)>,
}

impl Restorer {
    /// Answers an issuer's challenge: the signed answer, which is durable here before it is given back. The same challenge
    /// gets the same answer until its list was obeyed. `computer`: who is meant, if the caller says so.
    /// [`Error::OtherComputerNamed`] when it isn't this one, [`Error::IssuerNotAccepted`] when nobody accepted the issuer.
    pub fn answer_challenge(&self, challenge: &[u8], computer: Option<&ComputerId>) -> Result<Vec<u8>> {
        let store = self.open_store()?;
        let own = store.id();
        if let Some(named) = computer.filter(|named| **named != own) {
            return Err(Error::OtherComputerNamed { named: *named, own });
        }
        let card = Challenge::verify(challenge, |issuer| accepted(&store, issuer).map(Some))?;
        store.put_card(&card)?;
        let (issuer, id) = (card.thumbprint(), Challenge::id(challenge));
        if let Some((entry, answer)) = waiting_answer(&store, &issuer)?
            && answer.challenge == id
        {
            return Ok(entry.bytes);
        }
        let since = store.revocation_seen(&issuer)?;
        let answer = ChallengeAnswer::new(id, issuer, since, store.signing())?;
        let entry = entry(ANSWER, &issuer, answer.nonce, answer.sign(store.signing()));
        store.outbox_replace(&[ANSWER, WORD], &entry)?;
        Ok(entry.bytes)
    }

    /// Obeys the list that came of an answer: what it names is gone, durably, when this returns. A list that was obeyed
    /// gets the same acknowledgement again until its issuer's next challenge. [`Error::IssuerNotAccepted`] when nobody
    /// accepted the issuer; [`keyferry_protocol::Error::OtherRequest`] when the list answers nothing that waits here;
    /// [`Error::Busy`] and that of the store while another operation runs.
    pub fn obey_list(&self, list: &[u8]) -> Result<Obeyed> {
        let store = self.open_store()?;
        let _lock = store.operation_lock()?;
        let list = RevocationList::parse(list).map_err(keyferry_protocol::Error::from)?;
        let card = accepted(&store, &list.claim().issuer)?;
        let list = list.verify_with(&card).map_err(keyferry_protocol::Error::from)?;
        if let Some(acknowledgement) = acknowledged(&store, &list)? {
            return Ok(Obeyed {
                acknowledgement,
                removed: Vec::new(),
            });
        }
        let waiting = waiting_answer(&store, &list.issuer)?;
        let (entry, answer) = waiting.ok_or(keyferry_protocol::Error::OtherRequest)?;
        let word = ListAcknowledgement::of(&list, &answer)?;
        let word = self::entry(WORD, &list.issuer, answer.nonce, word.sign(store.signing()));
        let removed = store.revoke_answered(&list, &entry.request_id, &word, self.now())?;
        Ok(Obeyed {
            acknowledgement: word.bytes,
            removed,
        })
    }
}

/// The known card of an issuer that is accepted here.
fn accepted(store: &Store, issuer: &Thumbprint) -> Result<Verified<Card>> {
    let not_accepted = Error::IssuerNotAccepted { issuer: *issuer };
    if !store.is_accepted(issuer)? {
        return Err(not_accepted);
    }
    store.issuer_card(issuer)?.ok_or(not_accepted)
}

fn entry(kind: &str, issuer: &Thumbprint, nonce: [u8; 16], bytes: Vec<u8>) -> OutboxEntry {
    OutboxEntry {
        request_id: Challenge::id(&bytes),
        operation: nonce,
        service: *issuer,
        kind: kind.into(),
        bytes,
        one_time: None,
    }
}

/// What waits for a list of this issuer.
fn waiting_answer(store: &Store, issuer: &Thumbprint) -> Result<Option<(OutboxEntry, ChallengeAnswer)>> {
    for id in waiting(store, ANSWER, issuer)? {
        if let Some(entry) = store.outbox_entry(&id)? {
            let answer = ChallengeAnswer::verify(&entry.bytes)?;
            return Ok(Some((entry, answer)));
        }
    }
    Ok(None)
}

/// The acknowledgement of this list, if it was obeyed.
fn acknowledged(store: &Store, list: &Verified<RevocationList>) -> Result<Option<Vec<u8>>> {
    for id in waiting(store, WORD, &list.issuer)? {
        if let Some(entry) = store.outbox_entry(&id)?
            && ListAcknowledgement::verify(&entry.bytes)?.list == *list.digest()
        {
            return Ok(Some(entry.bytes));
        }
    }
    Ok(None)
}
