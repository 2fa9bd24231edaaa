//! The tables (docs/store.md section 4) and how an older store comes to them.

use std::path::Path;

use rusqlite::Connection;

use super::{Meta, commit, failed, set_meta, write};
use crate::error::{Error, Result};

/// Marks the file as a license store: `KFst`.
const APPLICATION: i32 = 0x4b46_7374;

/// Each brings the schema one version further; `user_version` is the number of those that were applied.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        store BLOB NOT NULL, counter INTEGER NOT NULL, computer BLOB NOT NULL,
        floor_taken BLOB NOT NULL, floor_barred BLOB NOT NULL, mac BLOB NOT NULL);
    CREATE TABLE issuer (id INTEGER PRIMARY KEY, root BLOB NOT NULL UNIQUE);
    CREATE TABLE license (
        id INTEGER PRIMARY KEY,
        issuer INTEGER NOT NULL, license BLOB NOT NULL, key_prefix INTEGER NOT NULL,
        sealed BLOB NOT NULL, grant_bytes BLOB NOT NULL);
    CREATE UNIQUE INDEX license_by_id ON license (license, issuer);
    CREATE INDEX license_by_key ON license (key_prefix);
    CREATE TABLE state (
        license INTEGER NOT NULL, action TEXT NOT NULL, lease INTEGER NOT NULL,
        left_over INTEGER NOT NULL, first_use INTEGER, mac BLOB NOT NULL,
        PRIMARY KEY (license, action)) WITHOUT ROWID;
    CREATE TABLE tombstone (
        license BLOB NOT NULL, issuer INTEGER NOT NULL, kind INTEGER NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (license, issuer)) WITHOUT ROWID;
    CREATE TABLE card (
        root BLOB NOT NULL PRIMARY KEY, kind INTEGER NOT NULL, serial INTEGER NOT NULL, bytes BLOB NOT NULL);
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        request BLOB NOT NULL UNIQUE, operation BLOB NOT NULL, service BLOB NOT NULL,
        bytes BLOB NOT NULL, one_time BLOB NOT NULL);
    CREATE TABLE receipt (
        id INTEGER PRIMARY KEY,
        request BLOB NOT NULL UNIQUE, service BLOB NOT NULL, kind INTEGER NOT NULL, time INTEGER NOT NULL,
        bytes BLOB NOT NULL);
",
    "
    CREATE TABLE document (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, kind TEXT NOT NULL, time INTEGER NOT NULL,
        size INTEGER NOT NULL, bytes BLOB NOT NULL);
    CREATE TABLE revocation_list (issuer INTEGER NOT NULL PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE revocation (
        issuer INTEGER NOT NULL, kind INTEGER NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (issuer, kind, value)) WITHOUT ROWID;
    CREATE TABLE outbox_2 (
        id INTEGER PRIMARY KEY,
        request BLOB NOT NULL UNIQUE, operation BLOB NOT NULL, service BLOB NOT NULL, kind TEXT NOT NULL,
        bytes BLOB NOT NULL, one_time BLOB NOT NULL);
    INSERT INTO outbox_2 SELECT id, request, operation, service, 'restore', bytes, one_time FROM outbox;
    DROP TABLE outbox;
    ALTER TABLE outbox_2 RENAME TO outbox;
    CREATE TABLE receipt_2 (
        id INTEGER PRIMARY KEY,
        request BLOB NOT NULL UNIQUE, service BLOB NOT NULL, kind TEXT NOT NULL, time INTEGER NOT NULL,
        bytes BLOB NOT NULL);
    INSERT INTO receipt_2 SELECT id, request, service, 'restore', time, bytes FROM receipt;
    DROP TABLE receipt;
    ALTER TABLE receipt_2 RENAME TO receipt;
    CREATE INDEX receipt_by_service ON receipt (service);
",
    "
    CREATE TABLE proven (backup BLOB NOT NULL PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
",
    "
    CREATE TABLE shown (service BLOB NOT NULL PRIMARY KEY, started INTEGER NOT NULL) WITHOUT ROWID;
",
];

/// Gives the first row of a new store, after it told computer.key, durably.
pub type Birth<'f> = &'f mut dyn FnMut() -> Result<Meta>;

/// See [`super::prepare`].
pub fn prepare(connection: &Connection, path: &Path, birth: Birth<'_>) -> Result<()> {
    if version(connection, path)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = write(connection, path)?;
    let found = version(&transaction, path)?;
    for migration in &MIGRATIONS[found..] {
        transaction.execute_batch(migration).map_err(failed(path))?;
    }
    if found == 0 {
        set_meta(&transaction, path, &birth()?)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(failed(path))?;
    }
    let known = MIGRATIONS.len() as i64;
    transaction
        .pragma_update(None, "user_version", known)
        .map_err(failed(path))?;
    commit(transaction, path)
}

/// Migrations that the store has had; an empty file had none.
fn version(connection: &Connection, path: &Path) -> Result<usize> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(failed(path))?;
    let version = pragma("user_version").map_err(failed(path))?;
    let tables = "SELECT count(*) FROM sqlite_schema";
    if version == 0
        && connection
            .query_row(tables, [], |row| row.get::<_, i64>(0))
            .map_err(failed(path))?
            == 0
    {
        return Ok(0);
    }
    if application != i64::from(APPLICATION) || version < 1 {
        return Err(Error::damaged(
            path,
            "it is a database, but not a license store; move it away",
        ));
    }
    let known = MIGRATIONS.len();
    usize::try_from(version)
        .ok()
        .filter(|version| *version <= known)
        .ok_or_else(|| Error::Newer {
            path: path.to_owned(),
            found: u32::try_from(version).unwrap_or(u32::MAX),
            known: known as u32,
        })
}
