//! computer.key with damage in it: seen, named, and never a panic.

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
    store
        .expect_up_to(keyferry_license::LicenseId::new_at(NOW, [1; 10]))
        .unwrap();
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
                assert!(at >= 64 && at < SEALED_PART, "byte {at} was not seen");
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
