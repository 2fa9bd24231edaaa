//! What the fuzz targets do with arbitrary bytes. The targets in `fuzz/` and the test beside this file call the same
//! functions: whatever decodes is encoded again, and MUST be the same bytes; nothing may panic.

use keyferry_license::{
    CARD_LIMIT, Card, GRANT_LIMIT, Grant, LicenseFile, Sign1, Typ, Unverified, armor, document, encode,
};

/// A signed card.
pub fn card(bytes: &[u8]) {
    if let Ok(card) = Card::verify(bytes) {
        let _ = (card.thumbprint(), card.seal_key(0), card.name.shown());
        assert_eq!(again(Typ::Card, bytes, CARD_LIMIT, &*card), bytes);
        assert_eq!(card.as_bytes(), bytes);
    }
}

/// A card's payload, which a fuzzer can't sign: signed here, it is refused or comes out as it went in.
pub fn card_payload(payload: &[u8]) {
    let key = keyferry_license::SigningSecret::from_seed(keyferry_license::Secret32::from_bytes([1; 32]));
    card(&keyferry_license::sign_document(Typ::Card, payload, &key));
}

/// A signed grant.
pub fn grant(bytes: &[u8]) {
    if let Ok(grant) = Grant::parse(bytes) {
        let _ = (
            grant.digest(),
            grant.claim().rights.may_be_backed_up(),
            grant.claim().title.shown(),
        );
        assert_eq!(again(Typ::Grant, bytes, GRANT_LIMIT, grant.claim()), bytes);
        assert_eq!(grant.as_bytes(), bytes);
    }
}

/// A block of a license file: its parts too, and the batch says what each grant says alone.
pub fn license_file(bytes: &[u8]) {
    let Ok(file) = LicenseFile::from_bytes(bytes) else {
        return;
    };
    assert_eq!(file.to_bytes(), bytes);
    let Ok((issuer, service)) = file.cards() else {
        return;
    };
    let together = file.grants(&issuer, &service);
    assert_eq!(together.len(), file.items.len());
    for (item, together) in file.items.iter().zip(together) {
        grant(&item.grant);
        let alone = Grant::parse(&item.grant).and_then(|grant: Unverified<Grant>| grant.verify_with(&issuer));
        assert!(alone.is_ok() || together.is_err());
    }
}

/// A document of another system, under names that promise different things: what is recognized stays so, and what is taken
/// without being asked is taken when asked.
pub fn document(bytes: &[u8]) {
    for name in ["a.lcpl", "license.lic", "a.json", "a"] {
        if let Ok(kind) = document::recognize(name, bytes) {
            assert_eq!(document::recognize_forced(name, bytes), Ok(kind));
        }
    }
    let name = document::plain_name(bytes);
    assert!(document::check_name(&name).is_ok(), "{name:?}");
}

/// Armor of each kind: a block that was read can be written, and is then read as the same bytes.
pub fn armored(text: &[u8]) {
    for label in [armor::LICENSE, armor::CARD, armor::ISSUER_KEY] {
        for block in armor::Blocks::new(label, text).map_while(Result::ok) {
            let written = armor::write(label, &block).unwrap_or_default();
            assert_eq!(armor::single(label, written.as_bytes()).as_ref(), Ok(&block));
            // What was read is what is written, but for the line ends.
            let plain: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\r').collect();
            assert!(contains(&plain, written.trim_end().as_bytes()));
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn again<T: minicbor::Encode<()>>(typ: Typ, bytes: &[u8], limit: usize, value: &T) -> Vec<u8> {
    let payload = encode(value);
    match Sign1::decode(typ, bytes, limit) {
        Ok(mut parts) => {
            parts.payload = &payload;
            parts.encode()
        }
        Err(error) => panic!("decoded once and not again: {error}"),
    }
}
