//! The vectors of testdata/backup, discovered from their folder: each file, and what any reader must make of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use keyferry_archive::{Error, Place};

use crate::raw::{frames_start, header_of};
use crate::seen::read;

const VECTORS: usize = 52;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/backup")
}

/// `file | outcome | licenses | documents`, one line for each vector.
fn expected() -> BTreeMap<String, [String; 3]> {
    let table = fs::read_to_string(folder().join("cases.txt")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        let [name, outcome, licenses, documents] = cells.try_into().expect("four cells");
        (name, [outcome, licenses, documents])
    };
    lines.map(row).collect()
}

fn outcome(bytes: &[u8]) -> [String; 3] {
    let (what, licenses, documents) = match read(bytes) {
        Err(error) => (refused(&error).to_owned(), 0, 0),
        Ok(seen) => {
            let (licenses, documents) = (seen.tally.licenses, seen.tally.documents);
            // What the parity repaired costs nothing.
            let repaired = seen.repaired.is_some_and(|protection| protection.is_repairable());
            let damages = seen.damages.iter();
            let mut places: Vec<_> = damages
                .filter(|damage| !repaired || damage.place != Place::Protection)
                .map(|damage| place(damage.place))
                .collect();
            places.dedup();
            let what = if seen.is_whole() {
                "whole".into()
            } else if places.is_empty() {
                "repaired".into()
            } else {
                format!("damaged: {}", places.join(", "))
            };
            (what, licenses, documents)
        }
    };
    [what, licenses.to_string(), documents.to_string()]
}

fn refused(error: &Error) -> &'static str {
    match error {
        Error::NotABackup { .. } => "refused: not a backup",
        Error::WrongPassphrase => "refused: wrong passphrase",
        Error::NoMatchingIdentity => "refused: no matching identity",
        Error::WorkFactor { .. } => "refused: work factor",
        Error::Damaged(damage) if damage.place == Place::Encryption => "refused: encryption damaged",
        Error::Version { .. } => "refused: version",
        Error::Protection { .. } => "refused: protection",
        Error::Length { .. } => "refused: length",
        Error::Damaged(damage) if damage.place == Place::Header => "refused: header damaged",
        Error::Header { .. } => "refused: header against the rules",
        _ => "refused: otherwise",
    }
}

fn place(place: Place) -> String {
    match place {
        Place::Frame(_) => "frame".into(),
        Place::Unknown => "unknown".into(),
        other => other.to_string(),
    }
}

#[test]
fn every_vector_is_taken_for_what_it_is() {
    let expected = expected();
    let mut files = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "keyferry") {
            continue;
        }
        files += 1;
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() < 96 * 1024, "{name} is {} bytes long", bytes.len());
        assert_eq!(Some(&outcome(&bytes)), expected.get(&name), "{name}");
    }
    assert_eq!(files, VECTORS);
    assert_eq!(expected.len(), VECTORS);
}

#[test]
fn good_headers_are_written_again_to_the_byte() {
    let mut good = 0;
    for (name, [outcome, ..]) in expected() {
        if outcome != "whole"
            || !fs::read(folder().join(format!("{name}.keyferry")))
                .unwrap()
                .starts_with(b"keyferry")
        {
            continue;
        }
        good += 1;
        let bytes = fs::read(folder().join(format!("{name}.keyferry"))).unwrap();
        let reader = keyferry_archive::Reader::open(std::io::Cursor::new(&bytes)).unwrap();
        let mut again = Vec::new();
        drop(keyferry_archive::Writer::new(&mut again, reader.header()).unwrap());
        assert_eq!(again, bytes[..frames_start(&bytes)], "{name}");
        assert!(!header_of(&bytes).is_empty());
    }
    assert!(good >= 5);
}
