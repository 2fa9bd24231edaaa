//! Several processes on one home, each with a store of its own; here they are threads.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use keyferry_license::{PLAY, Secret32, Thumbprint};
use keyferry_store::{Error, Inserted, Opener, Snapshot, Store, UseError};

use crate::world::{Issuer, NOW, World, counted, key_id};

/// Runs `work` in so many threads that start together.
pub fn at_once<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(threads);
    let run = |n| {
        barrier.wait();
        work(n)
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|n| scope.spawn(move || run(n)))
            .collect::<Vec<_>>();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}

#[test]
fn it_may_be_sent_to_another_thread() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Store>();
    is_send::<Snapshot>();
    is_send::<Opener>();
    is_sync::<Opener>();
}

#[test]
fn many_openings_of_an_empty_home_make_one_computer() {
    let world = World::new();
    let opened = at_once(12, |_| {
        let store = world.store();
        (store.id(), store.is_new_computer())
    });
    assert!(opened.iter().all(|(id, _)| *id == opened[0].0));
    assert_eq!(opened.iter().filter(|(_, new)| *new).count(), 1);
}

#[test]
fn no_use_is_lost_or_given_twice() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    store.accept_root(&issuer.card, None, NOW).unwrap();
    store.insert(&[issuer.limited(1, counted(40))]).unwrap();
    let used = AtomicUsize::new(0);
    at_once(6, |_| {
        let store = world.store();
        for _ in 0..10 {
            match store.use_key(&key_id(1), None, PLAY, NOW) {
                Ok(_) => drop(used.fetch_add(1, Ordering::Relaxed)),
                Err(UseError::Denied { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    });
    assert_eq!(used.into_inner(), 40);
    drop(store);
    drop(world.store());
}

#[test]
fn nobody_overwrites_what_another_one_wrote_into_computer_key() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    store.accept_root(&issuer.card, None, NOW).unwrap();
    store.insert(&[issuer.limited(1, counted(1000))]).unwrap();
    at_once(5, |n| {
        let store = world.store();
        for round in 0..8u8 {
            match n {
                0 => store.record_consent(&Thumbprint([round; 32]), NOW).unwrap(),
                1 => store
                    .add_return_key([round; 16], &Secret32::generate().unwrap())
                    .unwrap(),
                2 => store.set_name(&format!("Name {round}")).unwrap(),
                3 => store
                    .expect_up_to(issuer.license(100 + round).grant.license)
                    .unwrap(),
                _ => drop(store.use_key(&key_id(1), None, PLAY, NOW).unwrap()),
            }
        }
    });
    let again = world.store();
    for round in 0..8u8 {
        assert_eq!(again.consent(&Thumbprint([round; 32])).unwrap(), Some(NOW));
        assert!(again.return_key(&[round; 16]).unwrap().is_some());
    }
    assert_eq!(again.name().unwrap(), "Name 7");
    assert_eq!(again.taken().unwrap(), Some(issuer.license(107).grant.license));
    assert_eq!(
        again.use_key(&key_id(1), None, PLAY, NOW).unwrap().left(),
        Some(991)
    );
}

#[test]
fn a_license_that_comes_twice_at_once_is_there_once() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let batch: Vec<_> = (0..30).map(|n| issuer.license(n)).collect();
    let answers = at_once(4, |_| world.store().insert(&batch).unwrap());
    for n in 0..30 {
        let added = answers
            .iter()
            .filter(|answer| matches!(answer[n], Inserted::Added { .. }))
            .count();
        assert_eq!(added, 1);
    }
    assert_eq!(world.store().count().unwrap(), 30);
}

#[test]
fn one_operation_at_a_time() {
    let world = World::new();
    let (store, other) = (world.store(), world.store());
    let held = store.operation_lock().unwrap();
    assert!(matches!(other.operation_lock(), Err(Error::Busy { .. })));
    assert!(matches!(store.operation_lock(), Err(Error::Busy { .. })));
    // Using a key doesn't wait for it.
    let issuer = Issuer::new("Issuer");
    other.accept_root(&issuer.card, None, NOW).unwrap();
    other.insert(&[issuer.limited(1, counted(1))]).unwrap();
    assert!(other.use_key(&key_id(1), None, PLAY, NOW).is_ok());
    drop(held);
    drop(other.operation_lock().unwrap());
}
