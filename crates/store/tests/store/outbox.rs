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

#[test]
fn what_waits_is_named_by_kind() {
    let world = World::new();
    let store = world.store();
    let kinds = ["restore", "release", "restore", "acknowledge"];
    let entries: Vec<_> = kinds
        .iter()
        .zip(1..)
        .map(|(kind, number)| OutboxEntry {
            kind: (*kind).into(),
            one_time: (*kind == "restore").then(|| KemSecret::generate().unwrap()),
            ..entry(number)
        })
        .collect();
    store.outbox_put_all(&entries).unwrap();
    let named = |kind| {
        let pending = store.pending(kind).unwrap();
        pending.iter().map(|one| one.request_id[0]).collect::<Vec<_>>()
    };
    assert_eq!(named(None), [1, 2, 3, 4]);
    assert_eq!(named(Some("restore")), [1, 3]);
    assert_eq!(named(Some("release")), [2]);
    assert!(named(Some("plan")).is_empty());
    for (put, waits) in entries.iter().zip(store.outbox_pending().unwrap()) {
        assert_eq!((seed(put), &put.kind), (seed(&waits), &waits.kind));
    }
}

#[test]
fn a_one_time_key_cannot_be_taken_out_or_put_in_unnoticed() {
    for (from, to) in [(1, 2), (2, 1)] {
        let world = World::new();
        let store = world.store();
        store.outbox_put(&entry(1)).unwrap();
        let without = OutboxEntry {
            one_time: None,
            ..entry(2)
        };
        store.outbox_put(&without).unwrap();
        let edit = "UPDATE outbox SET one_time = (SELECT one_time FROM outbox WHERE request = ?1) \
                    WHERE request = ?2";
        let (from, to) = ([from; 32], [to; 32]);
        world.sqlite().execute(edit, (from, to)).unwrap();
        assert!(matches!(store.outbox_entry(&to), Err(Error::Damaged { .. })));
        assert!(store.outbox_entry(&from).unwrap().is_some());
    }
}

#[test]
fn receipts_come_service_by_service_in_their_order() {
    let world = World::new();
    let store = world.store();
    let services = [9, 7, 9, 8, 7];
    for (service, number) in services.into_iter().zip(1..) {
        let service = Thumbprint([service; 32]);
        let waits = OutboxEntry {
            service,
            ..entry(number)
        };
        store.outbox_put(&waits).unwrap();
        let receipt = Receipt {
            service,
            // The services' clocks decide nothing.
            time: NOW - u64::from(number),
            ..receipt(number)
        };
        store.settle(&receipt, &[]).unwrap();
    }
    let read = |service: Option<Thumbprint>| {
        let mut found = Vec::new();
        let read = store.for_each_receipt(service.as_ref(), |receipt| {
            assert_eq!(receipt.bytes, vec![receipt.request_id[0]; 200]);
            found.push(receipt.request_id[0]);
            Ok::<_, Error>(())
        });
        read.unwrap();
        found
    };
    assert_eq!(read(None), [2, 5, 4, 1, 3]);
    assert_eq!(read(Some(Thumbprint([9; 32]))), [1, 3]);
    assert!(read(Some(Thumbprint([1; 32]))).is_empty());
    let plan: String = world
        .sqlite()
        .query_row(
            "EXPLAIN QUERY PLAN SELECT bytes FROM receipt INDEXED BY receipt_by_service ORDER BY service, id",
            [],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("USING INDEX") && !plan.contains("TEMP"), "{plan}");
    let stopped = store.for_each_receipt(None, |_| Err(Error::NotPending));
    assert!(matches!(stopped, Err(Error::NotPending)));
}
