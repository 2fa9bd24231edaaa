//! One batch for one service: its grants are verified, and its request is made, to be sent or to travel by file.

use std::collections::BTreeMap;

use keyferry_license::{Card, Grant, SealedKey, Thumbprint, Unverified, Verified};
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

/// Licenses of one service whose signatures nobody has checked yet, by issuer.
pub(crate) struct Unproven {
    service: Thumbprint,
    issuers: Vec<OfIssuer>,
}

struct OfIssuer {
    card: Verified<Card>,
    grants: Vec<Unverified<Grant>>,
    escrows: Vec<SealedKey>,
}

/// The same after that.
pub(crate) struct Proven {
    pub(crate) service: Thumbprint,
    asked: Vec<Asked>,
    broken: Vec<(Unverified<Grant>, keyferry_license::Error)>,
}

impl Unproven {
    /// Those whose issuers are accepted.
    pub(crate) fn new(service: Thumbprint, ground: &Ground, rows: Vec<Row>) -> Self {
        let mut by_issuer: BTreeMap<Thumbprint, OfIssuer> = BTreeMap::new();
        for row in rows {
            let root = row.grant.claim().issuer;
            let Some(card) = ground.issuer(&root) else {
                continue;
            };
            let of_issuer = by_issuer.entry(root).or_insert_with(|| OfIssuer {
                card: card.clone(),
                grants: Vec::new(),
                escrows: Vec::new(),
            });
            of_issuer.grants.push(row.grant);
            of_issuer.escrows.push(row.escrow);
        }
        Self {
            service,
            issuers: by_issuer.into_values().collect(),
        }
    }

    /// Verifies the grants, issuer by issuer: a third of what a restore costs this computer.
    pub(crate) fn prove(self) -> Proven {
        let (mut asked, mut broken) = (Vec::new(), Vec::new());
        for OfIssuer {
            card,
            grants,
            escrows,
        } in self.issuers
        {
            let verified = Unverified::verify_batch(&grants, &card);
            for ((claimed, escrow), grant) in grants.into_iter().zip(escrows).zip(verified) {
                match grant {
                    Ok(grant) => asked.push((grant, escrow)),
                    Err(error) => broken.push((claimed, error)),
                }
            }
        }
        Proven {
            service: self.service,
            asked,
            broken,
        }
    }
}

impl Proven {
    /// Those that verify; the others are told and left out.
    pub(crate) fn asked(self, operation: &Operation<'_>, told: &mut Told) -> Vec<Asked> {
        for (claimed, error) in self.broken {
            let failed = Outcome::Failed(Failure::BackupCorrupt);
            told.say(
                operation,
                outcome(claimed.claim(), failed, Some(error.to_string())),
            );
        }
        self.asked
    }
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
