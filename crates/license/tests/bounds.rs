//! Documents that claim much cost nothing: each is refused at once, and what it makes the decoder allocate is counted.
//!
//! One test in a process of its own, so that nobody else's allocations are counted with it.

#![allow(clippy::unwrap_used)]

use std::io::{BufReader, Read, repeat};

use keyferry_license::*;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// For an error and its message.
const LITTLE: usize = 4096;

#[track_caller]
fn refused<T>(most: usize, read: impl FnOnce() -> Result<T>) -> Error {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let error = read().map(drop).unwrap_err();
    let used = MEMORY.peak_usage() - before;
    assert!(used <= most, "{used} bytes for {error}");
    error
}

/// A head of CBOR with an eight-byte argument.
fn head(major: u8, claims: u64) -> Vec<u8> {
    let mut out = vec![major << 5 | 27];
    out.extend(claims.to_be_bytes());
    out
}

type Reader = fn(&[u8]) -> Result<()>;

/// What one reads into a document of each kind, at each place where bytes from outside come in.
fn readers() -> Vec<(&'static str, Reader)> {
    vec![
        ("walk", |bytes| check_deterministic("document", bytes)),
        ("card", |bytes| Card::verify(bytes).map(drop)),
        ("grant", |bytes| Grant::parse(bytes).map(drop)),
        ("license file", |bytes| LicenseFile::from_bytes(bytes).map(drop)),
        ("payload of a card", |bytes| {
            decode_exact::<Card>("card", bytes, CARD_LIMIT).map(drop)
        }),
        ("payload of a grant", |bytes| {
            decode_exact::<Grant>("grant", bytes, GRANT_LIMIT).map(drop)
        }),
        ("request", |bytes| {
            Sign1::decode(Typ::Request, bytes, 16 << 20).map(drop)
        }),
    ]
}

#[test]
fn what_claims_much_costs_nothing() {
    small_documents();
    large_documents();
    lists();
    armor_of_any_length();
}

/// Few bytes that claim much, alone and inside the shapes that documents have.
fn small_documents() {
    let mut claims = vec![
        Vec::new(),
        vec![0x81; 1000],
        vec![0xc1; 1000],
        [0xa1, 0x01].repeat(1000),
    ];
    for count in [9, 1_000_000, 1 << 30, 1 << 60, u64::MAX] {
        claims.extend((2..=6).map(|major| head(major, count)));
    }
    let wrap = |inner: &[u8]| {
        [
            inner.to_vec(),
            [&[0xd2, 0x84][..], inner].concat(),
            [&[0xd2, 0x84, 0x58, 0x20][..], &[0; 32], inner].concat(),
            [&[0xa1, 0x01][..], inner].concat(),
            [&[0xa2, 0x01, 0x01, 0x02][..], inner].concat(),
        ]
    };
    for bytes in claims.iter().flat_map(|inner| wrap(inner)) {
        for (name, read) in readers() {
            let error = refused(LITTLE, || read(&bytes));
            assert!(!error.to_string().is_empty(), "{name}");
        }
    }
    let depth = refused(LITTLE, || check_deterministic("document", &[0x81; 1000]));
    assert!(matches!(depth, Error::TooDeep { limit: 8, .. }));
    let nested = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
    assert!(check_deterministic("document", &nested(8)).is_ok());
    refused(LITTLE, || check_deterministic("document", &nested(9)));
    // The innermost may be empty: it is a level too.
    refused(LITTLE, || {
        check_deterministic("document", &[vec![0x81; 8], vec![0x80]].concat())
    });
}

/// A gigabyte that is really there.
fn large_documents() {
    let zeros = vec![0; 1 << 30];
    for (name, read) in readers() {
        let error = refused(LITTLE, || read(&zeros));
        let walked = matches!(error, Error::Malformed { .. });
        assert!(
            matches!(error, Error::TooLarge { .. }) || (name == "walk" && walked),
            "{name}: {error}"
        );
    }
    // The longest header that a message can hold is not looked through entry by entry.
    let mut header = vec![0xba];
    let labels = 65_536u32..1_000_000;
    header.extend((labels.len() as u32).to_be_bytes());
    for label in labels {
        header.push(0x1a);
        header.extend(label.to_be_bytes());
        header.push(0);
    }
    let length = (header.len() as u32).to_be_bytes();
    let message = [
        &[0xd2, 0x84, 0x5a][..],
        &length,
        &header,
        &[0xa0, 0x40, 0x58, 64],
        &[0; 64],
    ]
    .concat();
    let error = refused(LITTLE, || {
        Sign1::decode(Typ::Request, &message, 16 << 20).map(drop)
    });
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

/// Lists that are well-formed and too long are refused before their first item is decoded.
fn lists() {
    let file = |items: usize| {
        let mut out = vec![0xa7, 0x01, 0x01, 0x02, 0x58, 0x20];
        out.extend([0; 32]);
        out.extend([0x03, 0x40, 0x04, 0x40, 0x05, 0x01, 0x06, 0x59, 0x04, 0x60]);
        out.extend([0; 1120]);
        out.push(0x07);
        out.push(0x9a);
        out.extend((items as u32).to_be_bytes());
        let item = [&[0x82, 0x40, 0x58, 0x20][..], &[0; 32]].concat();
        out.extend(item.repeat(items));
        out
    };
    let many = file(200_000);
    let error = refused(LITTLE, || LicenseFile::from_bytes(&many).map(drop));
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit: 1000,
                actual: 200_000,
                ..
            }
        ),
        "{error}"
    );
    // A part that is longer than its bound is not copied.
    let long = [
        &[0xa1, 0x03, 0x5a][..],
        &(7u32 << 20).to_be_bytes(),
        &vec![0; 7 << 20],
    ]
    .concat();
    let error = refused(LITTLE, || LicenseFile::from_bytes(&long).map(drop));
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit: CARD_LIMIT,
                ..
            }
        ),
        "{error}"
    );
}

fn armor_of_any_length() {
    let read = |label, from: &mut dyn Read| match armor::Blocks::new(label, BufReader::new(from)).next() {
        Some(block) => block.map(drop),
        None => Err(Error::WrongCommitment),
    };
    let buffers = 8192 + 2 * LITTLE;
    // Prose without a line end is skipped.
    assert_eq!(
        refused(buffers, || read(armor::LICENSE, &mut repeat(b'A').take(1 << 26))),
        Error::WrongCommitment
    );
    let begin = |label: &str| format!("-----BEGIN {label}-----\n").into_bytes();
    let lines = [[b'A'; 64].as_slice(), b"\n"].concat().repeat(1 << 17);
    for (label, most) in [
        (armor::ISSUER_KEY, buffers),
        (armor::CARD, 4 * CARD_LIMIT),
        (armor::LICENSE, 25 << 20),
    ] {
        let head = begin(label);
        let mut endless = head.as_slice().chain(repeat(b'A').take(1 << 30));
        assert!(matches!(
            refused(buffers, || read(label, &mut endless)),
            Error::Armor { .. }
        ));
        let unread = endless.into_inner().1.limit();
        assert!(
            unread > (1 << 30) - (1 << 20),
            "the rest of the line was not read"
        );
        let mut long = head.chain(lines.as_slice()).chain(lines.as_slice());
        let error = refused(most, || read(label, &mut long));
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
