//! What a reader makes of bytes, in owned values that can be compared.

use std::io::Cursor;

use keyferry_archive::{
    Damage, Encrypted, Error, FooterState, Item, Passphrase, Protection, Reader, Record, Tally, Unlock,
};

use crate::made::{IDENTITY, PASSPHRASE};

/// A record of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given(pub Vec<u8>);

/// Everything that a reader says.
#[derive(Debug)]
pub struct Seen {
    pub records: Vec<Given>,
    pub damages: Vec<Damage>,
    pub footer: FooterState,
    pub tally: Tally,
    /// Names of what is lost.
    pub lost: Vec<String>,
    /// What the parity did, if anything was damaged that it covers.
    pub repaired: Option<Protection>,
}

impl Seen {
    /// Does it say that nothing is wrong?
    pub fn is_whole(&self) -> bool {
        let FooterState::Signed { licenses, documents } = self.footer else {
            return false;
        };
        let counts = (self.tally.licenses, self.tally.documents);
        self.damages.is_empty() && self.repaired.is_none() && counts == (licenses, documents)
    }
}

/// Opens it; if it is encrypted, with the secrets of the vectors.
pub fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Error> {
    Reader::open_with(Cursor::new(bytes), |encrypted| Ok(unlock(encrypted)))
}

pub fn unlock(encrypted: &Encrypted) -> Unlock {
    match encrypted {
        Encrypted::Passphrase { .. } => Unlock::Passphrase(Passphrase::new(PASSPHRASE.into()).unwrap()),
        _ => Unlock::Identities(vec![IDENTITY.parse().unwrap()]),
    }
}

/// Reads all that can be read.
pub fn read(bytes: &[u8]) -> Result<Seen, Error> {
    read_open(&mut open(bytes)?)
}

/// The same of a backup that is open. What a fuzzer calls.
pub fn read_open(reader: &mut Reader<Cursor<&[u8]>>) -> Result<Seen, Error> {
    let footer = reader.footer().clone();
    let mut damages = reader.findings().to_vec();
    let (mut given, mut lost) = (Vec::new(), Vec::new());
    let mut records = reader.records()?;
    while let Some(item) = records.next_item() {
        match item {
            Item::Record(record) => given.push(encoded(&record)),
            Item::Damage(damage) => damages.push(damage),
            Item::Lost(name) => lost.push(name.title.to_owned()),
        }
    }
    let tally = records.tally();
    let seen = Seen {
        records: given,
        damages,
        footer,
        tally,
        lost,
        repaired: reader.repaired(),
    };
    // One verdict, whichever way it is asked for.
    assert_eq!(reader.check_whole().is_ok(), seen.is_whole());
    Ok(seen)
}

pub fn encoded(record: &Record<'_>) -> Given {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    let (again, len) = Record::decode(&bytes).unwrap();
    assert_eq!((&again, len), (record, bytes.len()));
    Given(bytes)
}

/// Every record that was given is one of the original, in its order, and none twice.
pub fn assert_part_of(given: &[Given], original: &[Given]) {
    let mut rest = original.iter();
    for record in given {
        assert!(rest.any(|one| one == record), "a record that was never written");
    }
}
