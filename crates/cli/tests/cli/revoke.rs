//! `issuer revoke`: lists are kept before they are sent, numbered without gaps, and named when they are not taken.

use crate::place::{Place, text};

const REVOKE: [&str; 5] = ["issuer", "revoke", "pub", "--service", "svc/service.card"];

fn revoke<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&REVOKE, more].concat()
}

#[test]
fn what_is_revoked_leaves_at_the_next_contact_and_does_not_come_back() {
    let place = Place::with_trust();
    let _service = place.serve();
    let give = |title| place.give(&["--title", title, "--right", "Play", "--right", "Backup"]);
    let (charts, _maps) = (give("Charts"), give("Maps"));
    std::fs::create_dir(place.path("stick")).unwrap();
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let lines = place.json(&revoke(&["--key-id", &charts, "-o", "out.list"]));
    assert_eq!((lines.exit, &lines.of("revoked")[0]["number"]), (0, &1.into()));
    let kept = std::fs::read(place.path("pub/revocations/00000001.list")).unwrap();
    assert_eq!(std::fs::read(place.path("out.list")).unwrap(), kept);
    let thumbprint = place.thumbprint();
    let restore = [
        "--home",
        "b",
        "restore",
        "stick",
        "--trust",
        &thumbprint,
        "--individualize",
    ];
    let lines = place.json(&restore);
    assert_eq!(
        (lines.exit, text(lines.summary(), "hr")),
        (3, "C00D275F"),
        "{:?}",
        lines.all
    );
    assert_eq!(lines.summary()["failed"]["revoked"], 1);
    // The computer that it was issued to hears of it when it next asks for anything.
    let lines = place.json(&[
        "--home",
        "a",
        "--yes",
        "computer",
        "release",
        "--all",
        "--individualize",
    ]);
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    place.done(&revoke(&["--yes", "--all"]));
    let lines = place.json(&[
        "--home",
        "c",
        "restore",
        "stick",
        "--trust",
        &thumbprint,
        "--individualize",
    ]);
    assert_eq!(
        (lines.exit, text(lines.summary(), "hr")),
        (7, "C00D27E1"),
        "{:?}",
        lines.all
    );
}

#[test]
fn a_list_that_could_not_be_sent_is_kept_and_sent_later() {
    let place = Place::with_trust();
    let service = place.serve();
    let address = text(&service.listening, "url")
        .trim_start_matches("http://")
        .to_owned();
    let key_id = place.give(&[]);
    drop(service);
    for subject in ["Ada", "Grace"] {
        place.run(&revoke(&["--subject", subject])).failed(
            6,
            &[
                "is signed and kept in pub/revocations/0000000",
                "to send it later: keyferry issuer revoke",
            ],
        );
    }
    let _service = place.serve_at(&address);
    let sent = place.done(&REVOKE);
    assert!(
        sent.stdout.contains("Harbor Licenses took list 2 on "),
        "{}",
        sent.stdout
    );
    assert_eq!(
        place.json(&revoke(&["--key-id", &key_id])).of("revoked")[0]["number"],
        3
    );
    // A folder that lost its lists numbers the next after those of the service.
    std::fs::remove_dir_all(place.path("pub/revocations")).unwrap();
    let lines = place.json(&revoke(&["--subject", "Alan"]));
    assert_eq!(lines.of("revoked")[0]["number"], 4, "{:?}", lines.all);
    assert!(!place.path("pub/revocations/00000001.list").exists());
}

#[test]
fn what_makes_no_sense_is_said() {
    let place = Place::with_issuer();
    place.run(&REVOKE).failed(2, &["there is nothing to revoke"]);
    place.run(&revoke(&["--all"])).failed(2, &["--yes is missing"]);
    place
        .run(&revoke(&["--subject", "Ada", "--subject", "Ada"]))
        .failed(2, &["twice"]);
    assert!(!place.path("pub/revocations/00000001.list").exists());
    place
        .run(&[
            "issuer",
            "revoke",
            "pub",
            "--service",
            "pub/issuer.card",
            "--subject",
            "Ada",
        ])
        .failed(1, &["the card of an issuer"]);
}

#[test]
fn a_stranger_is_refused_by_name() {
    let place = Place::with_issuer();
    let _service = place.serve();
    place.done(&["issuer", "init", "other", "--name", "Somebody"]);
    place
        .run(&[
            "issuer",
            "revoke",
            "other",
            "--service",
            "svc/service.card",
            "--subject",
            "Ada",
        ])
        .failed(7, &["is not registered at this service"]);
}
