//! computer.key as bytes (docs/store.md section 2): a header, two slots that are written in place by turns, and a
//! sealed body that is only ever replaced as a whole. What the body says is not known here.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use keyferry_license::{LicenseId, Secret32};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files;
use crate::guard::KeyGuard;

const MAGIC: &[u8; 8] = b"KEYFERRY";
const VERSION: u32 = 1;
/// The whole file is at most this many bytes long.
pub const FILE_LIMIT: usize = 1024 * 1024;
const WRAPPED_LIMIT: usize = 16 * 1024;
const HEADER: usize = 64;
/// The part of the header that the checksum and the body's seal cover.
const COVERED: usize = 32;
const SLOTS: [usize; 2] = [4096, 8192];
const SLOT: usize = 128;
const SEALED_PART: usize = 12288;
const NONCE: usize = 12;
const TAG: usize = 16;

/// What the slots say: the store that belongs to this computer, how far it must have come, and the marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Which slot is the newer one.
    sequence: u64,
    /// The store that belongs to this computer; zero when none was made yet.
    pub store: [u8; 16],
    /// The store's own counter is at least this.
    pub counter: u64,
    /// The highest license ID that was ever taken; zero when none was.
    pub taken: LicenseId,
    /// At or below it, a license file is taken only with a new receipt; zero when return keys were never forgotten.
    pub barred: LicenseId,
}

/// The file of one computer, open: the path, and the keys that its guard gave out.
pub struct KeyFile {
    path: PathBuf,
    wrapped: Vec<u8>,
    body_key: Secret32,
    slot_key: Secret32,
}

/// A whole file, read once.
pub struct Contents {
    /// Counts replacements of the body.
    pub generation: u64,
    /// The newest checkpoint whose MAC holds.
    pub checkpoint: Checkpoint,
    /// The opened body.
    pub body: Zeroizing<Vec<u8>>,
}

impl KeyFile {
    /// Reads and opens the file that is there.
    pub fn open(path: &Path, guard: &dyn KeyGuard) -> Result<(Self, Contents)> {
        let bytes = files::read_bounded(path, FILE_LIMIT)?;
        let layout = Layout::parse(path, &bytes)?;
        let opened = guard.open(layout.wrapped)?;
        let key = <[u8; 32]>::try_from(opened.as_slice())
            .map(Secret32::from_bytes)
            .map_err(|_| Error::damaged(path, "its key is not 32 bytes long"))?;
        let file = Self::with_key(path, layout.wrapped.to_vec(), &key)?;
        let contents = file.read_layout(&layout)?;
        Ok((file, contents))
    }

    /// Makes a new file. The caller holds the lock and knows that there is none.
    pub fn create(path: &Path, guard: &dyn KeyGuard, body: &[u8]) -> Result<(Self, Contents)> {
        let key = Secret32::generate()?;
        let wrapped = guard.seal(key.expose())?;
        if wrapped.len() > WRAPPED_LIMIT {
            let why = format!(
                "it seals into {} bytes, at most {WRAPPED_LIMIT} are allowed",
                wrapped.len()
            );
            return Err(Error::Guard {
                guard: guard.name(),
                why,
            });
        }
        let file = Self::with_key(path, wrapped, &key)?;
        let checkpoint = Checkpoint::default();
        file.replace(1, &checkpoint, body)?;
        let body = Zeroizing::new(body.to_vec());
        Ok((
            file,
            Contents {
                generation: 1,
                checkpoint,
                body,
            },
        ))
    }

    /// Reads the file again.
    pub fn read(&self) -> Result<Contents> {
        let bytes = files::read_bounded(&self.path, FILE_LIMIT)?;
        let layout = Layout::parse(&self.path, &bytes)?;
        if layout.wrapped != self.wrapped {
            return Err(Error::Replaced {
                path: self.path.clone(),
            });
        }
        self.read_layout(&layout)
    }

    /// The generation alone, from the header.
    pub fn generation(&self) -> Result<u64> {
        let mut header = [0; HEADER];
        let read = File::open(&self.path).and_then(|mut file| file.read_exact(&mut header));
        read.map_err(Error::io("read", &self.path))?;
        Ok(u64::from_be_bytes(array(&header[24..32])))
    }

    /// The checkpoint alone. The caller holds the lock.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let mut file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        self.newest(self.read_slots(&mut file)?)
            .map(|(_, checkpoint)| checkpoint)
    }

    /// Raises the checkpoint in place, into the slot that doesn't hold it; with `durable` it is on the medium when
    /// this returns. The caller holds the lock.
    pub fn raise(&self, durable: bool, change: impl FnOnce(&mut Checkpoint)) -> Result<Checkpoint> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        let mut file = file.map_err(Error::io("open", &self.path))?;
        let (at, before) = self.newest(self.read_slots(&mut file)?)?;
        let mut after = before;
        change(&mut after);
        if after == before && !durable {
            return Ok(before);
        }
        after.sequence = before.sequence.saturating_add(1);
        let slot = self.slot(&after)?;
        let written = file
            .seek(SeekFrom::Start(SLOTS[1 - at] as u64))
            .and_then(|_| file.write_all(&slot));
        written.map_err(Error::io("write", &self.path))?;
        if durable {
            file.sync_data().map_err(Error::io("sync", &self.path))?;
        }
        Ok(after)
    }

    /// Replaces the whole file, durably. The caller holds the lock, and read `checkpoint` under it.
    pub fn replace(&self, generation: u64, checkpoint: &Checkpoint, body: &[u8]) -> Result<()> {
        let sealed_len = NONCE + body.len() + TAG;
        let actual = SEALED_PART + self.wrapped.len() + sealed_len;
        if actual > FILE_LIMIT {
            let (path, limit) = (self.path.clone(), FILE_LIMIT);
            return Err(Error::TooLarge { path, limit, actual });
        }
        let mut bytes = vec![0; SEALED_PART];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
        bytes[12..16].copy_from_slice(&(self.wrapped.len() as u32).to_be_bytes());
        bytes[16..20].copy_from_slice(&(sealed_len as u32).to_be_bytes());
        bytes[24..32].copy_from_slice(&generation.to_be_bytes());
        let slot = self.slot(checkpoint)?;
        for at in SLOTS {
            bytes[at..at + SLOT].copy_from_slice(&slot);
        }
        bytes.extend(&self.wrapped);
        let nonce: [u8; NONCE] = keyferry_license::random()?;
        let payload = Payload {
            msg: body,
            aad: &bytes[..COVERED],
        };
        let sealed = self.cipher()?.encrypt(&Nonce::from(nonce), payload);
        bytes.extend(nonce);
        bytes.extend(sealed.map_err(|_| keyferry_license::Error::SealBroken)?);
        let checksum = checksum(&bytes);
        bytes[COVERED..HEADER].copy_from_slice(&checksum);
        files::replace(&self.path, &bytes)
    }

    fn with_key(path: &Path, wrapped: Vec<u8>, key: &Secret32) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            wrapped,
            body_key: derive(key, b"keyferry v1 computer.key body")?,
            slot_key: derive(key, b"keyferry v1 computer.key slot")?,
        })
    }

    fn read_layout(&self, layout: &Layout<'_>) -> Result<Contents> {
        let (nonce, sealed) = layout.sealed.split_at(NONCE);
        let payload = Payload {
            msg: sealed,
            aad: layout.covered,
        };
        let body = self.cipher()?.decrypt(&Nonce::from(array(nonce)), payload);
        let body = body.map_err(|_| Error::damaged(&self.path, "its body does not open"))?;
        let (_, checkpoint) = self.newest(layout.slots)?;
        Ok(Contents {
            generation: layout.generation,
            checkpoint,
            body: Zeroizing::new(body),
        })
    }

    fn read_slots(&self, file: &mut File) -> Result<[[u8; SLOT]; 2]> {
        let mut slots = [[0; SLOT]; 2];
        for (slot, at) in slots.iter_mut().zip(SLOTS) {
            let read = file
                .seek(SeekFrom::Start(at as u64))
                .and_then(|_| file.read_exact(slot));
            read.map_err(Error::io("read", &self.path))?;
        }
        Ok(slots)
    }

    /// The slot with the higher sequence among those whose MAC holds, and which of the two it is.
    fn newest(&self, slots: [[u8; SLOT]; 2]) -> Result<(usize, Checkpoint)> {
        let read = |at: usize| {
            let (values, mac) = slots[at].split_at(SLOT - 32);
            let held = mac_holds(&self.slot_key, values, mac).unwrap_or(false);
            held.then(|| (at, Checkpoint::from_values(values)))
        };
        [0, 1]
            .into_iter()
            .filter_map(read)
            .max_by_key(|(_, checkpoint)| checkpoint.sequence)
            .ok_or_else(|| Error::damaged(&self.path, "neither of its checkpoints is whole"))
    }

    fn slot(&self, checkpoint: &Checkpoint) -> Result<[u8; SLOT]> {
        let mut slot = [0; SLOT];
        slot[..SLOT - 32].copy_from_slice(&checkpoint.values());
        let mac = mac(&self.slot_key, &slot[..SLOT - 32])?;
        slot[SLOT - 32..].copy_from_slice(&mac);
        Ok(slot)
    }

    fn cipher(&self) -> Result<Aes256Gcm> {
        let cipher = Aes256Gcm::new_from_slice(self.body_key.expose());
        cipher.map_err(|_| keyferry_license::Error::SealBroken.into())
    }
}

impl Checkpoint {
    fn values(&self) -> [u8; SLOT - 32] {
        let mut out = [0; SLOT - 32];
        out[..8].copy_from_slice(&self.sequence.to_be_bytes());
        out[8..24].copy_from_slice(&self.store);
        out[24..32].copy_from_slice(&self.counter.to_be_bytes());
        out[32..48].copy_from_slice(self.taken.as_bytes());
        out[48..64].copy_from_slice(self.barred.as_bytes());
        out
    }

    fn from_values(values: &[u8]) -> Self {
        Self {
            sequence: u64::from_be_bytes(array(&values[..8])),
            store: array(&values[8..24]),
            counter: u64::from_be_bytes(array(&values[24..32])),
            taken: LicenseId(array(&values[32..48])),
            barred: LicenseId(array(&values[48..64])),
        }
    }
}

/// The parts of a file whose lengths and checksum fit.
struct Layout<'b> {
    generation: u64,
    covered: &'b [u8],
    slots: [[u8; SLOT]; 2],
    wrapped: &'b [u8],
    sealed: &'b [u8],
}

impl<'b> Layout<'b> {
    fn parse(path: &Path, bytes: &'b [u8]) -> Result<Self> {
        let damaged = |what: &str| Err(Error::damaged(path, format!("{what}; bring back a copy of it")));
        if bytes.len() < SEALED_PART || bytes[..8] != *MAGIC {
            return damaged("it is not a computer.key");
        }
        let number = |at: usize| u32::from_be_bytes(array(&bytes[at..at + 4]));
        let (wrapped, sealed) = (number(12) as usize, number(16) as usize);
        let fits = wrapped <= WRAPPED_LIMIT && (NONCE + TAG..=FILE_LIMIT).contains(&sealed);
        let whole = fits && bytes.len() == SEALED_PART + wrapped + sealed;
        if !whole || checksum(bytes) != bytes[COVERED..HEADER] {
            return damaged("its checksum does not fit");
        }
        if number(8) != VERSION {
            return Err(Error::Newer {
                path: path.to_owned(),
                found: number(8),
                known: VERSION,
            });
        }
        let (wrapped, sealed) = bytes[SEALED_PART..].split_at(wrapped);
        Ok(Self {
            generation: u64::from_be_bytes(array(&bytes[24..32])),
            covered: &bytes[..COVERED],
            slots: SLOTS.map(|at| array(&bytes[at..at + SLOT])),
            wrapped,
            sealed,
        })
    }
}

/// SHA-256 over all that is not written in place. It tells damage from another machine; it proves nothing.
fn checksum(bytes: &[u8]) -> [u8; 32] {
    let hash = Sha256::new_with_prefix(&bytes[..COVERED]);
    hash.chain_update(&bytes[SEALED_PART..]).finalize().into()
}

/// A key for one purpose from a key of 32 uniform bytes.
pub fn derive(key: &Secret32, label: &[u8]) -> Result<Secret32> {
    let mut out = [0; 32];
    let expanded =
        Hkdf::<Sha256>::from_prk(key.expose()).is_ok_and(|hkdf| hkdf.expand(label, &mut out).is_ok());
    if expanded {
        Ok(Secret32::from_bytes(out))
    } else {
        Err(keyferry_license::Error::SealBroken.into())
    }
}

/// HMAC-SHA256.
pub fn mac(key: &Secret32, values: &[u8]) -> Result<[u8; 32]> {
    Ok(hmac(key, values)?.finalize().into_bytes().into())
}

/// Is this the HMAC-SHA256 of these values?
pub fn mac_holds(key: &Secret32, values: &[u8], mac: &[u8]) -> Result<bool> {
    Ok(hmac(key, values)?.verify_slice(mac).is_ok())
}

fn hmac(key: &Secret32, values: &[u8]) -> Result<Hmac<Sha256>> {
    let hmac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.expose());
    let hmac = hmac.map_err(|_| keyferry_license::Error::SealBroken)?;
    Ok(hmac.chain_update(values))
}

/// A slice whose length the caller has just fixed; anything else gives zeros.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}
