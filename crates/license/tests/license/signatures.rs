//! Signatures: one by one and in a batch the answer MUST be the same, whatever points an attacker picks.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use keyferry_license::*;
use sha2::{Digest as _, Sha512};

use crate::cast::*;

const A: u64 = 123_456_789;

/// Signs with a key `a B + torsion` and `r B + torsion`, as the group's rules allow and no honest signer does.
fn odd_signature(message: &[u8], key: usize, nonce: usize, r: u64) -> [u8; 64] {
    let public = odd_key(key);
    let point = (B * Scalar::from(r) + EIGHT_TORSION[nonce]).compress().0;
    let hash = Sha512::new()
        .chain_update(point)
        .chain_update(public)
        .chain_update(message);
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let s = Scalar::from(r) + k * Scalar::from(A);
    [point, s.to_bytes()].concat().try_into().unwrap()
}

fn odd_key(torsion: usize) -> [u8; 32] {
    let point: EdwardsPoint = B * Scalar::from(A) + EIGHT_TORSION[torsion];
    point.compress().0
}

/// An issuer's card whose one signing key is this.
fn card_with(key: [u8; 32]) -> Verified<Card> {
    let mut card = issuer_card();
    card.keys.truncate(1);
    card.keys[0].key = PublicKey::Ed25519(VerifyingKey::from_bytes(key).unwrap());
    signed(&card, ISSUER_ROOT)
}

fn unsigned(n: u8) -> Vec<u8> {
    small_grant(n)
        .sign(&signer(ISSUER_SIGNING))
        .unwrap()
        .as_bytes()
        .to_vec()
}

fn with_signature(n: u8, sign: impl Fn(&[u8]) -> [u8; 64]) -> Unverified<Grant> {
    let bytes = unsigned(n);
    let mut parts = Sign1::decode(Typ::Grant, &bytes, GRANT_LIMIT).unwrap();
    parts.signature = sign(&parts.sig_structure());
    Grant::parse(&parts.encode()).unwrap()
}

fn agree(grants: Vec<Unverified<Grant>>, card: &Verified<Card>) -> Vec<bool> {
    let single: Vec<_> = grants
        .iter()
        .map(|grant| grant.clone().verify_with(card).map(drop))
        .collect();
    let alone: Vec<_> = grants
        .iter()
        .map(|grant| {
            Unverified::verify_batch(std::slice::from_ref(grant), card)
                .pop()
                .unwrap()
                .map(drop)
        })
        .collect();
    let batch: Vec<_> = Unverified::verify_batch(&grants, card)
        .into_iter()
        .map(|r| r.map(drop))
        .collect();
    assert_eq!(single, batch);
    assert_eq!(single, alone);
    single.into_iter().map(|result| result.is_ok()).collect()
}

#[test]
fn batch_and_single_agree_for_every_torsion() {
    for key in 0..8 {
        let card = card_with(odd_key(key));
        for nonce in 0..8 {
            // r of 0 makes R itself a point of small order.
            for r in [0, 1, 77] {
                let grants =
                    (1..=3).map(|n| with_signature(n, |message| odd_signature(message, key, nonce, r)));
                assert_eq!(
                    agree(grants.collect(), &card),
                    [true; 3],
                    "key {key}, nonce {nonce}, r {r}"
                );
            }
        }
    }
}

#[test]
fn one_bad_among_good_ones_is_found_and_no_other() {
    let card = issuer();
    let good = |n| Grant::parse(&unsigned(n)).unwrap();
    for bad in 0..5 {
        let mut grants: Vec<_> = (1..=5).map(good).collect();
        grants[bad] = with_signature(bad as u8 + 1, |message| odd_signature(message, 1, 1, 5));
        let expected: Vec<_> = (0..5).map(|n| n != bad).collect();
        assert_eq!(agree(grants, &card), expected);
    }
}

#[test]
fn a_grant_of_another_issuer_takes_nothing_from_the_rest() {
    let other = Grant {
        issuer: Thumbprint([9; 32]),
        ..small_grant(2)
    };
    let other = other.sign(&signer(ISSUER_SIGNING)).unwrap();
    let parse = |bytes: &[u8]| Grant::parse(bytes).unwrap();
    let grants = vec![parse(&unsigned(1)), parse(other.as_bytes()), parse(&unsigned(3))];
    assert_eq!(agree(grants, &issuer()), [true, false, true]);
}

#[test]
fn keys_of_a_card_are_tried_in_turn_and_retired_ones_verify() {
    let retired = small_grant(2).sign(&signer(ISSUER_RETIRED)).unwrap();
    let grants = vec![
        Grant::parse(&unsigned(1)).unwrap(),
        Grant::parse(retired.as_bytes()).unwrap(),
    ];
    assert_eq!(agree(grants, &issuer()), [true, true]);
    let mut bare = issuer_card();
    bare.keys.clear();
    let bare = signed(&bare, ISSUER_ROOT);
    assert_eq!(agree(vec![Grant::parse(&unsigned(1)).unwrap()], &bare), [false]);
    assert!(Unverified::verify_batch(&[], &bare).is_empty());
}

#[test]
fn non_canonical_points_are_taken_alike() {
    // y = p + 1 is the neutral point, written in a way that stricter rules refuse.
    let mut r = [0xff; 32];
    (r[0], r[31]) = (0xee, 0x7f);
    let card = card_with(odd_key(0));
    let sign = |message: &[u8]| {
        let hash = Sha512::new()
            .chain_update(r)
            .chain_update(odd_key(0))
            .chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        [r, (k * Scalar::from(A)).to_bytes()].concat().try_into().unwrap()
    };
    assert_eq!(
        agree(vec![with_signature(1, sign), with_signature(2, sign)], &card),
        [true, true]
    );
}

#[test]
fn no_point_of_small_order_is_a_key_however_it_is_written() {
    for point in EIGHT_TORSION {
        let refused = VerifyingKey::from_bytes(point.compress().0);
        assert!(matches!(refused, Err(Error::SmallOrderKey { .. })));
    }
    // The neutral point and its relative of order 2 (y = -1), each not reduced or with the sign bit of x = 0.
    let plain = |first: u8, rest: u8, last: u8| {
        let mut bytes = [rest; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    for odd in [
        plain(1, 0, 0x80),
        plain(0xee, 0xff, 0x7f),
        plain(0xee, 0xff, 0xff),
        plain(0xec, 0xff, 0xff),
    ] {
        let refused = VerifyingKey::from_bytes(odd);
        assert!(
            matches!(refused, Err(Error::SmallOrderKey { .. })),
            "{odd:02x?}: {refused:?}"
        );
    }
    assert!(matches!(
        VerifyingKey::from_bytes(plain(2, 0, 0)),
        Err(Error::BadKey { .. })
    ));
}
