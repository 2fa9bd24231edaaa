//! The lines of JSON mode: `keyferry schema`, and every event that it describes, said by the program itself.

use std::collections::BTreeSet;
use std::fs;

use keyferry_license::{Digest, SigningSecret, Thumbprint};
use keyferry_protocol::{ChallengeAnswer, ListProblemCode, ListReceipt, Posted};
use serde_json::Value;

use crate::place::{Lines, Place, SCHEMA, Served, text};

#[test]
fn the_schema_is_printed_as_it_is_shipped() {
    let place = Place::new();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/lines.schema.json");
    let shipped = fs::read_to_string(shipped).expect("the schema");
    assert_eq!(place.done(&["schema"]).stdout, shipped);
    let lines = place.json(&["schema"]);
    assert_eq!(text(lines.of("document")[0], "label"), "schema");
    assert_eq!(text(lines.of("document")[0], "text"), shipped);
}

/// The events of runs.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn line(&mut self, line: &Value) {
        self.0.insert(text(line, "event").to_owned());
    }

    fn all(&mut self, lines: &Lines) {
        lines.all.iter().for_each(|line| self.line(line));
    }
}

/// A service that is told to take its files up again.
#[cfg(unix)]
fn reload(seen: &mut Seen, served: &mut Served) {
    served.signal(rustix::process::Signal::HUP);
    seen.line(&served.next_line());
}

/// Where there is no SIGHUP.
#[cfg(not(unix))]
fn reload(seen: &mut Seen, _: &mut Served) {
    seen.0.insert("reloaded".into());
}

/// Issuers, trust, a stick and its way to a computer that the service refuses.
fn travel(seen: &mut Seen) {
    let place = Place::with_issuer();
    let thumbprint = place.thumbprint();
    // Where it listens stands in its card, and so in what is issued from now on.
    let mut served = place.serve();
    seen.line(&served.listening);
    reload(seen, &mut served);
    seen.all(&place.json(&["serve", "--dir", "svc", "--check-config"]));
    seen.all(&place.json(&["issuer", "init", "other", "--name", "Other"]));
    seen.all(&place.json(&["show", "pub/issuer.card"]));
    seen.all(&place.json(&["--home", "a", "computer", "name"]));
    let accept = ["trust", "add", "pub/issuer.card", "--thumbprint", &thumbprint];
    seen.all(&place.json(&[&["--home", "a"], &accept[..]].concat()));
    let wish = ["--computers", "1", "--right", "Play", "--right", "Backup"];
    let id = place.give(&wish);
    seen.all(&place.json(&["--home", "a", "use", &id]));
    fs::create_dir(place.path("stick")).expect("a folder");
    seen.all(&place.json(&["--home", "a", "backup", "stick", "--unencrypted"]));
    seen.all(&place.json(&["list", "stick"]));
    seen.all(&place.json(&["verify", "stick", "--licenses"]));
    let rehearse = ["verify", "stick", "--rehearse", "--individualize"];
    seen.all(&place.json(&[&["--home", "a"], &rehearse[..]].concat()));
    seen.all(&place.json(&["--home", "b", "restore", "stick"]));
    let trust = ["--home", "b", "restore", "stick", "--trust", &thumbprint];
    seen.all(&place.json(&trust));
    seen.all(&place.json(&[&trust[..], &["--individualize"]].concat()));
    seen.all(&place.json(&["--home", "a", "--yes", "trust", "remove", &thumbprint]));
}

/// A license that its issuer takes back, of which the computer hears while it gives another back; and a damaged backup.
fn revoke(seen: &mut Seen) {
    let place = Place::with_trust();
    let _served = place.serve();
    let backup = ["--right", "Play", "--right", "Backup"];
    let (taken, given) = (place.give(&backup), place.give(&backup));
    fs::create_dir(place.path("stick")).expect("a folder");
    let bare = ["backup", "stick", "--unencrypted", "--parity", "none"];
    let saved = place.json(&[&["--home", "a"], &bare[..]].concat());
    let thumbprint = place.thumbprint();
    let trust = ["--trust", &thumbprint, "--individualize"];
    seen.all(&place.json(&[&["--home", "b", "restore", "stick"][..], &trust].concat()));
    seen.all(&place.json(&["--home", "b", "receipts"]));
    let revoke = ["issuer", "revoke", "pub", "--service", "svc/service.card"];
    seen.all(&place.json(&[&revoke[..], &["--key-id", &taken]].concat()));
    seen.all(&place.json(&["--home", "b", "--yes", "computer", "release", &given]));
    seen.all(&place.json(&["show", "pub/revocations/00000001.list"]));
    let path = text(saved.summary(), "path");
    let mut bytes = fs::read(place.path(path)).expect("the backup");
    // In the frame, of which the names of what is in it stand apart.
    let frame = bytes.windows(8).position(|at| at == b"KFframe\n");
    bytes[frame.expect("a frame") + 100] ^= 1;
    fs::write(place.path("damaged"), bytes).expect("written");
    seen.all(&place.json(&["verify", "damaged"]));
}

/// Requests and answers by file, what an issuer is told of a list, and an answer to its challenge.
fn messages(seen: &mut Seen) {
    let place = Place::with_trust();
    let _served = place.serve();
    place.give(&["--right", "Play", "--right", "Backup"]);
    fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let thumbprint = place.thumbprint();
    let ask = [
        "--individualize",
        "--request-out",
        "requests",
        "--trust",
        &thumbprint,
    ];
    place.done(&[&["--home", "b", "restore", "stick"], &ask[..]].concat());
    place.done(&["authorize", "requests", "-o", "answers"]);
    seen.all(&place.json(&["show", "requests"]));
    seen.all(&place.json(&["show", "answers"]));
    let receipt = ListReceipt {
        service: Thumbprint([1; 32]),
        issuer: Thumbprint([2; 32]),
        number: 3,
        list: Digest([4; 32]),
        time: 5,
    };
    let key = SigningSecret::generate().expect("a key");
    let problem = Posted::problem(ListProblemCode::Gap, "list 1 is missing", Some(1));
    let answer = ChallengeAnswer::new([6; 32], receipt.issuer, 2, &key).expect("randomness");
    for bytes in [receipt.sign(&key), problem.encode(), answer.sign(&key)] {
        fs::write(place.path("posted"), bytes).expect("written");
        seen.all(&place.json(&["show", "posted"]));
    }
}

/// Volumes; where none can be made, none may be there.
#[cfg(target_os = "linux")]
fn drives(seen: &mut Seen, place: &Place) {
    match crate::plugged::Stick::plugged(place) {
        Some(stick) => seen.all(&stick.json(&["drives"])),
        None => drop(seen.0.insert("drive".into())),
    }
}

/// Where none can be made.
#[cfg(not(target_os = "linux"))]
fn drives(seen: &mut Seen, _: &Place) {
    seen.0.insert("drive".into());
}

/// License documents, and what is none.
fn documents(seen: &mut Seen) {
    let place = Place::new();
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/documents/lcp");
    fs::write(place.path("note.txt"), "no license").expect("written");
    seen.all(&place.json(&["--home", "a", "import", book, "note.txt"]));
    fs::create_dir(place.path("out")).expect("a folder");
    seen.all(&place.json(&["--home", "a", "export", "--all", "--to", "out"]));
}

/// A service that asks to come back later.
fn wait(seen: &mut Seen) {
    let (place, _served, front) = crate::busy::behind();
    let thumbprint = place.thumbprint();
    front.is_busy(1);
    let restore = ["--home", "b", "restore", "stick", "--trust", &thumbprint];
    seen.all(&place.json(&[&restore[..], &["--individualize"]].concat()));
}

/// A ledger from which a row was taken.
fn check(seen: &mut Seen) {
    let place = crate::checking::moved();
    crate::checking::edit(&place, "DELETE FROM licenses");
    seen.all(&place.json(&["service", "check", "--dir", "svc", "receipts"]));
    let recovery = [
        "service",
        "recovery",
        "--dir",
        "svc",
        "--start",
        "--since",
        "2026-01-31",
    ];
    seen.all(&place.json(&recovery));
}

#[test]
fn every_event_of_the_schema_is_said_by_the_program() {
    let mut seen = Seen::default();
    travel(&mut seen);
    revoke(&mut seen);
    messages(&mut seen);
    documents(&mut seen);
    check(&mut seen);
    wait(&mut seen);
    let place = Place::new();
    let demo = place.json(&["demo", "--licenses", "2"]);
    assert_eq!(demo.exit, 0, "{:?}", demo.all);
    seen.all(&demo);
    seen.all(&place.json(&["completions", "bash"]));
    drives(&mut seen, &place);
    let said: Vec<&str> = seen.0.iter().map(String::as_str).collect();
    assert_eq!(said, SCHEMA.events());
}
