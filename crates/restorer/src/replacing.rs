//! May the backup that is there be replaced? Not by one that may lack what it holds: it can be the last place where
//! that is whole.

use std::io::{Read, Seek};

use keyferry_archive::medium::{BackupName, FolderMedium, Medium};
use keyferry_archive::{Encryption, FooterState, Reader, Unlock};
use keyferry_store::{Presence, Store};

use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::only::Picker;
use crate::report::{BackupOptions, Counts};
use crate::restore::{Chunks, presences};

/// The backup that is there, and the one that would take its place.
pub(crate) struct Replacing<'a> {
    pub(crate) store: &'a Store,
    pub(crate) medium: &'a FolderMedium,
    pub(crate) options: &'a BackupOptions,
}

impl Replacing<'_> {
    /// An earlier backup is not replaced by one that holds nothing, that lacks what is damaged here, or that holds a
    /// selection of which something there is no part.
    pub(crate) fn loses_nothing(
        &self,
        before: &BackupName,
        counts: &Counts,
        documents: &Counts,
    ) -> Result<()> {
        let why = if counts.all_failed() + documents.all_failed() > 0 {
            "something in the license store is damaged, and the backup there may hold it whole"
        } else if counts.backed_up + documents.backed_up == 0 {
            "there is nothing here to back up, and the backup there may hold licenses"
        } else if !self.options.only.is_all() {
            "the new one would hold a selection only, and the backup there may hold more"
        } else {
            return Ok(());
        };
        let path = self.medium.path(&before.to_string());
        let before = self.medium.open(&before.to_string()).ok();
        let before = before.and_then(|file| Reader::open_with(file, |_| Ok::<_, Error>(self.unlock())).ok());
        if before.is_some_and(|mut reader| {
            self.is_empty(&reader) || self.is_covered(&mut reader, counts, documents)
        }) {
            return Ok(());
        }
        Err(Error::WouldLose {
            path,
            why,
            partial: !self.options.only.is_all(),
        })
    }

    /// What opens the new one may open the earlier one too.
    fn unlock(&self) -> Unlock {
        match &self.options.encryption {
            Encryption::Passphrase(passphrase) if !self.options.only.is_all() => {
                Unlock::Passphrase(passphrase.clone())
            }
            _ => Unlock::None,
        }
    }

    fn is_empty<R: Read + Seek>(&self, before: &Reader<R>) -> bool {
        *before.footer()
            == FooterState::Signed {
                licenses: 0,
                documents: 0,
            }
    }

    /// Is the earlier one whole, and all that it holds in the new one?
    fn is_covered<R: Read + Seek>(
        &self,
        before: &mut Reader<R>,
        counts: &Counts,
        documents: &Counts,
    ) -> bool {
        let failed = counts.all_failed() + counts.restricted + documents.all_failed() > 0;
        !failed && !self.options.only.is_all() && self.covers(before).unwrap_or(false)
    }

    fn covers<R: Read + Seek>(&self, before: &mut Reader<R>) -> Result<bool> {
        let picker = Picker::new(&self.options.only, &before.header().issuers);
        let FooterState::Signed { licenses, documents } = before.footer().clone() else {
            return Ok(false);
        };
        let whole = before.findings().is_empty();
        let (mut seen, mut seen_documents) = (0, 0);
        let mut chunks = Chunks::new(before.records()?, &picker);
        while let Some(chunk) = chunks.next_chunk() {
            let lacks = chunk.passed + chunk.passed_documents + chunk.lost > 0 || !chunk.damage.is_empty();
            if lacks || !chunk.broken.is_empty() {
                return Ok(false);
            }
            let presences = presences(self.store, &chunk.rows)?;
            seen += presences.len() as u64;
            let planned = chunk.documents.plan(self.store)?;
            seen_documents += planned.len() as u64;
            let here = presences.iter().all(|presence| *presence == Presence::Here)
                && planned.iter().all(|said| said.outcome == Outcome::AlreadyHere);
            if !here {
                return Ok(false);
            }
        }
        Ok(whole && (seen, seen_documents) == (licenses, documents))
    }
}
