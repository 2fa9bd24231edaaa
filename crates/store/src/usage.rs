//! Using a key: which license allows it, what it costs, and the state that remembers it.

use std::cmp::Reverse;

use keyferry_license::usage::{Denied, UsageState, use_once};
use keyferry_license::{ContentKey, Grant, KeyId, LicenseId, Limits, Thumbprint, Unverified, Verified};
use rusqlite::Connection;

use crate::error::{Error, Result, UseError};
use crate::key_file::{mac, mac_holds};
use crate::read::StoredLicense;
use crate::sql::licenses::{self, StateRow};
use crate::store::Store;

/// A key that was handed out, and what it cost.
#[derive(Debug)]
pub struct Used {
    /// Opens the content.
    pub key: ContentKey,
    /// The grant whose right was counted.
    pub grant: Verified<Grant>,
    /// The limits of that right.
    pub limits: Limits,
    /// What is left after this use; None where nothing needs to be remembered.
    pub state: Option<UsageState>,
}

impl Used {
    /// Uses left of a counted right.
    pub fn left(&self) -> Option<u32> {
        self.limits.count.and(self.state).map(|state| state.left)
    }
}

/// What a state row belongs to.
pub(crate) struct StateName<'n> {
    issuer: &'n Thumbprint,
    license: &'n LicenseId,
    action: &'n str,
}

impl<'n> StateName<'n> {
    pub(crate) fn of(grant: &'n Grant, action: &'n str) -> Self {
        Self {
            issuer: &grant.issuer,
            license: &grant.license,
            action,
        }
    }
}

/// A license that may give the right.
struct Candidate {
    place: usize,
    grant: Unverified<Grant>,
    stored: StoredLicense,
}

/// What may be used for a key.
#[derive(Default)]
struct Candidates {
    /// Under accepted roots, in the order of use.
    usable: Vec<Candidate>,
    not_accepted: Vec<Thumbprint>,
    damage: Option<Error>,
}

/// The refusals so far.
struct Refusals {
    /// Bits of the licenses that give the right.
    limited: u32,
    nearest: Option<(Thumbprint, LicenseId)>,
    first: Option<(Thumbprint, LicenseId)>,
    not_accepted: Vec<Thumbprint>,
    damage: Option<Error>,
}

impl From<Refusals> for UseError {
    fn from(refusals: Refusals) -> Self {
        if let Some(damage) = refusals.damage {
            return damage.into();
        }
        let bits = match (refusals.first, refusals.nearest) {
            (None, _) => Denied::NO_LICENSE,
            (_, None) => Denied::NO_RIGHT,
            _ => refusals.limited,
        };
        UseError::Denied {
            denied: Denied(bits),
            nearest: refusals.nearest.or(refusals.first),
            not_accepted: refusals.not_accepted,
        }
    }
}

/// What a walk through the candidates came to.
enum Walk {
    Used(Box<Used>),
    /// The right keeps state, so the walk must be made again under the write lock.
    NeedsLock,
    Refused(Box<Refusals>),
}

impl Store {
    /// Hands out a key for an action: goes through accepted issuers in the order of acceptance (or one of them), then
    /// through their licenses by priority, highest first, and counts the first right that allows it. A right without
    /// count and first use is only read; else the store's write lock is taken and the count is durable when this
    /// returns.
    pub fn use_key(
        &self,
        key_id: &KeyId,
        issuer: Option<&Thumbprint>,
        action: &str,
        now: u64,
    ) -> Result<Used, UseError> {
        let mut walk = self.walk(None, self.candidates(key_id, issuer)?, action, now)?;
        if matches!(walk, Walk::NeedsLock) {
            walk = self.write_counted(false, |db| {
                // Asked again: another process may have changed what is here.
                let walk = self.walk(Some(db), self.candidates(key_id, issuer)?, action, now)?;
                let counted = matches!(&walk, Walk::Used(used) if used.state.is_some());
                Ok::<_, Error>((walk, counted))
            })?;
        }
        match walk {
            Walk::Used(used) => Ok(*used),
            Walk::Refused(refusals) => Err((*refusals).into()),
            Walk::NeedsLock => Err(Error::Busy {
                path: self.path.clone(),
            }
            .into()),
        }
    }

    /// What is left of a right of a license that is here; None where it has no such right or none that keeps state.
    pub fn state(&self, grant: &Verified<Grant>, action: &str) -> Result<Option<UsageState>> {
        let kept = grant.rights.get(action).is_some_and(Limits::keeps_state);
        let stored = self.license(&grant.issuer, &grant.license)?;
        match stored.filter(|_| kept) {
            Some(stored) => Ok(Some(
                self.read_state(&self.db, stored.row, &StateName::of(grant, action))?
                    .1,
            )),
            None => Ok(None),
        }
    }

    /// Licenses for the key, of one issuer or of all.
    fn candidates(&self, key_id: &KeyId, issuer: Option<&Thumbprint>) -> Result<Candidates> {
        let rows = licenses::by_key(&self.db, &self.path, key_id)?;
        let mut found = Candidates::default();
        self.with_body(|body| {
            for stored in rows.into_iter().map(StoredLicense::from) {
                let grant = match stored.grant() {
                    Ok(grant) => grant,
                    Err(damage) => {
                        found.damage.get_or_insert(damage);
                        continue;
                    }
                };
                let claim = grant.claim();
                if claim.key_id != *key_id || issuer.is_some_and(|issuer| *issuer != claim.issuer) {
                    continue;
                }
                match body.roots.iter().position(|root| root.thumbprint == claim.issuer) {
                    Some(place) => found.usable.push(Candidate { place, grant, stored }),
                    None if found.not_accepted.contains(&claim.issuer) => {}
                    None => found.not_accepted.push(claim.issuer),
                }
            }
            Ok(())
        })?;
        found
            .usable
            .sort_by_key(|candidate| (candidate.place, Reverse(candidate.grant.claim().priority)));
        Ok(found)
    }

    /// Goes through the candidates; `lock` is the transaction, once there is one.
    fn walk(
        &self,
        lock: Option<&Connection>,
        candidates: Candidates,
        action: &str,
        now: u64,
    ) -> Result<Walk> {
        let mut refusals = Refusals {
            limited: 0,
            nearest: None,
            first: None,
            not_accepted: candidates.not_accepted,
            damage: candidates.damage,
        };
        for candidate in candidates.usable {
            let claim = candidate.grant.claim();
            let name = (claim.issuer, claim.license);
            refusals.first.get_or_insert(name);
            let Some(limits) = claim.rights.get(action).copied() else {
                continue;
            };
            refusals.nearest.get_or_insert(name);
            if limits.keeps_state() && lock.is_none() {
                return Ok(Walk::NeedsLock);
            }
            match self.try_one(lock, candidate, (action, limits), now) {
                Ok(Ok(used)) => return Ok(Walk::Used(Box::new(used))),
                Ok(Err(denied)) => refusals.limited |= denied.0,
                // Another license may still allow it; if none does, the damage is what must be told.
                Err(damage @ Error::DamagedLicense { .. }) => {
                    refusals.damage.get_or_insert(damage);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Walk::Refused(Box::new(refusals)))
    }

    /// Opens and counts one license, or says why not.
    fn try_one(
        &self,
        lock: Option<&Connection>,
        candidate: Candidate,
        (action, limits): (&str, Limits),
        now: u64,
    ) -> Result<Result<Used, Denied>> {
        let row = candidate.stored.row;
        let (grant, key) = self.opener().open_read(&candidate.stored, candidate.grant)?;
        let name = StateName::of(&grant, action);
        let kept = match lock {
            Some(db) if limits.keeps_state() => Some((db, self.read_state(db, row, &name)?)),
            _ => None,
        };
        let before = kept.as_ref().map(|(_, (_, state))| *state);
        let state = match use_once(&limits, before, now) {
            Ok(state) => state,
            Err(denied) => return Ok(Err(denied)),
        };
        if let (Some((db, (lease, _))), Some(state)) = (&kept, &state) {
            self.put_state(db, row, &name, *lease, state)?;
        }
        Ok(Ok(Used {
            key,
            grant,
            limits,
            state,
        }))
    }

    /// The state of a right and the lease that it is under. A row that is missing or was altered is damage, never
    /// zero.
    fn read_state(&self, db: &Connection, row: i64, name: &StateName<'_>) -> Result<(u64, UsageState)> {
        let damaged = |what| Error::DamagedLicense {
            license: *name.license,
            what,
        };
        let Some(kept) = licenses::state(db, &self.path, row, name.action)? else {
            return Err(damaged("what was used of it is missing"));
        };
        let state = UsageState {
            left: kept.left,
            first_use: kept.first_use,
        };
        if !mac_holds(
            &self.derived.state,
            &self.state_values(name, kept.lease, &state),
            &kept.mac,
        )? {
            return Err(damaged("what was used of it was altered"));
        }
        Ok((kept.lease, state))
    }

    /// Writes the state of a right, under its MAC.
    pub(crate) fn put_state(
        &self,
        db: &Connection,
        row: i64,
        name: &StateName<'_>,
        lease: u64,
        state: &UsageState,
    ) -> Result<()> {
        let kept = StateRow {
            lease,
            left: state.left,
            first_use: state.first_use,
            mac: mac(&self.derived.state, &self.state_values(name, lease, state))?,
        };
        licenses::set_state(db, &self.path, row, name.action, &kept)
    }

    /// What the MAC is over: {store ID, issuer, license ID, lease number, values, right}; all but the last have a
    /// fixed length.
    fn state_values(&self, name: &StateName<'_>, lease: u64, state: &UsageState) -> Vec<u8> {
        let first_use = state.first_use.map_or([0; 9], |time| {
            let mut out = [1; 9];
            out[1..].copy_from_slice(&time.to_be_bytes());
            out
        });
        let values = [
            &self.id[..],
            name.issuer.as_bytes(),
            name.license.as_bytes(),
            &lease.to_be_bytes(),
            &state.left.to_be_bytes(),
            &first_use,
            name.action.as_bytes(),
        ];
        values.concat()
    }
}
