//! Files of the service's folder: whole or absent at every instant, durable when they are there.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes a secret that must not be there yet; false where another process was faster. The file is whole or absent.
pub(crate) fn create_secret(dir: &Path, path: &Path, text: &[u8]) -> Result<bool> {
    let temporary = write_temporary(dir, path, text, 0o600)?;
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        linked => linked.map_err(Error::file("create", path))?,
    }
    removed.map_err(Error::file("remove", &temporary))?;
    sync_folder(dir)?;
    Ok(true)
}

/// Replaces a file; it is the old one or the new one at every instant.
pub(crate) fn replace(dir: &Path, path: &Path, text: &[u8], mode: u32) -> Result<()> {
    let temporary = write_temporary(dir, path, text, mode)?;
    fs::rename(&temporary, path).map_err(Error::file("write", path))?;
    sync_folder(dir)
}

fn write_temporary(dir: &Path, path: &Path, text: &[u8], mode: u32) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(not(unix))]
    let _ = mode;
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options
        .open(&temporary)
        .map_err(Error::file("create", &temporary))?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    written.map_err(Error::file("write", &temporary))?;
    Ok(temporary)
}

#[cfg(unix)]
pub(crate) fn sync_folder(dir: &Path) -> Result<()> {
    let synced = fs::File::open(dir).and_then(|folder| folder.sync_all());
    synced.map_err(Error::file("write", dir))
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}
