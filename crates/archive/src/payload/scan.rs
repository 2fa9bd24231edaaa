//! Finds frames without the index: in a file that was cut, or whose end is damaged. One pass; what is skipped is
//! read once.

use std::io::{self, Read, Seek};

use super::PartKey;
use super::frame::{Frame, HEAD_LEN, MARKER};
use super::index::{self, Entry};
use super::read::{read_at, unreadable};
use crate::damage::{Damage, Lost, Place};

const CHUNK: usize = 64 * 1024;

/// What was found next.
pub(super) enum Scanned {
    /// A frame whose head is whole; head and compressed records are in the buffer.
    Frame(Entry),
    Damage(Damage),
    End,
}

pub(super) struct Scan {
    key: PartKey,
    at: u64,
    end: u64,
    next: u32,
    /// Damage was told since the last frame, so that a gap in the numbers is no news.
    told: bool,
}

impl Scan {
    pub fn new(key: PartKey, start: u64, end: u64) -> Self {
        Self {
            key,
            at: start,
            end,
            next: 0,
            told: false,
        }
    }

    pub fn step(&mut self, source: &mut (impl Read + Seek), packed: &mut Vec<u8>) -> Scanned {
        if self.at >= self.end {
            return Scanned::End;
        }
        let mut head = [0; HEAD_LEN];
        let known = self.end - self.at >= HEAD_LEN as u64 && read_at(source, self.at, &mut head).is_ok();
        let frame = Frame::from_head(&head, &self.key).filter(|_| known);
        let Some(frame) = frame else {
            return self.skip(source, &head);
        };
        if frame.number > self.next && !self.told {
            self.told = true;
            let why = format!(
                "frames {} to {} are missing before it",
                self.next,
                frame.number - 1
            );
            return Scanned::Damage(self.damage(self.at..self.at, None, why));
        }
        let entry = Entry {
            offset: self.at,
            frame,
        };
        self.at = self.at.saturating_add(frame.len());
        if frame.number < self.next {
            let why = format!("frame {} stands here, out of its place", frame.number);
            return Scanned::Damage(self.damage(entry.offset..self.at, None, why));
        }
        self.next = frame.number + 1;
        self.told = false;
        packed.resize(frame.len() as usize, 0);
        match read_at(source, entry.offset, packed) {
            Ok(()) => Scanned::Frame(entry),
            Err(error) => Scanned::Damage(Damage {
                place: Place::Frame(frame.number),
                range: entry.offset..self.at.min(self.end),
                lost: Some(frame.lost()),
                why: unreadable(&error),
            }),
        }
    }

    /// No frame begins here: the end of the frames, or damage up to the next head that is whole.
    fn skip(&mut self, source: &mut (impl Read + Seek), head: &[u8; HEAD_LEN]) -> Scanned {
        if head.starts_with(index::MARKER) {
            self.at = self.end;
            return Scanned::End;
        }
        let from = self.at;
        let found = self.find(source, from + 1);
        let (to, error) = match found {
            Ok(to) => (to, None),
            Err(error) => (self.end, Some(error)),
        };
        self.at = to;
        self.told = true;
        let why = match error {
            Some(error) => unreadable(&error),
            None if to == self.end => "no frame begins here, and none follows".into(),
            None => "no frame begins here".into(),
        };
        Scanned::Damage(self.damage(from..to, None, why))
    }

    /// The next place from `from` on where a frame of this backup or the index begins; else the end.
    fn find(&self, source: &mut (impl Read + Seek), from: u64) -> io::Result<u64> {
        let mut bytes = vec![0; CHUNK + HEAD_LEN];
        let mut base = from;
        while base < self.end {
            let left = usize::try_from(self.end - base).unwrap_or(usize::MAX);
            let window = &mut bytes[..left.min(CHUNK + HEAD_LEN)];
            read_at(source, base, window)?;
            for at in 0..window.len().min(CHUNK) {
                let here = &window[at..];
                let frame = here.starts_with(MARKER) && Frame::from_head(here, &self.key).is_some();
                if frame || here.starts_with(index::MARKER) {
                    return Ok(base + at as u64);
                }
            }
            base += window.len().min(CHUNK) as u64;
        }
        Ok(self.end)
    }

    fn damage(&self, range: std::ops::Range<u64>, lost: Option<Lost>, why: String) -> Damage {
        Damage {
            place: Place::Unknown,
            range,
            lost,
            why,
        }
    }
}
