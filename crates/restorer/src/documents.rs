//! License documents of other systems on their way: from files into the store, into a backup, and out of one. They are
//! kept byte for byte; what they say is not known here, so that neither an issuer nor a service is asked for them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use keyferry_archive::{BrokenDocument, Document, Writer};
use keyferry_license::document::{
    DOCUMENT_LIMIT, DocumentId, NotTaken, plain_name, recognize, recognize_forced,
};
use keyferry_license::printable;
use keyferry_store::{DocumentInfo, NewDocument, Put, Snapshot, Store};

use crate::code::Failure;
use crate::error::Result;
use crate::events::{DocumentOutcome, Outcome};
use crate::only::Picker;
use crate::operation::Operation;
use crate::plan::Rows;
use crate::report::{Counts, DocumentsReport, Skipped, SkippedFile, overall};

/// Documents that are stored together are about this many bytes long in all; one may go beyond it.
pub(crate) const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Documents that are stored together.
pub(crate) const BATCH: usize = 1000;

/// A backup may hold an empty document, the store keeps none.
const EMPTY: Outcome = Outcome::Failed(Failure::BackupCorrupt);

/// Takes documents from files; with `forced` also those that are not recognized.
pub(crate) fn import(operation: &Operation<'_>, files: &[PathBuf], forced: bool) -> Result<DocumentsReport> {
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    let mut report = DocumentsReport::default();
    let mut batch = Batch::default();
    let mut keep = |batch: Batch| -> Result<()> {
        for said in batch.keep(&store, operation.now())? {
            report.counts.add(said.outcome);
            operation.events.document(&said);
        }
        Ok(())
    };
    for path in files {
        match read(path, forced) {
            Ok(document) => batch.documents.push(document),
            Err(why) => report.skipped.push(SkippedFile {
                path: path.clone(),
                why,
            }),
        }
        if batch.is_full() {
            keep(std::mem::take(&mut batch))?;
        }
    }
    keep(batch)?;
    let failures: &[Failure] = if report.skipped.is_empty() {
        &[]
    } else {
        &[Failure::Other]
    };
    report.failure = overall(report.counts.here(), failures);
    Ok(report)
}

fn read(path: &Path, forced: bool) -> Result<Incoming, Skipped> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Skipped::Unreadable)?;
    let about = file.metadata().map_err(Skipped::Unreadable)?;
    if about.len() > DOCUMENT_LIMIT as u64 {
        let actual = usize::try_from(about.len()).unwrap_or(usize::MAX);
        return Err(Skipped::NotTaken(NotTaken::TooLarge { actual }));
    }
    file.take(DOCUMENT_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(Skipped::Unreadable)?;
    let raw = path
        .file_name()
        .ok_or_else(|| Skipped::Unreadable(io::ErrorKind::IsADirectory.into()))?;
    let name = plain_name(raw.as_encoded_bytes());
    let kind = if forced {
        recognize_forced(&name, &bytes)
    } else {
        recognize(&name, &bytes)
    };
    let kind = kind.map_err(Skipped::NotTaken)?;
    let note = (raw.to_str() != Some(name.as_str())).then(|| renamed(&name));
    Ok(Incoming {
        name,
        kind: kind.name().into(),
        bytes,
        note,
    })
}

fn renamed(name: &str) -> String {
    format!("its own name can't be kept, so it is kept as {}", printable(name))
}

/// A document that is about to be stored.
pub(crate) struct Incoming {
    name: String,
    kind: String,
    bytes: Vec<u8>,
    /// What a person has to know about its name.
    note: Option<String>,
}

impl From<Document> for Incoming {
    fn from(document: Document) -> Self {
        let name = plain_name(document.name.as_bytes());
        let note = (name != document.name).then(|| renamed(&name));
        Self {
            name,
            kind: document.kind,
            bytes: document.bytes,
            note,
        }
    }
}

/// Documents that are stored in one transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) documents: Vec<Incoming>,
}

impl Batch {
    /// Is it time to store them?
    pub(crate) fn is_full(&self) -> bool {
        let bytes: usize = self.documents.iter().map(|document| document.bytes.len()).sum();
        bytes >= BATCH_BYTES || self.documents.len() >= BATCH
    }

    /// Stores them, and says what became of each.
    pub(crate) fn keep(self, store: &Store, now: u64) -> Result<Vec<DocumentOutcome>> {
        let (documents, empty): (Vec<Incoming>, Vec<Incoming>) = self
            .documents
            .into_iter()
            .partition(|document| !document.bytes.is_empty());
        let new: Vec<NewDocument<'_>> = documents
            .iter()
            .map(|document| NewDocument {
                name: &document.name,
                kind: &document.kind,
                bytes: &document.bytes,
            })
            .collect();
        let put = store.put_documents(&new, now)?;
        let kept = documents.iter().zip(put).map(|(document, put)| match put {
            Put::AlreadyHere { name, .. } => {
                let note = (name != document.name).then(|| here_as(&name));
                document.said(Outcome::AlreadyHere, note)
            }
            Put::Repaired { .. } => {
                let note = "it was damaged here and is whole again";
                document.said(Outcome::Restored { slot: None }, Some(note.into()))
            }
            _ => document.said(Outcome::Restored { slot: None }, document.note.clone()),
        });
        let empty = empty
            .iter()
            .map(|document| document.said(EMPTY, Some("it is empty".into())));
        Ok(kept.chain(empty).collect())
    }

    /// What would become of them.
    pub(crate) fn plan(self, store: &Store) -> Result<Vec<DocumentOutcome>> {
        let planned = |document: Incoming| {
            let id = DocumentId::of(&document.bytes);
            if document.bytes.is_empty() {
                return Ok(document.said(EMPTY, Some("it is empty".into())));
            }
            Ok(match store.document_name(&id)? {
                Some(name) => {
                    let note = (name != document.name).then(|| here_as(&name));
                    document.said(Outcome::AlreadyHere, note)
                }
                None => document.said(Outcome::Restored { slot: None }, document.note.clone()),
            })
        };
        self.documents.into_iter().map(planned).collect()
    }
}

fn here_as(name: &str) -> String {
    format!("the same is here under the name {}", printable(name))
}

impl Incoming {
    fn said(&self, outcome: Outcome, why: Option<String>) -> DocumentOutcome {
        DocumentOutcome {
            id: DocumentId::of(&self.bytes),
            name: self.name.clone(),
            kind: self.kind.clone(),
            size: Some(self.bytes.len() as u64),
            outcome,
            why,
        }
    }
}

/// A document of a backup that can't be given.
pub(crate) fn damaged(broken: BrokenDocument) -> DocumentOutcome {
    DocumentOutcome {
        id: DocumentId(broken.digest),
        name: broken.name,
        kind: broken.kind,
        size: None,
        outcome: Outcome::Failed(Failure::BackupCorrupt),
        why: Some(broken.why.into()),
    }
}

/// Writes the documents of the snapshot that are wanted into a backup; says what became of them, and how many are not
/// wanted.
pub(crate) fn back_up<W: Write>(
    operation: &Operation<'_>,
    snapshot: &Snapshot,
    picker: &Picker,
    writer: &mut Writer<W>,
) -> Result<(Counts, u64)> {
    let (mut counts, mut left_out) = (Counts::default(), 0);
    snapshot.for_each_document(|document| {
        operation.check_canceled()?;
        let info = document.info();
        if !picker.picks_document(&info.id, &info.name) {
            left_out += 1;
            return Ok(());
        }
        let said = match document.bytes() {
            Ok(bytes) => {
                writer.push_document(&info.name, &info.kind, bytes)?;
                stored(info, Outcome::BackedUp, None)
            }
            Err(error) => not_readable(info, &error),
        };
        counts.add(said.outcome);
        operation.events.document(&said);
        Ok::<_, crate::error::Error>(())
    })?;
    Ok((counts, left_out))
}

/// What [`back_up`] would write.
pub(crate) fn plan(
    operation: &Operation<'_>,
    snapshot: &Snapshot,
    picker: &Picker,
    rows: &mut Rows,
) -> Result<(Counts, u64)> {
    let (mut counts, mut left_out) = (Counts::default(), 0);
    snapshot.for_each_document(|document| {
        let info = document.info();
        if !picker.picks_document(&info.id, &info.name) {
            left_out += 1;
            return Ok(());
        }
        let said = match document.bytes() {
            Ok(_) => stored(info, Outcome::BackedUp, None),
            Err(error) => not_readable(info, &error),
        };
        rows.add(&[&said.id.0], said.outcome.word());
        counts.add(said.outcome);
        operation.events.document(&said);
        Ok::<_, crate::error::Error>(())
    })?;
    Ok((counts, left_out))
}

fn stored(info: &DocumentInfo, outcome: Outcome, why: Option<String>) -> DocumentOutcome {
    DocumentOutcome {
        id: info.id,
        name: info.name.clone(),
        kind: info.kind.clone(),
        size: Some(info.size),
        outcome,
        why,
    }
}

fn not_readable(info: &DocumentInfo, error: &keyferry_store::Error) -> DocumentOutcome {
    stored(
        info,
        Outcome::Failed(Failure::StoreCorrupt),
        Some(error.to_string()),
    )
}
