//! Slots that are given back: once, by whoever holds them, and free for the next.

use keyferry_license::{Digest, Thumbprint};
use keyferry_protocol::{
    Change, ProblemCode, Reason, Release, ReleaseItem, ReleasedItem, Verdict, check_release, kind,
};

use crate::restore::outcome;
use crate::world::{Computer, License, NOW, World};

const RELEASED: fn(u32) -> ReleasedItem = |slot| ReleasedItem::Released { slot };

fn full() -> (World, Vec<License>, Vec<Computer>) {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id()), world.issue(origin.id())];
    let mut computers = vec![origin];
    for name in ["a", "b", "c"] {
        let mut computer = world.computer(name);
        world.restore(&mut computer, &licenses, NOW);
        computers.push(computer);
    }
    (world, licenses, computers)
}

#[test]
fn a_slot_that_was_given_back_is_the_next_ones() {
    let (world, licenses, mut computers) = full();
    let mut next = world.computer("next");
    assert_eq!(
        outcome(&world.restore(&mut next, &licenses, NOW).items[0]),
        Err(Reason::Limit)
    );
    let (items, receipt) = world.release(&mut computers[2], &licenses, NOW + 1);
    assert_eq!(items, [RELEASED(3), RELEASED(3)]);
    assert_eq!(
        outcome(&world.restore(&mut next, &licenses, NOW + 2).items[1]),
        Ok((Verdict::Restored, 3, 4))
    );
    // The receipt's entries are the ledger's rows.
    let name = (licenses[0].0.issuer, licenses[0].0.license);
    let ledger = keyferry_service::ledger::SqliteLedger::open(&world.ledger()).unwrap();
    let rows = &keyferry_service::ledger::Ledger::rows(&ledger, &[name]).unwrap()[0];
    let entry = &receipt.entries[0];
    let row = &rows[entry.seq.unwrap() as usize - 1];
    assert_eq!(
        (row.change, row.computer, row.slot, row.request),
        (Change::Release, computers[2].id(), 3, receipt.request)
    );
    assert_eq!(
        (entry.row, entry.previous),
        (Some(row.hash()), Some(row.previous))
    );
    assert!(receipt.time >= row.time && receipt.pages.is_empty());
}

#[test]
fn the_origin_gives_slot_1_back_by_a_row() {
    let world = World::new();
    let mut origin = world.computer("old-laptop");
    let licenses = [world.issue_with(origin.id(), |grant| grant.computers = Some(1))];
    let (items, receipt) = world.release(&mut origin, &licenses, NOW);
    assert_eq!(items, [RELEASED(1)]);
    assert_eq!(
        (receipt.entries[0].seq, receipt.entries[0].previous),
        (Some(1), Some(Digest::default()))
    );
    let mut next = world.computer("next");
    assert_eq!(
        outcome(&world.restore(&mut next, &licenses, NOW).items[0]),
        Ok((Verdict::Restored, 1, 1))
    );
    // It has none left, whatever it shows.
    assert_eq!(
        outcome(&world.restore(&mut origin, &licenses, NOW + 1).items[0]),
        Err(Reason::Limit)
    );
    assert_eq!(
        world.release(&mut origin, &licenses, NOW + 1).0,
        [ReleasedItem::NotHeld]
    );
}

#[test]
fn the_same_bytes_get_the_same_rows() {
    let (world, licenses, mut computers) = full();
    let computer = &mut computers[1];
    let request = computer.release(&world.service, &licenses);
    let (items, first) = world.send_release(computer, &request, NOW + 1);
    assert_eq!(items, [RELEASED(2), RELEASED(2)]);
    for n in 0..20 {
        let (again, receipt) = world.send_release(computer, &request, NOW + n);
        assert_eq!((again, receipt.entries), (items.clone(), first.entries.clone()));
    }
    // Taken again with a fresh receipt: the old request frees nothing of that.
    let taken = world.restore(computer, &licenses, NOW + 30);
    assert_eq!(outcome(&taken.items[0]), Ok((Verdict::Restored, 2, 4)));
    let (again, receipt) = world.send_release(computer, &request, NOW + 31);
    assert_eq!((again, receipt.entries), (items, first.entries));
    let held = world.restore(computer, &licenses, NOW + 32);
    assert_eq!(outcome(&held.items[0]), Ok((Verdict::Reissued, 2, 4)));
}

#[test]
fn an_old_release_does_not_undo_what_came_after_it() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = [world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    // Made before the license was there, and on its way for long.
    let late = computer.release(&world.service, &licenses);
    world.restore(&mut computer, &licenses, NOW + 5);
    let (items, receipt) = world.send_release(&mut computer, &late, NOW + 9);
    assert_eq!(items, [ReleasedItem::Stale]);
    assert_eq!(receipt.entries[0].verdict, Verdict::Stale);
    // Its receipt makes the next one fresh.
    assert_eq!(world.release(&mut computer, &licenses, NOW + 9).0, [RELEASED(2)]);
}

#[test]
fn what_is_not_held_is_said_so_and_nothing_is_written() {
    let world = World::new();
    let mut origin = world.computer("old-laptop");
    let mut stranger = world.computer("stranger");
    let other = World::new();
    let license = world.issue(origin.id());
    let mut forged = license.0.as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let of = |license: &License| ReleaseItem::of(&license.0);
    let with = |grant: Vec<u8>| ReleaseItem {
        grant: Some(grant),
        ..of(&license)
    };
    let foreign = other.issue(origin.id());
    let elsewhere = world.issue_with(origin.id(), |grant| grant.service = Thumbprint([5; 32]));
    let unnamed = ReleaseItem {
        grant: None,
        ..of(&license)
    };
    let another = world.issue(origin.id()).0.as_bytes().to_vec();
    for (by_origin, items, expected) in [
        (false, vec![of(&license)], ReleasedItem::NotHeld),
        (true, vec![unnamed], ReleasedItem::NotHeld),
        (
            true,
            vec![with(forged)],
            ReleasedItem::Refused(Reason::BadSignature),
        ),
        (
            true,
            vec![with(vec![1])],
            ReleasedItem::Refused(Reason::Malformed),
        ),
        (
            true,
            vec![with(another)],
            ReleasedItem::Refused(Reason::Malformed),
        ),
        (
            true,
            vec![of(&foreign)],
            ReleasedItem::Refused(Reason::UnknownIssuer),
        ),
        (
            true,
            vec![of(&elsewhere)],
            ReleasedItem::Refused(Reason::OtherService),
        ),
    ] {
        let computer = if by_origin { &mut origin } else { &mut stranger };
        let request = computer.prepare(&world.service, kind::RELEASE, [1; 16], &Release { items });
        let (items, receipt) = world.send_release(computer, &request, NOW);
        assert_eq!(items, [expected]);
        assert_eq!(receipt.entries[0].row, None);
    }
    let twice = Release {
        items: vec![of(&license), of(&license)],
    };
    let request = origin.prepare(&world.service, kind::RELEASE, [1; 16], &twice);
    let (items, _) = world.send_release(&mut origin, &request, NOW);
    assert_eq!(items, [RELEASED(1), ReleasedItem::Refused(Reason::Twice)]);
}

#[test]
fn a_release_that_can_not_be_judged_is_told_why() {
    let world = World::new();
    let stranger = Computer::new("stranger");
    let license = world.issue(stranger.id());
    let request = stranger.release(&world.service, std::slice::from_ref(&license));
    let answer = world.service.handle(&request.bytes, NOW);
    let problem = check_release(&answer, &request.bytes, world.service.card()).unwrap();
    assert_eq!(problem.unwrap_err().code, ProblemCode::NotIndividualized);
    let known = world.computer("known");
    let empty = Release { items: vec![] };
    for request in [
        known.prepare(&world.service, kind::RELEASE, [1; 16], &empty),
        known.prepare(&world.service, kind::RELEASE, [1; 16], &"no body"),
    ] {
        let answer = world.service.handle(&request.bytes, NOW);
        let problem = check_release(&answer, &request.bytes, world.service.card()).unwrap();
        assert_eq!(problem.unwrap_err().code, ProblemCode::BadRequest);
    }
}

#[test]
fn what_is_revoked_may_be_given_back() {
    let world = World::new();
    let mut origin = world.computer("old-laptop");
    let licenses = [world.issue(origin.id())];
    crate::revoke::revoke(&world, 1, vec![keyferry_license::Revocation::Everything]);
    assert_eq!(world.release(&mut origin, &licenses, NOW).0, [RELEASED(1)]);
}
