//! Refusal pages in the SQLite ledger: one for each computer, operation and reason, bounded and forgotten in time.

use keyferry_license::{LicenseId, Thumbprint};
use rusqlite::{OptionalExtension, Transaction, params};

use super::Failure;
use crate::ledger::{LISTED_LICENSES, PAGE_LIFETIME, PageId, Refusal, RefusalPage, RefusedLicense, numbers};

/// Adds a refusal to its page, which is `fresh` if there is none yet. A retry adds nothing.
pub(super) fn add(t: &Transaction<'_>, refusal: &Refusal, fresh: PageId) -> Result<PageId, Failure> {
    let page = find_or_make(t, refusal, fresh)?;
    let request = "INSERT OR IGNORE INTO refusal_requests (page, request, licenses) VALUES (?1, ?2, ?3)";
    let added = t
        .prepare_cached(request)?
        .execute(params![page, refusal.request, refusal.licenses])?;
    if added == 0 {
        return Ok(page);
    }
    let count = "SELECT count(*) FROM refusal_licenses WHERE page = ?1";
    let listed: usize = t.prepare_cached(count)?.query_row([page], |row| row.get(0))?;
    let license = "INSERT INTO refusal_licenses (page, number, issuer, license, origin, allowed, title)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut license = t.prepare_cached(license)?;
    let room = LISTED_LICENSES.saturating_sub(listed);
    for (number, refused) in (listed..).zip(refusal.listed.iter().take(room)) {
        license.execute(params![
            page,
            number,
            refused.issuer.as_bytes(),
            refused.license.as_bytes(),
            refused.origin.as_bytes(),
            refused.limit,
            refused.title,
        ])?;
    }
    Ok(page)
}

/// A page that is not too old.
pub(super) fn read(t: &Transaction<'_>, page: &PageId, now: u64) -> Result<Option<RefusalPage>, Failure> {
    let query = "SELECT computer, reason, time FROM refusals WHERE page = ?1";
    let found = t
        .prepare_cached(query)?
        .query_row([page], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((computer, number, time)) = found else {
        return Ok(None);
    };
    if u64::saturating_add(time, PAGE_LIFETIME) < now {
        return Ok(None);
    }
    let total = "SELECT coalesce(sum(licenses), 0) FROM refusal_requests WHERE page = ?1";
    let listed = "SELECT issuer, license, origin, allowed, title FROM refusal_licenses
        WHERE page = ?1 ORDER BY number";
    let mut listed = t.prepare_cached(listed)?;
    let listed = listed.query_map([page], |row| {
        Ok(RefusedLicense {
            issuer: Thumbprint(row.get(0)?),
            license: LicenseId(row.get(1)?),
            origin: Thumbprint(row.get(2)?),
            limit: row.get(3)?,
            title: row.get(4)?,
        })
    })?;
    Ok(Some(RefusalPage {
        computer: Thumbprint(computer),
        reason: numbers::reason(number)
            .ok_or(Failure::Damaged("a refusal for a reason that is not known"))?,
        time,
        licenses: t.prepare_cached(total)?.query_row([page], |row| row.get(0))?,
        listed: listed.collect::<rusqlite::Result<_>>()?,
    }))
}

fn find_or_make(t: &Transaction<'_>, refusal: &Refusal, fresh: PageId) -> Result<PageId, Failure> {
    let query = "SELECT page FROM refusals WHERE computer = ?1 AND operation = ?2 AND reason = ?3";
    let key = params![
        refusal.computer.as_bytes(),
        refusal.operation,
        numbers::of_reason(refusal.reason)
    ];
    let found = t
        .prepare_cached(query)?
        .query_row(key, |row| row.get(0))
        .optional()?;
    if let Some(page) = found {
        return Ok(page);
    }
    forget_old(t, refusal.now)?;
    let statement =
        "INSERT INTO refusals (page, computer, operation, reason, time) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (computer, reason) = (refusal.computer.as_bytes(), numbers::of_reason(refusal.reason));
    let values = params![fresh, computer, refusal.operation, reason, refusal.now];
    t.prepare_cached(statement)?.execute(values)?;
    Ok(fresh)
}

fn forget_old(t: &Transaction<'_>, now: u64) -> Result<(), Failure> {
    let before = now.saturating_sub(PAGE_LIFETIME);
    for statement in [
        "DELETE FROM refusal_requests WHERE page IN (SELECT page FROM refusals WHERE time < ?1)",
        "DELETE FROM refusal_licenses WHERE page IN (SELECT page FROM refusals WHERE time < ?1)",
        "DELETE FROM refusals WHERE time < ?1",
    ] {
        t.prepare_cached(statement)?.execute([before])?;
    }
    Ok(())
}
