//! Files that only their owner reads: bounded reads, replacement in one step, locks between processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Makes a folder, and its parents, that only the owner may enter; one that is there stays as it is.
pub fn make_private_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::io("make", path))
}

/// Reads a whole file of at most `limit` bytes.
pub fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut bytes = Vec::new();
    let bounded = file.take(limit as u64 + 1).read_to_end(&mut bytes);
    bounded.map_err(Error::io("read", path))?;
    if bytes.len() > limit {
        return Err(Error::damaged(path, format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// Makes an empty private file if there is none.
pub fn create_empty(path: &Path) -> Result<()> {
    let file = private().write(true).create(true).truncate(false).open(path);
    file.map(drop).map_err(Error::io("make", path))
}

/// Replaces a private file in one step, durably: whole old or whole new, whatever happens. Not for two at once.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let mut file = private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&new)
        .map_err(Error::io("make", &new))?;
    file.write_all(bytes).map_err(Error::io("write", &new))?;
    file.sync_all().map_err(Error::io("sync", &new))?;
    drop(file);
    std::fs::rename(&new, path).map_err(Error::io("replace", path))?;
    sync_folder_of(path)
}

/// Removes what a process that was stopped in [`replace`] left behind. The caller holds the lock of the file. Where it can't
/// be removed it harms nobody.
pub fn clear_replacement(path: &Path) {
    let _ = std::fs::remove_file(path.with_extension("new"));
}

/// A lock that is held until it is dropped; the system drops it when the process dies.
#[derive(Debug)]
pub struct FileLock(#[allow(dead_code, reason = "held, not used")] File);

/// Waits for the lock.
pub fn lock(path: &Path) -> Result<FileLock> {
    let file = lock_file(path)?;
    file.lock().map_err(Error::io("lock", path))?;
    Ok(FileLock(file))
}

/// Takes the lock, or says [`Error::Busy`].
pub fn try_lock(path: &Path) -> Result<FileLock> {
    let file = lock_file(path)?;
    match file.try_lock() {
        Ok(()) => Ok(FileLock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Busy {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

fn lock_file(path: &Path) -> Result<File> {
    let file = private().write(true).create(true).truncate(false).open(path);
    file.map_err(Error::io("open", path))
}

/// Options for a file that only its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(false);
    options
}

#[cfg(unix)]
fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("sync", folder))
}

/// Windows can't sync a folder. Syncing the file under its new name makes NTFS write its journal, the name included.
#[cfg(windows)]
fn sync_folder_of(path: &Path) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.sync_all())
        .map_err(Error::io("sync", path))
}
