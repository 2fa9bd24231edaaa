//! One batch for one service: verify the grants, ask, check the receipt and each key, store.

use std::collections::BTreeMap;

use keyferry_license::{Grant, SealedKey, Thumbprint, Unverified, Verified};
use keyferry_protocol::{Checked, CheckedItem, Item, Reason, Request, Restore, Verdict, check_answer, kind};
use keyferry_store::{Arrival, NewLicense, OutboxEntry, Receipt, Store};

use super::connect::{Link, Services, is_not_individualized, problem};
use super::failure_of;
use super::rows::Row;
use super::survey::Ground;
use super::told::Told;
use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::http::same_origin;
use crate::import::{arrived, outcome};
use crate::object::Operation;

/// The store's number for receipts of a restore.
const RESTORE_RECEIPT: u64 = 2;

/// A license whose grant was verified.
type Asked = (Verified<Grant>, SealedKey);

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
    // A second time only for licenses that were given back before: the first answer brings the newest receipt.
    for again in [true, false] {
        if asked.is_empty() {
            return Ok(());
        }
        match exchange(operation, store, ground, services, service, &asked) {
            Ok(checked) => asked = settle(operation, store, services, service, asked, checked, again, told)?,
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
) -> Result<Checked> {
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
    match first {
        Err(error) if is_not_individualized(&error) && store.consent(&service)?.is_some() => {
            services.individualize(operation, store, &base, &card)?;
            send(operation, store, ground, services, &base, &card, asked)
        }
        done => done,
    }
}

fn send(
    operation: &Operation<'_>,
    store: &Store,
    ground: &Ground,
    services: &Services,
    base: &str,
    card: &Verified<keyferry_license::Card>,
    asked: &[Asked],
) -> Result<Checked> {
    let service = card.thumbprint();
    let item = |(grant, escrow): &Asked| Item {
        grant: grant.as_bytes().to_vec(),
        escrow: *escrow,
    };
    let body = Restore::new(ground.enc(&service)?.clone(), asked.iter().map(item).collect());
    let last = services.last_receipt(store, &service)?;
    let request = Request::prepare(
        store.signing(),
        service,
        services.operation,
        last,
        kind::RESTORE,
        &body,
    )?;
    let one_time = request
        .one_time
        .ok_or_else(|| Error::Internal("a restore without a one-time key".into()))?;
    // It changes the ledger, so it is kept before it is sent.
    store.outbox_put(&OutboxEntry {
        request_id: request.id,
        operation: services.operation,
        service,
        bytes: request.bytes.clone(),
        one_time: one_time.clone(),
    })?;
    let answer = operation.send(base, &request.bytes)?;
    let grants: Vec<Verified<Grant>> = asked.iter().map(|(grant, _)| grant.clone()).collect();
    let checked = check_answer(&answer, &request.bytes, &grants, card, Some(&one_time))?;
    checked.map_err(|said| {
        // It was not judged, so nothing waits for an answer.
        let _ = store.outbox_remove(&request.id);
        problem(said)
    })
}

/// Stores what came and the receipt, in one transaction, and tells each outcome. Gives back what must be asked again.
#[allow(
    clippy::too_many_arguments,
    reason = "one straight step of a straight journey"
)]
fn settle(
    operation: &Operation<'_>,
    store: &Store,
    services: &mut Services,
    service: Thumbprint,
    asked: Vec<Asked>,
    checked: Checked,
    again: bool,
    told: &mut Told,
) -> Result<Vec<Asked>> {
    let mut repeat = Vec::new();
    let mut licenses = Vec::new();
    let mut granted = Vec::new();
    let mut refused = Vec::new();
    let Checked {
        receipt_bytes,
        receipt,
        items,
        newer_card,
    } = checked;
    for ((grant, escrow), item) in asked.into_iter().zip(items) {
        match item {
            CheckedItem::Granted {
                verdict,
                slot,
                of,
                key: Some(key),
            } => {
                granted.push(match verdict {
                    Verdict::Reissued => Outcome::Reissued { slot: (slot, of) },
                    _ => Outcome::Restored {
                        slot: Some((slot, of)),
                    },
                });
                licenses.push(NewLicense {
                    grant,
                    key,
                    arrival: Arrival::Receipt,
                });
            }
            CheckedItem::Refused(Reason::Released) if again => repeat.push((grant, escrow)),
            CheckedItem::Refused(reason) => refused.push((grant, failure(reason), None, Some(reason))),
            CheckedItem::WrongKey(error) => {
                let why = format!("the service delivered a wrong key: {error}");
                refused.push((grant, Failure::BadData, Some(why), None));
            }
            CheckedItem::Granted { key: None, .. } => {
                refused.push((
                    grant,
                    Failure::BadData,
                    Some("the service delivered no key".into()),
                    None,
                ));
            }
        }
    }
    let mut said: Vec<_> = licenses
        .iter()
        .map(|license| outcome(&license.grant, Outcome::AlreadyHere, None))
        .collect();
    let row = Receipt {
        request_id: receipt.request,
        service,
        kind: RESTORE_RECEIPT,
        time: receipt.time,
        bytes: receipt_bytes,
    };
    let inserted = store.settle(&row, &licenses)?;
    services.heard(&receipt);
    if let Some(card) = newer_card {
        store.put_card(&card)?;
        services.renew(&service, card);
    }
    for ((said, inserted), granted) in said.iter_mut().zip(inserted).zip(granted) {
        (said.outcome, said.why) = arrived(inserted, granted);
    }
    said.into_iter().for_each(|said| told.say(operation, said));
    for (grant, failure, why, reason) in refused {
        told.say(operation, outcome(&grant, Outcome::Failed(failure), why));
        let page = reason.and_then(|reason| receipt.pages.iter().find(|page| page.reason == reason));
        if let Some(page) = page
            && let Some(Link::Up { card, .. }) = services.link(&service)
            && same_origin(&page.url, card.urls.iter().map(|url| &**url))
        {
            told.page(operation, failure, page.url.to_string());
        }
    }
    Ok(repeat)
}

/// The service's reason as a failure of this side.
fn failure(reason: Reason) -> Failure {
    match reason {
        Reason::Limit => Failure::Limit,
        Reason::Revoked => Failure::Revoked,
        Reason::Released => Failure::Released,
        Reason::OtherService => Failure::OtherService,
        Reason::BadSignature | Reason::BadEscrow | Reason::Malformed => Failure::BackupCorrupt,
        Reason::NoBackupRight | Reason::UnknownIssuer | Reason::Twice => Failure::Refused,
    }
}
