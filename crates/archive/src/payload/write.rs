//! Writes a payload in one pass: records are gathered here, compressed on a second thread, written in order.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use keyferry_license::{SealedKey, SigningSecret, Thumbprint};
use sha2::{Digest as _, Sha256};

use super::footer::Footer;
use super::frame::{FRAME_TARGET, Frame, Packer};
use super::index::{self, Entry, MAX_FRAMES, Tail};
use super::{MAGIC, PartKey, Root, VERSION, header_digest};
use crate::damage::Lost;
use crate::error::{Error, Result};
use crate::header::{Header, at_most};
use crate::record::{DOCUMENT_LIMIT, DocumentPart, License, PART_LEN, RECORD_LIMIT, Record, Unfinished};

/// Frames under way between this thread and the one that compresses.
const IN_FLIGHT: usize = 2;

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
        })
    }

    pub fn push(&mut self, record: &Record<'_>) -> Result<()> {
        let follows = match record {
            Record::License(_) => self.unfinished.is_none(),
            Record::Part(part) => part.follows(self.unfinished.as_ref()),
        };
        if !follows {
            let why = "the parts of a document follow each other, from the first to the last";
            return Err(Error::Invalid { what: "record", why });
        }
        record.encode(&mut self.plain)?;
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
        }
        if self.plain.len() >= FRAME_TARGET {
            self.close_frame()?;
        }
        Ok(())
    }

    pub fn push_license(
        &mut self,
        grant: &[u8],
        escrow: &SealedKey,
        returning: Option<&SealedKey>,
    ) -> Result<()> {
        self.push(&Record::License(License {
            grant,
            escrow: *escrow,
            returning: returning.copied(),
            lease_close: None,
        }))
    }

    pub fn push_document(&mut self, name: &str, kind: &str, bytes: &[u8]) -> Result<[u8; 32]> {
        at_most("document", bytes.len(), DOCUMENT_LIMIT)?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let parts = bytes.len().div_ceil(PART_LEN).max(1) as u32;
        for part in 0..parts {
            let start = part as usize * PART_LEN;
            let bytes = &bytes[start..bytes.len().min(start + PART_LEN)];
            self.push(&Record::Part(DocumentPart {
                name,
                kind,
                digest,
                part,
                parts,
                bytes,
            }))?;
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
        at_most("frames", self.next as usize + 1, MAX_FRAMES)?;
        let mut job = Job {
            number: self.next,
            held: std::mem::take(&mut self.held),
            plain: Vec::new(),
            packed: Vec::new(),
        };
        if self.in_flight >= IN_FLIGHT {
            // Its buffers serve again.
            (job.plain, job.packed) = self.write_frame()?;
        }
        job.plain.clear();
        std::mem::swap(&mut job.plain, &mut self.plain);
        self.packing.jobs.send(job).map_err(|_| stopped())?;
        self.next += 1;
        self.in_flight += 1;
        Ok(())
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
