//! Encrypted backups: passphrases from files and commands, recipients, and what is said when they don't fit.

use std::process::Command;

use crate::place::{Place, text};

fn loaded() -> Place {
    let place = Place::with_trust();
    place.give(&["--title", "Goes", "--right", "Play", "--right", "Backup"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    std::fs::write(place.path("pass"), "a ferry at noon\nnot this line\n").expect("a file");
    std::fs::write(place.path("wrong"), "a ferry at one\n").expect("a file");
    place
}

#[test]
fn a_passphrase_opens_what_it_closed_and_no_other_does() {
    let place = loaded();
    let made = place.json(&["--home", "a", "backup", "stick", "--passphrase-file", "pass"]);
    assert_eq!(
        (made.exit, &made.summary()["encrypted"]),
        (0, &true.into()),
        "{:?}",
        made.all
    );
    let listed = place.json(&["list", "stick"]);
    assert_eq!(listed.of("backup")[0]["encrypted"], true);
    std::fs::remove_file(place.path("a/store.sqlite")).expect("the store");
    let none = place.json(&["--home", "a", "restore", "stick"]);
    assert_eq!(
        (none.exit, text(none.summary(), "hr")),
        (12, "C00D272D"),
        "{:?}",
        none.all
    );
    place
        .run(&["--home", "a", "restore", "stick"])
        .failed(12, &["--passphrase-file"]);
    place
        .run(&["--home", "a", "restore", "stick", "--passphrase-file", "wrong"])
        .failed(12, &["the passphrase is wrong"]);
    let came = place.json(&[
        "--home",
        "a",
        "restore",
        "stick",
        "--passphrase-command",
        "cat pass",
    ]);
    assert_eq!(
        (came.exit, &came.summary()["restored"]),
        (0, &1.into()),
        "{:?}",
        came.all
    );
}

#[test]
fn passphrases_that_are_none_are_refused_before_anything_is_written() {
    let place = loaded();
    std::fs::write(place.path("empty"), "\nsecond line\n").expect("a file");
    for wrong in [
        ["--passphrase-file", "empty"],
        ["--passphrase-file", "nowhere"],
        ["--passphrase-command", "false"],
        ["--passphrase-command", "true"],
        ["-r", "age1nonsense"],
        ["-R", "pass"],
    ] {
        let ran = place.run(&["--home", "a", "backup", "stick", wrong[0], wrong[1]]);
        assert!(matches!(ran.exit, 1 | 2), "{wrong:?}: {}{}", ran.exit, ran.stderr);
        assert!(ran.stderr.starts_with("keyferry: error: "), "{}", ran.stderr);
    }
    assert_eq!(
        std::fs::read_dir(place.path("stick")).expect("a folder").count(),
        0
    );
}

#[test]
fn flags_that_contradict_each_other_are_a_usage_error() {
    let place = loaded();
    let both = [
        "--home",
        "a",
        "backup",
        "stick",
        "--unencrypted",
        "--passphrase-file",
        "pass",
    ];
    place.run(&both).failed(2, &["cannot be used with"]);
}

/// The documented way out of Keyferry: the first N bytes are a file that the age command opens.
#[test]
fn the_age_command_opens_the_first_n_bytes() {
    let place = loaded();
    let made = Command::new("age-keygen")
        .arg("-o")
        .arg(place.path("identity"))
        .output();
    let Ok(made) = made else {
        keyferry_testkit::left_out("opening a backup with the age command: age is not installed");
        return;
    };
    assert!(made.status.success());
    let identity = std::fs::read_to_string(place.path("identity")).expect("a file");
    let recipient = identity
        .lines()
        .find_map(|line| line.split("public key: ").nth(1))
        .expect("a recipient");
    place.done(&["--home", "a", "backup", "stick", "-r", recipient]);
    let shown = place.json(&["verify", "stick", "-i", "identity"]);
    let n = shown.summary()["inner_bytes"].as_u64().expect("N");
    let file = std::fs::read_dir(place.path("stick"))
        .expect("a folder")
        .next()
        .expect("a file")
        .expect("an entry");
    let bytes = std::fs::read(file.path()).expect("the backup");
    assert!(n < bytes.len() as u64, "the protection follows");
    std::fs::write(place.path("layer2"), &bytes[..n as usize]).expect("a file");
    let opened = Command::new("age")
        .arg("-d")
        .arg("-i")
        .arg(place.path("identity"))
        .arg(place.path("layer2"))
        .output();
    let opened = opened.expect("age is there, as age-keygen is");
    assert!(
        opened.status.success(),
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    assert!(opened.stdout.starts_with(b"keyferry backup"));
}

#[test]
fn the_computer_that_made_a_backup_opens_its_keys_when_it_verifies() {
    let place = loaded();
    place.done(&["--home", "a", "backup", "stick", "--passphrase-file", "pass"]);
    for (home, opened) in [("a", 1), ("b", 0)] {
        let lines = place.json(&["--home", home, "verify", "stick", "--passphrase-file", "pass"]);
        assert_eq!(
            (lines.exit, &lines.summary()["keys_opened"]),
            (0, &opened.into()),
            "{:?}",
            lines.all
        );
        assert!(!place.path("b").exists(), "a home that is not there is not made");
    }
    let wrong = place.run(&["--home", "a", "verify", "stick", "--passphrase-file", "wrong"]);
    wrong.failed(12, &["the passphrase is wrong"]);
    assert_eq!(
        place
            .json(&["--home", "a", "verify", "stick"])
            .of("unchecked")
            .len(),
        1
    );
}

#[cfg(unix)]
#[test]
fn a_verification_that_is_interrupted_ends_as_canceled() {
    let place = Place::with_trust();
    let wish = "{\"title\":\"One of many\",\"rights\":{\"Play\":{},\"Backup\":{}}}\n";
    std::fs::write(place.path("wishes"), wish.repeat(1100)).expect("a file");
    let issue = [
        "issuer",
        "issue",
        "pub",
        "--computer",
        "a.card",
        "--service",
        "svc/service.card",
    ];
    place.done(&[&issue[..], &["--from", "wishes", "-o", "many.license"]].concat());
    place.done(&["--home", "a", "import", "many.license"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    std::fs::write(place.path("pass"), "a ferry at noon\n").expect("a file");
    place.done(&["--home", "a", "backup", "stick", "--passphrase-file", "pass"]);
    // The passphrase comes with the wish to stop, which is heard long before the passphrase has become a key.
    let stop = "kill -INT $PPID; cat pass";
    let lines = place.json(&["verify", "stick", "--passphrase-command", stop]);
    assert_eq!(
        (lines.exit, text(lines.summary(), "hr")),
        (130, "C00D2768"),
        "{:?}",
        lines.all
    );
    assert!(
        lines
            .of("unchecked")
            .iter()
            .any(|line| line["what"] == "canceled"),
        "{:?}",
        lines.all
    );
}
