//! Statements over cards, the outbox, receipts, to whom they were shown, and backups that were proven.

use std::path::Path;

use keyferry_license::Thumbprint;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{failed, int, uint};
use crate::error::{Error, Result};

/// A request that waits for its answer, as it lies there.
pub struct OutboxRow {
    pub request: [u8; 32],
    pub operation: [u8; 16],
    pub service: [u8; 32],
    pub kind: String,
    pub bytes: Vec<u8>,
    pub one_time: Vec<u8>,
}

/// The names of a request that waits.
pub struct PendingRow {
    pub request: [u8; 32],
    pub operation: [u8; 16],
    pub service: [u8; 32],
    pub kind: String,
}

/// A receipt, as it lies there.
pub struct ReceiptRow {
    pub request: [u8; 32],
    pub service: [u8; 32],
    pub kind: String,
    pub time: u64,
    pub bytes: Vec<u8>,
}

/// Keeps a card unless one of the same or a higher serial is here; says whether it was kept.
pub fn put_card(
    db: &Connection,
    path: &Path,
    root: &Thumbprint,
    kind: u8,
    serial: u64,
    bytes: &[u8],
) -> Result<bool> {
    let sql = "INSERT INTO card (root, kind, serial, bytes) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET kind = excluded.kind, serial = excluded.serial, bytes = excluded.bytes
        WHERE excluded.serial > card.serial";
    let values = params![root.0, kind, int(serial), bytes];
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(|rows| rows == 1).map_err(failed(path))
}

/// The card under a root.
pub fn card(db: &Connection, path: &Path, root: &Thumbprint) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT bytes FROM card WHERE root = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([root.0], |row| row.get(0)).optional());
    found.map_err(failed(path))
}

/// All cards of a kind, by root.
pub fn cards(db: &Connection, path: &Path, kind: u8) -> Result<Vec<Vec<u8>>> {
    let sql = "SELECT bytes FROM card WHERE kind = ?1 ORDER BY root";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([kind], |row| row.get(0))?.collect());
    found.map_err(failed(path))
}

/// Adds a request to the outbox; the same one again changes nothing.
pub fn put_outbox(db: &Connection, path: &Path, row: &OutboxRow) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO outbox (request, operation, service, kind, bytes, one_time)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![
        row.request,
        row.operation,
        row.service,
        row.kind,
        row.bytes,
        row.one_time
    ];
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(drop).map_err(failed(path))
}

/// What waits, the oldest first.
pub fn outbox(db: &Connection, path: &Path) -> Result<Vec<OutboxRow>> {
    let sql = "SELECT request, operation, service, kind, bytes, one_time FROM outbox ORDER BY id";
    let rows = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([], outbox_row)?.collect());
    rows.map_err(failed(path))
}

/// The names of what waits, of one kind or of all, the oldest first.
pub fn pending(db: &Connection, path: &Path, kind: Option<&str>) -> Result<Vec<PendingRow>> {
    let sql =
        "SELECT request, operation, service, kind FROM outbox WHERE ?1 IS NULL OR kind = ?1 ORDER BY id";
    let read = |row: &Row<'_>| {
        Ok(PendingRow {
            request: row.get(0)?,
            operation: row.get(1)?,
            service: row.get(2)?,
            kind: row.get(3)?,
        })
    };
    let rows = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([kind], read)?.collect());
    rows.map_err(failed(path))
}

/// One request that waits.
pub fn outbox_entry(db: &Connection, path: &Path, request: &[u8; 32]) -> Result<Option<OutboxRow>> {
    let sql = "SELECT request, operation, service, kind, bytes, one_time FROM outbox WHERE request = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([request], outbox_row).optional());
    found.map_err(failed(path))
}

/// Removes a request; says whether it was there.
pub fn remove_outbox(db: &Connection, path: &Path, request: &[u8; 32]) -> Result<bool> {
    let sql = "DELETE FROM outbox WHERE request = ?1";
    let removed = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([request]));
    removed.map(|rows| rows == 1).map_err(failed(path))
}

/// Removes all requests of a kind.
pub fn remove_outbox_of(db: &Connection, path: &Path, kind: &str) -> Result<()> {
    let removed = db.execute("DELETE FROM outbox WHERE kind = ?1", [kind]);
    removed.map(drop).map_err(failed(path))
}

/// Removes the requests of a kind that wait for one service.
pub fn remove_outbox_for(db: &Connection, path: &Path, kind: &str, service: &Thumbprint) -> Result<()> {
    let sql = "DELETE FROM outbox WHERE kind = ?1 AND service = ?2";
    let removed = db.execute(sql, params![kind, service.0]);
    removed.map(drop).map_err(failed(path))
}

/// Keeps a receipt.
pub fn put_receipt(db: &Connection, path: &Path, row: &ReceiptRow) -> Result<()> {
    let sql =
        "INSERT OR REPLACE INTO receipt (request, service, kind, time, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![row.request, row.service, row.kind, int(row.time), row.bytes];
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(drop).map_err(failed(path))
}

/// Calls `each` for every receipt of one service or of all, service by service, the oldest first.
pub fn for_each_receipt<E: From<Error>>(
    db: &Connection,
    path: &Path,
    service: Option<&[u8; 32]>,
    mut each: impl FnMut(ReceiptRow) -> Result<(), E>,
) -> Result<(), E> {
    let fail = |error| E::from(failed(path)(error));
    let sql = "SELECT request, service, kind, time, bytes FROM receipt INDEXED BY receipt_by_service
        WHERE ?1 IS NULL OR service = ?1 ORDER BY service, id";
    let mut statement = db.prepare_cached(sql).map_err(fail)?;
    let mut rows = statement.query([service]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        each(receipt_row(row).map_err(fail)?)?;
    }
    Ok(())
}

/// All receipts, the oldest first.
pub fn receipts(db: &Connection, path: &Path) -> Result<Vec<ReceiptRow>> {
    let sql = "SELECT request, service, kind, time, bytes FROM receipt ORDER BY id";
    let rows = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([], receipt_row)?.collect());
    rows.map_err(failed(path))
}

/// Keeps when a backup was proven last, unless a later time is here; of all backups the newest so many stay.
pub fn put_proven(db: &Connection, path: &Path, backup: &[u8; 16], time: u64, keep: u32) -> Result<()> {
    let add = "INSERT INTO proven (backup, time) VALUES (?1, ?2)
        ON CONFLICT DO UPDATE SET time = max(time, excluded.time)";
    let drop_old = "DELETE FROM proven WHERE backup NOT IN
        (SELECT backup FROM proven ORDER BY backup = ?1 DESC, time DESC, backup LIMIT ?2)";
    db.execute(add, params![backup, int(time)])
        .and_then(|_| db.execute(drop_old, params![backup, keep]))
        .map(drop)
        .map_err(failed(path))
}

/// When a backup was proven last.
pub fn proven(db: &Connection, path: &Path, backup: &[u8; 16]) -> Result<Option<u64>> {
    let sql = "SELECT time FROM proven WHERE backup = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([backup], |row| row.get(0)).optional());
    Ok(found.map_err(failed(path))?.map(uint))
}

/// Keeps to which recovery of a service all receipts were shown.
pub fn put_shown(db: &Connection, path: &Path, service: &Thumbprint, started: u64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO shown (service, started) VALUES (?1, ?2)";
    let written = db.execute(sql, params![service.0, int(started)]);
    written.map(drop).map_err(failed(path))
}

/// The last recovery of a service to which all receipts were shown.
pub fn shown(db: &Connection, path: &Path, service: &Thumbprint) -> Result<Option<u64>> {
    let sql = "SELECT started FROM shown WHERE service = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([service.0], |row| row.get(0)).optional());
    Ok(found.map_err(failed(path))?.map(uint))
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        request: row.get(0)?,
        operation: row.get(1)?,
        service: row.get(2)?,
        kind: row.get(3)?,
        bytes: row.get(4)?,
        one_time: row.get(5)?,
    })
}

fn receipt_row(row: &Row<'_>) -> rusqlite::Result<ReceiptRow> {
    Ok(ReceiptRow {
        request: row.get(0)?,
        service: row.get(1)?,
        kind: row.get(2)?,
        time: row.get::<_, i64>(3).map(uint)?,
        bytes: row.get(4)?,
    })
}
