//! Escrows of one encapsulation: they were sealed for one of the keys that the service ever had, and only the first that
//! opens tells which.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyferry_license::{ContentKey, Encapsulation, Grant, KemSecret, SealedKey, Sealer, Verified};

/// Opens them.
pub(crate) struct Escrows<'k> {
    enc: &'k Encapsulation,
    keys: Vec<(&'k KemSecret, OnceLock<Option<Sealer>>)>,
    /// The key that opened the last one: it opens the others too.
    last: AtomicUsize,
}

impl<'k> Escrows<'k> {
    /// `keys`: the likeliest first.
    pub(crate) fn of(enc: &'k Encapsulation, keys: impl Iterator<Item = &'k KemSecret>) -> Self {
        Self {
            enc,
            keys: keys.map(|key| (key, OnceLock::new())).collect(),
            last: AtomicUsize::new(0),
        }
    }

    /// The content key of this grant; None if no key of the service opens it, or if it isn't the one that the grant
    /// committed to.
    pub(crate) fn open(&self, grant: &Verified<Grant>, sealed: &SealedKey) -> Option<ContentKey> {
        let last = self.last.load(Ordering::Relaxed);
        let others = (0..self.keys.len()).filter(|at| *at != last);
        std::iter::once(last).chain(others).find_map(|at| {
            let (key, sealer) = self.keys.get(at)?;
            let sealer = sealer.get_or_init(|| Sealer::open_escrow(self.enc, key).ok());
            let opened = sealer.as_ref()?.open(grant, sealed).ok()?;
            self.last.store(at, Ordering::Relaxed);
            Some(opened)
        })
    }
}
