//! `use`: keys go out as their rights allow, and nowhere by accident.

use crate::place::{Place, mode, text};

const UNKNOWN: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

#[test]
fn a_key_in_three_formats() {
    let place = Place::with_trust();
    std::fs::write(place.path("key"), [0xff; 16]).unwrap();
    let id = place.give(
        &["--key-file", "key", "--key-id", "-_v7-_v7-_v7-_v7-_v7-w"].map(|arg| {
            // A value that begins with a dash is written with an equals sign.
            if arg.starts_with("-_") {
                "fbfbfbfb-fbfb-fbfb-fbfb-fbfbfbfbfbfb"
            } else {
                arg
            }
        }),
    );
    let used = |format: &str| {
        place
            .done(&["--home", "a", "use", &id, "--format", format])
            .stdout
    };
    assert_eq!(used("hex"), format!("{}\n", "ff".repeat(16)));
    assert_eq!(used("base64url"), "_____________________w\n");
    let jwk = r#"{"kty":"oct","kid":"-_v7-_v7-_v7-_v7-_v7-w","k":"_____________________w"}"#;
    assert_eq!(used("jwk"), format!("{jwk}\n"));
    let uuid = place
        .done(&["--home", "a", "use", "fbfbfbfb-fbfb-fbfb-fbfb-fbfbfbfbfbfb"])
        .stdout;
    assert_eq!(uuid, used("hex"));
    let lines = place.json(&["--home", "a", "use", &id, "--format", "jwk"]);
    assert_eq!(lines.of("key")[0]["key"]["kty"], "oct");
}

#[test]
fn counts_are_obeyed_until_they_are_used_up() {
    let place = Place::with_trust();
    let id = place.give(&["--right", "Play:count=2"]);
    assert!(
        place
            .done(&["--home", "a", "use", &id])
            .stderr
            .contains("1 use left")
    );
    place.done(&["--home", "a", "use", &id]);
    place
        .run(&["--home", "a", "use", &id])
        .failed(7, &["its count is used up"]);
    let lines = place.json(&["--home", "a", "use", &id]);
    assert_eq!(
        (lines.exit, text(lines.of("error")[0], "reason")),
        (7, "exhausted")
    );
    place
        .run(&["--home", "a", "use", &id, "--action", "Copy"])
        .failed(7, &["the right is not given"]);
    let shown = place.json(&["--home", "a", "show", &id]);
    assert_eq!(shown.of("license")[0]["state"][0]["left"], 0);
}

#[test]
fn dates_are_obeyed() {
    let place = Place::with_trust();
    let past = place.give(&["--right", "Play:until=2020-01-01"]);
    let lines = place.json(&["--home", "a", "use", &past]);
    assert_eq!((lines.exit, text(lines.summary(), "hr")), (7, "C00D27D8"));
    assert_eq!(text(lines.of("error")[0], "reason"), "expired");
    let future = place.give(&["--right", "Play:from=2100-01-01"]);
    assert_eq!(
        text(
            place.json(&["--home", "a", "use", &future]).of("error")[0],
            "reason"
        ),
        "not-started"
    );
}

#[test]
fn an_unknown_key_id_is_refused_and_nonsense_is_usage() {
    let place = Place::with_trust();
    place
        .run(&["--home", "a", "use", UNKNOWN])
        .failed(7, &["no license here"]);
    place
        .run(&["--home", "a", "use", "nonsense"])
        .failed(2, &["neither base64 of 16 bytes nor a UUID"]);
}

#[test]
fn a_license_whose_issuer_is_no_longer_accepted_waits_for_trust() {
    let place = Place::with_trust();
    let id = place.give(&[]);
    let thumbprint = place.thumbprint();
    place.done(&["--home", "a", "--yes", "trust", "remove", &thumbprint]);
    place
        .run(&["--home", "a", "use", &id])
        .failed(8, &[&thumbprint, "trust add"]);
}

#[test]
fn one_line_for_each_key_id_of_stdin() {
    let place = Place::with_trust();
    let (first, second) = (place.give(&[]), place.give(&[]));
    let input = format!("{first}\n{UNKNOWN}\nnonsense\n\n{second}\n");
    let ran = place.run_with(&["--home", "a", "use", "-"], input.as_bytes());
    ran.failed(
        3,
        &[
            "2 of 4 keys were not handed out",
            "no license here",
            "\"nonsense\" is neither",
        ],
    );
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        lines.iter().map(|line| line.len()).collect::<Vec<_>>(),
        [32, 0, 0, 32]
    );
    let ran = place.run_with(&["--home", "a", "use", "-"], format!("{UNKNOWN}\n").as_bytes());
    assert_eq!(ran.exit, 7, "{}", ran.stderr);
    place
        .run(&["--home", "a", "use", &first, "nonsense"])
        .failed(2, &["nonsense"]);
}

#[test]
fn a_key_file_is_for_its_owner_and_never_over_another() {
    let place = Place::with_trust();
    let id = place.give(&["--right", "Play:count=2"]);
    let ran = place.done(&["--home", "a", "use", &id, "-o", "key"]);
    assert_eq!((ran.stdout.as_str(), mode(&place.path("key"))), ("", 0o600));
    let key = std::fs::read(place.path("key")).unwrap();
    assert_eq!(key.len(), 33);
    place
        .run(&["--home", "a", "use", &id, "-o", "key"])
        .failed(1, &["key is there already"]);
    assert_eq!(
        place.json(&["--home", "a", "show", &id]).of("license")[0]["state"][0]["left"],
        1,
        "nothing was counted"
    );
    std::fs::write(place.path("key"), "x").unwrap();
    place.done(&["--home", "a", "use", &id, "-o", "key", "--overwrite"]);
    assert_eq!(
        (
            std::fs::read(place.path("key")).unwrap(),
            mode(&place.path("key"))
        ),
        (key, 0o600)
    );
    place
        .run(&["--home", "a", "use", UNKNOWN, "-o", "none"])
        .failed(7, &[]);
    assert!(!place.path("none").exists(), "no key, no file");
}

#[cfg(unix)]
#[test]
fn no_use_is_counted_where_nobody_reads() {
    let place = Place::with_trust();
    let id = place.give(&["--right", "Play:count=3"]);
    let below_shell = |script: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_keyferry"), &id]);
        command
            .current_dir(place.path(""))
            .env("HOME", place.path("person"));
        crate::place::Ran::from(command.output().expect("a shell"))
    };
    for stdout in [">&-", "1<>/dev/null"] {
        below_shell(&format!("exec \"$0\" --home a use \"$1\" {stdout}"))
            .failed(2, &["stdout is closed or leads nowhere", "-o FILE"]);
    }
    let left = |ran: crate::place::Ran, left: &str| {
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(left), "{}", ran.stderr);
    };
    left(place.run(&["--home", "a", "use", &id]), "2 uses left");
    // Who has a file needs no stdout, and who writes to /dev/null means it.
    left(
        below_shell("exec \"$0\" --home a use \"$1\" -o key >&-"),
        "1 use left",
    );
    left(
        below_shell("exec \"$0\" --home a use \"$1\" > /dev/null"),
        "0 uses left",
    );
}
