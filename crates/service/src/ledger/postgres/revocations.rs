//! Revocation lists on PostgreSQL: kept as they were signed, indexed by what they name, acknowledged by computers.

use std::collections::{BTreeSet, HashMap, HashSet};

use deadpool_postgres::{GenericClient, Object};
use keyferry_license::{ComputerId, RevocationList, Thumbprint, Verified};
use keyferry_protocol::{ListNumber, MAX_ITEMS};

use super::failure::Failure;
use super::{bytes32, signed, statements, unsigned};
use crate::ledger::revoking::{EVERYTHING, Extent, KEY_ID, LICENSE, SUBJECT, key};
use crate::ledger::{Acknowledged, ListPlace};
use crate::policy::Case;

/// Advisory locks of issuers are apart from those of anybody else by this number.
const ISSUERS: i32 = 0x6b66_6973;

/// Takes the list if it is the issuer's next; nobody judges a license of the issuer meanwhile.
pub(super) async fn put(
    client: &mut Object,
    list: &Verified<RevocationList>,
    now: u64,
) -> Result<ListPlace, Failure> {
    let t = client.transaction().await?;
    t.query(statements::LOCK_ISSUER, &[&ISSUERS, &lock_of(&list.issuer)])
        .await?;
    let newest = newest(&t, &[list.issuer]).await?;
    let next = newest.first().map_or(1, |newest| newest.saturating_add(1));
    if list.number > next {
        return Ok(ListPlace::Gap(next));
    }
    let (issuer, digest) = (
        list.issuer.as_bytes().as_slice(),
        list.digest().as_bytes().as_slice(),
    );
    let number = signed(list.number)?;
    if list.number < next {
        let kept = t.query_one(statements::KEPT_LIST, &[&issuer, &number]).await?;
        return Ok(match kept.try_get::<_, &[u8]>(0)? == digest {
            true => ListPlace::Taken(unsigned(kept.try_get(1)?)?),
            false => ListPlace::Conflict(next),
        });
    }
    let time = signed(now)?;
    t.execute(
        statements::PUT_LIST,
        &[&issuer, &number, &digest, &time, &list.as_bytes()],
    )
    .await?;
    let named = list.entries.iter().map(key);
    let (kinds, values): (Vec<i16>, Vec<Vec<u8>>) =
        named.map(|(kind, value)| (i16::from(kind), value)).unzip();
    t.execute(statements::PUT_REVOCATIONS, &[&issuer, &kinds, &values, &number])
        .await?;
    t.commit().await?;
    Ok(ListPlace::Taken(now))
}

/// Number of the newest list of each issuer, 0 where there is none.
pub(super) async fn newest(client: &impl GenericClient, issuers: &[Thumbprint]) -> Result<Vec<u64>, Failure> {
    let issuers: Vec<&[u8]> = issuers
        .iter()
        .map(|issuer| issuer.as_bytes().as_slice())
        .collect();
    let query = client.prepare_cached(statements::NEWEST).await?;
    let rows = client.query(&query, &[&issuers]).await?;
    rows.iter().map(|row| unsigned(row.try_get(0)?)).collect()
}

/// Lists after this number, as many as fit.
pub(super) async fn lists(
    client: &mut Object,
    after: ListNumber,
    bytes: usize,
) -> Result<Vec<Vec<u8>>, Failure> {
    let issuer = after.issuer.as_bytes().as_slice();
    // No list has a number beyond this, and the database counts no further.
    let number = i64::try_from(after.number).unwrap_or(i64::MAX);
    let limit = MAX_ITEMS as i64;
    let (mut last, mut room) = (number, bytes);
    for row in client
        .query(statements::LIST_SIZES, &[&issuer, &number, &limit])
        .await?
    {
        let size: i32 = row.try_get(1)?;
        let Some(left) = usize::try_from(size).ok().and_then(|size| room.checked_sub(size)) else {
            break;
        };
        room = left;
        last = row.try_get(0)?;
    }
    let rows = client
        .query(statements::LISTS, &[&issuer, &number, &last])
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Keeps the first word on each list; the first list that isn't here ends it before anything is written.
pub(super) async fn acknowledge(
    client: &mut Object,
    computer: ComputerId,
    said: Acknowledged,
    lists: &[ListNumber],
) -> Result<Option<ListNumber>, Failure> {
    let issuers: Vec<Thumbprint> = lists.iter().map(|list| list.issuer).collect();
    let newest = newest(client, &issuers).await?;
    let missing = lists
        .iter()
        .zip(newest)
        .find(|(list, newest)| list.number > *newest);
    if let Some((list, _)) = missing {
        return Ok(Some(*list));
    }
    let issuers: Vec<&[u8]> = issuers
        .iter()
        .map(|issuer| issuer.as_bytes().as_slice())
        .collect();
    let numbers = lists
        .iter()
        .map(|list| signed(list.number))
        .collect::<Result<Vec<i64>, _>>()?;
    let (computer, request) = (computer.as_bytes().as_slice(), said.request.as_slice());
    let time = signed(said.time)?;
    client
        .execute(
            statements::ACKNOWLEDGE,
            &[&issuers, &numbers, &computer, &request, &time],
        )
        .await?;
    Ok(None)
}

/// Who obeyed this list.
pub(super) async fn acknowledgements(
    client: &mut Object,
    list: ListNumber,
) -> Result<Vec<(ComputerId, Acknowledged)>, Failure> {
    let number = i64::try_from(list.number).unwrap_or(i64::MAX);
    let issuer = list.issuer.as_bytes().as_slice();
    let rows = client
        .query(statements::ACKNOWLEDGEMENTS, &[&issuer, &number])
        .await?;
    let acknowledged = |row: &tokio_postgres::Row| {
        let (request, time) = (bytes32(row, 1)?, unsigned(row.try_get(2)?)?);
        Ok((Thumbprint(bytes32(row, 0)?), Acknowledged { request, time }))
    };
    rows.iter().map(acknowledged).collect()
}

/// What the lists say about the licenses of one batch.
pub(super) struct Revoked {
    extents: HashMap<Thumbprint, Extent>,
    named: HashSet<(Thumbprint, u8, Vec<u8>)>,
}

impl Revoked {
    /// Looks them up; with `hold`, no list of their issuers is taken until the transaction ends.
    pub(super) async fn look_up(
        client: &impl GenericClient,
        cases: &[Case],
        hold: bool,
    ) -> Result<Self, Failure> {
        let issuers: BTreeSet<Thumbprint> = cases.iter().map(|case| case.issuer).collect();
        if hold {
            // In order, so that nobody waits in a circle.
            let locks: BTreeSet<i32> = issuers.iter().map(lock_of).collect();
            let locks: Vec<i32> = locks.into_iter().collect();
            let share = client.prepare_cached(statements::SHARE_ISSUERS).await?;
            client.query(&share, &[&ISSUERS, &locks]).await?;
        }
        let names: Vec<&[u8]> = issuers
            .iter()
            .map(|issuer| issuer.as_bytes().as_slice())
            .collect();
        let query = client.prepare_cached(statements::EXTENTS).await?;
        let mut extents = HashMap::new();
        for (issuer, row) in issuers.iter().zip(client.query(&query, &[&names]).await?) {
            let last: Option<i16> = row.try_get(0)?;
            extents.insert(
                *issuer,
                Extent::of(last.map(|kind| kind == i16::from(EVERYTHING))),
            );
        }
        let mut revoked = Self {
            extents,
            named: HashSet::new(),
        };
        revoked.look_for_names(client, cases).await?;
        Ok(revoked)
    }

    /// Only of issuers that revoked something and not everything.
    async fn look_for_names(&mut self, client: &impl GenericClient, cases: &[Case]) -> Result<(), Failure> {
        let some = cases
            .iter()
            .filter(|case| self.extents.get(&case.issuer) == Some(&Extent::Some));
        let asked: Vec<(Thumbprint, u8, Vec<u8>)> = some.flat_map(keys).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let issuers: Vec<&[u8]> = asked
            .iter()
            .map(|(issuer, ..)| issuer.as_bytes().as_slice())
            .collect();
        let kinds: Vec<i16> = asked.iter().map(|(_, kind, _)| i16::from(*kind)).collect();
        let values: Vec<&[u8]> = asked.iter().map(|(.., value)| value.as_slice()).collect();
        let query = client.prepare_cached(statements::NAMED).await?;
        for row in client.query(&query, &[&issuers, &kinds, &values]).await? {
            let at = usize::try_from(row.try_get::<_, i64>(0)?).ok();
            let found = at.and_then(|at| asked.get(at.checked_sub(1)?));
            self.named.extend(found.cloned());
        }
        Ok(())
    }

    /// Does a list of its issuer name this license?
    pub(super) fn names(&self, case: &Case) -> bool {
        match self.extents.get(&case.issuer) {
            None | Some(Extent::Nothing) => false,
            Some(Extent::Everything) => true,
            Some(Extent::Some) => keys(case).iter().any(|key| self.named.contains(key)),
        }
    }
}

/// What a list could name this license by.
fn keys(case: &Case) -> Vec<(Thumbprint, u8, Vec<u8>)> {
    let mut keys = vec![
        (case.issuer, LICENSE, case.license.as_bytes().to_vec()),
        (case.issuer, KEY_ID, case.key_id.as_bytes().to_vec()),
    ];
    keys.extend(
        case.subject
            .map(|subject| (case.issuer, SUBJECT, subject.as_bytes().to_vec())),
    );
    keys
}

fn lock_of(issuer: &Thumbprint) -> i32 {
    let [a, b, c, d, ..] = *issuer.as_bytes();
    i32::from_be_bytes([a, b, c, d])
}
