//! What is typed wrong, and how the program speaks.

use std::io::Read;
use std::process::Stdio;

use crate::place::Place;

#[test]
fn wrong_arguments_are_named() {
    let place = Place::new();
    place
        .run(&["backup", "--overwritten"])
        .failed(2, &["unexpected argument '--overwritten' found", "hint: "]);
    place
        .run(&["retsore"])
        .failed(2, &["unrecognized subcommand 'retsore'", "'restore'"]);
    place.run(&[]).failed(2, &["keyferry: hint: "]);
    place
        .run(&["restore", "x", "--trust", "12"])
        .failed(2, &["64 hexadecimal digits"]);
    let lines = place.json(&["backup", "--overwritten"]);
    assert_eq!(
        (lines.exit, &lines.of("error")[0]["reason"]),
        (2, &"usage".into())
    );
}

#[test]
fn no_path_is_a_property_that_is_not_set() {
    let place = Place::new();
    for command in ["backup", "restore"] {
        let lines = place.json(&[command]);
        assert_eq!(
            (lines.exit, &lines.summary()["hr"]),
            (2, &"C00D2749".into()),
            "{command}"
        );
    }
    assert!(!place.path("person").exists(), "nothing was opened for that");
}

#[test]
fn a_backup_is_not_unencrypted_by_accident() {
    let place = Place::new();
    std::fs::create_dir(place.path("stick")).unwrap();
    let ran = place.run(&["--home", "a", "backup", "stick"]);
    ran.failed(
        2,
        &[
            "nothing says how",
            "finds",
            "keyferry --home a backup stick --unencrypted",
        ],
    );
    assert_eq!(std::fs::read_dir(place.path("stick")).unwrap().count(), 0);
}

#[test]
fn the_home_is_where_one_says() {
    let place = Place::new();
    place.done(&["--home", "deep/er", "computer", "name"]);
    assert!(place.path("deep/er/computer.key").is_file());
    let ran = place
        .command(&["computer", "name"])
        .env("KEYFERRY_HOME", "env")
        .output()
        .unwrap();
    assert!(ran.status.success() && place.path("env/computer.key").is_file());
    place.done(&["computer", "name"]);
    assert!(place.path("person").is_dir(), "the platform's data folder");
    std::fs::write(place.path("file"), "").unwrap();
    place
        .run(&["--home", "file", "list"])
        .failed(1, &["the home file"]);
    place
        .run(&["--home", "", "list"])
        .failed(2, &["a value is required for '--home <DIR>'"]);
}

#[cfg(unix)]
#[test]
fn a_home_is_for_its_owner() {
    let place = Place::new();
    place.done(&["--home", "a", "computer", "name"]);
    assert_eq!(crate::place::mode(&place.path("a")), 0o700);
    assert_eq!(crate::place::mode(&place.path("a/computer.key")), 0o600);
}

#[test]
fn a_reader_who_goes_away_ends_it_quietly() {
    let place = Place::with_issuer();
    let wishes = "{\"title\":\"x\"}\n".repeat(3000);
    std::fs::write(place.path("wishes"), wishes).unwrap();
    let args = [
        "issuer",
        "issue",
        "pub",
        "--computer",
        "a.card",
        "--service",
        "svc/service.card",
        "--from",
        "wishes",
    ];
    let mut child = place
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        !stderr.contains("error") && !stderr.contains("panicked"),
        "{stderr}"
    );
}

#[test]
fn quiet_says_nothing_beside_results() {
    let place = Place::with_issuer();
    let ran = place.done(&["-q", "--home", "a", "list"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let ran = place.run(&["-q", "show", "nothing-of-the-kind"]);
    ran.failed(2, &["neither a file nor a license ID nor a key ID"]);
}

#[test]
fn help_version_and_completions_need_nothing() {
    let place = Place::new();
    assert!(place.done(&["--help"]).stdout.contains("\nMove:\n"));
    assert!(place.done(&["--version"]).stdout.starts_with("keyferry 0."));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            place.done(&["completions", shell]).stdout.contains("restore"),
            "{shell}"
        );
    }
    assert!(!place.path("person").exists());
}
