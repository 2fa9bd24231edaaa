//! Who the service is now: its keys and its card, taken up anew when their files change. Requests that are being answered go
//! on with those that they began with.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use keyferry_license::{Card, Verified};

use crate::error::{Error, Result};
use crate::keys::{CARD_FILE, KEY_FILE, ServiceKeys};

/// The files are looked at so often at most.
const LOOK: Duration = Duration::from_secs(1);

/// Keys and card that belong together.
pub(crate) struct Identity {
    pub(crate) keys: ServiceKeys,
    pub(crate) card: Verified<Card>,
}

/// The keys and cards that the service had since it started, the newest last. Keys change a few times a year.
pub(crate) struct Identities {
    first: Link,
    dir: PathBuf,
    name: String,
    url: String,
    looked: Mutex<Looked>,
}

struct Link {
    identity: Identity,
    next: OnceLock<Box<Link>>,
}

struct Looked {
    at: Instant,
    stamp: Stamp,
}

/// When the files were written last, and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Identities {
    /// Reads the folder's keys, or makes them at the first start; writes the card if it changed.
    pub(crate) fn open(dir: &Path, name: &str, url: &str, now: u64) -> Result<Self> {
        let keys = ServiceKeys::open(dir, now)?;
        let card = keys.card(dir, name, url, now)?;
        let looked = Looked {
            at: Instant::now(),
            stamp: stamp(dir),
        };
        Ok(Self {
            first: Link::of(Identity { keys, card }),
            dir: dir.to_owned(),
            name: name.to_owned(),
            url: url.to_owned(),
            looked: Mutex::new(looked),
        })
    }

    /// The newest.
    pub(crate) fn now(&self) -> &Identity {
        &self.last().identity
    }

    fn last(&self) -> &Link {
        let mut link = &self.first;
        while let Some(next) = link.next.get() {
            link = next;
        }
        link
    }

    /// Looks whether the files changed, if nobody did within the last second. Files that can't be used are told, once, and
    /// leave everything as it is.
    pub(crate) fn look(&self, now: u64) {
        let mut looked = match self.looked.try_lock() {
            Ok(looked) => looked,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if looked.at.elapsed() < LOOK {
            return;
        }
        looked.at = Instant::now();
        let found = stamp(&self.dir);
        if found == looked.stamp {
            return;
        }
        match self.renew(now) {
            Ok(serial) => tracing::info!(serial, "the service's keys changed"),
            Err(error) => tracing::error!("the service's keys changed and can't be taken up: {error}"),
        }
        looked.stamp = found;
    }

    /// Takes up the files as they are now. Gives the card's serial.
    pub(crate) fn renew(&self, now: u64) -> Result<u64> {
        let unfit = |why: &str| Error::Config {
            field: KEY_FILE,
            why: why.into(),
        };
        let keys = ServiceKeys::read(&self.dir)?.ok_or_else(|| unfit("it is gone"))?;
        let last = self.last();
        if keys.thumbprint() != last.identity.keys.thumbprint() {
            return Err(unfit("it is another service's"));
        }
        let card = keys.card(&self.dir, &self.name, &self.url, now)?;
        let serial = card.serial;
        // Whoever was faster took up the same.
        let _ = last.next.set(Box::new(Link::of(Identity { keys, card })));
        Ok(serial)
    }
}

impl Link {
    fn of(identity: Identity) -> Self {
        Self {
            identity,
            next: OnceLock::new(),
        }
    }
}

fn stamp(dir: &Path) -> Stamp {
    [KEY_FILE, CARD_FILE].map(|name| {
        let file = std::fs::metadata(dir.join(name)).ok()?;
        Some((file.modified().ok()?, file.len()))
    })
}
