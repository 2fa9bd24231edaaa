//! Recovery on PostgreSQL: when it is, rows that receipts prove, and what is kept apart.

use std::collections::BTreeSet;

use deadpool_postgres::{GenericClient, Object};
use keyferry_license::{ComputerId, LicenseId, Thumbprint, encode};
use keyferry_protocol::{Recovery, Row};
use uuid::Uuid;

use super::failure::Failure;
use super::rows::{add_again, by_name, uuid};
use super::{bytes32, signed, statements, unsigned};
use crate::ledger::place::place;
use crate::ledger::{LicenseName, Placed, Recovered};

/// How often rows are placed again because another process was faster.
const ROUNDS: usize = 16;

/// The newest recovery.
pub(super) async fn newest(client: &impl GenericClient) -> Result<Option<Recovery>, Failure> {
    let query = client.prepare_cached(statements::RECOVERY).await?;
    let Some(row) = client.query_opt(&query, &[]).await? else {
        return Ok(None);
    };
    let ended: Option<i64> = row.try_get(2)?;
    Ok(Some(Recovery {
        started: unsigned(row.try_get(0)?)?,
        since: unsigned(row.try_get(1)?)?,
        ended: ended.map(unsigned).transpose()?,
    }))
}

/// Starts one, or lets the one that lasts begin earlier.
pub(super) async fn start(client: &mut Object, since: u64, now: u64) -> Result<Recovery, Failure> {
    let t = client.transaction().await?;
    t.execute(statements::LOCK_RECOVERIES, &[]).await?;
    let recovery = match newest(&t).await? {
        Some(lasting) if lasting.lasts() => Recovery {
            since: lasting.since.min(since),
            ..lasting
        },
        before => Recovery {
            started: before.map_or(now, |before| now.max(before.started.saturating_add(1))),
            since,
            ended: None,
        },
    };
    let (started, since) = (signed(recovery.started)?, signed(recovery.since)?);
    t.execute(statements::START_RECOVERY, &[&started, &since]).await?;
    t.commit().await?;
    Ok(recovery)
}

/// Ends the one that lasts.
pub(super) async fn end(client: &mut Object, now: u64) -> Result<Option<Recovery>, Failure> {
    client.execute(statements::END_RECOVERY, &[&signed(now)?]).await?;
    newest(client).await
}

/// Writes each row where it belongs.
pub(super) async fn put(client: &mut Object, shown: &[Row], recovery: u64) -> Result<Vec<Placed>, Failure> {
    for _ in 0..ROUNDS {
        let t = client.transaction().await?;
        let names: BTreeSet<LicenseName> = shown.iter().map(|row| (row.issuer, row.license)).collect();
        let mut known = by_name(&t, names).await?;
        let mut placed = Vec::with_capacity(shown.len());
        for row in shown {
            let rows = known.entry((row.issuer, row.license)).or_default();
            let what = place(rows, row);
            if what == Placed::Made {
                let at = rows.partition_point(|known| known.seq < row.seq);
                rows.insert(at, row.clone());
            }
            placed.push(what);
        }
        let of = |what| {
            shown
                .iter()
                .zip(&placed)
                .filter(move |(_, placed)| **placed == what)
                .map(|(row, _)| row)
        };
        let made: Vec<&Row> = of(Placed::Made).collect();
        if add_again(&t, &made).await?.len() < made.len() {
            // Somebody else wrote one of them, or another in its place: from the start again.
            t.rollback().await?;
            continue;
        }
        note(&t, &made, recovery).await?;
        for row in of(Placed::Conflict) {
            let (hash, bytes) = (row.hash(), encode(row));
            let (issuer, hash) = (row.issuer.as_bytes().as_slice(), hash.as_bytes().as_slice());
            let (seq, started) = (signed(row.seq)?, signed(recovery)?);
            t.execute(
                statements::NOTE_CONFLICT,
                &[&uuid(&row.license), &issuer, &seq, &hash, &started, &bytes],
            )
            .await?;
        }
        t.commit().await?;
        return Ok(placed);
    }
    Err(Failure::Contended)
}

async fn note(client: &impl GenericClient, made: &[&Row], recovery: u64) -> Result<(), Failure> {
    let licenses: Vec<Uuid> = made.iter().map(|row| uuid(&row.license)).collect();
    let issuers: Vec<&[u8]> = made.iter().map(|row| row.issuer.as_bytes().as_slice()).collect();
    let seqs = made
        .iter()
        .map(|row| signed(row.seq))
        .collect::<Result<Vec<i64>, _>>()?;
    let started = signed(recovery)?;
    client
        .execute(
            statements::NOTE_RECOVERED,
            &[&licenses, &issuers, &seqs, &started],
        )
        .await?;
    Ok(())
}

/// A computer has shown everything.
pub(super) async fn shown(client: &mut Object, computer: ComputerId, recovery: u64) -> Result<(), Failure> {
    let started = signed(recovery)?;
    client
        .execute(statements::SHOWN, &[&started, &computer.as_bytes().as_slice()])
        .await?;
    Ok(())
}

/// Counts. Only licenses of which a row was made again can have a gap.
pub(super) async fn recovered(client: &mut Object, recovery: u64) -> Result<Recovered, Failure> {
    let counts = client
        .query_one(statements::RECOVERED, &[&signed(recovery)?])
        .await?;
    let count = |column: usize| unsigned(counts.try_get(column)?);
    let mut gaps = 0;
    let mut after: (Uuid, Vec<u8>) = (Uuid::nil(), Vec::new());
    loop {
        let remade = client.query(statements::REMADE, &[&after.0, &after.1]).await?;
        let Some(last) = remade.last() else { break };
        after = (last.try_get(0)?, last.try_get(1)?);
        let name = |row: &tokio_postgres::Row| {
            let license: Uuid = row.try_get(0)?;
            Ok::<_, Failure>((Thumbprint(bytes32(row, 1)?), LicenseId(license.into_bytes())))
        };
        let names = remade.iter().map(name).collect::<Result<_, _>>()?;
        let rows = by_name(client, names).await?;
        let has_gap = |rows: &&Vec<Row>| rows.last().is_some_and(|last| last.seq != rows.len() as u64);
        gaps += rows.values().filter(has_gap).count() as u64;
    }
    Ok(Recovered {
        rows: count(0)?,
        shown: count(1)?,
        computers: count(2)?,
        gaps,
        conflicts: count(3)?,
    })
}
