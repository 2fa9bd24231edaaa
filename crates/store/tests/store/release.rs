//! A computer gives licenses back: nothing here opens them before anybody was told, and then it is told.

use keyferry_license::{KemSecret, PLAY, Secret32, Thumbprint};
use keyferry_store::{Arrival, Error, Inserted, OutboxEntry, Pending, Presence, Receipt, UseError};

use crate::world::{Issuer, NOW, World, arriving, key_id};

const SERVICE: Thumbprint = Thumbprint([7; 32]);

fn request(number: u8, kind: &str, one_time: Option<KemSecret>) -> OutboxEntry {
    OutboxEntry {
        request_id: [number; 32],
        operation: [5; 16],
        service: SERVICE,
        kind: kind.into(),
        bytes: vec![number; 100],
        one_time,
    }
}

/// A computer with two licenses, a backup that can come home, and a restore and a list that wait.
fn prepared() -> (World, Issuer) {
    let (world, issuer) = (World::new(), Issuer::new("Issuer"));
    let store = world.store();
    store.accept_root(&issuer.card, None, NOW).unwrap();
    store.insert(&[issuer.license(1), issuer.license(2)]).unwrap();
    store
        .add_return_key([1; 16], &Secret32::generate().unwrap())
        .unwrap();
    let waits = [
        request(1, "restore", Some(KemSecret::generate().unwrap())),
        request(2, "acknowledge", None),
        request(4, "revocations", None),
    ];
    store.outbox_put_all(&waits).unwrap();
    (world, issuer)
}

fn waiting(world: &World) -> Vec<(u8, String)> {
    let pending = world.store().pending(None).unwrap();
    pending
        .into_iter()
        .map(|Pending { request_id, kind, .. }| (request_id[0], kind))
        .collect()
}

#[test]
fn what_was_released_is_gone_and_the_service_is_to_be_told() {
    let (world, issuer) = prepared();
    let name = (issuer.id(), issuer.license(1).grant.license);
    world
        .store()
        .release(&[name], &[request(3, "release", None)], NOW)
        .unwrap();
    let store = world.store();
    assert_eq!(store.count().unwrap(), 1);
    assert_eq!(
        store.presence([(&name.0, &name.1)]).unwrap(),
        [Presence::Released]
    );
    assert!(matches!(
        store.use_key(&key_id(1), None, PLAY, NOW),
        Err(UseError::Denied { .. })
    ));
    store.use_key(&key_id(2), None, PLAY, NOW).unwrap();
    assert!(store.return_key(&[1; 16]).unwrap().is_none());
    assert_eq!(store.barred().unwrap(), Some(issuer.license(2).grant.license));
    // The restore that waited could have brought it again.
    assert_eq!(
        waiting(&world),
        [
            (2, "acknowledge".into()),
            (4, "revocations".into()),
            (3, "release".into())
        ]
    );
    let entry = store.outbox_entry(&[3; 32]).unwrap().unwrap();
    assert!(entry.one_time.is_none());
}

#[test]
fn only_a_new_receipt_brings_it_again() {
    let (world, issuer) = prepared();
    let store = world.store();
    let license = issuer.license(1);
    let name = (issuer.id(), license.grant.license);
    store.release(&[name], &[], NOW).unwrap();
    for arrival in [Arrival::Issued, Arrival::Return] {
        let comes = store.insert(&[arriving(license.clone(), arrival)]).unwrap();
        assert_eq!(comes, [Inserted::Released]);
    }
    let comes = store.insert(&[arriving(license, Arrival::Receipt)]).unwrap();
    assert_eq!(comes, [Inserted::Added { spent: false }]);
}

#[test]
fn an_answer_to_a_release_is_taken_once() {
    let (world, issuer) = prepared();
    let store = world.store();
    let name = (issuer.id(), issuer.license(1).grant.license);
    store
        .release(&[name], &[request(3, "release", None)], NOW)
        .unwrap();
    let receipt = Receipt {
        request_id: [3; 32],
        service: SERVICE,
        kind: "release".into(),
        time: NOW,
        bytes: vec![3; 10],
    };
    assert!(store.settle(&receipt, &[]).unwrap().is_empty());
    assert!(matches!(store.settle(&receipt, &[]), Err(Error::NotPending)));
    assert_eq!(store.receipts().unwrap(), [receipt]);
    assert_eq!(
        waiting(&world),
        [(2, "acknowledge".into()), (4, "revocations".into())]
    );
}

#[test]
fn it_happens_as_a_whole_or_not_at_all() {
    for place in [
        "DELETE ON license",
        "INSERT ON tombstone",
        "DELETE ON outbox",
        "INSERT ON outbox",
        "INSERT ON meta",
    ] {
        let (world, issuer) = prepared();
        let name = (issuer.id(), issuer.license(1).grant.license);
        let stop = format!("CREATE TRIGGER stop BEFORE {place} BEGIN SELECT RAISE(ABORT, 'stop'); END");
        world.sqlite().execute(&stop, []).unwrap();
        let requests = [request(3, "release", None)];
        let stopped = world.store().release(&[name], &requests, NOW);
        assert!(matches!(stopped, Err(Error::Database { .. })), "{place}");
        let store = world.store();
        assert_eq!(store.count().unwrap(), 2, "{place}");
        store.use_key(&key_id(1), None, PLAY, NOW).unwrap();
        assert_eq!(waiting(&world).len(), 3, "{place}");
        // Return keys go first: a backup that can't come home costs a question to the service, and no more.
        assert!(store.return_key(&[1; 16]).unwrap().is_none(), "{place}");
    }
}

#[test]
fn a_store_that_was_put_back_after_it_is_noticed() {
    let (world, issuer) = prepared();
    let (_, before) = world.copy();
    let name = (issuer.id(), issuer.license(1).grant.license);
    world.store().release(&[name], &[], NOW).unwrap();
    world.delete_store();
    world.put_back("store.sqlite", &before);
    assert!(matches!(world.try_store(), Err(Error::CheckpointFailed { .. })));
}
