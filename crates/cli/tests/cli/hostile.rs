//! Bad input and bad places: each with its message and exit code, and nothing half done. Root may read and write
//! everything, so that no test rests on modes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use keyferry_license::{
    Card, ContentKey, Grant, IssuerKey, KeyId, LicenseFile, LicenseId, Limits, PLAY, Right, Rights, Text,
    armor,
};

use crate::place::{Place, Ran, text};

const DOCUMENT: &str = r#"{"id":"1","provider":"https://books.example","encryption":{"profile":"basic"},
"issued":"2026-01-01T00:00:00Z"}"#;

fn with_document(name: &str) -> Place {
    let place = Place::new();
    fs::create_dir(place.path("in")).expect("a folder");
    fs::write(place.path("in").join(name), DOCUMENT).expect("written");
    place
}

/// Runs the program below a shell that has prepared its surroundings; `$0` is the program.
fn below_shell(place: &Place, wrapped: &[&str], script: &str) -> Ran {
    let mut command = Command::new(wrapped[0]);
    command.args(&wrapped[1..]).args(["sh", "-c", script]);
    command
        .arg(env!("CARGO_BIN_EXE_keyferry"))
        .current_dir(place.path(""));
    command.env("HOME", place.path("person"));
    command.output().expect("a shell").into()
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_named_and_the_rest_is_taken() {
    let place = with_document("book.lcpl");
    // Nobody can read this one, whatever he may.
    let unreadable = "/proc/self/mem";
    let lines = place.json(&["--home", "a", "import", unreadable, "in"]);
    assert_eq!(
        (lines.exit, &lines.summary()["documents_restored"]),
        (3, &1.into())
    );
    let skipped = lines.of("skipped")[0];
    assert_eq!(
        (text(skipped, "path"), text(skipped, "reason")),
        (unreadable, "unreadable")
    );
    let ran = place.run(&["--home", "a", "import", unreadable]);
    ran.failed(1, &["there was no license to import"]);
    assert!(
        ran.stdout.contains("skipped /proc/self/mem: input/output error"),
        "{}",
        ran.stdout
    );
    let lines = place.json(&["--home", "a", "import", "missing.lcpl"]);
    assert_eq!(
        (lines.exit, text(lines.of("skipped")[0], "why")),
        (1, "no such file or directory")
    );
}

#[test]
fn links_in_circles_and_out_of_the_folder_are_not_followed() {
    let place = with_document("book.lcpl");
    fs::write(place.path("outside.lcpl"), DOCUMENT.replace("\"1\"", "\"2\"")).expect("written");
    symlink("..", place.path("in/up")).expect("a link");
    symlink("self", place.path("in/self")).expect("a link");
    symlink("../outside.lcpl", place.path("in/outside.lcpl")).expect("a link");
    let lines = place.json(&["--home", "a", "import", "in"]);
    assert_eq!((lines.exit, &lines.summary()["documents"]), (3, &1.into()));
    let skipped = lines.of("skipped");
    assert_eq!(skipped.len(), 3);
    assert!(skipped.iter().all(|line| line["reason"] == "link"), "{skipped:?}");
    // A link that a person names is followed; one that leads to itself says so.
    place.done(&["--home", "a", "import", "in/outside.lcpl"]);
    let ran = place.run(&["--home", "a", "import", "in/self"]);
    ran.failed(1, &["there was no license to import"]);
    assert!(
        ran.stdout.contains("too many levels of symbolic links"),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let place = with_document("book.lcpl");
    let made = Command::new("mkfifo").arg(place.path("in/pipe")).status();
    assert!(made.expect("mkfifo").success());
    let lines = place.json(&["--home", "a", "import", "in"]);
    assert_eq!(
        (lines.exit, text(lines.of("skipped")[0], "reason")),
        (3, "no-file")
    );
}

#[test]
fn the_same_license_twice_is_taken_once() {
    let place = Place::with_trust();
    place.give(&[]);
    let twice = fs::read_to_string(place.path("given.license"))
        .expect("text")
        .repeat(2);
    fs::write(place.path("twice.license"), twice).expect("written");
    let lines = place.json(&[
        "--home",
        "a",
        "import",
        "twice.license",
        "given.license",
        "given.license",
    ]);
    assert_eq!((lines.exit, &lines.summary()["already_here"]), (0, &3.into()));
    let ran = place.done(&["--home", "a", "import", "twice.license"]);
    assert!(ran.stdout.contains("2 licenses here already"), "{}", ran.stdout);
    assert_eq!(place.json(&["--home", "a", "list"]).summary()["licenses"], 1);
}

/// A license of the issuer in `pub` to the computer `a`, with an ID of the caller's choice.
fn forge(place: &Place, license: LicenseId, title: &str, file: &str) {
    let read = |name: &str| fs::read(place.path(name)).expect(name);
    let card = |name: &str| {
        let bytes = armor::single(armor::CARD, &read(name)).expect("a card");
        Card::verify(&bytes).expect("a good card")
    };
    let issuer = IssuerKey::from_armor(&read("pub/issuer.key")).expect("a good key");
    let (own, service, computer) = (card("pub/issuer.card"), card("svc/service.card"), card("a.card"));
    let content = ContentKey::from_bytes([7; 16]);
    let play = Right {
        action: Text::new("right", PLAY).expect("short"),
        limits: Limits::default(),
    };
    let grant = Grant {
        license,
        issuer: own.thumbprint(),
        service: service.thumbprint(),
        origin: computer.thumbprint(),
        key_id: KeyId([9; 16]),
        kind: Text::new("kind", "music").expect("short"),
        rights: Rights::new(vec![play]).expect("good rights"),
        computers: None,
        commitment: content.commitment(&license),
        title: Text::new("title", title).expect("short"),
        priority: 0,
        subject: None,
        parent: None,
    };
    let grant = grant.sign(issuer.signing()).expect("a good grant");
    let sealed = LicenseFile::seal(&own, &service, &computer, 0, &[(grant, content)]).expect("sealed");
    fs::write(place.path(file), sealed.to_armor().expect("armored")).expect("written");
}

#[test]
fn the_same_license_id_with_other_content_is_refused() {
    let place = Place::with_trust();
    let id = LicenseId::new_at(1_790_000_000, [5; 10]);
    forge(&place, id, "First", "first.license");
    forge(&place, id, "Second", "second.license");
    place.done(&["--home", "a", "import", "first.license"]);
    let ran = place.run(&["--home", "a", "import", "second.license"]);
    ran.failed(1, &["nothing was imported"]);
    assert!(
        ran.stdout
            .contains("another license of this issuer with the same ID is here: ask the issuer"),
        "{}",
        ran.stdout
    );
    let listed = place.done(&["--home", "a", "list"]).stdout;
    assert!(listed.contains("First") && !listed.contains("Second"), "{listed}");
    // In one file the first is taken, the second is named, and that is partly done.
    let both = place.json(&["--home", "a", "import", "first.license", "second.license"]);
    assert_eq!((both.exit, &both.summary()["already_here"]), (3, &1.into()));
}

#[test]
fn two_licenses_for_one_key_are_both_kept() {
    let place = Place::with_trust();
    fs::write(place.path("key"), "000102030405060708090a0b0c0d0e0f").expect("written");
    let key_id = "01020304-0506-0708-090a-0b0c0d0e0f10";
    for title in ["Rent", "Own"] {
        place.give(&[
            "--title",
            title,
            "--key-id",
            key_id,
            "--key-file",
            "key",
            "--right",
            "Play",
        ]);
    }
    let shown = place.json(&["--home", "a", "show", key_id]);
    assert_eq!((shown.exit, shown.of("license").len()), (0, 2));
    let used = place.done(&["--home", "a", "use", key_id]);
    assert_eq!(used.stdout.trim(), "000102030405060708090a0b0c0d0e0f");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_kept_as_text_and_told() {
    let place = with_document("book.lcpl");
    let odd = OsStr::from_bytes(b"na\xefve.lcpl");
    fs::rename(place.path("in/book.lcpl"), place.path("in").join(odd)).expect("renamed");
    let ran = place.done(&["--home", "a", "import", "in"]);
    assert!(
        ran.stdout
            .contains("na%EFve.lcpl: its own name can't be kept, so it is kept as na%EFve.lcpl"),
        "{}",
        ran.stdout
    );
    fs::create_dir(place.path("out")).expect("a folder");
    place.done(&["--home", "a", "export", "--all", "--to", "out"]);
    assert_eq!(
        fs::read_to_string(place.path("out/na%EFve.lcpl")).expect("written"),
        DOCUMENT
    );
    // Folders of such a name are as good as others.
    let named = |start: &[&str], name: &[u8]| {
        let args: Vec<OsString> = start
            .iter()
            .map(OsString::from)
            .chain([OsString::from_vec(name.into())])
            .collect();
        let output = place.command(&[]).args(args).output().expect("the program runs");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    fs::create_dir(place.path("").join(OsStr::from_bytes(b"st\xefck"))).expect("a folder");
    named(&["--home", "a", "backup", "--unencrypted"], b"st\xefck");
    named(&["--home", "b", "restore"], b"st\xefck");
    named(&["list", "--home"], b"h\xefme");
}

#[test]
fn a_home_inside_the_backup_folder_does_no_harm() {
    let place = with_document("book.lcpl");
    fs::create_dir(place.path("stick")).expect("a folder");
    let home = "stick/home";
    place.done(&["--home", home, "import", "in"]);
    for _ in 0..2 {
        place.done(&["--home", home, "backup", "stick", "--unencrypted", "--overwrite"]);
    }
    assert_eq!(place.json(&["list", "stick"]).of("backup").len(), 1);
    let into_home = place.json(&["--home", home, "backup", home, "--unencrypted"]);
    assert_eq!(into_home.exit, 0);
    for from in ["stick", home] {
        let lines = place.json(&["--home", home, "restore", from]);
        assert_eq!(
            (lines.exit, &lines.summary()["documents_already_here"]),
            (0, &1.into())
        );
    }
    // The files of a home are named as what they are, and never taken.
    let lines = place.json(&["--home", "b", "import", home, "--as", "document"]);
    let of = |name: &str| {
        let mut skipped = lines.of("skipped").into_iter();
        skipped.any(|line| text(line, "path").ends_with(name) && line["reason"] == "keyferry")
    };
    assert!(of("computer.key") && of("store.sqlite"), "{:?}", lines.all);
}

#[test]
fn the_root_of_a_drive_is_a_folder_like_others() {
    let place = with_document("book.lcpl");
    place.done(&["--home", "a", "import", "in"]);
    let plan = place.json(&["--home", "a", "backup", "/", "-n"]);
    assert_eq!(plan.exit, 0, "{:?}", plan.all);
    assert!(text(plan.summary(), "path").starts_with("/licenses-"));
    place
        .run(&["--home", "a", "restore", "/"])
        .failed(10, &["there is no backup in /"]);
    let ran = place.done(&["list", "/"]);
    assert!(ran.stderr.contains("there is no backup in /"), "{}", ran.stderr);
    place
        .run(&["show", "/"])
        .failed(1, &["can't read /: is a directory"]);
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    let place = with_document("book.lcpl");
    for folder in ["stick", "out"] {
        fs::create_dir(place.path(folder)).expect("a folder");
    }
    place.done(&["--home", "a/", "import", "in//"]);
    place.done(&["--home", "a", "backup", "stick/", "--unencrypted"]);
    place
        .run(&["--home", "a", "backup", "stick", "--unencrypted"])
        .failed(4, &["--overwrite"]);
    place.done(&["--home", "b", "restore", "stick///"]);
    assert_eq!(place.json(&["list", "stick/"]).of("backup").len(), 1);
    place.done(&["--home", "b", "export", "--all", "--to", "out/"]);
    assert!(place.path("out/book.lcpl").is_file());
    // A slash after a file names a folder that is none.
    let ran = place.run(&["--home", "a", "import", "in/book.lcpl/"]);
    ran.failed(1, &["there was no license to import"]);
    assert!(ran.stdout.contains("not a directory"), "{}", ran.stdout);
}

#[test]
fn whoever_reads_may_go_away() {
    let place = Place::new();
    fs::create_dir(place.path("in")).expect("a folder");
    for number in 0..2000 {
        let text = format!("a license of the number {number}");
        fs::write(place.path("in").join(format!("{number}.txt")), text).expect("written");
    }
    place.done(&["--home", "a", "import", "in", "--as", "document"]);
    let mut command = place.command(&["--home", "a", "list"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut first = [0; 10];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("a start");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_told() {
    let place = with_document("book.lcpl");
    place.done(&["--home", "a", "import", "in"]);
    let ran = below_shell(&place, &["env"], "exec \"$0\" --home a list > /dev/full");
    ran.failed(1, &["can't write to stdout: no space left on device"]);
}

#[test]
fn a_home_that_cannot_be_made_or_written_is_named() {
    let place = with_document("book.lcpl");
    fs::write(place.path("file"), "").expect("written");
    place
        .run(&["--home", "file/home", "list"])
        .failed(1, &["can't make the home file/home: not a directory"]);
    fs::create_dir_all(place.path("a/store.sqlite")).expect("a folder");
    let ran = place.run(&["--home", "a", "list"]);
    ran.failed(1, &["a/store.sqlite"]);
    fs::create_dir_all(place.path("b/computer.key")).expect("a folder");
    place.run(&["--home", "b", "list"]).failed(1, &["b/computer.key"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_home_that_is_full_loses_nothing() {
    let place = with_document("book.lcpl");
    place.done(&["--home", "a", "import", "in"]);
    fs::write(place.path("large.txt"), vec![b'x'; 1 << 20]).expect("written");
    // No file may grow beyond 256 KiB: for SQLite that is a full disk.
    let limited = "trap '' XFSZ; ulimit -f 512; exec \"$0\" --home a import --as document large.txt";
    let ran = below_shell(&place, &["env"], limited);
    ran.failed(1, &["the license store a/store.sqlite failed"]);
    let lines = place.json(&["--home", "a", "list"]);
    assert_eq!((lines.exit, &lines.summary()["documents"]), (0, &1.into()));
    place.done(&["--home", "a", "import", "--as", "document", "large.txt"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_home_that_is_read_only_is_told() {
    let place = with_document("book.lcpl");
    place.done(&["--home", "a", "import", "in"]);
    let wrapped = ["unshare", "-r", "-m"];
    let may = Command::new(wrapped[0]).args(&wrapped[1..]).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("left out: read-only home: unshare -r -m is not permitted");
        return;
    }
    let mount = "mount --bind a a && mount -o remount,bind,ro a && exec \"$0\" --home a ";
    let ran = below_shell(&place, &wrapped, &format!("{mount} import --as document in"));
    ran.failed(1, &["a/", "Read-only file system"]);
    assert_eq!(place.json(&["--home", "a", "list"]).summary()["documents"], 1);
}

#[test]
fn a_store_of_a_newer_program_is_left_alone() {
    let place = with_document("book.lcpl");
    place.done(&["--home", "a", "import", "in"]);
    let path = place.path("a/store.sqlite");
    let mut bytes = fs::read(&path).expect("readable");
    // The version of its tables, as SQLite keeps it in the first page.
    bytes[60..64].copy_from_slice(&1000_u32.to_be_bytes());
    fs::write(&path, &bytes).expect("written");
    for args in [&["list"][..], &["import", "in"], &["restore", "in/book.lcpl"]] {
        let ran = place.run(&[&["--home", "a"], args].concat());
        if args[0] != "restore" {
            ran.failed(1, &["has format 1000", "use the newer one"]);
        }
    }
    assert_eq!(fs::read(&path).expect("readable"), bytes);
}

#[test]
fn a_backup_is_not_replaced_by_one_that_holds_nothing() {
    let place = Place::with_trust();
    place.give(&["--title", "Goes", "--right", "Play", "--right", "Backup"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let file = std::fs::read_dir(place.path("stick"))
        .expect("a folder")
        .next()
        .expect("a file")
        .expect("an entry");
    let before = std::fs::read(file.path()).expect("the backup");
    std::fs::remove_file(place.path("a/store.sqlite")).expect("the store");
    let lines = place.json(&["--home", "a", "backup", "stick", "--unencrypted", "--overwrite"]);
    assert_eq!(
        (lines.exit, text(lines.summary(), "hr")),
        (4, "C00D2742"),
        "{:?}",
        lines.all
    );
    assert_eq!(std::fs::read(file.path()).expect("the backup"), before);
    let came = place.json(&["--home", "a", "restore", "stick"]);
    assert_eq!(
        (came.exit, &came.summary()["restored"]),
        (0, &1.into()),
        "its return key is still there"
    );
    // One that holds nothing may be replaced by one that holds nothing.
    std::fs::create_dir(place.path("other")).expect("a folder");
    for _ in 0..2 {
        place.done(&[
            "--home",
            "empty",
            "backup",
            "other",
            "--unencrypted",
            "--overwrite",
        ]);
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_waited_for() {
    let place = Place::with_trust();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("pipe"))
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    for args in [
        ["restore", "pipe"],
        ["verify", "pipe"],
        ["show", "pipe"],
        ["restore", "/dev/zero"],
    ] {
        let ran = place.run(&[&["--home", "a"], args.as_slice()].concat());
        assert!(
            ran.exit != 0 && ran.stderr.contains("pipe or a device"),
            "{args:?}: {}{}",
            ran.exit,
            ran.stderr
        );
    }
}

#[test]
fn names_of_files_do_not_steer_the_terminal() {
    let place = Place::with_trust();
    let name = "red\u{1b}[31m\u{202e}";
    for args in [["restore", name], ["list", name], ["import", name]] {
        let ran = place.run(&[&["--home", "a"], args.as_slice()].concat());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            ran.exit != 0 && !said.contains('\u{1b}') && !said.contains('\u{202e}'),
            "{said:?}"
        );
    }
}
