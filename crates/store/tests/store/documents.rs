//! License documents of other systems: what goes in comes out, once, and with the licenses of the same moment.

use std::path::{Path, PathBuf};

use keyferry_license::document::{DOCUMENT_LIMIT, DocumentId};
use keyferry_store::{DocumentInfo, Error, NewDocument, Put, Snapshot, Store};

use crate::several::at_once;
use crate::world::{Issuer, NOW, World};

fn new<'d>(name: &'d str, bytes: &'d [u8]) -> NewDocument<'d> {
    NewDocument {
        name,
        kind: "lcp",
        bytes,
    }
}

fn put(store: &Store, name: &str, bytes: &[u8]) -> DocumentId {
    store.put_document(&new(name, bytes), NOW).unwrap().id()
}

fn names(documents: &[DocumentInfo]) -> Vec<&str> {
    documents.iter().map(|document| document.name.as_str()).collect()
}

/// Names in a snapshot, each with its bytes.
fn in_snapshot(snapshot: &Snapshot) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let read = snapshot.for_each_document(|document| {
        found.push((document.info().name.clone(), document.bytes()?.to_vec()));
        Ok::<_, Error>(())
    });
    read.unwrap();
    assert_eq!(snapshot.document_count().unwrap(), found.len() as u64);
    found
}

/// The files in `testdata/documents/`, with the folder that says what each is.
fn look_alikes() -> Vec<(String, String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/documents");
    let listed = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut found = Vec::new();
    for folder in listed(&root) {
        for path in listed(&folder) {
            found.push((name(&folder), name(&path), std::fs::read(&path).unwrap()));
        }
    }
    found.retain(|(_, _, bytes)| !bytes.is_empty());
    found
}

#[test]
fn every_byte_comes_back() {
    let world = World::new();
    let all = look_alikes();
    assert!(all.len() > 20);
    let documents: Vec<_> = all
        .iter()
        .map(|(kind, name, bytes)| NewDocument { name, kind, bytes })
        .collect();
    let answers = world.store().put_documents(&documents, NOW).unwrap();
    let store = world.store();
    let listed = store.documents().unwrap();
    assert_eq!(listed.len(), all.len());
    for (((kind, name, bytes), answer), info) in all.iter().zip(answers).zip(&listed) {
        let id = DocumentId::of(bytes);
        assert_eq!(answer, Put::Added(id));
        assert_eq!(store.document(&id).unwrap().as_deref(), Some(bytes.as_slice()));
        let expected = DocumentInfo {
            id,
            name: name.clone(),
            kind: kind.clone(),
            size: bytes.len() as u64,
            time: NOW,
        };
        assert_eq!(*info, expected);
    }
    let read = in_snapshot(&store.snapshot().unwrap());
    assert!(
        read.iter()
            .map(|(_, bytes)| bytes)
            .eq(all.iter().map(|(_, _, bytes)| bytes))
    );
    assert_eq!(store.document(&DocumentId([0; 32])).unwrap(), None);
}

#[test]
fn the_same_bytes_are_one_document_under_their_first_name() {
    let world = World::new();
    let store = world.store();
    let id = put(&store, "first.lcpl", b"bytes");
    let again = NewDocument {
        kind: "document",
        ..new("second.lcpl", b"bytes")
    };
    let here = Put::AlreadyHere {
        id,
        name: "first.lcpl".into(),
    };
    assert_eq!(store.put_document(&again, NOW + 1).unwrap(), here);
    let twice = [new("third.lcpl", b"other"), new("fourth.lcpl", b"other")];
    let answers = store.put_documents(&twice, NOW + 2).unwrap();
    assert!(matches!(
        answers.as_slice(),
        [Put::Added(_), Put::AlreadyHere { name, .. }] if name == "third.lcpl"
    ));
    let listed = store.documents().unwrap();
    assert_eq!(names(&listed), ["first.lcpl", "third.lcpl"]);
    assert_eq!((listed[0].kind.as_str(), listed[0].time), ("lcp", NOW));
}

#[test]
fn one_name_may_stand_for_two_documents() {
    let world = World::new();
    let store = world.store();
    let (one, two) = (put(&store, "book.lcpl", b"one"), put(&store, "book.lcpl", b"two"));
    assert_ne!(one, two);
    assert_eq!(names(&store.documents().unwrap()), ["book.lcpl", "book.lcpl"]);
}

#[test]
fn a_name_is_kept_as_it_is() {
    let world = World::new();
    let store = world.store();
    let odd = [
        "a\x1b[31m\u{202e}.lic",
        " ",
        "-rf",
        "naïve.lcpl",
        &"x".repeat(255),
    ];
    for (name, bytes) in odd.iter().zip(1..) {
        put(&store, name, &[bytes]);
    }
    assert_eq!(names(&store.documents().unwrap()), odd);
}

#[test]
fn what_is_out_of_bounds_is_refused_and_nothing_else_comes() {
    let world = World::new();
    let store = world.store();
    let large = vec![1; DOCUMENT_LIMIT + 1];
    let (long, kind) = ("x".repeat(256), "k".repeat(65));
    let mut refused: Vec<_> = ["", ".", "..", "a/b", "/", "a\\b", "a\0b", &long]
        .into_iter()
        .map(|name| new(name, b"bytes"))
        .collect();
    refused.extend([new("name", b""), new("name", &large)]);
    for kind in ["", &kind] {
        refused.push(NewDocument {
            kind,
            ..new("name", b"bytes")
        });
    }
    for document in refused {
        assert!(matches!(
            store.put_document(&document, NOW),
            Err(Error::License(_))
        ));
        let both = [new("good", b"good"), document];
        assert!(matches!(store.put_documents(&both, NOW), Err(Error::License(_))));
    }
    assert!(store.documents().unwrap().is_empty());
    let id = put(&store, "name", &large[1..]);
    assert_eq!(store.document(&id).unwrap().unwrap().len(), DOCUMENT_LIMIT);
    let unknown = NewDocument {
        kind: "of a later version",
        ..new("later", b"later")
    };
    store.put_document(&unknown, NOW).unwrap();
    assert_eq!(store.documents().unwrap()[1].kind, "of a later version");
}

#[test]
fn a_snapshot_has_documents_and_licenses_of_one_moment() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    store.insert(&[issuer.license(1)]).unwrap();
    put(&store, "before", b"before");
    let snapshot = store.snapshot().unwrap();
    let other = world.store();
    put(&other, "after", b"after");
    other.insert(&[issuer.license(2)]).unwrap();
    assert_eq!(snapshot.count(), 1);
    assert_eq!(in_snapshot(&snapshot), [("before".into(), b"before".to_vec())]);
    let mut licenses = 0;
    let counted = snapshot.for_each(|_| {
        licenses += 1;
        Ok::<_, Error>(())
    });
    counted.unwrap();
    assert_eq!(licenses, 1);
    let later = store.snapshot().unwrap();
    assert_eq!((later.count(), later.document_count().unwrap()), (2, 2));
}

#[test]
fn a_reader_of_a_snapshot_may_stop() {
    let world = World::new();
    let store = world.store();
    put(&store, "one", b"one");
    put(&store, "two", b"two");
    let mut seen = 0;
    let stopped = store.snapshot().unwrap().for_each_document(|_| {
        seen += 1;
        Err(Error::NotPending)
    });
    assert!(matches!(stopped, Err(Error::NotPending)));
    assert_eq!(seen, 1);
}

#[test]
fn an_altered_document_is_told_and_takes_nothing_from_the_others() {
    let world = World::new();
    let store = world.store();
    let (bad, good) = (put(&store, "bad", b"bad"), put(&store, "good", b"good"));
    let edit = "UPDATE document SET bytes = x'00' WHERE name = 'bad'";
    world.sqlite().execute(edit, []).unwrap();
    assert!(matches!(store.document(&bad), Err(Error::DamagedDocument { id }) if id == bad));
    assert_eq!(store.document(&good).unwrap().unwrap(), b"good");
    let mut told = Vec::new();
    let read = store.snapshot().unwrap().for_each_document(|document| {
        told.push(document.bytes().is_ok());
        Ok::<_, Error>(())
    });
    read.unwrap();
    assert_eq!(told, [false, true]);
    // What it says of itself is true: coming again repairs it.
    let whole = Put::Repaired {
        id: bad,
        name: "bad".into(),
    };
    assert_eq!(store.put_document(&new("other", b"bad"), NOW).unwrap(), whole);
    assert_eq!(store.document(&bad).unwrap().unwrap(), b"bad");
    assert_eq!(names(&store.documents().unwrap()), ["bad", "good"]);
}

#[test]
fn a_value_of_another_kind_is_damage_of_that_document() {
    let world = World::new();
    let store = world.store();
    let id = put(&store, "one", b"one");
    for bytes in ["'text'", "1"] {
        let edit = format!("UPDATE document SET bytes = {bytes}");
        world.sqlite().execute(&edit, []).unwrap();
        assert!(matches!(store.document(&id), Err(Error::DamagedDocument { .. })));
        let again = store.put_document(&new("one", b"one"), NOW).unwrap();
        assert!(matches!(again, Put::Repaired { .. }), "{bytes}");
        assert_eq!(in_snapshot(&store.snapshot().unwrap()).len(), 1);
    }
}

#[test]
fn a_document_that_comes_twice_at_once_is_there_once() {
    let world = World::new();
    drop(world.store());
    let answers = at_once(6, |n| {
        let store = world.store();
        let own = format!("own {n}");
        put(&store, &own, own.as_bytes());
        store.put_document(&new(&own, b"shared"), NOW).unwrap()
    });
    let added = answers.iter().filter(|put| matches!(put, Put::Added(_)));
    assert_eq!(added.count(), 1);
    assert_eq!(world.store().documents().unwrap().len(), 7);
}

#[test]
fn documents_go_with_their_store() {
    let world = World::new();
    put(&world.store(), "book.lcpl", b"bytes");
    assert_eq!(world.store().documents().unwrap().len(), 1);
    world.delete_store();
    assert!(world.store().documents().unwrap().is_empty());
}
