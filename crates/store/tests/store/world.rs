//! A folder with a computer in it, and issuers and services that exist for one test.

use std::path::PathBuf;

use keyferry_license::{
    Card, CardKey, CardKind, ContentKey, Grant, KeyId, KeyUse, LicenseId, Limits, PLAY, PublicKey,
    Revocation, RevocationList, Right, Rights, SigningSecret, Text, Thumbprint, Verified, random,
};
use keyferry_store::{Arrival, Error, FileGuard, MachineIdentity, NewLicense, Store};
use tempfile::TempDir;

pub const NOW: u64 = 1_700_000_000;

/// A home folder on one machine.
pub struct World {
    folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    pub fn store(&self) -> Store {
        self.try_store().unwrap()
    }

    pub fn try_store(&self) -> Result<Store, Error> {
        Store::open(&self.home(), &guard("this machine"))
    }

    /// The store's file as SQLite sees it, to be edited behind the store's back.
    pub fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.file("store.sqlite")).unwrap()
    }

    /// Removes the store as a person would, with what SQLite keeps beside it.
    pub fn delete_store(&self) {
        for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
            let _ = std::fs::remove_file(self.file(name));
        }
    }

    /// The bytes of both files; no store is open.
    pub fn copy(&self) -> (Vec<u8>, Vec<u8>) {
        let read = |name| std::fs::read(self.file(name)).unwrap();
        (read("computer.key"), read("store.sqlite"))
    }

    pub fn put_back(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.file(name), bytes).unwrap();
    }
}

pub fn guard(machine: &str) -> FileGuard {
    FileGuard::new(MachineIdentity::from_bytes(machine.as_bytes()))
}

/// An issuer with one key for everything.
pub struct Issuer {
    root: SigningSecret,
    pub card: Verified<Card>,
}

impl Issuer {
    pub fn new(name: &str) -> Self {
        let root = SigningSecret::generate().unwrap();
        let card = card(&root, CardKind::Issuer, name, 1);
        Self { root, card }
    }

    pub fn card_with_serial(&self, name: &str, serial: u64) -> Verified<Card> {
        card(&self.root, CardKind::Issuer, name, serial)
    }

    pub fn id(&self) -> Thumbprint {
        self.card.thumbprint()
    }

    /// A revocation list.
    pub fn list(&self, number: u64, entries: &[Revocation]) -> Verified<RevocationList> {
        let list = RevocationList {
            issuer: self.id(),
            number,
            nonce: None,
            entries: entries.to_vec(),
        };
        list.sign(&self.root).unwrap()
    }

    /// A license that may be played and saved, without limits.
    pub fn license(&self, number: u8) -> NewLicense {
        self.limited(number, Limits::default())
    }

    /// A license with these limits on Play.
    pub fn limited(&self, number: u8, limits: Limits) -> NewLicense {
        self.license_with(number, 0, &[(PLAY, limits), ("Backup", Limits::default())])
    }

    /// License and key ID follow from the number: two licenses of one number are for one key.
    pub fn license_with(&self, number: u8, priority: u16, rights: &[(&str, Limits)]) -> NewLicense {
        let license = LicenseId::new_at(NOW + u64::from(number), [number; 10]);
        self.license_named(license, number, priority, rights)
    }

    pub fn license_named(
        &self,
        license: LicenseId,
        number: u8,
        priority: u16,
        rights: &[(&str, Limits)],
    ) -> NewLicense {
        self.license_for(None, (license, key_id(number)), number, priority, rights)
    }

    /// A license that may be played and saved, given to somebody.
    pub fn given_to(&self, subject: &str, number: u8) -> NewLicense {
        let license = LicenseId::new_at(NOW + u64::from(number), [number; 10]);
        let rights = [(PLAY, Limits::default())];
        self.license_for(Some(subject), (license, key_id(number)), number, 0, &rights)
    }

    /// A license that may be played, for a key ID of its own.
    pub fn for_key(&self, key_id: KeyId, number: u8) -> NewLicense {
        let license = LicenseId::new_at(NOW + u64::from(number), [number; 10]);
        let rights = [(PLAY, Limits::default())];
        self.license_for(None, (license, key_id), number, 0, &rights)
    }

    fn license_for(
        &self,
        subject: Option<&str>,
        (license, key_id): (LicenseId, KeyId),
        number: u8,
        priority: u16,
        rights: &[(&str, Limits)],
    ) -> NewLicense {
        let key = ContentKey::from_bytes(random().unwrap());
        let right = |(action, limits): &(&str, Limits)| Right {
            action: Text::new("action", *action).unwrap(),
            limits: *limits,
        };
        let grant = Grant {
            license,
            issuer: self.id(),
            service: Thumbprint([7; 32]),
            origin: Thumbprint([8; 32]),
            key_id,
            kind: Text::new("kind", "music").unwrap(),
            rights: Rights::new(rights.iter().map(right).collect()).unwrap(),
            computers: None,
            commitment: key.commitment(&license),
            title: Text::new("title", format!("Song {number}")).unwrap(),
            priority,
            subject: subject.map(|subject| Text::new("subject", subject).unwrap()),
            parent: None,
        };
        let grant = grant.sign(&self.root).unwrap();
        NewLicense {
            grant,
            key,
            arrival: Arrival::Issued,
        }
    }
}

pub fn arriving(mut license: NewLicense, arrival: Arrival) -> NewLicense {
    license.arrival = arrival;
    license
}

pub fn key_id(number: u8) -> KeyId {
    KeyId([number; 16])
}

pub fn counted(count: u32) -> Limits {
    Limits {
        count: Some(count),
        portion: Some(count),
        ..Limits::default()
    }
}

pub fn card(root: &SigningSecret, kind: CardKind, name: &str, serial: u64) -> Verified<Card> {
    let public = PublicKey::Ed25519(root.public());
    let key = CardKey {
        usage: KeyUse::Sign,
        key: public.clone(),
        not_before: 0,
        not_after: None,
    };
    let card = Card {
        kind,
        name: Text::new("name", name).unwrap(),
        root: public,
        keys: vec![key],
        urls: Vec::new(),
        serial,
    };
    card.sign(root).unwrap()
}
