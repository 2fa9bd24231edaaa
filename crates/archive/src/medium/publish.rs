//! Publishing: temporary file, sync, read back and compare, parity, check, name, sync of the folder (docs/backup.md
//! section 10).

use std::io::{self, ErrorKind, Read, Write};

use super::name::{PREVIOUS, TEMPORARY};
use super::{Medium, NewFile, ReadSeek};
use crate::error::{Error, Result};
use crate::protection::{Layout, Parity, Protecting};

const CHUNK: usize = 128 * 1024;
const NAME: &str = "give the backup its name";

/// Puts a file of this name into the folder, whole or not at all; gives what `write` gave, and the length of the file.
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
/// With `overwrite` the current backup stays until the new one was read back and checked; without it, it is
/// [`Error::Exists`] before anything is written, and again right before the file would get its name.
pub fn publish<T, E: From<Error>>(
    medium: &dyn Medium,
    name: &str,
    overwrite: bool,
    parity: Parity,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    check: impl FnOnce(&mut dyn ReadSeek, &T) -> Result<(), E>,
) -> Result<(T, u64), E> {
    let publishing = Publishing::new(medium, name);
    require_folder(medium)?;
    publishing.refuse_existing(overwrite)?;
    let file = publishing.create()?;
    let mut file = Temporary {
        file,
        publishing: &publishing,
        named: false,
    };
    publishing.put_back_previous()?;
    publishing.refuse_existing(overwrite)?;
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
    publishing.give_name(&mut file, overwrite)?;
    Ok((value, len))
}

struct Publishing<'m> {
    steps: Steps<'m>,
    current: String,
    temporary: String,
    previous: String,
}

impl<'m> Publishing<'m> {
    fn new(medium: &'m dyn Medium, name: &str) -> Self {
        Self {
            steps: Steps(medium),
            current: name.to_owned(),
            temporary: format!("{name}{TEMPORARY}"),
            previous: format!("{name}{PREVIOUS}"),
        }
    }

    fn refuse_existing(&self, overwrite: bool) -> Result<()> {
        if overwrite || !self.exists(&self.current)? {
            return Ok(());
        }
        Err(self.existing())
    }

    fn existing(&self) -> Error {
        let name = self.current.clone();
        Error::Exists { name }
    }

    fn exists(&self, name: &str) -> Result<bool> {
        self.steps.run("look for a backup", |medium| medium.exists(name))
    }

    fn create(&self) -> Result<Box<dyn NewFile>> {
        match self.steps.0.create(&self.temporary) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(self.busy()),
            created => self.steps.run("make a file", |_| created),
        }
    }

    fn busy(&self) -> Error {
        let name = self.current.clone();
        Error::Busy { name }
    }

    /// A process that was stopped while it replaced the current backup may have left that one set aside.
    fn put_back_previous(&self) -> Result<()> {
        if self.exists(&self.current)? || !self.exists(&self.previous)? {
            return Ok(());
        }
        self.steps.run("put the backup back", |medium| {
            medium.rename(&self.previous, &self.current)?;
            medium.sync_folder()
        })
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

    fn not_as_written(&self, why: String) -> Error {
        let folder = self.steps.0.folder();
        Error::ReadBack { folder, why }
    }

    fn give_name(&self, file: &mut Temporary<'_, '_>, overwrite: bool) -> Result<()> {
        if !self.steps.run("look for the file", |_| file.file.is_in_place())? {
            return Err(self.busy());
        }
        if self.exists(&self.current)? {
            if !overwrite {
                return Err(self.existing());
            }
            self.replace(file)
        } else {
            self.name_first(file)
        }
    }

    /// Never over a file that appeared in the meantime, where the file system can promise it.
    fn name_first(&self, file: &mut Temporary<'_, '_>) -> Result<()> {
        match self.steps.0.link(&self.temporary, &self.current) {
            // The second name is removed with the temporary file.
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(self.existing()),
            Err(_) if self.exists(&self.current)? => return Err(self.existing()),
            Err(_) => {
                self.steps
                    .run(NAME, |medium| medium.rename(&self.temporary, &self.current))?;
                file.named = true;
            }
        }
        self.steps.run(NAME, Medium::sync_folder).inspect_err(|_| {
            // It may be lost with the next power cut, so it is not there at all.
            let _ = self.steps.0.remove(&self.current);
        })
    }

    /// Where there are hard links a rename replaces in one step. Elsewhere (FAT) it doesn't, and the old backup is
    /// set aside under a name that readers know.
    fn replace(&self, file: &mut Temporary<'_, '_>) -> Result<()> {
        if self.exists(&self.previous)? {
            self.steps.run(NAME, |medium| medium.remove(&self.previous))?;
        }
        let linked = self.steps.0.link(&self.current, &self.previous).is_ok();
        let replaced = self.steps.run(NAME, |medium| {
            if !linked {
                medium.rename(&self.current, &self.previous)?;
                medium.sync_folder()?;
            }
            medium.rename(&self.temporary, &self.current)?;
            medium.sync_folder()
        });
        if let Err(error) = replaced {
            // The first error is the one to tell.
            let _ = self.set_right(linked);
            return Err(error);
        }
        file.named = true;
        // The new one is in its place; a previous one that can't be removed now goes with the next run.
        let removed = self.steps.0.remove(&self.previous);
        let _ = removed.and_then(|()| self.steps.0.sync_folder());
        Ok(())
    }

    /// Gives the old backup its name again. Where there are links the rename replaces, or does nothing as long as
    /// both names are one file; elsewhere nothing is ever renamed over another.
    fn set_right(&self, linked: bool) -> io::Result<()> {
        if !linked && self.steps.0.exists(&self.current)? {
            if !self.steps.0.exists(&self.previous)? {
                return Ok(());
            }
            self.steps.0.rename(&self.current, &self.temporary)?;
        }
        self.steps.0.rename(&self.previous, &self.current)?;
        if self.steps.0.exists(&self.previous)? {
            self.steps.0.remove(&self.previous)?;
        }
        self.steps.0.sync_folder()
    }
}

/// The file being made; it is removed unless it was renamed.
struct Temporary<'p, 'm> {
    file: Box<dyn NewFile>,
    publishing: &'p Publishing<'m>,
    named: bool,
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

/// The folder must be there, and be one; it is never made.
pub(super) fn require_folder(medium: &dyn Medium) -> Result<()> {
    let folder = || medium.folder();
    let why = match medium.is_folder() {
        Ok(true) => return Ok(()),
        Ok(false) => "it is not a folder",
        Err(error) => match error.kind() {
            ErrorKind::NotFound => "there is no such folder",
            ErrorKind::NotADirectory => "a part of its path is not a folder",
            _ => {
                let doing = "look";
                return Err(told(error, doing, folder()));
            }
        },
    };
    Err(Error::NoMedium {
        folder: folder(),
        why,
    })
}

/// Runs steps on a medium and tells their errors.
pub(super) struct Steps<'m>(pub &'m dyn Medium);

impl<'m> Steps<'m> {
    pub fn run<T>(
        &self,
        doing: &'static str,
        step: impl FnOnce(&'m dyn Medium) -> io::Result<T>,
    ) -> Result<T> {
        step(self.0).map_err(|error| {
            // A medium that was pulled out fails in many ways; that it is gone says more.
            require_folder(self.0)
                .err()
                .filter(|gone| matches!(gone, Error::NoMedium { .. }))
                .unwrap_or_else(|| told(error, doing, self.0.folder()))
        })
    }
}

fn told(source: io::Error, doing: &'static str, folder: String) -> Error {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full { folder },
        ErrorKind::ReadOnlyFilesystem => Error::ReadOnly { folder },
        ErrorKind::FileTooLarge => Error::FileTooLong { folder },
        ErrorKind::PermissionDenied => Error::Denied { doing, folder },
        _ => Error::Medium {
            doing,
            folder,
            source,
        },
    }
}
