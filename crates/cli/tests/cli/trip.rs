//! Backup and restore between homes, with a service on loopback.

use std::io::Read;

use crate::place::{Place, text};

pub fn loaded() -> Place {
    let place = Place::with_trust();
    place.give(&["--title", "Goes", "--right", "Play", "--right", "Backup"]);
    place.give(&["--title", "Stays"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    place
}

fn backed_up() -> Place {
    let place = loaded();
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    place
}

fn only_file(place: &Place) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(place.path("stick")).expect("the stick");
    let entry = entries.next().expect("a file").expect("an entry");
    assert!(entries.next().is_none(), "one file and nothing else");
    entry.path()
}

#[test]
fn a_backup_says_what_it_took_and_what_stays() {
    let place = loaded();
    let plan = place.json(&["--home", "a", "backup", "stick", "-n"]);
    assert_eq!((plan.exit, &plan.summary()["backed_up"]), (0, &1.into()));
    assert_eq!(
        std::fs::read_dir(place.path("stick")).unwrap().count(),
        0,
        "a plan writes nothing"
    );
    let lines = place.json(&["--home", "a", "backup", "stick", "--unencrypted"]);
    assert_eq!(lines.exit, 0);
    assert_eq!(
        lines.statuses(),
        ["BACKUPRESTORE_BEGIN", "RESTRICTED_LICENSE", "BACKUPRESTORE_END"]
    );
    let restricted = lines.of("status")[1];
    assert_eq!(
        (text(restricted, "title"), &restricted["status"]),
        ("Stays", &31.into())
    );
    assert_eq!(
        (&lines.summary()["backed_up"], &lines.summary()["restricted"]),
        (&1.into(), &1.into())
    );
    let ran = place.done(&["--home", "a", "backup", "stick", "--unencrypted", "--overwrite"]);
    assert!(
        ran.stdout.contains("backed up 1 license to stick/licenses-"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("in place of the earlier one") && ran.stdout.contains("\n  Stays (key ID "));
}

#[test]
fn a_backup_is_not_written_over() {
    let place = backed_up();
    let file = only_file(&place);
    let before = std::fs::read(&file).unwrap();
    let lines = place.json(&["--home", "a", "backup", "stick", "--unencrypted"]);
    assert_eq!((lines.exit, text(lines.summary(), "hr")), (4, "C00D2742"));
    assert_eq!(lines.statuses().last(), Some(&"BACKUPRESTORE_END"));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    place
        .run(&["--home", "a", "backup", "stick", "--unencrypted"])
        .failed(4, &["--unencrypted --overwrite"]);
    place.done(&["--home", "a", "backup", "stick", "--unencrypted", "--overwrite"]);
    assert_ne!(std::fs::read(only_file(&place)).unwrap(), before);
}

#[test]
fn a_medium_that_is_not_there_is_not_made() {
    let place = loaded();
    for folder in ["missing", "missing/deeper", "a.card"] {
        place
            .run(&["--home", "a", "backup", folder, "--unencrypted"])
            .failed(10, &[folder]);
        let lines = place.json(&[
            "--home",
            "a",
            "restore",
            if folder == "a.card" { "none" } else { folder },
        ]);
        assert_eq!(lines.exit, 10);
    }
    assert!(!place.path("missing").exists());
    place
        .run(&["--home", "a", "restore", "stick"])
        .failed(10, &["there is no backup in stick"]);
}

#[test]
fn backups_are_listed_and_shown() {
    let place = backed_up();
    let file = only_file(&place);
    for args in [["list", "stick"], ["list", file.to_str().unwrap()]] {
        let lines = place.json(&args);
        let line = lines.of("backup")[0];
        assert_eq!(
            (text(line, "name"), text(line, "state"), &line["licenses"]),
            ("Old laptop", "whole", &1.into())
        );
    }
    let shown = place.json(&["show", file.to_str().unwrap()]);
    assert_eq!(text(shown.of("backup")[0], "signature"), "signed");
    assert_eq!(shown.of("card").len(), 2);
    assert_eq!(text(shown.of("license")[0], "title"), "Goes");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 40]).unwrap();
    assert_eq!(
        text(place.json(&["list", "stick"]).of("backup")[0], "state"),
        "repairable"
    );
    std::fs::write(&file, "nothing").unwrap();
    assert_eq!(
        text(place.json(&["list", "stick"]).of("backup")[0], "state"),
        "unreadable"
    );
    place.run(&["list", "missing"]).failed(10, &["missing"]);
}

#[test]
fn the_same_computer_restores_without_a_service() {
    let place = backed_up();
    for file in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let _ = std::fs::remove_file(place.path("a").join(file));
    }
    let lines = place.json(&["--home", "a", "restore", "stick"]);
    assert_eq!(
        (lines.exit, &lines.summary()["restored"]),
        (0, &1.into()),
        "{:?}",
        lines.all
    );
    assert_eq!(lines.statuses(), ["BACKUPRESTORE_BEGIN", "BACKUPRESTORE_END"]);
}

#[test]
fn a_new_computer_needs_trust_then_consent_then_the_service() {
    let place = backed_up();
    let thumbprint = place.thumbprint();
    let ran = place.run(&["--home", "b", "restore", "stick"]);
    ran.failed(
        8,
        &[
            "Harbor Books",
            &format!("keyferry --home b restore stick --trust {thumbprint}"),
        ],
    );
    let lines = place.json(&["--home", "b", "restore", "stick", "--trust", &thumbprint]);
    assert_eq!((lines.exit, text(lines.summary(), "hr")), (8, "C00D2728"));
    assert_eq!(lines.statuses(), ["NEEDS_INDIVIDUALIZATION", "BACKUPRESTORE_END"]);
    assert_eq!(text(lines.of("consent-needed")[0], "name"), "Harbor Licenses");
    let ran = place.run(&["--home", "b", "--yes", "restore", "stick", "--trust", &thumbprint]);
    let command = format!("keyferry --home b restore stick --trust {thumbprint} --individualize");
    ran.failed(8, &["Harbor Licenses", "public keys and its name", &command]);
    let lines = place.json(&[
        "--home",
        "b",
        "restore",
        "stick",
        "--trust",
        &thumbprint,
        "--individualize",
    ]);
    assert_eq!(
        (lines.exit, lines.statuses().first()),
        (6, Some(&"BACKUPRESTORE_CONNECTING"))
    );
    assert_eq!(place.json(&["--home", "b", "list"]).summary()["licenses"], 0);
}

#[test]
fn the_fifth_computer_gets_a_page() {
    let place = loaded();
    let service = place.serve();
    // The card names the address of this run, so the license has to be issued under it.
    place.give(&["--title", "Moves", "--right", "Play", "--right", "Backup"]);
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let thumbprint = place.thumbprint();
    let restore = |home: &str| {
        let plan = place.json(&["--home", home, "restore", "stick", "-n", "--trust", &thumbprint]);
        assert_eq!(
            (plan.statuses().len(), &plan.summary()["restored"]),
            (0, &0.into()),
            "a plan tells and does nothing"
        );
        place.json(&[
            "--home",
            home,
            "restore",
            "stick",
            "--individualize",
            "--trust",
            &thumbprint,
        ])
    };
    for (home, slot) in [("b", 2), ("c", 3), ("d", 4)] {
        let lines = restore(home);
        assert_eq!(
            (lines.exit, &lines.summary()["restored"]),
            (0, &2.into()),
            "{:?}",
            lines.all
        );
        assert_eq!(
            (&lines.of("license")[0]["slot"], &lines.of("license")[0]["of"]),
            (&slot.into(), &4.into())
        );
        let again = place.json(&["--home", home, "restore", "stick"]);
        assert_eq!((again.exit, &again.summary()["already_here"]), (0, &2.into()));
    }
    let lines = restore("e");
    assert_eq!((lines.exit, text(lines.summary(), "hr")), (7, "C00D2753"));
    let pages: Vec<_> = lines
        .of("status")
        .into_iter()
        .filter(|line| line["status"] == 30)
        .collect();
    assert_eq!(pages.len(), 1);
    let url = text(pages[0], "url");
    assert!(url.starts_with(text(&service.listening, "url")), "{url}");
    assert!(page(url).contains("<html"), "the page opens");
    let ran = place.run(&[
        "--home",
        "e",
        "restore",
        "stick",
        "--individualize",
        "--trust",
        &thumbprint,
    ]);
    ran.failed(7, &["the limit of computers is reached"]);
    let said = ran
        .stdout
        .lines()
        .find(|line| line.starts_with("why, and what can be done: http://"));
    assert!(page(said.and_then(|line| line.rsplit(' ').next()).expect("a page")).contains("<html"));
}

/// Fetches a page of plain http on loopback.
fn page(url: &str) -> String {
    let rest = url.strip_prefix("http://").expect("plain http");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = std::net::TcpStream::connect(host).expect("it listens");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn two_computers_on_one_stick_are_told_apart() {
    let place = backed_up();
    place.done(&["--home", "b", "computer", "name", "Desktop"]);
    let ran = place.done(&["--home", "b", "backup", "stick", "--unencrypted"]);
    assert!(ran.stdout.contains("the backup holds none"), "{}", ran.stdout);
    place
        .run(&["--home", "a", "restore", "stick"])
        .failed(2, &["Old laptop (", "Desktop (", "--from"]);
    place.done(&["--home", "a", "restore", "stick", "--from", "Old laptop"]);
}

#[test]
fn a_service_listens_on_this_computer_only() {
    let place = Place::with_issuer();
    place
        .run(&["serve", "--dir", "s", "--listen", "0.0.0.0:0"])
        .failed(2, &["plain http is for this computer only"]);
    place
        .run(&[
            "serve",
            "--dir",
            "s",
            "--listen",
            "127.0.0.1:0",
            "--url",
            "http://example.org",
        ])
        .failed(2, &["https://"]);
    place
        .run(&[
            "serve",
            "--dir",
            "s",
            "--listen",
            "127.0.0.1:0",
            "--issuer",
            "a.card",
        ])
        .failed(1, &["not of an issuer"]);
    assert!(!place.path("s").exists());
    let service = place.serve();
    let listen = text(&service.listening, "address").to_owned();
    place
        .run(&["serve", "--dir", "s", "--listen", &listen])
        .failed(1, &["can't listen on", "in use"]);
}
