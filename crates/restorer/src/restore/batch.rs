//! One batch for one service: its grants are verified, and its request is made, to be sent or to travel by file.

use std::collections::BTreeMap;

use keyferry_license::{Grant, SealedKey, Thumbprint, Unverified, Verified};
use keyferry_protocol::{Item, Prepared, Request, Restore, kind};
use keyferry_store::Store;

use super::connect::{Link, Services};
use super::rows::Row;
use super::survey::Ground;
use super::told::Told;
use crate::code::Failure;
use crate::error::Result;
use crate::events::Outcome;
use crate::import::outcome;
use crate::operation::Operation;

/// A license whose grant was verified, and its escrow.
pub(crate) type Asked = (Verified<Grant>, SealedKey);

/// Verifies the grants, issuer by issuer; what does not verify is told and left out.
pub(crate) fn verify(
    operation: &Operation<'_>,
    ground: &Ground,
    rows: Vec<Row>,
    told: &mut Told,
) -> Vec<Asked> {
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

/// Writes the request to the file that somebody will carry.
pub(crate) fn write(
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

/// The request for these licenses, not yet kept or sent.
pub(crate) fn prepare(
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
