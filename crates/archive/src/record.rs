//! Records: what a backup holds (docs/backup.md section 5). Borrowed on the way in and on the way out.

use keyferry_license::{GRANT_LIMIT, LicenseId, SealedKey, check_deterministic};
use minicbor::{Decoder, Encoder};

use crate::document::BrokenDocument;
use crate::error::{Error, Result};
use crate::header::at_most;

/// An encoded record is at most this many bytes long.
pub const RECORD_LIMIT: usize = 64 * 1024;
/// A document is at most this many bytes long.
pub const DOCUMENT_LIMIT: usize = 4 * 1024 * 1024;
/// The name of a document is at most this many bytes long.
pub const NAME_LIMIT: usize = 1024;
/// The kind of a document is at most this many bytes long.
pub const KIND_LIMIT: usize = 64;
/// Every part of a document but its last holds this many bytes.
pub const PART_LEN: usize = 60 * 1024;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// A license.
    License(License<'a>),
    /// A part of a license document; the parts of one follow each other in order.
    Part(DocumentPart<'a>),
    /// What a record in another frame is called, so that it can be told if that frame is lost.
    Name(Name<'a>),
}

impl Name<'_> {
    /// Its ID as people and programs see it: a license ID, or the SHA-256 of a document in hexadecimal.
    pub fn shown_id(&self) -> String {
        LicenseId::from_slice(self.id).map_or_else(|_| hex(self.id), |id| id.to_string())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a license or a document in another frame is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// Number of that frame.
    pub frame: u32,
    /// License ID (16 bytes), or SHA-256 of the document (32 bytes).
    pub id: &'a [u8],
    /// Title, or name of the document, 1 to 1,024 bytes.
    pub title: &'a str,
}

/// A license: its grant, and its content key sealed for a service and for this very computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct License<'a> {
    /// The signed grant, at most 8 KiB.
    pub grant: &'a [u8],
    /// The content key sealed for the grant's service under its encapsulation in the header.
    pub escrow: SealedKey,
    /// The content key under the return key of this backup; licenses with counts or first-use limits have none.
    pub returning: Option<SealedKey>,
    /// What closed the lease of counts on the computer that made the backup.
    pub lease_close: Option<&'a [u8]>,
}

/// A part of a license document of another system, kept byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentPart<'a> {
    /// File name, 1 to 1,024 bytes.
    pub name: &'a str,
    /// What it is, 1 to 64 bytes.
    pub kind: &'a str,
    /// SHA-256 of the whole document.
    pub digest: [u8; 32],
    /// Which part, from 0.
    pub part: u32,
    /// Of how many, at least 1.
    pub parts: u32,
    /// The bytes of this part.
    pub bytes: &'a [u8],
}

const LICENSE: u8 = 0;
const PART: u8 = 1;
const NAME: u8 = 2;
const MAX_PARTS: u32 = DOCUMENT_LIMIT.div_ceil(PART_LEN) as u32;

impl<'a> Record<'a> {
    /// Checks the bounds, and appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.check()?;
        let start = out.len();
        let mut e = Encoder::new(&mut *out);
        // Writing to a Vec can't fail.
        let _ = match self {
            Record::License(license) => license.encode(&mut e),
            Record::Part(part) => part.encode(&mut e),
            Record::Name(name) => name.encode(&mut e),
        };
        let len = out.len() - start;
        if len > RECORD_LIMIT {
            out.truncate(start);
        }
        at_most("record", len, RECORD_LIMIT)
    }

    /// Takes the record at the start of the bytes, and says how long it is.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, usize)> {
        let mut d = Decoder::new(bytes);
        let record = Self::decode_shape(&mut d).map_err(|_| Error::Invalid {
            what: "record",
            why: "not of the shape of a record",
        })?;
        let len = d.position();
        at_most("record", len, RECORD_LIMIT)?;
        check_deterministic("record", &bytes[..len]).map_err(|_| Error::Invalid {
            what: "record",
            why: "not deterministic CBOR",
        })?;
        record.check()?;
        Ok((record, len))
    }

    fn decode_shape(d: &mut Decoder<'a>) -> Result<Self, minicbor::decode::Error> {
        let items = d.array()?;
        let kind = d.u8()?;
        match (kind, items) {
            (LICENSE, Some(5)) => Ok(Record::License(License {
                grant: d.bytes()?,
                escrow: d.decode()?,
                returning: d.decode()?,
                lease_close: optional_bytes(d)?,
            })),
            (PART, Some(7)) => Ok(Record::Part(DocumentPart {
                name: d.str()?,
                kind: d.str()?,
                digest: d.bytes()?.try_into().map_err(|_| message("digest"))?,
                part: d.u32()?,
                parts: d.u32()?,
                bytes: d.bytes()?,
            })),
            (NAME, Some(4)) => Ok(Record::Name(Name {
                frame: d.u32()?,
                id: d.bytes()?,
                title: d.str()?,
            })),
            _ => Err(message("kind")),
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Record::License(license) => license.check(),
            Record::Part(part) => part.check(),
            Record::Name(name) => name.check(),
        }
    }
}

impl Name<'_> {
    fn encode(
        &self,
        e: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(4)?
            .u8(NAME)?
            .u32(self.frame)?
            .bytes(self.id)?
            .str(self.title)?
            .ok()
    }

    fn check(&self) -> Result<()> {
        if ![16, 32].contains(&self.id.len()) {
            return invalid("an ID that is neither a license's nor a document's");
        }
        at_most("title", self.title.len(), NAME_LIMIT)
    }
}

impl License<'_> {
    fn encode(
        &self,
        e: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(5)?
            .u8(LICENSE)?
            .bytes(self.grant)?
            .bytes(&self.escrow.0)?;
        match &self.returning {
            Some(seal) => e.bytes(&seal.0)?,
            None => e.null()?,
        };
        match self.lease_close {
            Some(close) => e.bytes(close)?,
            None => e.null()?,
        };
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.grant.is_empty() || self.lease_close.is_some_and(<[u8]>::is_empty) {
            return invalid("a grant or a lease close is empty");
        }
        at_most("grant", self.grant.len(), GRANT_LIMIT)
    }
}

impl DocumentPart<'_> {
    fn encode(
        &self,
        e: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(7)?.u8(PART)?.str(self.name)?.str(self.kind)?;
        e.bytes(&self.digest)?.u32(self.part)?.u32(self.parts)?;
        e.bytes(self.bytes)?.ok()
    }

    fn check(&self) -> Result<()> {
        at_most("name of a document", self.name.len(), NAME_LIMIT)?;
        at_most("kind of a document", self.kind.len(), KIND_LIMIT)?;
        at_most("parts of a document", self.parts as usize, MAX_PARTS as usize)?;
        if self.name.is_empty() || self.kind.is_empty() {
            return invalid("a document without a name or a kind");
        }
        if self.part >= self.parts {
            return invalid("a part beyond the number of parts");
        }
        let last = self.part + 1 == self.parts;
        let len = self.bytes.len();
        let fits = if last { len <= PART_LEN } else { len == PART_LEN };
        // Only an empty document has an empty part.
        if !fits || (len == 0 && self.parts > 1) {
            return invalid("a part of another length than its place demands");
        }
        let before = PART_LEN * self.part as usize;
        at_most("document", before + len, DOCUMENT_LIMIT)
    }

    /// Does it continue the document that `before` is a part of?
    pub(crate) fn follows(&self, before: Option<&Unfinished>) -> bool {
        match before {
            None => self.part == 0,
            Some(before) => {
                (before.digest, before.parts, before.next) == (self.digest, self.parts, self.part)
                    && before.name == self.name
                    && before.kind == self.kind
            }
        }
    }

    /// What must come next, if it isn't the last part.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        (self.part + 1 < self.parts).then(|| Unfinished {
            name: self.name.to_owned(),
            kind: self.kind.to_owned(),
            digest: self.digest,
            parts: self.parts,
            next: self.part + 1,
        })
    }
}

impl Unfinished {
    pub(crate) fn broken(self, why: &'static str) -> BrokenDocument {
        BrokenDocument {
            name: self.name,
            kind: self.kind,
            digest: self.digest,
            why,
        }
    }
}

/// A document of which parts are still to come.
#[derive(Debug)]
pub(crate) struct Unfinished {
    name: String,
    kind: String,
    digest: [u8; 32],
    parts: u32,
    next: u32,
}

fn optional_bytes<'b>(d: &mut Decoder<'b>) -> Result<Option<&'b [u8]>, minicbor::decode::Error> {
    if d.datatype()? == minicbor::data::Type::Null {
        d.null()?;
        return Ok(None);
    }
    d.bytes().map(Some)
}

fn message(what: &'static str) -> minicbor::decode::Error {
    minicbor::decode::Error::message(what)
}

fn invalid(why: &'static str) -> Result<()> {
    Err(Error::Invalid { what: "record", why })
}
