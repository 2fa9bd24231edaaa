//! The trailer that every backup ends with, and the check over one that is encrypted and has no parity (docs/backup.md
//! section 7.1).

use std::io::{self, Read, Seek};

use super::layout::Layout;
use crate::error::{Error, Result};
use crate::payload::read_at;

pub(crate) const TRAILER_LEN: usize = 64;
const MAGIC: &[u8; 16] = b"keyferry trailer";
const VERSION: u32 = 1;
const NOTHING: u32 = 0;
const PARITY: u32 = 1;
const CHECK: u32 = 2;
/// Digest, and a check of it.
pub(crate) const CHECK_LEN: usize = 48;
const PIECE: usize = 64 * 1024;

/// The last bytes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// N: bytes 0..N are layers 1 and 2.
    pub inner_len: u64,
    pub kind: u32,
    /// P: what lies between N and the trailer.
    pub len: u64,
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
            kind: NOTHING,
            len: 0,
        }
    }

    /// Of a backup with a check.
    pub fn with_check(inner_len: u64) -> Self {
        Self {
            inner_len,
            kind: CHECK,
            len: CHECK_LEN as u64,
        }
    }

    /// Of a backup with parity.
    pub fn with_parity(layout: &Layout) -> Self {
        Self {
            inner_len: layout.inner_len,
            kind: PARITY,
            len: layout.protection_len(),
        }
    }

    pub fn has_parity(&self) -> bool {
        self.kind == PARITY
    }

    pub fn has_check(&self) -> bool {
        self.kind == CHECK
    }

    pub fn to_bytes(self) -> [u8; TRAILER_LEN] {
        let mut out = [0; TRAILER_LEN];
        out[..16].copy_from_slice(MAGIC);
        out[16..20].copy_from_slice(&VERSION.to_be_bytes());
        out[20..24].copy_from_slice(&self.kind.to_be_bytes());
        out[24..32].copy_from_slice(&self.inner_len.to_be_bytes());
        out[32..40].copy_from_slice(&self.len.to_be_bytes());
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
            kind: u32_at(20),
            inner_len: u64_at(24),
            len: u64_at(32),
        };
        let (version, kind) = (u32_at(16), trailer.kind);
        let known = version == VERSION && bytes.starts_with(MAGIC) && bytes[40..48] == [0; 8];
        let len_fits = match kind {
            NOTHING => trailer.len == 0,
            CHECK => trailer.len == CHECK_LEN as u64,
            _ => true,
        };
        if !known || !len_fits {
            return Err(Error::Protection { version, kind });
        }
        let stated = trailer
            .inner_len
            .checked_add(trailer.len)
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

/// Digest of layers 1 and 2, taken while they are written or read.
#[derive(Clone)]
pub(crate) struct Check(blake3::Hasher);

impl Check {
    pub fn new() -> Self {
        Self(blake3::Hasher::new_derive_key("keyferry v1 backup check"))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// What stands at N.
    pub fn to_bytes(&self) -> [u8; CHECK_LEN] {
        let digest: [u8; 32] = self.0.finalize().into();
        let mut out = [0; CHECK_LEN];
        out[..32].copy_from_slice(&digest);
        out[32..].copy_from_slice(&check_of(&digest));
        out
    }

    /// Reads what stands at N; `None` if it is damaged.
    pub fn read(source: &mut (impl Read + Seek), inner_len: u64) -> Option<[u8; CHECK_LEN]> {
        let mut bytes = [0; CHECK_LEN];
        read_at(source, inner_len, &mut bytes).ok()?;
        (check_of(&bytes[..32]) == bytes[32..]).then_some(bytes)
    }

    /// Takes the digest of the first `inner_len` bytes. An error says where reading failed.
    pub fn of(source: &mut (impl Read + Seek), inner_len: u64) -> Result<Self, (u64, io::Error)> {
        let mut check = Self::new();
        let mut piece = vec![0; PIECE];
        let mut at = 0;
        while at < inner_len {
            let len = (inner_len - at).min(PIECE as u64) as usize;
            read_at(source, at, &mut piece[..len]).map_err(|error| (at, error))?;
            check.update(&piece[..len]);
            at += len as u64;
        }
        Ok(check)
    }
}

fn check_of(digest: &[u8]) -> [u8; 16] {
    let check = blake3::derive_key("keyferry v1 backup check of the check", digest);
    std::array::from_fn(|at| check[at])
}
