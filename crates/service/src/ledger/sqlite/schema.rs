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
const STEPS: [&str; 4] = [FIRST, REVOCATIONS, RECOVERY, NUMBERS];

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

const NUMBERS: &str = "
    -- What rows name again and again, once: issuers, computers, requests. A row is a quarter as long with their numbers,
    -- and what a restore costs is pages.
    CREATE TABLE names (
        number INTEGER PRIMARY KEY,
        value  BLOB NOT NULL UNIQUE CHECK (length(value) = 32)
    ) STRICT;
    INSERT INTO names (value)
        SELECT issuer FROM licenses UNION SELECT computer FROM licenses UNION SELECT request FROM licenses;
    CREATE TABLE numbered (
        license  BLOB NOT NULL CHECK (length(license) = 16),
        issuer   INTEGER NOT NULL,
        seq      INTEGER NOT NULL CHECK (seq > 0),
        computer INTEGER NOT NULL,
        change   INTEGER NOT NULL,
        slot     INTEGER NOT NULL,
        lease    INTEGER NOT NULL,
        request  INTEGER NOT NULL,
        time     INTEGER NOT NULL,
        -- Of no bytes where no row was before.
        previous BLOB NOT NULL CHECK (length(previous) IN (0, 32)),
        PRIMARY KEY (license, issuer, seq)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO numbered
        SELECT license, i.number, seq, c.number, change, slot, lease, q.number, time,
            CASE previous WHEN zeroblob(32) THEN zeroblob(0) ELSE previous END
        FROM licenses AS l JOIN names AS i ON i.value = l.issuer
            JOIN names AS c ON c.value = l.computer JOIN names AS q ON q.value = l.request
        ORDER BY license, i.number, seq;
    DROP TABLE licenses;
    ALTER TABLE numbered RENAME TO licenses;
    -- For people who look into the file.
    CREATE VIEW license_rows AS
        SELECT i.value AS issuer, l.license, l.seq, c.value AS computer, l.change, l.slot, l.lease,
            q.value AS request, l.time,
            CASE length(l.previous) WHEN 0 THEN zeroblob(32) ELSE l.previous END AS previous
        FROM licenses AS l LEFT JOIN names AS i ON i.number = l.issuer
            LEFT JOIN names AS c ON c.number = l.computer LEFT JOIN names AS q ON q.number = l.request;
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

#[cfg(test)]
mod tests {
    use keyferry_license::{Digest, LicenseId, Thumbprint};
    use keyferry_protocol::{Change, Row};
    use rusqlite::params;

    use super::super::rows::{Rows, walk};
    use super::*;

    fn row(issuer: u8, license: u8, seq: u64, previous: u8) -> Row {
        Row {
            issuer: Thumbprint([issuer; 32]),
            license: LicenseId([license; 16]),
            seq,
            computer: Thumbprint([seq as u8 + 40; 32]),
            change: Change::Take,
            slot: seq as u32 + 1,
            lease: 5,
            request: [license + 80; 32],
            time: 1000 + seq,
            previous: Digest([previous; 32]),
        }
    }

    #[test]
    fn rows_of_an_older_file_stay_what_they_were() {
        let mut connection = Connection::open_in_memory().expect("opened");
        for step in &STEPS[..3] {
            connection.execute_batch(step).expect("made");
        }
        connection.pragma_update(None, "user_version", 3).expect("said");
        let rows = [row(2, 1, 1, 0), row(2, 1, 2, 9), row(1, 3, 1, 0), row(2, 3, 1, 0)];
        for row in &rows {
            let insert = "INSERT INTO licenses VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9)";
            let values = params![
                row.issuer.as_bytes(),
                row.license.as_bytes(),
                row.seq,
                row.computer.as_bytes(),
                row.slot,
                row.lease,
                row.request,
                row.time,
                row.previous.as_bytes(),
            ];
            connection.execute(insert, values).expect("a row");
        }
        migrate(&mut connection).expect("migrated");
        let t = connection.transaction().expect("begun");
        let named = |row: &Row| (row.issuer, row.license);
        for at in [&rows[..2], &rows[2..3], &rows[3..]] {
            let read = Rows::of(&t).and_then(|mut all| all.read(&named(&at[0])));
            assert_eq!(read.ok().as_deref(), Some(at));
        }
        assert_eq!(walk(&t, Default::default(), 100).ok().as_deref(), Some(&rows[..]));
        let looked_at =
            "SELECT count(*) FROM license_rows WHERE issuer = ?1 AND request = ?2 AND previous = ?3";
        let count = t.query_row(looked_at, [[2_u8; 32], [81; 32], [0; 32]], |row| row.get(0));
        assert_eq!(count, Ok(1));
    }

    #[test]
    fn a_number_without_a_name_is_damage() {
        let mut connection = Connection::open_in_memory().expect("opened");
        migrate(&mut connection).expect("made");
        let t = connection.transaction().expect("begun");
        let row = row(1, 1, 1, 0);
        Rows::of(&t)
            .and_then(|mut rows| rows.add(&row))
            .ok()
            .expect("written");
        t.execute("DELETE FROM names WHERE value = ?1", [row.computer.as_bytes()])
            .expect("deleted");
        let read = Rows::of(&t).and_then(|mut rows| rows.read(&(row.issuer, row.license)));
        assert!(matches!(read, Err(super::super::Failure::Damaged(_))));
        let read = walk(&t, Default::default(), 100);
        assert!(matches!(read, Err(super::super::Failure::Damaged(_))));
    }
}
