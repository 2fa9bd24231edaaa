//! The content of an age file, opened chunk by chunk and at any place. A chunk that is damaged is an error where it is
//! read, and none elsewhere.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Tag};
use zeroize::Zeroizing;

use super::head::NONCE_LEN;
use crate::damage::{Damage, Lost, Place};
use crate::payload::read_at;

const CHUNK: u64 = 64 * 1024;
const TAG: u64 = 16;
const STORED: u64 = CHUNK + TAG;

pub(crate) struct Content<R> {
    source: R,
    cipher: ChaCha20Poly1305,
    /// Of the file: where the first chunk begins, and where the last one ends.
    stored: Range<u64>,
    at: u64,
    chunk: Zeroizing<Vec<u8>>,
    /// The chunk that is in memory.
    loaded: Option<u64>,
}

impl<R: Read + Seek> Content<R> {
    /// The content between `start` and the first of `ends` at which a last chunk ends; else the longest.
    pub fn new(source: R, key: &[u8; 32], start: u64, ends: &[u64]) -> Self {
        let longest = ends.iter().copied().max().unwrap_or(start).max(start);
        let mut content = Self {
            source,
            cipher: ChaCha20Poly1305::new(key.into()),
            stored: start..longest,
            at: 0,
            chunk: Zeroizing::new(Vec::with_capacity(STORED as usize)),
            loaded: None,
        };
        for end in ends.iter().filter(|end| **end > start) {
            content.stored.end = *end;
            if content.ends_here() {
                return content;
            }
        }
        content.stored.end = longest;
        content
    }

    /// Is the last chunk one that was written as the last? A file that was cut has none.
    pub fn ends_here(&mut self) -> bool {
        let last = self.chunks().saturating_sub(1);
        self.fetch(last).is_ok_and(|()| self.open(last, true))
    }

    /// Tells of a file that was cut, or whose last chunk is damaged.
    pub fn missing_end(&mut self) -> Option<Damage> {
        let last = self.stored.start + self.chunks().saturating_sub(1) * STORED;
        (!self.ends_here()).then(|| Damage {
            place: Place::Encryption,
            range: last..self.stored.end,
            lost: Some(Lost::default()),
            why: "its last part is damaged, or is not the one that was written last".into(),
        })
    }

    /// Length of the content.
    pub fn len(&self) -> u64 {
        let stored = self.stored.end - self.stored.start;
        let tags = self.chunks() * TAG;
        stored.saturating_sub(tags)
    }

    fn chunks(&self) -> u64 {
        (self.stored.end - self.stored.start).div_ceil(STORED)
    }

    fn load(&mut self, number: u64) -> io::Result<()> {
        if self.loaded == Some(number) {
            return Ok(());
        }
        self.fetch(number)?;
        let last = number + 1 == self.chunks();
        if self.open(number, last) {
            return Ok(());
        }
        // A file that was cut between two chunks ends with one that was not written as the last.
        if last {
            self.fetch(number)?;
            if self.open(number, false) {
                return Ok(());
            }
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("part {number} of the encryption is damaged"),
        ))
    }

    /// The stored bytes of a chunk.
    fn fetch(&mut self, number: u64) -> io::Result<()> {
        self.loaded = None;
        let start = self.stored.start + number * STORED;
        let end = (start + STORED).min(self.stored.end);
        self.chunk.resize(end.saturating_sub(start) as usize, 0);
        read_at(&mut self.source, start, &mut self.chunk)
    }

    /// Opens the chunk that was fetched.
    fn open(&mut self, number: u64, last: bool) -> bool {
        let Some(len) = self.chunk.len().checked_sub(TAG as usize) else {
            return false;
        };
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&number.to_be_bytes());
        nonce[11] = last.into();
        let (text, tag) = self.chunk.split_at_mut(len);
        let opened = self
            .cipher
            .decrypt_in_place_detached(&nonce.into(), b"", text, Tag::from_slice(tag));
        self.loaded = opened.is_ok().then_some(number);
        self.loaded.is_some()
    }
}

impl<R> Content<R> {
    /// The file.
    pub fn source(&mut self) -> &mut R {
        &mut self.source
    }

    /// Where in the file these bytes of the content lie. The last of them have a tag after them, and all hang on the nonce
    /// before the first.
    pub fn in_file(&self, range: Range<u64>) -> Range<u64> {
        let place = |at: u64| self.stored.start + at / CHUNK * STORED + at % CHUNK;
        let start = match range.start {
            0 => self.stored.start.saturating_sub(NONCE_LEN as u64),
            start => place(start),
        };
        let end = place(range.end);
        let is_last = end + TAG >= self.stored.end;
        start..if is_last { self.stored.end.max(end) } else { end }
    }
}

impl<R: Read + Seek> Read for Content<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.len() || bytes.is_empty() {
            return Ok(0);
        }
        self.load(self.at / CHUNK)?;
        let text = &self.chunk[..self.chunk.len() - TAG as usize];
        let from = &text[(self.at % CHUNK) as usize..];
        let len = from.len().min(bytes.len());
        bytes[..len].copy_from_slice(&from[..len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl<R: Read + Seek> Seek for Content<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
