//! Must hold: a service that was restored from its backup, after a rotation and with the last hour of its ledger missing,
//! opens the backups made before, and has, after the computers' next contacts, the rows that it had, byte for byte.

use std::io::{Read, Write};
use std::net::TcpStream;

use rusqlite::Connection;
use rusqlite::types::Value as Sql;

use crate::place::{Lines, Place, Served, text};

/// All rows of licenses, every column.
fn rows(place: &Place) -> Vec<Vec<Sql>> {
    let ledger = Connection::open(place.path("svc/ledger.sqlite")).expect("the ledger opens");
    let query = "SELECT * FROM license_rows ORDER BY issuer, license, seq";
    let mut query = ledger.prepare(query).expect("a query");
    let columns = query.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    let rows = query.query_map([], row).expect("rows");
    rows.collect::<Result<_, _>>().expect("whole rows")
}

fn address(service: &Served) -> String {
    text(&service.listening, "url")
        .trim_start_matches("http://")
        .to_owned()
}

fn restore(place: &Place, home: &str, from: &str) -> Lines {
    let issuer = place.thumbprint();
    let args = [
        "--home",
        home,
        "restore",
        from,
        "--individualize",
        "--trust",
        &issuer,
    ];
    place.json(&args)
}

fn restored(place: &Place, home: &str) {
    let lines = restore(place, home, "stick");
    assert_eq!(lines.exit, 0, "{home}: {:?}", lines.all);
}

fn released(place: &Place, home: &str) {
    place.done(&["--home", home, "--yes", "computer", "release", "--all"]);
}

/// Asks for a license that nobody else has: a contact.
fn contact(place: &Place, home: &str) {
    let lines = restore(place, home, "more");
    let busy = lines
        .of("license")
        .into_iter()
        .filter(|line| line["outcome"] == "service-busy");
    assert!(busy.count() > 0, "{home} gets no new slot: {:?}", lines.all);
}

fn back_up(place: &Place, to: &str) {
    std::fs::create_dir(place.path(to)).expect("a folder");
    place.done(&["--home", "a", "backup", to, "--unencrypted"]);
}

/// What a load balancer is told.
fn readiness(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer
}

/// What is told of a recovery.
fn recovery(lines: &Lines) -> serde_json::Value {
    let line = lines.of("recovery")[0];
    ["lasts", "rows", "shown", "computers", "gaps", "conflicts"]
        .map(|field| line[field].clone())
        .to_vec()
        .into()
}

#[test]
fn the_lost_hour_comes_back() {
    let place = Place::with_trust();
    std::fs::write(place.path("pass"), "correct horse battery staple\n").expect("written");
    let service = place.serve();
    let at = address(&service);
    for title in ["Charts", "Maps", "Tides"] {
        place.give(&["--title", title, "--right", "Play", "--right", "Backup"]);
    }
    back_up(&place, "stick");
    restored(&place, "early");
    // New keys while it runs; the stick is sealed for the old one.
    let rotated = place.json(&["service", "rotate", "--dir", "svc"]);
    assert_eq!((rotated.exit, rotated.summary()["serial"].as_u64()), (0, Some(3)));
    place.give(&["--title", "Lights", "--right", "Play", "--right", "Backup"]);
    back_up(&place, "more");
    let saved = [
        "service",
        "backup",
        "--dir",
        "svc",
        "-o",
        "svc.age",
        "--passphrase-file",
        "pass",
    ];
    place.done(&saved);

    // The hour that will be lost.
    released(&place, "early");
    restored(&place, "first");
    restored(&place, "second");
    released(&place, "first");
    restored(&place, "early");
    drop(service);
    let before = rows(&place);
    assert_eq!(before.len(), 18);

    std::fs::rename(place.path("svc"), place.path("lost")).expect("renamed");
    let opened = place.json(&[
        "service",
        "restore",
        "svc.age",
        "--dir",
        "svc",
        "--passphrase-file",
        "pass",
    ]);
    assert_eq!(
        (opened.exit, opened.summary()["rows"].as_u64()),
        (0, Some(3)),
        "{:?}",
        opened.all
    );
    assert_eq!(opened.of("recovery")[0]["lasts"], true);
    let service = place.serve_at(&at);
    let ready = readiness(&at);
    assert!(ready.ends_with("ready, in recovery\n"), "{ready}");

    let new = restore(&place, "new", "stick");
    assert_eq!(new.exit, 6, "{:?}", new.all);
    for home in ["second", "early", "first"] {
        contact(&place, home);
    }
    assert!(rows(&place) == before, "every row, byte for byte");
    let told = place.json(&["service", "recovery", "--dir", "svc"]);
    assert_eq!(recovery(&told), serde_json::json!([true, 15, 4, 4, 0, 0]));

    let unasked = place.json(&["service", "recovered", "--dir", "svc"]);
    assert_eq!(
        (unasked.exit, unasked.of("recovery")[0]["lasts"].as_bool()),
        (2, Some(true))
    );
    assert_eq!(
        place
            .json(&["--yes", "service", "recovered", "--dir", "svc"])
            .exit,
        0
    );
    assert_eq!(
        place
            .json(&["--yes", "service", "recovered", "--dir", "svc"])
            .exit,
        2,
        "it has ended"
    );
    assert!(readiness(&at).ends_with("\r\nready\n"));
    restored(&place, "new");
    assert_eq!(rows(&place).len(), before.len() + 3);
    drop(service);
    assert_eq!(place.json(&["service", "check", "--dir", "svc"]).exit, 0);
}

#[test]
fn a_backup_of_a_service_is_encrypted_or_not_made() {
    let place = Place::with_issuer();
    let made =
        |more: &[&str]| place.run(&[&["service", "backup", "--dir", "svc", "-o", "svc.age"], more].concat());
    made(&[]).failed(2, &["--passphrase-file", "is the service"]);
    made(&["--unencrypted"]).failed(2, &["unexpected argument"]);
    assert!(!place.path("svc.age").exists());
    std::fs::write(place.path("pass"), "correct horse\n").expect("written");
    std::fs::write(place.path("wrong"), "incorrect horse\n").expect("written");
    let keys_only = made(&["--passphrase-file", "pass", "--keys-only"]);
    assert!(
        keys_only.stdout.contains("keys and card of"),
        "{}",
        keys_only.stdout
    );
    assert!(
        keys_only.stderr.contains("the ledger is not in it"),
        "{}",
        keys_only.stderr
    );
    made(&["--passphrase-file", "pass"]).failed(1, &["is there already"]);
    let secret = std::fs::read(place.path("svc.age")).expect("read");
    assert!(!secret.windows(7).any(|window| window == b"SERVICE"));
    let again = |file: &str, pass: &str| {
        place.run(&[
            "service",
            "restore",
            file,
            "--dir",
            "again",
            "--passphrase-file",
            pass,
        ])
    };
    again("svc.age", "wrong").failed(12, &[]);
    again("pass", "pass").failed(2, &["not the backup of a service"]);
    std::fs::write(place.path("cut.age"), &secret[..secret.len() - 20]).expect("written");
    assert_ne!(again("cut.age", "pass").exit, 0);
    assert!(!place.path("again").exists(), "nothing was made");
    again("svc.age", "pass");
    assert!(place.path("again/service.key").is_file());
    again("svc.age", "pass").failed(2, &["holds something already"]);
}

#[test]
fn new_keys_can_wait_for_their_time() {
    let place = Place::with_issuer();
    let rotate = |more: &[&str]| place.json(&[&["service", "rotate", "--dir", "svc"], more].concat());
    let later = rotate(&["--use", "seal", "--not-before", "2999-01-31"]);
    assert_eq!(later.exit, 0, "{:?}", later.all);
    let keys = later.of("card")[0]["keys"].as_array().expect("keys").clone();
    let told: Vec<_> = keys
        .iter()
        .map(|key| (text(key, "use"), key["not_after"].is_null()))
        .collect();
    // The one that waits stands behind the one that is used until then.
    assert_eq!(told, [("sign", true), ("seal", false), ("seal", true)]);
    assert_eq!(rotate(&["--use", "seal"]).exit, 2, "one waits already");
    assert_eq!(rotate(&["--use", "sign", "--not-before", "2001-01-31"]).exit, 2);
    assert_eq!(rotate(&["--use", "sign"]).exit, 0);
    place
        .run(&["service", "rotate", "--dir", "nowhere"])
        .failed(2, &["start the service once"]);
    place
        .run(&["service", "recovery", "--dir", "svc", "--start"])
        .failed(2, &["--since"]);
    let never = place.done(&["service", "recovery", "--dir", "svc"]);
    assert!(never.stdout.contains("never in recovery"), "{}", never.stdout);
    let started = place.json(&[
        "service",
        "recovery",
        "--dir",
        "svc",
        "--start",
        "--since",
        "2026-01-31",
    ]);
    assert_eq!(
        (started.exit, started.of("recovery")[0]["since"].as_u64()),
        (0, Some(1_769_817_600))
    );
    place
        .run(&["service", "recovered", "--dir", "nowhere"])
        .failed(1, &["nowhere"]);
}

/// A trip by file: what is asked, and what comes of the answers.
fn by_file(place: &Place, trip: &str) -> (Lines, Lines, Lines) {
    let [requests, answers] = ["requests", "answers"].map(|name| format!("{name} {trip}"));
    let trust = place.thumbprint();
    let ask = [
        "--home",
        "b",
        "restore",
        "more",
        "--trust",
        &trust,
        "--request-out",
        &requests,
    ];
    assert_eq!(place.json(&ask).exit, 0);
    place.done(&["authorize", &requests, "-o", &answers]);
    let asked = place.json(&["--home", "b", "show", &requests]);
    let answered = place.json(&["--home", "b", "show", &answers]);
    let came = place.json(&["--home", "b", "restore", "--answer", &answers]);
    (asked, answered, came)
}

/// The kinds of the requests in a file.
fn kinds(shown: &Lines) -> Vec<&str> {
    assert_eq!(shown.exit, 0, "{:?}", shown.all);
    shown
        .of("request")
        .into_iter()
        .map(|line| text(line, "kind"))
        .collect()
}

#[test]
fn receipts_are_shown_by_file_too_and_show_tells_of_them() {
    let place = Place::with_trust();
    let service = place.serve();
    let at = address(&service);
    place.give(&["--title", "Charts", "--right", "Play", "--right", "Backup"]);
    back_up(&place, "stick");
    restored(&place, "b");
    place.give(&["--title", "Maps", "--right", "Play", "--right", "Backup"]);
    back_up(&place, "more");
    drop(service);
    let before = rows(&place);
    assert_eq!(before.len(), 1);
    crate::checking::edit(&place, "DELETE FROM licenses");
    place.done(&[
        "service",
        "recovery",
        "--dir",
        "svc",
        "--start",
        "--since",
        "2020-01-31",
    ]);
    let service = place.serve_at(&at);
    // The first trip brings the news that rows are missing.
    let (asked, answered, came) = by_file(&place, "1");
    assert_eq!((kinds(&asked), came.exit), (vec!["restore"], 6), "{:?}", came.all);
    let told = &answered.of("receipt")[0]["recovery"];
    assert!(told["ended"].is_null() && told["since"].is_u64(), "{told}");
    assert!(rows(&place).is_empty());
    // The second shows what was kept.
    let (asked, answered, _) = by_file(&place, "2");
    assert_eq!(kinds(&asked), ["receipts", "restore"]);
    let shows = asked.of("request")[0];
    assert_eq!((&shows["entries"], &shows["more"]), (&1.into(), &false.into()));
    assert_eq!((text(shows, "signature"), asked.of("receipt").len()), ("good", 1));
    assert_eq!(text(asked.of("receipt")[0], "kind"), "restore");
    assert_eq!(text(answered.of("receipt")[0], "kind"), "receipts");
    assert!(rows(&place) == before, "the row is back, byte for byte");
    let progress = place.json(&["service", "recovery", "--dir", "svc"]);
    assert_eq!(progress.of("recovery")[0]["shown"], 1);
    let shown = place.done(&["--home", "b", "show", "requests 2"]).stdout;
    assert!(shown.contains("  shows       1 receipt\n"), "{shown}");
    let shown = place.done(&["--home", "b", "show", "answers 2"]).stdout;
    assert!(shown.contains("  recovery    since 2020-01-31"), "{shown}");
    // Once is enough.
    let (asked, _, _) = by_file(&place, "3");
    assert_eq!(kinds(&asked), ["restore"]);
    place.done(&["--yes", "service", "recovered", "--dir", "svc"]);
    let (_, answered, came) = by_file(&place, "4");
    assert_eq!(
        (came.exit, &came.summary()["restored"]),
        (0, &1.into()),
        "{:?}",
        came.all
    );
    assert!(answered.of("receipt")[0]["recovery"]["ended"].is_u64());
    drop(service);
}
