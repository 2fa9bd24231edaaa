//! Layer 1, the payload: header, frames of records, index, footer, tail (docs/backup.md sections 2 to 6). Knows
//! nothing of encryption, of the trailer, or of where its bytes lie.

mod footer;
mod frame;
mod index;
mod open;
mod read;
mod scan;
mod write;

use std::fmt;

pub use read::{FooterState, Item, Records};
pub(crate) use read::{Payload, read_at};
pub(crate) use write::PayloadWriter;

use crate::header::BackupId;

/// The first bytes of an unencrypted backup.
pub(crate) const MAGIC: &[u8; 16] = b"keyferry backup\n";
/// The version that this Keyferry writes and reads.
pub(crate) const VERSION: u32 = 1;
/// Magic, version, length of the header.
pub(crate) const PREAMBLE_LEN: usize = 24;

/// BLAKE3 over the digests of the header and of the index, which holds the digest of each frame: one value for
/// everything before the footer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Root(pub [u8; 32]);

impl Root {
    fn of(header: &[u8; 32], index: &[u8; 32]) -> Self {
        let mut hash = blake3::Hasher::new_derive_key("keyferry v1 backup root");
        hash.update(header).update(index);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({self})")
    }
}

/// Digest of the preamble and the header.
fn header_digest(preamble: &[u8], header: &[u8]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_derive_key("keyferry v1 backup header");
    hash.update(preamble).update(header);
    hash.finalize().into()
}

/// Keys the digests of everything after the header by the backup's ID, so that a part of another backup is foreign.
/// Not a secret: it tells parts apart, the footer's signature proves them.
#[derive(Clone, Copy)]
struct PartKey([u8; 32]);

impl PartKey {
    fn of(backup: &BackupId) -> Self {
        Self(blake3::derive_key("keyferry v1 backup part", &backup.0))
    }

    fn digest(&self, pieces: &[&[u8]]) -> [u8; 32] {
        let mut hash = blake3::Hasher::new_keyed(&self.0);
        for piece in pieces {
            hash.update(piece);
        }
        hash.finalize().into()
    }

    fn check<const N: usize>(&self, bytes: &[u8]) -> [u8; N] {
        let digest = self.digest(&[bytes]);
        std::array::from_fn(|at| digest[at])
    }
}

/// Reads big-endian fields one after the other from bytes whose length was checked.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}
