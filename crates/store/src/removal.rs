//! How licenses leave the store, and what keeps them from coming again: release by the computer, revocation by the
//! issuer. Return keys are forgotten first, durably, and everything else is one transaction that counts.

use std::collections::{BTreeSet, HashSet};

use keyferry_license::{Grant, LicenseId, Revocation, RevocationList, Thumbprint, Verified};
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::outbox::OutboxEntry;
use crate::sql::licenses::{self, IssuerNumber};
use crate::sql::{records, revocations};
use crate::store::Store;

/// Requests of this kind wait with keys that open licenses.
const RESTORE: &str = "restore";

/// Why a license that was here is not to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstone {
    /// The computer gave its slot back.
    Released,
    /// The issuer took it back.
    Revoked,
}

impl Tombstone {
    fn kind(self) -> u8 {
        match self {
            Tombstone::Released => 1,
            Tombstone::Revoked => 2,
        }
    }

    /// A kind that this version doesn't know refuses like the hardest.
    pub(crate) fn of_kind(kind: u8) -> Self {
        if kind == 1 {
            Tombstone::Released
        } else {
            Tombstone::Revoked
        }
    }
}

impl Store {
    /// Removes licenses and sets their tombstones, whether they were here or not: forgets all return keys first, and
    /// everything is durable when this returns.
    pub fn bury(&self, what: &[(Thumbprint, LicenseId)], tombstone: Tombstone, now: u64) -> Result<()> {
        self.write_counted(true, |db| {
            self.forget_return_keys()?;
            self.bury_in(db, what, tombstone, now).map(|()| ((), true))
        })
    }

    /// Gives licenses back: forgets all return keys, then, in one transaction, removes the licenses, drops what waits
    /// for the answer to a restore with its one-time keys, and keeps the requests that tell the services. From then
    /// on nothing here opens these licenses, and the requests wait until they were answered.
    pub fn release(
        &self,
        what: &[(Thumbprint, LicenseId)],
        requests: &[OutboxEntry],
        now: u64,
    ) -> Result<()> {
        self.write_counted(true, |db| {
            self.forget_return_keys()?;
            self.bury_in(db, what, Tombstone::Released, now)?;
            records::remove_outbox_of(db, &self.path, RESTORE)?;
            self.outbox_put_in(db, requests)?;
            Ok(((), true))
        })
    }

    /// Obeys revocation lists, in their order, in one transaction: what they name is removed and stays away, whether
    /// it was here or not; their numbers are kept; and so are the requests that acknowledge them. Return keys are
    /// forgotten first where a license was here, or may have been in a store before this one. Lists that were obeyed
    /// before change nothing. Gives back what was removed. [`Error::RevocationGap`] when a list is missing between two; then nothing changed.
    pub fn revoke(
        &self,
        lists: &[Verified<RevocationList>],
        requests: &[OutboxEntry],
        now: u64,
    ) -> Result<Vec<(Thumbprint, LicenseId)>> {
        self.write_counted(true, |db| {
            let (mut removed, mut news, mut earlier) = (Vec::new(), false, false);
            for list in lists {
                let issuer = licenses::number_issuer(db, &self.path, &list.issuer)?;
                let seen = revocations::seen(db, &self.path, issuer)?;
                if list.number <= seen {
                    continue;
                }
                if list.number != seen + 1 {
                    return Err(Error::RevocationGap {
                        issuer: list.issuer,
                        seen,
                        found: list.number,
                    });
                }
                let here = self.matching(db, issuer, &list.entries)?;
                removed.extend(here.into_iter().map(|license| (list.issuer, license)));
                earlier |= list.entries.iter().any(|entry| self.may_have_held(entry));
                self.keep_away(db, issuer, &list.entries, now)?;
                revocations::set_seen(db, &self.path, issuer, list.number)?;
                news = true;
            }
            self.bury_revoked(db, &removed, earlier, now)?;
            self.outbox_put_in(db, requests)?;
            Ok((removed, news))
        })
    }

    /// Obeys a list that came as the reply to an answer which waits in the outbox, whatever lists were obeyed before: as
    /// [`Store::revoke`] does, and in the same transaction `word` takes the place of the answer. Gives back what was
    /// removed. [`Error::NotPending`] when the answer doesn't wait (any more); then nothing changed.
    pub fn revoke_answered(
        &self,
        list: &Verified<RevocationList>,
        answer: &[u8; 32],
        word: &OutboxEntry,
        now: u64,
    ) -> Result<Vec<(Thumbprint, LicenseId)>> {
        self.write_counted(true, |db| {
            if !records::remove_outbox(db, &self.path, answer)? {
                return Err(Error::NotPending);
            }
            let issuer = licenses::number_issuer(db, &self.path, &list.issuer)?;
            let here = self.matching(db, issuer, &list.entries)?;
            let removed: Vec<_> = here.into_iter().map(|license| (list.issuer, license)).collect();
            let earlier = list.entries.iter().any(|entry| self.may_have_held(entry));
            self.keep_away(db, issuer, &list.entries, now)?;
            let seen = revocations::seen(db, &self.path, issuer)?;
            revocations::set_seen(db, &self.path, issuer, seen.max(list.number))?;
            self.bury_revoked(db, &removed, earlier, now)?;
            self.outbox_put_in(db, std::slice::from_ref(word))?;
            Ok((removed, true))
        })
    }

    /// Number of the last revocation list of an issuer that this store has obeyed; 0 for none. A new store starts at
    /// 0, and so learns again what tombstones died with the old one.
    pub fn revocation_seen(&self, issuer: &Thumbprint) -> Result<u64> {
        match licenses::find_issuer(&self.db, &self.path, issuer)? {
            Some(issuer) => revocations::seen(&self.db, &self.path, issuer),
            None => Ok(0),
        }
    }

    /// IDs of the licenses here that these entries name, of this issuer only, none twice. A license whose grant can't
    /// be read is found by its ID alone.
    pub fn licenses_matching(&self, issuer: &Thumbprint, entries: &[Revocation]) -> Result<Vec<LicenseId>> {
        match licenses::find_issuer(&self.db, &self.path, issuer)? {
            Some(issuer) => self.matching(&self.db, issuer, entries),
            None => Ok(Vec::new()),
        }
    }

    /// May a store before this one have held what this entry names? Tombstones die with a store, return keys don't.
    fn may_have_held(&self, entry: &Revocation) -> bool {
        match entry {
            Revocation::License(license) => *license <= self.floor_taken,
            _ => self.floor_taken != LicenseId::default(),
        }
    }

    /// Return keys go first, where a license was here or may have been in a store before this one (`earlier`).
    fn bury_revoked(
        &self,
        db: &Connection,
        removed: &[(Thumbprint, LicenseId)],
        earlier: bool,
        now: u64,
    ) -> Result<()> {
        if removed.is_empty() && !earlier {
            return Ok(());
        }
        self.forget_return_keys()?;
        self.bury_in(db, removed, Tombstone::Revoked, now)
    }

    fn bury_in(
        &self,
        db: &Connection,
        what: &[(Thumbprint, LicenseId)],
        tombstone: Tombstone,
        now: u64,
    ) -> Result<()> {
        for (issuer, license) in what {
            let issuer = licenses::number_issuer(db, &self.path, issuer)?;
            licenses::remove(db, &self.path, issuer, license)?;
            licenses::set_tombstone(db, &self.path, (issuer, license), tombstone.kind(), now)?;
        }
        Ok(())
    }

    fn matching(
        &self,
        db: &Connection,
        issuer: IssuerNumber,
        entries: &[Revocation],
    ) -> Result<Vec<LicenseId>> {
        let path = &self.path;
        let mut found = BTreeSet::new();
        let mut subjects = HashSet::new();
        for entry in entries {
            match entry {
                Revocation::Everything => return licenses::ids_of(db, path, issuer),
                Revocation::License(license) if licenses::is_here(db, path, issuer, license)? => {
                    found.insert(*license);
                }
                Revocation::License(_) => {}
                Revocation::KeyId(key_id) => {
                    for row in licenses::by_key_of(db, path, issuer, key_id)? {
                        let same = |grant: Grant| grant.key_id == *key_id;
                        if claim(&row.grant).is_some_and(same) {
                            found.insert(row.license);
                        }
                    }
                }
                Revocation::Subject(subject) => {
                    subjects.insert(subject);
                }
            }
        }
        if !subjects.is_empty() {
            licenses::for_each_of(db, path, issuer, |license, grant| {
                let subject = claim(grant).and_then(|grant| grant.subject);
                if subject.is_some_and(|subject| subjects.contains(&subject)) {
                    found.insert(license);
                }
            })?;
        }
        Ok(found.into_iter().collect())
    }

    /// Keeps what these entries name from coming in later.
    fn keep_away(
        &self,
        db: &Connection,
        issuer: IssuerNumber,
        entries: &[Revocation],
        now: u64,
    ) -> Result<()> {
        let path = &self.path;
        for entry in entries {
            match entry {
                Revocation::License(license) => {
                    let kind = Tombstone::Revoked.kind();
                    licenses::set_tombstone(db, path, (issuer, license), kind, now)?;
                }
                Revocation::KeyId(key_id) => revocations::add(db, path, issuer, KEY_ID, &key_id.0)?,
                Revocation::Subject(subject) => {
                    revocations::add(db, path, issuer, SUBJECT, subject.as_bytes())?;
                }
                Revocation::Everything => revocations::add(db, path, issuer, EVERYTHING, &[])?,
            }
        }
        Ok(())
    }

    /// Was it taken back by key ID, by subject or with everything of its issuer?
    pub(crate) fn is_kept_away(&self, db: &Connection, issuer: IssuerNumber, grant: &Grant) -> Result<bool> {
        let subject = grant.subject.as_ref().map(|subject| subject.as_bytes());
        let names = [
            Some((KEY_ID, grant.key_id.0.as_slice())),
            subject.map(|subject| (SUBJECT, subject)),
            Some((EVERYTHING, &[])),
        ];
        for (kind, value) in names.into_iter().flatten() {
            if revocations::is_there(db, &self.path, issuer, kind, value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Kinds of what was taken back besides single licenses, as revocation lists number them.
const KEY_ID: u8 = 2;
const SUBJECT: u8 = 3;
const EVERYTHING: u8 = 4;

fn claim(grant: &[u8]) -> Option<Grant> {
    Grant::parse(grant).ok().map(|grant| grant.claim().clone())
}
