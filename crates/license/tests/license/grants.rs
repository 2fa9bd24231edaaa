//! Grants, good and bad, with seals that can be computed again.

use base64::prelude::*;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use keyferry_license::*;
use sha2::{Digest as _, Sha512};

use crate::cast::*;
use crate::shapes::{Case, Shape};
use crate::vector::{Vector, hex};

pub fn vectors() -> Vec<Vector> {
    let payload = encode(&full_grant());
    let key = signer(ISSUER_SIGNING);
    let shape = Shape {
        typ: Typ::Grant,
        other: Typ::Receipt,
        payload: &payload,
        key: &key,
        number: 11,
        needed: 9,
    };
    let mut all = good();
    let cases = [
        shape.envelopes(),
        shape.encodings(),
        fields(&payload),
        rights(&payload),
        signatures(&payload),
    ];
    for (name, expect, comment, body) in cases.into_iter().flatten() {
        let vector = Vector::new(&format!("grant-{name}"), "grant", expect, comment, body);
        all.push(vector.with("issuer", shown(&issuer())));
    }
    all.extend(cards_of_others(&payload));
    all
}

fn shown(card: &Verified<Card>) -> String {
    BASE64_STANDARD.encode(card.as_bytes())
}

fn sign(payload: &[u8], key: &SigningSecret) -> Vec<u8> {
    cose(&protected(Typ::Grant), &[0xa0], payload, key)
}

fn good() -> Vec<Vector> {
    let (small, full) = (small_grant(1), full_grant());
    let cases = [
        (
            "small",
            "the least that a grant can say",
            &small,
            ISSUER_SIGNING,
            1,
        ),
        (
            "full",
            "everything that a grant can say",
            &full,
            ISSUER_SIGNING,
            2,
        ),
        (
            "retired-key",
            "signed by a key that was retired",
            &small,
            ISSUER_RETIRED,
            1,
        ),
    ];
    let vector = |(name, comment, grant, seed, n): (&str, &str, &Grant, u8, u8)| {
        let signed = grant.sign(&signer(seed)).unwrap();
        let key = content_key(n);
        let stored = Sealer::store(&secret(0x51)).seal(&signed, &key).unwrap();
        let returned = Sealer::returning(&secret(0x52)).seal(&signed, &key).unwrap();
        Vector::new(
            &format!("grant-ok-{name}"),
            "grant",
            "ok",
            comment,
            signed.as_bytes().to_vec(),
        )
        .with("issuer", shown(&issuer()))
        .with("digest", hex(signed.digest().as_bytes()))
        .with("content-key", hex(key.expose()))
        .with("commitment", hex(&grant.commitment.0))
        .with("store-key", hex(&[0x51; 32]))
        .with("store-seal", hex(&stored.0))
        .with("return-key", hex(&[0x52; 32]))
        .with("return-seal", hex(&returned.0))
    };
    cases.into_iter().map(vector).collect()
}

fn fields(payload: &[u8]) -> Vec<Case> {
    let text = |bytes: usize| cbor(|e| put(e.str(&"t".repeat(bytes))));
    let id = |bytes: &[u8]| cbor(|e| put(e.bytes(bytes)));
    let (mut version4, mut variant) = (license(2).0, license(2).0);
    version4[6] = 0x40 | (version4[6] & 0x0f);
    variant[8] |= 0xc0;
    let full_rights = |n: usize| {
        cbor(|e| {
            e.map(n as u64).unwrap();
            for i in 0..n {
                put(e.str(&format!("com.example.r{i:03}")).unwrap().map(0));
            }
        })
    };
    let cases = [
        (
            "uuid-4",
            "OutOfRange",
            "a license ID that is a UUID of version 4",
            set(payload, 1, &id(&version4)),
        ),
        (
            "uuid-variant",
            "OutOfRange",
            "a license ID of Microsoft's variant",
            set(payload, 1, &id(&variant)),
        ),
        (
            "parent-uuid-4",
            "OutOfRange",
            "a parent that is a UUID of version 4",
            set(payload, 13, &id(&version4)),
        ),
        (
            "key-id-short",
            "Malformed",
            "a key ID of 15 bytes",
            set(payload, 5, &id(&[1; 15])),
        ),
        (
            "title-oversized",
            "TooLarge",
            "a title of 1,025 bytes",
            set(payload, 10, &text(1025)),
        ),
        (
            "subject-oversized",
            "TooLarge",
            "a subject of 257 bytes",
            set(payload, 12, &text(257)),
        ),
        (
            "kind-oversized",
            "TooLarge",
            "a kind of 65 bytes",
            set(payload, 6, &text(65)),
        ),
        (
            "document-oversized",
            "TooLarge",
            "more than 8 KiB",
            set(payload, 10, &text(8192)),
        ),
        (
            "computers-0",
            "OutOfRange",
            "a limit of no computers",
            set(payload, 8, &[0x00]),
        ),
        (
            "computers-4",
            "OutOfRange",
            "the default limit, which is left out",
            set(payload, 8, &[0x04]),
        ),
        (
            "computers-5",
            "OutOfRange",
            "a limit that only an operator may give",
            set(payload, 8, &[0x05]),
        ),
        (
            "priority-large",
            "Malformed",
            "a priority of 65,536",
            set(payload, 11, &[0x1a, 0, 1, 0, 0]),
        ),
        (
            "rights-33",
            "TooLarge",
            "33 rights",
            set(payload, 7, &full_rights(33)),
        ),
        (
            "title-tagged",
            "Malformed",
            "a title in a tag",
            set(payload, 10, &[0xc0, 0x61, 0x61]),
        ),
    ];
    signed(cases)
}

fn signed<const N: usize>(cases: [(&'static str, &'static str, &'static str, Vec<u8>); N]) -> Vec<Case> {
    let key = signer(ISSUER_SIGNING);
    let sign = |(name, expect, comment, payload): Case| (name, expect, comment, sign(&payload, &key));
    cases.into_iter().map(sign).collect()
}

/// `{action: {key: value, ...}}` with small numbers.
fn limited(action: &str, limits: &[(u8, u64)]) -> Vec<u8> {
    cbor(|e| {
        e.map(1).unwrap().str(action).unwrap();
        e.map(limits.len() as u64).unwrap();
        limits
            .iter()
            .for_each(|(key, value)| put(e.u8(*key).unwrap().u64(*value)));
    })
}

fn rights(payload: &[u8]) -> Vec<Case> {
    let with = |rights: Vec<u8>| set(payload, 7, &rights);
    let one = |limits: &[(u8, u64)]| with(limited("Play", limits));
    let two = |first: &str, second: &str| {
        with(cbor(|e| {
            put(e
                .map(2)
                .unwrap()
                .str(first)
                .unwrap()
                .map(0)
                .unwrap()
                .str(second)
                .unwrap()
                .map(0))
        }))
    };
    signed([
        ("count-0", "OutOfRange", "a count of 0", one(&[(1, 0)])),
        (
            "count-large",
            "Malformed",
            "a count of 2^32",
            one(&[(1, 1 << 32)]),
        ),
        (
            "after-first-use-0",
            "OutOfRange",
            "0 seconds after first use",
            one(&[(4, 0)]),
        ),
        (
            "from-until",
            "OutOfRange",
            "ends when it begins",
            one(&[(2, 10), (3, 10)]),
        ),
        (
            "portion-large",
            "OutOfRange",
            "a portion of more than the count",
            one(&[(1, 3), (5, 4)]),
        ),
        (
            "portion-0",
            "OutOfRange",
            "a portion of 0",
            one(&[(1, 3), (5, 0)]),
        ),
        (
            "portion-alone",
            "OutOfRange",
            "a portion of no count",
            one(&[(5, 1)]),
        ),
        (
            "limit-unknown",
            "UnknownField",
            "a limit that nobody knows: it must not be overlooked",
            one(&[(6, 1)]),
        ),
        (
            "action-unknown",
            "OutOfRange",
            "an action that is neither the SDK's nor a reverse-DNS name",
            with(limited("play", &[])),
        ),
        (
            "action-part-empty",
            "OutOfRange",
            "a reverse-DNS name with an empty part",
            with(limited("com..Run", &[])),
        ),
        (
            "action-oversized",
            "TooLarge",
            "an action of 129 bytes",
            with(limited(&"c.".repeat(65)[..129], &[])),
        ),
        (
            "rights-unsorted",
            "NotDeterministic",
            "two rights in the wrong order",
            two("Play", "Copy"),
        ),
        (
            "rights-twice",
            "DuplicateKey",
            "a right twice",
            two("Play", "Play"),
        ),
    ])
}

/// A signature whose R is a point of order 8: made with the secret scalar, by the rule S = k a, which leaves the
/// torsion of R to the cofactor.
fn torsion_signature(message: &[u8]) -> [u8; 64] {
    let seed = [ISSUER_SIGNING; 32];
    let expanded: [u8; 64] = Sha512::digest(seed).into();
    let mut scalar: [u8; 32] = expanded[..32].try_into().unwrap();
    scalar[0] &= 248;
    scalar[31] = (scalar[31] & 127) | 64;
    let a = Scalar::from_bytes_mod_order(scalar);
    let public = (B * a).compress().0;
    assert_eq!(&public, signer(ISSUER_SIGNING).public().as_bytes());
    let r = EIGHT_TORSION[1].compress().0;
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(public)
        .chain_update(message);
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    [r, (k * a).to_bytes()].concat().try_into().unwrap()
}

fn signatures(payload: &[u8]) -> Vec<Case> {
    let good = sign(payload, &signer(ISSUER_SIGNING));
    let parts = Sign1::decode(Typ::Grant, &good, GRANT_LIMIT).unwrap();
    let signature_at = good.len() - 64;
    let with_signature = |signature: [u8; 64]| [&good[..signature_at], &signature].concat();
    // S + l: the same number, written another way.
    let order: [u8; 32] = std::array::from_fn(|i| {
        let low = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
        ];
        low.get(i).copied().unwrap_or(if i == 31 { 0x10 } else { 0 })
    });
    let mut large = parts.signature;
    let mut carry = 0;
    for (byte, add) in large[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let mut altered = good.clone();
    let title = good.windows(3).position(|w| w == b"Die").unwrap();
    altered[title] ^= 0x20;
    vec![
        (
            "ok-torsion",
            "ok",
            "R is a point of order 8: valid by ZIP-215, refused by stricter rules",
            with_signature(torsion_signature(&parts.sig_structure())),
        ),
        (
            "s-large",
            "BadSignature",
            "S is not below the order of the group",
            with_signature(large),
        ),
        (
            "altered",
            "BadSignature",
            "one letter of the title is another",
            altered,
        ),
        (
            "other-signer",
            "BadSignature",
            "signed by somebody else",
            sign(payload, &signer(STRANGER)),
        ),
        (
            "root-signed",
            "BadSignature",
            "signed by the issuer's root, which signs its card only",
            sign(payload, &signer(ISSUER_ROOT)),
        ),
    ]
}

fn cards_of_others(payload: &[u8]) -> Vec<Vector> {
    let body = sign(payload, &signer(ISSUER_SIGNING));
    let other = signed_by_stranger(CardKind::Issuer);
    let of_service = set(
        payload,
        2,
        &cbor(|e| put(e.bytes(service().thumbprint().as_bytes()))),
    );
    let by_service = sign(&of_service, &signer(SERVICE_SIGNING));
    vec![
        Vector::new(
            "grant-other-issuer",
            "grant",
            "OtherIssuer",
            "checked against another issuer's card",
            body,
        )
        .with("issuer", shown(&other)),
        Vector::new(
            "grant-of-service",
            "grant",
            "OutOfRange",
            "issued by a service",
            by_service,
        )
        .with("issuer", shown(&service())),
    ]
}

fn signed_by_stranger(kind: CardKind) -> Verified<Card> {
    crate::cast::signed(&stranger_card(kind), STRANGER)
}
