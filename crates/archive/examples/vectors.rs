//! Writes the vectors of testdata/backup: `vectors FOLDER`. The same bytes at every run, with the same zstd.

#![allow(missing_docs, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../tests/backup/made.rs"]
mod made;
#[allow(dead_code)]
#[path = "../tests/backup/raw.rs"]
mod raw;
#[allow(dead_code)]
#[path = "../tests/backup/raw_age.rs"]
mod raw_age;

use std::fs;
use std::path::Path;

use keyferry_archive::{License, Parity, Record};
use made::{Dice, backup, header, header_with, license, protected, secret};
use raw::{Raw, RawFrame, frames_start, header_of, trailer};
use raw_age::{WORK_FACTOR, around, chunks, encrypt, passphrase, passphrase_of, protect, recipient};

type Case = (&'static str, &'static str, u64, u64, Vec<u8>);

fn main() {
    let folder = std::env::args().nth(1).expect("the folder to write to");
    let mut table = String::from("# file | what a reader must say | licenses given | documents given\n");
    let mut cases = good();
    cases.extend(cut_and_flipped());
    cases.extend(against_the_rules());
    cases.extend(encrypted());
    cases.extend(with_parity());
    cases.sort();
    for (name, outcome, licenses, documents, bytes) in cases {
        fs::write(Path::new(&folder).join(format!("{name}.keyferry")), bytes).unwrap();
        table += &format!("{name} | {outcome} | {licenses} | {documents}\n");
    }
    fs::write(Path::new(&folder).join("cases.txt"), table).unwrap();
}

fn good() -> Vec<Case> {
    let (three, _) = backup(&header(1), 3, &[]);
    let inner = three[..three.len() - 64].to_vec();
    let parity = [&inner[..], &[0xee; 300], &trailer(inner.len() as u64, 3, 300)].concat();
    vec![
        ("good-no-license", "whole", 0, 0, backup(&header(1), 0, &[]).0),
        ("good-three-licenses", "whole", 3, 0, three),
        (
            "good-documents",
            "whole",
            1,
            3,
            backup(&header(1), 1, &[0, 500, 70_000]).0,
        ),
        ("good-two-frames", "whole", 4, 0, two_frames(1).build()),
        (
            "good-sixteen-services",
            "whole",
            1,
            0,
            backup(&header_with(1, 16), 1, &[]).0,
        ),
        ("good-protection-of-a-later-version", "whole", 3, 0, parity),
    ]
}

/// Two licenses in each of two frames; real ones hold hundreds.
fn two_frames(backup_id: u8) -> Raw {
    let header = header(backup_id);
    let plain = |from: u64| {
        let mut plain = Vec::new();
        for n in from..from + 2 {
            let license = license(n + 10 * u64::from(backup_id), &header);
            let record = Record::License(License {
                grant: &license.grant,
                escrow: license.escrow,
                returning: license.returning,
                lease_close: None,
            });
            record.encode(&mut plain).unwrap();
        }
        plain
    };
    let bytes = header_of(&backup(&header, 0, &[]).0);
    let frames = vec![
        RawFrame::new(0, 2, 0, &plain(0)),
        RawFrame::new(1, 2, 0, &plain(2)),
    ];
    Raw::new(bytes, [backup_id; 16], frames)
}

/// Start of both frames, and of the index.
fn places(bytes: &[u8]) -> [usize; 3] {
    let len = |at: usize| 68 + u32::from_be_bytes(bytes[at + 24..at + 28].try_into().unwrap()) as usize;
    let first = frames_start(bytes);
    let second = first + len(first);
    [first, second, second + len(second)]
}

fn cut_and_flipped() -> Vec<Case> {
    let whole = two_frames(1).build();
    let other = two_frames(2).build();
    let [first, second, index] = places(&whole);
    let [their_first, their_second, _] = places(&other);
    let footer = whole.len() - 64 - 40 - 10;
    let flip = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        bytes
    };
    let cut = |at: usize| whole[..at].to_vec();
    let swapped = [
        &whole[..first],
        &whole[second..index],
        &whole[first..second],
        &whole[index..],
    ]
    .concat();
    let foreign = [
        &whole[..first],
        &other[their_first..their_second],
        &whole[second..],
    ]
    .concat();
    let after_cut = "damaged: trailer, tail";
    vec![
        ("bad-empty", "refused: not a backup", 0, 0, Vec::new()),
        (
            "bad-cut-in-the-header",
            "refused: header damaged",
            0,
            0,
            cut(1000),
        ),
        ("bad-cut-after-the-header", after_cut, 0, 0, cut(first)),
        (
            "bad-cut-in-a-frame",
            "damaged: trailer, tail, frame",
            2,
            0,
            cut(second + 100),
        ),
        ("bad-cut-after-the-frames", after_cut, 4, 0, cut(index)),
        (
            "bad-cut-before-the-trailer",
            "damaged: trailer",
            4,
            0,
            cut(whole.len() - 64),
        ),
        ("bad-cut-in-the-trailer", after_cut, 4, 0, cut(whole.len() - 10)),
        ("bad-flip-magic", "refused: header damaged", 0, 0, flip(3)),
        ("bad-flip-header", "refused: header damaged", 0, 0, flip(700)),
        ("bad-flip-frame", "damaged: frame", 2, 0, flip(first + 300)),
        ("bad-flip-index", "damaged: index, footer", 4, 0, flip(index + 30)),
        ("bad-flip-footer", "damaged: footer", 4, 0, flip(footer)),
        (
            "bad-flip-trailer",
            "damaged: trailer",
            4,
            0,
            flip(whole.len() - 35),
        ),
        ("bad-swapped-frames", "damaged: frame", 0, 0, swapped),
        ("bad-frame-of-another-backup", "damaged: frame", 2, 0, foreign),
        (
            "bad-bytes-after-the-end",
            after_cut,
            4,
            0,
            [&whole[..], b"and more"].concat(),
        ),
        (
            "bad-two-joined",
            "refused: length",
            0,
            0,
            [&whole[..], &other].concat(),
        ),
    ]
}

fn against_the_rules() -> Vec<Case> {
    let mut version = two_frames(1);
    version.version = 2;
    let mut foreign = two_frames(1);
    foreign.signer = Some(secret(2));
    let mut unsigned = two_frames(1);
    unsigned.signer = None;
    let mut claims = two_frames(1);
    claims.frames[1].plain_len = 1 << 30;
    let mut bomb = two_frames(1);
    bomb.frames[1] = RawFrame::new(1, 2, 0, &vec![0; 64 << 20]);
    bomb.frames[1].plain_len = 1 << 20;
    let age = b"age-encryption.org/v1\n-> X25519 not a real one\n--- nor this\n".to_vec();
    let encrypted = [&age[..], &trailer(age.len() as u64, 0, 0)].concat();
    vec![
        ("bad-version-2", "refused: version", 0, 0, version.build()),
        ("bad-signed-by-another", "damaged: footer", 4, 0, foreign.build()),
        ("bad-not-signed", "damaged: footer", 4, 0, unsigned.build()),
        (
            "bad-frame-claims-a-gigabyte",
            "damaged: index, footer, unknown",
            2,
            0,
            claims.build(),
        ),
        ("bad-frame-is-a-bomb", "damaged: frame", 2, 0, bomb.build()),
        ("bad-encrypted", "refused: encryption damaged", 0, 0, encrypted),
        (
            "bad-seventeen-services",
            "refused: header against the rules",
            0,
            0,
            seventeen_services(),
        ),
    ]
}

/// With the passphrase and the identity of raw_age.rs.
fn encrypted() -> Vec<Case> {
    let (plain, _) = backup(&header(1), 3, &[500]);
    let long = backup(&header(1), 20, &[145_000]).0;
    let ours = [recipient([9; 32]), recipient([0x42; 32])];
    let by_words = [passphrase(WORK_FACTOR)];
    let to_us = around(&plain, &ours);
    let stranger = around(&plain, &[recipient([9; 32])]);
    let mixed = around(&plain, &[passphrase(WORK_FACTOR), recipient([0x42; 32])]);
    let flip = |at: usize| {
        let mut bytes = to_us.clone();
        bytes[at] ^= 0x20;
        bytes
    };
    let inner = to_us.len() - 64 - 48;
    let without_check = [&to_us[..inner], &trailer(inner as u64, 0, 0)].concat();
    let mut open_end = encrypt(b"", &ours);
    open_end.extend(chunks(&plain[..plain.len() - 64], false));
    vec![
        ("good-passphrase", "whole", 3, 1, around(&plain, &by_words)),
        ("good-recipients", "whole", 3, 1, to_us.clone()),
        ("good-two-chunks", "whole", 20, 1, around(&long, &ours)),
        ("good-encrypted-without-check", "whole", 3, 1, without_check),
        (
            "bad-work-factor-21",
            "refused: work factor",
            0,
            0,
            around(&plain, &[passphrase(21)]),
        ),
        (
            "bad-other-passphrase",
            "refused: wrong passphrase",
            0,
            0,
            around(&plain, &[passphrase_of("another", WORK_FACTOR)]),
        ),
        (
            "bad-other-recipient",
            "refused: no matching identity",
            0,
            0,
            stranger,
        ),
        (
            "bad-passphrase-and-recipient",
            "refused: encryption damaged",
            0,
            0,
            mixed,
        ),
        ("bad-flip-encrypted", "refused: header damaged", 0, 0, flip(1000)),
        ("bad-flip-check", "damaged: protection", 3, 1, flip(inner + 5)),
        (
            "bad-flip-trailer-encrypted",
            "damaged: trailer",
            3,
            1,
            flip(inner + 48 + 30),
        ),
        ("bad-open-end", "damaged: encryption", 3, 1, protect(&open_end)),
    ]
}

/// With parity, and damaged within what it repairs, or beyond.
fn with_parity() -> Vec<Case> {
    let (three, _) = backup(&header(1), 3, &[]);
    let closed = around(&three, &[recipient([0x42; 32])]);
    let whole = protected(&three[..three.len() - 64], Parity::Twelve);
    let closed = protected(&closed[..closed.len() - 64 - 48], Parity::Twelve);
    let (tenth, len) = (whole.len() / 10, whole.len());
    let noisy = |from: usize, len: usize| {
        let (mut bytes, mut dice) = (whole.clone(), Dice::new(from as u64));
        bytes[from..from + len].fill_with(|| dice.below(256) as u8);
        bytes
    };
    let mut closed_damaged = closed.clone();
    closed_damaged[2000..2000 + tenth].fill(0);
    let (forty, _) = backup(&header(1), 40, &[]);
    let mut beyond = protected(&forty[..forty.len() - 64], Parity::Twelve);
    let (frame, lost) = (frames_start(&beyond) + 100, beyond.len() / 5);
    beyond[frame..frame + lost].fill(0xaa);
    let other = protected(&two_frames(2).build(), Parity::Twelve);
    let mixed = [
        &three[..three.len() - 64],
        &other[other.len() - (len - three.len() + 64)..],
    ]
    .concat();
    vec![
        ("good-parity", "whole", 3, 0, whole.clone()),
        ("good-parity-encrypted", "whole", 3, 0, closed),
        (
            "good-parity-five",
            "whole",
            3,
            0,
            protected(&three[..three.len() - 64], Parity::Five),
        ),
        ("bad-parity-start-is-noise", "repaired", 3, 0, noisy(0, tenth)),
        (
            "bad-parity-middle-is-noise",
            "repaired",
            3,
            0,
            noisy(len / 3, tenth),
        ),
        (
            "bad-parity-middle-is-zero-encrypted",
            "repaired",
            3,
            0,
            closed_damaged,
        ),
        (
            "bad-parity-end-is-noise",
            "damaged: trailer",
            3,
            0,
            noisy(len - tenth, tenth),
        ),
        (
            "bad-parity-cut",
            "damaged: trailer",
            3,
            0,
            whole[..len - tenth].to_vec(),
        ),
        (
            "bad-parity-beyond-repair",
            "damaged: protection, frame",
            0,
            0,
            beyond,
        ),
        ("bad-parity-of-another-backup", "refused: length", 0, 0, mixed),
    ]
}

/// The header of sixteen services with one more put into its three lists of them.
fn seventeen_services() -> Vec<u8> {
    let sixteen = header_of(&backup(&header_with(1, 16), 0, &[]).0);
    let mut d = minicbor::Decoder::new(&sixteen);
    let mut out = Vec::new();
    d.map().unwrap();
    out.push(0xa7);
    for _ in 0..7 {
        let start = d.position();
        let key = d.u8().unwrap();
        let value = d.position();
        if key == 5 || key == 6 {
            assert_eq!(d.array().unwrap(), Some(16));
            let items = d.position();
            d.skip().unwrap();
            let first = d.position();
            (1..16).for_each(|_| d.skip().unwrap());
            // One of them a second time: their number is refused before their names are compared.
            out.extend(&sixteen[start..value]);
            out.push(0x91);
            out.extend(&sixteen[items..d.position()]);
            out.extend(&sixteen[items..first]);
        } else {
            d.skip().unwrap();
            out.extend(&sixteen[start..d.position()]);
        }
    }
    Raw::new(out, [1; 16], Vec::new()).build()
}
