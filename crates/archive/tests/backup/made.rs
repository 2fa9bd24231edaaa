//! Cards, grants and backups for tests and for the generator of the vectors: always the same for the same seed.

use std::io::Cursor;

use keyferry_archive::{
    BackupId, Encryption, Header, LastReceipt, Parity, ServiceSeal, Summary, Writer, protect,
};
use keyferry_license::{
    BACKUP, Card, CardKey, CardKind, Commitment, Encapsulation, Grant, KemSecret, KeyId, KeyUse, LicenseId,
    PLAY, PublicKey, Right, Rights, SealedKey, Secret32, SigningSecret, Suite, Text, Verified, encode,
};

pub const NOW: u64 = 1_790_000_000;
/// Of all vectors with a passphrase.
pub const PASSPHRASE: &str = "correct horse battery staple";
/// Of all vectors with recipients: thirty-two bytes of 0x42.
pub const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// A small generator of bytes (xorshift64*): the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 16) % end.max(1) as u64) as usize
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for chunk in out.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        out
    }
}

pub fn secret(seed: u8) -> SigningSecret {
    SigningSecret::from_seed(Secret32::from_bytes([seed; 32]))
}

/// The key of the computer whose backups are made here.
pub fn computer_secret() -> SigningSecret {
    secret(1)
}

pub fn card(kind: CardKind, name: &str, seed: u8) -> Verified<Card> {
    let root = secret(seed);
    let mut keys = vec![CardKey {
        usage: KeyUse::Sign,
        key: PublicKey::Ed25519(root.public()),
        not_before: NOW,
        not_after: None,
    }];
    if kind != CardKind::Issuer {
        let kem = KemSecret::from_seed(Secret32::from_bytes([seed ^ 0x80; 32]));
        keys.push(CardKey {
            usage: KeyUse::Seal,
            key: PublicKey::XWing(kem.public().unwrap()),
            not_before: NOW,
            not_after: None,
        });
    }
    let card = Card {
        kind,
        name: Text::new("name", name).unwrap(),
        root: PublicKey::Ed25519(root.public()),
        keys,
        urls: Vec::new(),
        serial: 1,
    };
    card.sign(&root).unwrap()
}

pub fn header(backup: u8) -> Header {
    header_with(backup, 1)
}

pub fn header_with(backup: u8, services: u8) -> Header {
    let services: Vec<_> = (0..services)
        .map(|n| card(CardKind::Service, &format!("Service {n}"), 100 + n))
        .collect();
    let seal = |card: &Verified<Card>| ServiceSeal {
        service: card.thumbprint(),
        suite: Suite::XWingHkdfSha256,
        enc: Encapsulation::from_bytes(&Dice::new(u64::from(backup)).bytes::<1120>()).unwrap(),
    };
    let receipt = |card: &Verified<Card>| LastReceipt {
        service: card.thumbprint(),
        request: [7; 32],
        time: NOW - 1,
    };
    Header {
        backup: BackupId([backup; 16]),
        created: NOW,
        computer: card(CardKind::Computer, "Old laptop", 1),
        issuers: vec![card(CardKind::Issuer, "A publisher", 50)],
        seals: services.iter().map(seal).collect(),
        receipts: services.iter().take(1).map(receipt).collect(),
        services,
    }
}

/// A license as it is in a backup, with what is random in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub grant: Vec<u8>,
    pub escrow: SealedKey,
    pub returning: Option<SealedKey>,
}

/// The payload of a grant of usual length.
pub fn grant(n: u64, header: &Header, dice: &mut Dice) -> Grant {
    let right = |action: &str| Right {
        action: Text::new("action", action).unwrap(),
        limits: Default::default(),
    };
    Grant {
        license: LicenseId::new_at(NOW + n / 1000, dice.bytes()),
        issuer: header.issuers[0].thumbprint(),
        service: header.services[0].thumbprint(),
        origin: header.computer.thumbprint(),
        key_id: KeyId(dice.bytes()),
        kind: Text::new("kind", "music").unwrap(),
        rights: Rights::new(vec![right(PLAY), right(BACKUP)]).unwrap(),
        computers: None,
        commitment: Commitment(dice.bytes()),
        title: Text::new("title", format!("Licensed work number {n}")).unwrap(),
        priority: 0,
        subject: None,
        parent: None,
    }
}

/// A license with a valid signature.
pub fn license(n: u64, header: &Header) -> Owned {
    let mut dice = Dice::new(1000 + n);
    let grant = grant(n, header, &mut dice).sign(&secret(50)).unwrap();
    Owned {
        grant: grant.as_bytes().to_vec(),
        escrow: SealedKey(dice.bytes()),
        returning: (n % 3 != 2).then(|| SealedKey(dice.bytes())),
    }
}

/// A license of the same length and entropy whose signature is made up: for counting bytes, not for verifying.
pub fn unsigned_license(n: u64, header: &Header, dice: &mut Dice, out: &mut Vec<u8>) -> usize {
    let payload = encode(&grant(n, header, dice));
    let start = out.len();
    let mut e = minicbor::Encoder::new(&mut *out);
    let tag = minicbor::data::Tag::new(18);
    let protected = [
        &[0xa2, 0x01, 0x32, 0x10, 0x78, 35][..],
        b"application/vnd.keyferry.grant+cose",
    ]
    .concat();
    e.tag(tag)
        .unwrap()
        .array(4)
        .unwrap()
        .bytes(&protected)
        .unwrap()
        .map(0)
        .unwrap();
    e.bytes(&payload).unwrap().bytes(&dice.bytes::<64>()).unwrap();
    out.len() - start
}

/// A document that compresses neither too well nor too badly.
pub fn document(n: u64, len: usize) -> Vec<u8> {
    let mut dice = Dice::new(n);
    (0..len).map(|_| b"{}\",: abcdefgh"[dice.below(14)]).collect()
}

/// Layers 1 and 2 of a backup of so many licenses.
pub fn inner(header: &Header, licenses: u64, encryption: &Encryption) -> Vec<u8> {
    let mut writer = Writer::encrypted(Vec::new(), header, encryption).unwrap();
    for n in 0..licenses {
        let license = license(n, header);
        writer
            .push_license(&license.grant, &license.escrow, license.returning.as_ref())
            .unwrap();
    }
    writer.finish_inner(&computer_secret()).unwrap().0
}

/// A backup with parity, of its layers 1 and 2.
pub fn protected(inner: &[u8], parity: Parity) -> Vec<u8> {
    let mut file = Cursor::new(inner.to_vec());
    let len = protect(&mut file, parity).unwrap();
    assert_eq!(file.get_ref().len() as u64, len);
    file.into_inner()
}

/// A backup of so many licenses and of documents of these lengths.
pub fn backup(header: &Header, licenses: u64, documents: &[usize]) -> (Vec<u8>, Summary) {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for n in 0..licenses {
        let license = license(n, header);
        writer
            .push_license(&license.grant, &license.escrow, license.returning.as_ref())
            .unwrap();
    }
    for (n, len) in documents.iter().enumerate() {
        writer
            .push_document(&format!("document {n}.lcpl"), "lcp", &document(n as u64, *len))
            .unwrap();
    }
    writer.finish(&computer_secret()).unwrap()
}
