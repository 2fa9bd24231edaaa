//! `serve --ledger`: a ledger that is elsewhere, and processes of one service that share it.

use std::fs;

use keyferry_testkit::Postgres;

use crate::place::{Place, text};

/// The slots in a restore's lines, in order.
fn restored(place: &Place, home: &str, thumbprint: &str) -> i64 {
    let trust = ["--trust", thumbprint, "--individualize"];
    let lines = place.json(&[&["--home", home, "restore", "stick"][..], &trust].concat());
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    lines.summary()["restored"].as_i64().unwrap_or_default()
}

#[test]
fn processes_share_a_database_and_its_rows_are_proven() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.create_database();
    let place = Place::with_trust();
    let first = place.serve_with(&["--ledger", &url]);
    assert_eq!(text(&first.listening, "ledger"), url);
    place.give(&["--right", "Play", "--right", "Backup"]);
    for folder in ["stick", "receipts"] {
        fs::create_dir(place.path(folder)).expect("a folder");
    }
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let thumbprint = place.thumbprint();
    assert_eq!(restored(&place, "b", &thumbprint), 1);
    let address = text(&first.listening, "address").to_owned();
    drop(first);
    // Another process, with a copy of the folder, in the place of the first.
    fs::rename(place.path("svc"), place.path("first")).expect("renamed");
    fs::create_dir(place.path("svc")).expect("a folder");
    for file in ["service.key", "service.card"] {
        fs::copy(place.path("first").join(file), place.path("svc").join(file)).expect("copied");
    }
    let second = place.start(&address, &["--ledger", &url]);
    for home in ["c", "d"] {
        assert_eq!(restored(&place, home, &thumbprint), 1);
    }
    let refused = place.run(&[
        "--home",
        "e",
        "restore",
        "stick",
        "--trust",
        &thumbprint,
        "--individualize",
    ]);
    assert_eq!(refused.exit, 7, "{}", refused.stderr);
    for home in ["b", "c", "d"] {
        place.done(&["--home", home, "receipts", "--to", "receipts"]);
    }
    drop(second);
    let check = ["service", "check", "--dir", "svc", "--ledger", &url, "receipts"];
    let checked = place.json(&check);
    let summary = checked.summary();
    assert_eq!(checked.exit, 0, "{:?}", checked.all);
    assert_eq!((&summary["rows"], &summary["findings"]), (&3.into(), &0.into()));
    // A row that nobody caused, as an operator could write it.
    let database = url.rsplit('/').next().expect("its name");
    server.sql(
        database,
        "INSERT INTO licenses SELECT license, seq + 1, time, lease, slot + 1, change, issuer, computer, request, previous
         FROM licenses ORDER BY seq DESC LIMIT 1",
    );
    let checked = place.json(&check);
    assert_eq!(checked.exit, 5, "{:?}", checked.all);
}

#[test]
fn what_is_no_ledger_is_said() {
    let place = Place::new();
    let serve = |ledger: &str| {
        place.run(&[
            "serve",
            "--dir",
            "svc",
            "--listen",
            "127.0.0.1:0",
            "--ledger",
            ledger,
        ])
    };
    for (ledger, said) in [
        (
            "postgres://keyferry:geheim@127.0.0.1/ledger",
            "--ledger-password-file",
        ),
        ("mysql://geheim", "sqlite:PATH or postgres://"),
    ] {
        let ran = serve(ledger);
        assert_eq!(ran.exit, 2, "{}", ran.stderr);
        assert!(
            ran.stderr.contains(said) && !ran.stderr.contains("geheim"),
            "{}",
            ran.stderr
        );
    }
    let Some(server) = Postgres::shared() else { return };
    let ran = serve(&server.url("nothing"));
    assert_eq!(ran.exit, 1);
    assert!(
        ran.stderr.contains("\"nothing\" does not exist"),
        "{}",
        ran.stderr
    );
    // A database of something else is left as it is.
    let url = server.create_database();
    let ran = place.run(&["service", "recovery", "--dir", "svc", "--ledger", &url]);
    assert_eq!(ran.exit, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("there is no ledger in this database"),
        "{}",
        ran.stderr
    );
    let database = url.rsplit('/').next().expect("its name");
    let tables = server.sql(
        database,
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    );
    assert_eq!(tables.trim(), "0");
}

#[test]
fn an_issuer_that_one_process_registered_is_known_to_the_other() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.create_database();
    let place = Place::with_trust();
    let _first = place.serve_with(&["--ledger", &url]);
    place.done(&["issuer", "init", "young", "--name", "Young Press"]);
    let card = place.json(&["issuer", "card", "young"]);
    let thumbprint = text(card.summary(), "thumbprint").to_owned();
    let issue = [
        "issuer",
        "issue",
        "young",
        "--computer",
        "a.card",
        "--service",
        "svc/service.card",
    ];
    let what = [
        "--title",
        "News",
        "--right",
        "Play",
        "--right",
        "Backup",
        "-o",
        "young.license",
    ];
    place.done(&[&issue[..], &what].concat());
    place.done(&["--home", "a", "import", "young.license", "--trust", &thumbprint]);
    fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let restore = crate::place::restoring(&thumbprint);
    assert_eq!(place.run(&restore).exit, 7, "nobody registered it");
    fs::create_dir(place.path("second")).expect("a folder");
    for file in ["service.key", "service.card"] {
        fs::copy(place.path("svc").join(file), place.path("second").join(file)).expect("copied");
    }
    let second = [
        "serve",
        "--dir",
        "second",
        "--listen",
        "127.0.0.1:0",
        "--issuer",
        "young/issuer.card",
    ];
    let mut second = place
        .command(&[&["--json"], &second[..], &["--ledger", &url]].concat())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let stdout = second.stdout.as_mut().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut String::new())
        .expect("it listens");
    // The first one has looked within this second, perhaps.
    let came = (0..20).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(200));
        place.run(&restore).exit == 0
    });
    second.kill().expect("it ends");
    second.wait().expect("it ends");
    assert!(came, "the first process never heard of it");
}
