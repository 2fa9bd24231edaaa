//! Rows of licenses on PostgreSQL: a batch is read by one statement, judged, and written by one statement.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use deadpool_postgres::{GenericClient, Object};
use keyferry_license::{Digest, LicenseId, Thumbprint};
use keyferry_protocol::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::revocations::Revoked;
use super::{bytes32, signed, statements, unsigned};
use crate::ledger::{LicenseName, numbers};
use crate::policy::{self, Asker, Case, Judgment, Return, Returned};

/// How often licenses are judged again that other processes were faster with.
const ROUNDS: usize = 16;

/// Judges licenses and adds their rows. What somebody else was faster with is judged again by itself.
pub(super) async fn judge(
    client: &mut Object,
    asker: &Asker,
    cases: &[Case],
) -> Result<Vec<Judgment>, Failure> {
    let mut open = Open::new(cases);
    for _ in 0..ROUNDS {
        let names: Vec<LicenseName> = open.items().map(|case| (case.issuer, case.license)).collect();
        let asked: Vec<Case> = open.items().copied().collect();
        let transaction = client.transaction().await?;
        let revoked = Revoked::look_up(&transaction, &asked, true).await?;
        let rows = read(&transaction, &names).await?;
        let judgments: Vec<Judgment> = asked
            .iter()
            .zip(&rows)
            .map(|(case, rows)| policy::judge(case, rows, revoked.names(case), asker))
            .collect();
        let new: Vec<&Row> = judgments.iter().filter_map(Judgment::new_row).collect();
        let lost = add(&transaction, &new).await?;
        transaction.commit().await?;
        if let Some(all) = open.settle(judgments, |at| {
            !names.get(at).is_some_and(|name| lost.contains(name))
        }) {
            return Ok(all);
        }
    }
    Err(Failure::Contended)
}

/// Judges and writes nothing.
pub(super) async fn plan(
    client: &mut Object,
    asker: &Asker,
    cases: &[Case],
) -> Result<Vec<Judgment>, Failure> {
    let revoked = Revoked::look_up(client, cases, false).await?;
    let names: Vec<LicenseName> = cases.iter().map(|case| (case.issuer, case.license)).collect();
    let rows = read(client, &names).await?;
    let judge = |(case, rows): (&Case, &Vec<Row>)| policy::judge(case, rows, revoked.names(case), asker);
    Ok(cases.iter().zip(&rows).map(judge).collect())
}

/// Judges licenses that are given back and adds their rows.
pub(super) async fn release(
    client: &mut Object,
    asker: &Asker,
    items: &[Return],
) -> Result<Vec<Returned>, Failure> {
    let mut open = Open::new(items);
    for _ in 0..ROUNDS {
        let names: Vec<LicenseName> = open.items().map(|item| (item.issuer, item.license)).collect();
        let rows = read(client, &names).await?;
        let returned: Vec<Returned> = open
            .items()
            .zip(&rows)
            .map(|(item, rows)| policy::release(item, rows, asker))
            .collect();
        let new: Vec<&Row> = returned.iter().filter_map(Returned::new_row).collect();
        let lost = add(client, &new).await?;
        if let Some(all) = open.settle(returned, |at| {
            !names.get(at).is_some_and(|name| lost.contains(name))
        }) {
            return Ok(all);
        }
    }
    Err(Failure::Contended)
}

/// Items with what became of them, as far as it is known.
struct Open<'a, I, T>(Vec<(&'a I, Option<T>)>);

impl<'a, I, T> Open<'a, I, T> {
    fn new(items: &'a [I]) -> Self {
        Self(items.iter().map(|item| (item, None)).collect())
    }

    /// Those of which it isn't known.
    fn items(&self) -> impl Iterator<Item = &'a I> {
        self.0
            .iter()
            .filter(|(_, known)| known.is_none())
            .map(|(item, _)| *item)
    }

    /// Takes what became of those, unless `stands` says no to one's position; gives all when all is known.
    fn settle(&mut self, found: Vec<T>, stands: impl Fn(usize) -> bool) -> Option<Vec<T>> {
        let open = self.0.iter_mut().filter(|(_, known)| known.is_none());
        for (at, ((_, place), value)) in open.zip(found).enumerate() {
            if stands(at) {
                *place = Some(value);
            }
        }
        if self.0.iter().any(|(_, known)| known.is_none()) {
            return None;
        }
        Some(
            std::mem::take(&mut self.0)
                .into_iter()
                .filter_map(|(_, known)| known)
                .collect(),
        )
    }
}

/// All rows of these licenses, in their order.
pub(super) async fn read(
    client: &impl GenericClient,
    names: &[LicenseName],
) -> Result<Vec<Vec<Row>>, Failure> {
    let licenses: Vec<Uuid> = names.iter().map(|(_, license)| uuid(license)).collect();
    let issuers: Vec<&[u8]> = names
        .iter()
        .map(|(issuer, _)| issuer.as_bytes().as_slice())
        .collect();
    let query = client.prepare_cached(statements::READ).await?;
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); names.len()];
    for found in client.query(&query, &[&licenses, &issuers]).await? {
        let at = usize::try_from(found.try_get::<_, i64>(0)?).ok();
        let at = at.and_then(|at| at.checked_sub(1));
        let place = at.and_then(|at| Some((names.get(at)?, rows.get_mut(at)?)));
        let ((issuer, license), place) = place.ok_or(Failure::Damaged("a row that nobody asked for"))?;
        place.push(whole((*issuer, *license), &found)?);
    }
    Ok(rows)
}

/// Rows after this one, of all licenses.
pub(super) async fn walk(
    client: &mut Object,
    after: (LicenseName, u64),
    most: usize,
) -> Result<Vec<Row>, Failure> {
    let ((issuer, license), seq) = after;
    let query = client.prepare_cached(statements::WALK).await?;
    let (issuer, license) = (issuer.as_bytes().as_slice(), uuid(&license));
    // No row has a number beyond these, and the database counts no further.
    let (seq, most) = (
        i64::try_from(seq).unwrap_or(i64::MAX),
        i64::try_from(most).unwrap_or(i64::MAX),
    );
    let found = client.query(&query, &[&license, &issuer, &seq, &most]).await?;
    let row = |row: &tokio_postgres::Row| {
        let license: Uuid = row.try_get(0)?;
        whole(
            (Thumbprint(bytes32(row, 9)?), LicenseId(license.into_bytes())),
            row,
        )
    };
    found.iter().map(row).collect()
}

/// A row from columns 1 to 8.
fn whole((issuer, license): LicenseName, row: &tokio_postgres::Row) -> Result<Row, Failure> {
    Ok(Row {
        issuer,
        license,
        seq: unsigned(row.try_get(1)?)?,
        computer: Thumbprint(bytes32(row, 2)?),
        change: u8::try_from(row.try_get::<_, i16>(3)?)
            .ok()
            .and_then(numbers::change)
            .ok_or(Failure::Damaged("a row changes nothing that is known"))?,
        slot: u32::try_from(row.try_get::<_, i32>(4)?).map_err(|_| Failure::Damaged("a slot below zero"))?,
        lease: unsigned(row.try_get(5)?)?,
        request: bytes32(row, 6)?,
        time: unsigned(row.try_get(7)?)?,
        previous: Digest(bytes32(row, 8)?),
    })
}

/// The columns of rows, in the order of the statements' arrays.
struct Columns<'a> {
    licenses: Vec<Uuid>,
    issuers: Vec<&'a [u8]>,
    seqs: Vec<i64>,
    slots: Vec<i32>,
    times: Vec<i64>,
    previous: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&'a Row]) -> Result<Self, Failure> {
        let slot = |row: &&Row| i32::try_from(row.slot).map_err(|_| Failure::TooLarge);
        Ok(Self {
            licenses: rows.iter().map(|row| uuid(&row.license)).collect(),
            issuers: rows.iter().map(|row| row.issuer.as_bytes().as_slice()).collect(),
            seqs: rows.iter().map(|row| signed(row.seq)).collect::<Result<_, _>>()?,
            slots: rows.iter().map(slot).collect::<Result<_, _>>()?,
            times: rows
                .iter()
                .map(|row| signed(row.time))
                .collect::<Result<_, _>>()?,
            previous: rows
                .iter()
                .map(|row| row.previous.as_bytes().as_slice())
                .collect(),
        })
    }
}

/// In the order of the primary key, whatever order they were asked in: two batches wait for each other in one direction
/// only. Nobody else would notice that they don't where partitions are on several servers.
fn in_order<'a>(rows: &[&'a Row]) -> Vec<&'a Row> {
    let mut rows = rows.to_vec();
    rows.sort_unstable_by_key(|row| (row.license, row.issuer, row.seq));
    rows
}

/// Adds rows that one request causes by one change; gives the licenses for which another process was faster.
async fn add(client: &impl GenericClient, rows: &[&Row]) -> Result<HashSet<LicenseName>, Failure> {
    let Some(first) = rows.first() else {
        return Ok(HashSet::new());
    };
    let rows = &in_order(rows);
    let columns = Columns::of(rows)?;
    let statement = client.prepare_cached(statements::ADD).await?;
    let (computer, request) = (first.computer.as_bytes().as_slice(), first.request.as_slice());
    let change = i16::from(numbers::of_change(first.change));
    let added = client
        .query(
            &statement,
            &[
                &columns.licenses,
                &columns.issuers,
                &columns.seqs,
                &columns.slots,
                &columns.times,
                &columns.previous,
                &computer,
                &change,
                &request,
            ],
        )
        .await?;
    let mut lost = HashSet::new();
    if added.len() < rows.len() {
        lost.extend(rows.iter().map(|row| (row.issuer, row.license)));
        for row in &added {
            lost.remove(&name(row)?);
        }
    }
    Ok(lost)
}

/// Adds rows of any requests; gives those that were added, by license and sequence number.
pub(super) async fn add_again(
    client: &impl GenericClient,
    rows: &[&Row],
) -> Result<BTreeSet<(LicenseName, u64)>, Failure> {
    let rows = &in_order(rows);
    let columns = Columns::of(rows)?;
    let computers: Vec<&[u8]> = rows
        .iter()
        .map(|row| row.computer.as_bytes().as_slice())
        .collect();
    let changes: Vec<i16> = rows
        .iter()
        .map(|row| i16::from(numbers::of_change(row.change)))
        .collect();
    let leases = rows
        .iter()
        .map(|row| signed(row.lease))
        .collect::<Result<Vec<i64>, _>>()?;
    let requests: Vec<&[u8]> = rows.iter().map(|row| row.request.as_slice()).collect();
    let added = client
        .query(
            statements::ADD_AGAIN,
            &[
                &columns.licenses,
                &columns.issuers,
                &columns.seqs,
                &columns.slots,
                &columns.times,
                &columns.previous,
                &computers,
                &changes,
                &leases,
                &requests,
            ],
        )
        .await?;
    let key = |row: &tokio_postgres::Row| Ok((name(row)?, unsigned(row.try_get(2)?)?));
    added.iter().map(key).collect()
}

/// Rows of licenses by their names.
pub(super) async fn by_name(
    client: &impl GenericClient,
    names: BTreeSet<LicenseName>,
) -> Result<BTreeMap<LicenseName, Vec<Row>>, Failure> {
    let names: Vec<LicenseName> = names.into_iter().collect();
    let rows = read(client, &names).await?;
    Ok(names.into_iter().zip(rows).collect())
}

fn name(row: &tokio_postgres::Row) -> Result<LicenseName, Failure> {
    let license: Uuid = row.try_get(0)?;
    Ok((Thumbprint(bytes32(row, 1)?), LicenseId(license.into_bytes())))
}

pub(super) fn uuid(license: &LicenseId) -> Uuid {
    Uuid::from_bytes(*license.as_bytes())
}
