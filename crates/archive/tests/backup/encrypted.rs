//! Layer 2: what was encrypted comes back to who may have it and to nobody else; damage costs its chunk.

use std::io::{Cursor, Read, Seek};

use keyferry_archive::{
    Encrypted, Encryption, Error, FooterState, HEAD_LIMIT, Identity, MAX_RECIPIENTS, Passphrase, Place,
    Reader, Recipient, Unlock, Writer,
};
use keyferry_license::SealedKey;
use proptest::prelude::*;

use crate::damage;
use crate::made::{Dice, IDENTITY, PASSPHRASE, backup, computer_secret, header, license};
use crate::raw_age::{WORK_FACTOR, around, chunks, encrypt, passphrase, protect, recipient};
use crate::seen::{Seen, assert_part_of, encoded, open, read};

const OURS: [u8; 32] = [0x42; 32];

fn identity() -> Identity {
    IDENTITY.parse().unwrap()
}

fn words(text: &str) -> Unlock {
    Unlock::Passphrase(Passphrase::new(text.into()).unwrap())
}

fn refused(bytes: &[u8], unlock: Unlock) -> Error {
    Reader::open_with(Cursor::new(bytes), |_| Ok::<_, Error>(unlock))
        .err()
        .unwrap()
}

/// Of each about six thousand bytes: 28 chunks, seven frames.
const LICENSES: u64 = 300;

/// A long one by the crate's own writer.
fn long(encryption: &Encryption) -> (Vec<u8>, Unlock) {
    let mut writer = Writer::encrypted(Vec::new(), &header(1), encryption).unwrap();
    let mut dice = Dice::new(7);
    for n in 0..LICENSES {
        let grant: Vec<u8> = (0..750).flat_map(|_| dice.bytes::<8>()).collect();
        let grant = [&n.to_be_bytes()[..], &grant].concat();
        writer
            .push_license(&grant, &SealedKey(dice.bytes()), None)
            .unwrap();
    }
    let unlock = writer.unlock();
    let (bytes, summary) = writer.finish(&computer_secret()).unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    (bytes, unlock)
}

fn to_us() -> Encryption {
    Encryption::Recipients(vec![Identity::generate().recipient(), identity().recipient()])
}

fn small(stanzas: &[String]) -> Vec<u8> {
    around(&backup(&header(1), 3, &[200]).0, stanzas)
}

#[test]
fn a_passphrase_opens_what_it_closed() {
    let encryption = Encryption::Passphrase(Passphrase::new(PASSPHRASE.into()).unwrap());
    let (bytes, unlock) = long(&encryption);
    let seen = read(&bytes).unwrap();
    assert!(seen.is_whole(), "{:?}", seen.damages);
    assert_eq!(seen.records.len() as u64, LICENSES);
    let encrypted = Encrypted::of(&mut Cursor::new(&bytes)).unwrap().unwrap();
    assert_eq!(encrypted, Encrypted::Passphrase { work_factor: 18 });
    assert_eq!(encrypted.memory(), 256 << 20);
    // What the writer gives opens it without the passphrase.
    let mut reader = Reader::open_with(Cursor::new(&bytes), |_| Ok::<_, Error>(unlock)).unwrap();
    assert_eq!(reader.check_whole().unwrap().licenses, LICENSES);
    assert_eq!(reader.encryption(), Some(&encrypted));
    assert_eq!(reader.inner_len(), Some(bytes.len() as u64 - 64 - 48));
    let again = reader.unlock();
    let mut reader = Reader::open_with(Cursor::new(&bytes), |_| Ok::<_, Error>(again)).unwrap();
    assert_eq!(reader.check_whole().unwrap().licenses, LICENSES);
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let (one, other) = (Identity::generate(), Identity::generate());
    let (bytes, unlock) = long(&Encryption::Recipients(vec![one.recipient(), other.recipient()]));
    for unlock in [
        Unlock::Identities(vec![one]),
        Unlock::Identities(vec![Identity::generate(), other]),
        unlock,
    ] {
        let mut reader = Reader::open_with(Cursor::new(&bytes), |encrypted| {
            assert_eq!(encrypted, &Encrypted::Recipients { count: 2 });
            assert_eq!(encrypted.memory(), 0);
            Ok::<_, Error>(unlock)
        })
        .unwrap();
        assert_eq!(reader.check_whole().unwrap().licenses, LICENSES);
    }
    let stranger = Unlock::Identities(vec![Identity::generate()]);
    assert!(matches!(refused(&bytes, stranger), Error::NoMatchingIdentity));
    for nothing in [Unlock::None, Unlock::Identities(Vec::new()), words(PASSPHRASE)] {
        assert!(matches!(refused(&bytes, nothing), Error::NeedsIdentity));
    }
}

#[test]
fn a_missing_and_a_wrong_passphrase_are_told_apart() {
    let bytes = small(&[passphrase(WORK_FACTOR)]);
    assert!(read(&bytes).unwrap().is_whole());
    assert!(matches!(refused(&bytes, Unlock::None), Error::NeedsPassphrase));
    let identities = Unlock::Identities(vec![identity()]);
    assert!(matches!(refused(&bytes, identities), Error::NeedsPassphrase));
    for wrong in [
        "Correct horse battery staple",
        "correct horse battery staple ",
        " ",
    ] {
        assert!(
            matches!(refused(&bytes, words(wrong)), Error::WrongPassphrase),
            "{wrong}"
        );
    }
    assert!(matches!(
        Reader::open(Cursor::new(&bytes)),
        Err(Error::NeedsPassphrase)
    ));
    // The key of another file is none of this one.
    let (_, other) = long(&to_us());
    assert!(matches!(refused(&bytes, other), Error::Damaged(damage) if damage.place == Place::Encryption));
}

#[test]
fn the_work_factor_has_its_bounds() {
    for factor in [21, 22, 30, 63] {
        let bytes = small(&[passphrase(factor)]);
        let asked = Reader::open_with(Cursor::new(&bytes), |_| -> Result<Unlock, Error> {
            panic!("asked")
        });
        let refused = asked.err().unwrap();
        assert!(matches!(refused, Error::WorkFactor { found, limit: 20 } if found == factor));
    }
    for (factor, memory) in [(18, 256 << 20), (19, 512 << 20), (20, 1 << 30)] {
        let bytes = small(&[passphrase(factor)]);
        // It is said before it is taken.
        let stopped = Reader::open_with(Cursor::new(&bytes), |encrypted| {
            assert_eq!(encrypted.memory(), memory);
            Err::<Unlock, _>(Error::NeedsPassphrase)
        });
        assert!(matches!(stopped, Err(Error::NeedsPassphrase)));
    }
    for stated in ["0", "64", "018", "+18", "999", "18 1"] {
        let stanza = passphrase(WORK_FACTOR).replacen(" 10\n", &format!(" {stated}\n"), 1);
        let bytes = small(&[stanza]);
        let error = Reader::open_with(Cursor::new(&bytes), |_| Ok::<_, Error>(words(PASSPHRASE)));
        assert!(error.is_err(), "{stated}");
    }
}

#[test]
fn two_writers_are_read_alike() {
    let (plain, _) = backup(&header(3), 5, &[100_000]);
    let original = read(&plain).unwrap();
    for stanzas in [
        vec![passphrase(WORK_FACTOR)],
        vec![recipient([9; 32]), recipient(OURS)],
    ] {
        let seen = read(&around(&plain, &stanzas)).unwrap();
        assert!(seen.is_whole());
        assert_eq!(seen.records, original.records);
    }
    let mixed = [passphrase(WORK_FACTOR), recipient(OURS)];
    assert!(matches!(read(&around(&plain, &mixed)), Err(Error::Damaged(_))));
}

#[test]
fn every_flipped_byte_is_seen() {
    let to_us = small(&[recipient([9; 32]), recipient(OURS)]);
    // What follows its header is the same.
    let closed = small(&[passphrase(4)]);
    let header = content_start(&closed);
    for (whole, end) in [(&to_us, to_us.len()), (&closed, header)] {
        let original = read(whole).unwrap().records;
        for at in 0..end {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x01;
            if let Ok(seen) = read(&bytes) {
                assert!(!seen.is_whole(), "byte {at} of {}", whole.len());
                assert_part_of(&seen.records, &original);
            }
        }
    }
}

#[test]
fn a_damaged_chunk_costs_what_lies_in_it() {
    let (whole, _) = long(&to_us());
    let original = read(&whole).unwrap();
    let start = content_start(&whole);
    let middle = start + 3 * 65_552 + 100;
    let mut bytes = whole.clone();
    bytes[middle] ^= 0x80;
    let seen = read(&bytes).unwrap();
    assert!(matches!(
        seen.footer,
        FooterState::Signed {
            licenses: LICENSES,
            ..
        }
    ));
    assert!(
        !seen.damages.is_empty() && seen.damages.len() <= 2,
        "{:?}",
        seen.damages
    );
    let lost: u32 = seen
        .damages
        .iter()
        .map(|damage| damage.lost.unwrap().licenses)
        .sum();
    assert_eq!(seen.records.len() + lost as usize, original.records.len());
    assert!(!seen.records.is_empty());
    assert_part_of(&seen.records, &original.records);
    // It is said where in the file, not where in what is encrypted.
    let range = &seen.damages[0].range;
    assert!(
        range.contains(&(middle as u64)) || range.start < middle as u64,
        "{range:?}"
    );
    assert!(
        seen.damages
            .iter()
            .all(|damage| damage.range.end <= whole.len() as u64)
    );
}

#[test]
fn damage_is_placed_in_the_file() {
    let plain = damage::long(4);
    let (from, to) = damage::frames(&plain)[2];
    let mut bytes = around(&plain, &[recipient(OURS)]);
    let start = content_start(&bytes);
    let in_file = |at: usize| start + at / 65_536 * 65_552 + at % 65_536;
    bytes[in_file(from + 100_000)] ^= 0x08;
    let seen = read(&bytes).unwrap();
    let places: Vec<_> = seen
        .damages
        .iter()
        .map(|damage| (damage.place, damage.range.clone()))
        .collect();
    assert_eq!(
        places,
        [(Place::Frame(2), in_file(from) as u64..in_file(to) as u64)]
    );
}

#[test]
fn swapped_chunks_and_a_cut_are_seen() {
    let (whole, _) = long(&to_us());
    let original = read(&whole).unwrap().records;
    let start = content_start(&whole);
    let chunk = |n: usize| start + n * 65_552..start + (n + 1) * 65_552;
    let swapped = [
        &whole[..chunk(5).start],
        &whole[chunk(6)],
        &whole[chunk(5)],
        &whole[chunk(7).start..],
    ]
    .concat();
    let cuts = [
        chunk(7).start,
        chunk(7).start + 5,
        chunk(7).start + 20,
        whole.len() - 64 - 48,
        whole.len() - 64,
        whole.len() - 1,
    ];
    let cut = cuts.map(|at| whole[..at].to_vec());
    for bytes in cut.into_iter().chain([swapped]) {
        let seen = read(&bytes).unwrap();
        assert!(!seen.is_whole(), "{}", bytes.len());
        assert_part_of(&seen.records, &original);
        assert!(!seen.records.is_empty());
    }
}

#[test]
fn a_file_that_ends_with_a_chunk_that_is_not_the_last_is_cut() {
    let (plain, _) = backup(&header(1), 3, &[]);
    let mut inner = encrypt(b"", &[recipient(OURS)]);
    inner.extend(chunks(&plain[..plain.len() - 64], false));
    let seen: Seen = read(&protect(&inner)).unwrap();
    // Everything is there, and the payload's own end says so; the encryption alone lacks its last word.
    assert!(!seen.is_whole());
    assert_eq!(seen.damages[0].place, Place::Encryption);
    assert_eq!(seen.records.len(), 3);
}

#[test]
fn what_head_gives_is_an_age_file() {
    let (bytes, _) = long(&to_us());
    let n = open(&bytes).unwrap().inner_len().unwrap() as usize;
    let decryptor = age::Decryptor::new(&bytes[..n]).unwrap();
    let identity: age::x25519::Identity = IDENTITY.parse().unwrap();
    let mut payload = Vec::new();
    let mut stream = decryptor.decrypt(std::iter::once(&identity as _)).unwrap();
    stream.read_to_end(&mut payload).unwrap();
    let mut reader = Reader::open(Cursor::new(&payload)).unwrap();
    assert_eq!(reader.findings().len(), 1);
    assert_eq!(reader.findings()[0].place, Place::Trailer);
    let mut records = reader.records().unwrap();
    while records.next_item().is_some() {}
    assert_eq!(records.tally().licenses, LICENSES);
}

#[test]
fn an_empty_backup_is_encrypted_too() {
    let writer = Writer::encrypted(Vec::new(), &header(1), &to_us()).unwrap();
    let (bytes, _) = writer.finish(&computer_secret()).unwrap();
    assert!(read(&bytes).unwrap().is_whole());
}

#[test]
fn bounds_on_what_is_given() {
    let one = identity().recipient();
    let start =
        |recipients| Writer::encrypted(Vec::new(), &header(1), &Encryption::Recipients(recipients)).err();
    assert!(matches!(start(Vec::new()), Some(Error::Invalid { .. })));
    let many = start(vec![one.clone(); MAX_RECIPIENTS + 1]);
    assert!(matches!(many, Some(Error::TooLarge { .. })));
    let writer = Writer::encrypted(
        Vec::new(),
        &header(1),
        &Encryption::Recipients(vec![one; MAX_RECIPIENTS]),
    );
    let (bytes, _) = writer.unwrap().finish(&computer_secret()).unwrap();
    assert!(read(&bytes).unwrap().is_whole());
    assert!(Passphrase::new(String::new()).is_err());
    // A header without an end takes no more memory than its bound.
    let endless = [
        &b"age-encryption.org/v1\n"[..],
        &b"-> X25519 a\n\n".repeat(HEAD_LIMIT),
    ]
    .concat();
    assert!(matches!(read(&endless), Err(Error::Damaged(damage)) if damage.place == Place::Encryption));
}

#[test]
fn generated_passphrases_differ_and_can_be_typed() {
    let one = Passphrase::generate().unwrap();
    assert_ne!(one.expose(), Passphrase::generate().unwrap().expose());
    let groups: Vec<&str> = one.expose().split('-').collect();
    assert_eq!(groups.len(), 6);
    let typed = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() && !b"ilou".contains(&byte);
    assert!(
        groups
            .iter()
            .all(|group| group.len() == 4 && group.bytes().all(typed))
    );
    assert_eq!(format!("{one:?}"), "Passphrase(..)");
}

#[test]
fn files_of_recipients_and_identities_are_read_as_age_reads_them() {
    let (one, two) = (identity().recipient(), Identity::generate().recipient());
    let file = format!("# ours\n\n{one}\r\n#{two}\n{two}\n");
    assert_eq!(Recipient::parse_file(&file).unwrap(), [one.clone(), two]);
    let file = format!("# created: today\n# public key: {one}\n{IDENTITY}\n");
    assert_eq!(Identity::parse_file(&file).unwrap()[0].recipient(), one);
    let bad = |text: &str| match Recipient::parse_file(text) {
        Err(Error::BadRecipient { line, why }) => (line, why),
        other => panic!("{other:?}"),
    };
    assert_eq!(bad("# nothing\n").0, None);
    assert!(
        bad(&format!("{one}\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me\n"))
            .1
            .contains("SSH")
    );
    assert!(bad(&format!("\n{IDENTITY}\n")).1.contains("secret"));
    assert_eq!(bad(&format!("\n{IDENTITY}\n")).0, Some(2));
    assert!(
        bad("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t")
            .1
            .contains("plugin")
    );
    let bad = |text: &str| match Identity::parse_file(text) {
        Err(error @ Error::BadIdentity { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(bad(&one.to_string()).starts_with("line 1: it is a recipient"));
    assert!(bad("age-encryption.org/v1\n-> scrypt").contains("encrypted themselves"));
    assert!(bad("-----BEGIN OPENSSH PRIVATE KEY-----").contains("SSH"));
    let broken = IDENTITY.replace("GFPQ4", "GFPQ5");
    assert!(!bad(&broken).contains("GFP"), "the secret is not repeated");
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let words = Passphrase::new(PASSPHRASE.into()).unwrap();
    let (_, key) = long(&to_us());
    let shown = format!("{:?} {:?} {key:?}", Encryption::Passphrase(words), identity());
    assert!(!shown.contains("horse") && !shown.contains("SECRET"), "{shown}");
}

#[test]
fn it_is_told_what_is_not_encrypted() {
    let (plain, _) = backup(&header(1), 1, &[]);
    for bytes in [&plain[..], b"", b"age", b"something else that is long enough"] {
        assert_eq!(Encrypted::of(&mut Cursor::new(bytes)).unwrap(), None);
    }
    let reader = open(&plain).unwrap();
    assert!(reader.encryption().is_none() && matches!(reader.unlock(), Unlock::None));
}

fn content_start(bytes: &[u8]) -> usize {
    let line = bytes.windows(5).position(|window| window == b"\n--- ").unwrap() + 1;
    line + bytes[line..].iter().position(|byte| *byte == b'\n').unwrap() + 1 + 16
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_under_the_encryption_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&protect(&encrypt(&bytes, &[recipient(OURS)])));
        let head = b"age-encryption.org/v1\n-> X25519 ";
        let _ = read(&[&head[..], &bytes].concat());
    }

    #[test]
    fn licenses_come_back_through_the_encryption(count in 0u64..40) {
        let header = header(2);
        let mut writer = Writer::encrypted(Vec::new(), &header, &to_us()).unwrap();
        let mut expected = Vec::new();
        for n in 0..count {
            let one = license(n, &header);
            writer.push_license(&one.grant, &one.escrow, one.returning.as_ref()).unwrap();
            expected.push(encoded(&keyferry_archive::Record::License(keyferry_archive::License {
                grant: &one.grant,
                escrow: one.escrow,
                returning: one.returning,
                lease_close: None,
            })));
        }
        let mut out = Cursor::new(writer.finish(&computer_secret()).unwrap().0);
        out.rewind().unwrap();
        let seen = read(out.get_ref()).unwrap();
        prop_assert!(seen.is_whole());
        prop_assert_eq!(seen.records, expected);
    }
}
