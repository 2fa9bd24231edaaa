//! The backups in a folder, as a list shows them: whose, of when, how many licenses, and whether they would come back.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use keyferry_archive::medium::{BackupName, FolderMedium, Stage, find_backups};
use keyferry_archive::{
    BackupId, Damage, Encrypted, Error as ArchiveError, FooterState, Inspector, Reader, Repair, Unlock,
    Verdict, verify,
};
use keyferry_license::ComputerId;

use crate::error::Result;
use crate::regular::open_regular;
use crate::unlocker::Unlocker;

/// A backup on a shelf with others.
#[derive(Debug, Clone)]
pub struct Shelved {
    /// The file.
    pub path: PathBuf,
    /// Eight hexadecimal digits of the computer's ID, if the file's name tells them. They prove nothing.
    pub id: Option<String>,
    /// What the file's name says of it.
    pub kind: Kind,
    /// Length, in bytes; 0 where it can't be read.
    pub bytes: u64,
    /// When the file was last written to (Unix seconds), as the medium has it; 0 where it can't be read.
    pub modified: u64,
    /// Is it encrypted?
    pub encrypted: bool,
    /// What stands in it; `None` if nothing at hand opens it, or it is too damaged.
    pub inside: Option<Inside>,
    /// Would it come back?
    pub state: State,
    /// What is wrong with it, in words.
    pub why: Option<String>,
}

/// What a backup says of itself.
#[derive(Debug, Clone)]
pub struct Inside {
    /// Names it.
    pub backup: BackupId,
    /// Whose it is.
    pub computer: ComputerId,
    /// What that computer calls itself, safe to show.
    pub name: String,
    /// When it was made (Unix seconds), by that computer's clock.
    pub created: u64,
    /// Licenses and license documents in it; `None` where its signature doesn't say.
    pub holds: Option<(u64, u64)>,
}

/// What the name of a backup file says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The computer's current backup.
    Current,
    /// An earlier one that was kept.
    Earlier,
    /// Left by a backup that was interrupted.
    LeftOver,
    /// Nothing.
    Other,
}

/// Whether a backup would come back: every byte of it was read and compared with its check values. Signatures of licenses
/// are for [`verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is wrong with it, or with its outside if it wasn't opened.
    Whole,
    /// Something is damaged, and nothing is lost.
    Repairable,
    /// Something is lost, or nobody can tell.
    Damaged,
    /// It wasn't opened, and has nothing by which it could be checked from outside.
    Unchecked,
    /// The file can't be read, or is no backup.
    Unreadable,
}

/// All backups of a folder: by computer, the current one first, then the earlier ones from the newest on. What `unlocker`
/// gives for an encrypted one opens it.
pub fn backups_in(folder: &Path, unlocker: &Unlocker) -> Result<Vec<Shelved>> {
    let medium = FolderMedium::new(folder);
    let found = find_backups(&medium)?;
    let paths = found.iter().map(|found| medium.path(&found.name.to_string()));
    Ok(paths.map(|path| backup_at(&path, unlocker)).collect())
}

/// What stands on a medium after a backup to it has failed, by the names of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// A backup of this computer, an earlier generation included.
    pub has_backup: bool,
    /// The file that was being made. No restore takes a part for a backup, and the next backup removes it.
    pub has_unfinished: bool,
}

/// What of this computer is in a folder now; `None` if that can't be seen.
pub fn standing(folder: &Path, computer: &ComputerId) -> Option<Standing> {
    let found = find_backups(&FolderMedium::new(folder)).ok()?;
    let computer = computer.short();
    let own = found.iter().filter(|found| found.computer == computer);
    let (unfinished, backups): (Vec<_>, Vec<_>) = own.partition(|found| found.stage == Stage::Temporary);
    Some(Standing {
        has_backup: !backups.is_empty(),
        has_unfinished: !unfinished.is_empty(),
    })
}

/// One backup.
pub fn backup_at(path: &Path, unlocker: &Unlocker) -> Shelved {
    let name = path
        .file_name()
        .and_then(|name| BackupName::parse(name.to_str()?));
    let mut shelved = Shelved {
        path: path.to_owned(),
        id: name.as_ref().map(|name| name.computer().to_owned()),
        kind: name.as_ref().map_or(Kind::Other, kind),
        bytes: 0,
        modified: 0,
        encrypted: false,
        inside: None,
        state: State::Unreadable,
        why: None,
    };
    match look(&mut shelved, unlocker) {
        Ok(state) => shelved.state = state,
        Err(why) => shelved.why = Some(why),
    }
    shelved
}

fn kind(name: &BackupName) -> Kind {
    match (name.stage(), name.generation()) {
        (Stage::Current, None) => Kind::Current,
        (Stage::Current, Some(_)) => Kind::Earlier,
        (Stage::Temporary | Stage::Previous, _) => Kind::LeftOver,
    }
}

fn look(shelved: &mut Shelved, unlocker: &Unlocker) -> Result<State, String> {
    let path = shelved.path.clone();
    let open = || open_regular(&path).map(BufReader::new);
    let words = |error: &io::Error| error.to_string();
    let file = open().map_err(|error| words(&error))?;
    let metadata = file.get_ref().metadata().map_err(|error| words(&error))?;
    shelved.bytes = metadata.len();
    let modified = metadata.modified().ok();
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    shelved.modified = modified.map_or(0, |since| since.as_secs());
    let mut unlock = Unlock::None;
    match Encrypted::of(&mut { file }) {
        Ok(None) => {}
        Ok(Some(encrypted)) => {
            shelved.encrypted = true;
            unlock = unlocker.ask(&encrypted);
        }
        // A damaged one is judged below.
        Err(ArchiveError::Damaged(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    let source = open().map_err(|error| words(&error))?;
    if let Ok(mut reader) = Reader::open_with(source, |_| Ok::<_, ArchiveError>(unlock)) {
        shelved.inside = Some(inside(&reader));
        // It opens once more without a passphrase that is worked through twice.
        unlock = reader.unlock();
        let again = open().map_err(|error| words(&error))?;
        if is_whole(&mut reader, again) {
            return Ok(State::Whole);
        }
    } else {
        unlock = Unlock::None;
    }
    let source = open().map_err(|error| words(&error))?;
    let mut first = First(None);
    let report = verify(source, |_| Ok::<_, ArchiveError>(unlock), &mut first);
    let verdict = report.map_err(|error| error.to_string())?.verdict();
    shelved.why = first.0;
    Ok(match verdict {
        Verdict::Whole | Verdict::OutsideWhole => State::Whole,
        Verdict::Repairable => State::Repairable,
        Verdict::Damaged { .. } => State::Damaged,
        Verdict::NothingCheckable => State::Unchecked,
    })
}

/// With parity every cell has a check value; without, every frame has a digest.
fn is_whole(reader: &mut Reader<BufReader<File>>, again: BufReader<File>) -> bool {
    let is_signed = matches!(reader.footer(), FooterState::Signed { .. });
    is_signed
        && reader.findings().is_empty()
        && Repair::open(again).map_or_else(|_| reader.check_whole().is_ok(), |repair| repair.is_whole())
}

fn inside(reader: &Reader<BufReader<File>>) -> Inside {
    let header = reader.header();
    Inside {
        backup: header.backup,
        computer: header.computer.thumbprint(),
        name: header.computer.name.shown(),
        created: header.created,
        holds: match reader.footer() {
            FooterState::Signed { licenses, documents } => Some((*licenses, *documents)),
            _ => None,
        },
    }
}

/// The first damage that is told.
struct First(Option<String>);

impl Inspector for First {
    fn damage(&mut self, damage: &Damage) {
        self.0.get_or_insert_with(|| damage.to_string());
    }
}
