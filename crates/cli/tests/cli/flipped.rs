//! A backup of a hundred licenses with one byte altered, through the program: the first, a middle and the last byte of
//! every part. `cargo xtask soak flip` takes every byte.

use keyferry_archive::{Identity, Unlock};
use keyferry_testkit::{Flips, names_place, restored};

use crate::place::Place;

const LICENSES: usize = 100;

fn loaded() -> Place {
    let place = Place::with_trust();
    let lines: Vec<String> = (0..LICENSES)
        .map(|number| format!(r#"{{"title":"Song {number}","rights":{{"Play":{{}},"Backup":{{}}}}}}"#))
        .collect();
    std::fs::write(place.path("wanted"), lines.join("\n")).expect("written");
    let issue = [
        "issuer",
        "issue",
        "pub",
        "--computer",
        "a.card",
        "--service",
        "svc/service.card",
    ];
    place.done(&[&issue[..], &["--from", "wanted", "-o", "many.license"]].concat());
    place.done(&["--home", "a", "import", "many.license"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    place
}

fn lose_store(place: &Place) {
    for file in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let _ = std::fs::remove_file(place.path("a").join(file));
    }
}

/// Verifies and restores a copy for each of these bytes.
fn check(place: &Place, unlock: Unlock, identity: &[&str]) {
    let file = std::fs::read_dir(place.path("stick")).expect("the stick").next();
    let file = file.expect("a file").expect("an entry").path();
    let flips = Flips::new(std::fs::read(&file).expect("readable"), unlock);
    assert_eq!(flips.len(), LICENSES);
    lose_store(place);
    let ranges = flips.parts.iter().map(|part| part.range.clone());
    for at in ranges.flat_map(|range| [range.start, range.start + range.len() / 2, range.end - 1]) {
        let part = flips.part(at);
        std::fs::write(&file, flips.flipped(at, 1 << (at % 8))).expect("written");
        let name = file.to_str().expect("UTF-8");
        let verified = place.run(&[&["verify", name], identity].concat());
        let said = format!("{}{}", verified.stdout, verified.stderr);
        let (exits, comes) = restored(part);
        let exit = match part {
            "version" => 1,
            // Where even that can't be told, something may be lost.
            _ if comes && !said.contains("what is lost can't be told") => 3,
            _ => 5,
        };
        assert_eq!(verified.exit, exit, "byte {at} in the {part}: {said}");
        assert!(
            part == "version" || names_place(&said, at),
            "byte {at} in the {part}: {said}"
        );
        let came = place.run(&[&["--home", "a", "restore", name], identity].concat());
        let said = format!("byte {at} in the {part}: {}{}", came.stdout, came.stderr);
        assert!(
            exits.iter().any(|exit| i32::from(*exit) == came.exit),
            "exit {}: {said}",
            came.exit
        );
        assert!(
            !said.contains("panicked") && !said.contains("0 of 100 licenses"),
            "{said}"
        );
        let listed = place.json(&["--home", "a", "list"]);
        let expected = if comes { LICENSES } else { 0 };
        assert_eq!(listed.summary()["licenses"], expected, "{said}");
        if comes {
            lose_store(place);
        }
    }
}

#[test]
fn a_plain_backup() {
    let place = loaded();
    place.done(&[
        "--home",
        "a",
        "backup",
        "stick",
        "--parity",
        "none",
        "--unencrypted",
    ]);
    check(&place, Unlock::None, &[]);
}

#[test]
fn an_encrypted_backup() {
    // The identity of docs/backup.md section 13, which everybody knows.
    let text = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    let identity: Identity = text.parse().expect("an identity");
    let place = loaded();
    std::fs::write(place.path("identity"), text).expect("written");
    place.done(&[
        "--home",
        "a",
        "backup",
        "stick",
        "--parity",
        "none",
        "-r",
        &identity.recipient().to_string(),
    ]);
    check(&place, Unlock::Identities(vec![identity]), &["-i", "identity"]);
}
