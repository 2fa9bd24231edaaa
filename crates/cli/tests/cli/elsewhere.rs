//! Another machine and a computer without a network, both made of namespaces: what is bound to one machine opens nothing
//! on another, and what can't be asked from here is asked from elsewhere.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::place::{Lines, Place, Ran, SCHEMA, Served, text};

/// A machine's identity that no machine has.
const IDENTITY: &str = "0123456789abcdef0123456789abcdef";

/// Runs the program in namespaces of its own: `flags` for unshare, `prepare` for the shell in them.
pub fn unshared(place: &Place, flags: &[&str], prepare: &str, args: &[&str]) -> Ran {
    let script = format!("set -e; {prepare}; exec \"$0\" \"$@\"");
    let mut command = below(flags, &script);
    command.arg(env!("CARGO_BIN_EXE_keyferry")).args(args);
    command
        .current_dir(place.path(""))
        .env("HOME", place.path("person"))
        .env_remove("KEYFERRY_HOME")
        .env_remove("XDG_DATA_HOME");
    command.output().expect("unshare runs").into()
}

/// The shell in namespaces of its own, with root's rights in them.
pub fn below(flags: &[&str], script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user"]).args(flags);
    command.args(["bash", "-c", script]);
    command
}

/// Is this permitted here? Where it isn't, the work is noted as left out.
pub fn is_permitted(what: &str, flags: &[&str], prepare: &str) -> bool {
    let tried = below(flags, prepare).output();
    let permitted = tried.as_ref().is_ok_and(|tried| tried.status.success());
    if !permitted {
        let flags = flags.join(" ");
        keyferry_testkit::left_out(&format!("{what}: unshare {flags} is not permitted"));
    }
    permitted
}

pub const MOUNTS: [&str; 3] = ["--mount", "--propagation", "private"];

fn on_machine(place: &Place, identity: &str, args: &[&str]) -> Ran {
    fs::write(place.path("identity"), format!("{identity}\n")).expect("a file");
    unshared(place, &MOUNTS, "mount --bind identity /etc/machine-id", args)
}

/// `a` with a license that may leave, another that opens twice, and a backup on the stick; and a copy of its home.
fn copied() -> (Place, String) {
    let place = Place::with_trust();
    place.give(&["--right", "Play", "--right", "Backup"]);
    let key_id = place.give(&["--right", "Play:count=2"]);
    fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    copy(&place, "a", "copy");
    (place, key_id)
}

fn copy(place: &Place, from: &str, to: &str) {
    fs::create_dir(place.path(to)).expect("a folder");
    for (name, bytes) in contents(place, from) {
        fs::write(place.path(to).join(name), bytes).expect("copied");
    }
}

fn contents(place: &Place, folder: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(place.path(folder)).expect("a folder");
    let mut contents: Vec<_> = files
        .map(|file| {
            let file = file.expect("a file");
            let name = file.file_name().into_string().expect("UTF-8");
            (name, fs::read(file.path()).expect("its bytes"))
        })
        .collect();
    contents.sort();
    contents
}

#[test]
fn a_copied_home_opens_nothing_on_another_machine() {
    let bind = "mount --bind /dev/null /etc/machine-id";
    if !is_permitted("a home that was copied to another machine", &MOUNTS, bind) {
        return;
    }
    let (place, key_id) = copied();
    fs::create_dir(place.path("other stick")).expect("a folder");
    let before = contents(&place, "copy");
    let commands: [&[&str]; 6] = [
        &["list"],
        &["use", &key_id],
        &["computer", "card"],
        &["backup", "other stick", "--unencrypted"],
        &["restore", "stick"],
        &["import", "given.license"],
    ];
    for args in commands {
        let args = [&["--home", "copy"], args].concat();
        on_machine(&place, IDENTITY, &args).failed(
            1,
            &[
                "computer.key was made on another machine",
                "restore a backup instead",
            ],
        );
        let ran = on_machine(&place, IDENTITY, &[&["--json"], args.as_slice()].concat());
        let lines = SCHEMA.lines(&ran.stdout);
        let summary = lines.last().expect("a summary");
        assert_eq!(
            (ran.exit, text(summary, "hr")),
            (1, "C00D2719"),
            "{args:?}: {lines:?}"
        );
    }
    assert_eq!(contents(&place, "copy"), before, "nothing was changed by trying");
    assert_eq!(contents(&place, "other stick").len(), 0);
    // With the identity of this machine the same namespaces open it.
    let here = fs::read_to_string("/etc/machine-id").expect("an identity");
    let listed = on_machine(&place, here.trim(), &["--home", "copy", "list"]);
    assert_eq!(listed.exit, 0, "{}", listed.stderr);
    for _ in 0..2 {
        let used = place.done(&["--home", "a", "use", &key_id]);
        assert_eq!(used.stdout.trim().len(), 32, "the original hands out both uses");
    }
}

#[test]
fn an_older_store_under_a_newer_key_is_named_and_a_backup_is_the_way_out() {
    let (place, key_id) = copied();
    place.done(&["--home", "a", "use", &key_id]);
    let older = contents(&place, "copy");
    let (_, store) = older
        .iter()
        .find(|(name, _)| name == "store.sqlite")
        .expect("a store");
    fs::write(place.path("a/store.sqlite"), store).expect("put back");
    let commands: [&[&str]; 4] = [
        &["list"],
        &["use", &key_id],
        &["backup", "stick", "--unencrypted", "--overwrite"],
        &["restore", "stick"],
    ];
    for args in commands {
        let args = [&["--home", "a"], args].concat();
        place.run(&args).failed(
            1,
            &["store.sqlite was put back from an older copy: delete it and restore a backup"],
        );
        let lines = place.json(&args);
        assert_eq!(text(lines.summary(), "hr"), "C00D277F", "{:?}", lines.all);
    }
    fs::remove_file(place.path("a/store.sqlite")).expect("deleted");
    let restored = place.json(&["--home", "a", "restore", "stick"]);
    assert_eq!(restored.exit, 0, "{:?}", restored.all);
    let listed = place.json(&["--home", "a", "list"]);
    assert_eq!(
        listed.summary()["licenses"],
        1,
        "what may not leave is gone with its count"
    );
}

#[test]
fn a_license_of_another_computer_is_refused_by_name() {
    let (place, _) = copied();
    let thumbprint = place.thumbprint();
    let args = ["--home", "c", "import", "given.license", "--trust", &thumbprint];
    let lines = place.json(&args);
    assert_eq!(
        (lines.exit, text(lines.summary(), "hr")),
        (1, "C00D2719"),
        "{:?}",
        lines.all
    );
    assert_eq!(text(lines.of("license")[0], "outcome"), "other-computer");
    let said = place.run(&args);
    assert!(
        said.stdout.contains("issued to another computer"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    assert_eq!(place.json(&["--home", "c", "list"]).summary()["licenses"], 0);
}

/// Two licenses on the stick and a service that only the connected computer reaches.
fn two_networks() -> (Place, Served, String) {
    let place = Place::with_trust();
    let service = place.serve();
    for title in ["One", "Two"] {
        place.give(&["--title", title, "--right", "Play", "--right", "Backup"]);
    }
    fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let thumbprint = place.thumbprint();
    (place, service, thumbprint)
}

const NETWORK: [&str; 1] = ["--net"];

/// The program where there is no network, not even with itself.
fn disconnected(place: &Place, args: &[&str]) -> Lines {
    let ran = unshared(place, &NETWORK, "true", &[&["--json"], args].concat());
    let all: Vec<Value> = SCHEMA.lines(&ran.stdout);
    Lines { exit: ran.exit, all }
}

#[test]
fn a_computer_without_a_network_restores_by_file() {
    if !is_permitted("a restore between two network namespaces", &NETWORK, "true") {
        return;
    }
    let (place, service, thumbprint) = two_networks();
    let address = text(&service.listening, "address").replace(':', "/");
    let reach = format!("exec 3<>/dev/tcp/{address}");
    let here = Command::new("bash").args(["-c", &reach]).output().expect("bash");
    assert!(here.status.success(), "the service can be reached from here");
    let there = below(&NETWORK, &reach).output().expect("unshare runs");
    let why = String::from_utf8_lossy(&there.stderr);
    assert!(
        !there.status.success() && why.contains("unreachable"),
        "and not from there: {why}"
    );

    let restore = crate::place::restoring(&thumbprint);
    let failed = unshared(&place, &NETWORK, "true", &restore);
    let next =
        format!("keyferry --home b restore stick --trust {thumbprint} --individualize --request-out FILE");
    failed.failed(6, &["can't be reached", "if this computer has no network", &next]);
    let asked = disconnected(
        &place,
        &[&restore, ["--request-out", "requests"].as_slice()].concat(),
    );
    assert_eq!(
        (asked.exit, &asked.summary()["requests_out"]),
        (0, &2.into()),
        "{:?}",
        asked.all
    );
    place.done(&["authorize", "requests", "-o", "answers"]);
    let elsewhere = disconnected(&place, &["--home", "c", "restore", "--answer", "answers"]);
    assert_eq!(
        (elsewhere.exit, text(elsewhere.summary(), "hr")),
        (1, "C00D2719"),
        "{:?}",
        elsewhere.all
    );
    let taken = disconnected(&place, &["--home", "b", "restore", "--answer", "answers"]);
    assert_eq!(
        (taken.exit, &taken.summary()["restored"]),
        (0, &2.into()),
        "{:?}",
        taken.all
    );
    let again = disconnected(&place, &["--home", "b", "restore", "--answer", "answers"]);
    assert_eq!(
        (again.exit, text(again.summary(), "hr")),
        (1, "C00D272E"),
        "{:?}",
        again.all
    );
    for (home, licenses) in [("b", 2), ("c", 0)] {
        let listed = disconnected(&place, &["--home", home, "list"]);
        assert_eq!(listed.summary()["licenses"], licenses, "{home}");
    }
}
