//! License documents of other systems: taken by what they hold, listed, moved to another computer, and written back to
//! the byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Place, text};

/// Look-alikes, each in a folder whose name says what it is.
fn look_alikes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/documents")
}

/// Name and bytes of the files in one of those folders.
fn files_of(kind: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(look_alikes().join(kind)).expect("look-alikes");
    let files: BTreeMap<String, Vec<u8>> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_str().expect("UTF-8");
            (name.to_owned(), fs::read(&path).expect("readable"))
        })
        .collect();
    assert!(!files.is_empty(), "{kind}");
    files
}

fn copy(place: &Place, folder: &str, files: &BTreeMap<String, Vec<u8>>) {
    fs::create_dir_all(place.path(folder)).expect("a folder");
    for (name, bytes) in files {
        fs::write(place.path(folder).join(name), bytes).expect("written");
    }
}

/// A home with two LCP documents of one name each, and nothing else.
fn with_books() -> (Place, BTreeMap<String, Vec<u8>>) {
    let (place, books) = (Place::new(), files_of("lcp"));
    copy(&place, "books", &books);
    place.done(&["--home", "a", "import", "books"]);
    (place, books)
}

#[test]
fn documents_make_the_whole_trip_to_the_byte() {
    for kind in ["lcp", "keygen-license", "keygen-machine"] {
        let (place, files) = (Place::new(), files_of(kind));
        copy(&place, "in/deep", &files);
        let imported = place.json(&["--home", "a", "import", "in"]);
        assert_eq!(imported.exit, 0, "{:?}", imported.all);
        assert_eq!(imported.summary()["documents_restored"], files.len());
        for home in ["a", "b"] {
            let listed = place.json(&["--home", home, "list"]);
            let lines = listed.of("license-document");
            assert_eq!(lines.len(), files.len());
            for line in lines {
                assert_eq!(text(line, "kind"), kind);
                assert_eq!(line["bytes"], files[text(line, "name")].len());
            }
            if home == "a" {
                fs::create_dir(place.path("stick")).expect("a folder");
                let saved = place.json(&["--home", "a", "backup", "stick", "--unencrypted"]);
                assert_eq!(
                    (saved.exit, &saved.summary()["documents_backed_up"]),
                    (0, &files.len().into())
                );
                let plan = place.json(&["--home", "b", "restore", "stick", "-n"]);
                assert_eq!(
                    (plan.exit, &plan.summary()["documents_restored"]),
                    (0, &files.len().into())
                );
                let came = place.json(&["--home", "b", "restore", "stick"]);
                assert_eq!(
                    (came.exit, &came.summary()["documents"]),
                    (0, &files.len().into())
                );
                assert_eq!(came.statuses(), ["BACKUPRESTORE_BEGIN", "BACKUPRESTORE_END"]);
            }
        }
        fs::create_dir(place.path("out")).expect("a folder");
        let exported = place.json(&["--home", "b", "export", "--all", "--to", "out"]);
        assert_eq!(
            (exported.exit, &exported.summary()["exported"]),
            (0, &files.len().into())
        );
        for (name, bytes) in &files {
            assert_eq!(
                &fs::read(place.path("out").join(name)).expect("written"),
                bytes,
                "{kind}/{name}"
            );
        }
    }
}

#[test]
fn what_is_no_document_is_named_as_what_it_is() {
    for what in [
        "broken",
        "empty",
        "encrypted",
        "pem",
        "status-document",
        "unknown",
    ] {
        let (place, files) = (Place::new(), files_of(what));
        copy(&place, "in", &files);
        let lines = place.json(&["--home", "a", "import", "in"]);
        assert_eq!(
            (lines.exit, &lines.summary()["skipped"]),
            (1, &files.len().into())
        );
        assert!(
            lines.of("skipped").iter().all(|line| line["reason"] == what),
            "{:?}",
            lines.all
        );
        copy(&place, "in", &files_of("lcp"));
        let some = place.json(&["--home", "a", "import", "in"]);
        assert_eq!((some.exit, text(some.summary(), "hr")), (3, "C00D275F"));
        let forced = place.json(&["--home", "a", "import", "in", "--as", "document"]);
        let refused = if what == "empty" { files.len() } else { 0 };
        assert_eq!(forced.summary()["skipped"], refused, "{:?}", forced.all);
        assert_eq!(forced.exit, if refused == 0 { 0 } else { 3 });
    }
    let place = Place::new();
    fs::write(place.path("note.txt"), "no license").expect("written");
    place
        .run(&["--home", "a", "import", "note.txt"])
        .failed(1, &["there was no license to import", "--as document"]);
    let ran = place.run(&["--home", "a", "import", "note.txt"]);
    assert!(
        ran.stdout
            .contains("skipped note.txt: no license document that is known"),
        "{}",
        ran.stdout
    );
    // Keyferry's own files are no documents of another system, whatever a person says.
    let card = look_alikes().join("keyferry/card.txt");
    let card = card.to_str().expect("UTF-8");
    let lines = place.json(&["--home", "a", "import", card, "--as", "document"]);
    assert_eq!(
        (lines.exit, text(lines.of("skipped")[0], "reason")),
        (1, "keyferry")
    );
}

#[test]
fn the_same_bytes_are_kept_once_and_another_name_is_told() {
    let (place, books) = with_books();
    let again = place.json(&["--home", "a", "import", "books"]);
    assert_eq!(
        (again.exit, &again.summary()["documents_already_here"]),
        (0, &books.len().into())
    );
    let (name, bytes) = books.iter().next().expect("a book");
    fs::write(place.path("other name.lcpl"), bytes).expect("written");
    let ran = place.done(&["--home", "a", "import", "other name.lcpl"]);
    let told = format!("other name.lcpl: the same is here under the name {name}");
    assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("1 license document here already"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        place.json(&["--home", "a", "list"]).summary()["documents"],
        books.len()
    );
}

#[test]
fn one_document_is_shown_and_exported_by_its_first_digits() {
    let (place, books) = with_books();
    let listed = place.json(&["--home", "a", "list"]);
    let line = listed.of("license-document")[0];
    let (id, name) = (text(line, "document"), text(line, "name"));
    let shown = place.done(&["--home", "a", "show", &id[..8]]);
    assert!(
        shown.stdout.contains("Readium LCP license") && shown.stdout.contains(id),
        "{}",
        shown.stdout
    );
    let list = place.done(&["--home", "a", "list"]);
    assert!(
        list.stdout.contains(&id[..12]) && !list.stdout.contains(id),
        "{}",
        list.stdout
    );
    fs::create_dir(place.path("out")).expect("a folder");
    place.done(&[
        "--home",
        "a",
        "export",
        &id[..8],
        &id.to_uppercase(),
        "--to",
        "out",
    ]);
    assert_eq!(fs::read_dir(place.path("out")).expect("a folder").count(), 1);
    assert_eq!(
        fs::read(place.path("out").join(name)).expect("written"),
        books[name]
    );
    let exported = |id: &str, to: &str| place.run(&["--home", "a", "export", id, "--to", to]);
    exported("0000000", "out").failed(2, &["8 to 64 hexadecimal digits"]);
    exported("00000000", "out").failed(1, &["there is no license document 00000000"]);
    exported(&id[..8], "missing").failed(10, &["missing is not there"]);
    assert!(!place.path("missing").exists(), "it is not made");
    place
        .run(&["--home", "a", "export", "--to", "out"])
        .failed(2, &["usage: keyferry export"]);
    place
        .run(&["--home", "a", "show", "00000000"])
        .failed(1, &["there is no license document"]);
}

#[test]
fn nothing_is_written_over_a_file() {
    let (place, books) = with_books();
    fs::create_dir(place.path("out")).expect("a folder");
    let name = books.keys().next().expect("a book");
    fs::write(place.path("out").join(name), "mine").expect("written");
    let listed = place.json(&["--home", "a", "list"]);
    let line = *listed
        .of("license-document")
        .iter()
        .find(|line| line["name"] == name.as_str())
        .expect("listed");
    let id = text(line, "document");
    place.run(&["--home", "a", "export", id, "--to", "out"]).failed(
        4,
        &[
            &format!("out/{name} is there already"),
            "export to another folder",
        ],
    );
    let rest = place.json(&["--home", "a", "export", "--all", "--to", "out"]);
    assert_eq!(
        (rest.exit, &rest.summary()["exported"]),
        (3, &(books.len() - 1).into())
    );
    assert_eq!(fs::read(place.path("out").join(name)).expect("there"), b"mine");
    let none = place.json(&["--home", "a", "export", "--all", "--to", "out"]);
    assert_eq!((none.exit, &none.summary()["exported"]), (4, &0.into()));
}

#[test]
fn two_documents_of_one_name_are_both_kept_and_the_second_gets_told() {
    let place = Place::new();
    for (folder, kind) in [("1", "keygen-license"), ("2", "keygen-machine")] {
        copy(
            &place,
            folder,
            &BTreeMap::from([("my.lic".into(), files_of(kind)["encrypted.lic"].clone())]),
        );
    }
    let imported = place.json(&["--home", "a", "import", "1", "2"]);
    assert_eq!(
        (imported.exit, &imported.summary()["documents_restored"]),
        (0, &2.into())
    );
    fs::create_dir(place.path("out")).expect("a folder");
    let lines = place.json(&["--home", "a", "export", "--all", "--to", "out"]);
    assert_eq!((lines.exit, &lines.summary()["exported"]), (3, &1.into()));
    assert!(text(lines.of("warning")[0], "message").contains("out/my.lic is there already"));
    assert_eq!(
        fs::read(place.path("out/my.lic")).expect("written"),
        files_of("keygen-license")["encrypted.lic"]
    );
}

#[test]
fn a_backup_says_how_many_documents_it_holds() {
    let (place, books) = with_books();
    fs::create_dir(place.path("stick")).expect("a folder");
    let ran = place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let count = format!("backed up {} license documents to stick", books.len());
    assert!(ran.stdout.contains(&count), "{}", ran.stdout);
    let lines = place.json(&["list", "stick"]);
    assert_eq!(lines.of("backup")[0]["documents"], books.len());
    let file = text(lines.of("backup")[0], "path");
    let ran = place.done(&["list", file]);
    assert!(
        ran.stdout.contains(&format!("{} license documents", books.len())),
        "{}",
        ran.stdout
    );
    let ran = place.done(&["--home", "b", "restore", "stick"]);
    assert!(
        ran.stdout
            .contains(&format!("{} license documents restored", books.len())),
        "{}",
        ran.stdout
    );
    let ran = place.done(&["--home", "b", "restore", "stick"]);
    assert!(
        ran.stdout
            .contains(&format!("{} license documents here already", books.len())),
        "{}",
        ran.stdout
    );
}

/// How `verify` counts documents that are all good.
fn words_of(documents: usize) -> String {
    format!("{documents} license documents read, {documents} good")
}

#[test]
fn documents_in_files_and_in_backups_are_shown() {
    let (place, books) = with_books();
    let (name, bytes) = books.iter().next().expect("a book");
    let file = place.json(&["show", &format!("books/{name}")]);
    let line = file.of("license-document")[0];
    assert_eq!(
        (text(line, "name"), text(line, "kind"), &line["bytes"]),
        (name.as_str(), "lcp", &bytes.len().into())
    );
    place
        .run(&["list", &format!("books/{name}")])
        .failed(1, &["is a Readium LCP license", "not a document of Keyferry"]);
    fs::create_dir(place.path("stick")).expect("a folder");
    let saved = place.json(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let verified = place.done(&["verify", "stick"]).stdout;
    let all = words_of(books.len());
    assert!(verified.contains(&all), "{all} is not in {verified}");
    let backup = place.json(&["show", text(saved.summary(), "path")]);
    assert_eq!(
        (backup.exit, backup.of("license-document").len()),
        (0, books.len())
    );
}
