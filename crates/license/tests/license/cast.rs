//! Who and what appears in the vectors: keys from fixed seeds, their cards, two grants; and the tools to make a
//! document wrong in one way only.

use keyferry_license::*;
use minicbor::Encoder;

/// When everything here was issued.
pub const NOW: u64 = 1_750_000_000;

pub fn secret(seed: u8) -> Secret32 {
    Secret32::from_bytes([seed; 32])
}

pub fn signer(seed: u8) -> SigningSecret {
    SigningSecret::from_seed(secret(seed))
}

pub fn kem(seed: u8) -> KemSecret {
    KemSecret::from_seed(secret(seed))
}

pub const ISSUER_ROOT: u8 = 1;
pub const ISSUER_SIGNING: u8 = 2;
pub const ISSUER_RETIRED: u8 = 3;
pub const SERVICE_ROOT: u8 = 4;
pub const SERVICE_SIGNING: u8 = 5;
pub const SERVICE_KEM: u8 = 6;
pub const COMPUTER: u8 = 7;
pub const COMPUTER_KEM: u8 = 8;
pub const STRANGER: u8 = 9;

fn sign_key(seed: u8, not_before: u64, not_after: Option<u64>) -> CardKey {
    CardKey {
        usage: KeyUse::Sign,
        key: PublicKey::Ed25519(signer(seed).public()),
        not_before,
        not_after,
    }
}

fn seal_key(seed: u8) -> CardKey {
    CardKey {
        usage: KeyUse::Seal,
        key: PublicKey::XWing(kem(seed).public().unwrap()),
        not_before: NOW,
        not_after: None,
    }
}

pub fn card(kind: CardKind, name: &str, root: u8, keys: Vec<CardKey>, urls: &[&str]) -> Card {
    Card {
        kind,
        name: Text::new("name", name).unwrap(),
        root: PublicKey::Ed25519(signer(root).public()),
        keys,
        urls: urls.iter().map(|url| Text::new("URL", *url).unwrap()).collect(),
        serial: 3,
    }
}

pub fn issuer_card() -> Card {
    let keys = vec![
        sign_key(ISSUER_SIGNING, NOW, None),
        sign_key(ISSUER_RETIRED, NOW - 1000, Some(NOW)),
    ];
    card(
        CardKind::Issuer,
        "Harbor Books",
        ISSUER_ROOT,
        keys,
        &["https://books.example/"],
    )
}

pub fn service_card() -> Card {
    let keys = vec![sign_key(SERVICE_SIGNING, NOW, None), seal_key(SERVICE_KEM)];
    let urls = ["https://moves.example/v1/"];
    card(CardKind::Service, "Moves", SERVICE_ROOT, keys, &urls)
}

pub fn computer_card() -> Card {
    card(
        CardKind::Computer,
        "laptop",
        COMPUTER,
        vec![seal_key(COMPUTER_KEM)],
        &[],
    )
}

pub fn stranger_card(kind: CardKind) -> Card {
    let keys = vec![sign_key(STRANGER, NOW, None)];
    card(kind, "Stranger", STRANGER, keys, &[])
}

pub fn signed(card: &Card, root: u8) -> Verified<Card> {
    card.sign(&signer(root)).unwrap()
}

pub fn issuer() -> Verified<Card> {
    signed(&issuer_card(), ISSUER_ROOT)
}

pub fn service() -> Verified<Card> {
    signed(&service_card(), SERVICE_ROOT)
}

pub fn computer() -> Verified<Card> {
    signed(&computer_card(), COMPUTER)
}

pub fn license(n: u8) -> LicenseId {
    LicenseId::new_at(NOW, [n; 10])
}

pub fn content_key(n: u8) -> ContentKey {
    ContentKey::from_bytes([0x40 + n; 16])
}

pub fn right(action: &str, limits: Limits) -> Right {
    Right {
        action: Text::new("action", action).unwrap(),
        limits,
    }
}

/// The smallest grant: Play and nothing else.
pub fn small_grant(n: u8) -> Grant {
    Grant {
        license: license(n),
        issuer: issuer_card().thumbprint(),
        service: service_card().thumbprint(),
        origin: computer_card().thumbprint(),
        key_id: KeyId([n; 16]),
        kind: Text::new("kind", "book").unwrap(),
        rights: Rights::new(vec![right(PLAY, Limits::default())]).unwrap(),
        computers: None,
        commitment: content_key(n).commitment(&license(n)),
        title: Text::new("title", "A Book").unwrap(),
        priority: 0,
        subject: None,
        parent: None,
    }
}

/// A grant with everything in it.
pub fn full_grant() -> Grant {
    let counted = Limits {
        count: Some(10),
        portion: Some(2),
        ..Limits::default()
    };
    let dated = Limits {
        from: Some(NOW),
        until: Some(NOW + 86_400),
        after_first_use: Some(3600),
        ..Limits::default()
    };
    let rights = vec![
        right(PLAY, dated),
        right("Copy", counted),
        right(BACKUP, Limits::default()),
        right("com.example.Run", Limits::default()),
    ];
    Grant {
        rights: Rights::new(rights).unwrap(),
        computers: Some(2),
        title: Text::new("title", "Die Bücher, 本").unwrap(),
        priority: 7,
        subject: Some(Text::new("subject", "customer 12").unwrap()),
        parent: Some(license(99)),
        ..small_grant(2)
    }
}

/// `{1: -19, 16: typ}` of a document of the product.
pub fn protected(typ: Typ) -> Vec<u8> {
    header(&[
        (1, cbor(|e| put(e.i8(-19)))),
        (16, cbor(|e| put(e.str(typ.media_type())))),
    ])
}

pub fn header(entries: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = cbor(|e| put(e.map(entries.len() as u64)));
    for (label, value) in entries {
        out.extend(cbor(|e| put(e.u64(*label))));
        out.extend(value);
    }
    out
}

/// A COSE_Sign1 with any protected and unprotected header, whose signature holds.
pub fn cose(protected: &[u8], unprotected: &[u8], payload: &[u8], key: &SigningSecret) -> Vec<u8> {
    let message = cbor(|e| {
        put(e
            .array(4)
            .unwrap()
            .str("Signature1")
            .unwrap()
            .bytes(protected)
            .unwrap()
            .bytes(&[])
            .unwrap()
            .bytes(payload))
    });
    cose_with(protected, unprotected, payload, &key.sign(&message))
}

pub fn cose_with(protected: &[u8], unprotected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut out = vec![0xd2, 0x84];
    out.extend(cbor(|e| put(e.bytes(protected))));
    out.extend(unprotected);
    out.extend(cbor(|e| put(e.bytes(payload))));
    out.extend(cbor(|e| put(e.bytes(signature))));
    out
}

/// CBOR written by hand.
pub fn cbor(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Encoder::new(&mut out));
    out
}

/// Lets a closure end with the encoder's answer.
pub fn put<T, E: std::fmt::Debug>(done: Result<T, E>) {
    done.unwrap();
}

/// Entries of a CBOR map, as bytes: to leave out, exchange, repeat and reorder.
pub fn split_map(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut d = minicbor::Decoder::new(bytes);
    let entries = d.map().unwrap().unwrap();
    let mut item = || {
        let start = d.position();
        d.skip().unwrap();
        bytes[start..d.position()].to_vec()
    };
    (0..entries).map(|_| (item(), item())).collect()
}

pub fn join_map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = cbor(|e| put(e.map(entries.len() as u64)));
    for (key, value) in entries {
        out.extend(key);
        out.extend(value);
    }
    out
}

/// The same map with the value of `key` exchanged, or with an entry more.
pub fn set(map: &[u8], key: u8, value: &[u8]) -> Vec<u8> {
    let mut entries = split_map(map);
    let key = cbor(|e| put(e.u8(key)));
    match entries.iter_mut().find(|(k, _)| *k == key) {
        Some(entry) => entry.1 = value.to_vec(),
        None => entries.push((key, value.to_vec())),
    }
    entries.sort();
    join_map(&entries)
}

pub fn without(map: &[u8], key: u8) -> Vec<u8> {
    let mut entries = split_map(map);
    entries.retain(|(k, _)| *k != [key]);
    join_map(&entries)
}
