//! The backups of a folder as `list` shows them: every computer's, in every state.

use std::fs;
use std::path::PathBuf;

use keyferry_store::{FileGuard, MachineIdentity, Store};
use serde_json::Value;

use crate::place::{Lines, Place, text};
use crate::trip::loaded;

fn list(place: &Place, more: &[&str]) -> Lines {
    let lines = place.json(&[&["--home", "a", "list", "stick"], more].concat());
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    lines
}

fn back_up(place: &Place, more: &[&str]) -> PathBuf {
    let made = place.json(&[&["--home", "a", "backup", "stick"], more].concat());
    assert_eq!(made.exit, 0, "{:?}", made.all);
    place.path(text(made.summary(), "path"))
}

fn words<'l>(line: &'l Value, fields: &[&str]) -> Vec<&'l str> {
    fields.iter().map(|field| text(line, field)).collect()
}

#[test]
fn each_state_has_its_word() {
    let place = loaded();
    let file = back_up(&place, &["--unencrypted"]);
    let (bare, whole) = ("--parity none", fs::read(&file).expect("the backup"));
    let state = |expected: &str| {
        let lines = list(&place, &[]);
        let line = lines.of("backup")[0];
        assert_eq!(words(line, &["state", "kind"]), [expected, "current"], "{line}");
        line.clone()
    };
    let line = state("whole");
    assert_eq!(
        (&line["licenses"], &line["bytes"]),
        (&1.into(), &whole.len().into())
    );
    assert!(line["why"].is_null() && line["last_proven"].is_null() && line["encrypted"] == false);
    // In the middle of what stands in it, of its parity, and at its end.
    for at in [1000, whole.len() * 3 / 4, whole.len() - 10] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, bytes).expect("written");
        let line = state("repairable");
        assert!(!text(&line, "why").is_empty() && line["licenses"] == 1);
    }
    let mut bytes = whole.clone();
    bytes[300..whole.len() / 2].fill(0);
    fs::write(&file, bytes).expect("written");
    assert!(state("damaged")["licenses"].is_null());
    fs::write(&file, "a shopping list").expect("written");
    assert!(state("unreadable")["computer"].is_null());
    fs::remove_file(&file).expect("removed");
    let file = back_up(
        &place,
        &[&["--unencrypted"][..], &bare.split(' ').collect::<Vec<_>>()].concat(),
    );
    state("whole");
    let mut bytes = fs::read(&file).expect("the backup");
    let frame = bytes
        .windows(8)
        .position(|at| at == b"KFframe\n")
        .expect("a frame");
    bytes[frame + 100] ^= 1;
    fs::write(&file, bytes).expect("written");
    assert_eq!(state("damaged")["licenses"], 1);
}

#[test]
fn every_computers_backups_stand_there_the_newest_of_each_first() {
    let place = loaded();
    let first = back_up(&place, &["--unencrypted", "--keep", "2"]);
    place.done(&["--home", "b", "computer", "name", "Tablet"]);
    place.done(&["--home", "b", "backup", "stick", "--unencrypted"]);
    back_up(&place, &["--unencrypted", "--keep", "2"]);
    let left = PathBuf::from(format!("{}.new", first.display()));
    fs::write(&left, fs::read(&first).expect("the backup")).expect("written");
    let lines = list(&place, &[]);
    let of = |name: &str| -> Vec<&str> {
        let of = lines.of("backup").into_iter();
        let of = of.filter(|line| line["name"] == name);
        of.map(|line| text(line, "kind")).collect()
    };
    assert_eq!(of("Old laptop"), ["current", "left-over", "earlier"]);
    assert_eq!(of("Tablet"), ["current"]);
    assert_eq!(lines.summary()["backups"], 4);
    let said = place.done(&["--home", "a", "list", "stick"]).stdout;
    assert!(
        said.contains("left by a backup that was interrupted") && said.contains("Tablet"),
        "{said}"
    );
}

#[test]
fn an_encrypted_one_is_judged_from_outside_and_opened_by_who_can() {
    let place = loaded();
    fs::write(place.path("pass"), "a ferry at noon\n").expect("written");
    let file = back_up(&place, &["--passphrase-file", "pass"]);
    let lines = list(&place, &[]);
    let closed = lines.of("backup")[0];
    assert_eq!(text(closed, "state"), "whole");
    assert!(closed["encrypted"] == true && closed["computer"].is_null() && closed["created"].is_null());
    let name = file.file_name().expect("a name").to_str().expect("UTF-8");
    assert_eq!(text(closed, "id"), &name["licenses-".len()..][..8]);
    assert!(closed["modified"].as_u64() > Some(1_700_000_000), "{closed}");
    let lines = list(&place, &["--passphrase-file", "pass"]);
    let opened = lines.of("backup")[0];
    assert_eq!(words(opened, &["name", "state"]), ["Old laptop", "whole"]);
    assert_eq!(
        (&opened["licenses"], &opened["encrypted"]),
        (&1.into(), &true.into())
    );
    let mut bytes = fs::read(&file).expect("the backup");
    bytes[5000] ^= 1;
    fs::write(&file, bytes).expect("written");
    let lines = list(&place, &[]);
    assert_eq!(text(lines.of("backup")[0], "state"), "repairable");
}

#[test]
fn what_was_proven_is_said_of_that_backup_alone() {
    let place = loaded();
    back_up(&place, &["--unencrypted"]);
    let shown = place.json(&["show", text(list(&place, &[]).of("backup")[0], "path")]);
    let id = text(shown.of("backup")[0], "backup").replace('-', "");
    let id: Vec<u8> = (0..32)
        .step_by(2)
        .map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("digits"))
        .collect();
    let id: [u8; 16] = id.try_into().expect("sixteen bytes");
    let guard = FileGuard::new(MachineIdentity::of_this_machine().expect("a machine"));
    let store = Store::open(&place.path("a"), &guard).expect("the store");
    store.record_proven(&id, 1_790_000_000).expect("recorded");
    drop(store);
    back_up(&place, &["--unencrypted", "--keep", "2"]);
    let lines = list(&place, &[]);
    let proven: Vec<_> = lines
        .of("backup")
        .iter()
        .map(|line| &line["last_proven"])
        .collect();
    assert_eq!(proven, [&Value::Null, &1_790_000_000_u64.into()]);
    let said = place.done(&["--home", "a", "list", "stick"]).stdout;
    assert_eq!(
        said.matches("last proven restorable 2026-09-21T").count(),
        1,
        "{said}"
    );
}
