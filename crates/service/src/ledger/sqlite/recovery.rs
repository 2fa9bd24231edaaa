//! Recovery in the SQLite ledger: when it is, rows that receipts prove, and what is kept apart.

use keyferry_license::ComputerId;
use keyferry_protocol::{Recovery, Row};
use rusqlite::{OptionalExtension, Transaction, params};

use super::super::place::place;
use super::super::{Placed, Recovered};
use super::Failure;
use super::rows::Rows;

/// The newest recovery.
pub(super) fn newest(t: &Transaction<'_>) -> Result<Option<Recovery>, Failure> {
    let query = "SELECT started, since, ended FROM recoveries ORDER BY started DESC LIMIT 1";
    let newest = t.prepare_cached(query)?.query_row([], |row| {
        Ok(Recovery {
            started: row.get(0)?,
            since: row.get(1)?,
            ended: row.get(2)?,
        })
    });
    Ok(newest.optional()?)
}

/// Starts one, or lets the one that lasts begin earlier.
pub(super) fn start(t: &Transaction<'_>, since: u64, now: u64) -> Result<Recovery, Failure> {
    let recovery = match newest(t)? {
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
    let statement = "INSERT INTO recoveries (started, since) VALUES (?1, ?2)
        ON CONFLICT (started) DO UPDATE SET since = excluded.since";
    t.prepare_cached(statement)?
        .execute(params![recovery.started, recovery.since])?;
    Ok(recovery)
}

/// Ends the one that lasts.
pub(super) fn end(t: &Transaction<'_>, now: u64) -> Result<Option<Recovery>, Failure> {
    t.execute(
        "UPDATE recoveries SET ended = max(?1, started) WHERE ended IS NULL",
        [now],
    )?;
    newest(t)
}

/// Writes each row where it belongs.
pub(super) fn put(t: &Transaction<'_>, shown: &[Row], recovery: u64) -> Result<Vec<Placed>, Failure> {
    let mut rows = Rows::of(t)?;
    let put_one = |row: &Row| {
        let placed = place(&rows.read(&(row.issuer, row.license))?, row);
        let (issuer, license) = (row.issuer.as_bytes(), row.license.as_bytes());
        match placed {
            Placed::Known => {}
            Placed::Made => {
                rows.add(row)?;
                let note = "INSERT INTO recovered (issuer, license, seq, started) VALUES (?1, ?2, ?3, ?4)";
                t.prepare_cached(note)?
                    .execute(params![issuer, license, row.seq, recovery])?;
            }
            Placed::Conflict => {
                let note = "INSERT OR IGNORE INTO conflicts (issuer, license, seq, hash, started, row)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let (hash, bytes) = (row.hash(), keyferry_license::encode(row));
                let values = params![issuer, license, row.seq, hash.as_bytes(), recovery, bytes];
                t.prepare_cached(note)?.execute(values)?;
            }
        }
        Ok(placed)
    };
    shown.iter().map(put_one).collect()
}

/// A computer has shown everything.
pub(super) fn shown(t: &Transaction<'_>, computer: ComputerId, recovery: u64) -> Result<(), Failure> {
    let statement = "INSERT OR IGNORE INTO shown (started, computer) VALUES (?1, ?2)";
    t.prepare_cached(statement)?
        .execute(params![recovery, computer.as_bytes()])?;
    Ok(())
}

/// Counts. Only licenses of which a row was made again can have a gap.
pub(super) fn recovered(t: &Transaction<'_>, recovery: u64) -> Result<Recovered, Failure> {
    let of_recovery = |query: &str| t.query_row(query, [recovery], |row| row.get(0));
    let gaps = "SELECT count(*) FROM (SELECT DISTINCT issuer, license FROM recovered) AS r WHERE
        (SELECT max(seq) - count(*) FROM license_rows AS l WHERE l.issuer = r.issuer AND l.license = r.license) > 0";
    Ok(Recovered {
        rows: of_recovery("SELECT count(*) FROM recovered WHERE started = ?1")?,
        shown: of_recovery("SELECT count(*) FROM shown WHERE started = ?1")?,
        computers: t.query_row("SELECT count(*) FROM computers", [], |row| row.get(0))?,
        gaps: t.query_row(gaps, [], |row| row.get(0))?,
        conflicts: t.query_row("SELECT count(*) FROM conflicts", [], |row| row.get(0))?,
    })
}
