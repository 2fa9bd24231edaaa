//! A frame: some hundred records, compressed, with a head that tells what it is (docs/backup.md section 4).

use super::{Fields, PartKey};
use crate::damage::Lost;
use crate::record::Record;

/// What every frame begins with; found again after damage.
pub(super) const MARKER: &[u8; 8] = b"KFframe\n";
pub(super) const HEAD_LEN: usize = 68;
/// A frame is closed when its records are this long.
pub(super) const FRAME_TARGET: usize = 256 * 1024;
/// Records of one frame, before compression.
pub(super) const PLAIN_LIMIT: usize = 1024 * 1024;
/// What zstd makes of them in the worst case.
pub(super) const PACKED_LIMIT: usize = PLAIN_LIMIT + PLAIN_LIMIT / 256;
const LEVEL: i32 = 1;

/// What a frame says of itself, and the index of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub number: u32,
    pub licenses: u32,
    pub parts: u32,
    pub plain_len: u32,
    pub packed_len: u32,
    pub digest: [u8; 32],
}

impl Frame {
    pub fn to_head(self, key: &PartKey) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        head[..8].copy_from_slice(MARKER);
        head[8..28].copy_from_slice(&self.numbers());
        head[28..60].copy_from_slice(&self.digest);
        let check: [u8; 8] = key.check(&head[..60]);
        head[60..].copy_from_slice(&check);
        head
    }

    /// A head that is whole, of this backup, and within the bounds.
    pub fn from_head(bytes: &[u8], key: &PartKey) -> Option<Self> {
        let (head, check) = bytes.get(..HEAD_LEN)?.split_at(60);
        if key.check::<8>(head) != check {
            return None;
        }
        let mut fields = Fields(head);
        if fields.take()? != *MARKER {
            return None;
        }
        let frame = Self {
            number: fields.u32()?,
            licenses: fields.u32()?,
            parts: fields.u32()?,
            plain_len: fields.u32()?,
            packed_len: fields.u32()?,
            digest: fields.take()?,
        };
        frame.is_in_bounds().then_some(frame)
    }

    pub fn is_in_bounds(&self) -> bool {
        let (plain, packed) = (self.plain_len as usize, self.packed_len as usize);
        (1..=PLAIN_LIMIT).contains(&plain) && (1..=PACKED_LIMIT).contains(&packed)
    }

    /// Length in the file, head included.
    pub fn len(&self) -> u64 {
        HEAD_LEN as u64 + u64::from(self.packed_len)
    }

    pub fn lost(&self) -> Lost {
        Lost {
            licenses: self.licenses,
            parts: self.parts,
        }
    }

    fn numbers(&self) -> [u8; 20] {
        let mut out = [0; 20];
        let numbers = [
            self.number,
            self.licenses,
            self.parts,
            self.plain_len,
            self.packed_len,
        ];
        for (place, number) in out.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        out
    }

    fn digest_with(&self, key: &PartKey, packed: &[u8]) -> [u8; 32] {
        key.digest(&[&self.numbers(), packed])
    }
}

/// Compresses frames.
pub(super) struct Packer {
    key: PartKey,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Packer {
    pub fn new(key: PartKey) -> std::io::Result<Self> {
        let zstd = zstd::bulk::Compressor::new(LEVEL)?;
        Ok(Self { key, zstd })
    }

    /// Gives the frame, and in `out` its bytes: head and compressed records.
    pub fn pack(
        &mut self,
        number: u32,
        lost: Lost,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> std::io::Result<Frame> {
        out.resize(HEAD_LEN + zstd::zstd_safe::compress_bound(plain.len()), 0);
        let packed_len = self.zstd.compress_to_buffer(plain, &mut out[HEAD_LEN..])?;
        out.truncate(HEAD_LEN + packed_len);
        let mut frame = Frame {
            number,
            licenses: lost.licenses,
            parts: lost.parts,
            plain_len: plain.len() as u32,
            packed_len: packed_len as u32,
            digest: [0; 32],
        };
        frame.digest = frame.digest_with(&self.key, &out[HEAD_LEN..]);
        out[..HEAD_LEN].copy_from_slice(&frame.to_head(&self.key));
        Ok(frame)
    }
}

/// Decompresses and checks frames, in a buffer that is used again and again.
pub(super) struct Unpacker {
    key: PartKey,
    zstd: zstd::bulk::Decompressor<'static>,
}

impl Unpacker {
    pub fn new(key: PartKey) -> std::io::Result<Self> {
        let zstd = zstd::bulk::Decompressor::new()?;
        Ok(Self { key, zstd })
    }

    /// Fills `plain` with the records if everything about them holds; else says what doesn't.
    pub fn unpack(&mut self, frame: &Frame, packed: &[u8], plain: &mut Vec<u8>) -> Result<(), &'static str> {
        plain.clear();
        if frame.digest_with(&self.key, packed) != frame.digest {
            return Err("its digest does not fit");
        }
        // One zstd frame and nothing else, so that what is compressed has one reading.
        if zstd::zstd_safe::find_frame_compressed_size(packed) != Ok(packed.len()) {
            return Err("it is not one zstd frame");
        }
        let plain_len = frame.plain_len as usize;
        plain.reserve_exact(plain_len);
        plain.resize(plain_len, 0);
        let unpacked = self.zstd.decompress_to_buffer(packed, plain.as_mut_slice());
        if unpacked.ok() != Some(plain_len) {
            plain.clear();
            return Err("it does not decompress to the length that it states");
        }
        let counted = count(plain);
        if counted != Some(frame.lost()) {
            plain.clear();
            return Err("its records are not well-formed, or not as many as it states");
        }
        Ok(())
    }
}

/// Counts the records if each of them is well-formed.
fn count(mut plain: &[u8]) -> Option<Lost> {
    let mut counted = Lost::default();
    while !plain.is_empty() {
        let (record, len) = Record::decode(plain).ok()?;
        match record {
            Record::License(_) => counted.licenses += 1,
            Record::Part(_) => counted.parts += 1,
            Record::Name(_) => {}
        }
        plain = &plain[len..];
    }
    Some(counted)
}
