//! Encrypting while writing.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Write};

use age::EncryptError;
use age::stream::StreamWriter;
use age_core::format::{FileKey as AgeFileKey, Stanza};
use age_core::secrecy::ExposeSecret;

use super::file::{FileKey, Unlock};
use super::{MAX_RECIPIENTS, Passphrase, Recipient};
use crate::error::{Error, Result};
use crate::header::at_most;
use crate::protection::Check;

/// The scrypt work factor of every backup that is written: 256 MiB of memory for a moment, once.
pub const WORK_FACTOR: u8 = 18;

/// Who will be able to open a backup.
#[derive(Debug, Clone, Default)]
pub enum Encryption {
    /// Everybody: there is no layer 2.
    #[default]
    None,
    /// Who knows the passphrase.
    Passphrase(Passphrase),
    /// Who has the identity of one of them: 1 to 128.
    Recipients(Vec<Recipient>),
}

/// Writes layers 1 and 2.
pub(crate) enum Sealing<W: Write> {
    Plain(Box<Counting<W>>),
    Encrypted(Box<StreamWriter<Counting<W>>>, FileKey),
}

impl<W: Write> Sealing<W> {
    /// Writes the header of the age file, if there is to be one.
    pub fn start(out: W, encryption: &Encryption) -> Result<Self> {
        let check = (!matches!(encryption, Encryption::None)).then(Check::new);
        let out = Counting { out, at: 0, check };
        match encryption {
            Encryption::None => Ok(Sealing::Plain(Box::new(out))),
            Encryption::Passphrase(passphrase) => {
                let mut recipient = age::scrypt::Recipient::new(passphrase.to_age());
                recipient.set_work_factor(WORK_FACTOR);
                Self::encrypt(out, &[&recipient])
            }
            Encryption::Recipients(recipients) => {
                at_most("recipients", recipients.len(), MAX_RECIPIENTS)?;
                let recipients: Vec<&dyn age::Recipient> = recipients.iter().map(|one| &one.0 as _).collect();
                Self::encrypt(out, &recipients)
            }
        }
    }

    fn encrypt(out: Counting<W>, recipients: &[&dyn age::Recipient]) -> Result<Self> {
        let caught = RefCell::new(None);
        let catchers: Vec<_> = recipients
            .iter()
            .map(|recipient| Catcher {
                recipient: *recipient,
                caught: &caught,
            })
            .collect();
        let encryptor = age::Encryptor::with_recipients(catchers.iter().map(|catcher| catcher as _));
        let (Ok(encryptor), Some(key)) = (encryptor, caught.take()) else {
            let why = "there is none";
            return Err(Error::Invalid {
                what: "recipients",
                why,
            });
        };
        let stream = encryptor.wrap_output(out).map_err(|source| Error::Stream {
            doing: "write",
            at: 0,
            source,
        })?;
        Ok(Sealing::Encrypted(Box::new(stream), key))
    }

    /// What opens the file that is being written.
    pub fn unlock(&self) -> Unlock {
        match self {
            Sealing::Plain(_) => Unlock::None,
            Sealing::Encrypted(_, key) => Unlock::FileKey(key.clone()),
        }
    }

    /// Writes the last chunk; gives the length of layers 1 and 2, and the check over them if they are encrypted.
    pub fn finish(self) -> io::Result<(W, u64, Option<Check>)> {
        let Counting { out, at, check } = match self {
            Sealing::Plain(out) => *out,
            Sealing::Encrypted(stream, _) => stream.finish()?,
        };
        Ok((out, at, check))
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sealing::Plain(out) => out.write(bytes),
            Sealing::Encrypted(stream, _) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sealing::Plain(out) => out.flush(),
            Sealing::Encrypted(stream, _) => stream.flush(),
        }
    }
}

/// Knows how much came out, and its check.
pub(crate) struct Counting<W> {
    out: W,
    at: u64,
    check: Option<Check>,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.at += written as u64;
        if let Some(check) = &mut self.check {
            check.update(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Hands on to another recipient, and keeps the key of the file.
struct Catcher<'r> {
    recipient: &'r dyn age::Recipient,
    caught: &'r RefCell<Option<FileKey>>,
}

impl age::Recipient for Catcher<'_> {
    fn wrap_file_key(&self, key: &AgeFileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        *self.caught.borrow_mut() = Some(FileKey::of(key.expose_secret()));
        self.recipient.wrap_file_key(key)
    }
}
