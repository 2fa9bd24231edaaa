//! Damage is repaired up to what the parity is for, wherever it lies, and beyond that nothing wrong is ever given.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use keyferry_archive::{
    Encryption, Error, Parity, Place, Protection, Reader, Repair, Report, Unlock, Verdict, Writer, verify,
};

use crate::made::{Dice, IDENTITY, computer_secret, header, inner, protected};
use crate::seen::{Given, Seen, assert_part_of, read, unlock};

fn plain(licenses: u64) -> Vec<u8> {
    inner(&header(3), licenses, &Encryption::None)
}

fn encrypted(licenses: u64) -> Vec<u8> {
    let identity: keyferry_archive::Identity = IDENTITY.parse().unwrap();
    inner(
        &header(3),
        licenses,
        &Encryption::Recipients(vec![identity.recipient()]),
    )
}

fn checked(bytes: &[u8]) -> Report {
    verify(
        Cursor::new(bytes),
        |encrypted| Ok::<_, Error>(unlock(encrypted)),
        &mut (),
    )
    .unwrap()
}

fn found(bytes: &[u8]) -> Protection {
    checked(bytes).protection.expect("it has parity")
}

/// Replaces bytes by noise that differs from them.
fn noise(bytes: &mut [u8], dice: &mut Dice) {
    for byte in bytes {
        *byte ^= 1 + dice.below(255) as u8;
    }
}

/// The whole of it, and what it was made of.
struct Whole {
    bytes: Vec<u8>,
    records: Vec<Given>,
}

impl Whole {
    fn new(inner: &[u8], parity: Parity) -> Self {
        let bytes = protected(inner, parity);
        let records = read(&bytes).unwrap().records;
        assert!(!records.is_empty());
        Self { bytes, records }
    }

    /// All is given, verification calls it repairable, and the repair gives every byte again.
    fn assert_repaired(&self, damaged: &[u8], what: &str) {
        let seen: Seen = read(damaged).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(seen.records == self.records, "{what}");
        let report = checked(damaged);
        assert_eq!(
            report.verdict(),
            Verdict::Repairable,
            "{what}: {:?}",
            report.damage
        );
        let mut repair = Repair::open(Cursor::new(damaged)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!repair.is_whole(), "{what}");
        let mut inner = Vec::new();
        repair.write_inner(&mut inner).unwrap();
        assert!(protected(&inner, repair.parity()) == self.bytes, "{what}");
    }
}

#[test]
fn whole_it_reads_as_before_and_verifies() {
    for inner in [plain(3), encrypted(3)] {
        let whole = Whole::new(&inner, Parity::Twelve);
        assert_eq!(whole.bytes[..inner.len()], inner);
        let report = checked(&whole.bytes);
        assert_eq!(report.verdict(), Verdict::Whole);
        let found = report.protection.unwrap();
        assert_eq!((found.damaged, found.damaged_parity, found.used), (0, 0, 0.0));
        let repair = Repair::open(Cursor::new(&whole.bytes)).unwrap();
        assert!(repair.is_whole());
        assert_eq!(
            (repair.parity(), repair.inner_len()),
            (Parity::Twelve, inner.len() as u64)
        );
    }
    // Nobody needs to open it to see that it is whole.
    let closed = protected(&encrypted(3), Parity::Five);
    let report = verify(Cursor::new(&closed), |_| Ok::<_, Error>(Unlock::None), &mut ()).unwrap();
    assert_eq!(report.verdict(), Verdict::OutsideWhole);
}

#[test]
fn any_contiguous_tenth_is_repaired() {
    let mut dice = Dice::new(10);
    for (inner, steps) in [
        (plain(1), 60),
        (encrypted(1), 25),
        (plain(100), 25),
        (encrypted(100), 12),
    ] {
        let whole = Whole::new(&inner, Parity::Twelve);
        let tenth = whole.bytes.len().div_ceil(10);
        let last = whole.bytes.len() - tenth;
        for step in 0..=steps {
            let start = last * step / steps;
            let mut damaged = whole.bytes.clone();
            noise(&mut damaged[start..start + tenth], &mut dice);
            whole.assert_repaired(&damaged, &format!("{} bytes from {start}", inner.len()));
        }
    }
}

#[test]
fn less_and_more_parity_repair_less_and_more() {
    let mut dice = Dice::new(11);
    let inner = plain(60);
    for (parity, share) in [(Parity::Five, 25), (Parity::TwentyFive, 6)] {
        let whole = Whole::new(&inner, parity);
        let part = whole.bytes.len().div_ceil(share);
        for start in [0, whole.bytes.len() / 3, whole.bytes.len() - part] {
            let mut damaged = whole.bytes.clone();
            noise(&mut damaged[start..start + part], &mut dice);
            whole.assert_repaired(&damaged, &format!("{parity:?} from {start}"));
        }
    }
}

#[test]
fn a_file_cut_by_a_tenth_is_repaired() {
    for inner in [plain(1), encrypted(20), plain(100)] {
        let whole = Whole::new(&inner, Parity::Twelve);
        let len = whole.bytes.len();
        for cut in [1, 63, 64, 65, len / 50, len / 10] {
            whole.assert_repaired(&whole.bytes[..len - cut], &format!("cut by {cut}"));
        }
    }
}

#[test]
fn every_flipped_byte_is_seen_and_repaired() {
    for (inner, step) in [(plain(1), 1), (encrypted(1), 7)] {
        let whole = Whole::new(&inner, Parity::Twelve);
        for at in (0..whole.bytes.len()).step_by(step) {
            let mut damaged = whole.bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(read(&damaged).unwrap().records == whole.records, "byte {at}");
            let report = checked(&damaged);
            assert_eq!(
                report.verdict(),
                Verdict::Repairable,
                "byte {at}: {:?}",
                report.damage
            );
            let named = report
                .damage
                .iter()
                .any(|damage| damage.range.contains(&(at as u64)));
            assert!(named, "byte {at}: {:?}", report.damage);
        }
    }
}

/// A thousand random patterns, within the budget and far beyond it: all is given, or what is given is right.
#[test]
fn random_damage_is_repaired_or_told() {
    let mut dice = Dice::new(12);
    let wholes = [
        Whole::new(&plain(40), Parity::Twelve),
        Whole::new(&encrypted(40), Parity::Twelve),
    ];
    let (mut repaired, mut lost) = (0, 0);
    for round in 0..1000 {
        let whole = &wholes[round % 2];
        let mut damaged = whole.bytes.clone();
        // From one place with a byte to thirty with a fiftieth of the file each.
        for _ in 0..=dice.below(30) {
            let len = 1 + dice.below(damaged.len() / (50 + 20 * (round % 7)));
            let start = dice.below(damaged.len() - len);
            noise(&mut damaged[start..start + len], &mut dice);
        }
        let opened = read(&damaged);
        if let Ok(seen) = &opened {
            assert_part_of(&seen.records, &whole.records);
        }
        let report = verify(
            Cursor::new(&damaged),
            |encrypted| Ok::<_, Error>(unlock(encrypted)),
            &mut (),
        );
        match report.map(|report| report.verdict()) {
            Ok(Verdict::Repairable) => {
                repaired += 1;
                assert!(opened.unwrap().records == whole.records, "round {round}");
                assert!(Repair::open(Cursor::new(&damaged)).is_ok(), "round {round}");
            }
            Ok(Verdict::Damaged { .. }) | Err(_) => {
                lost += 1;
                if let Ok(repair) = Repair::open(Cursor::new(&damaged)) {
                    panic!("round {round}: {:?}", repair.protection());
                }
            }
            Ok(other) => panic!("round {round}: {other:?}"),
        }
    }
    assert!(repaired > 200 && lost > 200, "{repaired} repaired, {lost} lost");
}

#[test]
fn scattered_sectors_are_repaired() {
    let mut dice = Dice::new(13);
    let (plain, encrypted) = (plain(6_000), encrypted(6_000));
    assert!(plain.len() > 1 << 20);
    for (inner, parity, share) in [
        (&plain, Parity::Twelve, 20),
        (&encrypted, Parity::Twelve, 20),
        (&plain, Parity::Five, 50),
        (&plain, Parity::TwentyFive, 10),
    ] {
        let whole = Whole::new(inner, parity);
        let sectors = whole.bytes.len() / 4096;
        // Where the medium's sectors begin, and where they don't.
        for shift in [0, 0, 1234] {
            let mut damaged = whole.bytes.clone();
            for _ in 0..sectors / share {
                let start = (dice.below(sectors - 1) * 4096 + shift).min(damaged.len() - 4096);
                noise(&mut damaged[start..start + 4096], &mut dice);
            }
            // Head and tail, too.
            damaged[0] ^= 1;
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            whole.assert_repaired(&damaged, &format!("{parity:?} scattered by {shift}"));
        }
    }
}

#[test]
fn large_files_are_cut_into_stripes_and_repaired() {
    let mut dice = Dice::new(14);
    let whole = Whole::new(&plain(20_000), Parity::Twelve);
    assert!(whole.bytes.len() > 3 << 20);
    let tenth = whole.bytes.len().div_ceil(10);
    let last = whole.bytes.len() - tenth;
    for start in [0, 1, last / 3, last * 5 / 6, last - 1, last] {
        let mut damaged = whole.bytes.clone();
        noise(&mut damaged[start..start + tenth], &mut dice);
        whole.assert_repaired(&damaged, &format!("from {start}"));
    }
}

#[test]
fn how_much_is_used_up_is_told() {
    let whole = Whole::new(&plain(30), Parity::Twelve);
    let cell = found(&whole.bytes).cell_len as usize;
    let mut damaged = whole.bytes.clone();
    for n in 0..4 {
        damaged[cell * 3 * n] ^= 1;
    }
    let found = found(&damaged);
    assert_eq!(
        (found.damaged, found.damaged_parity, found.damaged_pages),
        (4, 0, 0)
    );
    // The cells of the first and of the last, and what lies between.
    let damage = found.damage();
    assert_eq!(damage.range, 0..10 * cell as u64);
    assert!((found.used - 4.0 / f64::from(found.parity)).abs() < 1e-9);
    assert!(found.is_repairable());
}

#[test]
fn beyond_repair_it_says_so_and_gives_what_is_whole() {
    let whole = Whole::new(&plain(6_000), Parity::Five);
    let mut damaged = whole.bytes.clone();
    let third = damaged.len() / 3;
    noise(&mut damaged[third..third + third / 3], &mut Dice::new(15));
    let seen = read(&damaged).unwrap();
    assert_part_of(&seen.records, &whole.records);
    assert!(seen.records.len() < whole.records.len() && seen.records.len() > whole.records.len() / 2);
    assert!(
        seen.damages
            .iter()
            .any(|damage| matches!(damage.place, Place::Frame(_)))
    );
    let report = checked(&damaged);
    // Each is given or named.
    let lost: std::collections::BTreeSet<&str> = seen.lost.iter().map(String::as_str).collect();
    assert_eq!(lost.len() + seen.records.len(), 6_000);
    let titles = lost
        .iter()
        .filter(|title| title.starts_with("Licensed work number "));
    assert_eq!(titles.count(), lost.len());
    let usable = seen.records.len() as u64;
    assert_eq!(report.verdict(), Verdict::Damaged { usable });
    assert!(report.protection.unwrap().used > 1.0);
    let error = Repair::open(Cursor::new(&damaged)).err().unwrap();
    assert!(matches!(error, Error::NotRepairable { .. }), "{error}");
    assert!(error.to_string().contains("more than can be repaired"), "{error}");
}

#[test]
fn parity_of_another_backup_repairs_nothing_and_is_named() {
    // Of the same length, as nothing in them compresses.
    let [one, other] = [5, 6].map(|seed| {
        let mut writer = Writer::new(Vec::new(), &header(seed)).unwrap();
        let noise: Vec<u8> = Dice::new(seed.into()).bytes::<50_000>().to_vec();
        writer.push_document("noise.bin", "document", &noise).unwrap();
        writer.finish_inner(&computer_secret()).unwrap().0
    });
    assert_eq!(one.len(), other.len());
    let (one, other) = (
        Whole::new(&one, Parity::Twelve),
        Whole::new(&other, Parity::Twelve),
    );
    let inner_len = Repair::open(Cursor::new(&one.bytes)).unwrap().inner_len() as usize;
    let mixed = [&one.bytes[..inner_len], &other.bytes[inner_len..]].concat();
    assert!(read(&mixed).unwrap().records == one.records);
    let report = checked(&mixed);
    assert_eq!(report.verdict(), Verdict::Repairable, "{:?}", report.damage);
    assert!(
        report.damage[0].why.contains("another backup"),
        "{}",
        report.damage[0]
    );
    let error = Repair::open(Cursor::new(&mixed)).err().unwrap();
    assert!(error.to_string().contains("another backup"), "{error}");
}

/// A document may be a backup too: its pages stand in the one around it as they are.
#[test]
fn parity_of_a_backup_inside_another_is_left_alone() {
    let noise = Dice::new(20).bytes::<40_000>();
    let mut inside = Writer::new(Vec::new(), &header(6)).unwrap();
    inside.push_document("noise.bin", "document", &noise).unwrap();
    let inside = inside.finish_inner(&computer_secret()).unwrap().0;
    let mut writer = Writer::new(Vec::new(), &header(7)).unwrap();
    writer
        .push_document("inside.keyferry", "document", &protected(&inside, Parity::Twelve))
        .unwrap();
    let (mut bytes, _) = writer.finish(&computer_secret()).unwrap();
    let pages = bytes.windows(8).filter(|at| *at == b"KFcells\n").count();
    assert!(pages > 0, "they are not as they are");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let seen = read(&bytes).unwrap();
    assert_eq!((seen.tally.documents, seen.damages.len()), (1, 1));
    assert_eq!((seen.damages[0].place, seen.repaired), (Place::Trailer, None));
}

#[test]
fn two_files_in_one_and_later_versions_are_refused() {
    let (one, other) = (
        protected(&plain(5), Parity::Twelve),
        protected(&plain(9), Parity::Twelve),
    );
    let error = Repair::open(Cursor::new([&one[..], &other].concat()))
        .err()
        .unwrap();
    assert!(matches!(error, Error::Length { .. }), "{error}");
    assert!(matches!(
        read(&[&one[..], &other].concat()),
        Err(Error::Length { .. })
    ));
    // What follows a backup and is none itself is passed over, and told.
    let appended = [&one[..], b"something"].concat();
    let seen = read(&appended).unwrap();
    assert_eq!(seen.records.len(), 5);
    assert_eq!(seen.damages[0].place, Place::Trailer);
}

/// Of which some bytes can't be read, as with a bad sector.
struct BadSectors<'b> {
    bytes: Cursor<&'b [u8]>,
    bad: std::ops::Range<u64>,
}

impl Read for BadSectors<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let (at, len) = (self.bytes.position(), bytes.len() as u64);
        if at < self.bad.end && self.bad.start < at + len && at < self.bytes.get_ref().len() as u64 {
            return Err(io::Error::other("bad sector"));
        }
        self.bytes.read(bytes)
    }
}

impl Seek for BadSectors<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[test]
fn what_can_not_be_read_is_repaired_as_well() {
    let whole = Whole::new(&plain(3_000), Parity::Twelve);
    let len = whole.bytes.len() as u64;
    for start in [0, len / 2, len - 4096] {
        let source = || BadSectors {
            bytes: Cursor::new(&whole.bytes),
            bad: start..start + 4096,
        };
        let mut reader = Reader::open(source()).unwrap();
        let mut records = reader.records().unwrap();
        let mut count = 0;
        while records.next_item().is_some() {
            count += 1;
        }
        assert_eq!(count, 3_000, "from {start}");
        let mut inner = Vec::new();
        let mut repair = Repair::open(source()).unwrap();
        repair.write_inner(&mut inner).unwrap();
        assert!(protected(&inner, Parity::Twelve) == whole.bytes, "from {start}");
    }
}
