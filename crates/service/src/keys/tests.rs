//! Keys that change, in a folder.

use keyferry_license::Typ;

use super::*;

const DAY: u64 = 86_400;
const T: u64 = 1_790_000_000;

fn folder() -> (tempfile::TempDir, ServiceKeys, Verified<Card>) {
    let dir = tempfile::tempdir().unwrap();
    let keys = ServiceKeys::open(dir.path(), T).unwrap();
    let card = keys
        .card(dir.path(), "Northwind", "https://northwind.example", T)
        .unwrap();
    (dir, keys, card)
}

fn reread(dir: &tempfile::TempDir) -> ServiceKeys {
    ServiceKeys::read(dir.path()).unwrap().unwrap()
}

fn signs(keys: &ServiceKeys, now: u64) -> PublicKey {
    PublicKey::Ed25519(keys.signing(now).public())
}

#[test]
fn a_file_of_the_first_version_is_read_and_written_as_it_was() {
    let (dir, keys, _) = folder();
    let text = std::fs::read(dir.path().join(KEY_FILE)).unwrap();
    let block = armor::single(SERVICE_KEY, &text).unwrap();
    // A map of four: the seeds and the time, as ever.
    assert_eq!((block[0], block.len()), (0xa4, 112));
    assert_eq!(*reread(&dir).to_armor().unwrap(), *keys.to_armor().unwrap());
}

#[test]
fn a_new_key_takes_over_at_its_time_and_the_old_one_stays() {
    let (dir, old, card) = folder();
    let at = T + DAY;
    let newer = rotate(dir.path(), &[KeyUse::Sign, KeyUse::Seal], at, T + 5).unwrap();
    let keys = reread(&dir);
    assert_eq!(
        (newer.serial, newer.thumbprint()),
        (card.serial + 1, card.thumbprint())
    );
    assert_eq!(newer.keys.len(), 4);
    assert_eq!(signs(&keys, at - 1), signs(&old, at - 1));
    assert_ne!(signs(&keys, at), signs(&old, at));
    // Computers seal for the old key until the moment comes, by the same card.
    assert_eq!(newer.seal_key(at - 1).unwrap(), card.seal_key(T).unwrap());
    assert_ne!(newer.seal_key(at).unwrap(), card.seal_key(T).unwrap());
    assert_eq!(keys.escrows().count(), 2);
    // Whatever either signed verifies with the new card.
    for key in [keys.signing(T), keys.signing(at)] {
        let document = keyferry_license::sign_document(Typ::Receipt, &[0x80], key);
        let sign1 = keyferry_license::Sign1::decode(Typ::Receipt, &document, 4096).unwrap();
        assert!(newer.signing_keys().any(|key| sign1.verify(&key).is_ok()));
    }
    let again = keys
        .card(dir.path(), "Northwind", "https://northwind.example", at)
        .unwrap();
    assert_eq!(
        again.as_bytes(),
        newer.as_bytes(),
        "the card needs no signature when the moment comes"
    );
}

#[test]
fn one_use_can_be_changed_alone_and_the_newest_stands_first() {
    let (dir, _, card) = folder();
    for turn in 1..=3 {
        rotate(dir.path(), &[KeyUse::Seal], T + turn * DAY, T + turn * DAY).unwrap();
    }
    let card_now = read_card(dir.path()).unwrap().unwrap();
    let seal: Vec<u64> = card_now
        .keys
        .iter()
        .filter(|key| key.usage == KeyUse::Seal)
        .map(|key| key.not_before)
        .collect();
    assert_eq!(seal, [T + 3 * DAY, T + 2 * DAY, T + DAY, T]);
    assert_eq!(
        card_now
            .keys
            .iter()
            .filter(|key| key.usage == KeyUse::Sign)
            .count(),
        1
    );
    assert_eq!(card_now.serial, card.serial + 3);
    assert_eq!(reread(&dir).escrows().count(), 4);
}

#[test]
fn what_can_not_be_is_refused_and_changes_nothing() {
    let (dir, ..) = folder();
    let refused = |uses: &[KeyUse], not_before, now| {
        let before = std::fs::read(dir.path().join(KEY_FILE)).unwrap();
        let error = rotate(dir.path(), uses, not_before, now).unwrap_err().to_string();
        assert_eq!(std::fs::read(dir.path().join(KEY_FILE)).unwrap(), before);
        error
    };
    assert!(refused(&[KeyUse::Sign], T - 1, T).contains("in the past"));
    rotate(dir.path(), &[KeyUse::Sign], T + DAY, T).unwrap();
    assert!(refused(&[KeyUse::Sign], T + DAY, T + 1).contains("wait for it"));
    for turn in 2..=30 {
        rotate(dir.path(), &[KeyUse::Sign], T + turn * DAY, T + turn * DAY).unwrap();
    }
    assert!(refused(&[KeyUse::Sign], T + 99 * DAY, T + 99 * DAY).contains("room for 32 keys"));
    let nothing = tempfile::tempdir().unwrap();
    let error = rotate(nothing.path(), &[KeyUse::Sign], T, T)
        .unwrap_err()
        .to_string();
    assert!(error.contains("start the service once"), "{error}");
    assert_eq!(std::fs::read_dir(nothing.path()).unwrap().count(), 0);
}

#[test]
fn keys_that_are_gone_are_not_made_anew_beside_their_card() {
    let (dir, ..) = folder();
    std::fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
    let opened = ServiceKeys::open(dir.path(), T);
    assert!(matches!(opened, Err(Error::KeysGone { .. })));
    assert!(!dir.path().join(KEY_FILE).exists());
    std::fs::remove_file(dir.path().join(CARD_FILE)).unwrap();
    assert!(ServiceKeys::open(dir.path(), T).is_ok());
}
