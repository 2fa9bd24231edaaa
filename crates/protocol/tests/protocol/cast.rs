//! Who takes part: an issuer, a service and a computer, with keys from fixed seeds.

use keyferry_license::{
    BACKUP, Card, CardKey, CardKind, Commitment, ContentKey, Encapsulation, Grant, KemSecret, KeyId, KeyUse,
    LicenseId, Limits, PLAY, PublicKey, Right, Rights, SealedKey, Secret32, SigningSecret, Text, Verified,
};
use keyferry_protocol::{
    Delivery, Entry, Individualize, Item, LastReceipt, Page, Reason, Receipt, Request, Restore, Verdict,
};

pub const NOW: u64 = 1_790_000_000;

pub fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new("text", text).unwrap()
}

pub fn signing(seed: u8) -> SigningSecret {
    SigningSecret::from_seed(Secret32::from_bytes([seed; 32]))
}

pub fn kem(seed: u8) -> KemSecret {
    KemSecret::from_seed(Secret32::from_bytes([seed; 32]))
}

pub fn issuer_key() -> SigningSecret {
    signing(1)
}

pub fn service_key() -> SigningSecret {
    signing(2)
}

pub fn computer_key() -> SigningSecret {
    signing(3)
}

pub fn card_of(kind: CardKind, name: &str, key: &SigningSecret, serial: u64) -> Verified<Card> {
    let card_key = |usage, key| CardKey {
        usage,
        key,
        not_before: NOW,
        not_after: None,
    };
    let seal = PublicKey::XWing(kem(9).public().unwrap());
    let card = Card {
        kind,
        name: text(name),
        root: PublicKey::Ed25519(key.public()),
        keys: vec![
            card_key(KeyUse::Sign, PublicKey::Ed25519(key.public())),
            card_key(KeyUse::Seal, seal),
        ],
        urls: vec![text("https://licenses.example")],
        serial,
    };
    card.sign(key).unwrap()
}

pub fn service_card() -> Verified<Card> {
    card_of(CardKind::Service, "Harbor Licenses", &service_key(), 1)
}

pub fn issuer_card() -> Verified<Card> {
    card_of(CardKind::Issuer, "Northwind Audio", &issuer_key(), 1)
}

pub fn computer_card() -> Verified<Card> {
    card_of(CardKind::Computer, "new-laptop", &computer_key(), 1)
}

pub fn content_key(n: u8) -> ContentKey {
    ContentKey::from_bytes([n; 16])
}

pub fn grant(n: u8) -> Verified<Grant> {
    let license = LicenseId::new_at(NOW, [n; 10]);
    let right = |action| Right {
        action: text(action),
        limits: Limits::default(),
    };
    let commitment: Commitment = content_key(n).commitment(&license);
    let grant = Grant {
        license,
        issuer: issuer_key().public().thumbprint(),
        service: service_key().public().thumbprint(),
        origin: signing(7).public().thumbprint(),
        key_id: KeyId([n; 16]),
        kind: text("book"),
        rights: Rights::new(vec![right(PLAY), right(BACKUP)]).unwrap(),
        computers: None,
        commitment,
        title: text("Tides and Tables"),
        priority: 0,
        subject: None,
        parent: None,
    };
    grant.sign(&issuer_key()).unwrap()
}

pub fn enc() -> Encapsulation {
    Encapsulation::from_bytes(&[0xe5; Encapsulation::LEN]).unwrap()
}

pub fn restore(count: u8) -> Restore {
    let item = |n: u8| Item {
        grant: grant(n).as_bytes().to_vec(),
        escrow: SealedKey([n; 32]),
    };
    Restore::new(enc(), (0..count).map(item).collect())
}

pub fn individualize() -> Individualize {
    Individualize {
        card: computer_card().as_bytes().to_vec(),
        consent: NOW - 5,
    }
}

/// A request of this kind; a restore has a one-time key.
pub fn request<B: minicbor::Encode<()>>(kind: &str, body: &B) -> Request {
    let one_time = (kind == keyferry_protocol::kind::RESTORE).then(|| kem(8).public().unwrap());
    Request {
        nonce: [0x11; 16],
        operation: [0x22; 16],
        service: service_key().public().thumbprint(),
        computer: computer_key().public().thumbprint(),
        last_receipt: Some(LastReceipt {
            request: [0x33; 32],
            time: NOW - 100,
        }),
        one_time_key: one_time.map(|key| key.as_bytes().to_vec()),
        kind: text(kind),
        body: keyferry_license::encode(body),
    }
}

pub fn granted(n: u8) -> Entry {
    Entry {
        issuer: grant(n).issuer,
        license: grant(n).license,
        verdict: Verdict::Restored,
        reason: None,
        slot: Some(2),
        of: Some(4),
        seq: Some(1),
        previous: Some(Default::default()),
        row: Some(keyferry_license::Digest([0x44; 32])),
    }
}

pub fn refused(n: u8, reason: Reason) -> Entry {
    Entry {
        verdict: Verdict::Refused,
        reason: Some(reason),
        slot: None,
        of: None,
        seq: None,
        previous: None,
        row: None,
        ..granted(n)
    }
}

/// A receipt of the restore of these entries.
pub fn receipt(entries: Vec<Entry>) -> Receipt {
    let page = |reason| Page {
        reason,
        url: text("https://licenses.example/refusals/000102030405060708090a0b0c0d0e0f"),
    };
    let reasons: std::collections::BTreeSet<_> = entries.iter().filter_map(|entry| entry.reason).collect();
    Receipt {
        request: [0x33; 32],
        operation: [0x22; 16],
        service: service_key().public().thumbprint(),
        computer: computer_key().public().thumbprint(),
        time: NOW,
        kind: text(keyferry_protocol::kind::RESTORE),
        entries,
        pages: reasons.into_iter().map(page).collect(),
        card: None,
        newest: None,
        recovery: None,
    }
}

pub fn delivery(keys: Vec<Option<SealedKey>>) -> Delivery {
    Delivery {
        suite: keyferry_license::Suite::XWingHkdfSha256,
        enc: enc(),
        keys,
    }
}
