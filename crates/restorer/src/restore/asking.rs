//! What services would say: a restore's questions, asked as plans. Nothing is spent by them, and nothing is kept here.

use std::collections::BTreeMap;

use keyferry_license::{Card, Grant, Thumbprint, Verified};
use keyferry_protocol::{
    CheckedItem, Item, LastReceipt, OperationId, Request, Restore, Verdict, check_answer, kind,
};
use keyferry_store::Store;

use super::batch::{Asked, Unproven};
use super::connect::newest_card;
use super::failure_of;
use super::problems::problem;
use super::rows::Row;
use super::settle::failure;
use super::survey::Ground;
use super::told::Told;
use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::import;
use crate::operation::Operation;
use crate::report::Unasked;

/// Why a service doesn't say anything.
pub(crate) type Silence = (Failure, String);
/// What would become of a license, and more about it.
pub(crate) type Said = (Outcome, Option<String>);
/// A service that answers: where it is, and its newest card.
type Line = Result<(String, Box<Verified<Card>>), Silence>;

/// Services that are asked for their plans.
pub(crate) struct Asking<'a> {
    operation: &'a Operation<'a>,
    store: &'a Store,
    ground: &'a Ground,
    id: OperationId,
    /// Judge as if this computer held nothing?
    as_new: bool,
    lines: BTreeMap<Thumbprint, Line>,
}

impl<'a> Asking<'a> {
    /// Fetches the cards of these services. One that can't be reached is known to be so, and is not asked again.
    pub(crate) fn connect(
        operation: &'a Operation<'a>,
        store: &'a Store,
        ground: &'a Ground,
        ask: &[Thumbprint],
        as_new: bool,
    ) -> Result<Self> {
        let mut lines = BTreeMap::new();
        for root in ask {
            operation.check_canceled()?;
            if store.certificate(root)?.is_none() {
                let why = "this computer is not individualized there".into();
                lines.insert(*root, Err((Failure::NeedsIndividualization, why)));
                continue;
            }
            let known = ground.service(root)?;
            let base = known.urls.first().map(|url| url.to_string()).unwrap_or_default();
            let line = match newest_card(operation, &base, root) {
                Ok(card) => Ok((base, Box::new(card))),
                Err(error) => Err(Self::silence(error)?),
            };
            lines.insert(*root, line);
        }
        Ok(Self {
            operation,
            store,
            ground,
            id: keyferry_license::random()?,
            as_new,
            lines,
        })
    }

    /// What the service would do with each of these licenses, in their order; else why it doesn't say.
    pub(crate) fn verdicts(
        &mut self,
        service: &Thumbprint,
        asked: &[Asked],
    ) -> Result<Result<Vec<Said>, Silence>> {
        let (base, card) = match self.lines.get(service) {
            Some(Ok(line)) => line.clone(),
            Some(Err(broken)) => return Ok(Err(broken.clone())),
            None => {
                return Ok(Err((
                    Failure::NeedsIndividualization,
                    "nobody agreed to ask it".into(),
                )));
            }
        };
        match self.ask(service, &base, &card, asked) {
            Ok(verdicts) => Ok(Ok(verdicts)),
            Err(error) => {
                let broken = Self::silence(error)?;
                self.lines.insert(*service, Err(broken.clone()));
                Ok(Err(broken))
            }
        }
    }

    /// These are not asked any more.
    pub(crate) fn give_up(&mut self, silent: Vec<(Thumbprint, Silence)>) {
        for (root, silence) in silent {
            self.lines.insert(root, Err(silence));
        }
    }

    /// What concerns one service only; what ends the operation stays an error.
    pub(crate) fn silence(error: Error) -> Result<Silence> {
        match error {
            Error::Store(_) | Error::Canceled => Err(error),
            error => Ok(failure_of(&error)),
        }
    }

    /// Services that did not answer.
    pub(crate) fn unasked(&self) -> Vec<Unasked> {
        let silent = self.lines.iter().filter_map(|(root, line)| {
            let (failure, why) = line.as_ref().err()?;
            let card = self.ground.service(root).ok();
            Some(Unasked {
                name: card.map(|card| card.name.shown()).unwrap_or_default(),
                thumbprint: *root,
                failure: *failure,
                why: why.clone(),
            })
        });
        silent.collect()
    }

    fn ask(
        &self,
        service: &Thumbprint,
        base: &str,
        card: &Verified<Card>,
        asked: &[Asked],
    ) -> Result<Vec<Said>> {
        let item = |(grant, escrow): &Asked| Item {
            grant: grant.as_bytes().to_vec(),
            escrow: *escrow,
        };
        let mut body = Restore::new(
            self.ground.enc(service)?.clone(),
            asked.iter().map(item).collect(),
        );
        body.as_new = self.as_new.then_some(true);
        let last = self.store.last_receipt(service)?.map(|last| LastReceipt {
            request: last.request,
            time: last.time,
        });
        let request = Request::prepare(self.store.signing(), *service, self.id, last, kind::PLAN, &body)?;
        let answer = self.operation.send(base, &request.bytes)?;
        let grants: Vec<Verified<Grant>> = asked.iter().map(|(grant, _)| grant.clone()).collect();
        let checked = check_answer(&answer, &request.bytes, &grants, card, None)?.map_err(problem)?;
        Ok(checked.items.into_iter().map(outcome).collect())
    }
}

/// Asks for these licenses, and tells what would become of each. Where the service says nothing, a strict account has its
/// licenses fail; else they are told to be asked for when it comes to it.
pub(crate) fn ask_plan(
    operation: &Operation<'_>,
    ground: &Ground,
    asking: &mut Asking<'_>,
    service: &Thumbprint,
    rows: Vec<Row>,
    told: &mut Told,
) -> Result<()> {
    let asked = Unproven::new(*service, ground, rows)
        .prove()
        .asked(operation, told);
    if asked.is_empty() {
        return Ok(());
    }
    let verdicts = match asking.verdicts(service, &asked)? {
        Ok(verdicts) => verdicts,
        // Nothing more is to be said of who does not know this computer.
        Err((failure @ Failure::NeedsIndividualization, _)) if told.is_strict() => {
            vec![(Outcome::Failed(failure), None); asked.len()]
        }
        Err((failure, why)) if told.is_strict() => vec![(Outcome::Failed(failure), Some(why)); asked.len()],
        Err(_) => vec![(Outcome::AsksService, None); asked.len()],
    };
    for ((grant, _), (verdict, why)) in asked.iter().zip(verdicts) {
        told.say(operation, import::outcome(grant, verdict, why));
    }
    Ok(())
}

fn outcome(item: CheckedItem) -> Said {
    match item {
        CheckedItem::Granted {
            verdict: Verdict::Reissued,
            slot,
            of,
            ..
        } => (Outcome::Reissued { slot: (slot, of) }, None),
        CheckedItem::Granted { slot, of, .. } => (
            Outcome::Restored {
                slot: Some((slot, of)),
            },
            None,
        ),
        CheckedItem::Refused(reason) => (Outcome::Failed(failure(reason)), None),
        CheckedItem::WrongKey(error) => (Outcome::Failed(Failure::BadData), Some(error.to_string())),
    }
}
