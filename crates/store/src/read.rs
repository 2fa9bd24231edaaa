//! Reading licenses: a snapshot of all, those of a key, one by name, and opening what was read.

use std::path::PathBuf;
use std::sync::Arc;

use keyferry_license::{
    ContentKey, Grant, KeyId, LicenseId, SealedKey, Sealer, Thumbprint, Unverified, Verified,
};
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::removal::Tombstone;
use crate::sql;
use crate::sql::licenses::{self, LicenseRow};
use crate::sql::revocations;
use crate::store::Store;

/// A license as it lies in the store: nothing is proven until its key is opened.
#[derive(Debug, Clone)]
pub struct StoredLicense {
    pub(crate) row: i64,
    license: LicenseId,
    bytes: Vec<u8>,
    sealed: SealedKey,
}

impl StoredLicense {
    /// The ID under which it lies there.
    pub fn license(&self) -> LicenseId {
        self.license
    }

    /// The grant's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key, sealed under the store key.
    pub fn sealed(&self) -> &SealedKey {
        &self.sealed
    }

    /// Decodes the grant. [`Error::DamagedLicense`] when that fails.
    pub fn grant(&self) -> Result<Unverified<Grant>> {
        let damaged = |what| Error::DamagedLicense {
            license: self.license,
            what,
        };
        let grant = Grant::parse(&self.bytes).map_err(|_| damaged("its grant can't be read"))?;
        if grant.claim().license != self.license {
            return Err(damaged("it lies under the ID of another"));
        }
        Ok(grant)
    }
}

/// Opens keys of one store, on any thread.
#[derive(Clone)]
pub struct Opener {
    sealer: Arc<Sealer>,
}

impl Opener {
    pub(crate) fn new(sealer: Arc<Sealer>) -> Self {
        Self { sealer }
    }

    /// Opens the key of a license, and with that proves the grant: an altered grant doesn't open.
    /// [`Error::DamagedLicense`] when it doesn't.
    pub fn open(&self, stored: &StoredLicense) -> Result<(Verified<Grant>, ContentKey)> {
        self.open_read(stored, stored.grant()?)
    }

    /// The same, where the grant was decoded before.
    pub(crate) fn open_read(
        &self,
        stored: &StoredLicense,
        grant: Unverified<Grant>,
    ) -> Result<(Verified<Grant>, ContentKey)> {
        let opened = self.sealer.open_own(grant, &stored.sealed);
        opened.map_err(|_| Error::DamagedLicense {
            license: stored.license,
            what: "its key does not open",
        })
    }
}

/// Is a license here, and if not, may it come?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// Neither it nor a tombstone.
    Absent,
    /// It is here.
    Here,
    /// This computer gave it back.
    Released,
    /// Its issuer revoked it.
    Revoked,
}

/// All licenses and documents as they were when it was taken, on a connection of its own: what others write meanwhile is not seen.
pub struct Snapshot {
    pub(crate) path: PathBuf,
    pub(crate) db: Connection,
    count: u64,
}

impl Snapshot {
    /// How many licenses there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Calls `each` for every license in the order in which they came; stops at its first error. Memory doesn't grow
    /// with their number.
    pub fn for_each<E: From<Error>>(
        &self,
        mut each: impl FnMut(StoredLicense) -> Result<(), E>,
    ) -> Result<(), E> {
        licenses::for_each(&self.db, &self.path, |row| each(row.into()))
    }
}

impl Store {
    /// Takes a snapshot of all licenses.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let db = sql::open_snapshot(&self.path)?;
        let count = licenses::count(&db, &self.path)?;
        Ok(Snapshot {
            path: self.path.clone(),
            db,
            count,
        })
    }

    /// How many licenses are here.
    pub fn count(&self) -> Result<u64> {
        licenses::count(&self.db, &self.path)
    }

    /// Opens the key of a license; see [`Opener::open`].
    pub fn open_license(&self, stored: &StoredLicense) -> Result<(Verified<Grant>, ContentKey)> {
        self.opener().open(stored)
    }

    /// The licenses for a key ID, in the order in which they came, of all issuers, accepted or not.
    pub fn licenses_for(&self, key_id: &KeyId) -> Result<Vec<StoredLicense>> {
        let rows = licenses::by_key(&self.db, &self.path, key_id)?;
        let stored = rows.into_iter().map(StoredLicense::from);
        // What can't be read is kept, so that its damage is told and not hidden.
        let fits = |license: &StoredLicense| {
            license
                .grant()
                .map_or(true, |grant| grant.claim().key_id == *key_id)
        };
        Ok(stored.filter(fits).collect())
    }

    /// The license of this issuer and ID.
    pub fn license(&self, issuer: &Thumbprint, license: &LicenseId) -> Result<Option<StoredLicense>> {
        let Some(issuer) = licenses::find_issuer(&self.db, &self.path, issuer)? else {
            return Ok(None);
        };
        let row = licenses::get(&self.db, &self.path, issuer, license)?;
        Ok(row.map(StoredLicense::from))
    }

    /// For many licenses at once, in one consistent view and in their order: what a plan asks. It knows nothing of what
    /// was revoked otherwise than by license; [`Store::presence_of`] does.
    pub fn presence<'l>(
        &self,
        what: impl IntoIterator<Item = (&'l Thumbprint, &'l LicenseId)>,
    ) -> Result<Vec<Presence>> {
        self.presences(what.into_iter().map(|(issuer, license)| (issuer, license, None)))
    }

    /// The same for licenses whose grants are at hand, verified or not: what was revoked by key ID, by subject or with
    /// everything of its issuer is told too.
    pub fn presence_of<'g>(&self, what: impl IntoIterator<Item = &'g Grant>) -> Result<Vec<Presence>> {
        self.presences(
            what.into_iter()
                .map(|grant| (&grant.issuer, &grant.license, Some(grant))),
        )
    }

    fn presences<'l>(
        &self,
        what: impl Iterator<Item = (&'l Thumbprint, &'l LicenseId, Option<&'l Grant>)>,
    ) -> Result<Vec<Presence>> {
        let view = self.db.unchecked_transaction().map_err(sql::failed(&self.path))?;
        let tombstones = licenses::any_tombstone(&view, &self.path)?;
        let mut last: Option<(Thumbprint, Option<(i64, bool)>)> = None;
        let mut one = |(root, license, grant): (&Thumbprint, &LicenseId, Option<&Grant>)| {
            let known = match &last {
                Some((before, known)) if before == root => *known,
                _ => match licenses::find_issuer(&view, &self.path, root)? {
                    Some(issuer) => Some((issuer, revocations::any(&view, &self.path, issuer)?)),
                    None => None,
                },
            };
            last = Some((*root, known));
            let Some((issuer, revokes)) = known else {
                return Ok(Presence::Absent);
            };
            if licenses::is_here(&view, &self.path, issuer, license)? {
                return Ok(Presence::Here);
            }
            if let Some(grant) = grant.filter(|_| revokes)
                && self.is_kept_away(&view, issuer, grant)?
            {
                return Ok(Presence::Revoked);
            }
            let kind = if tombstones {
                licenses::tombstone(&view, &self.path, issuer, license)?
            } else {
                None
            };
            Ok(match kind.map(Tombstone::of_kind) {
                None => Presence::Absent,
                Some(Tombstone::Released) => Presence::Released,
                Some(Tombstone::Revoked) => Presence::Revoked,
            })
        };
        what.map(&mut one).collect()
    }
}

impl From<LicenseRow> for StoredLicense {
    fn from(row: LicenseRow) -> Self {
        Self {
            row: row.id,
            license: row.license,
            bytes: row.grant,
            sealed: row.sealed,
        }
    }
}
