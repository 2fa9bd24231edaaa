//! How licenses come in and leave: outcomes, marks and tombstones.

use keyferry_license::{LicenseId, PLAY, Secret32};
use keyferry_store::{Arrival, Error, Inserted, NewLicense, Presence, Store, StoredLicense, Tombstone};

use crate::world::{Issuer, NOW, World, arriving, counted, key_id};

const ADDED: Inserted = Inserted::Added { spent: false };

fn insert_one(store: &Store, license: NewLicense) -> Inserted {
    store.insert(&[license]).unwrap()[0]
}

fn left(store: &Store, license: &NewLicense) -> Option<u32> {
    store.state(&license.grant, PLAY).unwrap().map(|state| state.left)
}

#[test]
fn licenses_come_in_and_their_keys_open() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let licenses: Vec<_> = (1..=50).map(|n| issuer.license(n)).collect();
    let store = world.store();
    assert_eq!(store.insert(&licenses).unwrap(), vec![ADDED; 50]);
    assert_eq!(store.insert(&licenses[..2]).unwrap(), [Inserted::AlreadyHere; 2]);
    let store = world.store();
    let snapshot = store.snapshot().unwrap();
    assert_eq!((snapshot.count(), store.count().unwrap()), (50, 50));
    let mut seen = Vec::new();
    let opener = store.opener();
    let read = snapshot.for_each(|stored| {
        seen.push(opener.open(&stored)?);
        Ok::<_, Error>(())
    });
    read.unwrap();
    for (license, (grant, key)) in licenses.iter().zip(&seen) {
        assert_eq!(license.grant.as_bytes(), grant.as_bytes());
        assert_eq!(license.key.expose(), key.expose());
    }
}

#[test]
fn a_snapshot_does_not_see_what_comes_later() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    insert_one(&store, issuer.license(1));
    let snapshot = store.snapshot().unwrap();
    insert_one(&store, issuer.license(2));
    let mut seen = 0;
    let count = |_: StoredLicense| {
        seen += 1;
        Ok::<_, Error>(())
    };
    snapshot.for_each(count).unwrap();
    assert_eq!((seen, snapshot.count(), store.count().unwrap()), (1, 1, 2));
    let stopped = snapshot.for_each(|_| Err(Error::NotPending));
    assert!(matches!(stopped, Err(Error::NotPending)));
}

#[test]
fn the_same_name_with_other_content_is_a_conflict() {
    let world = World::new();
    let (issuer, other) = (Issuer::new("Issuer"), Issuer::new("Another"));
    let store = world.store();
    let first = issuer.license(1);
    assert_eq!(insert_one(&store, first.clone()), ADDED);
    assert_eq!(insert_one(&store, issuer.license(1)), Inserted::Conflict);
    assert_eq!(
        insert_one(&store, other.license(1)),
        ADDED,
        "another issuer's names are its own"
    );
    let kept = store
        .license(&issuer.id(), &first.grant.license)
        .unwrap()
        .unwrap();
    assert_eq!(kept.as_bytes(), first.grant.as_bytes());
    assert_eq!(store.licenses_for(&key_id(1)).unwrap().len(), 2);
    assert!(store.licenses_for(&key_id(2)).unwrap().is_empty());
    assert!(
        store
            .license(&issuer.id(), &other.license(2).grant.license)
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_batch_comes_in_whole_or_not_at_all() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    let mut batch = vec![issuer.license(1), issuer.license(2)];
    batch[1].key = issuer.license(3).key;
    assert!(
        store.insert(&batch).is_err(),
        "a key that its grant did not commit to"
    );
    assert_eq!(store.count().unwrap(), 0);
}

#[test]
fn a_restored_right_with_a_count_is_spent() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    let licenses = [
        issuer.limited(1, counted(5)),
        arriving(issuer.limited(2, counted(5)), Arrival::Receipt),
        arriving(issuer.limited(3, counted(5)), Arrival::Return),
        arriving(issuer.license(4), Arrival::Receipt),
    ];
    let spent = Inserted::Added { spent: true };
    assert_eq!(store.insert(&licenses).unwrap(), [ADDED, spent, spent, ADDED]);
    assert_eq!(
        licenses.each_ref().map(|license| left(&store, license)),
        [Some(5), Some(0), Some(0), None]
    );
}

#[test]
fn in_a_new_store_what_was_ever_taken_does_not_start_afresh() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let (old, older, newer) = (
        issuer.limited(5, counted(5)),
        issuer.limited(4, counted(5)),
        issuer.limited(6, counted(5)),
    );
    let store = world.store();
    insert_one(&store, old.clone());
    assert_eq!(
        insert_one(&store, older.clone()),
        ADDED,
        "in the same store an older one may come later"
    );
    assert_eq!(store.taken().unwrap(), Some(old.grant.license));
    drop(store);
    world.delete_store();
    let store = world.store();
    assert_eq!(insert_one(&store, old.clone()), Inserted::Added { spent: true });
    assert_eq!(insert_one(&store, older), Inserted::Added { spent: true });
    assert_eq!(insert_one(&store, newer.clone()), ADDED);
    assert_eq!((left(&store, &old), left(&store, &newer)), (Some(0), Some(5)));
}

#[test]
fn tombstones_refuse() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    let (released, revoked) = (issuer.limited(1, counted(3)), issuer.license(2));
    store
        .insert(&[released.clone(), revoked.clone(), issuer.license(3)])
        .unwrap();
    store
        .add_return_key([1; 16], &Secret32::generate().unwrap())
        .unwrap();
    let name = |license: &NewLicense| (issuer.id(), license.grant.license);
    store.bury(&[name(&released)], Tombstone::Released, NOW).unwrap();
    store.bury(&[name(&revoked)], Tombstone::Revoked, NOW).unwrap();
    store.bury(&[name(&revoked)], Tombstone::Released, NOW).unwrap();
    assert!(store.return_key(&[1; 16]).unwrap().is_none());
    assert_eq!(store.barred().unwrap(), Some(issuer.license(3).grant.license));
    assert_eq!(store.count().unwrap(), 1);
    let asked = [&released, &revoked, &issuer.license(3), &issuer.license(9)].map(name);
    let presence = store
        .presence(asked.iter().map(|(issuer, license)| (issuer, license)))
        .unwrap();
    let expected = [
        Presence::Released,
        Presence::Revoked,
        Presence::Here,
        Presence::Absent,
    ];
    assert_eq!(presence, expected);
    for arrival in [Arrival::Issued, Arrival::Return] {
        assert_eq!(
            insert_one(&store, arriving(released.clone(), arrival)),
            Inserted::Released
        );
        assert_eq!(
            insert_one(&store, arriving(revoked.clone(), arrival)),
            Inserted::Revoked
        );
    }
    let again = arriving(released.clone(), Arrival::Receipt);
    assert_eq!(insert_one(&store, again), Inserted::Added { spent: true });
    assert_eq!(left(&store, &released), Some(0));
    assert_eq!(
        insert_one(&store, arriving(revoked, Arrival::Receipt)),
        Inserted::Revoked
    );
    assert_eq!(insert_one(&store, released), Inserted::AlreadyHere);
}

#[test]
fn what_a_deleted_store_may_have_given_back_needs_a_receipt() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    let (given_back, newer) = (issuer.license(5), issuer.license(6));
    insert_one(&store, given_back.clone());
    store
        .bury(
            &[(issuer.id(), given_back.grant.license)],
            Tombstone::Released,
            NOW,
        )
        .unwrap();
    assert_eq!(
        insert_one(&store, issuer.license(4)),
        ADDED,
        "this store knows what it gave back"
    );
    drop(store);
    world.delete_store();
    let store = world.store();
    for number in [4, 5] {
        assert_eq!(insert_one(&store, issuer.license(number)), Inserted::NeedsReceipt);
    }
    assert_eq!(insert_one(&store, newer), ADDED);
    assert_eq!(
        insert_one(&store, arriving(given_back.clone(), Arrival::Receipt)),
        ADDED
    );
    assert_eq!(insert_one(&store, given_back), Inserted::AlreadyHere);
}

#[test]
fn the_mark_is_raised_before_anything_can_be_used() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    let license = issuer.limited(5, counted(5));
    drop(store);
    let (_, empty) = world.copy();
    insert_one(&world.store(), license.clone());
    // The machine stopped after the mark and before the transaction.
    world.delete_store();
    world.put_back("store.sqlite", &empty);
    let store = world.store();
    assert_eq!(store.taken().unwrap(), Some(license.grant.license));
    assert_eq!(
        insert_one(&store, license.clone()),
        ADDED,
        "the same store never had it"
    );
    store.expect_up_to(issuer.license(3).grant.license).unwrap();
    assert_eq!(
        store.taken().unwrap(),
        Some(license.grant.license),
        "a mark doesn't sink"
    );
    store.expect_up_to(issuer.license(9).grant.license).unwrap();
    assert_eq!(
        world.store().taken().unwrap(),
        Some(issuer.license(9).grant.license)
    );
}

#[test]
fn a_plan_asks_for_many_at_once() {
    let world = World::new();
    let issuers = [Issuer::new("One"), Issuer::new("Two")];
    let store = world.store();
    let batch: Vec<_> = (0..200).map(|n| issuers[usize::from(n % 2)].license(n)).collect();
    store.insert(&batch).unwrap();
    let unknown = Issuer::new("Three");
    let names: Vec<_> = (0..250u8)
        .map(|n| {
            let issuer = if n % 5 == 0 {
                &unknown
            } else {
                &issuers[usize::from(n % 2)]
            };
            (issuer.id(), LicenseId::new_at(NOW + u64::from(n), [n; 10]))
        })
        .collect();
    let presence = store
        .presence(names.iter().map(|(issuer, license)| (issuer, license)))
        .unwrap();
    for (n, presence) in presence.iter().enumerate() {
        let expected = if n % 5 == 0 || n >= 200 {
            Presence::Absent
        } else {
            Presence::Here
        };
        assert_eq!(*presence, expected, "{n}");
    }
}
