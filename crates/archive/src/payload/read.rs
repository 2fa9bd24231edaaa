//! Reads a payload: what identifies it first, then a frame at a time. Memory is bounded whatever the bytes claim.

use std::io::{self, Read, Seek, SeekFrom};

use super::PartKey;
use super::frame::{Frame, HEAD_LEN, Unpacker};
use super::index::{Entry, TAIL_LEN, Tail};
use super::open::{Closing, Opened, no_closing, read_closing, read_header};
use super::scan::{Scan, Scanned};
use crate::damage::{Damage, Lost, Place, Tally};
use crate::encryption::Inside;
use crate::error::{Error, Result};
use crate::header::Header;
use crate::protection::Mended;
use crate::record::{Name, Record};

/// What the computer's signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FooterState {
    /// It holds, and covers everything before it.
    Signed {
        /// Licenses in the backup.
        licenses: u64,
        /// License documents in the backup.
        documents: u64,
    },
    /// There is none, or none that can be found.
    Missing,
    /// There is one that proves nothing; the counts that it states are not used.
    Broken(String),
}

/// What comes next while reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record of a frame that is whole.
    Record(Record<'a>),
    /// A part that is damaged; what follows it is still given.
    Damage(Damage),
    /// What was lost with a part that is damaged, by its name.
    Lost(Name<'a>),
}

pub(crate) struct Payload<R> {
    source: Inside<R>,
    end: u64,
    start: u64,
    key: PartKey,
    pub header: Header,
    index: Option<Vec<Entry>>,
    pub footer: FooterState,
    pub findings: Vec<Damage>,
}

impl<R: Read + Seek> Payload<R> {
    /// Opens a payload that begins at byte 0 and ends at the first of `ends` at which a tail is found.
    pub fn open(mut source: Inside<R>, ends: &[u64]) -> Result<Self> {
        let longest = ends.iter().copied().max().unwrap_or(0);
        let (header, digest, start) = read_header(&mut source, longest).map_err(|error| match error {
            Error::Damaged(mut damage) => {
                damage.range = source.in_file(damage.range);
                Error::Damaged(damage)
            }
            error => error,
        })?;
        let key = PartKey::of(&header.backup);
        let tails = ends.iter().filter_map(|end| {
            let at = end.checked_sub(TAIL_LEN as u64).filter(|at| *at >= start)?;
            let mut bytes = [0; TAIL_LEN];
            read_at(&mut source, at, &mut bytes).ok()?;
            Tail::from_bytes(&bytes, &key, start, at).map(|tail| (tail, *end))
        });
        let found = { tails }.next();
        let closing = match found {
            Some((tail, end)) => {
                let header = &header;
                let opened = Opened {
                    end,
                    start,
                    key,
                    header,
                    digest,
                };
                read_closing(&mut source, &tail, &opened)
            }
            None => no_closing(longest.max(start), start),
        };
        let Closing {
            end,
            index,
            footer,
            mut findings,
        } = closing;
        for finding in &mut findings {
            finding.range = source.in_file(finding.range.clone());
        }
        Ok(Self {
            source,
            end,
            start,
            key,
            header,
            index,
            footer,
            findings,
        })
    }

    /// The file that it lies in.
    pub fn file(&mut self) -> &mut Mended<R> {
        self.source.file()
    }

    pub fn records(&mut self) -> Result<Records<'_, R>> {
        let unpacker = Unpacker::new(self.key).map_err(|error| Error::System(error.to_string()))?;
        let plan = match &self.index {
            Some(entries) => Plan::Index(entries.iter()),
            None => Plan::Scan(Scan::new(self.key, self.start, self.end)),
        };
        Ok(Records {
            source: &mut self.source,
            key: self.key,
            plan,
            unpacker,
            packed: Vec::new(),
            plain: Vec::new(),
            at: 0,
            aside: None,
            given: Vec::new(),
            tally: Tally::default(),
        })
    }
}

/// The records of a backup, one after the other, a frame at a time. It gives what borrows from itself, so it is no
/// `Iterator`: `while let Some(item) = records.next_item() { … }`.
pub struct Records<'r, R> {
    source: &'r mut Inside<R>,
    key: PartKey,
    plan: Plan<'r>,
    unpacker: Unpacker,
    packed: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    /// Damage found beside a frame that is whole: told before its records.
    aside: Option<Damage>,
    /// Which frames were whole.
    given: Vec<bool>,
    tally: Tally,
}

enum Plan<'r> {
    /// The index says where the frames are.
    Index(std::slice::Iter<'r, Entry>),
    /// They have to be found.
    Scan(Scan),
}

impl<R: Read + Seek> Records<'_, R> {
    /// The next record, or the next damage; `None` at the end.
    pub fn next_item(&mut self) -> Option<Item<'_>> {
        loop {
            if let Some(mut damage) = self.aside.take() {
                damage.range = self.source.in_file(damage.range);
                self.tally.damaged += 1;
                self.tally.lost_licenses += u64::from(damage.lost.unwrap_or_default().licenses);
                return Some(Item::Damage(damage));
            }
            self.skip_names();
            if self.at < self.plain.len() {
                break;
            }
            if !self.load() {
                return None;
            }
        }
        // The frame was checked record by record before the first of them is given.
        let (record, len) = Record::decode(&self.plain[self.at..]).ok()?;
        self.at += len;
        match record {
            Record::License(_) => self.tally.licenses += 1,
            Record::Part(part) => self.tally.documents += u64::from(part.part == 0),
            Record::Name(name) => return Some(Item::Lost(name)),
        }
        Some(Item::Record(record))
    }

    /// Passes over the names of what was given.
    fn skip_names(&mut self) {
        while let Some((len, frame)) = name_at(&self.plain[self.at..]) {
            if !self.given.get(frame as usize).is_some_and(|given| *given) {
                break;
            }
            self.at += len;
        }
    }

    /// A frame whose records are given now.
    fn note_given(&mut self, number: u32) {
        let number = number as usize;
        if self.given.len() <= number {
            self.given.resize(number + 1, false);
        }
        self.given[number] = true;
    }

    /// What was given so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Goes to the next frame: its records into `plain`, what is wrong into `aside`. False at the end.
    fn load(&mut self) -> bool {
        self.plain.clear();
        self.at = 0;
        match &mut self.plan {
            Plan::Index(entries) => match entries.next() {
                Some(entry) => self.load_indexed(*entry),
                None => return false,
            },
            Plan::Scan(scan) => match scan.step(self.source, &mut self.packed) {
                Scanned::Frame(entry) => {
                    let unpacked =
                        self.unpacker
                            .unpack(&entry.frame, &self.packed[HEAD_LEN..], &mut self.plain);
                    if unpacked.is_ok() {
                        self.note_given(entry.frame.number);
                    }
                    self.aside = unpacked.err().map(|why| lost_frame(&entry, why.into()));
                }
                Scanned::Damage(damage) => self.aside = Some(damage),
                Scanned::End => return false,
            },
        }
        true
    }

    fn load_indexed(&mut self, entry: Entry) {
        self.packed.resize(entry.frame.len() as usize, 0);
        if let Err(error) = read_at(self.source, entry.offset, &mut self.packed) {
            self.aside = Some(lost_frame(&entry, unreadable(&error)));
            return;
        }
        let (head, packed) = self.packed.split_at(HEAD_LEN);
        let unpacked = self.unpacker.unpack(&entry.frame, packed, &mut self.plain);
        let head_is_whole = head == entry.frame.to_head(&self.key);
        if unpacked.is_ok() {
            self.note_given(entry.frame.number);
        }
        self.aside = match unpacked {
            Ok(()) if head_is_whole => None,
            Ok(()) => Some(Damage {
                range: entry.offset..entry.offset + HEAD_LEN as u64,
                lost: Some(Lost::default()),
                ..lost_frame(&entry, "its head is damaged, its records are whole".into())
            }),
            Err(why) => Some(lost_frame(&entry, self.why_of(&entry, why))),
        };
    }

    /// A frame that is whole but stands in another's place is told apart from a damaged one.
    fn why_of(&self, entry: &Entry, why: &str) -> String {
        match Frame::from_head(&self.packed, &self.key) {
            Some(other) if other.number != entry.frame.number => {
                format!("frame {} of this backup stands in its place", other.number)
            }
            Some(_) => why.into(),
            None => format!("{why}, nor does its head: damaged, or of another backup"),
        }
    }
}

/// If a name stands here: its length, and the frame that it belongs to.
fn name_at(plain: &[u8]) -> Option<(usize, u32)> {
    match Record::decode(plain).ok()? {
        (Record::Name(name), len) => Some((len, name.frame)),
        _ => None,
    }
}

fn lost_frame(entry: &Entry, why: String) -> Damage {
    Damage {
        place: Place::Frame(entry.frame.number),
        range: entry.offset..entry.offset + entry.frame.len(),
        lost: Some(entry.frame.lost()),
        why,
    }
}

pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends before it does".into(),
        _ => format!("it can't be read: {error}"),
    }
}

pub(crate) fn read_at(source: &mut (impl Read + Seek), at: u64, bytes: &mut [u8]) -> io::Result<()> {
    source.seek(SeekFrom::Start(at))?;
    source.read_exact(bytes)
}
