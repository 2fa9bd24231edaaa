//! What is damaged in a backup, where, and what it costs. Damage that leaves the rest readable is a value, not an
//! error.

use std::fmt;
use std::ops::Range;

/// Which part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The fixed bytes at the very end (docs/backup.md section 7): missing, or broken.
    Trailer,
    /// The check over everything before it (docs/backup.md section 7), or what it covers.
    Protection,
    /// What leads to the index and the footer.
    Tail,
    /// The header of the age file, or its end.
    Encryption,
    /// Magic, version, cards and encapsulations.
    Header,
    /// The index of frames.
    Index,
    /// The computer's signature.
    Footer,
    /// The frame of this number, from 0.
    Frame(u32),
    /// Bytes where a frame should begin, of which no more can be told.
    Unknown,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Trailer => f.write_str("trailer"),
            Place::Protection => f.write_str("protection"),
            Place::Tail => f.write_str("tail"),
            Place::Encryption => f.write_str("encryption"),
            Place::Header => f.write_str("header"),
            Place::Index => f.write_str("index"),
            Place::Footer => f.write_str("footer"),
            Place::Frame(number) => write!(f, "frame {number}"),
            Place::Unknown => f.write_str("an unknown part"),
        }
    }
}

/// How many records a damaged frame held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Licenses.
    pub licenses: u32,
    /// Parts of documents.
    pub parts: u32,
}

/// One damaged part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub place: Place,
    /// Bytes of the file.
    pub range: Range<u64>,
    /// What is lost with it; `None` when that can't be told. Zero when the part only repeats what stands elsewhere.
    pub lost: Option<Lost>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.range;
        write!(f, "{} (bytes {start} to {end}): {}", self.place, self.why)?;
        match self.lost {
            Some(Lost {
                licenses: 0,
                parts: 0,
            }) => Ok(()),
            Some(Lost { licenses, parts: 0 }) => write!(f, "; {licenses} licenses are lost"),
            Some(Lost { licenses, parts }) => {
                write!(f, "; {licenses} licenses and {parts} parts of documents are lost")
            }
            None => f.write_str("; what is lost can't be told"),
        }
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Licenses handed out.
    pub licenses: u64,
    /// Documents of which the first part was handed out.
    pub documents: u64,
    /// Damaged places found while reading.
    pub damaged: u64,
    /// Licenses known to be lost.
    pub lost_licenses: u64,
}
