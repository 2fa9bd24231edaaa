//! Stores of earlier versions: `tests/version-1/` is the home of a computer as version 1 left it.

use std::path::Path;

use keyferry_license::{LicenseId, PLAY, Thumbprint};
use keyferry_store::{Error, NewDocument, Presence};

use crate::several::at_once;
use crate::world::{NOW, World, key_id};

const SERVICE: Thumbprint = Thumbprint([7; 32]);

/// Two licenses, of which the second has 4 of 5 uses left; the third was released, the fourth revoked; of three
/// requests the third still waits, the second was answered first.
fn version_1() -> World {
    let world = World::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/version-1");
    std::fs::create_dir(world.home()).unwrap();
    for name in ["computer.key", "store.sqlite"] {
        std::fs::copy(from.join(name), world.file(name)).unwrap();
    }
    world
}

fn version(world: &World) -> u32 {
    let version = world
        .sqlite()
        .pragma_query_value(None, "user_version", |row| row.get(0));
    version.unwrap()
}

fn schema(world: &World) -> Vec<(String, String)> {
    let db = world.sqlite();
    let sql = "SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn nothing_of_version_1_is_lost() {
    let world = version_1();
    assert_eq!(version(&world), 1);
    let store = world.store();
    assert_eq!(version(&world), 4);
    assert_eq!(store.count().unwrap(), 2);
    let issuer = store.accepted_roots().unwrap()[0].card.thumbprint();
    let ids = [1, 2, 3, 4u8].map(|n| LicenseId::new_at(NOW + u64::from(n), [n; 10]));
    let presence = store.presence(ids.iter().map(|id| (&issuer, id))).unwrap();
    let expected = [
        Presence::Here,
        Presence::Here,
        Presence::Released,
        Presence::Revoked,
    ];
    assert_eq!(presence, expected);
    let used = store.use_key(&key_id(2), None, PLAY, NOW).unwrap();
    assert_eq!(used.left(), Some(3));
    let waits = store.outbox_pending().unwrap();
    assert_eq!(waits.len(), 1);
    assert_eq!(
        (waits[0].request_id, waits[0].kind.as_str()),
        ([3; 32], "restore")
    );
    assert_eq!((waits[0].service, &waits[0].bytes), (SERVICE, &vec![3; 100]));
    assert!(waits[0].one_time.is_some());
    let receipts = store.receipts().unwrap();
    let told: Vec<_> = receipts
        .iter()
        .map(|receipt| (receipt.request_id[0], receipt.kind.as_str(), receipt.time))
        .collect();
    assert_eq!(told, [(2, "restore", NOW + 2), (1, "restore", NOW + 1)]);
    assert_eq!(receipts[0].bytes, vec![2; 200]);
}

#[test]
fn requests_keep_their_order() {
    let world = version_1();
    for (id, request) in [(9, [1; 32]), (8, [2; 32])] {
        let sql = "INSERT INTO outbox SELECT ?1, ?2, operation, service, bytes, one_time FROM outbox \
                   WHERE id <= 3";
        world.sqlite().execute(sql, (id, request)).unwrap();
    }
    let pending = world.store().pending(None).unwrap();
    let told: Vec<_> = pending.iter().map(|one| one.request_id[0]).collect();
    assert_eq!(told, [3, 2, 1]);
}

#[test]
fn it_can_do_what_a_new_one_can() {
    let world = version_1();
    let store = world.store();
    let fresh = World::new();
    drop(fresh.store());
    assert_eq!(schema(&world), schema(&fresh));
    let document = NewDocument {
        name: "book.lcpl",
        kind: "lcp",
        bytes: b"bytes",
    };
    store.put_document(&document, NOW).unwrap();
    assert_eq!(world.store().documents().unwrap().len(), 1);
    let issuer = store.accepted_roots().unwrap()[0].card.thumbprint();
    assert_eq!(store.revocation_seen(&issuer).unwrap(), 0);
    store.record_proven(&[1; 16], NOW).unwrap();
    assert_eq!(store.last_proven(&[1; 16]).unwrap(), Some(NOW));
    assert_eq!(store.shown_to(&SERVICE).unwrap(), None);
    for started in [NOW, NOW + 1] {
        store.put_shown_to(&SERVICE, started).unwrap();
        assert_eq!(store.shown_to(&SERVICE).unwrap(), Some(started));
    }
}

#[test]
fn many_may_bring_it_forward_at_once() {
    let world = version_1();
    let counted = at_once(8, |_| world.store().count().unwrap());
    assert_eq!(counted, [2; 8]);
    assert_eq!(version(&world), 4);
}

#[test]
fn a_step_that_fails_leaves_the_old_version() {
    let world = version_1();
    // Something else stands where a new table has to be.
    world.sqlite().execute("CREATE TABLE receipt_2 (x)", []).unwrap();
    assert!(matches!(world.try_store(), Err(Error::Database { .. })));
    assert_eq!(version(&world), 1);
    world.sqlite().execute("DROP TABLE receipt_2", []).unwrap();
    assert_eq!(world.store().receipts().unwrap().len(), 2);
}

#[test]
fn a_newer_store_is_named_and_left_alone() {
    let world = version_1();
    drop(world.store());
    world.sqlite().pragma_update(None, "user_version", 5).unwrap();
    let before = std::fs::read(world.file("store.sqlite")).unwrap();
    let refused = world.try_store().err().unwrap();
    assert!(
        matches!(
            refused,
            Error::Newer {
                found: 5,
                known: 4,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(std::fs::read(world.file("store.sqlite")).unwrap(), before);
}
