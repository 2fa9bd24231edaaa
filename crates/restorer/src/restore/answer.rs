//! Answers that come by file: each is matched with its request in the outbox, checked like one that came by network,
//! and used once.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

use keyferry_license::armor::Blocks;
use keyferry_license::{Card, Grant, Thumbprint, Verified};
use keyferry_protocol::{
    ANSWER_LABEL, Answer, AnswerParcel, Restore, SignedRequest, check_answer, check_release, kind,
};
use keyferry_store::{LastReceipt, OutboxEntry, Store};

use super::batch::Asked;
use super::failure_of;
use super::problems::problem;
use super::settle::settle;
use super::told::Told;
use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::{IndividualizeStep, Outcome, Status};
use crate::import::outcome;
use crate::operation::Operation;
use crate::regular::open_regular;
use crate::release;
use crate::report::RestoreReport;
use crate::showing;

/// Takes the answers of a file.
pub(crate) fn run(operation: &Operation<'_>, path: &Path) -> Result<RestoreReport> {
    let unreadable = |why: String| Error::Unreadable {
        path: path.to_owned(),
        why,
    };
    let file = open_regular(path).map_err(|e| unreadable(e.to_string()))?;
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    let report = RestoreReport {
        path: path.to_owned(),
        ..RestoreReport::default()
    };
    let mut told = Told::new(report);
    operation.tell(Status::Begin);
    let mut answers = 0;
    for block in Blocks::new(ANSWER_LABEL, BufReader::new(file)) {
        operation.check_canceled()?;
        let parcel = AnswerParcel::decode(&block?)?;
        take(operation, &store, &parcel, &mut told)?;
        answers += 1;
    }
    if answers == 0 {
        return Err(unreadable("it holds no answer".into()));
    }
    Ok(told.close())
}

fn take(operation: &Operation<'_>, store: &Store, parcel: &AnswerParcel, told: &mut Told) -> Result<()> {
    let Some(entry) = store.outbox_entry(&parcel.request)? else {
        return Err(stranger(store, parcel));
    };
    let card = store.service_card(&entry.service)?;
    let card = card.ok_or(Error::NoServiceCard {
        service: entry.service,
    })?;
    let request = SignedRequest::decode(&entry.bytes)?;
    if &*request.claim().kind == kind::INDIVIDUALIZE {
        return certified(operation, store, &entry, parcel, &card);
    }
    if &*request.claim().kind == kind::RELEASE {
        return released(operation, store, &entry, parcel, &card, told);
    }
    if &*request.claim().kind == kind::RECEIPTS {
        return showing::answered(store, &entry, &parcel.answer, &card);
    }
    let body = request.claim().restore_body()?;
    let asked = asked(store, &body)?;
    let grants: Vec<Verified<Grant>> = asked.iter().map(|(grant, _)| grant.clone()).collect();
    let checked = check_answer(
        &parcel.answer,
        &entry.bytes,
        &grants,
        &card,
        entry.one_time.as_ref(),
    )
    .map_err(Error::from)
    .and_then(|checked| checked.map_err(problem));
    match checked {
        Ok(checked) => {
            let last = LastReceipt {
                request: checked.receipt.request,
                time: checked.receipt.time,
            };
            let service = checked.receipt.service;
            let settled = settle(operation, store, &card, asked, checked, false, told)?;
            debug_assert!(settled.repeat.is_empty());
            store.put_last_receipt(&service, &last)?;
        }
        Err(error) => {
            let (failure, why) = failure_of(&error);
            for (grant, _) in &asked {
                told.say(
                    operation,
                    outcome(grant, Outcome::Failed(failure), Some(why.clone())),
                );
            }
        }
    }
    Ok(())
}

/// The certificate of an individualization.
fn certified(
    operation: &Operation<'_>,
    store: &Store,
    entry: &OutboxEntry,
    parcel: &AnswerParcel,
    card: &Verified<Card>,
) -> Result<()> {
    operation.tell(Status::Individualize(IndividualizeStep::Begin));
    let checked = check_answer(&parcel.answer, &entry.bytes, &[], card, None)?.map_err(problem);
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            let hr = error.failure().hresult();
            operation.tell(Status::Individualize(IndividualizeStep::Fail(hr)));
            return Err(error);
        }
    };
    store.put_certificate(&entry.service, &checked.receipt_bytes)?;
    let last = LastReceipt {
        request: checked.receipt.request,
        time: checked.receipt.time,
    };
    store.put_last_receipt(&entry.service, &last)?;
    store.outbox_remove(&entry.request_id)?;
    operation.tell(Status::Individualize(IndividualizeStep::Succeed));
    Ok(())
}

/// Slots that were given back before this computer asked for anything.
fn released(
    operation: &Operation<'_>,
    store: &Store,
    entry: &OutboxEntry,
    parcel: &AnswerParcel,
    card: &Verified<Card>,
    told: &mut Told,
) -> Result<()> {
    let checked = check_release(&parcel.answer, &entry.bytes, card)?.map_err(problem)?;
    for said in release::settle(store, entry, &checked)? {
        told.report.news.given_back += u64::from(matches!(said.outcome, Outcome::Released { .. }));
        operation.events.beside(&said);
    }
    let last = LastReceipt {
        request: checked.receipt.request,
        time: checked.receipt.time,
    };
    Ok(store.put_last_receipt(&entry.service, &last)?)
}

/// The licenses of a request of ours: each grant is verified again, with its accepted issuer's card.
pub(crate) fn asked(store: &Store, body: &Restore) -> Result<Vec<Asked>> {
    let mut issuers: BTreeMap<Thumbprint, Verified<Card>> = BTreeMap::new();
    for root in store.accepted_roots()? {
        let card = store.issuer_card(&root.card.thumbprint())?.unwrap_or(root.card);
        issuers.insert(card.thumbprint(), card);
    }
    let mut asked = Vec::with_capacity(body.items.len());
    for item in &body.items {
        let grant = Grant::parse(&item.grant)?;
        let issuer = issuers.get(&grant.claim().issuer).ok_or(Error::Link {
            failure: Failure::IssuerNotAccepted,
            why: "the issuer of these licenses is not accepted any more".into(),
        })?;
        asked.push((grant.verify_with(issuer)?, item.escrow));
    }
    Ok(asked)
}

/// Why an answer fits no request that waits here.
fn stranger(store: &Store, parcel: &AnswerParcel) -> Error {
    let receipt = Answer::decode(&parcel.answer)
        .ok()
        .and_then(|answer| answer.receipt);
    let claim = receipt.and_then(|receipt| keyferry_protocol::Receipt::claimed_computer(&receipt).ok());
    match claim {
        Some(computer) if computer != store.id() => Error::OtherComputersAnswer {
            computer,
            own: store.id(),
        },
        _ => keyferry_store::Error::NotPending.into(),
    }
}
