//! The service's own keys and its card: two files in its folder, apart from the ledger.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use keyferry_license::{
    Card, CardKey, CardKind, KemSecret, KeyUse, PublicKey, Secret32, SigningSecret, Text, Thumbprint,
    Verified, armor, decode_exact, encode,
};
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};

/// The keys, in PEM armor, mode 0600.
pub const KEY_FILE: &str = "service.key";
/// The card, in PEM armor.
pub const CARD_FILE: &str = "service.card";
/// Label of the armor of [`KEY_FILE`].
pub const SERVICE_KEY: &str = "KEYFERRY SERVICE KEY";

/// The service's secrets: the root that signs its card, the key that signs receipts, and the one that escrows are
/// sealed for. Wiped when dropped, never shown.
#[derive(Debug)]
pub struct ServiceKeys {
    root: SigningSecret,
    signing: SigningSecret,
    escrow: KemSecret,
    created: u64,
    /// Made just now: no card was ever given away.
    new: bool,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[cbor(n(1), with = "minicbor::bytes")]
    root: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    signing: [u8; 32],
    #[cbor(n(3), with = "minicbor::bytes")]
    escrow: [u8; 32],
    #[n(4)]
    created: u64,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.root.zeroize();
        self.signing.zeroize();
        self.escrow.zeroize();
    }
}

impl ServiceKeys {
    /// Fresh keys.
    pub fn generate(now: u64) -> Result<Self> {
        Ok(Self {
            root: SigningSecret::generate()?,
            signing: SigningSecret::generate()?,
            escrow: KemSecret::generate()?,
            created: now,
            new: true,
        })
    }

    /// The keys of this folder; made at the first start.
    pub fn open(dir: &Path, now: u64) -> Result<Self> {
        let path = dir.join(KEY_FILE);
        match fs::read(&path) {
            Ok(text) => Self::from_armor(&Zeroizing::new(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let keys = Self::generate(now)?;
                if create_secret(dir, &path, keys.to_armor()?.as_bytes())? {
                    return Ok(keys);
                }
                let text = fs::read(&path).map_err(Error::file("read", &path))?;
                Self::from_armor(&Zeroizing::new(text))
            }
            Err(error) => Err(Error::file("read", &path)(error)),
        }
    }

    /// Names the service: the thumbprint of its root.
    pub fn thumbprint(&self) -> Thumbprint {
        self.root.public().thumbprint()
    }

    /// Signs receipts.
    pub fn signing(&self) -> &SigningSecret {
        &self.signing
    }

    /// Opens escrows.
    pub fn escrow(&self) -> &KemSecret {
        &self.escrow
    }

    /// The card of this folder, written anew under a higher serial where name or address changed.
    pub fn card(&self, dir: &Path, name: &str, url: &str, now: u64) -> Result<Verified<Card>> {
        let path = dir.join(CARD_FILE);
        let known = match fs::read(&path) {
            Ok(text) => Some(Card::verify(&armor::single(armor::CARD, &text)?)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let known = known.filter(|card| card.thumbprint() == self.thumbprint());
        let serial = match &known {
            Some(card) if says(card, name, url) => return Ok(card.clone()),
            Some(card) => card.serial.saturating_add(1),
            None if self.new => 1,
            // The old card is gone: the time is higher than any serial that was counted up from 1.
            None => now.max(2),
        };
        let card = self.sign_card(name, url, serial)?;
        let text = armor::write(armor::CARD, card.as_bytes())?;
        replace(dir, &path, text.as_bytes())?;
        Ok(card)
    }

    fn sign_card(&self, name: &str, url: &str, serial: u64) -> Result<Verified<Card>> {
        let key = |usage, key| CardKey {
            usage,
            key,
            not_before: self.created,
            not_after: None,
        };
        let card = Card {
            kind: CardKind::Service,
            name: Text::new("name of the service", name)?,
            root: PublicKey::Ed25519(self.root.public()),
            keys: vec![
                key(KeyUse::Sign, PublicKey::Ed25519(self.signing.public())),
                key(KeyUse::Seal, PublicKey::XWing(self.escrow.public()?)),
            ],
            urls: vec![Text::new("URL of the service", url)?],
            serial,
        };
        Ok(card.sign(&self.root)?)
    }

    fn to_armor(&self) -> Result<Zeroizing<String>> {
        let stored = Stored {
            root: *self.root.seed().expose(),
            signing: *self.signing.seed().expose(),
            escrow: *self.escrow.seed().expose(),
            created: self.created,
        };
        let bytes = Zeroizing::new(encode(&stored));
        Ok(Zeroizing::new(armor::write(SERVICE_KEY, &bytes)?))
    }

    fn from_armor(text: &[u8]) -> Result<Self> {
        let block = Zeroizing::new(armor::single(SERVICE_KEY, text)?);
        let stored: Stored = decode_exact("service key", &block, 1024)?;
        Ok(Self {
            root: SigningSecret::from_seed(Secret32::from_bytes(stored.root)),
            signing: SigningSecret::from_seed(Secret32::from_bytes(stored.signing)),
            escrow: KemSecret::from_seed(Secret32::from_bytes(stored.escrow)),
            created: stored.created,
            new: false,
        })
    }
}

fn says(card: &Card, name: &str, url: &str) -> bool {
    *card.name == *name && card.urls.first().is_some_and(|first| **first == *url)
}

/// Writes a secret that must not be there yet; false where another process was faster. The file is whole or absent.
fn create_secret(dir: &Path, path: &Path, text: &[u8]) -> Result<bool> {
    let temporary = write_temporary(dir, path, text, 0o600)?;
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        linked => linked.map_err(Error::file("create", path))?,
    }
    removed.map_err(Error::file("remove", &temporary))?;
    sync_folder(dir)?;
    Ok(true)
}

/// Replaces a file; it is the old one or the new one at every instant.
fn replace(dir: &Path, path: &Path, text: &[u8]) -> Result<()> {
    let temporary = write_temporary(dir, path, text, 0o644)?;
    fs::rename(&temporary, path).map_err(Error::file("write", path))?;
    sync_folder(dir)
}

fn write_temporary(dir: &Path, path: &Path, text: &[u8], mode: u32) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(not(unix))]
    let _ = mode;
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options
        .open(&temporary)
        .map_err(Error::file("create", &temporary))?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    written.map_err(Error::file("write", &temporary))?;
    Ok(temporary)
}

#[cfg(unix)]
fn sync_folder(dir: &Path) -> Result<()> {
    let synced = fs::File::open(dir).and_then(|folder| folder.sync_all());
    synced.map_err(Error::file("write", dir))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}
