//! Selections: what the patterns name goes into a backup or comes out of one, and nothing else; the whole file is checked
//! all the same, and a selection never takes the place of more.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use keyferry::{BackupOptions, Encryption, Error, Failure, Only, Passphrase, RestoreOptions, Silent};
use keyferry_testkit::{Computer, Wanted, World, files_below};

fn only(patterns: &[&str]) -> Only {
    Only::new(patterns).expect("patterns")
}

fn titles(computer: &Computer) -> BTreeSet<String> {
    let (store, mut titles) = (computer.store(), BTreeSet::new());
    let snapshot = store.snapshot().expect("a snapshot");
    let each = snapshot.for_each(|license| {
        titles.insert(license.grant()?.claim().title.to_string());
        Ok::<_, keyferry_store::Error>(())
    });
    each.expect("licenses");
    titles
}

fn named(titles: &[&str]) -> BTreeSet<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

fn backing_up(folder: &Path, patterns: &[&str]) -> BackupOptions {
    BackupOptions {
        folder: Some(folder.into()),
        overwrite: true,
        only: only(patterns),
        ..BackupOptions::default()
    }
}

fn restoring(world: &World, from: &Path, patterns: &[&str]) -> RestoreOptions {
    RestoreOptions {
        only: only(patterns),
        ..world.agreed(from)
    }
}

/// Files of names that no program knows, as documents.
fn keep(world: &World, computer: &Computer, names: &[&str]) {
    let files: Vec<_> = names.iter().map(|name| world.path(name)).collect();
    for file in &files {
        std::fs::write(file, file.display().to_string()).expect("written");
    }
    let restorer = computer.restorer(world.direct());
    let report = restorer.import_documents(&files, true, Arc::new(Silent));
    assert_eq!(report.expect("imported").counts.restored, names.len() as u64);
}

#[test]
fn each_kind_of_pattern_selects_what_it_names() {
    let world = World::new();
    let old = world.computer("old laptop");
    let issued = world.issue(&old, &Wanted::many(12, None));
    keep(&world, &old, &["one.txt", "two.bin"]);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    let third = &issued[2].grant;
    let root = world.publisher.root().to_string();
    for (pattern, licenses, documents) in [
        (third.license.to_string(), &["Song 3"][..], 0),
        (
            format!("id:{}", third.license.to_string().to_uppercase()),
            &["Song 3"],
            0,
        ),
        (format!("key:{}", third.key_id.to_base64()), &["Song 3"], 0),
        (third.key_id.to_uuid(), &["Song 3"], 0),
        ("title:song 3".into(), &["Song 3"], 0),
        (
            format!("id:*{}", &third.license.to_string()[24..]),
            &["Song 3"],
            0,
        ),
        (
            format!("key:{}*", &third.key_id.to_base64()[..12]),
            &["Song 3"],
            0,
        ),
        ("*1?".into(), &["Song 10", "Song 11", "Song 12"], 0),
        ("issuer:North*".into(), &[], 12),
        (root[..8].into(), &[], 12),
        ("document:*.txt".into(), &[], 1),
        ("two.bin".into(), &[], 1),
    ] {
        old.lose_store();
        let ended = old.restore(restoring(&world, &stick, &[&pattern]), world.direct());
        let report = ended.report();
        assert_eq!(ended.failure(), None, "{pattern}: {report:?}");
        let came = report.counts.total + report.documents.total;
        if licenses.is_empty() {
            assert_eq!(came, documents, "{pattern}");
        } else {
            assert_eq!(titles(&old), named(licenses), "{pattern}");
            assert_eq!(report.documents.total, 0, "{pattern}");
        }
        assert_eq!(came + report.left_out, 14, "{pattern}");
    }
}

#[test]
fn a_backup_of_a_selection_holds_that_and_nothing_else() {
    let world = World::new();
    let old = world.computer("old laptop");
    world.issue(&old, &Wanted::many(12, None));
    keep(&world, &old, &["one.txt", "two.bin"]);
    let stick = world.folder("stick");
    let ended = old.backup_as(backing_up(&stick, &["title:*2", "one.*"]), world.direct());
    let report = ended.report();
    assert_eq!((report.counts.backed_up, report.documents.backed_up), (2, 1));
    assert_eq!((report.left_out, report.failure), (11, None));
    let new = world.computer("new laptop");
    let ended = world.restore(&new, &stick);
    assert_eq!(ended.failure(), None);
    assert_eq!(titles(&new), named(&["Song 2", "Song 12"]));
    assert_eq!(ended.report().documents.restored, 1);
}

#[test]
fn patterns_that_meet_nothing_are_named_and_alone_they_do_nothing() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let way = world.direct();
    let ended = new.restore(restoring(&world, &stick, &["Song 9", "key:!*"]), way.clone());
    let Err(Error::NothingFits { patterns, .. }) = &ended.result else {
        panic!("{:?}", ended.result);
    };
    assert_eq!(patterns, &["Song 9", "key:!*"]);
    assert_eq!((ended.failure(), ended.exit_code()), (Some(Failure::NoMatch), 1));
    assert_eq!(way.traffic().connections(), 0, "nobody is asked");
    let ended = new.restore(restoring(&world, &stick, &["Song 1", "Song 9"]), world.direct());
    assert_eq!(
        (ended.exit_code(), &ended.report().unmet),
        (3, &vec!["Song 9".to_owned()])
    );
    assert_eq!(titles(&new), named(&["Song 1"]));

    let other = world.folder("other");
    let ended = old.backup_as(backing_up(&other, &["nothing"]), world.direct());
    assert_eq!(ended.failure(), Some(Failure::NoMatch));
    assert!(files_below(&other).is_empty(), "and nothing is written");
    let ended = old.backup_as(backing_up(&other, &["nothing", "song 2"]), world.direct());
    assert_eq!((ended.exit_code(), ended.report().counts.backed_up), (3, 1));
    let plan = old.restorer(world.direct());
    let plan = plan.plan_backup(&backing_up(&other, &["song 2"]), Arc::new(Silent));
    let plan = plan.expect("a plan");
    assert_eq!((plan.counts.backed_up, plan.left_out), (1, 2));
}

#[test]
fn a_selection_never_takes_the_place_of_more() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(3);
    let before = std::fs::read(&files_below(&stick)[0]).expect("a backup");
    for patterns in [&["Song 1"][..], &["Song [12]"]] {
        let ended = old.backup_as(backing_up(&stick, patterns), world.direct());
        assert!(
            matches!(ended.result, Err(Error::WouldLose { partial: true, .. })),
            "{:?}",
            ended.result
        );
        assert_eq!(ended.exit_code(), 4);
        assert_eq!(
            std::fs::read(&files_below(&stick)[0]).expect("still there"),
            before
        );
        let plan = old.restorer(world.direct());
        let plan = plan.plan_backup(&backing_up(&stick, patterns), Arc::new(Silent));
        assert!(matches!(plan, Err(Error::WouldLose { .. })), "{plan:?}");
    }
    // Nothing there is more than this.
    let ended = old.backup_as(backing_up(&stick, &["Song ?"]), world.direct());
    assert_eq!((ended.failure(), ended.report().replaced), (None, true));
    // What was there and has left the computer is more than what is here.
    old.release(Some(&issued[..1]), world.direct());
    let ended = old.backup_as(backing_up(&stick, &["Song ?"]), world.direct());
    assert_eq!(ended.failure(), Some(Failure::BackupExists));
    let all = old.backup(&stick, true, world.direct());
    assert_eq!(all.failure(), None, "everything may");
}

#[test]
fn an_encrypted_backup_is_compared_when_the_passphrase_is_the_same() {
    let world = World::new();
    let old = world.computer("old laptop");
    world.issue(&old, &Wanted::many(3, None));
    let stick = world.folder("stick");
    let with = |passphrase: &str, patterns: &[&str]| BackupOptions {
        encryption: Encryption::Passphrase(Passphrase::new(passphrase.to_owned()).expect("a passphrase")),
        ..backing_up(&stick, patterns)
    };
    for (passphrase, patterns, exit) in [
        ("one", &["Song 1"][..], 0),
        ("one", &["Song 2"], 4),
        ("two", &["Song 1"], 4),
        ("one", &["Song [12]"], 0),
    ] {
        let ended = old.backup_as(with(passphrase, patterns), world.direct());
        assert_eq!(
            ended.exit_code(),
            exit,
            "{passphrase} {patterns:?}: {:?}",
            ended.result
        );
    }
}

#[test]
fn damage_elsewhere_is_told_to_who_restores_a_selection() {
    let world = World::new();
    // More than one frame.
    let (old, _, stick) = world.backed_up(2000);
    world.back_up_bare(&old, &stick);
    let file = files_below(&stick).remove(0);
    let mut bytes = std::fs::read(&file).expect("a backup");
    let frames: Vec<usize> = (0..bytes.len() - 8)
        .filter(|at| &bytes[*at..at + 8] == b"KFframe\n")
        .collect();
    assert!(frames.len() > 2, "{frames:?}");
    bytes[frames[1] + 1000] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let new = world.computer("new laptop");
    let ended = new.restore(restoring(&world, &file, &["Song 1"]), world.direct());
    assert_eq!(titles(&new), named(&["Song 1"]));
    assert_eq!(ended.exit_code(), 3, "{:?}", ended.report());
    assert!(
        ended.report().damage[0].contains("frame"),
        "{:?}",
        ended.report().damage
    );
    // Of what may have been lost nobody says that it was not there.
    let ended = new.restore(restoring(&world, &file, &["Song x"]), world.direct());
    assert_eq!(
        ended.failure(),
        Some(Failure::BackupCorrupt),
        "{:?}",
        ended.result
    );
}
