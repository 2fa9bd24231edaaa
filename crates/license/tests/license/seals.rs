//! Seals: what opens, and what must not.

use keyferry_license::*;

use crate::cast::*;

fn grant(n: u8) -> Verified<Grant> {
    small_grant(n).sign(&signer(ISSUER_SIGNING)).unwrap()
}

fn parsed(n: u8) -> Unverified<Grant> {
    Grant::parse(grant(n).as_bytes()).unwrap()
}

type Made = (Sealer, Sealer);

/// A sealer for each purpose and the one that opens what it sealed, all under secrets of the same seed.
fn purposes() -> Vec<(&'static str, Made)> {
    let (delivery, delivered) = encapsulated(Sealer::delivery, Sealer::open_delivery);
    let (escrow, escrowed) = encapsulated(Sealer::escrow, Sealer::open_escrow);
    let key = secret(COMPUTER_KEM);
    vec![
        ("delivery", (delivery, delivered)),
        ("escrow", (escrow, escrowed)),
        ("return", (Sealer::returning(&key), Sealer::returning(&key))),
        ("store", (Sealer::store(&key), Sealer::store(&key))),
    ]
}

fn encapsulated(
    seal: fn(&KemPublicKey) -> Result<(Encapsulation, Sealer)>,
    open: fn(&Encapsulation, &KemSecret) -> Result<Sealer>,
) -> Made {
    let key = kem(COMPUTER_KEM);
    let (enc, sealer) = seal(&key.public().unwrap()).unwrap();
    (sealer, open(&enc, &key).unwrap())
}

#[test]
fn each_purpose_opens_its_own_seals_and_no_other() {
    let (grant, key) = (grant(1), content_key(1));
    let all = purposes();
    for (sealing, (sealer, _)) in &all {
        let sealed = sealer.seal(&grant, &key).unwrap();
        for (opening, (_, opener)) in &all {
            let opened = opener.open(&grant, &sealed).map(|key| *key.expose());
            let expected = if sealing == opening {
                Ok(*key.expose())
            } else {
                Err(Error::SealBroken)
            };
            assert_eq!(opened, expected, "{sealing} opened as {opening}");
        }
    }
}

#[test]
fn an_encapsulation_for_one_purpose_is_none_for_another() {
    let (grant, key, computer) = (grant(1), content_key(1), kem(COMPUTER_KEM));
    let (enc, sealer) = Sealer::delivery(&computer.public().unwrap()).unwrap();
    let sealed = sealer.seal(&grant, &key).unwrap();
    let as_escrow = Sealer::open_escrow(&enc, &computer).unwrap();
    assert_eq!(as_escrow.open(&grant, &sealed).unwrap_err(), Error::SealBroken);
    let by_other = Sealer::open_delivery(&enc, &kem(STRANGER)).unwrap();
    assert_eq!(by_other.open(&grant, &sealed).unwrap_err(), Error::SealBroken);
}

#[test]
fn a_seal_is_bound_to_the_digest_of_its_grant() {
    let key = content_key(1);
    let retitled = Grant {
        title: Text::new("title", "Another Book").unwrap(),
        ..small_grant(1)
    };
    let retitled = retitled.sign(&signer(ISSUER_SIGNING)).unwrap();
    for (name, (sealer, opener)) in purposes() {
        let sealed = sealer.seal(&grant(1), &key).unwrap();
        assert_eq!(
            opener.open(&retitled, &sealed).unwrap_err(),
            Error::SealBroken,
            "{name}"
        );
    }
}

#[test]
fn a_secret_of_another_computer_opens_nothing() {
    let (grant, key) = (grant(1), content_key(1));
    for make in [Sealer::store, Sealer::returning] {
        let sealed = make(&secret(1)).seal(&grant, &key).unwrap();
        assert_eq!(
            make(&secret(2)).open(&grant, &sealed).unwrap_err(),
            Error::SealBroken
        );
    }
}

#[test]
fn a_sealer_refuses_a_key_that_does_not_fit_the_commitment() {
    for (name, (sealer, opener)) in purposes() {
        for sealer in [sealer, opener] {
            let sealed = sealer.seal(&grant(1), &content_key(2));
            assert_eq!(sealed.unwrap_err(), Error::WrongCommitment, "{name}");
        }
    }
    let file = LicenseFile::seal(
        &issuer(),
        &service(),
        &computer(),
        NOW,
        &[(grant(1), content_key(2))],
    );
    assert_eq!(file.unwrap_err(), Error::WrongCommitment);
}

#[test]
fn only_a_computers_own_seals_prove_a_grant() {
    for (name, (sealer, opener)) in purposes() {
        let sealed = sealer.seal(&grant(1), &content_key(1)).unwrap();
        let opened = opener.open_own(parsed(1), &sealed);
        match name {
            "return" | "store" => assert_eq!(opened.unwrap().0.as_bytes(), grant(1).as_bytes()),
            _ => assert_eq!(opened.unwrap_err(), Error::SealBroken, "{name}"),
        }
        // Nor does the sending side.
        if matches!(name, "delivery" | "escrow") {
            assert_eq!(
                sealer.open_own(parsed(1), &sealed).unwrap_err(),
                Error::SealBroken
            );
        }
    }
}

#[test]
fn an_altered_grant_does_not_open_its_own_seal() {
    let store = Sealer::store(&secret(1));
    let sealed = store.seal(&grant(1), &content_key(1)).unwrap();
    let mut bytes = grant(1).as_bytes().to_vec();
    let title = bytes.windows(6).position(|w| w == b"A Book").unwrap();
    bytes[title] = b'B';
    let altered = Grant::parse(&bytes).unwrap();
    assert_eq!(store.open_own(altered, &sealed).unwrap_err(), Error::SealBroken);
    assert_eq!(store.open_own(parsed(2), &sealed).unwrap_err(), Error::SealBroken);
}

#[test]
fn every_bit_of_a_seal_counts() {
    let (store, grant) = (Sealer::store(&secret(1)), grant(1));
    let sealed = store.seal(&grant, &content_key(1)).unwrap();
    for bit in 0..256 {
        let mut altered = sealed;
        altered.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            store.open(&grant, &altered).unwrap_err(),
            Error::SealBroken,
            "bit {bit}"
        );
    }
}

#[test]
fn one_encapsulation_serves_a_batch() {
    let computer = kem(COMPUTER_KEM);
    let (enc, sealer) = Sealer::delivery(&computer.public().unwrap()).unwrap();
    let sealed: Vec<_> = (1..=9)
        .map(|n| sealer.seal(&grant(n), &content_key(n)).unwrap())
        .collect();
    let opener = Sealer::open_delivery(&enc, &computer).unwrap();
    for (n, sealed) in (1..).zip(&sealed) {
        assert_eq!(
            opener.open(&grant(n), sealed).unwrap().expose(),
            content_key(n).expose()
        );
    }
    let (again, _) = Sealer::delivery(&computer.public().unwrap()).unwrap();
    assert_ne!(again, enc, "each encapsulation is fresh");
}

#[test]
fn an_issuer_can_not_send_what_names_others() {
    let stranger = |kind| signed(&stranger_card(kind), STRANGER);
    let licenses = [(grant(1), content_key(1))];
    let sealed = |issuer: &Verified<Card>, service: &Verified<Card>, computer: &Verified<Card>| {
        LicenseFile::seal(issuer, service, computer, NOW, &licenses).map(drop)
    };
    assert_eq!(sealed(&issuer(), &service(), &computer()), Ok(()));
    let wrong = |found| matches!(found, Err(Error::OutOfRange { field: "card", .. }));
    assert!(wrong(sealed(&service(), &service(), &computer())));
    assert!(wrong(sealed(&issuer(), &issuer(), &computer())));
    assert!(wrong(sealed(&issuer(), &service(), &service())));
    let other = sealed(&stranger(CardKind::Issuer), &service(), &computer());
    assert!(matches!(other, Err(Error::OtherIssuer { .. })));
    let other = sealed(&issuer(), &stranger(CardKind::Service), &computer());
    assert!(matches!(other, Err(Error::OtherService { .. })));
    let none = LicenseFile::seal(&issuer(), &service(), &computer(), NOW, &[]);
    assert!(matches!(none, Err(Error::OutOfRange { .. })));
}

#[test]
fn a_retired_key_is_not_sealed_for() {
    let mut card = computer_card();
    card.keys[0].not_after = Some(NOW + 10);
    let card = signed(&card, COMPUTER);
    assert!(card.seal_key(NOW + 9).is_ok());
    assert!(matches!(card.seal_key(NOW + 10), Err(Error::NoKey { .. })));
    assert!(card.seal_key(0).is_ok(), "a clock that is behind does not hinder");
}
