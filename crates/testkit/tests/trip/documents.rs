//! License documents of other systems: part of every backup, restored on any computer without a service, to the byte.

use std::path::Path;

use keyferry::{Failure, Outcome, Silent, Skipped};
use keyferry_license::document::DocumentId;
use keyferry_store::NewDocument;
use keyferry_testkit::{Computer, Fault, NOW, World, files_below};

/// Bytes that no compression makes small, from a number.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Puts documents of these names and lengths into a store.
fn put(computer: &Computer, documents: &[(&str, usize)]) -> Vec<Vec<u8>> {
    let store = computer.store();
    let bytes: Vec<Vec<u8>> = documents
        .iter()
        .enumerate()
        .map(|(number, (_, length))| noise(number as u64 + 1, *length))
        .collect();
    for ((name, _), bytes) in documents.iter().zip(&bytes) {
        let kind = "document";
        let new = NewDocument { name, kind, bytes };
        store.put_document(&new, NOW).expect("kept");
    }
    bytes
}

fn here(computer: &Computer) -> Vec<(String, Vec<u8>)> {
    let store = computer.store();
    let bytes = |id: &DocumentId| store.document(id).expect("readable").expect("here");
    let documents = store.documents().expect("a list");
    documents
        .iter()
        .map(|document| (document.name.clone(), bytes(&document.id)))
        .collect()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).expect("readable");
    bytes[at] ^= 0x10;
    std::fs::write(file, bytes).expect("written");
}

#[test]
fn documents_alone_need_no_service() {
    let world = World::new();
    let old = world.computer("old laptop");
    let lengths = [
        ("a.lic", 1),
        ("b.lcpl", 61_440),
        ("c.lic", 4 << 20),
        ("a.lic", 4 << 20),
    ];
    let bytes = put(&old, &lengths);
    let stick = world.folder("stick");
    let report = world.back_up(&old, &stick);
    assert_eq!((report.documents.total, report.documents.backed_up), (4, 4));
    let new = world.computer("new laptop");
    let transport = world.direct();
    let plan = new
        .restorer(transport.clone())
        .plan_restore(&world.refused(&stick), std::sync::Arc::new(Silent));
    assert_eq!(plan.expect("a plan").documents.restored, 4);
    assert!(here(&new).is_empty(), "a plan stores nothing");
    let ended = new.restore(world.refused(&stick), transport.clone());
    assert_eq!((ended.failure(), ended.report().documents.restored), (None, 4));
    assert_eq!(transport.traffic().connections(), 0);
    assert_eq!(
        ended.events.transcript(),
        "BACKUPRESTORE_BEGIN 21 00000000\nBACKUPRESTORE_END 27 00000000\n"
    );
    let names = lengths.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(here(&new), names.zip(bytes).collect::<Vec<_>>());
    let again = new.restore(world.refused(&stick), transport);
    assert_eq!(
        (again.failure(), again.report().documents.already_here),
        (None, 4)
    );
    assert_eq!(here(&new).len(), 4);
}

#[test]
fn documents_come_where_licenses_do_not() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(2);
    put(&old, &[("book.lcpl", 5000)]);
    let both = world.folder("both");
    world.back_up(&old, &both);
    for (name, agreed, code) in [
        ("untrusting", false, "issuer-not-accepted"),
        ("offline", true, "service-unavailable"),
    ] {
        let new = world.computer(name);
        let ended = match agreed {
            true => world.restore_bent(&new, &both, Fault::Down),
            false => new.restore(world.refused(&both), world.direct()),
        };
        assert_eq!(
            (ended.hresult().as_str(), ended.exit_code()),
            ("C00D275F", 3),
            "{name}"
        );
        let report = ended.report();
        assert_eq!(report.documents.restored, 1, "{name}");
        assert!(report.counts.all_failed() == 2, "{code}: {:?}", report.counts);
        assert_eq!((here(&new).len(), new.opens(&issued)), (1, 0), "{name}");
    }
}

#[test]
fn a_damaged_document_is_named_and_the_others_come() {
    let world = World::new();
    let old = world.computer("old laptop");
    put(
        &old,
        &[("small.lic", 3000), ("large.lic", 3 << 20), ("last.lic", 200_000)],
    );
    let stick = world.folder("stick");
    world.back_up_bare(&old, &stick);
    let file = files_below(&stick).remove(0);
    let middle = std::fs::metadata(&file).expect("there").len() / 2;
    flip(&file, middle as usize);
    let new = world.computer("new laptop");
    let ended = new.restore(world.refused(&stick), world.direct());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    let counts = &ended.report().documents;
    assert_eq!(
        (counts.total, counts.restored, counts.failed["backup-corrupt"]),
        (3, 2, 1)
    );
    let lost: Vec<String> = ended
        .events
        .documents()
        .into_iter()
        .filter(|said| said.outcome == Outcome::Failed(Failure::BackupCorrupt))
        .map(|said| said.name)
        .collect();
    assert_eq!(lost, ["large.lic"]);
    let damage = &ended.report().damage;
    assert!(
        damage
            .iter()
            .any(|line| line == "1 of 3 license documents can't be read"),
        "{damage:?}"
    );
    assert_eq!(
        here(&new)
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        ["small.lic", "last.lic"]
    );
}

#[test]
fn a_backup_of_which_no_document_can_be_read_is_damaged() {
    let world = World::new();
    let old = world.computer("old laptop");
    put(&old, &[("only.lic", 100_000)]);
    let stick = world.folder("stick");
    world.back_up_bare(&old, &stick);
    let file = files_below(&stick).remove(0);
    let middle = std::fs::metadata(&file).expect("there").len() / 2;
    flip(&file, middle as usize);
    let new = world.computer("new laptop");
    let ended = new.restore(world.refused(&stick), world.direct());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2743", 5));
    assert_eq!(ended.report().documents.all_failed(), 1);
    assert!(here(&new).is_empty());
}

#[test]
fn the_same_bytes_under_another_name_are_told() {
    let world = World::new();
    let old = world.computer("old laptop");
    let bytes = put(&old, &[("first.lic", 700)]).remove(0);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    let new = world.computer("new laptop");
    let renamed = NewDocument {
        name: "renamed.lic",
        kind: "document",
        bytes: &bytes,
    };
    new.store().put_document(&renamed, NOW).expect("kept");
    let ended = new.restore(world.refused(&stick), world.direct());
    assert_eq!(
        (ended.failure(), ended.report().documents.already_here),
        (None, 1)
    );
    let told = ended.events.documents().remove(0);
    assert_eq!(told.name, "first.lic");
    assert!(told.why.is_some_and(|why| why.contains("renamed.lic")));
    assert_eq!(here(&new)[0].0, "renamed.lic");
}

#[test]
fn an_import_says_what_it_left() {
    let world = World::new();
    let computer = world.computer("laptop");
    let folder = world.folder("files");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let files = [
        write("note.txt", b"no license"),
        write("empty.lic", b""),
        folder.join("missing.lic"),
        write("large.lic", &noise(1, (4 << 20) + 1)),
    ];
    let restorer = computer.restorer(world.direct());
    let import = |forced| {
        restorer
            .import_documents(&files, forced, std::sync::Arc::new(Silent))
            .expect("an end")
    };
    let report = import(false);
    assert_eq!(
        (report.counts.total, report.skipped.len(), report.failure),
        (0, 4, Some(Failure::Other))
    );
    let words: Vec<&str> = report
        .skipped
        .iter()
        .map(|file| match &file.why {
            Skipped::NotTaken(what) => what.name(),
            _ => "unreadable",
        })
        .collect();
    assert_eq!(words, ["unknown", "empty", "unreadable", "too-large"]);
    let report = import(true);
    assert_eq!((report.counts.restored, report.skipped.len()), (1, 3));
    assert_eq!(report.failure, Some(Failure::NotAllStored));
    assert_eq!(here(&computer), [("note.txt".to_owned(), b"no license".to_vec())]);
}

#[test]
fn a_document_that_is_damaged_in_the_store_is_told_and_mended() {
    let world = World::new();
    let old = world.computer("old laptop");
    let bytes = put(&old, &[("a.lic", 900), ("b.lic", 900)]);
    let (before, after) = (world.folder("before"), world.folder("after"));
    world.back_up(&old, &before);
    let store = rusqlite::Connection::open(old.home().join("store.sqlite")).expect("a database");
    let alter = "UPDATE document SET bytes = zeroblob(900) WHERE name = 'a.lic'";
    assert_eq!(store.execute(alter, []).expect("altered"), 1);
    drop(store);
    let ended = old.backup(&after, false, world.direct());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    let counts = &ended.report().documents;
    assert_eq!((counts.backed_up, counts.failed["store-corrupt"]), (1, 1));
    let restored = old.restore(world.refused(&before), world.direct());
    let counts = &restored.report().documents;
    assert_eq!(
        (restored.failure(), counts.restored, counts.already_here),
        (None, 1, 1)
    );
    let mended = restored.events.documents().remove(0);
    assert!(mended.why.is_some_and(|why| why.contains("whole again")));
    assert_eq!(
        here(&old).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(),
        bytes
    );
    world.back_up(&old, &after);
}
