//! Requests and their answers: in one transaction or not at all.

use keyferry_license::{KemSecret, Thumbprint};
use keyferry_store::{Arrival, Error, Inserted, OutboxEntry, Receipt};

use crate::world::{Issuer, NOW, World, arriving};

const SERVICE: Thumbprint = Thumbprint([7; 32]);

fn entry(number: u8) -> OutboxEntry {
    OutboxEntry {
        request_id: [number; 32],
        operation: [5; 16],
        service: SERVICE,
        kind: "restore".into(),
        bytes: vec![number; 100],
        one_time: Some(KemSecret::generate().unwrap()),
    }
}

fn seed(entry: &OutboxEntry) -> Option<&[u8; 32]> {
    entry.one_time.as_ref().map(|key| key.seed().expose())
}

fn receipt(number: u8) -> Receipt {
    Receipt {
        request_id: [number; 32],
        service: SERVICE,
        kind: "restore".into(),
        time: NOW,
        bytes: vec![number; 200],
    }
}

#[test]
fn requests_wait_in_order_with_their_keys() {
    let world = World::new();
    let store = world.store();
    let entries = [entry(3), entry(1), entry(2)];
    for entry in &entries {
        store.outbox_put(entry).unwrap();
        store.outbox_put(entry).unwrap();
    }
    let waiting = world.store().outbox_pending().unwrap();
    assert_eq!(waiting.len(), 3);
    for (put, waits) in entries.iter().zip(&waiting) {
        assert_eq!(
            (put.request_id, put.operation, put.service),
            (waits.request_id, waits.operation, waits.service)
        );
        assert_eq!(put.bytes, waits.bytes);
        assert_eq!(seed(put), seed(waits));
    }
    assert!(store.outbox_remove(&[1; 32]).unwrap());
    assert!(!store.outbox_remove(&[1; 32]).unwrap());
    assert!(store.outbox_entry(&[1; 32]).unwrap().is_none());
    assert!(store.outbox_entry(&[2; 32]).unwrap().is_some());
}

#[test]
fn a_one_time_key_does_not_lie_open() {
    let world = World::new();
    let store = world.store();
    let waiting = entry(1);
    store.outbox_put(&waiting).unwrap();
    let seed = seed(&waiting).unwrap();
    let lies_in = |name: &str| {
        let bytes = std::fs::read(world.file(name)).unwrap();
        bytes.windows(32).any(|window| window == seed)
    };
    assert!(
        !["store.sqlite", "store.sqlite-wal", "computer.key"]
            .into_iter()
            .any(lies_in)
    );
    std::fs::write(world.file("planted"), [b"..".as_slice(), seed].concat()).unwrap();
    assert!(lies_in("planted"));
}

#[test]
fn an_answer_is_taken_once() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    let licenses = [arriving(issuer.license(1), Arrival::Receipt)];
    assert!(matches!(
        store.settle(&receipt(1), &licenses),
        Err(Error::NotPending)
    ));
    assert_eq!(store.count().unwrap(), 0);
    store.outbox_put(&entry(1)).unwrap();
    assert_eq!(
        store.settle(&receipt(1), &licenses).unwrap(),
        [Inserted::Added { spent: false }]
    );
    assert!(matches!(
        store.settle(&receipt(1), &licenses),
        Err(Error::NotPending)
    ));
    assert!(store.outbox_pending().unwrap().is_empty());
    assert_eq!(world.store().receipts().unwrap(), [receipt(1)]);
    assert_eq!(store.count().unwrap(), 1);
}

#[test]
fn an_answer_with_a_wrong_key_changes_nothing() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    store.outbox_put(&entry(1)).unwrap();
    let mut licenses = [issuer.license(1), issuer.license(2)];
    licenses[1].key = licenses[0].key.clone();
    assert!(matches!(
        store.settle(&receipt(1), &licenses),
        Err(Error::License(_))
    ));
    assert_eq!(
        (store.count().unwrap(), store.outbox_pending().unwrap().len()),
        (0, 1)
    );
    assert!(store.receipts().unwrap().is_empty());
}

#[test]
fn an_altered_entry_is_damage() {
    for edit in [
        "one_time = zeroblob(60)",
        "one_time = x'00'",
        "request = zeroblob(32)",
        "request = 'text'",
    ] {
        let world = World::new();
        let store = world.store();
        store.outbox_put(&entry(1)).unwrap();
        world
            .sqlite()
            .execute(&format!("UPDATE outbox SET {edit}"), [])
            .unwrap();
        assert!(
            matches!(store.outbox_pending(), Err(Error::Damaged { .. })),
            "{edit}"
        );
    }
}
