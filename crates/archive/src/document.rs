//! Whole license documents from the parts that records hold, in bounded memory.

use sha2::{Digest as _, Sha256};

use crate::payload::Item;
use crate::record::{DocumentPart, PART_LEN, Record, Unfinished};

/// A license document, whole: its digest was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// File name, as it came from outside.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// The bytes, at most 4 MiB.
    pub bytes: Vec<u8>,
}

/// A license document that can't be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenDocument {
    /// File name, as it came from outside.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// SHA-256 that it should have.
    pub digest: [u8; 32],
    /// What is wrong.
    pub why: &'static str,
}

const MISSING: &str = "parts of it are missing";

/// What one more item brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assembled {
    /// A document that is known now not to become whole.
    pub broken: Option<BrokenDocument>,
    /// A document that became whole.
    pub whole: Option<Document>,
}

/// Puts documents together. It is shown every item in the order in which [`crate::Records`] gives them, licenses and
/// damage too, and holds one document at most.
#[derive(Debug, Default)]
pub struct Assembler {
    open: Option<Open>,
    /// Told last, so that the parts of it that are still to come tell it no second time.
    told: Option<BrokenDocument>,
}

#[derive(Debug)]
struct Open {
    next: Unfinished,
    bytes: Vec<u8>,
    hash: Sha256,
}

impl Assembler {
    /// Holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next item.
    pub fn push(&mut self, item: &Item<'_>) -> Assembled {
        match item {
            Item::Record(Record::Part(part)) => self.part(part),
            _ => Assembled {
                broken: self.finish(),
                whole: None,
            },
        }
    }

    /// After the last item: the document of which parts are missing.
    pub fn finish(&mut self) -> Option<BrokenDocument> {
        self.told = Some(self.open.take()?.next.broken(MISSING));
        self.told.clone()
    }

    fn part(&mut self, part: &DocumentPart<'_>) -> Assembled {
        let mut assembled = Assembled::default();
        if !part.follows(self.open.as_ref().map(|open| &open.next)) {
            assembled.broken = self.finish();
            if part.part > 0 {
                let lost = broken(part, MISSING);
                if self.told.as_ref() != Some(&lost) {
                    self.told = Some(lost);
                    assembled.broken = self.told.clone();
                }
                return assembled;
            }
        }
        let (mut bytes, mut hash) = match self.open.take() {
            Some(open) => (open.bytes, open.hash),
            None => (Vec::with_capacity(part.parts as usize * PART_LEN), Sha256::new()),
        };
        bytes.extend_from_slice(part.bytes);
        hash.update(part.bytes);
        match part.unfinished() {
            Some(next) => self.open = Some(Open { next, bytes, hash }),
            None if <[u8; 32]>::from(hash.finalize()) == part.digest => {
                assembled.whole = Some(Document {
                    name: part.name.to_owned(),
                    kind: part.kind.to_owned(),
                    digest: part.digest,
                    bytes,
                });
            }
            None => assembled.broken = Some(broken(part, "its bytes are not those of its digest")),
        }
        assembled
    }
}

fn broken(part: &DocumentPart<'_>, why: &'static str) -> BrokenDocument {
    BrokenDocument {
        name: part.name.to_owned(),
        kind: part.kind.to_owned(),
        digest: part.digest,
        why,
    }
}
