//! One batch for one service: verify the grants, ask, check the receipt and each key, store.

use std::collections::BTreeMap;

use keyferry_license::{Card, Grant, SealedKey, Thumbprint, Unverified, Verified};
use keyferry_protocol::{Checked, Item, Prepared, Request, Restore, check_answer, kind};
use keyferry_store::{OutboxEntry, Store};

use super::connect::{Link, Services, is_not_individualized, problem};
use super::failure_of;
use super::rows::Row;
use super::settle::settle;
use super::survey::Ground;
use super::told::Told;
use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::import::outcome;
use crate::object::Operation;

/// A license whose grant was verified, and its escrow.
pub(crate) type Asked = (Verified<Grant>, SealedKey);

/// Asks a service for up to a thousand licenses. What goes wrong with the service fails its own licenses only; what
/// goes wrong with the store ends the operation.
pub(crate) fn ask(
    operation: &Operation<'_>,
    store: &Store,
    ground: &Ground,
    services: &mut Services,
    service: Thumbprint,
    rows: Vec<Row>,
    told: &mut Told,
) -> Result<()> {
    let mut asked = verify(operation, ground, rows, told);
    if services.outgoing.is_some() {
        return write(operation, store, ground, services, service, &asked, told);
    }
    // A second time only for licenses that were given back before: the first answer brings the newest receipt.
    for again in [true, false] {
        if asked.is_empty() {
            return Ok(());
        }
        match exchange(operation, store, ground, services, service, &asked) {
            Ok((card, checked)) => {
                let receipt = checked.receipt.clone();
                let settled = settle(operation, store, &card, asked, checked, again, told)?;
                services.heard(&receipt);
                if let Some(card) = settled.newer_card {
                    services.renew(&service, card);
                }
                asked = settled.repeat;
            }
            Err(error @ (Error::Store(_) | Error::Canceled)) => return Err(error),
            Err(error) => {
                let (failure, why) = failure_of(&error);
                services.cut(&service, failure, why.clone());
                for (grant, _) in &asked {
                    told.say(
                        operation,
                        outcome(grant, Outcome::Failed(failure), Some(why.clone())),
                    );
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Verifies the grants, issuer by issuer; what does not verify is told and left out.
fn verify(operation: &Operation<'_>, ground: &Ground, rows: Vec<Row>, told: &mut Told) -> Vec<Asked> {
    let mut by_issuer: BTreeMap<Thumbprint, (Vec<Unverified<Grant>>, Vec<SealedKey>)> = BTreeMap::new();
    for row in rows {
        let (grants, escrows) = by_issuer.entry(row.grant.claim().issuer).or_default();
        escrows.push(row.escrow);
        grants.push(row.grant);
    }
    let mut asked = Vec::new();
    for (root, (grants, escrows)) in by_issuer {
        let claims: Vec<Grant> = grants.iter().map(|grant| grant.claim().clone()).collect();
        let Some(issuer) = ground.issuer(&root) else {
            continue;
        };
        let verified = Unverified::verify_batch(grants, issuer);
        for ((claim, escrow), grant) in claims.iter().zip(escrows).zip(verified) {
            match grant {
                Ok(grant) => asked.push((grant, escrow)),
                Err(error) => {
                    let failed = Outcome::Failed(Failure::BackupCorrupt);
                    told.say(operation, outcome(claim, failed, Some(error.to_string())));
                }
            }
        }
    }
    asked
}

/// Sends the request and checks the answer. A computer that the service has forgotten is individualized once more,
/// under the consent that was recorded.
fn exchange(
    operation: &Operation<'_>,
    store: &Store,
    ground: &Ground,
    services: &mut Services,
    service: Thumbprint,
    asked: &[Asked],
) -> Result<(Verified<Card>, Checked)> {
    let (base, card) = match services.link(&service) {
        Some(Link::Up { base, card }) => (base.clone(), (**card).clone()),
        _ => {
            let (failure, why) = services.failed(&service);
            return Err(Error::Link {
                failure,
                why: why.unwrap_or_else(|| "the service was not asked".into()),
            });
        }
    };
    let first = send(operation, store, ground, services, &base, &card, asked);
    let checked = match first {
        Err(error) if is_not_individualized(&error) && store.consent(&service)?.is_some() => {
            services.individualize(operation, store, &base, &card)?;
            send(operation, store, ground, services, &base, &card, asked)
        }
        done => done,
    };
    Ok((card, checked?))
}

/// Writes the request to the file that somebody will carry.
fn write(
    operation: &Operation<'_>,
    store: &Store,
    ground: &Ground,
    services: &mut Services,
    service: Thumbprint,
    asked: &[Asked],
    told: &mut Told,
) -> Result<()> {
    if asked.is_empty() {
        return Ok(());
    }
    let Some(Link::Up { card, .. }) = services.link(&service).cloned() else {
        let (failure, why) = services.failed(&service);
        for (grant, _) in asked {
            told.say(operation, outcome(grant, Outcome::Failed(failure), why.clone()));
        }
        return Ok(());
    };
    let request = prepare(store, ground, services, &service, asked)?;
    let id = services.operation;
    if let Some(outgoing) = &mut services.outgoing {
        outgoing.put(store, &card, id, kind::RESTORE, request)?;
    }
    for (grant, _) in asked {
        told.say(operation, outcome(grant, Outcome::AsksService, None));
    }
    Ok(())
}

fn prepare(
    store: &Store,
    ground: &Ground,
    services: &Services,
    service: &Thumbprint,
    asked: &[Asked],
) -> Result<Prepared> {
    let item = |(grant, escrow): &Asked| Item {
        grant: grant.as_bytes().to_vec(),
        escrow: *escrow,
    };
    let body = Restore::new(ground.enc(service)?.clone(), asked.iter().map(item).collect());
    let last = services.last_receipt(store, service)?;
    let operation = services.operation;
    Ok(Request::prepare(
        store.signing(),
        *service,
        operation,
        last,
        kind::RESTORE,
        &body,
    )?)
}

fn send(
    operation: &Operation<'_>,
    store: &Store,
    ground: &Ground,
    services: &Services,
    base: &str,
    card: &Verified<Card>,
    asked: &[Asked],
) -> Result<Checked> {
    let service = card.thumbprint();
    let request = prepare(store, ground, services, &service, asked)?;
    // It changes the ledger, so it is kept before it is sent.
    store.outbox_put(&OutboxEntry {
        request_id: request.id,
        operation: services.operation,
        service,
        kind: kind::RESTORE.into(),
        bytes: request.bytes.clone(),
        one_time: request.one_time.clone(),
    })?;
    let sent = operation.send(base, &request.bytes);
    let checked = sent.and_then(|answer| {
        let grants: Vec<Verified<Grant>> = asked.iter().map(|(grant, _)| grant.clone()).collect();
        let checked = check_answer(&answer, &request.bytes, &grants, card, request.one_time.as_ref())?;
        checked.map_err(problem)
    });
    if checked.is_err() {
        // No answer to it can come any more. What the service did all the same, it says to the next request.
        store.outbox_remove(&request.id)?;
    }
    checked
}
