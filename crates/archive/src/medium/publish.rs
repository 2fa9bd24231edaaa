//! Publishing: temporary file, sync, read back and compare, parity, check, name, sync of the folder (docs/backup.md
//! section 10).

use std::io::{self, ErrorKind, Read, Write};

use super::generations::Earlier;
use super::name::{PREVIOUS, TEMPORARY};
use super::steps::{Steps, require_folder};
use super::{BackupName, Medium, NewFile, ReadSeek};
use crate::error::{Error, Result};
use crate::protection::{Layout, Parity, Protecting};

const CHUNK: usize = 128 * 1024;

/// A backup that bears its name.
#[derive(Debug)]
pub struct Published<T> {
    /// What `write` gave.
    pub value: T,
    /// Length of the file.
    pub bytes: u64,
    /// The name under which the earlier backup was kept.
    pub kept: Option<BackupName>,
    /// Earlier generations that were too many.
    pub removed: Vec<BackupName>,
}

/// Puts a file of this name into the folder, whole or not at all.
///
/// The file is written under the name with `.new` after it; while it takes another's place that one bears the name with
/// `.old` after it, where the file system can't do it in one step.
///
/// `write` makes its content: a whole backup with [`Parity::None`], else all but the protection
/// ([`Writer::finish_inner`](crate::Writer::finish_inner)), which is made here from what was read back. `check` sees what was
/// read back, after it was compared byte for byte and right before the file gets its name: so it is also the place for
/// what must be durable before the backup exists. An error of either, a cancel included, removes what was written and
/// leaves the folder as it was.
///
/// `earlier` says what becomes of a backup of this name, and of earlier generations of it: nothing happens to any of them
/// before the new one was read back and checked. A current one that may neither be replaced nor be kept as a generation is
/// [`Error::Exists`] before anything is written, and again right before the file would get its name.
///
/// The names with `.new` and `.old` after them belong to backups only where the name itself is that of a backup
/// ([`BackupName`]). Elsewhere a file that may be somebody else's is [`Error::InTheWay`].
pub fn publish<T, E: From<Error>>(
    medium: &dyn Medium,
    name: &str,
    earlier: impl Into<Earlier>,
    parity: Parity,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    check: impl FnOnce(&mut dyn ReadSeek, &T) -> Result<(), E>,
) -> Result<Published<T>, E> {
    let publishing = Publishing::new(medium, name, earlier.into());
    require_folder(medium)?;
    publishing.refuse_existing()?;
    publishing.refuse_foreign()?;
    let file = publishing.create()?;
    let mut file = Temporary {
        file,
        publishing: &publishing,
        named: false,
    };
    publishing.put_back_previous()?;
    publishing.refuse_existing()?;
    let mut hashing = Hashing {
        out: &mut *file.file,
        hash: blake3::Hasher::new(),
        len: 0,
        failed: None,
    };
    let written = write(&mut hashing);
    let (hash, mut len) = (hashing.hash.finalize(), hashing.len);
    if let Some(error) = hashing.failed {
        publishing.steps.run("write a backup", |_| Err(error))?;
    }
    let value = written?;
    publishing.steps.run("write a backup", |_| file.file.sync())?;
    match parity {
        Parity::None => publishing.compare(hash, len)?,
        parity => len = publishing.protect(&mut *file.file, hash, len, parity)?,
    }
    let mut reread = publishing.open_temporary()?;
    check(&mut *reread, &value)?;
    drop(reread);
    publishing.give_name(&mut file)?;
    let (kept, removed) = publishing.tidy();
    Ok(Published {
        value,
        bytes: len,
        kept,
        removed,
    })
}

pub(super) struct Publishing<'m> {
    pub steps: Steps<'m>,
    pub current: String,
    pub temporary: String,
    pub previous: String,
    pub earlier: Earlier,
}

impl<'m> Publishing<'m> {
    fn new(medium: &'m dyn Medium, name: &str, earlier: Earlier) -> Self {
        Self {
            steps: Steps(medium),
            current: name.to_owned(),
            temporary: format!("{name}{TEMPORARY}"),
            previous: format!("{name}{PREVIOUS}"),
            earlier,
        }
    }

    fn refuse_existing(&self) -> Result<()> {
        if self.earlier.gives_way() || !self.exists(&self.current)? {
            return Ok(());
        }
        Err(self.existing())
    }

    pub(super) fn existing(&self) -> Error {
        let name = self.current.clone();
        Error::Exists { name }
    }

    pub(super) fn exists(&self, name: &str) -> Result<bool> {
        self.steps.run("look for a backup", |medium| medium.exists(name))
    }

    fn create(&self) -> Result<Box<dyn NewFile>> {
        match self.steps.0.create(&self.temporary) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // A file that has vanished looks as if somebody else had taken it.
                require_folder(self.steps.0)?;
                Err(self.busy())
            }
            created => self.steps.run("make a file", |_| created),
        }
    }

    pub(super) fn busy(&self) -> Error {
        let name = self.current.clone();
        Error::Busy { name }
    }

    fn open_temporary(&self) -> Result<Box<dyn ReadSeek>> {
        self.steps.run("read back", |medium| medium.open(&self.temporary))
    }

    fn compare(&self, hash: blake3::Hash, len: u64) -> Result<()> {
        let mut file = self.open_from_medium()?;
        let mut chunk = vec![0; CHUNK];
        let mut reread = (blake3::Hasher::new(), 0);
        loop {
            match self.steps.run("read back", |_| file.read(&mut chunk))? {
                0 => break,
                read => {
                    reread.0.update(&chunk[..read]);
                    reread.1 += read as u64;
                }
            }
        }
        if reread.1 != len {
            return Err(self.not_as_written(format!("{} bytes instead of {len}", reread.1)));
        }
        if reread.0.finalize() != hash {
            return Err(self.not_as_written("other bytes".to_owned()));
        }
        Ok(())
    }

    /// Reads layers 1 and 2 back, makes layer 3 from what was read, and reads that back too; gives the length of the
    /// file.
    fn protect(
        &self,
        file: &mut dyn NewFile,
        hash: blake3::Hash,
        inner_len: u64,
        parity: Parity,
    ) -> Result<u64> {
        let layout = Layout::new(inner_len, parity).ok_or(Error::TooLarge {
            what: "bytes to protect",
            limit: Layout::MAX_LEN,
            actual: inner_len,
        })?;
        let mut back = self.open_from_medium()?;
        let mut reread = blake3::Hasher::new();
        let read = |_: &'m dyn Medium| {
            Protecting::read(&mut back, layout, |bytes| {
                reread.update(bytes);
            })
        };
        let mut protecting = self.steps.run("read back", read)?;
        if reread.finalize() != hash {
            return Err(self.not_as_written("other bytes".to_owned()));
        }
        let len = self.steps.run("write a backup", |_| {
            let len = protecting.write(&mut back, file)?;
            file.sync()?;
            Ok(len)
        })?;
        let mut back = self.open_from_medium()?;
        let same = self.steps.run("read back", |_| protecting.compare(&mut back))?;
        if !same {
            return Err(self.not_as_written("other bytes of parity".to_owned()));
        }
        Ok(len)
    }

    /// The file as it is on the medium, as far as the system lets itself be passed by.
    fn open_from_medium(&self) -> Result<Box<dyn ReadSeek>> {
        self.steps
            .run("read back", |medium| medium.open_uncached(&self.temporary))
    }

    /// What another medium gives is no word on this one.
    fn not_as_written(&self, why: String) -> Error {
        if let Err(error) = self.steps.still_there() {
            return error;
        }
        let folder = self.steps.0.folder();
        Error::ReadBack { folder, why }
    }
}

/// The file being made; it is removed unless it was renamed.
pub(super) struct Temporary<'p, 'm> {
    pub file: Box<dyn NewFile>,
    publishing: &'p Publishing<'m>,
    pub named: bool,
}

impl Drop for Temporary<'_, '_> {
    fn drop(&mut self) {
        // Removed under the lock, and only if it still is this file. A medium that fails here keeps a file that no
        // reader takes for a backup and the next run replaces.
        if !self.named && self.file.is_in_place().unwrap_or(false) {
            let _ = self.publishing.steps.0.remove(&self.publishing.temporary);
        }
    }
}

struct Hashing<'f> {
    out: &'f mut dyn NewFile,
    hash: blake3::Hasher,
    len: u64,
    /// What the medium said; the caller's error may not tell it.
    failed: Option<io::Error>,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            if kind != ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            io::Error::from(kind)
        })?;
        self.hash.update(&bytes[..written]);
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
