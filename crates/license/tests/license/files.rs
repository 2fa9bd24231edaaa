//! License files. An encapsulation is random, so the good file is made once and kept; all the others are made from it.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, OpModeR};
use keyferry_license::*;

use crate::cast::*;
use crate::vector::{Vector, hex};

const GOOD: &str = "license-file-ok";

pub fn vectors(kept: &[Vector]) -> Vec<Vector> {
    let base = match kept.iter().find(|vector| vector.name == GOOD) {
        Some(kept) => LicenseFile::from_bytes(&armor::single(armor::LICENSE, &kept.body).unwrap()).unwrap(),
        None => seal(),
    };
    let mut all = good(&base);
    all.extend(parts(&base));
    all.extend(seals(&base));
    all.extend(encodings(&base));
    all.extend(armors(&base));
    all
}

fn seal() -> LicenseFile {
    let license = |grant: Grant, n| (grant.sign(&signer(ISSUER_SIGNING)).unwrap(), content_key(n));
    let licenses = [license(small_grant(1), 1), license(full_grant(), 2)];
    LicenseFile::seal(&issuer(), &service(), &computer(), NOW, &licenses).unwrap()
}

fn vector(name: &str, expect: &str, fails: &str, comment: &str, text: String) -> Vector {
    let vector = Vector::new(name, "license-file", expect, comment, text.into())
        .with("seed", hex(&[COMPUTER_KEM; 32]));
    match fails {
        "" => vector.with("keys", [1, 2].map(|n| hex(content_key(n).expose())).join(" ")),
        fails => vector.with("fails", fails),
    }
}

fn good(base: &LicenseFile) -> Vec<Vector> {
    let text = base.to_armor().unwrap();
    let keys = [1, 2, 1, 2].map(|n| hex(content_key(n).expose())).join(" ");
    let two = Vector::new(
        "license-file-ok-two-blocks",
        "license-file",
        "ok",
        "two blocks, prose between them",
        format!("{text}\nand\n\n{text}").into(),
    )
    .with("seed", hex(&[COMPUTER_KEM; 32]))
    .with("keys", keys);
    vec![vector(GOOD, "ok", "", "two licenses for one computer", text), two]
}

/// The base with something exchanged.
fn changed(base: &LicenseFile, change: impl FnOnce(&mut LicenseFile)) -> String {
    let mut file = base.clone();
    change(&mut file);
    file.to_armor().unwrap()
}

fn parts(base: &LicenseFile) -> Vec<Vector> {
    let bad = |name: &str, expect: &str, fails: &str, comment: &str, change: &dyn Fn(&mut LicenseFile)| {
        vector(
            &format!("license-file-{name}"),
            expect,
            fails,
            comment,
            changed(base, change),
        )
    };
    let stranger = |kind| signed(&stranger_card(kind), STRANGER).as_bytes().to_vec();
    vec![
        bad(
            "version-2",
            "OutOfRange",
            "decode",
            "a version that nobody knows",
            &|f| f.version = 2,
        ),
        bad("empty", "OutOfRange", "decode", "no license in the block", &|f| {
            f.items.clear()
        }),
        bad(
            "service-as-issuer",
            "OutOfRange",
            "verify",
            "the service's card in the place of the issuer's",
            &|f| f.issuer = f.service.clone(),
        ),
        bad(
            "issuer-as-service",
            "OutOfRange",
            "verify",
            "the issuer's card in the place of the service's",
            &|f| f.service = f.issuer.clone(),
        ),
        bad(
            "other-issuer",
            "OtherIssuer",
            "verify",
            "another issuer's card",
            &|f| f.issuer = stranger(CardKind::Issuer),
        ),
        bad(
            "other-service",
            "OtherService",
            "verify",
            "another service's card",
            &|f| f.service = stranger(CardKind::Service),
        ),
        bad(
            "card-altered",
            "BadSignature",
            "verify",
            "one bit of the issuer's card is another",
            &|f| *f.issuer.last_mut().unwrap() ^= 1,
        ),
        bad(
            "grant-altered",
            "BadSignature",
            "verify",
            "one bit of a grant's signature is another",
            &|f| *f.items[1].grant.last_mut().unwrap() ^= 1,
        ),
        bad(
            "grant-cut",
            "Malformed",
            "verify",
            "a grant of which only 100 bytes are there",
            &|f| f.items[0].grant.truncate(100),
        ),
        bad(
            "grant-is-card",
            "WrongType",
            "verify",
            "a card in the place of a grant",
            &|f| f.items[0].grant = f.issuer.clone(),
        ),
        bad(
            "card-is-grant",
            "WrongType",
            "verify",
            "a grant in the place of a card",
            &|f| f.issuer = f.items[0].grant.clone(),
        ),
        bad(
            "key-altered",
            "SealBroken",
            "open",
            "one bit of a sealed key is another",
            &|f| f.items[0].key.0[0] ^= 1,
        ),
        bad(
            "keys-exchanged",
            "SealBroken",
            "open",
            "each grant has the other's key",
            &|f| {
                let first = f.items[0].key;
                f.items[0].key = f.items[1].key;
                f.items[1].key = first;
            },
        ),
        bad(
            "enc-altered",
            "SealBroken",
            "open",
            "one bit of the encapsulation is another",
            &|f| {
                let mut enc = f.enc.as_bytes().to_vec();
                enc[500] ^= 1;
                f.enc = Encapsulation::from_bytes(&enc).unwrap();
            },
        ),
    ]
}

/// Seals without the check that a sealer must make, as somebody who means harm would.
fn seal_anything(base: &LicenseFile, info: &[u8], item: usize, label: &[u8], key: [u8; 16]) -> SealedKey {
    let private = Deserializable::from_bytes(&[COMPUTER_KEM; 32]).unwrap();
    let enc = Deserializable::from_bytes(base.enc.as_bytes()).unwrap();
    let context =
        hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, XWing>(&OpModeR::Base, &private, &enc, info)
            .unwrap();
    let digest = Grant::parse(&base.items[item].grant).unwrap().digest();
    let mut kek = [0; 32];
    context
        .export(&[label, digest.as_bytes()].concat(), &mut kek)
        .unwrap();
    let sealed = Aes256Gcm::new_from_slice(&kek)
        .unwrap()
        .encrypt(&Nonce::default(), key.as_slice());
    SealedKey(sealed.unwrap().try_into().unwrap())
}

fn seals(base: &LicenseFile) -> Vec<Vector> {
    let label: &[u8] = b"keyferry v1 delivery";
    let own = *content_key(1).expose();
    assert_eq!(seal_anything(base, label, 0, label, own), base.items[0].key);
    let with = |name: &str, expect: &str, comment: &str, key: SealedKey| {
        let text = changed(base, |f| f.items[0].key = key);
        vector(&format!("license-file-{name}"), expect, "open", comment, text)
    };
    let escrow: &[u8] = b"keyferry v1 escrow";
    let other = vector(
        "license-file-other-computer",
        "SealBroken",
        "open",
        "opened by another computer",
        changed(base, |_| ()),
    );
    let seed = ("seed".to_owned(), hex(&[STRANGER; 32]));
    let head = other
        .head
        .into_iter()
        .map(|line| if line.0 == "seed" { seed.clone() } else { line });
    vec![
        with(
            "wrong-commitment",
            "WrongCommitment",
            "opens, but it is not the key that the grant committed to",
            seal_anything(base, label, 0, label, [0x66; 16]),
        ),
        with(
            "escrow-context",
            "SealBroken",
            "exported for the purpose of escrow",
            seal_anything(base, label, 0, escrow, own),
        ),
        with(
            "escrow-info",
            "SealBroken",
            "encapsulated for the purpose of escrow",
            seal_anything(base, escrow, 0, label, own),
        ),
        Vector {
            head: head.collect(),
            ..other
        },
    ]
}

fn encodings(base: &LicenseFile) -> Vec<Vector> {
    let bytes = base.to_bytes();
    let bad = |name: &str, expect: &str, comment: &str, bytes: &[u8]| {
        let text = armor::write(armor::LICENSE, bytes).unwrap();
        vector(&format!("license-file-{name}"), expect, "decode", comment, text)
    };
    let mut indefinite = bytes.clone();
    indefinite[0] = 0xbf;
    indefinite.push(0xff);
    let mut unsorted = split_map(&bytes);
    unsorted.swap(0, 1);
    let mut twice = split_map(&bytes);
    twice.insert(1, twice[0].clone());
    let short = cbor(|e| put(e.bytes(&base.enc.as_bytes()[1..])));
    vec![
        bad(
            "suite-2",
            "UnknownSuite",
            "a suite that nobody knows",
            &set(&bytes, 5, &[0x02]),
        ),
        bad(
            "enc-short",
            "Malformed",
            "an encapsulation of 1,119 bytes",
            &set(&bytes, 6, &short),
        ),
        bad(
            "unknown-field",
            "UnknownField",
            "a map key that nobody knows",
            &set(&bytes, 8, &[0x01]),
        ),
        bad(
            "indefinite-length",
            "NotDeterministic",
            "a map of indefinite length",
            &indefinite,
        ),
        bad(
            "unsorted",
            "NotDeterministic",
            "two map keys in the wrong order",
            &join_map(&unsorted),
        ),
        bad(
            "duplicate-key",
            "DuplicateKey",
            "a map key twice",
            &join_map(&twice),
        ),
        bad(
            "long-integer",
            "NotDeterministic",
            "the version in two bytes",
            &set(&bytes, 1, &[0x18, 1]),
        ),
        bad(
            "trailing",
            "Malformed",
            "one more item in the block",
            &[&bytes[..], &[0x00]].concat(),
        ),
        bad(
            "truncated",
            "Malformed",
            "the last byte is missing in the block",
            &bytes[..bytes.len() - 1],
        ),
        bad(
            "million-items",
            "Malformed",
            "claims a million licenses and holds none",
            &set(&bytes, 7, &[0x9a, 0x00, 0x0f, 0x42, 0x40]),
        ),
    ]
}

fn armors(base: &LicenseFile) -> Vec<Vector> {
    let text = base.to_armor().unwrap();
    let bad = |name: &str, comment: &str, text: String| {
        vector(&format!("license-file-{name}"), "Armor", "decode", comment, text)
    };
    let lines: Vec<&str> = text.lines().collect();
    vec![
        bad(
            "cut",
            "the file ends within a block",
            lines[..20].join("\n") + "\n",
        ),
        bad(
            "cut-second",
            "the second block was cut",
            format!("{text}{}\n", lines[..20].join("\n")),
        ),
        bad(
            "cut-first",
            "the first of two blocks was cut",
            format!("{}\n{text}", lines[..20].join("\n")),
        ),
        bad(
            "label",
            "a card's label",
            text.replace("KEYFERRY LICENSE", "KEYFERRY CARD"),
        ),
        bad(
            "not-base64",
            "a character that is not base64",
            text.replacen(lines[5], &lines[5].replace(&lines[5][7..8], "!"), 1),
        ),
        bad(
            "blank-line",
            "an empty line within the block",
            text.replacen(lines[5], &format!("\n{}", lines[5]), 1),
        ),
        bad(
            "lone-cr",
            "a line that ends with CR alone, which some decoders take",
            text.replacen(
                &format!("{}\n{}", lines[5], lines[6]),
                &format!("{}\r{}", lines[5], lines[6]),
                1,
            ),
        ),
        bad(
            "short-line",
            "a line of 60 characters within the block",
            text.replacen(lines[5], &format!("{}\n{}", &lines[5][..60], &lines[5][60..]), 1),
        ),
    ]
}
