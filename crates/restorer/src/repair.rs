//! Repair: a damaged backup written anew, from what is whole of it and from its parity. Nothing is opened.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use keyferry_archive::medium::{FolderMedium, ReadSeek, publish};
use keyferry_archive::{Parity, Protection, Repair};

use crate::error::{Error, Result};
use crate::regular::open_regular;

/// How a backup is repaired.
#[derive(Debug, Clone, Default)]
pub struct RepairOptions {
    /// The backup.
    pub path: PathBuf,
    /// The new file; None: in place of the damaged one.
    pub output: Option<PathBuf>,
    /// Write layers 1 and 2 alone, which the age command opens if it is encrypted. Not in place.
    pub plain: bool,
}

/// What a repair did.
#[derive(Debug, Clone)]
pub struct RepairReport {
    /// The whole file.
    pub path: PathBuf,
    /// Was anything damaged? If not, nothing is written in place.
    pub was_damaged: bool,
    /// What was damaged.
    pub protection: Protection,
    /// How much parity the new file has.
    pub parity: Parity,
    /// Length of the file, in bytes.
    pub bytes: u64,
}

/// Repairs a backup. The damaged file stays as it is until the new one was written and read back; so there must be space
/// for both. `canceled` is asked now and then.
///
/// An error if there is no parity or too little ([`keyferry_archive::Error::NotRepairable`]), if the new file is there
/// already ([`keyferry_archive::Error::Exists`]), and what can go wrong with a medium.
pub fn repair(options: &RepairOptions, canceled: &dyn Fn() -> bool) -> Result<RepairReport> {
    let mut repair = Repair::open(BufReader::new(open(&options.path)?))?;
    let parity = if options.plain {
        Parity::None
    } else {
        repair.parity()
    };
    let report = |path: &Path, bytes, repair: &Repair<_>| RepairReport {
        path: path.to_owned(),
        was_damaged: !repair.is_whole(),
        protection: *repair.protection(),
        parity,
        bytes,
    };
    if options.output.is_none() && repair.is_whole() {
        let len = std::fs::metadata(&options.path)
            .map_err(|why| unreadable(&options.path, &why))?
            .len();
        return Ok(report(&options.path, len, &repair));
    }
    let target = options.output.as_deref().unwrap_or(&options.path);
    let (folder, name) = folder_and_name(target)?;
    let mut out_of = |out: &mut dyn Write| -> Result<()> {
        let mut out = Stoppable { out, canceled };
        match repair.write_inner(&mut out) {
            Err(_) if canceled() => Err(Error::Canceled),
            written => Ok(written?),
        }
    };
    let whole = |written: &mut dyn ReadSeek, (): &()| match options.plain {
        // There is nothing in it by which that could be told.
        true => Ok(()),
        false => Repair::open(written).map(drop).map_err(Error::from),
    };
    let published = publish(
        &FolderMedium::new(folder),
        &name,
        options.output.is_none(),
        parity,
        &mut out_of,
        whole,
    )?;
    Ok(report(target, published.bytes, &repair))
}

fn open(path: &Path) -> Result<File> {
    open_regular(path).map_err(|why| unreadable(path, &why))
}

fn unreadable(path: &Path, why: &io::Error) -> Error {
    Error::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// The folder that a file lies in, and its name there.
fn folder_and_name(path: &Path) -> Result<(PathBuf, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| unreadable(path, &io::ErrorKind::InvalidFilename.into()))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((folder, name.to_owned()))
}

/// Fails where it is canceled.
struct Stoppable<'o> {
    out: &'o mut dyn Write,
    canceled: &'o dyn Fn() -> bool,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.canceled)() {
            return Err(io::Error::other("canceled"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
