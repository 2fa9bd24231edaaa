//! `issuer`: keys, cards and licenses.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::place::{Place, mode, text};

const ISSUE: [&str; 7] = [
    "issuer",
    "issue",
    "pub",
    "--computer",
    "a.card",
    "--service",
    "svc/service.card",
];

fn issue(more: &[&'static str]) -> Vec<&'static str> {
    [&ISSUE, more].concat()
}

#[test]
fn an_issuer_is_made_once() {
    let place = Place::new();
    let ran = place.done(&[
        "issuer",
        "init",
        "pub",
        "--name",
        "Harbor\u{202e} Books",
        "--url",
        "https://harbor.example",
    ]);
    assert!(
        ran.stdout.starts_with("Harbor Books is an issuer now"),
        "{}",
        ran.stdout
    );
    assert_eq!(mode(&place.path("pub/issuer.key")), 0o600);
    let key = std::fs::read(place.path("pub/issuer.key")).unwrap();
    place
        .run(&["issuer", "init", "pub", "--name", "Other"])
        .failed(1, &["issuer.key is there already"]);
    std::fs::remove_file(place.path("pub/issuer.card")).unwrap();
    place
        .run(&["issuer", "init", "pub", "--name", "Other"])
        .failed(1, &["issuer.key is there already"]);
    assert_eq!(std::fs::read(place.path("pub/issuer.key")).unwrap(), key);
    place
        .run(&["issuer", "init", "q", "--name", "x", "--url", "harbor.example"])
        .failed(2, &["https://"]);
    place
        .run(&["issuer", "init", "q", "--name", " "])
        .failed(2, &["empty"]);
    assert!(!place.path("q").exists());
}

#[test]
fn many_licenses_in_blocks_with_growing_ids() {
    let place = Place::with_issuer();
    let wishes: String = (0..2100)
        .map(|n| format!("{{\"title\":\"no. {n}\",\"rights\":{{\"Play\":{{}}}}}}\n\n"))
        .collect();
    let args = issue(&["--from", "-", "--keys-out", "keys", "-o", "many.license"]);
    let ran = place.run_with(&args, wishes.as_bytes());
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let file = std::fs::read_to_string(place.path("many.license")).unwrap();
    assert_eq!(file.matches("BEGIN KEYFERRY LICENSE").count(), 3);
    assert_eq!(mode(&place.path("keys")), 0o600);
    let keys = std::fs::read_to_string(place.path("keys")).unwrap();
    let keys: Vec<Value> = keys
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<&str> = keys.iter().map(|line| text(line, "license")).collect();
    assert_eq!(ids.len(), 2100);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "license IDs grow");
    let different: BTreeSet<&str> = keys.iter().map(|line| text(line, "key")).collect();
    assert_eq!(different.len(), 2100);
    let shown = place.json(&["show", "many.license"]);
    assert_eq!(shown.of("license").len(), 2100);
    assert_eq!(text(shown.of("license")[2099], "title"), "no. 2099");
}

#[test]
fn nothing_is_written_over() {
    let place = Place::with_issuer();
    place.done(&issue(&["--title", "x", "-o", "x.license", "--keys-out", "keys"]));
    let (license, keys) = (place.path("x.license"), place.path("keys"));
    let before = (std::fs::read(&license).unwrap(), std::fs::read(&keys).unwrap());
    place
        .run(&issue(&["--title", "y", "-o", "x.license"]))
        .failed(1, &["x.license is there already"]);
    let again = issue(&[
        "--title",
        "y",
        "-o",
        "x.license",
        "--overwrite",
        "--keys-out",
        "keys",
    ]);
    place.run(&again).failed(1, &["keys is there already"]);
    assert_eq!(
        (std::fs::read(&license).unwrap(), std::fs::read(&keys).unwrap()),
        before
    );
    place.done(&issue(&["--title", "y", "-o", "x.license", "--overwrite"]));
    assert_ne!(std::fs::read(&license).unwrap(), before.0);
    place
        .run(&issue(&["--title", "y", "-o", "nowhere/x.license"]))
        .failed(1, &["no such file"]);
}

#[test]
fn what_is_wrong_with_a_wish_is_said_with_its_line() {
    let place = Place::with_issuer();
    let cases = [
        (
            "{\"title\":\"a\"}\n{\"tilte\":\"b\"}\n",
            "line 2: unknown field `tilte`",
        ),
        (
            "{\"title\":\"a\",\"rights\":{\"Play\":{\"count\":0}}}\n",
            "line 1: limits of a right",
        ),
        (
            "{\"title\":\"a\",\"rights\":{\"Sing\":{}}}\n",
            "line 1: rights: \"Sing\" is neither",
        ),
        ("{\"title\":\"a\",\"computers\":5}\n", "line 1: 5 computers"),
        ("{\"title\":\"a\",\"key\":\"12\"}\n", "line 1: a content key is"),
        ("\n\n", "there is no license to issue"),
    ];
    for (wishes, said) in cases {
        let ran = place.run_with(
            &issue(&["--from", "-", "-o", "x.license", "--keys-out", "keys"]),
            wishes.as_bytes(),
        );
        assert_ne!(ran.exit, 0);
        ran.failed(ran.exit, &[said]);
        assert!(
            !place.path("x.license").exists() && !place.path("keys").exists(),
            "half a file is no file"
        );
    }
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(70_000));
    place
        .run_with(&issue(&["--from", "-"]), long.as_bytes())
        .failed(1, &["line 1: longer than"]);
}

#[test]
fn an_existing_key_is_taken_from_a_file() {
    let place = Place::with_issuer();
    std::fs::write(place.path("key"), "000102030405060708090a0b0c0d0e0f\n").unwrap();
    place.done(&issue(&[
        "--title",
        "x",
        "--key-file",
        "key",
        "--key-id",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "--keys-out",
        "out",
    ]));
    let out = std::fs::read_to_string(place.path("out")).unwrap();
    assert!(
        out.contains("\"key\":\"000102030405060708090a0b0c0d0e0f\""),
        "{out}"
    );
    std::fs::write(place.path("key"), "short").unwrap();
    place
        .run(&issue(&["--title", "x", "--key-file", "key"]))
        .failed(1, &["16 bytes, or 32 hexadecimal digits"]);
}

#[test]
fn rights_are_given_only_when_said() {
    let place = Place::with_issuer();
    let rights = |args: &[&'static str]| {
        place.done(&issue(
            &[args, &["--title", "x", "-o", "x.license", "--overwrite"]].concat(),
        ));
        place.json(&["show", "x.license"]).of("license")[0]["rights"].clone()
    };
    assert_eq!(rights(&[]), serde_json::json!(["Play"]));
    assert_eq!(
        rights(&["--right", "Play:count=3,portion=3", "--right", "Backup"]),
        serde_json::json!(["Play:count=3,portion=3", "Backup"])
    );
    place
        .run(&issue(&["--title", "x", "--right", "Play:until=soon"]))
        .failed(2, &["\"soon\" is neither a date"]);
    place
        .run(&issue(&["--title", "x", "--right", "Play", "--right", "Play"]))
        .failed(1, &["given twice"]);
    place
        .run(&issue(&["--title", "x", "--computers", "9"]))
        .failed(2, &["1 to 4"]);
    place
        .run(&issue(&["--title", "x", "--from", "y"]))
        .failed(2, &["cannot be used with"]);
}

#[test]
fn cards_must_be_of_the_right_kind() {
    let place = Place::with_issuer();
    let args = [
        "issuer",
        "issue",
        "pub",
        "--computer",
        "svc/service.card",
        "--service",
        "a.card",
        "--title",
        "x",
    ];
    place.run(&args).failed(1, &["the card of"]);
    std::fs::write(place.path("bad.card"), "no armor\n").unwrap();
    let args = [
        "issuer",
        "issue",
        "pub",
        "--computer",
        "bad.card",
        "--service",
        "svc/service.card",
        "--title",
        "x",
    ];
    place
        .run(&args)
        .failed(1, &["bad.card", "there is no such block"]);
    let args = [
        "issuer",
        "issue",
        "nowhere",
        "--computer",
        "a.card",
        "--service",
        "svc/service.card",
        "--title",
        "x",
    ];
    place.run(&args).failed(1, &["nowhere/issuer.key"]);
}

#[test]
fn a_folder_has_one_service_at_a_time() {
    let place = Place::with_issuer();
    let first = place.serve();
    let card = std::fs::read(place.path("svc/service.card")).expect("a card");
    let second = [
        "serve",
        "--dir",
        "svc",
        "--listen",
        "127.0.0.1:0",
        "--name",
        "Another",
    ];
    let (process, url) = (first.child.id(), text(&first.listening, "url"));
    let already = format!("a service runs in svc already: process {process} at {url}");
    place.run(&second).failed(11, &[&already, "--dir"]);
    let lines = place.json(&second);
    assert_eq!(text(lines.summary(), "hr"), "C00D2744", "{:?}", lines.all);
    let after = std::fs::read(place.path("svc/service.card")).expect("a card");
    assert_eq!(after, card, "the first one's card stands");
    // Killed, it leaves the folder to the next one.
    drop(first);
    place.serve();
}
