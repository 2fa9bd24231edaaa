//! Earlier backups of a computer that are kept: what they are called, and which of them go (docs/backup.md section 10.1).

use std::num::NonZeroU32;

use keyferry_license::ComputerId;

use super::steps::Steps;
use super::{BackupName, Medium, ReadSeek, Stage, find_backups};
use crate::encryption::Unlock;
use crate::error::{Error, Result};
use crate::outside::Outside;
use crate::payload::FooterState;
use crate::protection::Mended;
use crate::reader::Reader;

/// What becomes of what is there already. By default nothing is touched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Earlier {
    /// The current backup may be replaced.
    pub replace: bool,
    /// So many backups are kept; `None`: generations that are there are left alone.
    pub keep: Option<Keep>,
}

/// How many backups of a computer are kept, the current one included.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Of 2 and more the current one becomes a generation when another takes its name; of 1 it is replaced.
    pub backups: NonZeroU32,
    /// Whose: nothing of another computer is ever removed.
    pub computer: ComputerId,
}

impl From<bool> for Earlier {
    /// The current backup may be replaced, or nothing.
    fn from(replace: bool) -> Self {
        Self { replace, keep: None }
    }
}

impl Earlier {
    /// May another take the name of the current backup?
    pub(super) fn gives_way(&self) -> bool {
        self.replace || self.keep.is_some_and(Keep::has_generations)
    }
}

impl Keep {
    fn has_generations(self) -> bool {
        self.backups.get() > 1
    }
}

/// The earlier generations of one backup.
#[derive(Clone)]
pub(super) struct Generations {
    current: BackupName,
    keep: Keep,
}

impl Generations {
    /// `None` where none are kept or removed: nobody asked for it, or the name isn't that of a current backup.
    pub fn new(name: &str, earlier: &Earlier) -> Option<Self> {
        let current = BackupName::parse(name)?;
        let is_current = current.generation().is_none() && current.stage() == Stage::Current;
        let keep = earlier.keep.filter(|_| is_current)?;
        Some(Self { current, keep })
    }

    /// Are there to be any?
    pub fn are_kept(&self) -> bool {
        self.keep.has_generations()
    }

    /// Makes a generation of this file; gives its name. Not durable yet.
    pub fn keep(&self, steps: &Steps<'_>, file: &str) -> Result<BackupName> {
        let name = self.next(steps, file)?;
        steps.run("keep the earlier backup", |medium| {
            medium.rename(file, &name.to_string())
        })?;
        Ok(name)
    }

    /// Later than all that are there, if need be by a second.
    fn next(&self, steps: &Steps<'_>, file: &str) -> Result<BackupName> {
        let made = made(steps, file)?;
        let newest = self.all(steps)?.first().and_then(BackupName::generation);
        let after = newest.map_or(0, |newest| newest.saturating_add(1));
        let name = self.current.earlier(made.max(after));
        name.ok_or(Error::Invalid {
            what: "name of an earlier backup",
            why: "the newest is of the end of the year 9999; rename it",
        })
    }

    /// Removes what is too many; gives their names. What can't be removed stays.
    pub fn prune(&self, steps: &Steps<'_>) -> Result<Vec<BackupName>> {
        let mut whole = 1;
        let mut removed = Vec::new();
        for name in self.all(steps)? {
            let found = self.judge(steps.0, &name);
            if whole < self.keep.backups.get() {
                whole += u32::from(matches!(found, Found::Whole));
            } else if !matches!(found, Found::NotOurs) {
                steps.run("remove an earlier backup", |medium| {
                    medium.remove(&name.to_string())
                })?;
                removed.push(name);
            }
        }
        if !removed.is_empty() {
            steps.run("remove an earlier backup", Medium::sync_folder)?;
        }
        Ok(removed)
    }

    /// From the newest on.
    fn all(&self, steps: &Steps<'_>) -> Result<Vec<BackupName>> {
        let found = find_backups(steps.0)?.into_iter().map(|found| found.name);
        let own = |name: &BackupName| {
            name.computer() == self.current.computer()
                && name.generation().is_some()
                && name.stage() == Stage::Current
        };
        Ok(found.filter(own).collect())
    }

    fn judge(&self, medium: &dyn Medium, name: &BackupName) -> Found {
        let Ok(file) = medium.open(&name.to_string()) else {
            return Found::NotOurs;
        };
        match look(file) {
            Ok(Look::Closed { is_whole: true }) => Found::Whole,
            Ok(Look::Closed { is_whole: false }) | Err(Error::Damaged(_) | Error::Length { .. }) => {
                Found::Damaged
            }
            Ok(Look::Open(reader)) if reader.header().computer.thumbprint() != self.keep.computer => {
                Found::NotOurs
            }
            Ok(Look::Open(mut reader)) => {
                let is_signed = matches!(reader.footer(), FooterState::Signed { .. });
                // One that was repaired while it was read is on its way to be lost.
                match is_signed && reader.findings().is_empty() && reader.repaired().is_none() {
                    true => Found::Whole,
                    false => Found::Damaged,
                }
            }
            Err(_) => Found::NotOurs,
        }
    }
}

/// What stands under the name of a generation.
enum Found {
    /// Whole, as far as a look at its ends says.
    Whole,
    /// A backup, and something is wrong with it.
    Damaged,
    /// No backup, one of another computer or of a later program, or nobody can tell.
    NotOurs,
}

enum Look {
    Open(Box<Reader<Box<dyn ReadSeek>>>),
    /// Encrypted.
    Closed {
        is_whole: bool,
    },
}

fn look(file: Box<dyn ReadSeek>) -> Result<Look> {
    let mut source = Mended::new(file);
    let mut outside = Outside::read(&mut source)?;
    let (ends, findings) = outside.ends()?;
    if outside.head.is_some() {
        let is_whole = findings.is_empty() && source.found().is_none();
        return Ok(Look::Closed { is_whole });
    }
    let reader = Reader::open_inside(source, &outside, &ends, findings, |_| {
        Ok::<_, Error>(Unlock::None)
    })?;
    Ok(Look::Open(Box::new(reader)))
}

/// When a backup was made (Unix seconds): by its header, or else when the file was last written to.
fn made(steps: &Steps<'_>, file: &str) -> Result<u64> {
    let opened = steps.0.open(file).ok().and_then(|opened| look(opened).ok());
    match opened {
        Some(Look::Open(reader)) => Ok(reader.header().created),
        _ => steps.run("look for a backup", |medium| medium.modified(file)),
    }
}
