//! Statements over cards, the outbox and receipts.

use std::path::Path;

use keyferry_license::Thumbprint;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{failed, int, uint};
use crate::error::Result;

/// A request that waits for its answer, as it lies there.
pub struct OutboxRow {
    pub request: [u8; 32],
    pub operation: [u8; 16],
    pub service: [u8; 32],
    pub bytes: Vec<u8>,
    pub one_time: Vec<u8>,
}

/// A receipt, as it lies there.
pub struct ReceiptRow {
    pub request: [u8; 32],
    pub service: [u8; 32],
    pub kind: u64,
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
    let sql = "INSERT OR IGNORE INTO outbox (request, operation, service, bytes, one_time) VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![row.request, row.operation, row.service, row.bytes, row.one_time];
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(drop).map_err(failed(path))
}

/// What waits, the oldest first.
pub fn outbox(db: &Connection, path: &Path) -> Result<Vec<OutboxRow>> {
    let sql = "SELECT request, operation, service, bytes, one_time FROM outbox ORDER BY id";
    let rows = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([], outbox_row)?.collect());
    rows.map_err(failed(path))
}

/// One request that waits.
pub fn outbox_entry(db: &Connection, path: &Path, request: &[u8; 32]) -> Result<Option<OutboxRow>> {
    let sql = "SELECT request, operation, service, bytes, one_time FROM outbox WHERE request = ?1";
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

/// Keeps a receipt.
pub fn put_receipt(db: &Connection, path: &Path, row: &ReceiptRow) -> Result<()> {
    let sql =
        "INSERT OR REPLACE INTO receipt (request, service, kind, time, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![row.request, row.service, int(row.kind), int(row.time), row.bytes];
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(drop).map_err(failed(path))
}

/// All receipts, the oldest first.
pub fn receipts(db: &Connection, path: &Path) -> Result<Vec<ReceiptRow>> {
    let sql = "SELECT request, service, kind, time, bytes FROM receipt ORDER BY id";
    let read = |row: &Row<'_>| {
        Ok(ReceiptRow {
            request: row.get(0)?,
            service: row.get(1)?,
            kind: row.get::<_, i64>(2).map(uint)?,
            time: row.get::<_, i64>(3).map(uint)?,
            bytes: row.get(4)?,
        })
    };
    let rows = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([], read)?.collect());
    rows.map_err(failed(path))
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        request: row.get(0)?,
        operation: row.get(1)?,
        service: row.get(2)?,
        bytes: row.get(3)?,
        one_time: row.get(4)?,
    })
}
