//! Revocation lists in the SQLite ledger: kept as they were signed, indexed by what they name, acknowledged by
//! computers. Off the per-license path: an issuer without lists costs one look-up for each request.

use keyferry_license::{ComputerId, Digest, RevocationList, Thumbprint, Verified};
use keyferry_protocol::{ListNumber, MAX_ITEMS};
use rusqlite::{OptionalExtension, Transaction, params};

use super::Failure;
use crate::ledger::revoking::{EVERYTHING, Extent, KEY_ID, LICENSE, SUBJECT, key};
use crate::ledger::{Acknowledged, ListPlace};
use crate::policy::Case;

/// Takes the list if it is the issuer's next. Numbers have no gaps, because whoever has list n has all before it.
pub(super) fn put(
    t: &Transaction<'_>,
    list: &Verified<RevocationList>,
    now: u64,
) -> Result<ListPlace, Failure> {
    let next = newest(t, &list.issuer)?.saturating_add(1);
    if list.number > next {
        return Ok(ListPlace::Gap(next));
    }
    if list.number < next {
        let kept = "SELECT digest, time FROM revocation_lists WHERE issuer = ?1 AND number = ?2";
        let kept = t
            .prepare_cached(kept)?
            .query_row(params![list.issuer.as_bytes(), list.number], |row| {
                Ok((Digest(row.get(0)?), row.get(1)?))
            });
        let (digest, time) = kept?;
        return Ok(match digest == *list.digest() {
            true => ListPlace::Taken(time),
            false => ListPlace::Conflict(next),
        });
    }
    let statement =
        "INSERT INTO revocation_lists (issuer, number, digest, time, list) VALUES (?1, ?2, ?3, ?4, ?5)";
    t.prepare_cached(statement)?.execute(params![
        list.issuer.as_bytes(),
        list.number,
        list.digest().as_bytes(),
        now,
        list.as_bytes(),
    ])?;
    // What an earlier list named is named already.
    let statement = "INSERT OR IGNORE INTO revocations (issuer, kind, value, number) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = t.prepare_cached(statement)?;
    for entry in &list.entries {
        let (kind, value) = key(entry);
        statement.execute(params![list.issuer.as_bytes(), kind, value, list.number])?;
    }
    Ok(ListPlace::Taken(now))
}

/// Number of the issuer's newest list, 0 where there is none.
pub(super) fn newest(t: &Transaction<'_>, issuer: &Thumbprint) -> Result<u64, Failure> {
    let query = "SELECT coalesce(max(number), 0) FROM revocation_lists WHERE issuer = ?1";
    let number = t
        .prepare_cached(query)?
        .query_row([issuer.as_bytes()], |row| row.get(0))?;
    Ok(number)
}

/// Lists after this number, as many as fit.
pub(super) fn lists(t: &Transaction<'_>, after: ListNumber, bytes: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let query =
        "SELECT list FROM revocation_lists WHERE issuer = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
    let mut query = t.prepare_cached(query)?;
    // No list has a number beyond this, and the database counts no further.
    let number = after.number.min(i64::MAX as u64);
    let mut found = query.query(params![after.issuer.as_bytes(), number, MAX_ITEMS])?;
    let (mut lists, mut room) = (Vec::new(), bytes);
    while let Some(row) = found.next()? {
        let list: Vec<u8> = row.get(0)?;
        let Some(left) = room.checked_sub(list.len()) else {
            break;
        };
        room = left;
        lists.push(list);
    }
    Ok(lists)
}

/// Keeps the first word on each list; the first list that isn't here ends it before anything is written.
pub(super) fn acknowledge(
    t: &Transaction<'_>,
    computer: ComputerId,
    said: Acknowledged,
    lists: &[ListNumber],
) -> Result<Option<ListNumber>, Failure> {
    for list in lists {
        if list.number > newest(t, &list.issuer)? {
            return Ok(Some(*list));
        }
    }
    let statement = "INSERT OR IGNORE INTO acknowledgements (issuer, number, computer, request, time)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = t.prepare_cached(statement)?;
    for list in lists {
        let (issuer, computer) = (list.issuer.as_bytes(), computer.as_bytes());
        statement.execute(params![issuer, list.number, computer, said.request, said.time])?;
    }
    Ok(None)
}

/// Who obeyed this list.
pub(super) fn acknowledgements(
    t: &Transaction<'_>,
    list: ListNumber,
) -> Result<Vec<(ComputerId, Acknowledged)>, Failure> {
    let query = "SELECT computer, request, time FROM acknowledgements
        WHERE issuer = ?1 AND number = ?2 ORDER BY computer";
    let mut query = t.prepare_cached(query)?;
    // As above.
    let number = list.number.min(i64::MAX as u64);
    let found = query.query_map(params![list.issuer.as_bytes(), number], |row| {
        let (request, time) = (row.get(1)?, row.get(2)?);
        Ok((Thumbprint(row.get(0)?), Acknowledged { request, time }))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Looks up whether licenses are revoked; remembers what it learned of the issuer that it was asked about last.
#[derive(Default)]
pub(super) struct Revoked {
    last: Option<(Thumbprint, Extent)>,
}

impl Revoked {
    /// Does a list of its issuer name this license?
    pub(super) fn names(&mut self, t: &Transaction<'_>, case: &Case) -> Result<bool, Failure> {
        let extent = match self.last {
            Some((issuer, extent)) if issuer == case.issuer => extent,
            _ => extent(t, &case.issuer)?,
        };
        self.last = Some((case.issuer, extent));
        match extent {
            Extent::Nothing => return Ok(false),
            Extent::Everything => return Ok(true),
            Extent::Some => {}
        }
        let subject = case.subject.as_ref().map(|subject| subject.as_bytes().as_slice());
        let named = has(t, &case.issuer, LICENSE, case.license.as_bytes())?
            || has(t, &case.issuer, KEY_ID, case.key_id.as_bytes())?
            || match subject {
                Some(subject) => has(t, &case.issuer, SUBJECT, subject)?,
                None => false,
            };
        Ok(named)
    }
}

fn extent(t: &Transaction<'_>, issuer: &Thumbprint) -> Result<Extent, Failure> {
    // Kinds are in order, and everything is the last of them.
    let query = "SELECT kind FROM revocations WHERE issuer = ?1 ORDER BY kind DESC LIMIT 1";
    let last: Option<u8> = t
        .prepare_cached(query)?
        .query_row([issuer.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(Extent::of(last.map(|kind| kind == EVERYTHING)))
}

fn has(t: &Transaction<'_>, issuer: &Thumbprint, kind: u8, value: &[u8]) -> Result<bool, Failure> {
    let query = "SELECT 1 FROM revocations WHERE issuer = ?1 AND kind = ?2 AND value = ?3";
    let found = t
        .prepare_cached(query)?
        .query_row(params![issuer.as_bytes(), kind, value], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}
