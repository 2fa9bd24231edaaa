//! Writes a payload in one pass: records are gathered here, compressed on a second thread, written in order.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use keyferry_license::{LicenseId, SigningSecret, Thumbprint};
use sha2::{Digest as _, Sha256};

use super::footer::Footer;
use super::frame::{FRAME_TARGET, Frame, Packer};
use super::index::{self, Entry, MAX_FRAMES, Tail};
use super::{MAGIC, PartKey, Root, VERSION, header_digest};
use crate::damage::Lost;
use crate::error::{Error, Result};
use crate::header::{Header, at_most};
use crate::record::{DOCUMENT_LIMIT, DocumentPart, Name, PART_LEN, RECORD_LIMIT, Record, Unfinished};

/// Frames under way between this thread and the one that compresses.
const IN_FLIGHT: usize = 2;

/// Names wait in memory until there are so many, in bytes; then the oldest are written.
const NAMES_HELD: usize = 12 << 20;
const UNFINISHED: &str = "the parts of a document follow each other, from the first to the last";

/// What a finished payload holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub licenses: u64,
    pub documents: u64,
    pub len: u64,
    pub root: Root,
}

pub(crate) struct PayloadWriter<W> {
    out: Counting<W>,
    header: [u8; 32],
    backup: [u8; 16],
    computer: Thumbprint,
    key: PartKey,
    plain: Vec<u8>,
    held: Lost,
    next: u32,
    packing: Packing,
    in_flight: usize,
    index: Vec<Entry>,
    licenses: u64,
    documents: u64,
    unfinished: Option<Unfinished>,
    names: Names,
}

/// The names of records, which are written long after them: so that what is lost in one place is named in another.
#[derive(Default)]
struct Names {
    open: Vec<u8>,
    waiting: VecDeque<Vec<u8>>,
}

impl<W: Write> PayloadWriter<W> {
    pub fn new(out: W, header: &Header) -> Result<Self> {
        let bytes = header.to_bytes()?;
        let mut preamble = MAGIC.to_vec();
        preamble.extend(VERSION.to_be_bytes());
        preamble.extend((bytes.len() as u32).to_be_bytes());
        let digest = header_digest(&preamble, &bytes);
        let mut out = Counting { out, at: 0 };
        out.write_all(&[&preamble[..], &bytes, &digest].concat())?;
        let key = PartKey::of(&header.backup);
        Ok(Self {
            out,
            header: digest,
            backup: header.backup.0,
            computer: header.computer.thumbprint(),
            key,
            plain: Vec::with_capacity(FRAME_TARGET + RECORD_LIMIT),
            held: Lost::default(),
            next: 0,
            packing: Packing::start(key)?,
            in_flight: 0,
            index: Vec::new(),
            licenses: 0,
            documents: 0,
            unfinished: None,
            names: Names::default(),
        })
    }

    /// Adds a license or a part of a document; a license with its ID and title, if they are known.
    pub fn push(&mut self, record: &Record<'_>, name: Option<(&LicenseId, &str)>) -> Result<()> {
        let (follows, why) = match record {
            Record::License(_) => (self.unfinished.is_none(), UNFINISHED),
            Record::Part(part) => (part.follows(self.unfinished.as_ref()), UNFINISHED),
            Record::Name(_) => (false, "names are added by the writer itself"),
        };
        if !follows {
            return Err(Error::Invalid { what: "record", why });
        }
        record.encode(&mut self.plain)?;
        match record {
            Record::Part(part) if part.part == 0 => self.names.add(self.next, &part.digest, part.name)?,
            _ => {}
        }
        if let Some((license, title)) = name {
            self.names.add(self.next, license.as_bytes(), title)?;
        }
        match record {
            Record::License(_) => {
                self.held.licenses += 1;
                self.licenses += 1;
            }
            Record::Part(part) => {
                self.held.parts += 1;
                self.documents += u64::from(part.part == 0);
                self.unfinished = part.unfinished();
            }
            Record::Name(_) => {}
        }
        if self.plain.len() >= FRAME_TARGET {
            self.close_frame()?;
        }
        Ok(())
    }

    pub fn push_document(&mut self, name: &str, kind: &str, bytes: &[u8]) -> Result<[u8; 32]> {
        at_most("document", bytes.len(), DOCUMENT_LIMIT)?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let parts = bytes.len().div_ceil(PART_LEN).max(1) as u32;
        for part in 0..parts {
            let start = part as usize * PART_LEN;
            let bytes = &bytes[start..bytes.len().min(start + PART_LEN)];
            let record = Record::Part(DocumentPart {
                name,
                kind,
                digest,
                part,
                parts,
                bytes,
            });
            self.push(&record, None)?;
        }
        Ok(digest)
    }

    pub fn finish(mut self, secret: &SigningSecret) -> Result<(W, Written)> {
        if self.unfinished.is_some() {
            let why = "its last part is missing";
            return Err(Error::Invalid {
                what: "document",
                why,
            });
        }
        if secret.public().thumbprint() != self.computer {
            return Err(Error::WrongKey);
        }
        if !self.plain.is_empty() {
            self.close_frame()?;
        }
        self.names.close();
        while let Some(names) = self.names.waiting.pop_front() {
            self.close_with(names, Lost::default())?;
        }
        while self.in_flight > 0 {
            self.write_frame()?;
        }
        let index_offset = self.out.at;
        let (index, index_digest) = index::encode(&self.index, &self.key);
        let root = Root::of(&self.header, &index_digest);
        let footer = Footer {
            backup: self.backup,
            licenses: self.licenses,
            documents: self.documents,
            root: root.0,
            index_offset,
            frames: self.next,
        };
        let footer = footer.sign(secret);
        let tail = Tail {
            index_offset,
            index_len: index.len() as u32,
            footer_len: footer.len() as u32,
        };
        self.out.write_all(&index)?;
        self.out.write_all(&footer)?;
        self.out.write_all(&tail.to_bytes(&self.key))?;
        let written = Written {
            licenses: self.licenses,
            documents: self.documents,
            len: self.out.at,
            root,
        };
        Ok((self.out.out, written))
    }

    fn close_frame(&mut self) -> Result<()> {
        let (plain, held) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.held));
        self.plain = self.close_with(plain, held)?;
        if let Some(names) = self.names.overdue() {
            self.close_with(names, Lost::default())?;
        }
        Ok(())
    }

    /// Makes a frame of these records; gives a buffer that can be used again.
    fn close_with(&mut self, plain: Vec<u8>, held: Lost) -> Result<Vec<u8>> {
        at_most("frames", self.next as usize + 1, MAX_FRAMES)?;
        let (mut used, packed) = match self.in_flight >= IN_FLIGHT {
            true => self.write_frame()?,
            false => (Vec::new(), Vec::new()),
        };
        let job = Job {
            number: self.next,
            held,
            plain,
            packed,
        };
        self.packing.jobs.send(job).map_err(|_| stopped())?;
        self.next += 1;
        self.in_flight += 1;
        used.clear();
        Ok(used)
    }

    /// Writes the oldest frame under way, and gives its buffers back.
    fn write_frame(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let (frame, job) = self.packing.done.recv().map_err(|_| stopped())?;
        self.in_flight -= 1;
        let frame = frame.map_err(|error| Error::System(format!("compression failed: {error}")))?;
        let offset = self.out.at;
        self.out.write_all(&job.packed)?;
        self.index.push(Entry { offset, frame });
        Ok((job.plain, job.packed))
    }
}

impl Names {
    fn add(&mut self, frame: u32, id: &[u8], title: &str) -> Result<()> {
        Record::Name(Name { frame, id, title }).encode(&mut self.open)?;
        if self.open.len() >= FRAME_TARGET {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.waiting.push_back(std::mem::take(&mut self.open));
        }
    }

    /// The oldest, when too many wait.
    fn overdue(&mut self) -> Option<Vec<u8>> {
        let held = self.waiting.len() * FRAME_TARGET;
        (held > NAMES_HELD).then(|| self.waiting.pop_front()).flatten()
    }
}

struct Job {
    number: u32,
    held: Lost,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

/// The thread that compresses. It ends when the writer is dropped.
struct Packing {
    jobs: SyncSender<Job>,
    done: Receiver<(io::Result<Frame>, Job)>,
}

impl Packing {
    fn start(key: PartKey) -> Result<Self> {
        let failed = |error: io::Error| Error::System(format!("could not start compression: {error}"));
        let (jobs, to_do) = sync_channel::<Job>(IN_FLIGHT);
        let (report, done) = channel();
        let mut packer = Packer::new(key).map_err(failed)?;
        let work = move || {
            for mut job in to_do {
                let frame = packer.pack(job.number, job.held, &job.plain, &mut job.packed);
                if report.send((frame, job)).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("keyferry-packer".into());
        thread.spawn(work).map_err(failed)?;
        Ok(Self { jobs, done })
    }
}

fn stopped() -> Error {
    Error::System("compression stopped".into())
}

/// Knows how much was written, so that an error can say where.
struct Counting<W> {
    out: W,
    at: u64,
}

impl<W: Write> Counting<W> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|source| Error::Stream {
            doing: "write",
            at: self.at,
            source,
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
