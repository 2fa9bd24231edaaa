//! Tables of the SQLite ledger and their migrations, by `user_version`.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{BUSY, failed, failure};
use crate::error::{Error, Result};
use crate::ledger::LedgerFound;

/// How a file of SQLite begins, and where its `user_version` stands (<https://www.sqlite.org/fileformat.html> section 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION: usize = 60;

/// Each step leads to the version of its position, from 1.
const STEPS: [&str; 3] = [FIRST, REVOCATIONS, RECOVERY];

const FIRST: &str = "
    -- A change and its audit record in one. No rows: the origin holds slot 1.
    CREATE TABLE licenses (
        issuer   BLOB NOT NULL CHECK (length(issuer) = 32),
        license  BLOB NOT NULL CHECK (length(license) = 16),
        seq      INTEGER NOT NULL CHECK (seq > 0),
        computer BLOB NOT NULL CHECK (length(computer) = 32),
        change   INTEGER NOT NULL,
        slot     INTEGER NOT NULL,
        lease    INTEGER NOT NULL,
        request  BLOB NOT NULL CHECK (length(request) = 32),
        time     INTEGER NOT NULL,
        previous BLOB NOT NULL CHECK (length(previous) = 32),
        PRIMARY KEY (issuer, license, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE computers (
        id     BLOB PRIMARY KEY NOT NULL,
        key    BLOB NOT NULL,
        card   BLOB NOT NULL,
        serial INTEGER NOT NULL,
        name   TEXT NOT NULL,
        since  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE issuers (
        root   BLOB PRIMARY KEY NOT NULL,
        serial INTEGER NOT NULL,
        card   BLOB NOT NULL
    ) STRICT;
    CREATE TABLE refusals (
        page      BLOB PRIMARY KEY NOT NULL,
        computer  BLOB NOT NULL,
        operation BLOB NOT NULL,
        reason    INTEGER NOT NULL,
        time      INTEGER NOT NULL,
        UNIQUE (computer, operation, reason)
    ) STRICT;
    CREATE INDEX refusals_by_time ON refusals (time);
    -- One for each refused request, so that a retry counts once.
    CREATE TABLE refusal_requests (
        page     BLOB NOT NULL,
        request  BLOB NOT NULL,
        licenses INTEGER NOT NULL,
        PRIMARY KEY (page, request)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE refusal_licenses (
        page    BLOB NOT NULL,
        number  INTEGER NOT NULL,
        issuer  BLOB NOT NULL,
        license BLOB NOT NULL,
        origin  BLOB NOT NULL,
        allowed INTEGER NOT NULL,
        title   TEXT NOT NULL,
        PRIMARY KEY (page, number)
    ) STRICT, WITHOUT ROWID;
";

const REVOCATIONS: &str = "
    -- The lists as they were signed, for the computers that ask.
    CREATE TABLE revocation_lists (
        issuer BLOB NOT NULL CHECK (length(issuer) = 32),
        number INTEGER NOT NULL CHECK (number > 0),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        time   INTEGER NOT NULL,
        list   BLOB NOT NULL,
        UNIQUE (issuer, number)
    ) STRICT;
    -- What they name, for judging: license ID, key ID, SHA-256 of the subject, or nothing for all of the issuer's.
    CREATE TABLE revocations (
        issuer BLOB NOT NULL,
        kind   INTEGER NOT NULL,
        value  BLOB NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (issuer, kind, value)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE acknowledgements (
        issuer   BLOB NOT NULL,
        number   INTEGER NOT NULL,
        computer BLOB NOT NULL CHECK (length(computer) = 32),
        request  BLOB NOT NULL CHECK (length(request) = 32),
        time     INTEGER NOT NULL,
        PRIMARY KEY (issuer, number, computer)
    ) STRICT, WITHOUT ROWID;
";

const RECOVERY: &str = "
    CREATE TABLE recoveries (
        started INTEGER PRIMARY KEY NOT NULL,
        since   INTEGER NOT NULL,
        ended   INTEGER
    ) STRICT;
    -- Rows of licenses that were made again from receipts, and in which recovery.
    CREATE TABLE recovered (
        issuer  BLOB NOT NULL,
        license BLOB NOT NULL,
        seq     INTEGER NOT NULL,
        started INTEGER NOT NULL,
        PRIMARY KEY (issuer, license, seq)
    ) STRICT, WITHOUT ROWID;
    -- Rows that receipts prove and that contradict others, as they are encoded.
    CREATE TABLE conflicts (
        issuer  BLOB NOT NULL,
        license BLOB NOT NULL,
        seq     INTEGER NOT NULL,
        hash    BLOB NOT NULL CHECK (length(hash) = 32),
        started INTEGER NOT NULL,
        row     BLOB NOT NULL,
        PRIMARY KEY (issuer, license, seq, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE shown (
        started  INTEGER NOT NULL,
        computer BLOB NOT NULL CHECK (length(computer) = 32),
        PRIMARY KEY (started, computer)
    ) STRICT, WITHOUT ROWID;
";

/// Brings the ledger to the newest version; two processes may start at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let known = STEPS.len() as u32;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed("be brought to this version"))?;
    let found = version(&transaction)?;
    if found > known {
        return Err(Error::LedgerTooNew { found, known });
    }
    // Nothing is written where nothing is new: a full disk doesn't keep a service from starting.
    if found == known {
        return Ok(());
    }
    for step in STEPS.iter().skip(found as usize) {
        transaction
            .execute_batch(step)
            .map_err(failed("be brought to this version"))?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .and_then(|()| transaction.commit())
        .map_err(failed("be brought to this version"))
}

fn version(connection: &Connection) -> Result<u32> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed("tell its version"))
}

/// The version of the ledger in this file. Nothing is made or changed, also no file beside it: SQLite itself would make
/// some, so it is asked only where they are there already.
pub(super) fn look(path: &Path) -> Result<LedgerFound> {
    let known = STEPS.len() as u32;
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LedgerFound { version: 0, known }),
        file => file.map_err(Error::file("open", path))?,
    };
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        fs::metadata(name).is_ok_and(|file| file.len() > 0)
    };
    let version = if beside("-wal") && beside("-shm") {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed("be opened"))?;
        connection.busy_timeout(BUSY).map_err(failed("be opened"))?;
        version(&connection)?
    } else {
        let mut head = Vec::new();
        let read = file.by_ref().take(100).read_to_end(&mut head);
        read.map_err(Error::file("read", path))?;
        match head.get(USER_VERSION..).and_then(|rest| rest.first_chunk()) {
            Some(version) if head.starts_with(MAGIC) => u32::from_be_bytes(*version),
            None if head.is_empty() => 0,
            _ => return Err(failure("be opened", "file is not a database".into())),
        }
    };
    if version > known {
        return Err(Error::LedgerTooNew {
            found: version,
            known,
        });
    }
    Ok(LedgerFound { version, known })
}
