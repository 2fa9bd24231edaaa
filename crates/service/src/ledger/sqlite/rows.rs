//! Rows of licenses in the SQLite ledger: read a license's few, judge, insert the next.

use keyferry_license::{Digest, LicenseId, Thumbprint};
use keyferry_protocol::Row;
use rusqlite::{Transaction, params};

use super::Failure;
use super::revocations::Revoked;
use crate::ledger::{LicenseName, numbers};
use crate::policy::{self, Asker, Case, Judgment, Return, Returned};

const READ: &str = "SELECT seq, computer, change, slot, lease, request, time, previous FROM licenses
    WHERE issuer = ?1 AND license = ?2 ORDER BY seq";
const WALK: &str =
    "SELECT seq, computer, change, slot, lease, request, time, previous, issuer, license FROM licenses
    WHERE (issuer, license, seq) > (?1, ?2, ?3) ORDER BY issuer, license, seq LIMIT ?4";
const ADD: &str = "INSERT INTO licenses
    (issuer, license, seq, computer, change, slot, lease, request, time, previous)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Judges one license after the other; the primary key keeps two processes from writing the same row.
pub(super) fn judge(t: &Transaction<'_>, asker: &Asker, cases: &[Case]) -> Result<Vec<Judgment>, Failure> {
    let mut revoked = Revoked::default();
    let judge_one = |case: &Case| {
        let judgment = judge_one(t, asker, case, &mut revoked)?;
        if let Some(row) = judgment.new_row() {
            add(t, row)?;
        }
        Ok(judgment)
    };
    cases.iter().map(judge_one).collect()
}

/// Judges and writes nothing.
pub(super) fn plan(t: &Transaction<'_>, asker: &Asker, cases: &[Case]) -> Result<Vec<Judgment>, Failure> {
    let mut revoked = Revoked::default();
    cases
        .iter()
        .map(|case| judge_one(t, asker, case, &mut revoked))
        .collect()
}

fn judge_one(
    t: &Transaction<'_>,
    asker: &Asker,
    case: &Case,
    revoked: &mut Revoked,
) -> Result<Judgment, Failure> {
    let rows = read(t, &(case.issuer, case.license))?;
    let revoked = revoked.names(t, case)?;
    Ok(policy::judge(case, &rows, revoked, asker))
}

/// Judges licenses that are given back, one after the other.
pub(super) fn release(
    t: &Transaction<'_>,
    asker: &Asker,
    items: &[Return],
) -> Result<Vec<Returned>, Failure> {
    let release_one = |item: &Return| {
        let rows = read(t, &(item.issuer, item.license))?;
        let returned = policy::release(item, &rows, asker);
        if let Some(row) = returned.new_row() {
            add(t, row)?;
        }
        Ok(returned)
    };
    items.iter().map(release_one).collect()
}

/// All rows of a license.
pub(super) fn read(t: &Transaction<'_>, name: &LicenseName) -> Result<Vec<Row>, Failure> {
    let mut query = t.prepare_cached(READ)?;
    let mut found = query.query(params![name.0.as_bytes(), name.1.as_bytes()])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(whole(*name, row)?);
    }
    Ok(rows)
}

/// Rows after this one, of all licenses.
pub(super) fn walk(t: &Transaction<'_>, after: (LicenseName, u64), most: usize) -> Result<Vec<Row>, Failure> {
    let ((issuer, license), seq) = after;
    let mut query = t.prepare_cached(WALK)?;
    let mut found = query.query(params![issuer.as_bytes(), license.as_bytes(), seq, most])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(whole((Thumbprint(row.get(8)?), LicenseId(row.get(9)?)), row)?);
    }
    Ok(rows)
}

fn whole(name: LicenseName, row: &rusqlite::Row<'_>) -> Result<Row, Failure> {
    Ok(Row {
        issuer: name.0,
        license: name.1,
        seq: row.get(0)?,
        computer: Thumbprint(row.get(1)?),
        change: numbers::change(row.get(2)?)
            .ok_or(Failure::Damaged("a row changes nothing that is known"))?,
        slot: row.get(3)?,
        lease: row.get(4)?,
        request: row.get(5)?,
        time: row.get(6)?,
        previous: Digest(row.get(7)?),
    })
}

pub(super) fn add(t: &Transaction<'_>, row: &Row) -> Result<(), Failure> {
    let LicenseId(license) = &row.license;
    t.prepare_cached(ADD)?.execute(params![
        row.issuer.as_bytes(),
        license,
        row.seq,
        row.computer.as_bytes(),
        numbers::of_change(row.change),
        row.slot,
        row.lease,
        row.request,
        row.time,
        row.previous.as_bytes(),
    ])?;
    Ok(())
}
