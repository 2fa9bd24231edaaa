//! A medium that is too small, or fails: what is told before anything is written, and what is on it afterwards.

use std::fs;

use serde_json::Value;

use crate::elsewhere::{MOUNTS, below, is_permitted};
use crate::place::{Place, SCHEMA, text};

/// A hundred licenses on `a`, which take nineteen thousand bytes at the very least.
fn hundred() -> Place {
    let place = Place::with_trust();
    let line = |number: u32| format!(r#"{{"title":"Song {number}","rights":{{"Play":{{}},"Backup":{{}}}}}}"#);
    let lines: Vec<String> = (0..100).map(line).collect();
    fs::write(place.path("wanted"), lines.join("\n")).expect("written");
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
    for folder in ["stick", "old"] {
        fs::create_dir(place.path(folder)).expect("a folder");
    }
    place
}

/// Backs up to `stick` after this was done to it in a namespace; gives the lines, and the names that are there then.
fn back_up(place: &Place, prepare: &str, more: &[&str]) -> (Vec<Value>, String) {
    let script = format!("set -e; {prepare}; \"$0\" \"$@\" || true; ls -A stick > names");
    let mut command = below(&MOUNTS, &script);
    command.arg(env!("CARGO_BIN_EXE_keyferry"));
    command.args(["--json", "--home", "a", "backup", "stick", "--unencrypted"]);
    let ran = command
        .args(more)
        .current_dir(place.path(""))
        .output()
        .expect("it runs");
    let names = fs::read_to_string(place.path("names")).expect("names");
    (SCHEMA.lines(&String::from_utf8_lossy(&ran.stdout)), names)
}

fn error(lines: &[Value]) -> (&str, &str) {
    let error = lines
        .iter()
        .find(|line| line["event"] == "error")
        .expect("an error");
    (text(error, "message"), text(error, "hint"))
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let place = hundred();
    let small = "mount -t tmpfs -o size=16k tmpfs stick";
    if !is_permitted(
        "a medium that is too small",
        &MOUNTS,
        &format!("cd '{}'; {small}", place.path("").display()),
    ) {
        return;
    }
    let (lines, names) = back_up(&place, small, &[]);
    let summary = lines.last().expect("a summary");
    assert_eq!((&summary["exit"], names.as_str()), (&10.into(), ""), "{lines:?}");
    assert_eq!(summary["on_medium"], Value::Array(Vec::new()));
    let (message, hint) = error(&lines);
    let numbers: Vec<u64> = message.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [free, needed] = numbers.as_slice() else {
        panic!("{message}");
    };
    assert!(*free <= 16_384 && *needed > 19_200, "{message}");
    assert!(
        hint.contains("side by side") && hint.contains("no backup of this computer"),
        "{hint}"
    );
    // The earlier one stays; and what a stopped run left makes room first.
    place.done(&["--home", "a", "backup", "old", "--unencrypted"]);
    let old = fs::read_dir(place.path("old"))
        .expect("old")
        .next()
        .expect("one")
        .expect("it");
    let name = old.file_name().into_string().expect("UTF-8");
    let length = old.metadata().expect("its length").len();
    let sized = |kib: u64| format!("mount -t tmpfs -o size={kib}k tmpfs stick; cp old/* stick");
    let (lines, names) = back_up(&place, &sized(length / 1024 + 12), &["--overwrite"]);
    let summary = lines.last().expect("a summary");
    assert_eq!(
        (&summary["exit"], names.trim()),
        (&10.into(), name.as_str()),
        "{lines:?}"
    );
    assert_eq!(summary["on_medium"], Value::Array(vec!["backup".into()]));
    assert!(
        error(&lines)
            .1
            .contains("the backup of this computer that was there before")
    );
    let left = format!(
        "{}; head -c 30000 /dev/zero > stick/{name}.new",
        sized(length / 512 + 24)
    );
    let (lines, names) = back_up(&place, &left, &["--overwrite"]);
    assert_eq!(lines.last().expect("a summary")["exit"], 0, "{lines:?}");
    assert_eq!(names.trim(), name);
}

#[test]
fn a_medium_that_can_not_be_written_says_what_is_on_it() {
    let place = hundred();
    let prepare = "mount -t tmpfs tmpfs stick; cp old/* stick; mount -o remount,ro stick";
    place.done(&["--home", "a", "backup", "old", "--unencrypted"]);
    let there = format!("cd '{}'; {prepare}", place.path("").display());
    if !is_permitted("a medium that is read-only", &MOUNTS, &there) {
        return;
    }
    let (lines, _) = back_up(&place, prepare, &["--overwrite"]);
    let summary = lines.last().expect("a summary");
    assert_eq!(
        (&summary["exit"], &summary["on_medium"]),
        (&10.into(), &Value::Array(vec!["backup".into()]))
    );
    let (message, hint) = error(&lines);
    assert!(
        message.contains("read-only") && hint.contains("that was there before"),
        "{message} {hint}"
    );
    // A folder that never was there needs no such word.
    let lines = place.json(&["--home", "a", "backup", "nowhere", "--unencrypted"]);
    assert!(
        lines.exit == 10 && lines.summary().get("on_medium").is_none(),
        "{:?}",
        lines.all
    );
}
