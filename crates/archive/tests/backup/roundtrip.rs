//! What goes in comes out: the same records, in order, whatever their number and length.

use std::io::Cursor;

use keyferry_archive::{DocumentPart, Error, FooterState, License, Name, PART_LEN, Reader, Record, Writer};
use keyferry_license::{CardKind, Grant, SealedKey};
use proptest::prelude::*;

use crate::made::{backup, card, computer_secret, document, header, header_with, license, secret};
use crate::raw::{Raw, RawFrame, frames_start, header_of};
use crate::seen::{encoded, read};

#[test]
fn no_license_makes_a_valid_backup() {
    let (bytes, summary) = backup(&header(1), 0, &[]);
    assert_eq!((summary.licenses, summary.documents), (0, 0));
    assert_eq!(summary.bytes, bytes.len() as u64);
    let seen = read(&bytes).unwrap();
    assert!(seen.is_whole(), "{seen:?}");
    assert!(seen.records.is_empty());
}

#[test]
fn the_header_comes_back() {
    let header = header_with(9, 16);
    let (bytes, _) = backup(&header, 1, &[]);
    let reader = Reader::open(Cursor::new(&bytes)).unwrap();
    let read = reader.header();
    assert_eq!(read.backup, header.backup);
    assert_eq!(read.created, header.created);
    assert_eq!(read.computer.as_bytes(), header.computer.as_bytes());
    assert_eq!(read.services.len(), 16);
    assert_eq!(read.seals, header.seals);
    assert_eq!(read.receipts, header.receipts);
    assert_eq!(reader.inner_len(), Some(bytes.len() as u64 - 64));
}

#[test]
fn two_writers_agree_to_the_byte() {
    let header = header(3);
    let (bytes, _) = backup(&header, 5, &[]);
    let (mut plain, mut names) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let license = license(n, &header);
        let grant = Grant::parse(&license.grant).unwrap();
        let name = Record::Name(Name {
            frame: 0,
            id: grant.claim().license.as_bytes(),
            title: &grant.claim().title,
        });
        name.encode(&mut names).unwrap();
        let record = Record::License(License {
            grant: &license.grant,
            escrow: license.escrow,
            returning: license.returning,
            lease_close: None,
        });
        record.encode(&mut plain).unwrap();
    }
    let frames = vec![RawFrame::new(0, 5, 0, &plain), RawFrame::new(1, 0, 0, &names)];
    let raw = Raw::new(header_of(&bytes), [3; 16], frames).build();
    assert_eq!(raw, bytes);
    assert_eq!(frames_start(&bytes), frames_start(&raw));
}

#[test]
fn many_frames_keep_their_order() {
    let header = header(4);
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let mut expected = Vec::new();
    for n in 0..3000u32 {
        let grant = [&n.to_be_bytes()[..], &document(u64::from(n), 900)].concat();
        let record = Record::License(License {
            grant: &grant,
            escrow: SealedKey([n as u8; 32]),
            returning: None,
            lease_close: (n % 2 == 0).then_some(&b"closed"[..]),
        });
        writer.push(&record).unwrap();
        expected.push(encoded(&record));
    }
    let (bytes, summary) = writer.finish(&computer_secret()).unwrap();
    assert_eq!(summary.licenses, 3000);
    let seen = read(&bytes).unwrap();
    assert!(seen.is_whole());
    assert_eq!(seen.records, expected);
}

#[test]
fn documents_of_every_awkward_length_come_back() {
    let lengths = [0, 1, PART_LEN - 1, PART_LEN, PART_LEN + 1, 3 * PART_LEN, 4 << 20];
    let (bytes, summary) = backup(&header(5), 2, &lengths);
    assert_eq!(summary.documents, lengths.len() as u64);
    let seen = read(&bytes).unwrap();
    assert!(seen.is_whole(), "{:?}", seen.damages);
    let mut documents: Vec<Vec<u8>> = Vec::new();
    for record in &seen.records {
        if let (Record::Part(part), _) = Record::decode(&record.0).unwrap() {
            if part.part == 0 {
                documents.push(Vec::new());
            }
            documents.last_mut().unwrap().extend(part.bytes);
        }
    }
    let expected: Vec<_> = lengths
        .iter()
        .enumerate()
        .map(|(n, len)| document(n as u64, *len))
        .collect();
    assert!(documents == expected);
}

#[test]
fn the_writer_refuses_what_readers_would() {
    let header = header(6);
    let seal = SealedKey([0; 32]);
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let too_large = |result| matches!(result, Err(Error::TooLarge { .. }));
    assert!(too_large(writer.push_license(&[1; 8193], &seal, None)));
    assert!(too_large(
        writer.push_document(&"n".repeat(1025), "lcp", b"").map(drop)
    ));
    assert!(too_large(
        writer.push_document("n", &"k".repeat(65), b"").map(drop)
    ));
    assert!(too_large(
        writer.push_document("n", "k", &vec![0; (4 << 20) + 1]).map(drop)
    ));
    let close = vec![1; 65_000];
    let record = Record::License(License {
        grant: &[1; 8000],
        escrow: seal,
        returning: None,
        lease_close: Some(&close),
    });
    assert!(too_large(writer.push(&record)));
    assert!(matches!(
        writer.push_license(&[], &seal, None),
        Err(Error::Invalid { .. })
    ));
    let part = |part, parts, len| {
        Record::Part(DocumentPart {
            name: "n",
            kind: "k",
            digest: [0; 32],
            part,
            parts,
            bytes: &close[..len],
        })
    };
    for wrong in [
        part(1, 2, 5),
        part(2, 2, 5),
        part(0, 2, 5),
        part(0, 0, 0),
        part(0, 70, PART_LEN),
    ] {
        assert!(writer.push(&wrong).is_err(), "{wrong:?}");
    }
    // What was refused left nothing behind.
    writer.push_license(&[1], &seal, None).unwrap();
    let (bytes, summary) = writer.finish(&computer_secret()).unwrap();
    assert_eq!(summary.licenses, 1);
    assert!(read(&bytes).unwrap().is_whole());
}

#[test]
fn an_unfinished_document_and_a_foreign_key_do_not_finish() {
    let header = header(7);
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let bytes = vec![0; PART_LEN];
    let part = DocumentPart {
        name: "n",
        kind: "k",
        digest: [0; 32],
        part: 0,
        parts: 2,
        bytes: &bytes,
    };
    writer.push(&Record::Part(part)).unwrap();
    assert!(writer.push_license(&[1], &SealedKey([0; 32]), None).is_err());
    assert!(matches!(
        writer.finish(&computer_secret()),
        Err(Error::Invalid { .. })
    ));
    let writer = Writer::new(Vec::new(), &header).unwrap();
    assert!(matches!(writer.finish(&secret(2)), Err(Error::WrongKey)));
}

#[test]
fn a_header_that_breaks_the_rules_is_not_written() {
    let refused = |change: &dyn Fn(&mut keyferry_archive::Header)| {
        let mut header = header(8);
        change(&mut header);
        assert!(Writer::new(Vec::new(), &header).is_err());
    };
    assert!(Writer::new(Vec::new(), &header_with(8, 17)).is_err());
    refused(&|header| header.computer = card(CardKind::Service, "S", 1));
    refused(&|header| header.seals.clear());
    refused(&|header| header.receipts.push(header.receipts[0]));
    refused(&|header| header.issuers.push(header.issuers[0].clone()));
    refused(&|header| header.issuers = (0..65).map(|n| card(CardKind::Issuer, "I", n)).collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_records_come_back(records in prop::collection::vec(
        (prop::collection::vec(any::<u8>(), 1..3000), any::<[u8; 32]>(), any::<Option<[u8; 32]>>(),
         prop::option::of(prop::collection::vec(any::<u8>(), 1..2000))), 0..300)) {
        let mut writer = Writer::new(Vec::new(), &header(2)).unwrap();
        let mut expected = Vec::new();
        for (grant, escrow, returning, close) in &records {
            let record = Record::License(License {
                grant,
                escrow: SealedKey(*escrow),
                returning: returning.map(SealedKey),
                lease_close: close.as_deref(),
            });
            writer.push(&record).unwrap();
            expected.push(encoded(&record));
        }
        let (bytes, summary) = writer.finish(&computer_secret()).unwrap();
        prop_assert_eq!(summary.bytes, bytes.len() as u64);
        let seen = read(&bytes).unwrap();
        prop_assert!(seen.is_whole());
        let signed = FooterState::Signed { licenses: records.len() as u64, documents: 0 };
        prop_assert_eq!(&seen.footer, &signed);
        prop_assert_eq!(seen.records, expected);
    }

    #[test]
    fn a_record_that_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80),
                                                       start in prop::sample::select(vec![&b"\x85\x00\x41\x01\x58\x20"[..], b"\x87\x01", b""])) {
        let bytes = [start, &bytes].concat();
        if let Ok((record, len)) = Record::decode(&bytes) {
            let mut again = Vec::new();
            record.encode(&mut again).unwrap();
            prop_assert_eq!(&again[..], &bytes[..len]);
        }
    }
}
