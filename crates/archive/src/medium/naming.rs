//! How a backup that was read back gets its name, and what becomes of the one that bore it (docs/backup.md section 10,
//! steps 7 to 10).

use std::io::{self, ErrorKind, Read as _};

use super::generations::Generations;
use super::publish::{Publishing, Temporary};
use super::{BackupName, Medium, NewFile};
use crate::encryption::{Outermost, recognize};
use crate::error::{Error, Result};

const NAME: &str = "give the backup its name";

impl Publishing<'_> {
    /// Under a name of the caller's own choice, what stands beside it may be anything: nothing is taken for a leftover but
    /// a temporary file that is empty or begins as a backup does.
    pub(super) fn refuse_foreign(&self) -> Result<()> {
        if self.is_own() {
            return Ok(());
        }
        let previous = self.earlier.gives_way() && self.exists(&self.previous)?;
        let in_the_way = match previous {
            true => &self.previous,
            false if !self.exists(&self.temporary)? || self.is_leftover()? => return Ok(()),
            false => &self.temporary,
        };
        let name = in_the_way.clone();
        Err(Error::InTheWay { name })
    }

    /// Is the name one that only backups bear?
    fn is_own(&self) -> bool {
        BackupName::parse(&self.current).is_some()
    }

    fn is_leftover(&self) -> Result<bool> {
        let start = self.steps.run("look for a backup", |medium| {
            let mut start = Vec::new();
            medium.open(&self.temporary)?.take(64).read_to_end(&mut start)?;
            Ok(start)
        })?;
        Ok(start.is_empty() || recognize(&start) != Outermost::Unknown)
    }

    /// A process that was stopped while it replaced the current backup may have left that one set aside.
    pub(super) fn put_back_previous(&self) -> Result<()> {
        if !self.is_own() || self.exists(&self.current)? || !self.exists(&self.previous)? {
            return Ok(());
        }
        self.steps.run("put the backup back", |medium| {
            medium.rename(&self.previous, &self.current)?;
            medium.sync_folder()
        })
    }

    /// Gives the new file its name.
    pub(super) fn give_name(&self, file: &mut Temporary<'_, '_>) -> Result<()> {
        self.require_in_place(&*file.file)?;
        if self.exists(&self.current)? {
            if !self.earlier.gives_way() {
                return Err(self.existing());
            }
            self.replace(file)
        } else {
            self.name_first(file)
        }
    }

    /// Whoever makes another file of this name is another writer. Where there is none it was removed, or the medium is
    /// another.
    fn require_in_place(&self, file: &dyn NewFile) -> Result<()> {
        if self.steps.run("look for the file", |_| file.is_in_place())? {
            return Ok(());
        }
        self.steps.still_there()?;
        if self.exists(&self.temporary)? {
            return Err(self.busy());
        }
        let gone = "it was removed, or the medium was taken out";
        self.steps.run("find the file that was just written", |_| {
            Err(io::Error::other(gone))
        })
    }

    /// Never over a file that appeared in the meantime, where the file system can promise it.
    fn name_first(&self, file: &mut Temporary<'_, '_>) -> Result<()> {
        match self.steps.0.link(&self.temporary, &self.current) {
            // The second name is removed with the temporary file.
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(self.existing()),
            Err(_) if self.exists(&self.current)? => return Err(self.existing()),
            Err(_) => {
                self.steps
                    .run(NAME, |medium| medium.rename(&self.temporary, &self.current))?;
                file.named = true;
            }
        }
        self.steps.run(NAME, Medium::sync_folder).inspect_err(|_| {
            // It may be lost with the next power cut, so it is not there at all.
            let _ = self.steps.0.remove(&self.current);
        })
    }

    /// Where there are hard links a rename replaces in one step. Elsewhere (FAT) it doesn't, and the old backup is
    /// set aside under a name that readers know.
    fn replace(&self, file: &mut Temporary<'_, '_>) -> Result<()> {
        if self.exists(&self.previous)? {
            self.clear_previous()?;
        }
        let linked = self.steps.0.link(&self.current, &self.previous).is_ok();
        let mut renamed = false;
        let replaced = self.steps.run(NAME, |medium| {
            if !linked {
                medium.rename(&self.current, &self.previous)?;
                medium.sync_folder()?;
            }
            medium.rename(&self.temporary, &self.current)?;
            renamed = true;
            medium.sync_folder()
        });
        if let Err(error) = replaced {
            // The first error is the one to tell.
            let _ = self.set_right(linked, renamed);
            return Err(error);
        }
        file.named = true;
        Ok(())
    }

    /// Gives the old backup its name again. Where there are links the rename replaces, or does nothing as long as
    /// both names are one file; elsewhere nothing is ever renamed over another.
    fn set_right(&self, linked: bool, renamed: bool) -> io::Result<()> {
        if !linked && self.steps.0.exists(&self.current)? {
            if !self.steps.0.exists(&self.previous)? {
                return Ok(());
            }
            self.steps.0.rename(&self.current, &self.temporary)?;
        }
        match self.steps.0.rename(&self.previous, &self.current) {
            // Where nothing is renamed any more, the old backup still has its name, and this is the second one.
            Err(_) if linked && !renamed => {}
            done => done?,
        }
        if self.steps.0.exists(&self.previous)? {
            self.steps.0.remove(&self.previous)?;
        }
        self.steps.0.sync_folder()
    }

    /// The new backup has its name, and nothing takes that from it any more: what can't be done now goes with the next run.
    pub(super) fn tidy(&self) -> (Option<BackupName>, Vec<BackupName>) {
        let (medium, mut kept) = (self.steps.0, None);
        let may_be_there = self.is_own() || self.earlier.gives_way();
        if may_be_there && medium.exists(&self.previous).unwrap_or(false) {
            match self.kept() {
                Some(generations) => kept = generations.keep(&self.steps, &self.previous).ok(),
                None => drop(medium.remove(&self.previous)),
            }
            // Nothing is removed before what is kept is durable.
            if medium.sync_folder().is_err() {
                return (kept, Vec::new());
            }
        }
        let removed =
            Generations::new(&self.current, &self.earlier).map(|generations| generations.prune(&self.steps));
        (kept, removed.and_then(Result::ok).unwrap_or_default())
    }

    fn kept(&self) -> Option<Generations> {
        Generations::new(&self.current, &self.earlier).filter(Generations::are_kept)
    }

    /// What a process that was stopped behind the rename left set aside: a backup of its own, unless it is the current
    /// one, which then was not replaced yet.
    fn clear_previous(&self) -> Result<()> {
        let Some(generations) = self.kept() else {
            return self.steps.run(NAME, |medium| medium.remove(&self.previous));
        };
        let is_current = self.steps.run("compare", |medium| {
            same_bytes(medium, &self.previous, &self.current)
        })?;
        if is_current {
            return self.steps.run(NAME, |medium| medium.remove(&self.previous));
        }
        generations.keep(&self.steps, &self.previous).map(drop)
    }
}

fn same_bytes(medium: &dyn Medium, one: &str, other: &str) -> io::Result<bool> {
    let (mut one, mut other) = (medium.open(one)?, medium.open(other)?);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    loop {
        for (file, chunk) in [(&mut one, &mut first), (&mut other, &mut second)] {
            chunk.clear();
            file.take(64 * 1024).read_to_end(chunk)?;
        }
        if first != second || first.is_empty() {
            return Ok(first == second);
        }
    }
}
