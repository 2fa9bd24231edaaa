//! Handing out keys: order, counts, dates, and what is told when nothing allows it.

use keyferry_license::usage::Denied;
use keyferry_license::{BACKUP, Limits, PLAY};
use keyferry_store::{Arrival, Error, Store, UseError, Used};

use crate::world::{Issuer, NOW, World, arriving, counted, key_id};

const ANY: Limits = Limits {
    count: None,
    from: None,
    until: None,
    after_first_use: None,
    portion: None,
};

fn play(store: &Store, number: u8) -> Result<Used, UseError> {
    store.use_key(&key_id(number), None, PLAY, NOW)
}

fn denied(answer: Result<Used, UseError>) -> u32 {
    match answer {
        Err(UseError::Denied { denied, .. }) => denied.0,
        other => panic!("{other:?}"),
    }
}

fn opened(world: &World, issuers: &[&Issuer]) -> Store {
    let store = world.store();
    for issuer in issuers {
        store.accept_root(&issuer.card, None, NOW).unwrap();
    }
    store
}

#[test]
fn a_right_without_limits_is_used_without_end() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = opened(&world, &[&issuer]);
    let license = issuer.license(1);
    store.insert(std::slice::from_ref(&license)).unwrap();
    for _ in 0..10 {
        let used = play(&store, 1).unwrap();
        assert_eq!(used.key.expose(), license.key.expose());
        assert_eq!((used.left(), used.state), (None, None));
    }
}

#[test]
fn a_count_goes_down_to_nothing_and_stays_there() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = opened(&world, &[&issuer]);
    store.insert(&[issuer.limited(1, counted(3))]).unwrap();
    let left: Vec<_> = (0..3).map(|_| play(&world.store(), 1).unwrap().left()).collect();
    assert_eq!(left, [Some(2), Some(1), Some(0)]);
    for _ in 0..2 {
        assert_eq!(denied(play(&store, 1)), Denied::EXHAUSTED);
    }
}

#[test]
fn first_use_starts_the_clock() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = opened(&world, &[&issuer]);
    let license = issuer.limited(
        1,
        Limits {
            after_first_use: Some(100),
            ..ANY
        },
    );
    store.insert(std::slice::from_ref(&license)).unwrap();
    let at = |now| store.use_key(&key_id(1), None, PLAY, now);
    assert!(at(NOW).is_ok());
    assert!(at(NOW + 99).is_ok());
    assert_eq!(denied(at(NOW + 100)), Denied::EXPIRED);
    assert_eq!(denied(at(NOW - 1)), Denied::CLOCK);
    assert_eq!(
        store.state(&license.grant, PLAY).unwrap().unwrap().first_use,
        Some(NOW)
    );
    assert_eq!(store.state(&license.grant, BACKUP).unwrap(), None);
}

#[test]
fn a_restored_right_is_spent() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = opened(&world, &[&issuer]);
    store
        .insert(&[arriving(issuer.limited(1, counted(3)), Arrival::Receipt)])
        .unwrap();
    assert_eq!(denied(play(&store, 1)), Denied::EXHAUSTED);
}

#[test]
fn issuers_go_by_acceptance_then_licenses_by_priority() {
    let world = World::new();
    let (first, second) = (Issuer::new("First"), Issuer::new("Second"));
    let store = opened(&world, &[&first, &second]);
    let mut low = first.license_with(1, 1, &[(PLAY, counted(1))]);
    let high = second.license_with(1, 9, &[(PLAY, counted(1))]);
    store.insert(&[high, low.clone()]).unwrap();
    // A second license of the first issuer for the same key, with a higher priority.
    low = first.license_named(first.license(2).grant.license, 1, 5, &[(PLAY, counted(1))]);
    store.insert(&[low]).unwrap();
    let used: Vec<_> = (0..3)
        .map(|_| {
            let grant = play(&store, 1).unwrap().grant;
            (grant.issuer, grant.priority)
        })
        .collect();
    assert_eq!(used, [(first.id(), 5), (first.id(), 1), (second.id(), 9)]);
    assert_eq!(denied(play(&store, 1)), Denied::EXHAUSTED);
}

#[test]
fn an_issuer_can_be_named() {
    let world = World::new();
    let (first, second) = (Issuer::new("First"), Issuer::new("Second"));
    let store = opened(&world, &[&first, &second]);
    store.insert(&[first.license(1), second.license(1)]).unwrap();
    let used = store.use_key(&key_id(1), Some(&second.id()), PLAY, NOW).unwrap();
    assert_eq!(used.grant.issuer, second.id());
    let other = Issuer::new("Third").id();
    assert_eq!(
        denied(store.use_key(&key_id(1), Some(&other), PLAY, NOW)),
        Denied::NO_LICENSE
    );
}

#[test]
fn a_license_under_a_root_that_was_not_accepted_is_never_used() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    store.insert(&[issuer.license(1)]).unwrap();
    let Err(UseError::Denied {
        denied,
        nearest,
        not_accepted,
    }) = play(&store, 1)
    else {
        panic!("used");
    };
    assert_eq!(
        (denied.0, nearest, not_accepted),
        (Denied::NO_LICENSE, None, vec![issuer.id()])
    );
    // What another process accepts or removes counts at once.
    let other = world.store();
    other.accept_root(&issuer.card, None, NOW).unwrap();
    assert!(play(&store, 1).is_ok());
    other.remove_root(&issuer.id()).unwrap();
    assert!(play(&store, 1).is_err());
}

#[test]
fn refusals_add_up_and_name_the_nearest() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = opened(&world, &[&issuer]);
    assert_eq!(denied(play(&store, 1)), Denied::NO_LICENSE);
    let named = |n: u8, priority, rights: &[_]| {
        issuer.license_named(issuer.license(n).grant.license, 1, priority, rights)
    };
    let without = named(1, 9, &[(BACKUP, ANY)]);
    store.insert(std::slice::from_ref(&without)).unwrap();
    let Err(UseError::Denied {
        denied: bits,
        nearest,
        ..
    }) = play(&store, 1)
    else {
        panic!("used");
    };
    assert_eq!(
        (bits.0, nearest),
        (Denied::NO_RIGHT, Some((issuer.id(), without.grant.license)))
    );
    let over = named(
        2,
        8,
        &[(
            PLAY,
            Limits {
                until: Some(NOW),
                ..ANY
            },
        )],
    );
    let early = named(
        3,
        7,
        &[(
            PLAY,
            Limits {
                from: Some(NOW + 1),
                ..ANY
            },
        )],
    );
    store.insert(&[early, over.clone()]).unwrap();
    let Err(UseError::Denied {
        denied: bits,
        nearest,
        ..
    }) = play(&store, 1)
    else {
        panic!("used");
    };
    assert_eq!(bits.0, Denied::EXPIRED | Denied::NOT_STARTED);
    assert_eq!(nearest, Some((issuer.id(), over.grant.license)));
}

#[test]
fn a_refused_use_counts_nothing() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = opened(&world, &[&issuer]);
    let limits = Limits {
        until: Some(NOW + 10),
        ..counted(3)
    };
    let license = issuer.limited(1, limits);
    store.insert(std::slice::from_ref(&license)).unwrap();
    assert_eq!(
        denied(store.use_key(&key_id(1), None, PLAY, NOW + 10)),
        Denied::EXPIRED
    );
    assert_eq!(store.state(&license.grant, PLAY).unwrap().unwrap().left, 3);
}

#[test]
fn a_state_row_that_is_missing_or_altered_is_damage() {
    let edits = [
        "DELETE FROM state",
        "UPDATE state SET left_over = 99",
        "UPDATE state SET first_use = 1",
        "UPDATE state SET lease = 1",
        "UPDATE state SET left_over = 'many'",
        "UPDATE state SET mac = zeroblob(32)",
        "UPDATE state SET mac = x'00'",
    ];
    for edit in edits {
        let world = World::new();
        let issuer = Issuer::new("Issuer");
        let store = opened(&world, &[&issuer]);
        let license = issuer.limited(1, counted(3));
        store.insert(std::slice::from_ref(&license)).unwrap();
        world.sqlite().execute(edit, []).unwrap();
        let answer = play(&store, 1);
        let named = license.grant.license;
        assert!(
            matches!(answer, Err(UseError::Store(Error::DamagedLicense { license, .. })) if license == named),
            "{edit}: {answer:?}"
        );
        assert!(
            matches!(
                store.state(&license.grant, PLAY),
                Err(Error::DamagedLicense { .. })
            ),
            "{edit}"
        );
    }
}

#[test]
fn a_state_row_of_another_license_is_damage() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = opened(&world, &[&issuer]);
    store
        .insert(&[issuer.limited(1, counted(3)), issuer.limited(2, counted(3))])
        .unwrap();
    let swap = "UPDATE state SET mac = (SELECT mac FROM state AS other WHERE other.license <> state.license)";
    world.sqlite().execute(swap, []).unwrap();
    assert!(matches!(
        play(&store, 1),
        Err(UseError::Store(Error::DamagedLicense { .. }))
    ));
}

#[test]
fn an_altered_grant_or_key_does_not_open_and_others_still_do() {
    let edits = [
        "UPDATE license SET sealed = zeroblob(32) WHERE id = 1",
        "UPDATE license SET grant_bytes = zeroblob(100) WHERE id = 1",
        "UPDATE license SET license = zeroblob(16) WHERE id = 1",
        "UPDATE license SET sealed = (SELECT sealed FROM license WHERE id = 2) WHERE id = 1",
    ];
    for edit in edits {
        let world = World::new();
        let issuer = Issuer::new("Issuer");
        let store = opened(&world, &[&issuer]);
        store.insert(&[issuer.license(1), issuer.license(2)]).unwrap();
        world.sqlite().execute(edit, []).unwrap();
        let answer = play(&store, 1);
        assert!(
            matches!(answer, Err(UseError::Store(Error::DamagedLicense { .. }))),
            "{edit}: {answer:?}"
        );
        assert!(play(&store, 2).is_ok(), "{edit}");
        // Another license for the same key serves.
        let spare = issuer.license_named(issuer.license(3).grant.license, 1, 0, &[(PLAY, ANY)]);
        store.insert(&[spare]).unwrap();
        assert!(play(&store, 1).is_ok(), "{edit}");
    }
}
