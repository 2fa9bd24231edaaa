//! The header of an age file: what opens it, and the key of its content.

use std::cell::RefCell;
use std::io::{self, Read, Seek};
use std::iter;

use age::DecryptError;
use age_core::format::{FileKey as AgeFileKey, Stanza};
use age_core::primitives::hkdf;
use age_core::secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::file::{FileKey, Unlock};
use crate::damage::{Damage, Place};
use crate::error::{Error, Result};
use crate::payload::read_at;

/// The header of an age file is at most this many bytes long here.
pub const HEAD_LIMIT: usize = 32 * 1024;
/// A higher scrypt work factor is refused.
pub const MAX_WORK_FACTOR: u8 = 20;

/// Between the header and the first chunk.
pub(super) const NONCE_LEN: usize = 16;

/// What opens an encrypted backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encrypted {
    /// A passphrase.
    Passphrase {
        /// Binary logarithm of scrypt's N.
        work_factor: u8,
    },
    /// The identity of one of its recipients.
    Recipients {
        /// How many there are.
        count: usize,
    },
}

impl Encrypted {
    /// What the file is encrypted with; `None` if it isn't encrypted. Reads its first bytes, opens nothing.
    pub fn of(source: &mut (impl Read + Seek)) -> Result<Option<Self>> {
        let mut start = [0; super::AGE.len()];
        match read_at(source, 0, &mut start) {
            Ok(()) if start == super::AGE => Head::read(source).map(|head| Some(head.encrypted)),
            Err(source) if source.kind() != io::ErrorKind::UnexpectedEof => Err(stream(source)),
            _ => Ok(None),
        }
    }

    /// Bytes of memory that opening it takes beside what reading takes; 0 for recipients.
    pub fn memory(&self) -> u64 {
        match self {
            // scrypt with r = 8: 128 * r * N.
            Encrypted::Passphrase { work_factor } => {
                1024_u64.checked_shl((*work_factor).into()).unwrap_or(u64::MAX)
            }
            Encrypted::Recipients { .. } => 0,
        }
    }
}

/// The header with the nonce after it.
pub(crate) struct Head {
    bytes: Vec<u8>,
    pub encrypted: Encrypted,
}

impl Head {
    /// Reads it from the start of the file.
    pub fn read(source: &mut (impl Read + Seek)) -> Result<Self> {
        let mut bytes = Vec::new();
        source.rewind().map_err(stream)?;
        let limit = (HEAD_LIMIT + NONCE_LEN) as u64;
        source.take(limit).read_to_end(&mut bytes).map_err(stream)?;
        let Some(len) = len_of(&bytes).filter(|len| len + NONCE_LEN <= bytes.len()) else {
            return Err(damaged(bytes.len(), "it has no end"));
        };
        bytes.truncate(len + NONCE_LEN);
        let stanzas = Stanzas::default();
        match decryptor(&bytes).and_then(|decryptor| decryptor.decrypt(iter::once(&stanzas as _))) {
            Err(DecryptError::NoMatchingKeys) => {}
            _ => return Err(damaged(bytes.len(), "it breaks the rules of age")),
        }
        let encrypted = match &stanzas.0.into_inner()[..] {
            [(tag, factor)] if tag == "scrypt" => Encrypted::Passphrase {
                work_factor: factor.ok_or_else(|| damaged(bytes.len(), "it breaks the rules of age"))?,
            },
            // Some programs add a stanza that is for nobody.
            stanzas => Encrypted::Recipients {
                count: stanzas
                    .iter()
                    .filter(|(tag, _)| !tag.ends_with("-grease"))
                    .count(),
            },
        };
        Ok(Self { bytes, encrypted })
    }

    /// Where the content begins.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Refuses a work factor above the bound, so that nobody is asked for a passphrase that would not be used.
    pub fn check_work_factor(&self) -> Result<()> {
        match self.encrypted {
            Encrypted::Passphrase { work_factor } if work_factor > MAX_WORK_FACTOR => {
                Err(Error::WorkFactor {
                    found: work_factor,
                    limit: MAX_WORK_FACTOR,
                })
            }
            _ => Ok(()),
        }
    }

    /// The key of the file. Work and memory for a passphrase are those that [`Encrypted`] tells.
    pub fn unlock(&self, unlock: &Unlock) -> Result<FileKey> {
        match (&self.encrypted, unlock) {
            (_, Unlock::FileKey(key)) => self.unlock_with(&mut iter::once(key as _)),
            (Encrypted::Passphrase { .. }, Unlock::Passphrase(passphrase)) => {
                let mut identity = age::scrypt::Identity::new(passphrase.to_age());
                identity.set_max_work_factor(MAX_WORK_FACTOR);
                self.unlock_with(&mut iter::once(&identity as _))
            }
            (Encrypted::Passphrase { .. }, _) => Err(Error::NeedsPassphrase),
            (Encrypted::Recipients { .. }, Unlock::Identities(identities)) if !identities.is_empty() => {
                self.unlock_with(&mut identities.iter().map(|identity| &identity.0 as _))
            }
            (Encrypted::Recipients { .. }, _) => Err(Error::NeedsIdentity),
        }
    }

    /// The key that the content is encrypted with (age's `payload key`).
    pub fn content_key(&self, key: &FileKey) -> Zeroizing<[u8; 32]> {
        let nonce = &self.bytes[self.bytes.len() - NONCE_LEN..];
        Zeroizing::new(hkdf(nonce, b"payload", &key.0[..]))
    }

    fn unlock_with(&self, identities: &mut dyn Iterator<Item = &dyn age::Identity>) -> Result<FileKey> {
        let caught = RefCell::new(None);
        let catchers: Vec<_> = identities
            .map(|identity| Catcher {
                identity,
                caught: &caught,
            })
            .collect();
        let opened = decryptor(&self.bytes)
            .and_then(|decryptor| decryptor.decrypt(catchers.iter().map(|catcher| catcher as _)));
        let wrong = match self.encrypted {
            Encrypted::Passphrase { .. } => Error::WrongPassphrase,
            Encrypted::Recipients { .. } => Error::NoMatchingIdentity,
        };
        match opened.map(|_| caught.into_inner()) {
            Ok(Some(key)) => Ok(key),
            Ok(None) | Err(DecryptError::DecryptionFailed | DecryptError::NoMatchingKeys) => Err(wrong),
            Err(DecryptError::InvalidMac) => {
                Err(damaged(self.bytes.len(), "its authentication does not fit"))
            }
            Err(_) => Err(damaged(self.bytes.len(), "it breaks the rules of age")),
        }
    }
}

/// Length of the header: up to and with the line of its authentication, the only one that begins with `---`.
fn len_of(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\n---")? + 1;
    let line = bytes[end..].iter().position(|byte| *byte == b'\n')?;
    Some(end + line + 1).filter(|len| *len <= HEAD_LIMIT)
}

fn decryptor(bytes: &[u8]) -> Result<age::Decryptor<&[u8]>, DecryptError> {
    age::Decryptor::new_buffered(bytes)
}

pub(super) fn stream(source: io::Error) -> Error {
    Error::Stream {
        doing: "read",
        at: 0,
        source,
    }
}

fn damaged(len: usize, why: &str) -> Error {
    Error::Damaged(Damage {
        place: Place::Encryption,
        range: 0..len as u64,
        lost: None,
        why: why.into(),
    })
}

/// Opens nothing and remembers what there would have been to open: tag, and the work factor where there is one.
#[derive(Default)]
struct Stanzas(RefCell<Vec<(String, Option<u8>)>>);

impl age::Identity for Stanzas {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<AgeFileKey, DecryptError>> {
        let factor = stanza.args.get(1).and_then(|factor| factor.parse().ok());
        self.0.borrow_mut().push((stanza.tag.clone(), factor));
        None
    }
}

/// Hands on to another identity, and keeps the key that it finds.
struct Catcher<'i> {
    identity: &'i dyn age::Identity,
    caught: &'i RefCell<Option<FileKey>>,
}

impl age::Identity for Catcher<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<AgeFileKey, DecryptError>> {
        let found = self.identity.unwrap_stanza(stanza)?;
        if let Ok(key) = &found {
            *self.caught.borrow_mut() = Some(FileKey::of(key.expose_secret()));
        }
        Some(found)
    }
}
