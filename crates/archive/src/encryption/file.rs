//! What lies under layer 3: the payload itself, or the age file around it, read in the same way.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use age_core::format::{FileKey as AgeFileKey, Stanza};
use zeroize::Zeroizing;

use super::{Content, Identity, Passphrase};
use crate::protection::Mended;

/// What opens an encrypted backup.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Unlock {
    /// Nothing is at hand.
    #[default]
    None,
    /// A passphrase.
    Passphrase(Passphrase),
    /// Identities, of which one has to fit.
    Identities(Vec<Identity>),
    /// The key of this one file, from the writer that just made it or the reader that has it open.
    FileKey(FileKey),
}

/// The key of one file, whatever opens it; wiped from memory when it is dropped. Never stored.
#[derive(Clone)]
pub struct FileKey(pub(super) Zeroizing<[u8; 16]>);

impl FileKey {
    pub(super) fn of(bytes: &[u8; 16]) -> Self {
        Self(Zeroizing::new(*bytes))
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(..)")
    }
}

/// Whether it is the key of the file is seen by the header's authentication.
impl age::Identity for FileKey {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<AgeFileKey, age::DecryptError>> {
        Some(Ok(AgeFileKey::init_with_mut(|key| *key = *self.0)))
    }
}

/// The payload's bytes.
pub(crate) enum Inside<R> {
    Plain(Mended<R>),
    Encrypted(Content<Mended<R>>),
}

impl<R> Inside<R> {
    /// The file under it.
    pub fn file(&mut self) -> &mut Mended<R> {
        match self {
            Inside::Plain(source) => source,
            Inside::Encrypted(content) => content.source(),
        }
    }

    /// Where in the file these bytes of the payload lie.
    pub fn in_file(&self, range: Range<u64>) -> Range<u64> {
        match self {
            Inside::Plain(_) => range,
            Inside::Encrypted(content) => content.in_file(range),
        }
    }
}

impl<R: Read + Seek> Read for Inside<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Inside::Plain(source) => source.read(bytes),
            Inside::Encrypted(content) => content.read(bytes),
        }
    }
}

impl<R: Read + Seek> Seek for Inside<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Inside::Plain(source) => source.seek(to),
            Inside::Encrypted(content) => content.seek(to),
        }
    }
}
