//! The store of one computer, open: both files together, the checkpoint that ties them, and the one way to write.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyferry_license::{Card, ComputerId, KemSecret, LicenseId, Sealer, Secret32, SigningSecret, Verified};
use rusqlite::Connection;

use crate::computer::{Body, Computer, Keys, mark};
use crate::error::{Error, Result};
use crate::files::{self, FileLock};
use crate::guard::KeyGuard;
use crate::key_file::{Checkpoint, derive, mac, mac_holds};
use crate::read::Opener;
use crate::sql::{self, Meta};

/// A computer and its licenses. May be sent to another thread; threads and processes that work at once each open their
/// own.
pub struct Store {
    folder: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) db: Connection,
    computer: RefCell<Computer>,
    keys: Keys,
    pub(crate) derived: Derived,
    pub(crate) id: [u8; 16],
    pub(crate) floor_taken: LicenseId,
    pub(crate) floor_barred: LicenseId,
    new_computer: bool,
}

/// What follows from the store key.
pub(crate) struct Derived {
    pub sealer: Arc<Sealer>,
    pub state: Secret32,
    pub outbox: Secret32,
    meta: Secret32,
}

impl Store {
    /// Opens the computer and the store in this folder, and makes what is missing: the folder (mode 0700), the files
    /// (mode 0600), a new computer where there is neither file, a new store where there is none.
    pub fn open(home: &Path, guard: &dyn KeyGuard) -> Result<Self> {
        files::make_private_folder(home)?;
        let path = home.join("store.sqlite");
        let (computer, keys, new_computer) = Computer::open(home, &path, guard)?;
        let derived = Derived::of(&keys.store)?;
        let db = sql::open(&path, &home.join("computer.lock"))?;
        let mut birth = || {
            let id: [u8; 16] = keyferry_license::random()?;
            let checkpoint = computer.raise(true, |checkpoint| {
                checkpoint.store = id;
                checkpoint.counter = 0;
            })?;
            derived.seal_meta(Meta {
                store: id,
                counter: 0,
                computer: keys.id.0,
                floor_taken: checkpoint.taken.0,
                floor_barred: checkpoint.barred.0,
                mac: [0; 32],
            })
        };
        sql::prepare(&db, &path, &mut birth)?;
        let mut store = Self {
            folder: home.to_owned(),
            path,
            db,
            computer: RefCell::new(computer),
            keys,
            derived,
            id: [0; 16],
            floor_taken: LicenseId::default(),
            floor_barred: LicenseId::default(),
            new_computer,
        };
        let meta = store.checked_meta()?;
        store.id = meta.store;
        store.floor_taken = LicenseId(meta.floor_taken);
        store.floor_barred = LicenseId(meta.floor_barred);
        Ok(store)
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        &self.folder
    }

    /// Was the computer itself made by this [`Store::open`]? Then it deserves a name.
    pub fn is_new_computer(&self) -> bool {
        self.new_computer
    }

    /// Thumbprint of the signing key.
    pub fn id(&self) -> ComputerId {
        self.keys.id
    }

    /// Signs requests and backups.
    pub fn signing(&self) -> &SigningSecret {
        &self.keys.signing
    }

    /// Opens what was delivered to this computer.
    pub fn kem(&self) -> &KemSecret {
        &self.keys.kem
    }

    /// The computer's own card, signed by its signing key; the serial grows with each new name.
    pub fn card(&self) -> Result<Verified<Card>> {
        self.with_body(|body| body.card())
    }

    /// What people call this computer, as it stands in its card.
    pub fn name(&self) -> Result<String> {
        Ok(self.card()?.name.to_string())
    }

    /// Gives the computer another name; durable.
    pub fn set_name(&self, name: &str) -> Result<()> {
        self.change(|body, _| body.rename(name))
    }

    /// The highest license ID that was ever taken by this computer, whatever became of its stores.
    pub fn taken(&self) -> Result<Option<LicenseId>> {
        Ok(mark(self.computer.borrow().checkpoint()?.taken))
    }

    /// At or below this ID, a new store takes a license file only with a new receipt.
    pub fn barred(&self) -> Result<Option<LicenseId>> {
        Ok(mark(self.computer.borrow().checkpoint()?.barred))
    }

    /// The ID of this store, and the counter that goes up with everything that must not be undone.
    pub fn checkpoint(&self) -> Result<([u8; 16], u64)> {
        let meta = self.check(&self.db)?;
        Ok((meta.store, meta.counter))
    }

    /// The lock of backup, restore, import and release: held until dropped. [`Error::Busy`] when another process, or
    /// another holder in this one, has it.
    pub fn operation_lock(&self) -> Result<FileLock> {
        files::try_lock(&self.folder.join("operation.lock"))
    }

    /// Opens keys of this store, on any thread.
    pub fn opener(&self) -> Opener {
        Opener::new(Arc::clone(&self.derived.sealer))
    }

    /// Reads computer.key's body, as it is now.
    pub(crate) fn with_body<T>(&self, read: impl FnOnce(&Body) -> Result<T>) -> Result<T> {
        read(self.computer.borrow_mut().refresh()?)
    }

    /// Changes computer.key, durably.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Body, &mut Checkpoint) -> Result<T>,
    ) -> Result<T> {
        self.computer.borrow_mut().change(change)
    }

    /// Raises *taken* to at least this ID, durably.
    pub(crate) fn raise_taken(&self, to: LicenseId) -> Result<()> {
        let computer = self.computer.borrow();
        if to > computer.checkpoint()?.taken {
            computer.raise(true, |checkpoint| checkpoint.taken = checkpoint.taken.max(to))?;
        }
        Ok(())
    }

    /// One transaction under the store's write lock, on a store that isn't behind its checkpoint.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let transaction = sql::write(&self.db, &self.path)?;
        self.check(&transaction)?;
        let answer = write(&transaction)?;
        sql::commit(transaction, &self.path)?;
        Ok(answer)
    }

    /// The same, for what must not be undone by an older copy: the counter goes up with it, first in the store, then
    /// in computer.key, so that the store may be ahead and never behind. With `durable` both are on the medium when
    /// this returns. `write` says whether there was anything to count.
    pub(crate) fn write_counted<T, E: From<Error>>(
        &self,
        durable: bool,
        write: impl FnOnce(&Connection) -> Result<(T, bool), E>,
    ) -> Result<T, E> {
        let transaction = sql::write(&self.db, &self.path)?;
        let mut meta = self.check(&transaction)?;
        let (answer, counted) = write(&transaction)?;
        if !counted {
            sql::commit(transaction, &self.path)?;
            return Ok(answer);
        }
        meta.counter = meta.counter.saturating_add(1);
        let meta = self.derived.seal_meta(meta)?;
        sql::set_meta(&transaction, &self.path, &meta)?;
        sql::commit(transaction, &self.path)?;
        let raised = self.computer.borrow().raise(durable, |checkpoint| {
            if checkpoint.store == meta.store {
                checkpoint.counter = checkpoint.counter.max(meta.counter);
            }
        });
        raised?;
        Ok(answer)
    }

    /// The checkpoint, first without any lock but in the right order: computer.key, then the store. If that fails,
    /// another process may just be making the store, so it is asked again under the write lock.
    fn checked_meta(&self) -> Result<Meta> {
        if let Ok(meta) = self.check(&self.db) {
            return Ok(meta);
        }
        let transaction = sql::write(&self.db, &self.path)?;
        self.check(&transaction)
    }

    fn check(&self, db: &Connection) -> Result<Meta> {
        let path = || self.path.clone();
        let checkpoint = self.computer.borrow().checkpoint()?;
        let meta = sql::meta(db, &self.path)?;
        if meta.computer != self.keys.id.0 {
            return Err(Error::ForeignStore { path: path() });
        }
        if !mac_holds(&self.derived.meta, &meta_values(&meta), &meta.mac)? {
            let what = "its own row was altered; delete it and restore a backup";
            return Err(Error::damaged(&self.path, what));
        }
        if meta.store != checkpoint.store || meta.counter < checkpoint.counter {
            return Err(Error::CheckpointFailed { path: path() });
        }
        Ok(meta)
    }
}

impl Derived {
    fn of(store: &Secret32) -> Result<Self> {
        Ok(Self {
            sealer: Arc::new(Sealer::store(store)),
            state: derive(store, b"keyferry v1 state rows")?,
            outbox: derive(store, b"keyferry v1 outbox")?,
            meta: derive(store, b"keyferry v1 store row")?,
        })
    }

    fn seal_meta(&self, mut meta: Meta) -> Result<Meta> {
        meta.mac = mac(&self.meta, &meta_values(&meta))?;
        Ok(meta)
    }
}

fn meta_values(meta: &Meta) -> Vec<u8> {
    let counter = meta.counter.to_be_bytes();
    [
        &meta.store[..],
        &counter,
        &meta.computer,
        &meta.floor_taken,
        &meta.floor_barred,
    ]
    .concat()
}
