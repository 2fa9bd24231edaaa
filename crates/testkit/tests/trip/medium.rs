//! Must hold: a backup is on its medium whole or not at all, and an earlier one is never touched unless that was asked
//! for.

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use keyferry::{BACKUP_PATH, BackupOptions, Error, Failure, RestoreOptions, Restorer, Silent};
use keyferry_archive::Parity;
use keyferry_archive::medium::{BackupName, FolderMedium, Medium, Published, Stage, publish};
use keyferry_testkit::{Recorder, Seen, Wanted, World, files_below};

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let name = |path: std::path::PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    files_below(folder).into_iter().filter_map(name).collect()
}

#[test]
fn an_existing_backup_is_left_alone() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(3);
    let file = files_below(&stick).remove(0);
    let before = std::fs::read(&file).unwrap();
    let ended = old.backup(&stick, false, world.direct());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2742", 4));
    assert_eq!(std::fs::read(&file).unwrap(), before, "unchanged to the byte");
    assert_eq!(files_below(&stick), [file]);
}

#[test]
fn overwriting_replaces_this_computers_backup_alone() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    let other = world.computer("other laptop");
    let foreign = world.issue(&other, &Wanted::many(2, None));
    let report = world.back_up(&other, &stick);
    assert!(!report.replaced);
    let untouched = std::fs::read(&report.path).unwrap();
    let more = world.issue(&old, &Wanted::many(3, None));
    let report = world.back_up(&old, &stick);
    assert!(report.replaced);
    assert_eq!(report.counts.backed_up, 5);
    assert_eq!(names(&stick).len(), 2, "{:?}", names(&stick));
    assert!(
        files_below(&stick)
            .iter()
            .any(|file| std::fs::read(file).unwrap() == untouched)
    );
    let new = world.computer("new laptop");
    let both = world.restore(&new, &stick);
    assert_eq!(both.exit_code(), 2, "it doesn't guess whose");
    let from = RestoreOptions {
        from: Some("old laptop".into()),
        ..world.agreed(&stick)
    };
    assert_eq!(new.restore(from, world.direct()).failure(), None);
    assert_eq!(
        (new.opens(&issued), new.opens(&more), new.opens(&foreign)),
        (2, 3, 0)
    );
}

#[test]
fn the_old_backup_is_there_until_the_new_one_was_read_back() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(3);
    let file = files_below(&stick).remove(0);
    let before = std::fs::read(&file).unwrap();
    // The object tells of every license while it writes: the old file is whole then.
    let seen = Arc::new(Mutex::new(0));
    let (watch, count, whole) = (file.clone(), seen.clone(), before.clone());
    let events = Arc::new(Recorder::with(move |told| {
        if matches!(told, Seen::Outcome(_)) {
            assert_eq!(std::fs::read(&watch).expect("it is there"), whole);
            *count.lock().expect("a count") += 1;
        }
    }));
    let options = BackupOptions {
        folder: Some(stick.clone()),
        overwrite: true,
        ..BackupOptions::default()
    };
    let running = old
        .restorer(world.direct())
        .backup(options, events)
        .expect("started");
    running.wait().expect("backed up");
    assert_eq!(*seen.lock().unwrap(), 3);
    let after = std::fs::read(&file).unwrap();
    assert_ne!(after, before);

    // The last step before the new name: the old file is still whole, and stays when that step fails.
    let name = BackupName::current(&old.card().thumbprint());
    let failed: Result<Published<()>, Error> = publish(
        &FolderMedium::new(&stick),
        &name.to_string(),
        true,
        Parity::None,
        |out| {
            out.write_all(b"something else").expect("written");
            Ok(())
        },
        |_, ()| {
            assert_eq!(std::fs::read(&file).expect("it is there"), after);
            Err(Error::Canceled)
        },
    );
    assert!(matches!(failed, Err(Error::Canceled)));
    assert_eq!((std::fs::read(&file).unwrap(), names(&stick).len()), (after, 1));
}

#[test]
fn nobody_said_where() {
    let world = World::new();
    let (old, ..) = world.backed_up(1);
    let restorer = old.restorer(world.direct());
    let backup = restorer
        .backup(BackupOptions::default(), Arc::new(Silent))
        .expect_err("no path");
    let restore = restorer
        .restore(RestoreOptions::default(), Arc::new(Silent))
        .expect_err("no path");
    for error in [backup, restore] {
        assert_eq!(error.failure(), Failure::NoPath);
        assert_eq!(
            (error.failure().hresult().0, error.failure().exit_code()),
            (0xC00D_2749, 2)
        );
    }
}

#[test]
fn a_property_says_where() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(1);
    let other = world.folder("other stick");
    let restorer = old.restorer(world.direct());
    restorer
        .set_property(BACKUP_PATH, other.display().to_string())
        .unwrap();
    restorer
        .backup(BackupOptions::default(), Arc::new(Silent))
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(names(&other), names(&stick));
    let new = world.computer("new laptop");
    assert_eq!(world.restore(&new, &other).failure(), None);
    assert_eq!(new.opens(&issued), 1);
}

#[test]
fn a_folder_that_is_missing_is_not_made() {
    let world = World::new();
    let (old, ..) = world.backed_up(1);
    let missing = world.path("not there");
    let file = world.path("a file");
    std::fs::write(&file, b"I am a file").unwrap();
    for place in [&missing, &missing.join("below"), &file, &file.join("below")] {
        let backup = old.backup(place, true, world.direct());
        assert_eq!(
            (backup.failure(), backup.exit_code()),
            (Some(Failure::NoMedium), 10),
            "{place:?}"
        );
    }
    assert!(!missing.exists());
    assert_eq!(std::fs::read(&file).unwrap(), b"I am a file");
    let new = world.computer("new laptop");
    let empty = world.folder("empty");
    for place in [missing, empty] {
        let restore = world.restore(&new, &place);
        assert_eq!(
            (restore.failure(), restore.exit_code()),
            (Some(Failure::NoMedium), 10),
            "{place:?}"
        );
    }
    let restore = world.restore(&new, &file);
    assert_eq!(
        (restore.failure(), restore.exit_code()),
        (Some(Failure::BackupCorrupt), 5)
    );
}

/// Starts a backup that stands still at its first license until the sender is used or dropped.
fn stopped(
    restorer: &Restorer,
    folder: &Path,
) -> (keyferry::Running<keyferry::BackupReport>, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let (arrived, here) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let events = Recorder::with(move |told| {
        if matches!(told, Seen::Outcome(_)) {
            let _ = arrived.send(());
            let _ = wait.lock().expect("a gate").recv();
        }
    });
    let options = BackupOptions {
        folder: Some(folder.into()),
        overwrite: true,
        ..BackupOptions::default()
    };
    let running = restorer.backup(options, Arc::new(events)).expect("started");
    here.recv().expect("it came to its first license");
    (running, go)
}

#[test]
fn one_object_runs_one_operation() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(1);
    let restorer = old.restorer(world.direct());
    let (running, go) = stopped(&restorer, &stick);
    let options = || BackupOptions {
        folder: Some(stick.clone()),
        overwrite: true,
        ..BackupOptions::default()
    };
    let events = Arc::new(Recorder::default());
    let clone = restorer.clone();
    for error in [
        restorer.backup(options(), events.clone()).err(),
        clone.restore(world.agreed(&stick), events.clone()).err(),
    ] {
        let failure = error.expect("busy").failure();
        assert_eq!(
            (failure.hresult().to_string().as_str(), failure.exit_code()),
            ("C00D2744", 11)
        );
    }
    assert!(events.statuses().is_empty(), "what didn't start tells nothing");
    drop(go);
    running.wait().expect("the first goes on");
    restorer
        .backup(options(), events.clone())
        .expect("free again")
        .wait()
        .expect("done");
}

#[test]
fn two_objects_of_one_computer_run_one_operation() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(1);
    let (running, go) = stopped(&old.restorer(world.direct()), &stick);
    let backup = old.backup(&stick, true, world.direct());
    assert_eq!((backup.hresult().as_str(), backup.exit_code()), ("C00D2744", 11));
    assert_eq!(
        backup.events.transcript(),
        "ERROR 0 C00D2744\nBACKUPRESTORE_END 27 C00D2744\n"
    );
    let restore = world.restore(&old, &stick);
    assert_eq!(
        (restore.hresult().as_str(), restore.exit_code()),
        ("C00D2744", 11)
    );
    drop(go);
    running.wait().expect("the first goes on");
    assert!(world.back_up(&old, &stick).replaced);
}

#[test]
fn the_file_itself_is_made_by_one_at_a_time() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(1);
    let file = files_below(&stick).remove(0);
    let before = std::fs::read(&file).unwrap();
    // As a process of the same computer would hold it that doesn't share this home's lock.
    let name = BackupName::current(&old.card().thumbprint());
    let medium = FolderMedium::new(&stick);
    let held = medium.create(&name.at(Stage::Temporary).to_string()).unwrap();
    let ended = old.backup(&stick, true, world.direct());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2744", 11));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    drop(held);
    world.back_up(&old, &stick);
}

#[test]
fn an_empty_store_makes_a_backup_that_restores() {
    let world = World::new();
    let old = world.computer("old laptop");
    let stick = world.folder("stick");
    let report = world.back_up(&old, &stick);
    assert_eq!((report.counts.total, report.counts.backed_up), (0, 0));
    let transport = world.direct();
    let ended = world
        .computer("new laptop")
        .restore(world.refused(&stick), transport.clone());
    assert_eq!((ended.failure(), ended.report().counts.total), (None, 0));
    assert_eq!(transport.traffic().connections(), 0);
    assert_eq!(
        ended.events.transcript(),
        "BACKUPRESTORE_BEGIN 21 00000000\nBACKUPRESTORE_END 27 00000000\n"
    );
}
