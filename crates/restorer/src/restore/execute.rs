//! The second reading: each license goes its way, a chunk at a time, one transaction a batch.

use std::collections::BTreeMap;

use keyferry_license::Thumbprint;
use keyferry_store::{Arrival, NewLicense, Store};

use super::batch::{Proven, Unproven};
use super::connect::Services;
use super::flights::Flights;
use super::rows::{CHUNK, Chunks, Row};
use super::source::Backup;
use super::survey::{Ground, Way, presences};
use super::told::Told;
use crate::code::Failure;
use crate::error::Result;
use crate::events::Outcome;
use crate::import::{arrived, outcome};
use crate::in_order::{Workers, in_order};
use crate::operation::Operation;

/// Threads that verify: one is faster than what stores and sends, and each holds batches in memory.
const PROVERS: usize = 2;

pub(crate) fn run(
    operation: &Operation<'_>,
    store: &Store,
    ground: &Ground,
    services: &mut Services,
    backup: &mut Backup,
    told: &mut Told,
    total: u64,
) -> Result<()> {
    for issuer in ground.issuers() {
        store.put_card(issuer)?;
    }
    for (_, card) in ground.services() {
        store.put_card(card)?;
    }
    let mut flights = Flights::new(operation, store, ground);
    let read = in_order(PROVERS, Unproven::prove, |provers| {
        read(&mut flights, provers, services, backup, told, total)
    });
    read.and(flights.give_up())
}

fn read(
    flights: &mut Flights<'_>,
    provers: &mut Workers<Unproven, Proven>,
    services: &mut Services,
    backup: &mut Backup,
    told: &mut Told,
    total: u64,
) -> Result<()> {
    let (operation, store, ground) = (flights.operation, flights.store, flights.ground);
    let mut waiting: BTreeMap<Thumbprint, Vec<Row>> = BTreeMap::new();
    let mut chunks = Chunks::new(backup.records()?, &ground.picker);
    while let Some(chunk) = chunks.next_chunk() {
        operation.check_canceled()?;
        operation.progress(told.report.counts.total, total);
        told.passed(chunk.passed, chunk.passed_documents);
        told.lost(chunk.lost, chunk.damage);
        told.lost_names(chunk.names);
        let kept = chunk.documents.keep(store, operation.now())?;
        told.documents(operation, kept.into_iter().chain(chunk.broken));
        let presences = presences(store, &chunk.rows)?;
        let mut returns = Vec::new();
        for (row, presence) in chunk.rows.into_iter().zip(presences) {
            match ground.way(&row, presence) {
                // A service that is asked anyway has a page about it.
                Way::Closed(Failure::Revoked) if services.is_up(&row.grant.claim().service) => {
                    let service = row.grant.claim().service;
                    waiting.entry(service).or_default().push(row);
                }
                Way::Here => told.say(operation, outcome(row.grant.claim(), Outcome::AlreadyHere, None)),
                Way::Return => returns.push(row),
                Way::Service(service) => waiting.entry(service).or_default().push(row),
                Way::Closed(failure) => {
                    told.say(
                        operation,
                        outcome(row.grant.claim(), Outcome::Failed(failure), None),
                    );
                }
            }
        }
        take_back(operation, store, ground, returns, told)?;
        for (service, rows) in &mut waiting {
            while rows.len() >= CHUNK {
                let rest = rows.split_off(CHUNK);
                let full = std::mem::replace(rows, rest);
                if let Some(proven) = provers.give(Unproven::new(*service, ground, full))? {
                    flights.ask(services, proven, told)?;
                }
            }
        }
    }
    for (service, rows) in waiting {
        operation.check_canceled()?;
        if !rows.is_empty()
            && let Some(proven) = provers.give(Unproven::new(service, ground, rows))?
        {
            flights.ask(services, proven, told)?;
        }
    }
    while let Some(proven) = provers.take()? {
        operation.check_canceled()?;
        flights.ask(services, proven, told)?;
    }
    flights.land_all(services, told)?;
    operation.progress(total, total);
    Ok(())
}

/// Licenses that this computer itself sealed for its return: no service is asked. The seal opens for the grant alone
/// that was verified when it was made.
pub(crate) fn take_back(
    operation: &Operation<'_>,
    store: &Store,
    ground: &Ground,
    rows: Vec<Row>,
    told: &mut Told,
) -> Result<()> {
    let Some(sealer) = ground.returning() else {
        return Ok(());
    };
    let mut licenses = Vec::with_capacity(rows.len());
    for row in rows {
        let claim = row.grant.claim().clone();
        let sealed = row.returning.unwrap_or(row.escrow);
        match sealer.open_own(row.grant, &sealed) {
            Ok((grant, key)) => licenses.push(NewLicense {
                grant,
                key,
                arrival: Arrival::Return,
            }),
            Err(error) => {
                let failed = Outcome::Failed(Failure::BackupCorrupt);
                told.say(operation, outcome(&claim, failed, Some(error.to_string())));
            }
        }
    }
    let mut said: Vec<_> = licenses
        .iter()
        .map(|license| outcome(&license.grant, Outcome::AlreadyHere, None))
        .collect();
    for (said, inserted) in said.iter_mut().zip(store.insert(&licenses)?) {
        (said.outcome, said.why) = arrived(inserted, Outcome::Restored { slot: None });
    }
    said.into_iter().for_each(|said| told.say(operation, said));
    Ok(())
}
