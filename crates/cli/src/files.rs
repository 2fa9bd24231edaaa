//! Files that the person named: small documents are read within a bound, and a file is written whole or not at all,
//! never over another one unless that was asked for.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use keyferry_license::{Card, CardKind, Verified, armor};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::failed::{Failed, Result};

/// A file with one small document is at most this many bytes long.
const SMALL: u64 = 256 * 1024;

/// Reads a file of bounded length into memory that is wiped.
pub fn read_small(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |e: io::Error| Failed::file("read", path, &e);
    let file = keyferry::open_regular(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Failed::file("read", path, &io::ErrorKind::IsADirectory.into()));
    }
    // Room for all of it from the start, so that no copy stays behind in a smaller buffer.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SMALL as usize + 1));
    file.take(SMALL + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SMALL {
        return Err(
            Failed::other(format!("{} is longer than {SMALL} bytes", path.display())).because("bad-document"),
        );
    }
    Ok(bytes)
}

/// Reads and checks a card, which must be of this kind.
pub fn read_card(path: &Path, kind: CardKind) -> Result<Verified<Card>> {
    let text = read_small(path)?;
    let card = armor::single(armor::CARD, &text).and_then(|bytes| Card::verify(&bytes));
    let card = card.map_err(|e| Failed::document(path, &e))?;
    if card.kind != kind {
        let (found, expected) = (crate::words::whose(card.kind), crate::words::whose(kind));
        let message = format!("{} is the card of {found}, not of {expected}", path.display());
        return Err(Failed::other(message).because("bad-document"));
    }
    Ok(card)
}

/// The file that was named; `-` stands for stdout.
pub fn named(file: Option<&Path>) -> Option<&Path> {
    file.filter(|file| *file != Path::new("-"))
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Whom the umask allows.
    Everybody,
    /// Its owner.
    Owner,
}

/// A file in the making. It gets its name when it is complete; dropped before that it leaves nothing.
pub struct NewFile {
    path: PathBuf,
    overwrite: bool,
    file: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// Begins a file; without `overwrite` none may be there.
    pub fn create(path: &Path, overwrite: bool, readers: Readers) -> Result<Self> {
        if !overwrite && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        if path.is_dir() {
            return Err(Failed::file("write", path, &io::ErrorKind::IsADirectory.into()));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".keyferry-");
        if readers == Readers::Everybody {
            open_to_everybody(&mut builder);
        }
        let path = &of_any_length(path);
        let file = builder
            .tempfile_in(folder_of(path))
            .map_err(|e| Failed::file("write", path, &e))?;
        Ok(Self {
            path: path.to_owned(),
            overwrite,
            file: BufWriter::new(file),
        })
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|e| Failed::file("write", &self.path, &e))
    }

    /// Makes it durable and gives it its name.
    pub fn finish(self) -> Result<()> {
        let Self {
            path,
            overwrite,
            file,
        } = self;
        let failed = |e: &io::Error| Failed::file("write", &path, e);
        let file = file.into_inner().map_err(|e| failed(e.error()))?;
        file.as_file().sync_all().map_err(|e| failed(&e))?;
        let named = if overwrite {
            file.persist(&path)
        } else {
            file.persist_noclobber(&path)
        };
        match named {
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&path)),
            Err(e) => return Err(failed(&e.error)),
            Ok(_) => {}
        }
        sync_folder(folder_of(&path)).map_err(|e| failed(&e))
    }
}

/// For whoever writes a stream; an error doesn't name the file.
impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a whole file.
pub fn write_new(path: &Path, overwrite: bool, readers: Readers, bytes: &[u8]) -> Result<()> {
    let mut file = NewFile::create(path, overwrite, readers)?;
    file.write(bytes)?;
    file.finish()
}

fn exists(path: &Path) -> Failed {
    Failed::other(format!("{} is there already", path.display()))
        .because("file-exists")
        .hint("choose another name, or add --overwrite where the command has it")
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// On Windows a path of more than 260 characters has to be in the verbatim form, which std gives to its own calls only.
fn of_any_length(path: &Path) -> PathBuf {
    let long = || std::path::absolute(path).is_ok_and(|path| path.as_os_str().len() > 240);
    match (std::fs::canonicalize(folder_of(path)), path.file_name()) {
        (Ok(folder), Some(name)) if cfg!(windows) && long() => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(unix)]
fn open_to_everybody(builder: &mut tempfile::Builder<'_, '_>) {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
}

#[cfg(not(unix))]
fn open_to_everybody(_: &mut tempfile::Builder<'_, '_>) {}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_absent_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut begun = NewFile::create(&path, false, Readers::Owner).unwrap();
        begun.write(b"half").unwrap();
        drop(begun);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write_new(&path, false, Readers::Owner, b"first").unwrap();
        assert_eq!(
            write_new(&path, false, Readers::Owner, b"second")
                .unwrap_err()
                .reason,
            "file-exists"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        write_new(&path, true, Readers::Owner, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
    }
}
