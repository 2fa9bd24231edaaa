//! Which backup is read: the file that was named, or the newest in a folder.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use keyferry_archive::medium::{FolderMedium, choose, find_backups};
use keyferry_archive::{Damage, FooterState, Header, Place, Reader, Records};

use crate::error::{Error, Result};
use crate::regular::open_regular;
use crate::report::RestoreReport;
use crate::unlocker::Unlocker;

/// An open backup.
pub(crate) struct Backup {
    path: PathBuf,
    reader: Reader<BufReader<File>>,
}

/// Opens a backup file, or the one in a folder; with several computers' backups there, `from` says whose.
pub(crate) fn open(path: &Path, from: Option<&str>, unlocker: &Unlocker) -> Result<Backup> {
    open_file(find(path, from, unlocker)?, unlocker)
}

/// The file that a restore from `path` would read: the file itself, or the one backup in a folder; `from` says whose
/// where there are several. Several encrypted ones are told apart by the IDs in their names, without opening them.
pub fn find(path: &Path, from: Option<&str>, unlocker: &Unlocker) -> Result<PathBuf> {
    let unreadable = |why: std::io::Error| Error::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(path.to_owned());
    }
    let medium = FolderMedium::new(path);
    let mut computers: Vec<String> = find_backups(&medium)?
        .into_iter()
        .map(|found| found.computer)
        .collect();
    computers.sort_unstable();
    computers.dedup();
    let mut files = Vec::new();
    for computer in computers {
        if let Some(found) = choose(&medium, &computer)? {
            files.push((computer, medium.path(&found.name.to_string())));
        }
    }
    if let Some(from) = from {
        let id = from.to_ascii_lowercase();
        let by_id = files
            .iter()
            .any(|(computer, _)| id.starts_with(computer.as_str()));
        files.retain(|(computer, file)| match by_id {
            true => id.starts_with(computer.as_str()),
            false => open_file(file.clone(), unlocker).is_ok_and(|backup| backup.is_of(from)),
        });
    }
    match files.as_slice() {
        [] => Err(Error::NoBackup {
            folder: path.to_owned(),
        }),
        [(_, file)] => Ok(file.clone()),
        _ => Err(Error::SeveralComputers {
            folder: path.to_owned(),
            computers: files
                .iter()
                .map(|(computer, file)| owner(computer, file))
                .collect(),
        }),
    }
}

fn owner(computer: &str, file: &Path) -> String {
    match open_file(file.to_owned(), &Unlocker::default()) {
        Ok(backup) => backup.owner(),
        Err(Error::Archive(
            keyferry_archive::Error::NeedsPassphrase | keyferry_archive::Error::NeedsIdentity,
        )) => {
            format!("{computer} (encrypted)")
        }
        Err(_) => format!("{computer} (can't be read)"),
    }
}

fn open_file(path: PathBuf, unlocker: &Unlocker) -> Result<Backup> {
    let file = open_regular(&path).map_err(|why| Error::Unreadable {
        path: path.clone(),
        why: why.to_string(),
    })?;
    let source = BufReader::new(file);
    let reader = Reader::open_with(source, |encrypted| Ok::<_, Error>(unlocker.ask(encrypted)))?;
    Ok(Backup { path, reader })
}

impl Backup {
    pub(crate) fn header(&self) -> &Header {
        self.reader.header()
    }

    pub(crate) fn records(&mut self) -> Result<Records<'_, BufReader<File>>> {
        Ok(self.reader.records()?)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Licenses and documents that the computer's signature promises, if it holds.
    pub(crate) fn promised(&self) -> Option<(u64, u64)> {
        match self.reader.footer() {
            FooterState::Signed { licenses, documents } => Some((*licenses, *documents)),
            _ => None,
        }
    }

    /// A report that names the backup and what is wrong with the file as a whole.
    pub(crate) fn report(&self) -> RestoreReport {
        let computer = &self.header().computer;
        let mut damage: Vec<String> = self.reader.findings().iter().map(ToString::to_string).collect();
        match self.reader.footer() {
            FooterState::Broken(why) => {
                damage.push(format!("the signature of the backup proves nothing: {why}"))
            }
            FooterState::Missing => damage.push("the signature of the backup is missing".into()),
            FooterState::Signed { .. } => {}
        }
        RestoreReport {
            path: self.path.clone(),
            from: Some((computer.thumbprint(), computer.name.shown())),
            created: self.header().created,
            damage,
            ..RestoreReport::default()
        }
    }

    /// Was damage met, and all of it repaired?
    pub(crate) fn is_repairable(&mut self) -> bool {
        self.reader
            .repaired()
            .is_some_and(|protection| protection.is_repairable())
    }

    /// Damage that was met after the backup was opened.
    pub(crate) fn repaired_since(&mut self) -> Option<String> {
        let known = |damage: &Damage| damage.place == Place::Protection;
        if self.reader.findings().iter().any(known) {
            return None;
        }
        Some(self.reader.repaired()?.damage().to_string())
    }

    fn is_of(&self, from: &str) -> bool {
        let computer = &self.header().computer;
        let by_id = from.len() >= 8
            && computer
                .thumbprint()
                .to_string()
                .starts_with(&from.to_ascii_lowercase());
        by_id || *computer.name == *from
    }

    fn owner(&self) -> String {
        let computer = &self.header().computer;
        format!("{} ({})", computer.name.shown(), computer.thumbprint().short())
    }
}
