//! The service's own keys and its card: two files in its folder, apart from the ledger (docs/operations.md, "Keys and
//! recovery"). Keys change; those that were replaced stay, to verify and to open.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use keyferry_license::{
    Card, CardKey, CardKind, KemSecret, KeyUse, PublicKey, SigningSecret, Text, Thumbprint, Verified, armor,
};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files;

mod stored;

/// The keys, in PEM armor, mode 0600.
pub const KEY_FILE: &str = "service.key";
/// The card, in PEM armor.
pub const CARD_FILE: &str = "service.card";
/// Label of the armor of [`KEY_FILE`].
pub const SERVICE_KEY: &str = "KEYFERRY SERVICE KEY";

/// As many as a card has room for.
const MOST_KEYS: usize = 32;
/// Locked while keys change.
const LOCK_FILE: &str = "rotate.lock";

/// The service's secrets: the root that signs its card, the keys that sign receipts, and those that escrows are sealed
/// for, in the order of the card. Wiped when dropped, never shown.
#[derive(Debug)]
pub struct ServiceKeys {
    root: SigningSecret,
    keys: Vec<ServiceKey>,
    /// Made just now: no card was ever given away.
    new: bool,
}

/// One key, and when it is used.
#[derive(Debug)]
struct ServiceKey {
    secret: KeySecret,
    not_before: u64,
    not_after: Option<u64>,
}

#[derive(Debug)]
enum KeySecret {
    Sign(SigningSecret),
    Seal(KemSecret),
}

impl KeySecret {
    fn generate(usage: KeyUse) -> Result<Self> {
        Ok(match usage {
            KeyUse::Sign => Self::Sign(SigningSecret::generate()?),
            KeyUse::Seal => Self::Seal(KemSecret::generate()?),
        })
    }

    fn usage(&self) -> KeyUse {
        match self {
            Self::Sign(_) => KeyUse::Sign,
            Self::Seal(_) => KeyUse::Seal,
        }
    }

    fn public(&self) -> Result<PublicKey> {
        Ok(match self {
            Self::Sign(key) => PublicKey::Ed25519(key.public()),
            Self::Seal(key) => PublicKey::XWing(key.public()?),
        })
    }
}

impl ServiceKey {
    fn is_retired(&self, now: u64) -> bool {
        self.not_after.is_some_and(|end| end <= now)
    }

    fn has_begun(&self, now: u64) -> bool {
        self.not_before <= now
    }
}

impl ServiceKeys {
    /// Fresh keys.
    pub fn generate(now: u64) -> Result<Self> {
        let key = |usage| {
            Ok(ServiceKey {
                secret: KeySecret::generate(usage)?,
                not_before: now,
                not_after: None,
            })
        };
        Ok(Self {
            root: SigningSecret::generate()?,
            keys: [KeyUse::Sign, KeyUse::Seal]
                .into_iter()
                .map(key)
                .collect::<Result<_>>()?,
            new: true,
        })
    }

    /// The keys of this folder; made at the first start, when there is no card either.
    pub fn open(dir: &Path, now: u64) -> Result<Self> {
        if let Some(keys) = Self::read(dir)? {
            return Ok(keys);
        }
        if dir.join(CARD_FILE).exists() {
            // Another process may just have made both.
            let gone = || Error::KeysGone { dir: dir.to_owned() };
            return Self::read(dir)?.ok_or_else(gone);
        }
        let keys = Self::generate(now)?;
        let path = dir.join(KEY_FILE);
        if files::create_secret(dir, &path, keys.to_armor()?.as_bytes())? {
            return Ok(keys);
        }
        // Another process was faster.
        Self::read(dir)?.ok_or_else(|| Error::file("read", &path)(ErrorKind::NotFound.into()))
    }

    /// The keys of this folder, if it has any.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(KEY_FILE);
        match fs::read(&path) {
            Ok(text) => Self::from_armor(&Zeroizing::new(text)).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", &path)(error)),
        }
    }

    /// Names the service: the thumbprint of its root.
    pub fn thumbprint(&self) -> Thumbprint {
        self.root.public().thumbprint()
    }

    /// Signs receipts at this time (Unix seconds): the newest key that has begun and is not retired. Of a clock before
    /// all of them the first to begin.
    pub fn signing(&self, now: u64) -> &SigningSecret {
        let signing = || {
            self.keys.iter().filter_map(|key| match &key.secret {
                KeySecret::Sign(secret) => Some((key, secret)),
                KeySecret::Seal(_) => None,
            })
        };
        let current = signing()
            .filter(|(key, _)| key.has_begun(now) && !key.is_retired(now))
            .max_by_key(|(key, _)| key.not_before);
        let current = current.or_else(|| signing().min_by_key(|(key, _)| key.not_before));
        // Reading refuses a file without a key to sign.
        current.map_or(&self.root, |(_, secret)| secret)
    }

    /// Open escrows, in the order of the card; all there ever were.
    pub fn escrows(&self) -> impl Iterator<Item = &KemSecret> {
        self.keys.iter().filter_map(|key| match &key.secret {
            KeySecret::Seal(secret) => Some(secret),
            KeySecret::Sign(_) => None,
        })
    }

    /// Adds a new key for each of these uses, from `not_before` on (Unix seconds); the one before it is retired then.
    fn rotate(&mut self, uses: &[KeyUse], not_before: u64, now: u64) -> Result<()> {
        let refused = |field, why: String| Err(Error::Config { field, why });
        if not_before < now {
            return refused("not before", "a new key can't begin in the past".into());
        }
        if self.keys.len() + uses.len() > MOST_KEYS {
            return refused(
                "key",
                format!("a card has room for {MOST_KEYS} keys, and all of them stay listed"),
            );
        }
        for usage in uses {
            let mut others = self.keys.iter_mut().filter(|key| key.secret.usage() == *usage);
            if let Some(waiting) = others.find(|key| !key.has_begun(now)) {
                let why = format!("a new one begins at {} already: wait for it", waiting.not_before);
                return refused("key", why);
            }
        }
        for usage in uses {
            let current = self.keys.iter_mut().filter(|key| key.secret.usage() == *usage);
            for key in current.filter(|key| key.not_after.is_none()) {
                key.not_after = Some(not_before);
            }
            self.keys.push(ServiceKey {
                secret: KeySecret::generate(*usage)?,
                not_before,
                not_after: None,
            });
        }
        // Nobody seals for a key that is yet to come: it stands behind the one that is used until then.
        self.keys.sort_by_key(|key| {
            let place = match (key.is_retired(now), key.has_begun(now)) {
                (false, true) => 0,
                (false, false) => 1,
                (true, _) => 2,
            };
            (place, std::cmp::Reverse(key.not_before))
        });
        Ok(())
    }

    /// The card of this folder, written anew under a higher serial where name, address or keys changed.
    pub fn card(&self, dir: &Path, name: &str, url: &str, now: u64) -> Result<Verified<Card>> {
        let known = read_card(dir)?.filter(|card| card.thumbprint() == self.thumbprint());
        let serial = match &known {
            Some(card) if self.is_said_by(card, name, url)? => return Ok(card.clone()),
            Some(card) => card.serial.saturating_add(1),
            None if self.new => 1,
            // The old card is gone: the time is higher than any serial that was counted up from 1.
            None => now.max(2),
        };
        let card = self.sign_card(name, url, serial)?;
        let text = armor::write(armor::CARD, card.as_bytes())?;
        files::replace(dir, &dir.join(CARD_FILE), text.as_bytes(), 0o644)?;
        Ok(card)
    }

    /// Does this card list these keys and no others?
    pub(crate) fn are_in(&self, card: &Verified<Card>) -> Result<bool> {
        Ok(card.thumbprint() == self.thumbprint() && card.keys == self.card_keys()?)
    }

    fn is_said_by(&self, card: &Card, name: &str, url: &str) -> Result<bool> {
        let says = *card.name == *name && card.urls.first().is_some_and(|first| **first == *url);
        Ok(says && card.keys == self.card_keys()?)
    }

    fn card_keys(&self) -> Result<Vec<CardKey>> {
        let key = |key: &ServiceKey| {
            Ok(CardKey {
                usage: key.secret.usage(),
                key: key.secret.public()?,
                not_before: key.not_before,
                not_after: key.not_after,
            })
        };
        self.keys.iter().map(key).collect()
    }

    fn sign_card(&self, name: &str, url: &str, serial: u64) -> Result<Verified<Card>> {
        let card = Card {
            kind: CardKind::Service,
            name: Text::new("name of the service", name)?,
            root: PublicKey::Ed25519(self.root.public()),
            keys: self.card_keys()?,
            urls: vec![Text::new("URL of the service", url)?],
            serial,
        };
        Ok(card.sign(&self.root)?)
    }
}

/// The card of this folder, if it has one.
pub fn read_card(dir: &Path) -> Result<Option<Verified<Card>>> {
    let path = dir.join(CARD_FILE);
    match fs::read(&path) {
        Ok(text) => Ok(Some(Card::verify(&armor::single(armor::CARD, &text)?)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", &path)(error)),
    }
}

/// Adds a new key for each of these uses to the folder's keys, from `not_before` on (Unix seconds), and writes the card that
/// lists it. A service that runs takes both up by itself.
pub fn rotate(dir: &Path, uses: &[KeyUse], not_before: u64, now: u64) -> Result<Verified<Card>> {
    let missing = |file: &str| Error::Config {
        field: "dir",
        why: format!("there is no {file} in {}: start the service once", dir.display()),
    };
    if !dir.join(KEY_FILE).exists() {
        return Err(missing(KEY_FILE));
    }
    let _lock = lock(dir)?;
    let mut keys = ServiceKeys::read(dir)?.ok_or_else(|| missing(KEY_FILE))?;
    let card = read_card(dir)?.ok_or_else(|| missing(CARD_FILE))?;
    keys.rotate(uses, not_before, now)?;
    let path = dir.join(KEY_FILE);
    // The key is durable before anybody can seal for it.
    files::replace(dir, &path, keys.to_armor()?.as_bytes(), 0o600)?;
    let url = card.urls.first().map(|url| url.to_string()).unwrap_or_default();
    keys.card(dir, &card.name, &url, now)
}

/// One at a time: a key that is in the card and in no file would be lost.
fn lock(dir: &Path) -> Result<fs::File> {
    let path = dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(&path).map_err(Error::file("open", &path))?;
    file.lock().map_err(Error::file("lock", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
