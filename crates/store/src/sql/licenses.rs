//! Statements over licenses, the state of their rights, and tombstones.

use std::path::Path;

use keyferry_license::{KeyId, LicenseId, SealedKey, Thumbprint};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{failed, int, uint};
use crate::error::{Error, Result};

/// Number of an issuer in this store.
pub type IssuerNumber = i64;

/// A license as it lies there.
pub struct LicenseRow {
    pub id: i64,
    pub license: LicenseId,
    pub sealed: SealedKey,
    pub grant: Vec<u8>,
}

/// What is kept of a right, as it lies there.
pub struct StateRow {
    pub lease: u64,
    pub left: u32,
    pub first_use: Option<u64>,
    pub mac: [u8; 32],
}

/// The number of an issuer, if it has one.
pub fn find_issuer(db: &Connection, path: &Path, root: &Thumbprint) -> Result<Option<IssuerNumber>> {
    let sql = "SELECT id FROM issuer WHERE root = ?1";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([root.0], |row| row.get(0)).optional());
    found.map_err(failed(path))
}

/// The number of an issuer, given now if it has none.
pub fn number_issuer(db: &Connection, path: &Path, root: &Thumbprint) -> Result<IssuerNumber> {
    if let Some(number) = find_issuer(db, path, root)? {
        return Ok(number);
    }
    let sql = "INSERT INTO issuer (root) VALUES (?1)";
    db.execute(sql, [root.0]).map_err(failed(path))?;
    Ok(db.last_insert_rowid())
}

/// Adds a license; None when one of this issuer and ID is there.
pub fn add(
    db: &Connection,
    path: &Path,
    (issuer, license): (IssuerNumber, &LicenseId),
    key_id: &KeyId,
    sealed: &SealedKey,
    grant: &[u8],
) -> Result<Option<i64>> {
    let sql = "INSERT OR IGNORE INTO license (issuer, license, key_prefix, sealed, grant_bytes)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![issuer, license.0, prefix(key_id), sealed.0, grant];
    let added = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    Ok((added.map_err(failed(path))? == 1).then(|| db.last_insert_rowid()))
}

/// Is a license of this issuer and ID here?
pub fn is_here(db: &Connection, path: &Path, issuer: IssuerNumber, license: &LicenseId) -> Result<bool> {
    let sql = "SELECT 1 FROM license WHERE license = ?1 AND issuer = ?2";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.exists(params![license.0, issuer]));
    found.map_err(failed(path))
}

/// The license of this issuer and ID.
pub fn get(
    db: &Connection,
    path: &Path,
    issuer: IssuerNumber,
    license: &LicenseId,
) -> Result<Option<LicenseRow>> {
    let sql = "SELECT id, license, sealed, grant_bytes FROM license WHERE license = ?1 AND issuer = ?2";
    let found = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row(params![license.0, issuer], license_row).optional());
    found.map_err(failed(path))
}

/// Licenses whose key ID may be this one: the index has its first four bytes only, the grant the rest.
pub fn by_key(db: &Connection, path: &Path, key_id: &KeyId) -> Result<Vec<LicenseRow>> {
    let sql = "SELECT id, license, sealed, grant_bytes FROM license WHERE key_prefix = ?1 ORDER BY id";
    let rows = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([prefix(key_id)], license_row)?.collect());
    rows.map_err(failed(path))
}

/// The same, of one issuer.
pub fn by_key_of(
    db: &Connection,
    path: &Path,
    issuer: IssuerNumber,
    key_id: &KeyId,
) -> Result<Vec<LicenseRow>> {
    let sql = "SELECT id, license, sealed, grant_bytes FROM license WHERE key_prefix = ?1 AND issuer = ?2
        ORDER BY id";
    let rows = db.prepare_cached(sql).and_then(|mut s| {
        s.query_map(params![prefix(key_id), issuer], license_row)?
            .collect()
    });
    rows.map_err(failed(path))
}

/// IDs of all licenses of an issuer.
pub fn ids_of(db: &Connection, path: &Path, issuer: IssuerNumber) -> Result<Vec<LicenseId>> {
    let sql = "SELECT license FROM license WHERE issuer = ?1 ORDER BY id";
    let ids = db
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map([issuer], |row| row.get(0).map(LicenseId))?.collect());
    ids.map_err(failed(path))
}

/// Calls `each` for ID and grant of every license of an issuer.
pub fn for_each_of(
    db: &Connection,
    path: &Path,
    issuer: IssuerNumber,
    mut each: impl FnMut(LicenseId, &[u8]),
) -> Result<()> {
    let sql = "SELECT license, grant_bytes FROM license WHERE issuer = ?1 ORDER BY id";
    let mut statement = db.prepare_cached(sql).map_err(failed(path))?;
    let mut rows = statement.query([issuer]).map_err(failed(path))?;
    while let Some(row) = rows.next().map_err(failed(path))? {
        let license = row.get(0).map(LicenseId).map_err(failed(path))?;
        let grant: Vec<u8> = row.get(1).map_err(failed(path))?;
        each(license, &grant);
    }
    Ok(())
}

/// Calls `each` for every license, in the order in which they came.
pub fn for_each<E: From<Error>>(
    db: &Connection,
    path: &Path,
    mut each: impl FnMut(LicenseRow) -> Result<(), E>,
) -> Result<(), E> {
    let fail = |error| E::from(failed(path)(error));
    let sql = "SELECT id, license, sealed, grant_bytes FROM license ORDER BY id";
    let mut statement = db.prepare_cached(sql).map_err(fail)?;
    let mut rows = statement.query([]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        each(license_row(row).map_err(fail)?)?;
    }
    Ok(())
}

/// How many licenses there are.
pub fn count(db: &Connection, path: &Path) -> Result<u64> {
    let found = db.query_row("SELECT count(*) FROM license", [], |row| row.get(0));
    found.map(uint).map_err(failed(path))
}

/// Removes a license and its state; says whether it was there.
pub fn remove(db: &Connection, path: &Path, issuer: IssuerNumber, license: &LicenseId) -> Result<bool> {
    let Some(row) = get(db, path, issuer, license)? else {
        return Ok(false);
    };
    let statements = [
        "DELETE FROM state WHERE license = ?1",
        "DELETE FROM license WHERE id = ?1",
    ];
    for sql in statements {
        let removed = db.prepare_cached(sql).and_then(|mut s| s.execute([row.id]));
        removed.map_err(failed(path))?;
    }
    Ok(true)
}

/// What is kept of a right.
pub fn state(db: &Connection, path: &Path, license: i64, action: &str) -> Result<Option<StateRow>> {
    let sql = "SELECT lease, left_over, first_use, mac FROM state WHERE license = ?1 AND action = ?2";
    let found = db.prepare_cached(sql).and_then(|mut statement| {
        let row = statement.query_row(params![license, action], |row| {
            Ok(StateRow {
                lease: row.get::<_, i64>(0).map(uint)?,
                left: row.get(1)?,
                first_use: row.get::<_, Option<i64>>(2)?.map(uint),
                mac: row.get(3)?,
            })
        });
        row.optional()
    });
    // A value of the wrong kind is a damaged row, and its reader says of which license.
    match found {
        Err(rusqlite::Error::SqliteFailure(..)) | Ok(_) => found.map_err(failed(path)),
        Err(_) => Ok(None),
    }
}

/// Keeps the state of a right.
pub fn set_state(db: &Connection, path: &Path, license: i64, action: &str, state: &StateRow) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO state (license, action, lease, left_over, first_use, mac)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let first_use = state.first_use.map(int);
    let values = params![
        license,
        action,
        int(state.lease),
        state.left,
        first_use,
        state.mac
    ];
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(drop).map_err(failed(path))
}

/// Is there any tombstone at all?
pub fn any_tombstone(db: &Connection, path: &Path) -> Result<bool> {
    let found = db
        .prepare_cached("SELECT 1 FROM tombstone LIMIT 1")
        .and_then(|mut s| s.exists([]));
    found.map_err(failed(path))
}

/// The kind of tombstone of a license.
pub fn tombstone(
    db: &Connection,
    path: &Path,
    issuer: IssuerNumber,
    license: &LicenseId,
) -> Result<Option<u8>> {
    let sql = "SELECT kind FROM tombstone WHERE license = ?1 AND issuer = ?2";
    let found = db.prepare_cached(sql).and_then(|mut s| {
        s.query_row(params![license.0, issuer], |row| row.get(0))
            .optional()
    });
    found.map_err(failed(path))
}

/// Sets a tombstone; one of a higher kind stays.
pub fn set_tombstone(
    db: &Connection,
    path: &Path,
    (issuer, license): (IssuerNumber, &LicenseId),
    kind: u8,
    time: u64,
) -> Result<()> {
    let sql = "INSERT INTO tombstone (license, issuer, kind, time) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET kind = max(kind, excluded.kind)";
    let values = params![license.0, issuer, kind, int(time)];
    let written = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(drop).map_err(failed(path))
}

/// Lifts a tombstone.
pub fn lift_tombstone(db: &Connection, path: &Path, issuer: IssuerNumber, license: &LicenseId) -> Result<()> {
    let sql = "DELETE FROM tombstone WHERE license = ?1 AND issuer = ?2";
    let lifted = db
        .prepare_cached(sql)
        .and_then(|mut s| s.execute(params![license.0, issuer]));
    lifted.map(drop).map_err(failed(path))
}

fn license_row(row: &Row<'_>) -> rusqlite::Result<LicenseRow> {
    Ok(LicenseRow {
        id: row.get(0)?,
        license: LicenseId(row.get(1)?),
        sealed: SealedKey(row.get(2)?),
        grant: row.get(3)?,
    })
}

fn prefix(key_id: &KeyId) -> u32 {
    let [a, b, c, d, ..] = key_id.0;
    u32::from_be_bytes([a, b, c, d])
}
