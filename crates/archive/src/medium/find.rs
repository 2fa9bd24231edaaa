//! Finds the backups in a folder, and among a computer's files the one that counts.

use super::{BackupName, Medium, ReadSeek, Stage};
use crate::encryption::Unlock;
use crate::error::{Error, Result};
use crate::medium::steps::{Steps, require_folder};
use crate::verify::{Verdict, verify};

/// A backup file in a folder, by its name alone: nothing of it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: BackupName,
    /// Eight hexadecimal digits of the computer's ID.
    pub computer: String,
    /// A backup, temporary or previous.
    pub stage: Stage,
}

/// All backup files of a folder, ordered by computer, then the current one and what was left beside it, then the earlier
/// generations from the newest on.
pub fn find_backups(medium: &dyn Medium) -> Result<Vec<Found>> {
    require_folder(medium)?;
    let names = Steps(medium).run("list the files", Medium::list)?;
    let mut names: Vec<_> = names.iter().filter_map(|name| BackupName::parse(name)).collect();
    names.sort();
    let found = names.into_iter().map(|name| Found {
        computer: name.computer().to_owned(),
        stage: name.stage(),
        name,
    });
    Ok(found.collect())
}

/// The file to restore a computer's licenses from: the current one, whatever its state; where there is none, the first
/// that is whole from the first to the last byte, of what a stopped process left behind and of the earlier generations.
/// An encrypted one counts as whole here if its outside is; who can open it asks [`choose_with`].
pub fn choose(medium: &dyn Medium, computer: &str) -> Result<Option<Found>> {
    choose_with(medium, computer, &mut |_, file| is_whole(file))
}

/// As [`choose`], with another judgment of what is whole.
pub fn choose_with(
    medium: &dyn Medium,
    computer: &str,
    is_whole: &mut dyn FnMut(&Found, Box<dyn ReadSeek>) -> bool,
) -> Result<Option<Found>> {
    let mut found = find_backups(medium)?;
    found.retain(|found| found.computer == computer);
    let is_current = |found: &Found| found.stage == Stage::Current && found.name.generation().is_none();
    let mut found = found.into_iter();
    Ok(found.find(|found| {
        is_current(found)
            || medium
                .open(&found.name.to_string())
                .is_ok_and(|file| is_whole(found, file))
    }))
}

fn is_whole(file: Box<dyn ReadSeek>) -> bool {
    verify(file, |_| Ok::<_, Error>(Unlock::None), &mut ())
        .is_ok_and(|report| matches!(report.verdict(), Verdict::Whole | Verdict::OutsideWhole))
}
