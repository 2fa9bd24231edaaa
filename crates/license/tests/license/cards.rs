//! Cards, good and bad.

use keyferry_license::*;

use crate::cast::*;
use crate::shapes::{Case, Shape};
use crate::vector::{Vector, hex};

pub fn vectors() -> Vec<Vector> {
    let mut all = good();
    let payload = encode(&issuer_card());
    let root = signer(ISSUER_ROOT);
    let shape = Shape {
        typ: Typ::Card,
        other: Typ::Grant,
        payload: &payload,
        key: &root,
        number: 6,
        needed: 2,
    };
    let cases = [
        shape.envelopes(),
        shape.encodings(),
        fields(&payload, &root),
        keys(&payload, &root),
    ];
    for (name, expect, comment, body) in cases.into_iter().flatten() {
        all.push(Vector::new(
            &format!("card-{name}"),
            "card",
            expect,
            comment,
            body,
        ));
    }
    all.extend(armored());
    all
}

fn good() -> Vec<Vector> {
    let cards = [
        ("issuer", "an issuer's, with a retired key", issuer()),
        ("service", "a service's, with a key to seal for", service()),
        (
            "computer",
            "a computer's, signed by its own signing key",
            computer(),
        ),
    ];
    let vector = |(name, comment, card): (&str, &str, Verified<Card>)| {
        Vector::new(
            &format!("card-ok-{name}"),
            "card",
            "ok",
            comment,
            card.as_bytes().to_vec(),
        )
        .with("thumbprint", card.thumbprint().to_string())
        .with("digest", hex(card.digest().as_bytes()))
    };
    cards.into_iter().map(vector).collect()
}

fn sign(payload: &[u8], key: &SigningSecret) -> Vec<u8> {
    cose(&protected(Typ::Card), &[0xa0], payload, key)
}

fn fields(payload: &[u8], root: &SigningSecret) -> Vec<Case> {
    let text = |bytes: usize| cbor(|e| put(e.str(&"n".repeat(bytes))));
    let urls = cbor(|e| {
        e.array(9).unwrap();
        (0..9).for_each(|_| put(e.str("https://a.example/")));
    });
    let cases = [
        (
            "name-oversized",
            "TooLarge",
            "a name of 257 bytes",
            set(payload, 2, &text(257)),
        ),
        (
            "name-invisible",
            "OutOfRange",
            "a name of characters that are not shown",
            set(payload, 2, &cbor(|e| put(e.str("\u{202e}\u{200b} ")))),
        ),
        (
            "name-not-utf8",
            "Malformed",
            "a name that is not UTF-8",
            set(payload, 2, &[0x61, 0xff]),
        ),
        ("urls-nine", "TooLarge", "nine URLs", set(payload, 5, &urls)),
        (
            "kind-unknown",
            "Malformed",
            "a kind of card that nobody knows",
            set(payload, 1, &[0x04]),
        ),
    ];
    let sign =
        |(name, expect, comment, payload): (_, _, _, Vec<u8>)| (name, expect, comment, sign(&payload, root));
    cases.into_iter().map(sign).collect()
}

/// The COSE_Key of 32 bytes that need not be a point.
fn ed25519(bytes: [u8; 32]) -> Vec<u8> {
    cbor(|e| {
        put(e
            .map(3)
            .unwrap()
            .u8(1)
            .unwrap()
            .u8(1)
            .unwrap()
            .i8(-1)
            .unwrap()
            .u8(6)
            .unwrap()
            .i8(-2)
            .unwrap()
            .bytes(&bytes))
    })
}

fn xwing(bytes: &[u8]) -> Vec<u8> {
    cbor(|e| {
        put(e
            .map(3)
            .unwrap()
            .u8(1)
            .unwrap()
            .u8(7)
            .unwrap()
            .u8(3)
            .unwrap()
            .i64(-91258)
            .unwrap()
            .i8(-1)
            .unwrap()
            .bytes(bytes))
    })
}

fn entry(usage: u8, key: &[u8], not_after: Option<u8>) -> Vec<u8> {
    let mut entries = vec![
        (vec![1], vec![usage]),
        (vec![2], key.to_vec()),
        (vec![3], vec![0x05]),
    ];
    entries.extend(not_after.map(|end| (vec![4], vec![end])));
    join_map(&entries)
}

fn listed(entries: &[Vec<u8>]) -> Vec<u8> {
    [cbor(|e| put(e.array(entries.len() as u64))), entries.concat()].concat()
}

fn keys(payload: &[u8], root: &SigningSecret) -> Vec<Case> {
    let mut identity = [0; 32];
    identity[0] = 1;
    // A point of order 8.
    let order8 = curve25519_dalek::constants::EIGHT_TORSION[1].compress().0;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let good = ed25519(*signer(ISSUER_SIGNING).public().as_bytes());
    let own = ed25519(*root.public().as_bytes());
    let sealing = kem(SERVICE_KEM).public().unwrap();
    let mut bad_coefficient = sealing.as_bytes().to_vec();
    bad_coefficient[..3].fill(0xff);
    let one = |entry: Vec<u8>| set(payload, 4, &listed(&[entry]));
    let cases = [
        (
            "small-order-root",
            "SmallOrderKey",
            "the root is the neutral point, under which everybody can sign",
            set(payload, 3, &ed25519(identity)),
        ),
        (
            "small-order-key",
            "SmallOrderKey",
            "a key that is a point of order 8",
            one(entry(1, &ed25519(order8), None)),
        ),
        (
            "no-point",
            "BadKey",
            "a key that is no point",
            one(entry(1, &ed25519(no_point), None)),
        ),
        (
            "key-short",
            "Malformed",
            "an X-Wing key that is one byte short",
            one(entry(2, &xwing(&sealing.as_bytes()[1..]), None)),
        ),
        (
            "key-coefficient",
            "BadKey",
            "an X-Wing key with a coefficient that is not below q",
            one(entry(2, &xwing(&bad_coefficient), None)),
        ),
        (
            "root-seals",
            "BadKey",
            "an X-Wing key as root",
            set(payload, 3, &xwing(sealing.as_bytes())),
        ),
        (
            "key-of-other-use",
            "OutOfRange",
            "an Ed25519 key to seal for",
            one(entry(2, &good, None)),
        ),
        (
            "key-kind-unknown",
            "Malformed",
            "a COSE_Key of kind EC2",
            one(entry(1, &set(&good, 1, &[0x02]), None)),
        ),
        (
            "key-private",
            "Malformed",
            "a COSE_Key that also gives away its private half",
            one(entry(1, &private(&good), None)),
        ),
        (
            "key-reversed",
            "OutOfRange",
            "retired before it began",
            one(entry(1, &good, Some(4))),
        ),
        (
            "key-retired-null",
            "UnknownField",
            "null where an absent field is left out",
            set(payload, 4, &listed(&[null_retired(&own)])),
        ),
        (
            "keys-33",
            "TooLarge",
            "33 keys",
            set(payload, 4, &listed(&vec![entry(1, &good, None); 33])),
        ),
    ];
    let mut all: Vec<Case> = cases
        .into_iter()
        .map(|(name, expect, comment, payload)| (name, expect, comment, sign(&payload, root)))
        .collect();
    all.push((
        "other-root",
        "BadSignature",
        "signed by another key than its root",
        sign(payload, &signer(STRANGER)),
    ));
    all.push((
        "sibling-signed",
        "BadSignature",
        "signed by a key of the card that is not its root",
        sign(payload, &signer(ISSUER_SIGNING)),
    ));
    all
}

fn private(key: &[u8]) -> Vec<u8> {
    let mut entries = split_map(key);
    entries.push((vec![0x23], cbor(|e| put(e.bytes(&[2; 32])))));
    join_map(&entries)
}

fn null_retired(key: &[u8]) -> Vec<u8> {
    set(&entry(1, key, None), 4, &[0xf6])
}

fn armored() -> Vec<Vector> {
    let armor = armor::write(armor::CARD, issuer().as_bytes()).unwrap();
    let vector = |name: &str, expect: &str, comment: &str, text: String| {
        Vector::new(
            &format!("card-file-{name}"),
            "card-file",
            expect,
            comment,
            text.into(),
        )
    };
    let lines: Vec<&str> = armor.lines().collect();
    let joined = format!(
        "{}\n{}{}\n{}\n",
        lines[0],
        lines[1],
        lines[2],
        lines[3..].join("\n")
    );
    let swapped = armor.replace("END KEYFERRY CARD", "END KEYFERRY LICENSE");
    let star = armor.replacen(lines[2], &format!("*{}", &lines[2][1..]), 1);
    vec![
        vector("ok", "ok", "armored", armor.clone()),
        vector(
            "ok-prose",
            "ok",
            "text before and after it, a long line too",
            format!("Our card, {}:\n\n{armor}\nregards\n", "yes ".repeat(100)),
        ),
        vector(
            "ok-no-line-end",
            "ok",
            "the last line has no end",
            armor.trim_end().to_owned(),
        ),
        vector(
            "two",
            "Armor",
            "two blocks where one is asked for",
            armor.repeat(2),
        ),
        vector("none", "Armor", "no block", "nothing\n".into()),
        vector(
            "cut",
            "Armor",
            "the end is missing",
            format!("{}\n", lines[..lines.len() - 1].join("\n")),
        ),
        vector(
            "label",
            "Armor",
            "marked as a license",
            armor.replace("KEYFERRY CARD", "KEYFERRY LICENSE"),
        ),
        vector(
            "label-end",
            "Armor",
            "the end is marked otherwise than the begin",
            swapped,
        ),
        vector("line-long", "Armor", "a line of 128 characters", joined),
        vector("not-base64", "Armor", "a character that is not base64", star),
        vector(
            "headers",
            "Armor",
            "with a header as in encrypted PEM",
            armor.replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1),
        ),
    ]
}
