//! Keys that change while the service runs: what was sealed for an old key opens, what it signed verifies, and computers
//! with an older card go on.

use keyferry_license::{KeyUse, Verified};
use keyferry_protocol::{Answer, Receipt, Verdict, check_answer};
use keyferry_service::{KEY_FILE, read_card, rotate};

use crate::world::{World, body, check};

const BOTH: [KeyUse; 2] = [KeyUse::Sign, KeyUse::Seal];

/// Service time well after the keys of this machine's folder were made.
const LATER: u64 = 4_000_000_000;

fn rotated(world: &World, at: u64) {
    rotate(world.dir.path(), &BOTH, at, at).unwrap();
    world.service.renew().unwrap();
}

#[test]
fn a_backup_of_before_three_rotations_opens() {
    let world = World::new();
    let (origin, mut computer) = (world.computer("old"), world.computer("new"));
    let licenses = [world.issue(origin.id()), world.issue(origin.id())];
    let sealed = body(&world.service, &licenses);
    let before = world.service.card().clone();
    for turn in 1..=3 {
        rotated(&world, LATER + turn);
    }
    assert_eq!(world.service.card().serial, before.serial + 3);
    let request = computer.prepare(&world.service, "restore", [7; 16], &sealed);
    let checked = world.send(&mut computer, &request, &licenses, LATER + 9).unwrap();
    let restored = checked
        .receipt
        .entries
        .iter()
        .all(|entry| entry.verdict == Verdict::Restored);
    assert!(restored && checked.receipt.entries.len() == 2);
    // And one that was sealed for the newest.
    let other = [world.issue(origin.id())];
    assert_eq!(
        world.restore(&mut computer, &other, LATER + 10).receipt.entries[0].reason,
        None
    );
}

#[test]
fn receipts_verify_whichever_card_is_known() {
    let world = World::new();
    let (origin, computer) = (world.computer("old"), world.computer("new"));
    let licenses = [world.issue(origin.id())];
    let old_card = world.service.card().clone();
    let request = computer.restore(&world.service, &licenses);
    let receipt = |answer: &[u8]| Answer::decode(answer).unwrap().receipt.unwrap();
    let before = receipt(&world.service.handle(&request.bytes, LATER));
    rotated(&world, LATER + 1);
    let answer = world.service.handle(&request.bytes, LATER + 2);
    let after = receipt(&answer);
    let new_card = world.service.card();
    assert!(Receipt::verify(&before, &old_card).is_ok() && Receipt::verify(&before, new_card).is_ok());
    assert!(
        Receipt::verify(&after, &old_card).is_err(),
        "a key that the old card doesn't list"
    );
    let grants = [licenses[0].0.clone()];
    let checked = check_answer(
        &answer,
        &request.bytes,
        &grants,
        &old_card,
        request.one_time.as_ref(),
    );
    let checked = checked.unwrap().unwrap();
    let serial = checked.newer_card.map(|card: Verified<_>| card.serial);
    assert_eq!(
        (serial, Receipt::verify(&after, new_card).is_ok()),
        (Some(2), true)
    );
    assert_eq!(
        checked.receipt.entries[0].row,
        Receipt::verify(&before, new_card).unwrap().entries[0].row
    );
}

#[test]
fn a_retired_key_signs_nothing_and_the_next_not_before_its_time() {
    let world = World::new();
    let computer = world.computer("one");
    let at = LATER + 100;
    rotate(world.dir.path(), &BOTH, at, LATER).unwrap();
    world.service.renew().unwrap();
    let keys: Vec<_> = world.service.card().signing_keys().collect();
    let signer = |now| {
        let license = world.issue(computer.id());
        let request = computer.restore(&world.service, std::slice::from_ref(&license));
        let answer = world.service.handle(&request.bytes, now);
        check(&answer, &request, &[license], &world.service).unwrap();
        let receipt = Answer::decode(&answer).unwrap().receipt.unwrap();
        let sign1 =
            keyferry_license::Sign1::decode(keyferry_license::Typ::Receipt, &receipt, 1 << 20).unwrap();
        keys.iter().position(|key| sign1.verify(key).is_ok())
    };
    assert_eq!(
        (signer(at - 1), signer(at), signer(at + 1)),
        (Some(0), Some(1), Some(1))
    );
}

#[test]
fn files_that_can_not_be_used_leave_everything_as_it_is() {
    let world = World::new();
    let (path, before) = (world.dir.path().join(KEY_FILE), world.service.card().clone());
    let other = World::new();
    std::fs::copy(other.dir.path().join(KEY_FILE), &path).unwrap();
    let error = world.service.renew().unwrap_err().to_string();
    assert!(error.contains("another service's"), "{error}");
    std::fs::write(&path, "not a key").unwrap();
    assert!(world.service.renew().is_err());
    std::fs::remove_file(&path).unwrap();
    assert!(world.service.renew().is_err());
    assert_eq!(world.service.card().as_bytes(), before.as_bytes());
    assert_eq!(
        read_card(world.dir.path()).unwrap().unwrap().as_bytes(),
        before.as_bytes()
    );
    let computer = world.computer("one");
    assert!(computer.last.is_some(), "it answers");
}
