//! Refusal pages on PostgreSQL: one for each computer, operation and reason, bounded and forgotten in time.

use deadpool_postgres::{GenericClient, Object, Transaction};
use keyferry_license::{LicenseId, Thumbprint};
use uuid::Uuid;

use super::failure::Failure;
use super::rows::uuid;
use super::{bytes32, signed, statements, unsigned};
use crate::ledger::{LISTED_LICENSES, PAGE_LIFETIME, PageId, Refusal, RefusalPage, RefusedLicense, numbers};

/// Adds a refusal to its page, which is `fresh` if there is none yet. A retry adds nothing.
pub(super) async fn add(client: &mut Object, refusal: &Refusal, fresh: PageId) -> Result<PageId, Failure> {
    let t = client.transaction().await?;
    let page = find_or_make(&t, refusal, fresh).await?;
    let (key, request) = (page.as_slice(), refusal.request.as_slice());
    let licenses = signed(refusal.licenses)?;
    let added = t
        .execute(statements::COUNT_REQUEST, &[&key, &request, &licenses])
        .await?;
    if added > 0 {
        list(&t, refusal, key).await?;
    }
    t.commit().await?;
    Ok(page)
}

/// A page that is not too old.
pub(super) async fn read(
    client: &mut Object,
    page: &PageId,
    now: u64,
) -> Result<Option<RefusalPage>, Failure> {
    let key = page.as_slice();
    let Some(found) = client.query_opt(statements::PAGE, &[&key]).await? else {
        return Ok(None);
    };
    let time = unsigned(found.try_get(2)?)?;
    if time.saturating_add(PAGE_LIFETIME) < now {
        return Ok(None);
    }
    let reason = u8::try_from(found.try_get::<_, i16>(1)?).ok();
    let reason = reason.and_then(numbers::reason);
    let total = client.query_one(statements::PAGE_TOTAL, &[&key]).await?;
    let listed = client.query(statements::PAGE_LICENSES, &[&key]).await?;
    Ok(Some(RefusalPage {
        computer: Thumbprint(bytes32(&found, 0)?),
        reason: reason.ok_or(Failure::Damaged("a refusal for a reason that is not known"))?,
        time,
        licenses: unsigned(total.try_get(0)?)?,
        listed: listed.iter().map(refused).collect::<Result<_, _>>()?,
    }))
}

async fn find_or_make(t: &Transaction<'_>, refusal: &Refusal, fresh: PageId) -> Result<PageId, Failure> {
    if let Some(page) = find(t, refusal).await? {
        return Ok(page);
    }
    let before = signed(refusal.now.saturating_sub(PAGE_LIFETIME))?;
    for statement in statements::FORGET {
        t.execute(statement, &[&before]).await?;
    }
    let (computer, operation) = (
        refusal.computer.as_bytes().as_slice(),
        refusal.operation.as_slice(),
    );
    let (page, reason) = (fresh.as_slice(), i16::from(numbers::of_reason(refusal.reason)));
    let time = signed(refusal.now)?;
    t.execute(
        statements::MAKE_PAGE,
        &[&page, &computer, &operation, &reason, &time],
    )
    .await?;
    // Another process may have made it meanwhile: then that one is found.
    find(t, refusal).await?.ok_or(Failure::Contended)
}

/// Finds the page, and keeps others from adding to it until the transaction ends.
async fn find(t: &Transaction<'_>, refusal: &Refusal) -> Result<Option<PageId>, Failure> {
    let (computer, operation) = (
        refusal.computer.as_bytes().as_slice(),
        refusal.operation.as_slice(),
    );
    let reason = i16::from(numbers::of_reason(refusal.reason));
    let query = t.prepare_cached(statements::FIND_PAGE).await?;
    let Some(found) = t.query_opt(&query, &[&computer, &operation, &reason]).await? else {
        return Ok(None);
    };
    let page: &[u8] = found.try_get(0)?;
    let page = page
        .try_into()
        .map_err(|_| Failure::Damaged("the address of a page"))?;
    Ok(Some(page))
}

async fn list(t: &Transaction<'_>, refusal: &Refusal, page: &[u8]) -> Result<(), Failure> {
    let listed: i64 = t
        .query_one(statements::COUNT_LISTED, &[&page])
        .await?
        .try_get(0)?;
    let room = LISTED_LICENSES.saturating_sub(unsigned(listed)? as usize);
    let refused: Vec<&RefusedLicense> = refusal.listed.iter().take(room).collect();
    let numbers: Vec<i64> = (listed..).take(refused.len()).collect();
    let issuers: Vec<&[u8]> = refused
        .iter()
        .map(|one| one.issuer.as_bytes().as_slice())
        .collect();
    let licenses: Vec<Uuid> = refused.iter().map(|one| uuid(&one.license)).collect();
    let origins: Vec<&[u8]> = refused
        .iter()
        .map(|one| one.origin.as_bytes().as_slice())
        .collect();
    let allowed: Vec<i64> = refused.iter().map(|one| i64::from(one.limit)).collect();
    // PostgreSQL's text can't hold a NUL.
    let titles: Vec<String> = refused.iter().map(|one| one.title.replace('\0', "")).collect();
    t.execute(
        statements::LIST_REFUSED,
        &[&page, &numbers, &issuers, &licenses, &origins, &allowed, &titles],
    )
    .await?;
    Ok(())
}

fn refused(row: &tokio_postgres::Row) -> Result<RefusedLicense, Failure> {
    let license: Uuid = row.try_get(1)?;
    let limit: i64 = row.try_get(3)?;
    Ok(RefusedLicense {
        issuer: Thumbprint(bytes32(row, 0)?),
        license: LicenseId(license.into_bytes()),
        origin: Thumbprint(bytes32(row, 2)?),
        limit: u32::try_from(limit).map_err(|_| Failure::Damaged("a limit"))?,
        title: row.try_get(4)?,
    })
}
