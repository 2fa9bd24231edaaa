//! Statements over revocation lists that were obeyed, and what they take back besides single licenses.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::licenses::IssuerNumber;
use super::{failed, int, uint};
use crate::error::Result;

/// Number of the last list of an issuer that was obeyed; 0 for none.
pub fn seen(db: &Connection, path: &Path, issuer: IssuerNumber) -> Result<u64> {
    let sql = "SELECT number FROM revocation_list WHERE issuer = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([issuer], |row| row.get(0)).optional());
    Ok(found.map_err(failed(path))?.map_or(0, uint))
}

/// Keeps that number.
pub fn set_seen(db: &Connection, path: &Path, issuer: IssuerNumber, number: u64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO revocation_list (issuer, number) VALUES (?1, ?2)";
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![issuer, int(number)]));
    written.map(drop).map_err(failed(path))
}

/// Keeps what was taken back: a kind, and a value of it.
pub fn add(db: &Connection, path: &Path, issuer: IssuerNumber, kind: u8, value: &[u8]) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO revocation (issuer, kind, value) VALUES (?1, ?2, ?3)";
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![issuer, kind, value]));
    written.map(drop).map_err(failed(path))
}

/// Was anything of this issuer taken back in this way?
pub fn any(db: &Connection, path: &Path, issuer: IssuerNumber) -> Result<bool> {
    let sql = "SELECT 1 FROM revocation WHERE issuer = ?1";
    let found = db.prepare_cached(sql).and_then(|mut s| s.exists([issuer]));
    found.map_err(failed(path))
}

/// Was this taken back?
pub fn is_there(db: &Connection, path: &Path, issuer: IssuerNumber, kind: u8, value: &[u8]) -> Result<bool> {
    let sql = "SELECT 1 FROM revocation WHERE issuer = ?1 AND kind = ?2 AND value = ?3";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.exists(params![issuer, kind, value]));
    found.map_err(failed(path))
}
