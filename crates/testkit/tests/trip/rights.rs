//! Rights with limits on the way: a restore refreshes no count and no time, on another computer or on its own.

use keyferry_license::usage::Denied;
use keyferry_license::{Limits, PLAY};
use keyferry_store::UseError;
use keyferry_testkit::{Computer, Fault, Issued, NOW, Wanted, World};

fn counted() -> Wanted {
    let three = Limits {
        count: Some(3),
        portion: Some(3),
        ..Limits::default()
    };
    Wanted::limited("Three times", three)
}

fn for_a_day() -> Wanted {
    let day = Limits {
        after_first_use: Some(86_400),
        ..Limits::default()
    };
    Wanted::limited("A day from the first use", day)
}

/// Why it can't be played, or None.
fn denied(computer: &Computer, license: &Issued, now: u64) -> Option<u32> {
    match computer.store().use_key(&license.grant.key_id, None, PLAY, now) {
        Ok(_) => None,
        Err(UseError::Denied { denied, .. }) => Some(denied.0),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn counts_and_times_arrive_spent_on_another_computer() {
    let world = World::new();
    let old = world.computer("old laptop");
    let issued = world.issue(&old, &[counted(), for_a_day(), Wanted::plain("For ever")]);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    let new = world.computer("new laptop");
    let ended = world.restore(&new, &stick);
    assert_eq!((ended.failure(), ended.report().counts.restored), (None, 3));
    assert_eq!(denied(&new, &issued[0], NOW), Some(Denied::EXHAUSTED));
    assert_eq!(denied(&new, &issued[1], NOW), Some(Denied::EXPIRED));
    assert_eq!(denied(&new, &issued[2], NOW), None);
    assert_eq!(
        denied(&old, &issued[0], NOW),
        None,
        "the old one still has its three"
    );
}

#[test]
fn counts_and_times_come_back_spent_on_their_own_computer() {
    let world = World::new();
    let old = world.computer("old laptop");
    let issued = world.issue(&old, &[counted(), for_a_day(), Wanted::plain("For ever")]);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    assert_eq!(denied(&old, &issued[0], NOW), None);
    old.lose_store();

    // Without a service only what has no count and no time of its own comes back.
    let alone = world.restore_bent(&old, &stick, Fault::Down);
    assert_eq!(
        (alone.hresult().as_str(), alone.report().counts.restored),
        ("C00D275F", 1)
    );
    let ended = world.restore(&old, &stick);
    assert_eq!((ended.failure(), ended.report().counts.reissued), (None, 2));
    assert_eq!(denied(&old, &issued[0], NOW), Some(Denied::EXHAUSTED));
    assert_eq!(denied(&old, &issued[1], NOW), Some(Denied::EXPIRED));
    assert_eq!(denied(&old, &issued[2], NOW), None);
}

#[test]
fn the_license_file_refreshes_no_count_after_a_lost_store() {
    let world = World::new();
    let old = world.computer("old laptop");
    let issued = world.issue(&old, &[counted()]);
    for _ in 0..3 {
        assert_eq!(denied(&old, &issued[0], NOW), None);
    }
    assert_eq!(denied(&old, &issued[0], NOW), Some(Denied::EXHAUSTED));
    old.lose_store();
    old.import(
        &old.home().with_extension("license"),
        world.publisher.root(),
        world.direct(),
    );
    assert_eq!(denied(&old, &issued[0], NOW), Some(Denied::EXHAUSTED));
}

#[test]
fn a_restore_on_a_computer_that_has_it_leaves_the_count_as_it_is() {
    let world = World::new();
    let old = world.computer("old laptop");
    let issued = world.issue(&old, &[counted()]);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    assert_eq!(denied(&old, &issued[0], NOW), None);
    let ended = world.restore(&old, &stick);
    assert_eq!((ended.failure(), ended.report().counts.already_here), (None, 1));
    let state = old.store().state(&issued[0].grant, PLAY).unwrap();
    assert_eq!(state.map(|state| state.left), Some(2));
}

#[test]
fn dates_travel_as_they_are() {
    let world = World::new();
    let old = world.computer("old laptop");
    let week = Limits {
        from: Some(NOW),
        until: Some(NOW + 7 * 86_400),
        ..Limits::default()
    };
    let issued = world.issue(&old, &[Wanted::limited("A week", week)]);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    let new = world.computer("new laptop");
    assert_eq!(world.restore(&new, &stick).failure(), None);
    for computer in [&old, &new] {
        assert_eq!(denied(computer, &issued[0], NOW - 1), Some(Denied::NOT_STARTED));
        assert_eq!(denied(computer, &issued[0], NOW), None);
        assert_eq!(
            denied(computer, &issued[0], NOW + 7 * 86_400),
            Some(Denied::EXPIRED)
        );
    }
    old.lose_store();
    let back = old.restore(world.refused(&stick), world.bent(Fault::Down));
    assert_eq!(
        back.failure(),
        None,
        "a date is no state: it comes back without a service"
    );
    assert_eq!(denied(&old, &issued[0], NOW), None);
}
