//! The service's memory as it lies in its file: read, and written by hand.

use std::path::Path;

use keyferry_license::{ComputerId, Digest, LicenseId, Thumbprint};
use keyferry_protocol::{Change, Row};
use keyferry_testkit::{Issued, World};
use rusqlite::{Connection, params};

fn open(world: &World) -> Connection {
    Connection::open(world.ledger_file()).expect("the ledger opens")
}

/// All rows of all licenses, in order; each carries the hash of the one before it.
pub fn rows(world: &World) -> Vec<Row> {
    let rows = rows_unchained(world);
    for pair in rows.windows(2).filter(|pair| pair[0].license == pair[1].license) {
        assert_eq!(
            pair[1].previous,
            pair[0].hash(),
            "the chain of {} holds",
            pair[0].license
        );
    }
    rows
}

/// All rows of all licenses, in order, whatever may be missing.
pub fn rows_unchained(world: &World) -> Vec<Row> {
    let ledger = open(world);
    let query =
        "SELECT issuer, license, seq, computer, change, slot, lease, request, time, previous FROM license_rows
        ORDER BY issuer, license, seq";
    let mut query = ledger.prepare(query).expect("a query");
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Row {
            issuer: Thumbprint(row.get(0)?),
            license: LicenseId(row.get(1)?),
            seq: row.get(2)?,
            computer: Thumbprint(row.get(3)?),
            change: match row.get::<_, u8>(4)? {
                1 => Change::Take,
                2 => Change::Release,
                _ => Change::Revoke,
            },
            slot: row.get(5)?,
            lease: row.get(6)?,
            request: row.get(7)?,
            time: row.get(8)?,
            previous: Digest(row.get(9)?),
        })
    };
    let rows = query.query_map([], row).expect("rows");
    rows.collect::<Result<_, _>>().expect("whole rows")
}

/// The rows of one license.
pub fn rows_of(world: &World, license: &Issued) -> Vec<Row> {
    let mut rows = rows(world);
    rows.retain(|row| row.license == license.grant.license);
    rows
}

/// Writes by hand that a computer gave its slot of this license back at this time.
pub fn release(world: &World, license: &Issued, computer: ComputerId, slot: u32, time: u64) {
    let before = rows_of(world, license);
    let (issuer, id) = (license.grant.issuer.as_bytes(), license.grant.license.as_bytes());
    let previous = before.last().map_or(Digest::default(), Row::hash);
    let insert = "INSERT INTO licenses
        (issuer, license, seq, computer, change, slot, lease, request, time, previous)
        VALUES ((SELECT number FROM names WHERE value = ?1), ?2, ?3, (SELECT number FROM names WHERE value = ?4), 2, ?5, 0,
        (SELECT number FROM names WHERE value = ?6), ?7, ?8)";
    let (seq, request) = (before.len() + 1, [7_u8; 32]);
    let values = params![
        issuer,
        id,
        seq,
        computer.as_bytes(),
        slot,
        request,
        time,
        previous.as_bytes()
    ];
    let ledger = open(world);
    for name in [issuer, computer.as_bytes(), &request] {
        let give = "INSERT OR IGNORE INTO names (value) VALUES (?1)";
        ledger.execute(give, params![name]).expect("a name");
    }
    ledger.execute(insert, values).expect("a row");
}

/// Lets the service forget a computer.
pub fn forget(world: &World, computer: ComputerId) {
    forget_in(&world.ledger_file(), computer);
}

/// The same, by the ledger's file.
pub fn forget_in(ledger: &Path, computer: ComputerId) {
    let forgotten = Connection::open(ledger).expect("the ledger opens").execute(
        "DELETE FROM computers WHERE id = ?1",
        params![computer.as_bytes()],
    );
    assert_eq!(forgotten.expect("deleted"), 1, "the service knew it");
}

/// Everything in the ledger, table by table and row by row.
pub fn everything(world: &World) -> Vec<String> {
    let ledger = open(world);
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut names = ledger.prepare(names).expect("a query");
    let names = names
        .query_map([], |row| row.get::<_, String>(0))
        .expect("tables");
    let mut all = Vec::new();
    for name in names.map(|name| name.expect("a name")) {
        let mut query = ledger.prepare(&format!("SELECT * FROM {name}")).expect("a query");
        let columns = query.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            Ok(format!("{name} {values:?}"))
        };
        let rows = query.query_map([], row).expect("rows");
        all.extend(rows.map(|row| row.expect("a whole row")));
    }
    assert!(!all.is_empty(), "a ledger knows its issuers");
    all
}
