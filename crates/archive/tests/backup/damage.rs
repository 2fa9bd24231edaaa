//! Damage is seen, named by its place, and costs no more than its frame; a wrong record is never given.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use keyferry_archive::{Error, FooterState, Item, Lost, Place, Reader, Writer};
use keyferry_license::SealedKey;

use crate::made::{Dice, backup, computer_secret, document, header};
use crate::raw::frames_start;
use crate::seen::{Seen, assert_part_of, read};

/// Seven frames or so, of licenses that hardly compress.
pub fn long(seed: u8) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header(seed)).unwrap();
    let mut dice = Dice::new(u64::from(seed));
    for n in 0..300u64 {
        let grant: Vec<u8> = (0..750).flat_map(|_| dice.bytes::<8>()).collect();
        let grant = [&n.to_be_bytes()[..], &grant].concat();
        writer
            .push_license(&grant, &SealedKey(dice.bytes()), None)
            .unwrap();
    }
    writer.finish(&computer_secret()).unwrap().0
}

/// Start and end of each frame, found by their markers.
pub fn frames(backup: &[u8]) -> Vec<(usize, usize)> {
    let mut frames = Vec::new();
    let mut at = frames_start(backup);
    while backup[at..].starts_with(b"KFframe\n") {
        let packed = u32::from_be_bytes(backup[at + 24..at + 28].try_into().unwrap()) as usize;
        frames.push((at, at + 68 + packed));
        at += 68 + packed;
    }
    frames
}

fn places(seen: &Seen) -> Vec<Place> {
    seen.damages.iter().map(|damage| damage.place).collect()
}

#[test]
fn every_flipped_byte_is_seen() {
    let (whole, _) = backup(&header(1), 3, &[200]);
    let original = read(&whole).unwrap().records;
    let mut records_kept = 0;
    for at in 0..whole.len() {
        for mask in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            match read(&bytes) {
                Err(_) => {}
                Ok(seen) => {
                    assert!(!seen.is_whole(), "byte {at}");
                    assert_part_of(&seen.records, &original);
                    records_kept += usize::from(seen.records.len() == original.len());
                }
            }
        }
    }
    // What lies behind the frames costs no record.
    assert!(records_kept > 2 * 64, "{records_kept}");
}

#[test]
fn every_cut_is_seen_and_what_is_whole_is_given() {
    let whole = long(1);
    let original = read(&whole).unwrap().records;
    let frames = frames(&whole);
    assert!(frames.len() >= 6);
    let mut cuts: Vec<usize> = (0..40).map(|n| whole.len() * n / 40).collect();
    cuts.extend(whole.len() - 400..whole.len());
    for cut in cuts {
        match read(&whole[..cut]) {
            Err(error) => assert!(cut < frames_start(&whole), "{cut}: {error}"),
            Ok(seen) => {
                assert!(!seen.is_whole());
                assert_eq!(seen.damages[0].place, Place::Trailer, "{cut}");
                assert_part_of(&seen.records, &original);
                let ended = frames.iter().filter(|(_, end)| *end <= cut).count();
                let per_frame = original.len().div_ceil(frames.len());
                assert!(seen.records.len() + per_frame >= ended * per_frame, "{cut}");
            }
        }
    }
}

#[test]
fn a_damaged_frame_is_named_and_the_rest_comes() {
    let mut bytes = long(2);
    let frames = frames(&bytes);
    let (start, end) = frames[2];
    bytes[start + 1000] ^= 4;
    let seen = read(&bytes).unwrap();
    assert_eq!(places(&seen), [Place::Frame(2)]);
    let damage = &seen.damages[0];
    assert_eq!(damage.range, start as u64..end as u64);
    let Some(Lost { licenses, parts: 0 }) = damage.lost else {
        panic!("{damage}");
    };
    assert_eq!(seen.tally.licenses + u64::from(licenses), 300);
    assert_eq!(seen.tally.lost_licenses, u64::from(licenses));
    // The footer's word on the counts stands: the frame is missing, not unsaid.
    assert_eq!(
        seen.footer,
        FooterState::Signed {
            licenses: 300,
            documents: 0
        }
    );
}

/// With an index and without.
#[test]
fn what_is_lost_with_a_frame_is_named() {
    let header = header(2);
    let (whole, _) = backup(&header, 1200, &[100, 70_000]);
    let (start, _) = frames(&whole)[0];
    let mut bytes = whole.clone();
    bytes[start + 1000] ^= 4;
    let cut = &bytes[..bytes.len() - 200];
    for bytes in [&bytes[..], cut] {
        let seen = read(bytes).unwrap();
        let kept = seen.tally.licenses as usize;
        assert!((100..1100).contains(&kept), "{kept}");
        let lost: Vec<_> = (0..1200 - kept)
            .map(|n| format!("Licensed work number {n}"))
            .collect();
        assert_eq!(seen.lost, lost);
    }
    // Names are lost without harm.
    let (start, _) = *frames(&whole).last().unwrap();
    let mut bytes = whole.clone();
    bytes[start + 100] ^= 4;
    let seen = read(&bytes).unwrap();
    assert_eq!(
        (seen.tally.licenses, seen.tally.documents, seen.lost.len()),
        (1200, 2, 0)
    );
    assert_eq!(seen.damages[0].lost, Some(Lost::default()));
}

#[test]
fn a_damaged_head_costs_no_record() {
    let mut bytes = long(2);
    let start = frames(&bytes)[1].0;
    bytes[start + 3] ^= 4;
    let seen = read(&bytes).unwrap();
    assert_eq!(places(&seen), [Place::Frame(1)]);
    assert_eq!(seen.damages[0].lost, Some(Lost::default()));
    assert_eq!(seen.records.len(), 300);
}

#[test]
fn without_its_index_a_backup_still_gives_its_frames() {
    let mut bytes = long(3);
    let all = frames(&bytes);
    let index = all.last().unwrap().1;
    bytes[index + 20] ^= 1;
    let seen = read(&bytes).unwrap();
    assert_eq!(places(&seen), [Place::Index, Place::Footer]);
    assert!(matches!(seen.footer, FooterState::Broken(_)));
    assert_eq!(seen.records.len(), 300);
    // A second damage, of a head: the search goes on at the next frame.
    bytes[all[3].0 + 3] ^= 1;
    let seen = read(&bytes).unwrap();
    assert_eq!(places(&seen), [Place::Index, Place::Footer, Place::Unknown]);
    assert_eq!(seen.damages[2].range, all[3].0 as u64..all[3].1 as u64);
    assert!(seen.records.len() > 200 && seen.records.len() < 300);
}

#[test]
fn frames_in_each_others_place_and_of_another_backup_are_foreign() {
    let (one, other) = (long(4), long(5));
    let (at, theirs) = (frames(&one), frames(&other));
    let original = read(&one).unwrap().records;
    let (first, second) = (&one[at[1].0..at[1].1], &one[at[2].0..at[2].1]);
    let swapped = [&one[..at[1].0], second, first, &one[at[2].1..]].concat();
    let foreign = [&one[..at[1].0], &other[theirs[1].0..theirs[1].1], &one[at[1].1..]].concat();
    for (bytes, damaged) in [(swapped, 2), (foreign, 1)] {
        let seen = read(&bytes).unwrap();
        assert!(seen.damages.len() >= damaged, "{:?}", seen.damages);
        assert_part_of(&seen.records, &original);
    }
}

#[test]
fn what_is_added_is_seen() {
    let whole = long(6);
    let seen = read(&[&whole[..], b"more"].concat()).unwrap();
    assert_eq!(seen.damages[0].place, Place::Trailer);
    assert_eq!(seen.records.len(), 300);
    let joined = [&whole[..], &long(7)].concat();
    assert!(matches!(read(&joined), Err(Error::Length { .. })));
}

#[test]
fn a_bad_sector_costs_its_frame() {
    let bytes = long(8);
    let bad = frames(&bytes)[3].0 as u64 + 5000;
    let mut reader = Reader::open(BadSector(Cursor::new(bytes), bad)).unwrap();
    let mut records = reader.records().unwrap();
    let mut damages = Vec::new();
    while let Some(item) = records.next_item() {
        if let Item::Damage(damage) = item {
            damages.push(damage.place);
        }
    }
    assert_eq!(damages, [Place::Frame(3)]);
    assert!(records.tally().licenses > 200);
}

/// A file of which one sector can't be read.
struct BadSector(Cursor<Vec<u8>>, u64);

impl Read for BadSector {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let at = self.0.position();
        if (at..at + bytes.len() as u64).contains(&self.1) {
            return Err(io::Error::other("sector can't be read"));
        }
        self.0.read(bytes)
    }
}

impl Seek for BadSector {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn random_damage_never_gives_a_wrong_record() {
    let whole = [long(9), backup(&header(9), 40, &[5000]).0];
    for whole in whole {
        let original = read(&whole).unwrap().records;
        let mut dice = Dice::new(99);
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=dice.below(3) {
                mutate(&mut bytes, &mut dice);
            }
            if let (Ok(seen), true) = (read(&bytes), bytes != whole) {
                assert!(!seen.is_whole());
                assert_part_of(&seen.records, &original);
            }
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len());
    let len = dice.below((bytes.len() - at).min(5000));
    match dice.below(6) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..at + len)),
        3 => bytes[at..at + len].fill(0),
        4 => bytes[at..at + len].copy_from_slice(&document(dice.next(), len)),
        _ => {
            let copy = bytes[at..at + len].to_vec();
            let to = dice.below(bytes.len());
            bytes.splice(to..to, copy);
        }
    }
}
