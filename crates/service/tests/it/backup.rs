//! A service out of its backup: the same keys, the same rows, and in recovery; from anything else nothing is made.

use std::path::Path;

use keyferry_protocol::{Reason, Verdict};
use keyferry_service::{KEY_FILE, LEDGER_FILE, Restored, Service, ServiceConfig, policy::Policy};
use keyferry_service::{restore_backup, rotate, write_backup};
use rusqlite::Connection;

use crate::world::{NOW, World};

const LATER: u64 = 4_000_000_000;

fn backed_up(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    let told = write_backup(world.dir.path(), true, &mut bytes, LATER).unwrap();
    assert_eq!(
        (told.card.as_bytes(), told.time),
        (world.service.card().as_bytes(), LATER)
    );
    assert!(told.ledger.unwrap() > 4096);
    bytes
}

fn restored(bytes: &[u8], dir: &Path) -> Result<Restored, String> {
    restore_backup(&mut &bytes[..], dir, LATER + 50).map_err(|error| error.to_string())
}

fn open(world: &World, dir: &Path) -> Service {
    let config = ServiceConfig {
        dir: dir.to_owned(),
        name: "Northwind Licenses".into(),
        url: world.service.url().into(),
        issuers: vec![],
        policy: Policy::default(),
    };
    Service::open(config).unwrap()
}

#[test]
fn a_restored_service_is_the_same_and_in_recovery() {
    let world = World::new();
    let (origin, mut holder, mut new) = (
        world.computer("old"),
        world.computer("second"),
        world.computer("third"),
    );
    let licenses = [world.issue(origin.id()), world.issue(origin.id())];
    world.restore(&mut holder, &licenses, NOW + 5);
    rotate(world.dir.path(), &[keyferry_license::KeyUse::Seal], LATER, LATER).unwrap();
    world.service.renew().unwrap();
    let bytes = backed_up(&world);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("again");
    let told = restored(&bytes, &dir).unwrap();
    assert_eq!((told.time, told.rows), (LATER, Some(2)));
    let recovery = told.recovery;
    assert_eq!(
        (recovery.started, recovery.since, recovery.ended),
        (LATER + 50, LATER - 86_400, None)
    );
    for name in [KEY_FILE, "service.card"] {
        let read = |dir: &Path| std::fs::read(dir.join(name)).unwrap();
        assert!(read(&dir) == read(world.dir.path()), "{name}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(KEY_FILE))), (0o700, 0o600));
    }
    let again = World {
        service: open(&world, &dir),
        ..world
    };
    assert_eq!(again.service.recovery().unwrap(), Some(recovery));
    let checked = again.restore(&mut holder, &licenses, LATER + 60);
    assert!(
        checked
            .receipt
            .entries
            .iter()
            .all(|entry| entry.verdict == Verdict::Reissued)
    );
    assert_eq!(checked.receipt.recovery, Some(recovery));
    let checked = again.restore(&mut new, &licenses, LATER + 60);
    assert!(
        checked
            .receipt
            .entries
            .iter()
            .all(|entry| entry.reason == Some(Reason::Recovery))
    );
    assert_eq!(checked.receipt.pages.len(), 1);
    // Nothing is left beside it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn keys_without_a_ledger_are_served_with_an_empty_one_that_knows_it() {
    let world = World::new();
    let mut bytes = Vec::new();
    assert_eq!(
        write_backup(world.dir.path(), false, &mut bytes, LATER)
            .unwrap()
            .ledger,
        None
    );
    let folder = tempfile::tempdir().unwrap();
    let told = restored(&bytes, &folder.path().join("again")).unwrap();
    assert_eq!(
        (told.rows, told.recovery.since, told.recovery.ended),
        (None, 0, None)
    );
    bytes.push(0);
    let error = restored(&bytes, &folder.path().join("longer")).unwrap_err();
    assert!(error.contains("more in it than it says"), "{error}");
}

#[test]
fn a_folder_that_holds_anything_is_left_alone() {
    let world = World::new();
    let bytes = backed_up(&world);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "mine").unwrap();
    for dir in [folder.path(), world.dir.path()] {
        let before = std::fs::read_dir(dir).unwrap().count();
        let error = restored(&bytes, dir).unwrap_err();
        assert!(error.contains("holds something already"), "{error}");
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), before);
    }
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    restored(&bytes, &empty).unwrap();
}

#[test]
fn what_is_not_whole_makes_nothing() {
    let world = World::new();
    let (origin, mut holder) = (world.computer("old"), world.computer("second"));
    let licenses: Vec<_> = (0..40).map(|_| world.issue(origin.id())).collect();
    world.restore(&mut holder, &licenses, NOW + 5);
    let bytes = backed_up(&world);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("again");
    let refused = |bytes: &[u8]| {
        let error = restored(bytes, &dir).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{error}");
        error
    };
    for len in [0, 5, 11, 12, 300, bytes.len() / 2, bytes.len() - 1] {
        refused(&bytes[..len]);
    }
    assert!(refused(b"KEYFSVC2----").contains("not the backup of a service"));
    assert!(refused(&[b"KEYFSVC1".as_slice(), &[255; 4]].concat()).contains("too long"));
    // A row that was altered: the database is whole, the chain is not.
    let file = folder.path().join("ledger");
    let start = bytes
        .windows(16)
        .position(|window| window == b"SQLite format 3\0")
        .unwrap();
    std::fs::write(&file, &bytes[start..]).unwrap();
    let ledger = Connection::open(&file).unwrap();
    ledger
        .execute("UPDATE licenses SET previous = randomblob(32)", [])
        .unwrap();
    drop(ledger);
    let altered = [&bytes[..start], &std::fs::read(&file).unwrap()].concat();
    std::fs::remove_file(&file).unwrap();
    assert!(refused(&altered).contains("doesn't follow the one before it"));
    // Keys of another service.
    let other = World::new();
    std::fs::copy(other.dir.path().join(KEY_FILE), world.dir.path().join(KEY_FILE)).unwrap();
    let error = write_backup(world.dir.path(), true, &mut Vec::new(), LATER)
        .unwrap_err()
        .to_string();
    assert!(error.contains("don't fit each other"), "{error}");
    std::fs::remove_file(world.dir.path().join(LEDGER_FILE)).unwrap();
    assert!(write_backup(folder.path(), true, &mut Vec::new(), LATER).is_err());
}
