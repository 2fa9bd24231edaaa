//! All SQL of the store: statements as functions over a connection, rows as plain values. What they mean is decided
//! elsewhere.

pub mod documents;
pub mod licenses;
pub mod records;
pub mod revocations;
mod schema;

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use crate::error::{Error, Result};
use crate::files;

pub use schema::Birth;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(20);

/// The one row of the table `meta`: the store's own word on itself, under a MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub store: [u8; 16],
    pub counter: u64,
    pub computer: [u8; 32],
    pub floor_taken: [u8; 16],
    pub floor_barred: [u8; 16],
    pub mac: [u8; 32],
}

/// Opens the store's file, or makes it, for reading and writing. WAL is switched on under `lock`, before anybody
/// writes.
pub fn open(path: &Path, lock: &Path) -> Result<Connection> {
    files::create_empty(path)?;
    let connection = connect(path)?;
    let settled: String = connection
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .map_err(failed(path))?;
    if settled != "wal" {
        let _held = files::lock(lock)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(failed(path))?;
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA cache_size = -16000;
        PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(settings).map_err(failed(path))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A second connection that only reads, with a read transaction begun: it sees the store as it is now, until dropped.
pub fn open_snapshot(path: &Path) -> Result<Connection> {
    let connection = connect(path)?;
    let begin = "PRAGMA query_only = ON; PRAGMA cache_size = -4000; BEGIN;";
    connection.execute_batch(begin).map_err(failed(path))?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open_file(path, flags).map_err(failed(path))?;
    connection.busy_timeout(PATIENCE).map_err(failed(path))?;
    // Otherwise a statement is planned again whenever something is bound to it, which takes longer than to run it.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(failed(path))?;
    Ok(connection)
}

#[cfg(not(windows))]
fn open_file(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, flags)
}

/// SQLite itself takes a path of more than 260 characters in the verbatim form only (`\\?\C:\…`), and with this VFS.
#[cfg(windows)]
fn open_file(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let long = std::path::absolute(path).is_ok_and(|path| path.as_os_str().len() > 240);
    match std::fs::canonicalize(path) {
        Ok(verbatim) if long => Connection::open_with_flags_and_vfs(verbatim, flags, c"win32-longpath"),
        _ => Connection::open_with_flags(path, flags),
    }
}

/// Brings an older or empty store to the current schema. `birth` is asked for the first row of an empty one, inside
/// the transaction; it tells computer.key before anything is committed.
pub fn prepare(connection: &Connection, path: &Path, birth: Birth<'_>) -> Result<()> {
    schema::prepare(connection, path, birth)
}

/// A transaction that holds the write lock from its start.
pub fn write<'c>(connection: &'c Connection, path: &Path) -> Result<Transaction<'c>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed(path))
}

/// Makes a transaction durable.
pub fn commit(transaction: Transaction<'_>, path: &Path) -> Result<()> {
    transaction.commit().map_err(failed(path))
}

/// The store's word on itself.
pub fn meta(connection: &Connection, path: &Path) -> Result<Meta> {
    let sql = "SELECT store, counter, computer, floor_taken, floor_barred, mac FROM meta WHERE id = 1";
    let read = connection.prepare_cached(sql).and_then(|mut statement| {
        let row = statement.query_row([], |row| {
            Ok(Meta {
                store: row.get(0)?,
                counter: row.get::<_, i64>(1)?.cast_unsigned(),
                computer: row.get(2)?,
                floor_taken: row.get(3)?,
                floor_barred: row.get(4)?,
                mac: row.get(5)?,
            })
        });
        row.optional()
    });
    let missing = || Error::damaged(path, "its own row is missing; delete it and restore a backup");
    read.map_err(failed(path))?.ok_or_else(missing)
}

/// Writes the store's word on itself.
pub fn set_meta(connection: &Connection, path: &Path, meta: &Meta) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (id, store, counter, computer, floor_taken, floor_barred, mac)
        VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![
        meta.store,
        meta.counter.cast_signed(),
        meta.computer,
        meta.floor_taken,
        meta.floor_barred,
        meta.mac
    ];
    let written = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(values));
    written.map(drop).map_err(failed(path))
}

/// Says which of our errors an error of SQLite is.
pub fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
    move |source| {
        let damaged = |what: &str| Error::damaged(path, format!("{what}; delete it and restore a backup"));
        match &source {
            rusqlite::Error::SqliteFailure(error, _) => match error.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy {
                    path: path.to_owned(),
                },
                ErrorCode::DatabaseCorrupt => damaged("SQLite can't read it"),
                ErrorCode::NotADatabase => damaged("it is not a database"),
                _ => Error::Database {
                    path: path.to_owned(),
                    source,
                },
            },
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..) => {
                damaged("a row has values of the wrong kind")
            }
            _ => Error::Database {
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// A time or number as SQLite keeps it.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// And back; a negative one can't have been written.
fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
