//! `serve --check-config`: it says what a start would need, all of it, and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;

use crate::https::{GOOD, Leaf, certify};
use crate::place::{Lines, Place, text};

/// Runs the check with these arguments.
fn check(place: &Place, more: &[&str]) -> Lines {
    let args = ["serve", "--check-config", "--dir", "svc"];
    let lines = place.json(&[&args[..], more].concat());
    let summary = lines.summary();
    let count = |status: &str| {
        let of = |line: &&serde_json::Value| status.is_empty() || line["status"] == status;
        lines.of("checked").into_iter().filter(of).count()
    };
    assert_eq!(summary["checks"], count(""), "{:?}", lines.all);
    assert_eq!(summary["warnings"], count("warning"), "{:?}", lines.all);
    assert_eq!(summary["failures"], count("failed"), "{:?}", lines.all);
    assert_eq!(lines.exit == 0, count("failed") == 0, "{:?}", lines.all);
    lines
}

/// What was said with this status, of this.
#[track_caller]
fn said<'l>(lines: &'l Lines, what: &str, status: &str) -> &'l str {
    let all = lines.of("checked");
    let found = all
        .iter()
        .find(|line| line["what"] == what && line["status"] == status);
    let found = found.unwrap_or_else(|| panic!("no {status} {what} in {:?}", lines.all));
    text(found, "said")
}

/// What failed, in order.
fn failures(lines: &Lines) -> Vec<&str> {
    let all = lines.of("checked").into_iter();
    let failed = all.filter(|line| line["status"] == "failed");
    failed.map(|line| text(line, "what")).collect()
}

/// All files below the place with what is in them.
fn files(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![place.path("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.display().to_string();
            if path.is_dir() {
                folders.push(path);
                found.insert(name, Vec::new());
            } else {
                // On Windows nobody else may read what a service has locked.
                found.insert(name, fs::read(path).unwrap_or_default());
            }
        }
    }
    found
}

#[test]
fn before_a_first_start_nothing_is_made() {
    let place = Place::new();
    place.done(&["issuer", "init", "pub", "--name", "Harbor Books"]);
    let before = files(&place);
    let lines = check(
        &place,
        &["--listen", "127.0.0.1:0", "--issuer", "pub/issuer.card"],
    );
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    for what in ["folder", "key", "card", "ledger"] {
        assert!(said(&lines, what, "ok").contains("will be made"), "{what}");
    }
    assert!(said(&lines, "issuer", "ok").starts_with("Harbor Books, "));
    assert_eq!(lines.summary()["warnings"], 0);
    assert_eq!(files(&place), before);
    let ran = place.done(&[
        "serve",
        "--dir",
        "svc",
        "--check-config",
        "--listen",
        "127.0.0.1:0",
    ]);
    assert!(ran.stdout.ends_with("it would start\n"), "{}", ran.stdout);
    drop(place.serve());
}

#[test]
fn everything_that_is_wrong_is_said_and_the_first_decides() {
    let place = Place::new();
    fs::write(place.path("svc"), "no folder").expect("written");
    let before = files(&place);
    let lines = check(
        &place,
        &[
            "--url",
            "ftp://example.com",
            "--issuer",
            "svc",
            "--ledger",
            "postgres://127.0.0.1:1/none",
            "--ledger-password-file",
            "none",
            "--listen",
            "0.0.0.0:0",
            "--metrics",
            "203.0.113.1:1",
        ],
    );
    let wrong = [
        "folder",
        "key",
        "url",
        "card",
        "issuer",
        "password",
        "certificate",
        "running",
        "metrics",
    ];
    assert_eq!(failures(&lines), wrong, "{:?}", lines.all);
    assert_eq!(lines.exit, 1);
    assert_eq!(files(&place), before);
    // Usage alone ends as usage does.
    fs::remove_file(place.path("svc")).expect("removed");
    let lines = check(&place, &["--listen", "127.0.0.1:0", "--url", "ftp://example.com"]);
    assert_eq!((lines.exit, failures(&lines)), (2, vec!["url"]));
    let wide = ["--listen", "127.0.0.1:0", "--trusted-proxy", "0.0.0.0/0"];
    let lines = check(&place, &wide);
    assert!(said(&lines, "limits", "warning").contains("everybody"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let lines = check(&place, &["--listen", &address]);
    assert_eq!((lines.exit, failures(&lines)), (1, vec!["listen"]));
    assert!(said(&lines, "listen", "failed").contains("in use"));
    assert!(!place.path("svc").exists());
}

#[test]
fn a_service_that_runs_is_said_last_and_left_alone() {
    let place = Place::with_issuer();
    let served = place.serve();
    let address = text(&served.listening, "address").to_owned();
    let before = files(&place);
    let lines = check(&place, &["--listen", &address]);
    assert_eq!((lines.exit, failures(&lines)), (11, vec!["running", "listen"]));
    let running = said(&lines, "running", "failed");
    let process = format!("process {} at http://{address}", served.child.id());
    assert!(running.ends_with(&process), "{running}");
    assert_eq!(text(lines.of("error")[0], "reason"), "busy");
    // The index of what is in SQLite's log is memory that happens to have a name.
    let lasting = |mut files: BTreeMap<String, Vec<u8>>| {
        files.retain(|name, _| !name.ends_with("-shm"));
        files
    };
    assert_eq!(lasting(files(&place)), lasting(before));
    drop(served);
    let lines = check(&place, &["--listen", &address]);
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    assert!(said(&lines, "ledger", "ok").contains("ledger.sqlite, version "));
    let lines = check(
        &place,
        &["--listen", &address, "--url", "https://licenses.example.com"],
    );
    assert!(said(&lines, "card", "warning").contains("address will change"));
}

#[test]
fn what_is_not_this_services_is_told() {
    let place = Place::with_issuer();
    let here = ["--listen", "127.0.0.1:0"];
    fs::rename(place.path("svc/service.key"), place.path("key")).expect("renamed");
    let lines = check(&place, &here);
    assert!(said(&lines, "key", "failed").contains("there is a card in svc, and no service.key"));
    // What is checked is what a start says.
    let started = place.run(&["serve", "--dir", "svc", "--listen", "127.0.0.1:0"]);
    started.failed(
        1,
        &[
            "keyferry: error: there is a card in svc, and no service.key with its keys",
            "bring service.key back",
        ],
    );
    assert!(
        !place.path("svc/service.key").exists(),
        "no other service was made"
    );
    fs::write(place.path("svc/service.key"), "no key").expect("written");
    assert_eq!(failures(&check(&place, &here)), ["key"]);
    let other = Place::with_issuer();
    fs::copy(other.path("svc/service.key"), place.path("svc/service.key")).expect("copied");
    assert!(said(&check(&place, &here), "card", "warning").contains("another service's"));
    fs::write(place.path("svc/service.card"), "no card").expect("written");
    assert_eq!(failures(&check(&place, &here)), ["card"]);
}

#[cfg(unix)]
#[test]
fn what_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_issuer();
    fs::write(place.path("password"), "x\n").expect("written");
    for (file, mode) in [("svc", 0o777), ("svc/service.key", 0o640), ("password", 0o644)] {
        fs::set_permissions(place.path(file), PermissionsExt::from_mode(mode)).expect("set");
    }
    let lines = check(
        &place,
        &[
            "--listen",
            "127.0.0.1:0",
            "--ledger",
            "sqlite:other",
            "--ledger-password-file",
            "password",
        ],
    );
    for what in ["folder", "key", "password"] {
        assert!(said(&lines, what, "warning").contains("others may "), "{what}");
    }
    assert_eq!(
        (lines.exit, failures(&lines)),
        (2, vec!["ledger"]),
        "SQLite takes no password"
    );
    assert!(!place.path("other").exists());
}

#[test]
fn a_ledger_of_another_version_is_told_and_stays() {
    let place = Place::new();
    let here = ["--listen", "127.0.0.1:0", "--ledger", "sqlite:ledger"];
    assert!(said(&check(&place, &here), "ledger", "ok").ends_with("will be made"));
    assert_eq!(files(&place), BTreeMap::new());
    for (version, told) in [
        (2, Ok("version 2, will be brought to ")),
        (99, Err("has version 99")),
    ] {
        let database = rusqlite::Connection::open(place.path("ledger")).expect("a database");
        database
            .pragma_update(None, "user_version", version)
            .expect("set");
        drop(database);
        let before = files(&place);
        let lines = check(&place, &here);
        match told {
            Ok(told) => assert!(said(&lines, "ledger", "ok").contains(told), "{:?}", lines.all),
            Err(told) => assert!(said(&lines, "ledger", "failed").contains(told), "{:?}", lines.all),
        }
        assert_eq!(files(&place), before);
    }
    fs::write(place.path("ledger"), "no database").expect("written");
    assert_eq!(failures(&check(&place, &here)), ["ledger"]);
    let elsewhere = ["--listen", "127.0.0.1:0", "--ledger", "sqlite:none/ledger"];
    assert_eq!(failures(&check(&place, &elsewhere)), ["ledger"]);
}

#[test]
fn a_certificate_says_until_when() {
    let place = Place::new();
    let pair = [
        "--listen",
        "0.0.0.0:0",
        "--url",
        "https://localhost",
        "--tls-cert",
        "service.pem",
    ];
    let with = |key: &str| check(&place, &[&pair[..], &["--tls-key", key]].concat());
    certify(&place, &GOOD);
    let lines = with("service-key.pem");
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    assert!(
        said(&lines, "certificate", "ok").contains("valid until 2096-01-01"),
        "{:?}",
        lines.all
    );
    #[cfg(unix)]
    for (mode, warnings) in [(0o640, 0), (0o644, 1)] {
        use std::os::unix::fs::PermissionsExt;
        let key = place.path("service-key.pem");
        fs::set_permissions(key, PermissionsExt::from_mode(mode)).expect("set");
        assert_eq!(
            with("service-key.pem").summary()["warnings"],
            warnings,
            "{mode:o}"
        );
    }
    fs::copy(place.path("service-key.pem"), place.path("other.pem")).expect("copied");
    certify(&place, &Leaf { until: 2021, ..GOOD });
    let lines = with("service-key.pem");
    assert_eq!((lines.exit, failures(&lines)), (1, vec!["certificate"]));
    assert!(said(&lines, "certificate", "failed").contains("expired on 2021-01-01"));
    let lines = with("other.pem");
    assert!(said(&lines, "certificate", "failed").contains("not the key of the certificate"));
}

#[cfg(unix)]
#[test]
fn a_database_is_looked_at_and_not_touched() {
    let Some(server) = keyferry_testkit::Postgres::shared() else {
        return;
    };
    let url = server.create_database();
    let name = url.rsplit('/').next().expect("its name");
    let place = Place::with_issuer();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let look = || check(&place, &["--listen", "127.0.0.1:0", "--ledger", &url]);
    let lines = look();
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    assert!(said(&lines, "ledger", "ok").ends_with("will be made"));
    assert_eq!(server.sql(name, tables), "0");
    drop(place.serve_with(&["--ledger", &url]));
    assert!(said(&look(), "ledger", "ok").ends_with(", version 1"));
    server.sql(name, "UPDATE ledger_version SET version = 9, oldest = 9");
    assert!(said(&look(), "ledger", "failed").contains("version 9"));
    server.sql(name, "UPDATE ledger_version SET version = 1, oldest = 1");
    server.sql(name, "ALTER TABLE licenses DROP CONSTRAINT licenses_pkey");
    assert!(said(&look(), "ledger", "failed").contains("no unique index"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    use crate::elsewhere::{MOUNTS, is_permitted, unshared};
    let place = Place::new();
    fs::create_dir(place.path("disk")).expect("a folder");
    // Nothing is free, so that not even the lock is written; and a little, so that it is the ledger that has no room.
    for left in [0, 120] {
        let fill = format!(
            "cd '{}'; mount -t tmpfs -o size=1m tmpfs disk; head -c {} /dev/zero > disk/fill",
            place.path("").display(),
            (1024 - left) * 1024,
        );
        if !is_permitted("a full disk", &MOUNTS, &fill) {
            return;
        }
        let serve = ["serve", "--dir", "disk/svc", "--listen", "127.0.0.1:0"];
        let ran = unshared(&place, &MOUNTS, &fill, &serve);
        ran.failed(1, &["the disk of disk/svc is full", "make room there"]);
        assert_eq!(
            ran.stderr.contains("service.running"),
            left == 0,
            "{}",
            ran.stderr
        );
        assert_eq!(
            ran.stderr.contains("the ledger can't"),
            left > 0,
            "{}",
            ran.stderr
        );
        let ran = unshared(
            &place,
            &MOUNTS,
            &fill,
            &[&serve[..], &["--check-config"]].concat(),
        );
        assert!(
            ran.stdout
                .contains("failed   folder       the disk of disk/svc is full"),
            "{}",
            ran.stdout
        );
        assert_eq!(ran.exit, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("1 failure"), "{}", ran.stderr);
    }
}
