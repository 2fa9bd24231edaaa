//! The real medium: a folder of the file system.

#[cfg(not(windows))]
use std::fs::TryLockError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use super::{Medium, NewFile, ReadSeek};

/// A folder. It is never made, nor are its parents.
#[derive(Debug, Clone)]
pub struct FolderMedium {
    folder: PathBuf,
    /// Which one it was when it was first looked at.
    first: OnceLock<Identity>,
}

/// Number of the device, and of the folder on it.
type Identity = (u64, u64);

impl FolderMedium {
    /// Names a folder; whether it exists is seen when it is used.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            first: OnceLock::new(),
        }
    }

    /// Where a file of it lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Medium for FolderMedium {
    fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    fn is_folder(&self) -> io::Result<bool> {
        let metadata = fs::metadata(&self.folder)?;
        self.first.get_or_init(|| identity(&metadata));
        Ok(metadata.is_dir())
    }

    /// A medium that was taken out and put in again counts as another: what was open on it is lost.
    fn is_same(&self) -> io::Result<bool> {
        let now = identity(&fs::metadata(&self.folder)?);
        Ok(self.first.get().is_none_or(|first| *first == now))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            // A name that is not UTF-8 is none of a backup's.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        match fs::symlink_metadata(self.path(name)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn modified(&self, name: &str) -> io::Result<u64> {
        let modified = fs::symlink_metadata(self.path(name))?.modified()?;
        Ok(modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()))
    }

    /// A pipe or a device would be waited for, perhaps for ever: it is not opened.
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadSeek>> {
        if !fs::metadata(self.path(name))?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no regular file",
            ));
        }
        Ok(Box::new(File::open(self.path(name))?))
    }

    /// What was synced is dropped from the system's memory (Linux) or not kept there (macOS). Elsewhere, and on file systems
    /// that do neither, the system may answer from memory.
    fn open_uncached(&self, name: &str) -> io::Result<Box<dyn ReadSeek>> {
        let file = File::open(self.path(name))?;
        pass_memory_by(&file);
        Ok(Box::new(file))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let path = self.path(name);
        clear(&path)?;
        // Only ever a file that did not exist is written to: one that was found under this name may by now bear the
        // name of a finished backup.
        let file = match open_exclusively(OpenOptions::new().create_new(true), &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(busy()),
            file => file?,
        };
        lock(&file)?;
        let file = Locked { file, path };
        if file.is_in_place()? {
            Ok(Box::new(file))
        } else {
            Err(busy())
        }
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        fs::hard_link(self.path(from), self.path(to))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    #[cfg(unix)]
    fn sync_folder(&self) -> io::Result<()> {
        match File::open(&self.folder)?.sync_all() {
            // Some file systems have no way to sync a folder.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            done => done,
        }
    }

    /// Windows has no way to sync a folder; NTFS journals its names.
    #[cfg(windows)]
    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Windows keeps a medium from being exchanged while a file on it is open; what was opened fails.
#[cfg(windows)]
fn identity(_: &fs::Metadata) -> Identity {
    (0, 0)
}

/// That it can't be is no error: the bytes are compared in any case.
#[cfg(target_os = "linux")]
fn pass_memory_by(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

#[cfg(target_vendor = "apple")]
fn pass_memory_by(file: &File) {
    let _ = rustix::fs::fcntl_nocache(file, true);
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn pass_memory_by(_: &File) {}

/// A file under a lock that the system releases when its process ends, however it ends.
struct Locked {
    file: File,
    path: PathBuf,
}

impl Write for Locked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Locked {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl NewFile for Locked {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn is_in_place(&self) -> io::Result<bool> {
        bears_name(&self.file, &self.path)
    }
}

/// Removes what a process that is gone left behind; `WouldBlock` if it is still there.
fn clear(path: &Path) -> io::Result<()> {
    let left = match open_exclusively(&mut OpenOptions::new(), path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        left => left?,
    };
    lock(&left)?;
    if bears_name(&left, path)? {
        fs::remove_file(path)
    } else {
        Err(busy())
    }
}

#[cfg(not(windows))]
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(busy()),
        // Without locks a second writer is noticed before the rename, when the name is no longer this file's.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// There a lock would keep the file from being read back; it is opened such that nobody else may write to it.
#[cfg(windows)]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
}

fn open_exclusively(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.read(true).write(true);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        const SHARE_READ_AND_DELETE: u32 = 1 | 4;
        const SHARING_VIOLATION: i32 = 32;
        return match options.share_mode(SHARE_READ_AND_DELETE).open(path) {
            Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Err(busy()),
            file => file,
        };
    }
    #[cfg(not(windows))]
    options.open(path)
}

fn busy() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

#[cfg(unix)]
fn bears_name(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (held, named) = (
        file.metadata()?,
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            named => named?,
        },
    );
    Ok((held.dev(), held.ino()) == (named.dev(), named.ino()))
}

#[cfg(windows)]
fn bears_name(file: &File, path: &Path) -> io::Result<bool> {
    let named = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        named => named?,
    };
    let number =
        |file| winapi_util::file::information(file).map(|of| (of.volume_serial_number(), of.file_index()));
    Ok(number(file)? == number(&named)?)
}
