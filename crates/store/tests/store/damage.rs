//! computer.key with damage in it: seen, named, and never a panic.

use keyferry_license::LicenseId;
use keyferry_store::Error;

use crate::world::{NOW, World};

const SLOTS: [usize; 2] = [4096, 8192];
const SLOT: usize = 128;
const SEALED_PART: usize = 12288;

/// A computer whose two slots say different things.
fn prepared() -> (World, Vec<u8>) {
    let world = World::new();
    let store = world.store();
    store.record_consent(&store.id(), NOW).unwrap();
    store.expect_up_to(LicenseId::new_at(NOW, [1; 10])).unwrap();
    drop(store);
    let (key, _) = world.copy();
    (world, key)
}

#[test]
fn every_damaged_byte_is_seen_or_does_no_harm() {
    let (world, key) = prepared();
    let id = world.store().id();
    let slots = SLOTS.map(|at| at..at + SLOT);
    let mut seen = 0;
    for at in 0..key.len() {
        let in_slot = slots.iter().any(|slot| slot.contains(&at));
        let matters = at < 64 || in_slot || at >= SEALED_PART;
        if !matters && at % 97 != 0 {
            continue;
        }
        let mut damaged = key.clone();
        damaged[at] ^= 1 << (at % 8);
        world.put_back("computer.key", &damaged);
        match world.try_store() {
            Ok(store) => {
                assert!((64..SEALED_PART).contains(&at), "byte {at} was not seen");
                assert_eq!(store.id(), id);
                seen += usize::from(in_slot);
            }
            Err(Error::Damaged { path, .. }) => {
                assert!(!in_slot, "the other slot serves at byte {at}");
                assert_eq!(path, world.file("computer.key"));
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    assert_eq!(seen, 2 * SLOT);
}

#[test]
fn both_slots_damaged_is_damage() {
    let (world, mut key) = prepared();
    for at in SLOTS {
        key[at] ^= 1;
    }
    world.put_back("computer.key", &key);
    assert!(matches!(world.try_store(), Err(Error::Damaged { .. })));
}

#[test]
fn every_length_but_the_right_one_is_damage() {
    let (world, key) = prepared();
    for len in [0, 1, 63, 64, 4096, SEALED_PART - 1, SEALED_PART, key.len() - 1] {
        world.put_back("computer.key", &key[..len]);
        assert!(
            matches!(world.try_store(), Err(Error::Damaged { .. })),
            "{len} bytes"
        );
    }
    for more in [1, 2 << 20] {
        world.put_back("computer.key", &[key.as_slice(), &vec![0; more]].concat());
        assert!(
            matches!(world.try_store(), Err(Error::Damaged { .. })),
            "{more} bytes more"
        );
    }
    world.put_back("computer.key", &key);
    drop(world.store());
}

#[test]
fn lengths_that_the_file_claims_are_not_believed() {
    let (world, key) = prepared();
    for field in [12, 16] {
        for claim in [0, 1, u32::MAX, u32::MAX - 12288, 1 << 31] {
            let mut bytes = key.clone();
            bytes[field..field + 4].copy_from_slice(&claim.to_be_bytes());
            world.put_back("computer.key", &bytes);
            assert!(
                matches!(world.try_store(), Err(Error::Damaged { .. })),
                "{claim} at {field}"
            );
        }
    }
}

#[test]
fn a_write_in_place_that_is_cut_short_spoils_nothing_that_counted() {
    let (world, mut before) = prepared();
    let mut written = Vec::new();
    for minute in 1..5 {
        let store = world.store();
        let taken = store.taken().unwrap();
        store
            .expect_up_to(LicenseId::new_at(NOW + 60 * minute, [1; 10]))
            .unwrap();
        drop(store);
        let (after, _) = world.copy();
        let changed: Vec<_> = SLOTS
            .into_iter()
            .filter(|at| before[*at..at + SLOT] != after[*at..at + SLOT])
            .collect();
        let [slot] = changed[..] else {
            panic!("not one slot was written but {changed:?}");
        };
        let mut cut = after.clone();
        cut[slot + SLOT / 2..slot + SLOT].copy_from_slice(&before[slot + SLOT / 2..slot + SLOT]);
        world.put_back("computer.key", &cut);
        assert_eq!(world.store().taken().unwrap(), taken);
        world.put_back("computer.key", &after);
        written.push(slot);
        before = after;
    }
    assert!(written.windows(2).all(|pair| pair[0] != pair[1]), "by turns");
}
