//! Tables of the SQLite ledger and their migrations, by `user_version`.

use rusqlite::{Connection, TransactionBehavior};

use super::failed;
use crate::error::{Error, Result};

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
    let found: u32 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed("tell its version"))?;
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
