//! What computer.key says (docs/store.md section 3), and the one way to change it: under the lock, on what is there.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use keyferry_license::{
    Card, CardKey, CardKind, KemSecret, KeyUse, LicenseId, PublicKey, Secret32, SigningSecret, Text,
    Thumbprint, Verified,
};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Decoder, Encode, Encoder};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files;
use crate::guard::KeyGuard;
use crate::key_file::{Checkpoint, Contents, FILE_LIMIT, KeyFile};

/// Return keys that are kept; the oldest gives way.
const RETURN_KEYS: usize = 16;

/// A secret of the body.
#[derive(Clone)]
pub struct Secret(pub Secret32);

/// The body of computer.key.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub struct Body {
    #[n(1)]
    signing: Secret,
    #[n(2)]
    kem: Secret,
    #[n(3)]
    store_key: Secret,
    #[n(4)]
    card: ByteVec,
    /// In the order of acceptance.
    #[n(5)]
    pub roots: Vec<Root>,
    /// The newest last.
    #[n(6)]
    return_keys: Vec<ReturnKey>,
    #[n(7)]
    pub services: Vec<Service>,
}

/// An accepted root.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub struct Root {
    #[n(1)]
    pub thumbprint: Thumbprint,
    #[n(2)]
    pub card: ByteVec,
    #[n(3)]
    pub host: Option<String>,
    #[n(4)]
    pub time: u64,
}

#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct ReturnKey {
    #[n(1)]
    backup: ByteArray<16>,
    #[n(2)]
    key: Secret,
}

/// What this computer has with a service.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub struct Service {
    #[n(1)]
    pub root: Thumbprint,
    #[n(2)]
    pub certificate: Option<ByteVec>,
    #[n(3)]
    pub consent: Option<u64>,
    #[n(4)]
    pub last_request: Option<ByteArray<32>>,
    #[n(5)]
    pub last_time: Option<u64>,
}

/// The keys of a computer; they never change.
pub struct Keys {
    /// Thumbprint of the signing key.
    pub id: Thumbprint,
    /// Signs requests and backups.
    pub signing: SigningSecret,
    /// Opens what was delivered.
    pub kem: KemSecret,
    /// Content keys of the store are sealed under it.
    pub store: Secret32,
}

/// A computer as it was when computer.key was last read.
pub struct Computer {
    path: PathBuf,
    lock: PathBuf,
    file: KeyFile,
    generation: u64,
    body: Body,
    /// Of the file that was last compared with, if that spares comparing it again.
    stamp: Option<Stamp>,
}

/// What the file system says of a file: while it stays, so do the contents.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    len: u64,
    number: u64,
}

impl Stamp {
    fn of(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(Error::io("look for", path))?;
        let modified = metadata.modified().map_err(Error::io("look for", path))?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Ok(Self {
            modified,
            len: metadata.len(),
            number,
        })
    }

    /// File times are coarse: what was changed just now may be changed again under the same time.
    fn is_settled(&self) -> bool {
        self.modified
            .elapsed()
            .is_ok_and(|age| age > Duration::from_secs(5))
    }
}

impl Computer {
    /// Opens the computer of this folder, or makes one where there is neither a key nor a store. Also says whether it
    /// was made.
    pub fn open(folder: &Path, store: &Path, guard: &dyn KeyGuard) -> Result<(Self, Keys, bool)> {
        let (path, lock) = (folder.join("computer.key"), folder.join("computer.lock"));
        let held = files::lock(&lock)?;
        files::clear_replacement(&path);
        let there = path.try_exists().map_err(Error::io("look for", &path))?;
        let (file, contents) = if there {
            KeyFile::open(&path, guard)?
        } else {
            if std::fs::metadata(store).is_ok_and(|store| store.len() > 0) {
                return Err(Error::ForeignStore {
                    path: store.to_owned(),
                });
            }
            KeyFile::create(&path, guard, &encode(&Body::generate()?))?
        };
        drop(held);
        let body = decode(&path, &contents)?;
        let signing = SigningSecret::from_seed(body.signing.0.clone());
        let keys = Keys {
            id: signing.public().thumbprint(),
            signing,
            kem: KemSecret::from_seed(body.kem.0.clone()),
            store: body.store_key.0.clone(),
        };
        let generation = contents.generation;
        let computer = Self {
            path,
            lock,
            file,
            generation,
            body,
            stamp: None,
        };
        Ok((computer, keys, !there))
    }

    /// Takes up what another process changed.
    pub fn refresh(&mut self) -> Result<&Body> {
        let stamp = Stamp::of(&self.path)?;
        if self.stamp != Some(stamp) {
            if self.file.generation()? != self.generation {
                let contents = self.file.read()?;
                self.take_up(&contents)?;
            }
            self.stamp = stamp.is_settled().then_some(stamp);
        }
        Ok(&self.body)
    }

    /// Changes the body and the marks, durably: what is there is read again under the lock, so that nothing that
    /// another process wrote is lost. Nothing is written when `change` leaves both as they are.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Body, &mut Checkpoint) -> Result<T>) -> Result<T> {
        let held = files::lock(&self.lock)?;
        let contents = self.file.read()?;
        self.take_up(&contents)?;
        let (mut body, mut checkpoint) = (self.body.clone(), contents.checkpoint);
        let answer = change(&mut body, &mut checkpoint)?;
        let encoded = encode(&body);
        if *encoded != *contents.body || checkpoint != contents.checkpoint {
            let generation = contents.generation.saturating_add(1);
            self.file.replace(generation, &checkpoint, &encoded)?;
            self.generation = generation;
            self.body = body;
        }
        drop(held);
        Ok(answer)
    }

    /// The checkpoint as it is now.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let _held = files::lock(&self.lock)?;
        self.file.checkpoint()
    }

    /// Raises the checkpoint in place.
    pub fn raise(&self, durable: bool, change: impl FnOnce(&mut Checkpoint)) -> Result<Checkpoint> {
        let _held = files::lock(&self.lock)?;
        self.file.raise(durable, change)
    }

    fn take_up(&mut self, contents: &Contents) -> Result<()> {
        self.body = decode(&self.path, contents)?;
        self.generation = contents.generation;
        Ok(())
    }
}

impl Body {
    /// A new computer, called after its ID until somebody names it.
    fn generate() -> Result<Self> {
        let (signing, kem) = (SigningSecret::generate()?, KemSecret::generate()?);
        let name = format!("Computer {}", signing.public().thumbprint().short());
        let card = sign_card(&signing, &kem, &name, 1)?;
        Ok(Self {
            signing: Secret(signing.seed().clone()),
            kem: Secret(kem.seed().clone()),
            store_key: Secret(Secret32::generate()?),
            card: card.as_bytes().to_vec().into(),
            roots: Vec::new(),
            return_keys: Vec::new(),
            services: Vec::new(),
        })
    }

    /// The computer's own card.
    pub fn card(&self) -> Result<Verified<Card>> {
        Ok(Card::verify(&self.card)?)
    }

    /// Signs a card with another name and the next serial.
    pub fn rename(&mut self, name: &str) -> Result<()> {
        let before = self.card()?;
        if *before.name == *name {
            return Ok(());
        }
        let signing = SigningSecret::from_seed(self.signing.0.clone());
        let kem = KemSecret::from_seed(self.kem.0.clone());
        let card = sign_card(&signing, &kem, name, before.serial.saturating_add(1))?;
        self.card = card.as_bytes().to_vec().into();
        Ok(())
    }

    /// The return key of a backup.
    pub fn return_key(&self, backup: &[u8; 16]) -> Option<Secret32> {
        let found = self.return_keys.iter().find(|row| *row.backup == *backup);
        found.map(|row| row.key.0.clone())
    }

    /// Keeps a return key beside the sixteen newest others. The oldest goes only with the next one: a backup that fails
    /// takes its own key back and has cost no other.
    pub fn add_return_key(&mut self, backup: [u8; 16], key: &Secret32) {
        self.remove_return_key(&backup);
        let too_many = self.return_keys.len().saturating_sub(RETURN_KEYS);
        self.return_keys.drain(..too_many);
        self.return_keys.push(ReturnKey {
            backup: backup.into(),
            key: Secret(key.clone()),
        });
    }

    /// Forgets the return key of one backup.
    pub fn remove_return_key(&mut self, backup: &[u8; 16]) {
        self.return_keys.retain(|row| *row.backup != *backup);
    }

    /// Forgets all return keys; from now on the licenses that were ever taken are barred.
    pub fn forget_return_keys(&mut self, marks: &mut Checkpoint) {
        self.return_keys.clear();
        marks.barred = marks.barred.max(marks.taken);
    }

    /// What this computer has with a service, if anything.
    pub fn service(&self, root: &Thumbprint) -> Option<&Service> {
        self.services.iter().find(|service| service.root == *root)
    }

    /// The same, to be changed.
    pub fn service_mut(&mut self, root: &Thumbprint) -> &mut Service {
        let at = self.services.iter().position(|service| service.root == *root);
        let at = at.unwrap_or(self.services.len());
        if at == self.services.len() {
            self.services.push(Service {
                root: *root,
                certificate: None,
                consent: None,
                last_request: None,
                last_time: None,
            });
        }
        &mut self.services[at]
    }
}

/// No mark stands for no license at all.
pub fn mark(id: LicenseId) -> Option<LicenseId> {
    (id != LicenseId::default()).then_some(id)
}

fn sign_card(signing: &SigningSecret, kem: &KemSecret, name: &str, serial: u64) -> Result<Verified<Card>> {
    let key = |usage, key| CardKey {
        usage,
        key,
        not_before: 0,
        not_after: None,
    };
    let root = PublicKey::Ed25519(signing.public());
    let card = Card {
        kind: CardKind::Computer,
        name: Text::new("name", name)?,
        keys: vec![
            key(KeyUse::Sign, root.clone()),
            key(KeyUse::Seal, PublicKey::XWing(kem.public()?)),
        ],
        root,
        urls: Vec::new(),
        serial,
    };
    Ok(card.sign(signing)?)
}

fn decode(path: &Path, contents: &Contents) -> Result<Body> {
    let body = minicbor::decode(&contents.body);
    body.map_err(|error| Error::damaged(path, format!("its body can't be read: {error}")))
}

/// Into a buffer of the right size, so that no copy of a secret stays behind in a smaller one.
fn encode(body: &Body) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(FILE_LIMIT));
    // Writing to a Vec can't fail.
    let _ = Encoder::new(&mut *out).encode(body);
    out
}

impl<C> Encode<C> for Secret {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.expose())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Secret {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?.try_into();
        let bytes =
            bytes.map_err(|_| minicbor::decode::Error::message("a secret that is not 32 bytes long"))?;
        Ok(Self(Secret32::from_bytes(bytes)))
    }
}
