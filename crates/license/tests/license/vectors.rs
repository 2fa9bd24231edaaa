//! Every vector of `testdata/license/`, through every path: decode, verify, open, encode again.

use std::collections::BTreeSet;

use base64::prelude::*;
use keyferry_license::*;

use crate::vector::{Vector, folder, hex, unhex};

/// How many there are: a vector that is lost is missed.
const VECTORS: usize = 156;

/// Every error that a document can show, and `ok`.
const NAMED: &str = "Armor BadKey BadSignature DuplicateKey Malformed NotDeterministic OtherIssuer OtherService \
                     OutOfRange SealBroken SmallOrderKey TooDeep TooLarge UnknownCritical UnknownField UnknownSuite \
                     WrongCommitment WrongType ok";

#[test]
fn each_does_what_it_says() {
    let all = Vector::all();
    assert_eq!(all.len(), VECTORS);
    let wrong: Vec<_> = all.iter().filter_map(|vector| run(vector).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_good_and_bad_of_each_kind_are_there() {
    let all = Vector::all();
    for kind in ["card", "grant", "license-file", "card-file"] {
        let of_kind = || all.iter().filter(|vector| vector.need("kind") == kind);
        assert!(of_kind().any(|vector| vector.need("expect") == "ok"), "{kind}");
        assert!(of_kind().any(|vector| vector.need("expect") != "ok"), "{kind}");
    }
    let errors: BTreeSet<_> = all
        .iter()
        .map(|vector| vector.need("expect").to_owned())
        .collect();
    assert_eq!(errors, NAMED.split_whitespace().map(str::to_owned).collect());
}

/// With KEYFERRY_WRITE_VECTORS set, writes them instead.
#[test]
fn the_files_are_what_this_program_makes() {
    let kept = Vector::all();
    let mut made = crate::cards::vectors();
    made.extend(crate::grants::vectors());
    made.extend(crate::files::vectors(&kept));
    made.sort_by(|a, b| a.name.cmp(&b.name));
    if std::env::var_os("KEYFERRY_WRITE_VECTORS").is_some() {
        for vector in &made {
            std::fs::write(folder().join(format!("{}.txt", vector.name)), vector.to_text()).unwrap();
        }
        return;
    }
    let names = |all: &[Vector]| all.iter().map(|vector| vector.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&made));
    for (kept, made) in kept.iter().zip(&made) {
        assert_eq!(kept, made, "{}", kept.name);
        let file = std::fs::read_to_string(folder().join(format!("{}.txt", kept.name)));
        assert_eq!(file.unwrap(), kept.to_text(), "{}", kept.name);
    }
}

#[test]
fn the_specification_names_what_the_code_has() {
    let page = std::fs::read_to_string(folder().join("../../docs/license.md")).unwrap();
    let mut words: Vec<String> = NAMED.split_whitespace().map(|name| format!("`{name}`")).collect();
    let typs = [Typ::Card, Typ::Grant, Typ::Request, Typ::Receipt, Typ::Backup];
    words.extend(typs.map(|typ| format!("`{}`", typ.media_type())));
    words.extend([armor::LICENSE, armor::CARD, armor::ISSUER_KEY].map(|label| format!("`{label}`")));
    let thousands = |n: usize| match (n / 1_000_000, n / 1000 % 1000, n % 1000) {
        (0, thousands, rest) => format!("{thousands},{rest:03}"),
        (millions, thousands, rest) => format!("{millions},{thousands:03},{rest:03}"),
    };
    let bounds = [CARD_LIMIT, GRANT_LIMIT, LICENSE_BLOCK_LIMIT];
    words.extend(bounds.map(|bytes| format!("{} bytes", thousands(bytes))));
    words.push(format!("{} licenses", thousands(LICENSES_IN_A_BLOCK)));
    words.push(format!("{DEFAULT_COMPUTERS} when absent"));
    words.extend([BACKUP, PLAY].map(|action| format!("`{action}`")));
    let missing: Vec<_> = words.iter().filter(|word| !page.contains(*word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Runs one, and says what was not as it should be.
fn run(vector: &Vector) -> Result<(), String> {
    let outcome = match vector.need("kind") {
        "card" => run_card(vector),
        "grant" => run_grant(vector),
        "card-file" => run_card_file(vector),
        "license-file" => run_license_file(vector),
        other => panic!("{}: kind {other:?}", vector.name),
    };
    let (stage, found) = match outcome {
        Ok(()) => ("", "ok".to_owned()),
        Err((stage, error)) => (stage, variant(&error)),
    };
    let expected = vector.need("expect");
    let fails = vector.get("fails").unwrap_or(stage);
    if (found.as_str(), stage) == (expected, fails) {
        return Ok(());
    }
    Err(format!(
        "{}: {expected} {fails:?} expected, {found} {stage:?} found",
        vector.name
    ))
}

/// An error's name.
fn variant(error: &Error) -> String {
    assert!(!error.to_string().is_empty());
    let shown = format!("{error:?}");
    shown.split([' ', '(']).next().unwrap().to_owned()
}

type Outcome = Result<(), (&'static str, Error)>;

fn at(stage: &'static str) -> impl Fn(Error) -> (&'static str, Error) {
    move |error| (stage, error)
}

/// The same document with its payload decoded and encoded again.
fn again<T: minicbor::Encode<()>>(typ: Typ, bytes: &[u8], value: &T) -> Vec<u8> {
    let payload = encode(value);
    let mut parts = Sign1::decode(typ, bytes, CARD_LIMIT).unwrap();
    parts.payload = &payload;
    parts.encode()
}

fn run_card(vector: &Vector) -> Outcome {
    let card = Card::verify(&vector.body).map_err(at("verify"))?;
    assert_eq!(card.as_bytes(), vector.body);
    assert_eq!(again(Typ::Card, &vector.body, &*card), vector.body);
    assert_eq!(card.thumbprint().to_string(), vector.need("thumbprint"));
    assert_eq!(card.digest().to_string(), vector.need("digest"));
    Ok(())
}

fn run_card_file(vector: &Vector) -> Outcome {
    let bytes = armor::single(armor::CARD, &vector.body).map_err(at("decode"))?;
    let card = Card::verify(&bytes).map_err(at("verify"))?;
    let text = armor::write(armor::CARD, card.as_bytes()).unwrap();
    let written = std::str::from_utf8(&vector.body).unwrap();
    assert!(written.contains(text.trim_end()));
    Ok(())
}

fn run_grant(vector: &Vector) -> Outcome {
    let issuer = Card::verify(&BASE64_STANDARD.decode(vector.need("issuer")).unwrap()).unwrap();
    let parsed = Grant::parse(&vector.body).map_err(at("decode"))?;
    assert_eq!(again(Typ::Grant, &vector.body, parsed.claim()), vector.body);
    let batch = Unverified::verify_batch(std::slice::from_ref(&parsed), &issuer)
        .pop()
        .unwrap();
    let single = parsed.clone().verify_with(&issuer);
    assert_eq!(batch.as_ref().err(), single.as_ref().err());
    let grant = single.map_err(at("verify"))?;
    assert_eq!(grant.as_bytes(), vector.body);
    if vector.get("content-key").is_some() {
        check_seals(vector, &parsed, &grant);
    }
    Ok(())
}

fn check_seals(vector: &Vector, parsed: &Unverified<Grant>, grant: &Verified<Grant>) {
    let key = ContentKey::from_bytes(unhex(vector.need("content-key")));
    assert_eq!(hex(&key.commitment(&grant.license).0), vector.need("commitment"));
    assert_eq!(grant.digest().to_string(), vector.need("digest"));
    let secret = |key| Secret32::from_bytes(unhex(vector.need(key)));
    let sealers = [
        ("store-seal", Sealer::store(&secret("store-key"))),
        ("return-seal", Sealer::returning(&secret("return-key"))),
    ];
    for (name, sealer) in sealers {
        let sealed = SealedKey(unhex(vector.need(name)));
        assert_eq!(sealer.seal(grant, &key).unwrap(), sealed);
        assert_eq!(sealer.open(grant, &sealed).unwrap().expose(), key.expose());
        let (proven, opened) = sealer.open_own(parsed.clone(), &sealed).unwrap();
        assert_eq!(
            (proven.as_bytes(), opened.expose()),
            (grant.as_bytes(), key.expose())
        );
    }
}

fn run_license_file(vector: &Vector) -> Outcome {
    let secret = KemSecret::from_seed(Secret32::from_bytes(unhex(vector.need("seed"))));
    let mut keys = Vec::new();
    for block in armor::Blocks::new(armor::LICENSE, vector.body.as_slice()) {
        let block = block.map_err(at("decode"))?;
        let file = LicenseFile::from_bytes(&block).map_err(at("decode"))?;
        assert_eq!(file.to_bytes(), block);
        let written = std::str::from_utf8(&vector.body).unwrap();
        assert!(written.contains(&file.to_armor().unwrap()));
        let (issuer, service) = file.cards().map_err(at("verify"))?;
        let grants = file.grants(&issuer, &service);
        assert_eq!(grants.len(), file.items.len());
        let sealer = Sealer::open_delivery(&file.enc, &secret).unwrap();
        for (grant, item) in grants.into_iter().zip(&file.items) {
            let grant = grant.map_err(at("verify"))?;
            assert_eq!(grant.as_bytes(), item.grant);
            let key = sealer.open(&grant, &item.key).map_err(at("open"))?;
            keys.push(hex(key.expose()));
        }
    }
    assert_eq!(keys.join(" "), vector.need("keys"), "{}", vector.name);
    Ok(())
}
