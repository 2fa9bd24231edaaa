//! Licenses of a backup in chunks, decoded and not yet verified, and documents whose digest was checked.

use std::io::{Read, Seek};

use keyferry_archive::{Assembled, Assembler, Item, Record, Records};
use keyferry_license::document::DocumentId;
use keyferry_license::{Grant, SealedKey, Unverified, printable};

use crate::documents::{Batch, Incoming, damaged};
use crate::events::DocumentOutcome;
use crate::only::Picker;
use crate::report::{LOST_NAMES, LostName};

/// Licenses that are looked at together; also the most that one request asks for.
pub(crate) const CHUNK: usize = keyferry_protocol::MAX_ITEMS;
/// Licenses after which a chunk ends though few of them were wanted: between chunks an operation can be canceled.
const LOOKED_AT: u64 = 10 * CHUNK as u64;

/// A license of the backup.
pub(crate) struct Row {
    pub(crate) grant: Unverified<Grant>,
    pub(crate) escrow: SealedKey,
    pub(crate) returning: Option<SealedKey>,
}

/// Up to [`CHUNK`] licenses and about 4 MiB of documents, and what could not be read between them.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) rows: Vec<Row>,
    pub(crate) documents: Batch,
    pub(crate) broken: Vec<DocumentOutcome>,
    pub(crate) damage: Vec<String>,
    /// Licenses lost by the damage, as far as the index tells.
    pub(crate) lost: u64,
    /// What is lost, by name; as many as a report takes.
    pub(crate) names: Vec<LostName>,
    /// Licenses that nobody wants.
    pub(crate) passed: u64,
    /// Documents that nobody wants.
    pub(crate) passed_documents: u64,
}

/// The licenses and documents of a backup, a chunk at a time.
pub(crate) struct Chunks<'r, R> {
    records: Records<'r, R>,
    picker: &'r Picker,
    assembler: Assembler,
    /// The document that was told to be broken last: each is told once, however many parts of it come.
    told: Option<DocumentId>,
    ended: bool,
}

impl<'r, R: Read + Seek> Chunks<'r, R> {
    pub(crate) fn new(records: Records<'r, R>, picker: &'r Picker) -> Self {
        Self {
            records,
            picker,
            assembler: Assembler::new(),
            told: None,
            ended: false,
        }
    }

    /// The next chunk; None at the end.
    pub(crate) fn next_chunk(&mut self) -> Option<Chunk> {
        if self.ended {
            return None;
        }
        let mut chunk = Chunk::default();
        while chunk.rows.len() < CHUNK && !chunk.documents.is_full() && chunk.passed < LOOKED_AT {
            let Some(item) = self.records.next_item() else {
                self.ended = true;
                let broken = self.assembler.finish();
                chunk.assembled(Assembled { broken, whole: None }, &mut self.told, self.picker);
                break;
            };
            chunk.assembled(self.assembler.push(&item), &mut self.told, self.picker);
            chunk.item(item, self.picker);
        }
        Some(chunk)
    }
}

impl Chunk {
    fn assembled(&mut self, assembled: Assembled, told: &mut Option<DocumentId>, picker: &Picker) {
        if let Some(broken) = assembled.broken.map(damaged)
            && *told != Some(broken.id)
        {
            *told = Some(broken.id);
            if picker.picks_document(&broken.id, &broken.name) {
                self.broken.push(broken);
            } else {
                self.passed_documents += 1;
                self.damage.push(format!(
                    "the license document {} can't be read",
                    printable(&broken.name)
                ));
            }
        }
        match assembled.whole {
            Some(document) if !picker.picks_whole(&document) => self.passed_documents += 1,
            whole => self.documents.documents.extend(whole.map(Incoming::from)),
        }
    }

    fn item(&mut self, item: Item<'_>, picker: &Picker) {
        match item {
            Item::Damage(damage) => {
                self.lost += damage.lost.map_or(1, |lost| u64::from(lost.licenses));
                self.damage.push(damage.to_string());
            }
            Item::Record(Record::License(license)) => match Grant::parse(license.grant) {
                Ok(grant) if !picker.picks(grant.claim()) => self.passed += 1,
                Ok(grant) => self.rows.push(Row {
                    grant,
                    escrow: license.escrow,
                    returning: license.returning,
                }),
                Err(error) => {
                    self.lost += 1;
                    self.damage.push(format!("a license can't be read: {error}"));
                }
            },
            Item::Record(_) => {}
            Item::Lost(name) if self.names.len() < LOST_NAMES => self.names.push(LostName {
                id: name.shown_id(),
                title: printable(name.title),
            }),
            Item::Lost(_) => {}
        }
    }
}
