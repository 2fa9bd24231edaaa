//! Secrets: what `Debug` shows of them, and the file of an issuer's.

use keyferry_license::*;

use crate::cast::*;
use crate::vector::hex;

fn shows_nothing(shown: &str, bytes: &[u8]) {
    let numbers = |list: &[u8]| list.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    for part in bytes.windows(4) {
        assert!(!shown.to_lowercase().contains(&hex(part)), "{shown}");
        assert!(!shown.contains(&numbers(part)), "{shown}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let bytes: [u8; 32] = std::array::from_fn(|i| 0xa1 + i as u8);
    let seed = Secret32::from_bytes(bytes);
    let key = ContentKey::from_bytes(bytes[..16].try_into().unwrap());
    let signing = SigningSecret::from_seed(seed.clone());
    for shown in [
        format!("{seed:?} {seed:#?}"),
        format!("{key:?} {key:#?}"),
        format!("{signing:?} {signing:#?}"),
        format!("{:?}", KemSecret::from_seed(seed.clone())),
        format!("{:?}", Some((&key, &seed))),
    ] {
        shows_nothing(&shown, &bytes);
    }
    let issuer = IssuerKey::generate().unwrap();
    shows_nothing(
        &format!("{issuer:?} {issuer:#?}"),
        issuer.signing().seed().expose(),
    );
}

#[test]
fn an_issuers_secret_comes_back_from_its_file() {
    let issuer = IssuerKey::generate().unwrap();
    let armor = issuer.to_armor().unwrap();
    let again = IssuerKey::from_armor(format!("# keep this\n{}", armor.as_str()).as_bytes()).unwrap();
    assert_eq!(again.signing().seed().expose(), issuer.signing().seed().expose());
    assert_eq!(again.to_armor().unwrap().as_str(), armor.as_str());
    let urls = ["https://books.example/".to_owned()];
    let card = |key: &IssuerKey| key.card("Harbor Books", &urls, NOW).unwrap().as_bytes().to_vec();
    assert_eq!(card(&again), card(&issuer));
    for wrong in [
        armor.replace("ISSUER KEY", "CARD"),
        armor[..armor.len() - 40].to_owned(),
        armor.repeat(2),
    ] {
        assert!(matches!(
            IssuerKey::from_armor(wrong.as_bytes()),
            Err(Error::Armor { .. })
        ));
    }
    let other = armor::write(armor::ISSUER_KEY, &[0xa0]).unwrap();
    assert!(matches!(
        IssuerKey::from_armor(other.as_bytes()),
        Err(Error::Malformed { .. })
    ));
}

#[test]
fn fresh_secrets_differ() {
    assert_ne!(
        Secret32::generate().unwrap().expose(),
        Secret32::generate().unwrap().expose()
    );
    assert_ne!(
        ContentKey::generate().unwrap().expose(),
        ContentKey::generate().unwrap().expose()
    );
    let public = || KemSecret::generate().unwrap().public().unwrap();
    assert_ne!(public(), public());
}
