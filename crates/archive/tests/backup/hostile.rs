//! Bytes made to hurt: claims beyond the bounds under digests and signatures that fit. No panic, no memory, no
//! record that breaks the rules.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use keyferry_archive::{Error, FooterState, Place, Reader, Record};
use proptest::prelude::*;

use crate::made::{Dice, backup, header, secret};
use crate::raw::{Raw, RawFrame, header_of, trailer};
use crate::seen::read;

fn raw(frames: Vec<RawFrame>) -> Raw {
    let (bytes, _) = backup(&header(1), 0, &[]);
    Raw::new(header_of(&bytes), [1; 16], frames)
}

fn record(grant_len: usize) -> Vec<u8> {
    let mut e = minicbor::Encoder::new(Vec::new());
    e.array(5)
        .unwrap()
        .u8(0)
        .unwrap()
        .bytes(&vec![5; grant_len])
        .unwrap();
    e.bytes(&[6; 32]).unwrap().null().unwrap().null().unwrap();
    e.into_writer()
}

#[test]
fn a_frame_may_not_claim_more_than_its_bound() {
    let mut frame = RawFrame::new(0, 1, 0, &record(10));
    frame.plain_len = 1 << 30;
    let claims_plain = raw(vec![frame.clone()]);
    frame.plain_len = 1;
    frame.packed_len = 1 << 30;
    for raw in [claims_plain, raw(vec![frame])] {
        let seen = read(&raw.build()).unwrap();
        assert_eq!(seen.damages[0].place, Place::Index);
        assert!(seen.records.is_empty());
    }
}

#[test]
fn a_bomb_does_not_go_off() {
    // 64 MiB of zeros in some kilobytes, said to be one.
    let mut frame = RawFrame::new(0, 1, 0, &vec![0; 64 << 20]);
    for claim in [1, 1 << 20] {
        frame.plain_len = claim;
        let seen = read(&raw(vec![frame.clone()]).build()).unwrap();
        assert_eq!(seen.damages[0].place, Place::Frame(0));
        assert!(seen.records.is_empty());
    }
}

#[test]
fn records_that_break_the_rules_cost_their_frame() {
    let twice = [record(10), record(10)].concat();
    let mut long_head = record(10);
    long_head.splice(1..2, [0x18, 0x00]);
    let cases: [(&str, u32, u32, Vec<u8>); 8] = [
        ("fewer than stated", 2, 0, record(10)),
        ("more than stated", 1, 0, twice.clone()),
        ("of another kind", 1, 1, twice),
        ("cut", 1, 0, record(10)[..20].to_vec()),
        ("not deterministic", 1, 0, long_head),
        ("grant too long", 1, 0, record(8193)),
        ("grant empty", 1, 0, record(0)),
        ("no record", 0, 0, vec![0xff]),
    ];
    for (case, licenses, parts, plain) in cases {
        let seen = read(&raw(vec![RawFrame::new(0, licenses, parts, &plain)]).build()).unwrap();
        assert_eq!(seen.damages[0].place, Place::Frame(0), "{case}");
        assert!(seen.records.is_empty(), "{case}");
    }
}

#[test]
fn a_frame_is_one_zstd_frame() {
    let mut frame = RawFrame::new(0, 2, 0, &[record(10), record(11)].concat());
    frame.packed = [record(10), record(11)]
        .iter()
        .flat_map(|plain| zstd::bulk::compress(plain, 1).unwrap())
        .collect();
    frame.packed_len = frame.packed.len() as u32;
    assert!(read(&raw(vec![frame]).build()).unwrap().records.is_empty());
}

#[test]
fn a_footer_counts_only_under_the_computers_signature() {
    let frames = || vec![RawFrame::new(0, 1, 0, &record(10))];
    let mut unsigned = raw(frames());
    unsigned.signer = None;
    let mut foreign = raw(frames());
    foreign.signer = Some(secret(2));
    let mut boasting = raw(frames());
    boasting.licenses = 1000;
    let seen = read(&unsigned.build()).unwrap();
    assert_eq!(seen.footer, FooterState::Missing);
    for raw in [unsigned, foreign, boasting] {
        let seen = read(&raw.build()).unwrap();
        assert!(!matches!(seen.footer, FooterState::Signed { .. }));
        assert_eq!(seen.damages[0].place, Place::Footer);
        assert_eq!(seen.records.len(), 1);
    }
    let mut documents = raw(frames());
    documents.documents = 3;
    let bytes = documents.build();
    assert!(Reader::open(Cursor::new(&bytes)).unwrap().check_whole().is_err());
}

#[test]
fn other_versions_are_told_apart_from_damage() {
    let mut newer = raw(Vec::new());
    newer.version = 2;
    assert!(matches!(read(&newer.build()), Err(Error::Version { found: 2 })));
    let age = [&b"age-encryption.org/v1\n-> X25519"[..], &[0; 200]].concat();
    assert!(matches!(read(&age), Err(Error::Damaged(_))));
    for bytes in [
        &b""[..],
        b"keyferry",
        b"PK\x03\x04 anything else of some length or another",
    ] {
        assert!(matches!(read(bytes), Err(Error::NotABackup { .. })));
    }
}

#[test]
fn protection_of_a_later_version_is_passed_over() {
    let (whole, _) = backup(&header(1), 3, &[]);
    let inner = &whole[..whole.len() - 64];
    let parity = [9; 500];
    let later = [inner, &parity, &trailer(inner.len() as u64, 3, 500)].concat();
    let seen = read(&later).unwrap();
    assert!(seen.is_whole(), "{:?}", seen.damages);
    let lying = [inner, &parity, &trailer(inner.len() as u64, 0, 500)].concat();
    assert!(matches!(read(&lying), Err(Error::Protection { .. })));
    let overflowing = [inner, &trailer(u64::MAX, 3, 500)].concat();
    assert!(matches!(read(&overflowing), Err(Error::Length { .. })));
}

#[test]
fn a_header_that_claims_a_gigabyte_is_refused_before_it_is_read() {
    let mut bytes = backup(&header(1), 0, &[]).0;
    bytes[20..24].copy_from_slice(&(1u32 << 30).to_be_bytes());
    match read(&bytes) {
        Err(Error::Damaged(damage)) => assert_eq!(damage.place, Place::Header),
        other => panic!("{other:?}"),
    }
}

/// A whole header, and zeros as far as anybody looks.
struct Endless(Vec<u8>, u64, u64);

impl Read for Endless {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.2.saturating_sub(self.1)).unwrap_or(usize::MAX);
        let len = bytes.len().min(left);
        for byte in &mut bytes[..len] {
            *byte = self.0.get(self.1 as usize).copied().unwrap_or(0);
            self.1 += 1;
        }
        Ok(len)
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.1 = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.2.saturating_add_signed(by),
            SeekFrom::Current(by) => self.1.saturating_add_signed(by),
        };
        Ok(self.1)
    }
}

#[test]
fn nothing_for_long_is_read_once_and_told_once() {
    let (whole, _) = backup(&header(1), 3, &[]);
    let mut reader = Reader::open(Endless(whole, 0, 32 << 20)).unwrap();
    let mut records = reader.records().unwrap();
    while records.next_item().is_some() {}
    assert_eq!(records.tally().licenses, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000), magic in any::<bool>()) {
        let bytes = if magic { [&b"keyferry backup\n\0\0\0\x01\0\0"[..], &bytes].concat() } else { bytes };
        let _ = read(&bytes);
        let _ = Record::decode(&bytes);
    }

    #[test]
    fn arbitrary_frames_under_fitting_digests_do_no_harm(seed in any::<u64>(), count in 0usize..5) {
        let mut dice = Dice::new(seed);
        let frame = |n: usize, dice: &mut Dice| {
            let mut plain = record(1 + dice.below(300));
            let len = plain.len();
            plain[dice.below(len)] ^= dice.below(3) as u8;
            let mut frame = RawFrame::new(n as u32, 1, 0, &plain);
            if dice.below(3) == 0 {
                let at = dice.below(frame.packed.len());
                frame.packed[at] ^= dice.next() as u8;
            }
            match dice.below(8) {
                0 => frame.plain_len = dice.next() as u32,
                1 => frame.packed_len = dice.next() as u32,
                2 => frame.number = dice.below(4) as u32,
                _ => {}
            }
            frame
        };
        let frames: Vec<_> = (0..count).map(|n| frame(n, &mut dice)).collect();
        let seen = read(&raw(frames).build()).unwrap();
        prop_assert!(seen.records.len() <= count);
    }
}
