//! The checkpoint between both files: a store that was put back is noticed, a machine that stopped anywhere is not
//! mistaken for one.

use keyferry_license::PLAY;
use keyferry_store::{Error, Tombstone, UseError};

use crate::world::{Issuer, NOW, World, counted, key_id};

/// A computer with a license of five uses.
fn prepared() -> (World, Issuer) {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    store.accept_root(&issuer.card, None, NOW).unwrap();
    store.insert(&[issuer.limited(1, counted(5))]).unwrap();
    drop(store);
    (world, issuer)
}

fn play(world: &World) -> Result<Option<u32>, UseError> {
    world
        .store()
        .use_key(&key_id(1), None, PLAY, NOW)
        .map(|used| used.left())
}

#[test]
fn an_older_store_is_noticed() {
    let (world, _) = prepared();
    let (_, before) = world.copy();
    assert_eq!(play(&world).unwrap(), Some(4));
    world.delete_store();
    world.put_back("store.sqlite", &before);
    for _ in 0..2 {
        assert!(matches!(world.try_store(), Err(Error::CheckpointFailed { .. })));
    }
    world.delete_store();
    assert_eq!(world.store().count().unwrap(), 0);
}

#[test]
fn a_store_that_came_before_the_present_one_is_noticed() {
    let (world, _) = prepared();
    let (_, before) = world.copy();
    world.delete_store();
    drop(world.store());
    world.delete_store();
    world.put_back("store.sqlite", &before);
    assert!(matches!(world.try_store(), Err(Error::CheckpointFailed { .. })));
}

#[test]
fn a_store_put_back_after_a_removal_is_noticed() {
    let (world, issuer) = prepared();
    let (_, before) = world.copy();
    let license = issuer.limited(1, counted(5)).grant.license;
    world
        .store()
        .bury(&[(issuer.id(), license)], Tombstone::Released, NOW)
        .unwrap();
    world.delete_store();
    world.put_back("store.sqlite", &before);
    assert!(matches!(world.try_store(), Err(Error::CheckpointFailed { .. })));
}

#[test]
fn a_counter_written_by_hand_is_noticed() {
    let (world, _) = prepared();
    let (_, before) = world.copy();
    play(&world).unwrap();
    world.delete_store();
    world.put_back("store.sqlite", &before);
    for edit in [
        "counter = counter + 1",
        "store = zeroblob(16)",
        "floor_taken = zeroblob(16)",
    ] {
        world
            .sqlite()
            .execute(&format!("UPDATE meta SET {edit}"), [])
            .unwrap();
        assert!(matches!(world.try_store(), Err(Error::Damaged { .. })), "{edit}");
    }
    world.sqlite().execute("DELETE FROM meta", []).unwrap();
    assert!(matches!(world.try_store(), Err(Error::Damaged { .. })));
}

#[test]
fn a_store_that_is_ahead_is_fine() {
    let (world, issuer) = prepared();
    let (key, _) = world.copy();
    play(&world).unwrap();
    // The machine stopped between the store and computer.key.
    world.put_back("computer.key", &key);
    assert_eq!(play(&world).unwrap(), Some(3));
    let (key, _) = world.copy();
    let license = issuer.license(2);
    world.store().insert(std::slice::from_ref(&license)).unwrap();
    world
        .store()
        .bury(&[(issuer.id(), license.grant.license)], Tombstone::Revoked, NOW)
        .unwrap();
    world.put_back("computer.key", &key);
    assert_eq!(play(&world).unwrap(), Some(2));
}

#[test]
fn a_store_that_was_never_finished_is_made_again() {
    let (world, _) = prepared();
    world.delete_store();
    // computer.key was told of the new store, and the machine stopped before it was there.
    drop(world.store());
    world.delete_store();
    world.put_back("store.sqlite", b"");
    assert_eq!(world.store().count().unwrap(), 0);
    assert_eq!(world.store().count().unwrap(), 0);
}

#[test]
fn what_a_stopped_replacement_leaves_behind_does_not_matter() {
    let (world, _) = prepared();
    std::fs::write(world.file("computer.new"), b"half of a new com").unwrap();
    let store = world.store();
    assert!(!world.file("computer.new").exists());
    store.set_name("Still here").unwrap();
    assert_eq!(world.store().name().unwrap(), "Still here");
}

#[test]
fn a_store_exchanged_under_an_open_one_is_noticed() {
    let (world, issuer) = prepared();
    let store = world.store();
    world.delete_store();
    drop(world.store());
    let used = store.use_key(&key_id(1), None, PLAY, NOW);
    assert!(
        matches!(used, Err(UseError::Store(Error::CheckpointFailed { .. }))),
        "{used:?}"
    );
    assert!(matches!(
        store.insert(&[issuer.license(2)]),
        Err(Error::CheckpointFailed { .. })
    ));
}

#[test]
fn a_newer_store_is_named() {
    let (world, _) = prepared();
    world.sqlite().pragma_update(None, "user_version", 99).unwrap();
    let Err(
        error @ Error::Newer {
            found: 99, known: 4, ..
        },
    ) = world.try_store()
    else {
        panic!("opened");
    };
    assert!(error.to_string().contains("newer"), "{error}");
}

#[test]
fn a_foreign_database_is_not_taken_over() {
    let world = World::new();
    drop(world.store());
    world.delete_store();
    world
        .sqlite()
        .execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')")
        .unwrap();
    assert!(matches!(world.try_store(), Err(Error::Damaged { .. })));
    let kept: String = world
        .sqlite()
        .query_row("SELECT text FROM notes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, "mine");
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let world = World::new();
    drop(world.store());
    world.delete_store();
    world.put_back("store.sqlite", &[7; 5000]);
    assert!(matches!(world.try_store(), Err(Error::Damaged { .. })));
}

#[test]
fn a_change_of_computer_key_keeps_what_the_slots_say() {
    let (world, issuer) = prepared();
    let (_, before) = world.copy();
    play(&world).unwrap();
    let store = world.store();
    store.set_name("Another name").unwrap();
    assert_eq!(store.taken().unwrap(), Some(issuer.license(1).grant.license));
    drop(store);
    world.delete_store();
    world.put_back("store.sqlite", &before);
    assert!(matches!(world.try_store(), Err(Error::CheckpointFailed { .. })));
}

#[test]
fn a_machine_that_stops_with_an_open_store_loses_nothing() {
    let (world, after) = (prepared().0, World::new());
    let store = world.store();
    store.use_key(&key_id(1), None, PLAY, NOW).unwrap();
    std::fs::create_dir(after.home()).unwrap();
    for name in ["computer.key", "store.sqlite", "store.sqlite-wal"] {
        std::fs::copy(world.file(name), after.file(name)).unwrap();
    }
    assert_eq!(play(&after).unwrap(), Some(3));
}

#[test]
fn what_sqlite_left_beside_a_deleted_store_does_not_come_back() {
    let (world, after) = (prepared().0, World::new());
    let store = world.store();
    store.use_key(&key_id(1), None, PLAY, NOW).unwrap();
    std::fs::create_dir(after.home()).unwrap();
    for name in ["computer.key", "store.sqlite-wal", "store.sqlite-shm"] {
        std::fs::copy(world.file(name), after.file(name)).unwrap();
    }
    assert_eq!(after.store().count().unwrap(), 0);
    assert_eq!(after.store().id(), store.id());
}
