//! `receipts --to` and `service check`: a ledger that is as its computers say, and ones that aren't.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use crate::place::{Place, text};

/// A license that moved from one computer to another; both wrote their receipts into the folder `receipts`.
pub fn moved() -> Place {
    let place = Place::with_trust();
    let served = place.serve();
    place.give(&["--right", "Play", "--right", "Backup"]);
    for folder in ["stick", "receipts"] {
        fs::create_dir(place.path(folder)).expect("a folder");
    }
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let thumbprint = place.thumbprint();
    let trust = ["--trust", &thumbprint, "--individualize"];
    place.done(&[&["--home", "b", "restore", "stick"][..], &trust].concat());
    for home in ["a", "b"] {
        place.done(&["--home", home, "receipts", "--to", "receipts"]);
    }
    drop(served);
    place
}

/// Changes one row by hand.
pub fn edit(place: &Place, statement: &str) {
    let ledger = Connection::open(place.path("svc/ledger.sqlite")).expect("the ledger");
    assert_eq!(ledger.execute(statement, []).expect("changed"), 1);
}

#[test]
fn a_ledger_is_proven_by_the_receipts_of_its_computers() {
    let place = moved();
    let names = fs::read_dir(place.path("receipts")).expect("a folder");
    let names: Vec<_> = names.map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let ran = place.done(&["service", "check", "--dir", "svc", "receipts"]);
    assert!(ran.stdout.contains("1 row of 1 license read"), "{}", ran.stdout);
    assert!(
        ran.stdout.ends_with("nothing was found that must not be\n"),
        "{}",
        ran.stdout
    );
    let lines = place.json(&["service", "check", "--dir", "svc", "receipts"]);
    let summary = lines.summary();
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    assert_eq!(
        (&summary["rows"], &summary["unproven"], &summary["findings"]),
        (&1.into(), &0.into(), &0.into())
    );
    // Without receipts the row is there, and nobody says why.
    let ran = place.done(&["service", "check", "--dir", "svc"]);
    assert!(ran.stdout.contains("1 row unproven"), "{}", ran.stdout);
}

#[test]
fn what_was_changed_in_a_ledger_is_told_and_ends_with_5() {
    let place = moved();
    edit(&place, "UPDATE licenses SET slot = 3");
    let lines = place.json(&["service", "check", "--dir", "svc", "receipts"]);
    assert_eq!(
        (lines.exit, text(lines.of("error")[0], "reason")),
        (5, "bad-ledger")
    );
    let found: Vec<&Value> = lines.of("finding");
    assert_eq!(
        (found.len(), text(found[0], "what"), &found[0]["seq"]),
        (1, "other-row", &1.into())
    );
    let ran = place.run(&["service", "check", "--dir", "svc", "receipts"]);
    ran.failed(5, &["keyferry: error: 1 finding of what must not be"]);
    assert!(
        ran.stdout
            .contains("row 1: a receipt says yes by another row than this"),
        "{}",
        ran.stdout
    );
    edit(&place, "DELETE FROM licenses");
    let lines = place.json(&["service", "check", "--dir", "svc", "receipts"]);
    assert_eq!((lines.exit, text(lines.of("finding")[0], "what")), (5, "no-row"));
}

#[test]
fn what_can_not_be_checked_is_said() {
    let place = moved();
    let files = fs::read_dir(place.path("receipts")).expect("a folder");
    for file in files.map(|file| file.expect("a file").path()) {
        let mut bytes = fs::read(&file).expect("receipts");
        bytes.pop();
        fs::write(&file, bytes).expect("written");
    }
    let ran = place.run(&["service", "check", "--dir", "svc", "receipts"]);
    ran.failed(1, &["it is cut off"]);
    fs::write(place.path("other"), "no receipts").expect("written");
    place
        .run(&["service", "check", "--dir", "svc", "other"])
        .failed(1, &["it is no file of receipts"]);
    place
        .run(&["service", "check", "--dir", "svc", "nowhere"])
        .failed(1, &["nowhere"]);
    fs::rename(place.path("svc/ledger.sqlite"), place.path("elsewhere")).expect("moved");
    let ran = place.run(&["service", "check", "--dir", "svc"]);
    ran.failed(
        1,
        &["ledger.sqlite", "hint: --dir is the folder that serve was given"],
    );
    assert!(!place.path("svc/ledger.sqlite").exists(), "nothing is made");
    place
        .run(&["--home", "b", "receipts", "--to", "nowhere"])
        .failed(1, &["can't write"]);
}
