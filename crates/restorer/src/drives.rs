//! The volumes that are mounted, and the removable ones as places for backups. Everything but [`volumes`] works on a list of
//! volumes that it is handed.

use std::cmp::Reverse;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use keyferry_archive::Reader;
use keyferry_archive::medium::{BackupName, FolderMedium, Medium, Stage, find_backups};
use keyferry_license::{ComputerId, printable};

use crate::error::{Error, Result};
use crate::regular::open_regular;

/// Folders on a volume that are looked into, beside its root.
const FOLDERS: usize = 256;
/// Where desktops mount what a person plugs in.
const PLUGGED_IN: [&str; 2] = ["/media", "/run/media"];

/// A volume that is mounted.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Its label, or the name of the folder where it is mounted; safe to show.
    pub name: String,
    /// Where it is mounted.
    pub path: PathBuf,
    /// As the system calls it, such as vfat or NTFS; safe to show.
    pub file_system: String,
    /// Can it be taken out?
    pub is_removable: bool,
    /// Can nothing be written to it?
    pub is_read_only: bool,
    /// Bytes that it holds.
    pub total: u64,
    /// Bytes that are free for this person.
    pub free: u64,
}

/// A removable volume, as a place for backups.
#[derive(Debug, Clone)]
pub struct Drive {
    /// The volume.
    pub volume: Volume,
    /// The newest backup of this computer there, or else of any; in its root, or in a folder of that.
    pub last: Option<LastBackup>,
}

/// A backup on a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastBackup {
    /// The file.
    pub path: PathBuf,
    /// Eight hexadecimal digits of the computer's ID, from the file's name.
    pub id: String,
    /// Is it of this computer?
    pub is_own: bool,
    /// When it was made (Unix seconds): by its header, or else when the file was last written to.
    pub made: u64,
}

/// What is mounted now, network file systems aside.
pub fn volumes() -> Result<Vec<Volume>> {
    let disks = sysinfo::Disks::new_with_refreshed_list();
    let disks = disks.map_err(|why| Error::NoVolumes { why: why.to_string() })?;
    Ok(disks.iter().map(volume).collect())
}

fn volume(disk: &sysinfo::Disk) -> Volume {
    let path = disk.mount_point();
    let folder = path.file_name().unwrap_or(path.as_os_str());
    // On Linux it is called after its device, which says nothing to a person.
    let label = Some(disk.name()).filter(|label| !cfg!(target_os = "linux") && !label.is_empty());
    Volume {
        name: printable(&label.unwrap_or(folder).to_string_lossy()),
        path: path.to_owned(),
        file_system: printable(&disk.file_system().to_string_lossy()),
        // Cards are not told from disks by where they are plugged in, but by where they are mounted.
        is_removable: disk.is_removable() || PLUGGED_IN.iter().any(|above| path.starts_with(above)),
        is_read_only: disk.is_read_only(),
        total: disk.total_space(),
        free: disk.available_space(),
    }
}

/// The removable ones of these volumes, by path, and the last backup on each: of `own`, or else of any computer.
pub fn drives(volumes: &[Volume], own: Option<&ComputerId>) -> Vec<Drive> {
    let mut removable: Vec<_> = volumes
        .iter()
        .filter(|volume| volume.is_removable && volume.path.is_dir())
        .collect();
    removable.sort_by(|one, other| one.path.cmp(&other.path));
    // The same place, mounted over what was there.
    removable.dedup_by(|one, other| one.path == other.path);
    let drive = |volume: &Volume| Drive {
        volume: volume.clone(),
        last: last(&volume.path, own),
    };
    removable.into_iter().map(drive).collect()
}

/// Of these volumes the one on which a path lies.
pub fn volume_of<'v>(volumes: &'v [Volume], path: &Path) -> Option<&'v Volume> {
    let path = path.canonicalize().ok()?;
    let around = volumes.iter().filter(|volume| path.starts_with(&volume.path));
    // Of two that are mounted in one place the later one is seen.
    around.max_by_key(|volume| volume.path.components().count())
}

impl Volume {
    /// The length of the longest file, where its file system has a limit that is met in practice.
    pub fn longest_file(&self) -> Option<u64> {
        let name = self.file_system.to_ascii_lowercase();
        let is_fat = name.contains("msdos") || (name.contains("fat") && !name.contains("exfat"));
        is_fat.then_some(u64::from(u32::MAX))
    }
}

fn last(root: &Path, own: Option<&ComputerId>) -> Option<LastBackup> {
    let own = own.map(ComputerId::short);
    let below = std::fs::read_dir(root).into_iter().flatten().flatten();
    let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let below = below.take(FOLDERS).map(|entry| entry.path());
    let found = std::iter::once(root.to_owned()).chain(below).flat_map(|folder| {
        let medium = FolderMedium::new(folder);
        let found = find_backups(&medium).unwrap_or_default().into_iter();
        let names = found.map(|found| found.name);
        let names: Vec<_> = names.filter(|name| name.stage() == Stage::Current).collect();
        names.into_iter().map(move |name| (medium.clone(), name))
    });
    let found = found.filter_map(|(medium, name)| {
        Some(LastBackup {
            made: made(&medium, &name)?,
            is_own: own.as_deref() == Some(name.computer()),
            id: name.computer().to_owned(),
            path: medium.path(&name.to_string()),
        })
    });
    found.min_by_key(|last| (!last.is_own, Reverse(last.made), last.path.clone()))
}

fn made(medium: &FolderMedium, name: &BackupName) -> Option<u64> {
    let name = name.to_string();
    let file = open_regular(&medium.path(&name)).ok()?;
    match Reader::open(BufReader::new(file)) {
        Ok(reader) => Some(reader.header().created),
        Err(_) => medium.modified(&name).ok(),
    }
}
