//! Layer 3, the protection: its place, and the trailer that every backup ends with (docs/backup.md section 7). No
//! parity is written yet; that of a later version is passed over.

use crate::error::{Error, Result};

pub(crate) const TRAILER_LEN: usize = 64;
const MAGIC: &[u8; 16] = b"keyferry trailer";
const VERSION: u32 = 1;
const NO_PARITY: u32 = 0;

/// The last bytes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// N: bytes 0..N are layers 1 and 2.
    pub inner_len: u64,
    pub parity_kind: u32,
    /// Parity lies between N and the trailer.
    pub parity_len: u64,
}

/// What stands at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Whole(Trailer),
    Broken,
    Missing,
}

impl Trailer {
    /// Of a backup without parity.
    pub fn plain(inner_len: u64) -> Self {
        Self {
            inner_len,
            parity_kind: NO_PARITY,
            parity_len: 0,
        }
    }

    pub fn to_bytes(self) -> [u8; TRAILER_LEN] {
        let mut out = [0; TRAILER_LEN];
        out[..16].copy_from_slice(MAGIC);
        out[16..20].copy_from_slice(&VERSION.to_be_bytes());
        out[20..24].copy_from_slice(&self.parity_kind.to_be_bytes());
        out[24..32].copy_from_slice(&self.inner_len.to_be_bytes());
        out[32..40].copy_from_slice(&self.parity_len.to_be_bytes());
        let check = check(&out[..48]);
        out[48..].copy_from_slice(&check);
        out
    }

    /// Reads the end of a file of `len` bytes. A trailer that is whole must tell of this very length.
    pub fn from_bytes(bytes: &[u8; TRAILER_LEN], len: u64) -> Result<Ending> {
        let u32_at = |at: usize| {
            bytes[at..at + 4]
                .iter()
                .fold(0, |n, byte| n << 8 | u32::from(*byte))
        };
        let u64_at = |at: usize| {
            bytes[at..at + 8]
                .iter()
                .fold(0, |n, byte| n << 8 | u64::from(*byte))
        };
        if check(&bytes[..48]) != bytes[48..] {
            let near = bytes.starts_with(MAGIC);
            return Ok(if near { Ending::Broken } else { Ending::Missing });
        }
        let trailer = Self {
            parity_kind: u32_at(20),
            inner_len: u64_at(24),
            parity_len: u64_at(32),
        };
        let (version, kind) = (u32_at(16), trailer.parity_kind);
        let known = version == VERSION && bytes.starts_with(MAGIC) && bytes[40..48] == [0; 8];
        if !known || (kind == NO_PARITY && trailer.parity_len != 0) {
            return Err(Error::Protection { version, kind });
        }
        let stated = trailer
            .inner_len
            .checked_add(trailer.parity_len)
            .and_then(|sum| sum.checked_add(TRAILER_LEN as u64));
        if stated != Some(len) {
            let stated = stated.unwrap_or(u64::MAX);
            return Err(Error::Length { stated, actual: len });
        }
        Ok(Ending::Whole(trailer))
    }
}

fn check(bytes: &[u8]) -> [u8; 16] {
    let digest = blake3::derive_key("keyferry v1 backup trailer", bytes);
    std::array::from_fn(|at| digest[at])
}
