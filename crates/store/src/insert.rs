//! How licenses come into the store: marks, tombstones and revocations decide here, everything else about whether a
//! license may come in was decided by the caller.

use keyferry_license::usage::UsageState;
use keyferry_license::{ContentKey, Grant, LicenseId, Thumbprint, Verified};
use rusqlite::Connection;

use crate::error::Result;
use crate::removal::Tombstone;
use crate::sql::licenses::{self, IssuerNumber};
use crate::sql::revocations;
use crate::store::Store;
use crate::usage::StateName;

/// A license to be taken: its grant, its opened key, and how it came.
#[derive(Debug, Clone)]
pub struct NewLicense {
    /// The grant.
    pub grant: Verified<Grant>,
    /// The key that the grant committed to.
    pub key: ContentKey,
    /// How it came.
    pub arrival: Arrival,
}

/// How a license came to this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// In a license file, from its issuer, whose grant names this computer as origin. Its limited rights start fresh,
    /// unless a store before this one may have used them.
    Issued,
    /// By a new receipt of its service. Its limited rights are spent.
    Receipt,
    /// From a backup of this computer, opened by a return key of its own. Its limited rights are spent.
    Return,
}

/// What became of one license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// It is here now.
    Added {
        /// It has rights with a count or a time after first use, and they can't be used.
        spent: bool,
    },
    /// The same license was here; nothing changed.
    AlreadyHere,
    /// This computer gave it back; only a new receipt of its service brings it again.
    Released,
    /// Its issuer revoked it; nothing brings it again.
    Revoked,
    /// A store before this one may have given it back: it is taken with a new receipt only.
    NeedsReceipt,
    /// Another license of this issuer and ID is here.
    Conflict,
}

impl Store {
    /// Takes a batch of licenses in one transaction: all that can be taken are here, durably, when this returns; the
    /// answers are in the order of the batch. Before anything can be used, the mark *taken* is durable. Each key is
    /// sealed again under the store key.
    pub fn insert(&self, batch: &[NewLicense]) -> Result<Vec<Inserted>> {
        self.write(|db| self.insert_in(db, batch))
    }

    /// Raises the mark *taken* for a whole operation, so that its batches needn't raise it one by one.
    pub fn expect_up_to(&self, license: LicenseId) -> Result<()> {
        self.raise_taken(license)
    }

    pub(crate) fn insert_in(&self, db: &Connection, batch: &[NewLicense]) -> Result<Vec<Inserted>> {
        let mut insertion = Insertion {
            store: self,
            db,
            tombstones: licenses::any_tombstone(db, &self.path)?,
            issuer: None,
            taken: LicenseId::default(),
        };
        let inserted = batch
            .iter()
            .map(|license| insertion.one(license))
            .collect::<Result<_>>()?;
        if insertion.taken != LicenseId::default() {
            self.raise_taken(insertion.taken)?;
        }
        Ok(inserted)
    }
}

/// One batch on its way.
struct Insertion<'s> {
    store: &'s Store,
    db: &'s Connection,
    tombstones: bool,
    issuer: Option<LastIssuer>,
    taken: LicenseId,
}

/// The issuer of the license before: batches mostly have one.
#[derive(Clone, Copy)]
struct LastIssuer {
    root: Thumbprint,
    number: IssuerNumber,
    /// It revoked more than single licenses.
    revokes: bool,
}

impl Insertion<'_> {
    fn one(&mut self, new: &NewLicense) -> Result<Inserted> {
        let (store, db, path) = (self.store, self.db, &self.store.path);
        let (grant, license) = (&new.grant, &new.grant.license);
        let LastIssuer {
            number: issuer,
            revokes,
            ..
        } = self.issuer(&grant.issuer)?;
        if revokes && store.is_kept_away(db, issuer, grant)? {
            return Ok(Inserted::Revoked);
        }
        if self.tombstones
            && let Some(kind) = licenses::tombstone(db, path, issuer, license)?
        {
            match Tombstone::of_kind(kind) {
                Tombstone::Revoked => return Ok(Inserted::Revoked),
                Tombstone::Released if new.arrival != Arrival::Receipt => return Ok(Inserted::Released),
                Tombstone::Released => licenses::lift_tombstone(db, path, issuer, license)?,
            }
        }
        if new.arrival == Arrival::Issued && *license <= store.floor_barred {
            let here = self.compare(issuer, grant)?;
            return Ok(here.unwrap_or(Inserted::NeedsReceipt));
        }
        let sealed = store.derived.sealer.seal(grant, &new.key)?;
        let name = (issuer, license);
        let Some(row) = licenses::add(db, path, name, &grant.key_id, &sealed, grant.as_bytes())? else {
            let here = self.compare(issuer, grant)?;
            return Ok(here.unwrap_or(Inserted::Conflict));
        };
        self.taken = self.taken.max(*license);
        let fresh = new.arrival == Arrival::Issued && *license > store.floor_taken;
        let mut limited = false;
        for right in grant.rights.iter().filter(|right| right.limits.keeps_state()) {
            let state = if fresh {
                UsageState::fresh(&right.limits)
            } else {
                UsageState::spent()
            };
            store.put_state(db, row, &StateName::of(grant, &right.action), 0, &state)?;
            limited = true;
        }
        Ok(Inserted::Added {
            spent: limited && !fresh,
        })
    }

    /// Compares with the license of this name that is here, if one is.
    fn compare(&self, issuer: IssuerNumber, grant: &Verified<Grant>) -> Result<Option<Inserted>> {
        let here = licenses::get(self.db, &self.store.path, issuer, &grant.license)?;
        let same = |bytes: &[u8]| {
            bytes == grant.as_bytes()
                || Grant::parse(bytes).is_ok_and(|here| here.digest() == *grant.digest())
        };
        Ok(here.map(|here| {
            if same(&here.grant) {
                Inserted::AlreadyHere
            } else {
                Inserted::Conflict
            }
        }))
    }

    fn issuer(&mut self, root: &Thumbprint) -> Result<LastIssuer> {
        if let Some(last) = self.issuer
            && last.root == *root
        {
            return Ok(last);
        }
        let path = &self.store.path;
        let number = licenses::number_issuer(self.db, path, root)?;
        let issuer = LastIssuer {
            root: *root,
            number,
            revokes: revocations::any(self.db, path, number)?,
        };
        self.issuer = Some(issuer);
        Ok(issuer)
    }
}
