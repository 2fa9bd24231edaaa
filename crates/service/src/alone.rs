//! One service at a time in a folder: a second one would sign a card of its own with the same keys. A lock of the
//! operating system ends with the process that holds it, so that nothing has to be cleaned up after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::Path;

use keyferry_license::printable;

use crate::error::{Error, Result};
use crate::service::make_folder;

/// The file that is locked. On some systems nobody else can read it then.
const LOCK_FILE: &str = "service.lock";
/// The file that says by whom, worth something while the other is locked.
const NAME_FILE: &str = "service.running";
/// More is not read of it.
const LONGEST: u64 = 2048;

/// A service's folder, taken for one process until this is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, which is made if it is not there, for the service at this address; [`Error::Running`] while
    /// another one has it. To be taken before [`Service::open`](crate::Service::open), which may write a new card.
    pub fn take(dir: &Path, url: &str) -> Result<Self> {
        make_folder(dir)?;
        let path = dir.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(running(dir)),
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path)(error)),
        }
        let (name, text) = (
            dir.join(NAME_FILE),
            format!("process {} at {url}", std::process::id()),
        );
        std::fs::write(&name, text).map_err(Error::file("write", &name))?;
        Ok(Self { _file: file })
    }

    /// Could the folder be taken now? [`Error::Running`] while a service has it. Nothing is made.
    pub fn look(dir: &Path) -> Result<()> {
        let path = dir.join(LOCK_FILE);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file.map_err(Error::file("open", &path))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(running(dir)),
            Err(TryLockError::Error(error)) => Err(Error::file("lock", &path)(error)),
        }
    }
}

fn running(dir: &Path) -> Error {
    let (dir, by) = (dir.to_owned(), holder(dir));
    Error::Running { dir, by }
}

/// What the one that holds it wrote, if it has come so far.
fn holder(dir: &Path) -> String {
    let mut text = String::new();
    let file = File::open(dir.join(NAME_FILE));
    match file.and_then(|file| file.take(LONGEST).read_to_string(&mut text)) {
        Ok(_) if !text.is_empty() => format!(": {}", printable(&text)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_for_one_and_free_after_it() {
        let folder = tempfile::tempdir().unwrap();
        FolderLock::look(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let first = FolderLock::take(folder.path(), "http://127.0.0.1:1").unwrap();
        let second = FolderLock::take(folder.path(), "http://127.0.0.1:2")
            .unwrap_err()
            .to_string();
        let process = std::process::id();
        assert!(
            second.ends_with(&format!("already: process {process} at http://127.0.0.1:1")),
            "{second}"
        );
        let looked = FolderLock::look(folder.path()).unwrap_err().to_string();
        assert_eq!(looked, second);
        drop(first);
        FolderLock::look(folder.path()).unwrap();
        FolderLock::take(folder.path(), "http://127.0.0.1:3").unwrap();
        let text = std::fs::read_to_string(folder.path().join(NAME_FILE)).unwrap();
        assert_eq!(text, format!("process {process} at http://127.0.0.1:3"));
    }
}
