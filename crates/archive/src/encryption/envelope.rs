//! An age file around anything: layer 2 alone, for what is no backup of licenses.

use std::io::{self, Read, Seek, Write};
use std::iter;

use super::head::stream;
use super::{Encrypted, Encryption, Head, Sealing, Unlock};
use crate::error::{Error, Result};

/// Encrypts what is written to it.
pub struct Envelope<W: Write>(Sealing<W>);

impl<W: Write> Envelope<W> {
    /// Writes the header. Without an encryption there is no envelope: [`Error::Invalid`].
    pub fn start(out: W, encryption: &Encryption) -> Result<Self> {
        if matches!(encryption, Encryption::None) {
            return Err(Error::Invalid {
                what: "encryption",
                why: "there is none",
            });
        }
        Ok(Self(Sealing::start(out, encryption)?))
    }

    /// Writes the end; a file without it is seen to be cut off.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.0.finish()?.0)
    }
}

impl<W: Write> Write for Envelope<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens an age file; `unlock` is asked with what, after the work factor was checked. Whatever was altered or is missing is
/// an error of the reader, at the latest at its end.
pub fn open_envelope<'r>(
    mut source: impl Read + Seek + 'r,
    unlock: impl FnOnce(&Encrypted) -> Unlock,
) -> Result<impl Read + 'r> {
    let head = Head::read(&mut source)?;
    head.check_work_factor()?;
    let key = head.unlock(&unlock(&head.encrypted))?;
    source.rewind().map_err(stream)?;
    let damaged = |_| Error::Invalid {
        what: "age file",
        why: "its header breaks the rules of age",
    };
    let decryptor = age::Decryptor::new(source).map_err(damaged)?;
    decryptor.decrypt(iter::once(&key as _)).map_err(damaged)
}
