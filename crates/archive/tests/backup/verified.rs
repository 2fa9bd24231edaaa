//! Verification: what it finds, what it says that it could not check, and what it comes to.

use std::io::Cursor;

use keyferry_archive::{
    BrokenDocument, Damage, Document, DocumentPart, Encryption, Error, Identity, Inspector, KeyCheck,
    License, LicenseVerdict, Passphrase, Place, Record, Report, Unchecked, Unlock, Verdict, Writer, verify,
    verify_open,
};
use keyferry_license::{ContentKey, Grant, SealedKey, Sealer, Secret32, Verified};

use crate::made::{
    Dice, PASSPHRASE, backup, computer_secret, document, grant, header, license, secret, unsigned_license,
};
use crate::raw::trailer;
use crate::raw_age::{around, encrypt, passphrase, recipient};
use crate::seen::{open, unlock};

/// Holds the return key, and keeps what it hears.
#[derive(Default)]
struct Heard {
    key: Option<Sealer>,
    verdicts: Vec<(bool, LicenseVerdict)>,
    documents: Vec<String>,
    broken: Vec<BrokenDocument>,
    damage: Vec<Damage>,
    stop_after: Option<usize>,
}

impl Inspector for Heard {
    fn check_key(&mut self, grant: &Verified<Grant>, license: &License<'_>) -> KeyCheck {
        match (&self.key, &license.returning) {
            (Some(key), Some(seal)) => match key.open(grant, seal) {
                Ok(_) => KeyCheck::Fits,
                Err(error) => KeyCheck::Broken(error.to_string()),
            },
            _ => KeyCheck::NotOpened,
        }
    }

    fn license(&mut self, grant: Option<&Grant>, verdict: &LicenseVerdict) {
        self.verdicts.push((grant.is_some(), verdict.clone()));
    }

    fn document(&mut self, document: &Document) {
        self.documents.push(document.name.clone());
    }

    fn broken_document(&mut self, document: &BrokenDocument) {
        self.broken.push(document.clone());
    }

    fn damage(&mut self, damage: &Damage) {
        self.damage.push(damage.clone());
    }

    fn is_canceled(&mut self) -> bool {
        self.stop_after.is_some_and(|count| self.verdicts.len() >= count)
    }
}

fn check(bytes: &[u8], inspector: &mut dyn Inspector) -> Report {
    verify(
        Cursor::new(bytes),
        |encrypted| Ok::<_, Error>(unlock(encrypted)),
        inspector,
    )
    .unwrap()
}

/// As [`check`] by somebody who can't open it.
fn from_outside(bytes: &[u8]) -> Result<Report, Error> {
    verify(Cursor::new(bytes), |_| Ok(Unlock::None), &mut ())
}

fn to_us() -> Encryption {
    let identity: Identity = crate::made::IDENTITY.parse().unwrap();
    Encryption::Recipients(vec![identity.recipient()])
}

/// Licenses whose return seals open; of every fifth the key is another's, of every seventh there is no seal.
fn with_keys(count: u64) -> (Vec<u8>, Sealer) {
    let (header, key) = (header(1), Secret32::from_bytes([3; 32]));
    let sealer = Sealer::returning(&key);
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for n in 0..count {
        let mut dice = Dice::new(n);
        let mut claim = grant(n, &header, &mut dice);
        let content = ContentKey::from_bytes(dice.bytes());
        claim.commitment = content.commitment(&claim.license);
        let signed = claim.sign(&secret(50)).unwrap();
        let mut seal = sealer.seal(&signed, &content).unwrap();
        if n % 5 == 4 {
            seal.0[0] ^= 1;
        }
        let seal = (n % 7 != 6).then_some(&seal);
        writer
            .push_license(signed.as_bytes(), &SealedKey(dice.bytes()), seal)
            .unwrap();
    }
    (writer.finish(&computer_secret()).unwrap().0, sealer)
}

#[test]
fn a_whole_backup_is_said_to_be_whole() {
    let (bytes, _) = backup(&header(1), 7, &[0, 500, 200_000]);
    for bytes in [bytes.clone(), around(&bytes, &[passphrase(4)])] {
        let mut heard = Heard::default();
        let report = check(&bytes, &mut heard);
        assert_eq!(report.verdict(), Verdict::Whole);
        assert_eq!(report.unchecked, [Unchecked::Keys(7)]);
        let counts = report.opened.as_ref().unwrap().counts;
        assert_eq!((counts.licenses, counts.good, counts.documents), (7, 7, 3));
        assert_eq!(
            heard.documents,
            ["document 0.lcpl", "document 1.lcpl", "document 2.lcpl"]
        );
        assert_eq!(heard.verdicts.len(), 7);
        let report = verify_open(&mut open(&bytes).unwrap(), &mut ()).unwrap();
        assert_eq!(report.verdict(), Verdict::Whole);
    }
}

#[test]
fn commitments_are_checked_where_keys_open() {
    let (bytes, key) = with_keys(35);
    let mut heard = Heard {
        key: Some(key),
        ..Heard::default()
    };
    let report = check(&bytes, &mut heard);
    let counts = report.opened.as_ref().unwrap().counts;
    // Of the 7 altered seals one is left out.
    assert_eq!((counts.broken, counts.good, counts.keys_opened), (6, 29, 24));
    assert_eq!(report.unchecked, [Unchecked::Keys(5)]);
    assert_eq!(report.verdict(), Verdict::Damaged { usable: 29 });
    for (n, (_, verdict)) in heard.verdicts.iter().enumerate() {
        match verdict {
            LicenseVerdict::Broken(_) => assert!(n % 5 == 4 && n % 7 != 6, "{n}"),
            LicenseVerdict::Good(KeyCheck::NotOpened) => assert_eq!(n % 7, 6),
            LicenseVerdict::Good(KeyCheck::Fits) => assert!(n % 5 != 4 && n % 7 != 6, "{n}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn forged_grants_and_those_of_strangers_are_found_among_good_ones() {
    let header = header(1);
    let mut stranger = header.clone();
    stranger.issuers = vec![crate::made::card(
        keyferry_license::CardKind::Issuer,
        "Stranger",
        51,
    )];
    let mut elsewhere = header.clone();
    elsewhere.services = vec![crate::made::card(
        keyferry_license::CardKind::Service,
        "Elsewhere",
        99,
    )];
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let mut dice = Dice::new(1);
    for n in 0..1500 {
        let mut bytes = Vec::new();
        match n {
            700 => {
                unsigned_license(n, &header, &mut dice, &mut bytes);
            }
            701 => bytes = b"no grant at all".to_vec(),
            702 => {
                let grant = grant(n, &stranger, &mut dice).sign(&secret(51)).unwrap();
                bytes = grant.as_bytes().to_vec();
            }
            703 => {
                let grant = grant(n, &elsewhere, &mut dice).sign(&secret(50)).unwrap();
                bytes = grant.as_bytes().to_vec();
            }
            _ => bytes = license(n, &header).grant,
        }
        writer.push_license(&bytes, &SealedKey([1; 32]), None).unwrap();
    }
    let (bytes, _) = writer.finish(&computer_secret()).unwrap();
    let mut heard = Heard::default();
    let report = check(&bytes, &mut heard);
    let counts = report.opened.as_ref().unwrap().counts;
    assert_eq!(
        (counts.licenses, counts.good, counts.broken, counts.without_card),
        (1500, 1496, 3, 1)
    );
    assert_eq!(report.verdict(), Verdict::Damaged { usable: 1496 });
    assert_eq!(
        report.unchecked,
        [Unchecked::Signatures(1), Unchecked::Keys(1496)]
    );
    assert!(report.damage.is_empty());
    assert!(matches!(&heard.verdicts[700], (true, LicenseVerdict::Broken(_))));
    assert!(matches!(&heard.verdicts[701], (false, LicenseVerdict::Broken(_))));
    assert_eq!(heard.verdicts[702], (true, LicenseVerdict::NoIssuerCard));
    assert!(matches!(&heard.verdicts[703], (true, LicenseVerdict::Broken(why)) if why.contains("service")));
}

#[test]
fn every_flipped_byte_is_found_from_inside() {
    let (plain, _) = backup(&header(1), 3, &[300]);
    for whole in [plain.clone(), around(&plain, &[recipient([0x42; 32])])] {
        assert_eq!(check(&whole, &mut ()).verdict(), Verdict::Whole);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            match verify(
                Cursor::new(&bytes),
                |encrypted| Ok::<_, Error>(unlock(encrypted)),
                &mut (),
            ) {
                Err(_) => {}
                Ok(report) => {
                    assert!(
                        matches!(report.verdict(), Verdict::Damaged { .. }),
                        "byte {at}: {report:?}"
                    );
                    assert!(
                        report.damaged_places > 0 && !report.damage.is_empty(),
                        "byte {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_flipped_byte_is_found_from_outside() {
    let whole = around(&backup(&header(1), 3, &[300]).0, &[passphrase(4)]);
    let report = from_outside(&whole).unwrap();
    assert_eq!(report.verdict(), Verdict::OutsideWhole);
    assert_eq!(report.unchecked, [Unchecked::Inside]);
    assert!(report.opened.is_none() && report.check_fits);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x04;
        let found = from_outside(&bytes).map(|report| report.verdict());
        assert!(
            matches!(found, Err(_) | Ok(Verdict::Damaged { usable: 0 })),
            "byte {at}: {found:?}"
        );
    }
    for cut in [
        0,
        10,
        100,
        300,
        whole.len() - 113,
        whole.len() - 64,
        whole.len() - 1,
    ] {
        let found = from_outside(&whole[..cut]).map(|report| report.verdict());
        assert!(
            matches!(found, Err(_) | Ok(Verdict::Damaged { usable: 0 })),
            "{cut}: {found:?}"
        );
    }
}

#[test]
fn where_nothing_says_what_the_bytes_should_be_nothing_is_said() {
    let (plain, _) = backup(&header(1), 1, &[]);
    let inner = encrypt(&plain[..plain.len() - 64], &[passphrase(4)]);
    let bytes = [&inner[..], &trailer(inner.len() as u64, 0, 0)].concat();
    assert_eq!(from_outside(&bytes).unwrap().verdict(), Verdict::NothingCheckable);
    assert_eq!(check(&bytes, &mut ()).verdict(), Verdict::Whole);
}

#[test]
fn a_wrong_passphrase_is_an_error_and_no_verdict() {
    let bytes = around(&backup(&header(1), 1, &[]).0, &[passphrase(4)]);
    let wrong = Passphrase::new(format!("{PASSPHRASE}!")).unwrap();
    let found = verify(Cursor::new(&bytes), |_| Ok(Unlock::Passphrase(wrong)), &mut ());
    assert!(matches!(found, Err(Error::WrongPassphrase)));
}

#[test]
fn what_is_lost_is_counted_and_placed() {
    let mut writer = Writer::encrypted(Vec::new(), &header(1), &to_us()).unwrap();
    for n in 0..900 {
        let one = license(n, &header(1));
        writer
            .push_license(&one.grant, &one.escrow, one.returning.as_ref())
            .unwrap();
    }
    writer
        .push_document("a.lcpl", "lcp", &document(1, 500_000))
        .unwrap();
    let (whole, _) = writer.finish(&computer_secret()).unwrap();
    let mut damaged = 0;
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let mut heard = Heard::default();
        let Ok(report) = verify(
            Cursor::new(&bytes),
            |encrypted| Ok::<_, Error>(unlock(encrypted)),
            &mut heard,
        ) else {
            continue;
        };
        assert!(matches!(report.verdict(), Verdict::Damaged { .. }), "{at}");
        assert_eq!(report.damage, heard.damage);
        assert_eq!(report.damaged_places, heard.damage.len() as u64);
        let Some(opened) = report.opened else { continue };
        damaged += 1;
        let counts = opened.counts;
        assert_eq!(counts.good, counts.licenses);
        assert_eq!(counts.broken_documents, heard.broken.len() as u64);
        assert!(counts.documents + counts.broken_documents <= 1);
        if heard.damage.iter().all(|damage| damage.lost.is_some()) {
            assert_eq!(counts.licenses + counts.lost, 900, "{at}");
        }
    }
    assert!(damaged > 10, "{damaged}");
}

#[test]
fn a_document_is_whole_only_with_its_digest() {
    let mut writer = Writer::new(Vec::new(), &header(1)).unwrap();
    let bytes = document(1, 1000);
    writer.push_document("good.lcpl", "lcp", &bytes).unwrap();
    let part = DocumentPart {
        name: "bad.lcpl",
        kind: "lcp",
        digest: [7; 32],
        part: 0,
        parts: 1,
        bytes: &bytes,
    };
    writer.push(&Record::Part(part)).unwrap();
    let (bytes, _) = writer.finish(&computer_secret()).unwrap();
    let mut heard = Heard::default();
    let report = check(&bytes, &mut heard);
    assert_eq!(report.verdict(), Verdict::Damaged { usable: 1 });
    assert_eq!(heard.documents, ["good.lcpl"]);
    assert_eq!(heard.broken.len(), 1);
    assert_eq!(heard.broken[0].name, "bad.lcpl");
}

#[test]
fn a_promise_that_is_not_kept_is_damage() {
    let (bytes, _) = backup(&header(1), 2, &[]);
    let mut raw = crate::raw::Raw::new(crate::raw::header_of(&bytes), [1; 16], Vec::new());
    raw.documents = 3;
    let report = check(&raw.build(), &mut ());
    assert_eq!(report.verdict(), Verdict::Damaged { usable: 0 });
    assert_eq!(report.damage[0].place, Place::Footer);
    raw.documents = 0;
    raw.signer = None;
    let report = check(&raw.build(), &mut ());
    assert!(report.unchecked.contains(&Unchecked::Promise));
    assert!(matches!(report.verdict(), Verdict::Damaged { .. }));
}

#[test]
fn it_can_be_canceled() {
    let (bytes, _) = backup(&header(1), 2000, &[]);
    let mut heard = Heard {
        stop_after: Some(500),
        ..Heard::default()
    };
    let report = check(&bytes, &mut heard);
    assert_eq!(report.verdict(), Verdict::NothingCheckable);
    assert!(heard.verdicts.len() < 2000);
    assert!(report.unchecked.contains(&Unchecked::Canceled));
}
