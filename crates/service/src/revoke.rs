//! Revocation: issuers post lists, computers ask for them and say that they obeyed (docs/protocol.md sections 2.4, 2.5
//! and 8).

use keyferry_license::{Digest, REVOCATION_LIST_LIMIT, RevocationList};
use keyferry_protocol::{
    ListNumber, ListProblemCode, ListReceipt, Lists, MAX_ITEMS, Posted, ProblemCode, Request, RequestId,
};

use crate::error::{Error, Result};
use crate::ledger::{Acknowledged, ListPlace};
use crate::recovery::Moment;
use crate::service::{Judged, NotJudged, RETRY_AFTER, Service};

/// Bytes of lists and cards in one answer; what doesn't fit is asked for again.
const LISTS_BYTES: usize = 8 * 1024 * 1024;

impl Service {
    /// Takes an issuer's revocation list. `now` is the service's time (Unix seconds).
    pub fn take_list(&self, bytes: &[u8], now: u64) -> Posted {
        self.look(now);
        let problem = |code, why: &str, next| {
            tracing::info!(problem = ?code, "revocation list not taken: {why}");
            Posted::problem(code, why, next)
        };
        let list = match RevocationList::parse(bytes) {
            Ok(list) => list,
            Err(error) => return problem(ListProblemCode::Malformed, &error.to_string(), None),
        };
        if list.claim().nonce.is_some() {
            let why = "a list with a nonce is for one computer and for no service";
            return problem(ListProblemCode::Malformed, why, None);
        }
        let (issuer, number) = (list.claim().issuer, list.claim().number);
        let busy = |error: Error| {
            tracing::error!("revocation list not taken: {error}");
            let why = "the service can't use its ledger now; the same list may be posted again";
            Posted::busy(why, RETRY_AFTER)
        };
        let card = match self.issuer(&issuer, now) {
            Ok(Some(card)) => card,
            Ok(None) => {
                let why = format!("the issuer {issuer} is not registered at this service");
                return problem(ListProblemCode::UnknownIssuer, &why, None);
            }
            Err(error) => return busy(error),
        };
        let mut verified = list.verify_with(&card);
        if verified.is_err() {
            match self.newer_issuer(&card, now) {
                Ok(Some(newer)) => {
                    verified = RevocationList::parse(bytes).and_then(|list| list.verify_with(&newer));
                }
                Ok(None) => {}
                Err(error) => return busy(error),
            }
        }
        let list = match verified {
            Ok(list) => list,
            Err(error) => return problem(ListProblemCode::BadSignature, &error.to_string(), None),
        };
        match self.ledger.put_list(&list, now) {
            Ok(ListPlace::Taken(time)) => {
                tracing::info!(%issuer, number, entries = list.entries.len(), "revocation list taken");
                let receipt = ListReceipt {
                    service: self.card().thumbprint(),
                    issuer,
                    number,
                    list: *list.digest(),
                    time,
                };
                Posted {
                    receipt: Some(receipt.sign(self.keys().signing(now))),
                    problem: None,
                }
            }
            Ok(ListPlace::Gap(next)) => {
                let why = format!("list {number} can't be taken before list {next}, which is missing");
                problem(ListProblemCode::Gap, &why, Some(next))
            }
            Ok(ListPlace::Conflict(next)) => {
                let why = format!("another list has the number {number} already; the next number is {next}");
                problem(ListProblemCode::Conflict, &why, Some(next))
            }
            Err(error) => busy(error),
        }
    }

    /// The lists since the numbers that a computer names.
    pub(crate) fn tell_revocations(
        &self,
        id: RequestId,
        request: &Request,
        at: &Moment,
    ) -> Result<Judged, NotJudged> {
        let mut registered: Vec<ListNumber> = Vec::new();
        for asked in request.revocations_body()?.since {
            if self.issuer(&asked.issuer, at.now)?.is_some() {
                registered.push(asked);
            }
        }
        let issuers: Vec<_> = registered.iter().map(|known| known.issuer).collect();
        let newest = self.ledger.newest_lists(&issuers)?;
        let mut told = Lists {
            lists: Vec::new(),
            cards: Vec::new(),
        };
        let mut room = LISTS_BYTES;
        for (known, newest) in registered.iter().zip(&newest) {
            let Some(card) = self.issuers.get(&known.issuer).filter(|_| known.number < *newest) else {
                continue;
            };
            if room < card.as_bytes().len() + REVOCATION_LIST_LIMIT || told.lists.len() == MAX_ITEMS {
                break;
            }
            room -= card.as_bytes().len();
            told.cards.push(card.as_bytes().to_vec());
            for list in self.ledger.lists(*known, room)? {
                if told.lists.len() == MAX_ITEMS {
                    break;
                }
                room -= list.len();
                told.lists.push(list);
            }
        }
        let lists = told.lists.len();
        tracing::info!(request = %Digest(id), computer = %request.computer, lists, "revocations told");
        let number = |(issuer, number)| ListNumber { issuer, number };
        Ok(Judged {
            newest: Some(issuers.into_iter().zip(newest).map(number).collect()),
            lists: Some(told),
            ..Judged::default()
        })
    }

    /// A computer's word that it obeyed lists.
    pub(crate) fn take_acknowledgement(
        &self,
        id: RequestId,
        request: &Request,
        at: &Moment,
    ) -> Result<Judged, NotJudged> {
        let lists = request.acknowledge_body()?.lists;
        let said = Acknowledged {
            request: id,
            time: at.now,
        };
        let count = lists.len();
        if let Some(ListNumber { issuer, number }) = self.ledger.acknowledge(request.computer, said, lists)? {
            let message = format!("there is no list {number} of the issuer {issuer} to acknowledge");
            return Err(NotJudged::Problem(ProblemCode::BadRequest, message));
        }
        tracing::info!(request = %Digest(id), computer = %request.computer, lists = count, "acknowledged");
        Ok(Judged::default())
    }
}
