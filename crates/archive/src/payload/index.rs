//! The index of frames, and the tail that leads to it (docs/backup.md section 6).

use super::frame::Frame;
use super::{Fields, PartKey};

pub(super) const MARKER: &[u8; 8] = b"KFindex\n";
const TAIL_MARKER: &[u8; 8] = b"KFtail1\n";
/// Frames of one backup: 16 GiB of records.
pub(super) const MAX_FRAMES: usize = 65_536;
const ENTRY_LEN: usize = 56;
const AROUND: usize = 8 + 4 + 32;
pub(super) const INDEX_LIMIT: usize = AROUND + MAX_FRAMES * ENTRY_LEN;
pub(super) const TAIL_LEN: usize = 40;

/// A frame and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub offset: u64,
    pub frame: Frame,
}

/// The index's bytes; the last 32 are its digest.
pub(super) fn encode(entries: &[Entry], key: &PartKey) -> (Vec<u8>, [u8; 32]) {
    let mut out = Vec::with_capacity(AROUND + entries.len() * ENTRY_LEN);
    out.extend(MARKER);
    out.extend((entries.len() as u32).to_be_bytes());
    for Entry { offset, frame } in entries {
        out.extend(offset.to_be_bytes());
        for number in [frame.packed_len, frame.plain_len, frame.licenses, frame.parts] {
            out.extend(number.to_be_bytes());
        }
        out.extend(frame.digest);
    }
    let digest = key.digest(&[&out]);
    out.extend(digest);
    (out, digest)
}

/// Takes an index of frames that lie side by side from `start` to `end`.
pub(super) fn decode(
    bytes: &[u8],
    key: &PartKey,
    start: u64,
    end: u64,
) -> Result<(Vec<Entry>, [u8; 32]), &'static str> {
    let (covered, digest) = bytes.split_last_chunk::<32>().ok_or("it is too short")?;
    if key.digest(&[covered]) != *digest {
        return Err("its digest does not fit");
    }
    entries(covered, start, end)
        .map(|entries| (entries, *digest))
        .ok_or("it does not describe frames that lie side by side")
}

fn entries(covered: &[u8], start: u64, end: u64) -> Option<Vec<Entry>> {
    let mut fields = Fields(covered);
    let (marker, frames) = (fields.take()?, fields.u32()?);
    let fits = fields.0.len() == frames as usize * ENTRY_LEN;
    if marker != *MARKER || frames as usize > MAX_FRAMES || !fits {
        return None;
    }
    let mut entries = Vec::with_capacity(frames as usize);
    let mut next = start;
    for number in 0..frames {
        let offset = fields.u64()?;
        let frame = Frame {
            number,
            packed_len: fields.u32()?,
            plain_len: fields.u32()?,
            licenses: fields.u32()?,
            parts: fields.u32()?,
            digest: fields.take()?,
        };
        if offset != next || !frame.is_in_bounds() {
            return None;
        }
        next = offset.checked_add(frame.len())?;
        entries.push(Entry { offset, frame });
    }
    (next == end).then_some(entries)
}

/// The last bytes of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub index_offset: u64,
    pub index_len: u32,
    pub footer_len: u32,
}

impl Tail {
    pub fn to_bytes(self, key: &PartKey) -> [u8; TAIL_LEN] {
        let mut out = [0; TAIL_LEN];
        out[..8].copy_from_slice(TAIL_MARKER);
        out[8..16].copy_from_slice(&self.index_offset.to_be_bytes());
        out[16..20].copy_from_slice(&self.index_len.to_be_bytes());
        out[20..24].copy_from_slice(&self.footer_len.to_be_bytes());
        let check: [u8; 16] = key.check(&out[..24]);
        out[24..].copy_from_slice(&check);
        out
    }

    /// A tail that is whole, and whose parts lie between `start` and itself, which begins at `at`.
    pub fn from_bytes(bytes: &[u8; TAIL_LEN], key: &PartKey, start: u64, at: u64) -> Option<Self> {
        let (covered, check) = bytes.split_at(24);
        if key.check::<16>(covered) != check {
            return None;
        }
        let mut fields = Fields(covered);
        if fields.take()? != *TAIL_MARKER {
            return None;
        }
        let tail = Self {
            index_offset: fields.u64()?,
            index_len: fields.u32()?,
            footer_len: fields.u32()?,
        };
        let fits = tail.index_offset >= start && tail.footer_end()? == at;
        fits.then_some(tail)
    }

    pub fn footer_offset(&self) -> Option<u64> {
        self.index_offset.checked_add(u64::from(self.index_len))
    }

    fn footer_end(&self) -> Option<u64> {
        self.footer_offset()?.checked_add(u64::from(self.footer_len))
    }
}
