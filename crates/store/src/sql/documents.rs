//! Statements over license documents of other systems.

use std::path::Path;

use keyferry_license::document::DocumentId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{failed, int, uint};
use crate::error::{Error, Result};

/// A document as it lies there, without its bytes.
pub struct DocumentRow {
    pub id: DocumentId,
    pub name: String,
    pub kind: String,
    pub size: u64,
    pub time: u64,
}

/// Adds a document that is not there.
pub fn add(db: &Connection, path: &Path, row: &DocumentRow, bytes: &[u8]) -> Result<()> {
    let sql = "INSERT INTO document (digest, name, kind, time, size, bytes)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![row.id.0, row.name, row.kind, int(row.time), int(row.size), bytes];
    let added = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    added.map(drop).map_err(failed(path))
}

/// The name under which a document is kept.
pub fn name(db: &Connection, path: &Path, id: &DocumentId) -> Result<Option<String>> {
    let sql = "SELECT name FROM document WHERE digest = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([id.0], |row| row.get(0)).optional());
    found.map_err(failed(path))
}

/// All documents, in the order in which they came.
pub fn list(db: &Connection, path: &Path) -> Result<Vec<DocumentRow>> {
    let sql = "SELECT digest, name, kind, time, size FROM document ORDER BY id";
    let rows = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([], document_row)?.collect());
    rows.map_err(failed(path))
}

/// The bytes of a document.
pub fn bytes(db: &Connection, path: &Path, id: &DocumentId) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT bytes FROM document WHERE digest = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([id.0], |row| kept_bytes(row, 0)).optional());
    found.map_err(failed(path))
}

/// Writes the bytes of a document anew.
pub fn set_bytes(db: &Connection, path: &Path, id: &DocumentId, bytes: &[u8]) -> Result<()> {
    let sql = "UPDATE document SET bytes = ?2, size = length(?2) WHERE digest = ?1";
    let written = db.execute(sql, params![id.0, bytes]);
    written.map(drop).map_err(failed(path))
}

/// Calls `each` for every document, in the order in which they came.
pub fn for_each<E: From<Error>>(
    db: &Connection,
    path: &Path,
    mut each: impl FnMut(DocumentRow, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let fail = |error| E::from(failed(path)(error));
    let sql = "SELECT digest, name, kind, time, size, bytes FROM document ORDER BY id";
    let mut statement = db.prepare_cached(sql).map_err(fail)?;
    let mut rows = statement.query([]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        each(
            document_row(row).map_err(fail)?,
            kept_bytes(row, 5).map_err(fail)?,
        )?;
    }
    Ok(())
}

/// How many documents there are.
pub fn count(db: &Connection, path: &Path) -> Result<u64> {
    let found = db.query_row("SELECT count(*) FROM document", [], |row| row.get(0));
    found.map(uint).map_err(failed(path))
}

fn document_row(row: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        id: DocumentId(row.get(0)?),
        name: row.get(1)?,
        kind: row.get(2)?,
        time: row.get::<_, i64>(3).map(uint)?,
        size: row.get::<_, i64>(4).map(uint)?,
    })
}

/// A value of the wrong kind has no bytes that could fit the ID, and its reader says of which document.
fn kept_bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    let bytes = row.get_ref(column)?.as_bytes();
    Ok(bytes.unwrap_or_default().to_vec())
}
