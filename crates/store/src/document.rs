//! License documents of other systems: kept byte for byte, listed, read back. What they are was decided before
//! ([`keyferry_license::document`]); what they say is not known here.

use keyferry_license::document::{DOCUMENT_KIND_LIMIT, DOCUMENT_LIMIT, DocumentId, check_name};
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::read::Snapshot;
use crate::sql::documents::{self, DocumentRow};
use crate::store::Store;

/// A document to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewDocument<'d> {
    /// Its plain file name, kept as it is.
    pub name: &'d str,
    /// Name of its kind; one that this version doesn't know is kept too.
    pub kind: &'d str,
    /// 1 to 4 MiB.
    pub bytes: &'d [u8],
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// It is here now.
    Added(DocumentId),
    /// The same bytes were here; nothing changed. They keep the name under which they came first.
    AlreadyHere {
        /// Its ID.
        id: DocumentId,
        /// That name.
        name: String,
    },
    /// It was here and damaged, and is whole again; its name stayed.
    Repaired {
        /// Its ID.
        id: DocumentId,
        /// That name.
        name: String,
    },
}

impl Put {
    /// ID of the document.
    pub fn id(&self) -> DocumentId {
        match self {
            Put::Added(id) | Put::AlreadyHere { id, .. } | Put::Repaired { id, .. } => *id,
        }
    }
}

/// What is told of a document, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentInfo {
    /// SHA-256 of its bytes.
    pub id: DocumentId,
    /// Name of the file that it came in. From outside: strip control characters before showing it.
    pub name: String,
    /// Name of its kind.
    pub kind: String,
    /// Length in bytes.
    pub size: u64,
    /// When it came (Unix seconds).
    pub time: u64,
}

/// A document as it lies in the store: its bytes are not compared with its ID until they are taken.
#[derive(Debug, Clone)]
pub struct StoredDocument {
    info: DocumentInfo,
    bytes: Vec<u8>,
}

impl StoredDocument {
    /// What is told of it.
    pub fn info(&self) -> &DocumentInfo {
        &self.info
    }

    /// Its bytes. [`Error::DamagedDocument`] when they are not those of its ID.
    pub fn bytes(&self) -> Result<&[u8]> {
        check(&self.info.id, &self.bytes)?;
        Ok(&self.bytes)
    }
}

impl Store {
    /// Keeps a document; durable.
    pub fn put_document(&self, new: &NewDocument<'_>, now: u64) -> Result<Put> {
        check_new(new)?;
        self.write(|db| self.put_document_in(db, new, now))
    }

    /// Keeps several documents in one transaction; the answers are in their order.
    pub fn put_documents(&self, new: &[NewDocument<'_>], now: u64) -> Result<Vec<Put>> {
        new.iter().try_for_each(check_new)?;
        self.write(|db| new.iter().map(|new| self.put_document_in(db, new, now)).collect())
    }

    /// All documents, in the order in which they came.
    pub fn documents(&self) -> Result<Vec<DocumentInfo>> {
        let rows = documents::list(&self.db, &self.path)?;
        Ok(rows.into_iter().map(DocumentInfo::from).collect())
    }

    /// The name under which a document is kept, None when it isn't here.
    pub fn document_name(&self, id: &DocumentId) -> Result<Option<String>> {
        documents::name(&self.db, &self.path, id)
    }

    /// The bytes of a document, None when it isn't here. [`Error::DamagedDocument`] when they were altered.
    pub fn document(&self, id: &DocumentId) -> Result<Option<Vec<u8>>> {
        let bytes = documents::bytes(&self.db, &self.path, id)?;
        bytes.map(|bytes| check(id, &bytes).map(|()| bytes)).transpose()
    }

    fn put_document_in(&self, db: &Connection, new: &NewDocument<'_>, now: u64) -> Result<Put> {
        let id = DocumentId::of(new.bytes);
        if let Some(name) = documents::name(db, &self.path, &id)? {
            let here = documents::bytes(db, &self.path, &id)?;
            if here.as_deref() == Some(new.bytes) {
                return Ok(Put::AlreadyHere { id, name });
            }
            documents::set_bytes(db, &self.path, &id, new.bytes)?;
            return Ok(Put::Repaired { id, name });
        }
        let row = DocumentRow {
            id,
            name: new.name.into(),
            kind: new.kind.into(),
            size: new.bytes.len() as u64,
            time: now,
        };
        documents::add(db, &self.path, &row, new.bytes)?;
        Ok(Put::Added(id))
    }
}

impl Snapshot {
    /// How many documents there are.
    pub fn document_count(&self) -> Result<u64> {
        documents::count(&self.db, &self.path)
    }

    /// Calls `each` for every document, in the order in which they came; stops at its first error. One document is in
    /// memory at a time. They belong to the same moment as the licenses of this snapshot.
    pub fn for_each_document<E: From<Error>>(
        &self,
        mut each: impl FnMut(StoredDocument) -> Result<(), E>,
    ) -> Result<(), E> {
        documents::for_each(&self.db, &self.path, |row, bytes| {
            each(StoredDocument {
                info: row.into(),
                bytes,
            })
        })
    }
}

impl From<DocumentRow> for DocumentInfo {
    fn from(row: DocumentRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            kind: row.kind,
            size: row.size,
            time: row.time,
        }
    }
}

fn check(id: &DocumentId, bytes: &[u8]) -> Result<()> {
    if DocumentId::of(bytes) == *id {
        return Ok(());
    }
    Err(Error::DamagedDocument { id: *id })
}

fn check_new(new: &NewDocument<'_>) -> Result<()> {
    use keyferry_license::Error as Wrong;
    check_name(new.name)?;
    let empty = |field| Wrong::OutOfRange {
        field,
        why: "it is empty".into(),
    };
    let bounds = [
        ("license document", new.bytes.len(), DOCUMENT_LIMIT),
        ("kind of a license document", new.kind.len(), DOCUMENT_KIND_LIMIT),
    ];
    for (what, actual, limit) in bounds {
        if actual == 0 {
            return Err(empty(what).into());
        }
        if actual > limit {
            return Err(Wrong::TooLarge { what, limit, actual }.into());
        }
    }
    Ok(())
}
