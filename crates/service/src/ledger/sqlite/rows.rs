//! Rows of licenses in the SQLite ledger: read a license's few, judge, insert the next.

use keyferry_license::{Digest, LicenseId, Thumbprint};
use keyferry_protocol::Row;
use rusqlite::{CachedStatement, Transaction, params};

use super::Failure;
use super::names::Names;
use super::revocations::Revoked;
use crate::ledger::{LicenseName, numbers};
use crate::policy::{self, Asker, Case, Judgment, Return, Returned};

// Not an inner join: a number without a name is damage, which a row that disappears would hide.
const READ: &str = "SELECT seq, c.value, change, slot, lease, q.value, time, previous FROM licenses
    LEFT JOIN names AS c ON c.number = computer LEFT JOIN names AS q ON q.number = request
    WHERE license = ?1 AND issuer = ?2 ORDER BY seq";
const ADD: &str = "INSERT INTO licenses
    (license, issuer, seq, computer, change, slot, lease, request, time, previous)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const WALK: &str =
    "SELECT seq, c.value, change, slot, lease, q.value, time, previous, i.value, license FROM licenses
    LEFT JOIN names AS i ON i.number = issuer LEFT JOIN names AS c ON c.number = computer
    LEFT JOIN names AS q ON q.number = request
    WHERE license >= ?1 ORDER BY license, issuer, seq";

/// The rows, for one transaction.
pub(super) struct Rows<'t> {
    t: &'t Transaction<'t>,
    read: CachedStatement<'t>,
    add: CachedStatement<'t>,
    names: Names,
    revoked: Revoked,
}

impl<'t> Rows<'t> {
    pub(super) fn of(t: &'t Transaction<'_>) -> Result<Self, Failure> {
        Ok(Self {
            t,
            read: t.prepare_cached(READ)?,
            add: t.prepare_cached(ADD)?,
            names: Names::default(),
            revoked: Revoked::default(),
        })
    }

    /// Judges one license after the other; the primary key keeps two processes from writing the same row.
    pub(super) fn judge(&mut self, asker: &Asker, cases: &[Case]) -> Result<Vec<Judgment>, Failure> {
        let judge_one = |case: &Case| {
            let judgment = self.judge_one(asker, case)?;
            if let Some(row) = judgment.new_row() {
                self.add(row)?;
            }
            Ok(judgment)
        };
        cases.iter().map(judge_one).collect()
    }

    /// Judges and writes nothing.
    pub(super) fn plan(&mut self, asker: &Asker, cases: &[Case]) -> Result<Vec<Judgment>, Failure> {
        cases.iter().map(|case| self.judge_one(asker, case)).collect()
    }

    fn judge_one(&mut self, asker: &Asker, case: &Case) -> Result<Judgment, Failure> {
        let rows = self.read(&(case.issuer, case.license))?;
        let revoked = self.revoked.names(self.t, case)?;
        Ok(policy::judge(case, &rows, revoked, asker))
    }

    /// Judges licenses that are given back, one after the other.
    pub(super) fn release(&mut self, asker: &Asker, items: &[Return]) -> Result<Vec<Returned>, Failure> {
        let release_one = |item: &Return| {
            let rows = self.read(&(item.issuer, item.license))?;
            let returned = policy::release(item, &rows, asker);
            if let Some(row) = returned.new_row() {
                self.add(row)?;
            }
            Ok(returned)
        };
        items.iter().map(release_one).collect()
    }

    /// All rows of a license.
    pub(super) fn read(&mut self, name: &LicenseName) -> Result<Vec<Row>, Failure> {
        let Some(issuer) = self.names.find(self.t, name.0.as_bytes())? else {
            return Ok(Vec::new());
        };
        let mut found = self.read.query(params![name.1.as_bytes(), issuer])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(whole(*name, row)?);
        }
        Ok(rows)
    }

    /// Writes a row.
    pub(super) fn add(&mut self, row: &Row) -> Result<(), Failure> {
        let issuer = self.names.give(self.t, row.issuer.as_bytes())?;
        let computer = self.names.give(self.t, row.computer.as_bytes())?;
        let request = self.names.give(self.t, &row.request)?;
        let previous = row.previous.as_bytes().as_slice();
        let none = row.previous == Digest::default();
        self.add.execute(params![
            row.license.as_bytes(),
            issuer,
            row.seq,
            computer,
            numbers::of_change(row.change),
            row.slot,
            row.lease,
            request,
            row.time,
            if none { &[] } else { previous },
        ])?;
        Ok(())
    }
}

/// Rows after this one, of all licenses.
pub(super) fn walk(t: &Transaction<'_>, after: (LicenseName, u64), most: usize) -> Result<Vec<Row>, Failure> {
    let key = |row: &Row| ((row.license, row.issuer), row.seq);
    let ((issuer, license), seq) = after;
    let mut query = t.prepare_cached(WALK)?;
    let mut found = query.query(params![license.as_bytes()])?;
    let (mut rows, mut same) = (Vec::new(), Vec::new());
    loop {
        let row = match found.next()? {
            Some(row) => Some(whole((thumbprint(row.get(8)?)?, LicenseId(row.get(9)?)), row)?),
            None => None,
        };
        let ended = same
            .first()
            .is_some_and(|first: &Row| Some(first.license) != row.as_ref().map(|row| row.license));
        if ended {
            // Issuers stand in the order of their numbers; it matters only where two gave a license the same ID.
            same.sort_unstable_by_key(key);
            rows.extend(same.drain(..).filter(|row| key(row) > ((license, issuer), seq)));
        }
        match row {
            Some(row) if rows.len() < most => same.push(row),
            _ => break,
        }
    }
    rows.truncate(most);
    Ok(rows)
}

fn whole(name: LicenseName, row: &rusqlite::Row<'_>) -> Result<Row, Failure> {
    let previous = row.get_ref(7)?.as_blob().map_err(|_| PREVIOUS)?;
    Ok(Row {
        issuer: name.0,
        license: name.1,
        seq: row.get(0)?,
        computer: thumbprint(row.get(1)?)?,
        change: numbers::change(row.get(2)?)
            .ok_or(Failure::Damaged("a row changes nothing that is known"))?,
        slot: row.get(3)?,
        lease: row.get(4)?,
        request: thumbprint(row.get(5)?)?.0,
        time: row.get(6)?,
        previous: match previous {
            [] => Digest::default(),
            bytes => Digest(bytes.try_into().map_err(|_| PREVIOUS)?),
        },
    })
}

const PREVIOUS: Failure = Failure::Damaged("a row has no hash of the row before it");

fn thumbprint(name: Option<[u8; 32]>) -> Result<Thumbprint, Failure> {
    name.map(Thumbprint)
        .ok_or(Failure::Damaged("a row names by number what has no name"))
}
