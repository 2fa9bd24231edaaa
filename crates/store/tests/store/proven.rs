//! When a backup was last proven restorable.

use crate::world::{NOW, World};

fn backup(number: u16) -> [u8; 16] {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    id
}

#[test]
fn the_latest_time_is_kept_over_openings() {
    let world = World::new();
    let store = world.store();
    assert_eq!(store.last_proven(&backup(1)).unwrap(), None);
    for (time, latest) in [(NOW, NOW), (NOW + 9, NOW + 9), (NOW + 3, NOW + 9)] {
        store.record_proven(&backup(1), time).unwrap();
        assert_eq!(store.last_proven(&backup(1)).unwrap(), Some(latest));
    }
    drop(store);
    let store = world.store();
    assert_eq!(store.last_proven(&backup(1)).unwrap(), Some(NOW + 9));
    assert_eq!(store.last_proven(&backup(2)).unwrap(), None);
}

#[test]
fn a_thousand_are_remembered_and_the_one_that_came_last_among_them() {
    let world = World::new();
    let store = world.store();
    for number in 0..1000 {
        store
            .record_proven(&backup(number), NOW + u64::from(number))
            .unwrap();
    }
    assert_eq!(store.last_proven(&backup(0)).unwrap(), Some(NOW));
    // By a clock that was wrong.
    store.record_proven(&backup(2000), 5).unwrap();
    assert_eq!(store.last_proven(&backup(2000)).unwrap(), Some(5));
    assert_eq!(store.last_proven(&backup(0)).unwrap(), None);
    assert_eq!(store.last_proven(&backup(1)).unwrap(), Some(NOW + 1));
}
