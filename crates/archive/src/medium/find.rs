//! Finds the backups in a folder, and among a computer's files the one that counts.

use super::{BackupName, Medium, Stage};
use crate::error::Result;
use crate::medium::publish::{Steps, require_folder};
use crate::reader::Reader;

/// A backup file in a folder, by its name alone: nothing of it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: BackupName,
    /// Eight hexadecimal digits of the computer's ID.
    pub computer: String,
    /// Current, temporary or previous.
    pub stage: Stage,
}

/// All backup files of a folder, ordered by computer and stage.
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

/// The file to restore a computer's licenses from: the current one, whatever its state; where there is none, the
/// one that a stopped process left behind, if it is whole from the first to the last byte.
pub fn choose(medium: &dyn Medium, computer: &str) -> Result<Option<Found>> {
    let mut found = find_backups(medium)?;
    found.retain(|found| found.computer == computer);
    if found.first().is_none_or(|first| first.stage != Stage::Current) {
        found.retain(|found| is_whole(medium, &found.name));
    }
    Ok(found.into_iter().next())
}

fn is_whole(medium: &dyn Medium, name: &BackupName) -> bool {
    let Ok(file) = medium.open(&name.to_string()) else {
        return false;
    };
    Reader::open(file).is_ok_and(|mut reader| reader.check_whole().is_ok())
}
