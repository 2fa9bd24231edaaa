//! Must hold: computers 2, 3 and 4 get a license and the fifth doesn't; who holds it takes no second slot; of a hundred
//! at the same moment exactly three get each license.

use std::sync::Barrier;

use keyferry::{Failure, Outcome, RestoreReport, Status};
use keyferry_license::Thumbprint;
use keyferry_protocol::Change;
use keyferry_testkit::{Computer, Ended, Recorder, Wanted, World};

use crate::ledger;

fn all_restored(ended: &Ended<RestoreReport>, licenses: usize, slot: u32) {
    assert_eq!(ended.failure(), None, "{:?}", ended.report());
    assert_eq!(ended.report().counts.restored, licenses as u64);
    let here = Outcome::Restored {
        slot: Some((slot, 4)),
    };
    assert_eq!(ended.events.count(|outcome| *outcome == here), licenses);
}

#[test]
fn computers_two_three_and_four_restore_and_the_fifth_is_refused() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(3);
    for slot in 2..=4 {
        let computer = world.computer(&format!("computer {slot}"));
        let ended = world.restore(&computer, &stick);
        all_restored(&ended, 3, slot);
        assert_eq!(computer.opens(&issued), 3);
    }
    let rows = ledger::rows(&world);
    assert_eq!(rows.len(), 9, "three licenses, three computers");

    let fifth = world.computer("computer 5");
    let ended = world.restore(&fifth, &stick);
    assert_eq!(ended.failure(), Some(Failure::Limit));
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2753", 7));
    assert_eq!(
        ended
            .events
            .count(|outcome| *outcome == Outcome::Failed(Failure::Limit)),
        3
    );
    let pages = ended.events.pages();
    assert_eq!(pages.len(), 1, "one page for all three");
    assert_eq!(
        ended
            .report()
            .pages
            .iter()
            .map(|page| &page.url)
            .collect::<Vec<_>>(),
        [&pages[0]]
    );
    let last = ended.events.statuses().pop();
    assert_eq!(last, Some(Status::End(Failure::Limit.hresult())));
    assert_eq!((fifth.opens(&issued), fifth.store().count().unwrap()), (0, 0));
    assert_eq!(ledger::rows(&world), rows, "a refusal writes no row");
    assert_eq!(old.opens(&issued), 3, "the old one keeps what it has");
}

#[test]
fn a_grant_may_allow_fewer_computers() {
    let world = World::new();
    let old = world.computer("old laptop");
    let two = Wanted {
        computers: Some(2),
        ..Wanted::plain("For two")
    };
    let issued = world.issue(&old, &[two, Wanted::plain("For four")]);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    assert_eq!(world.restore(&world.computer("second"), &stick).failure(), None);
    let third = world.computer("third");
    let ended = world.restore(&third, &stick);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    assert_eq!((third.opens(&issued[..1]), third.opens(&issued[1..])), (0, 1));
}

#[test]
fn a_computer_that_holds_them_takes_no_second_slot() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    all_restored(&world.restore(&new, &stick), 3, 2);
    let rows = ledger::rows(&world);

    let transport = world.direct();
    let again = new.restore(world.agreed(&stick), transport.clone());
    assert_eq!((again.failure(), again.report().counts.already_here), (None, 3));
    assert_eq!(
        transport.traffic().connections(),
        0,
        "what is here needs no service"
    );

    new.lose_store();
    assert_eq!(new.opens(&issued), 0);
    let again = world.restore(&new, &stick);
    assert_eq!((again.failure(), again.report().counts.reissued), (None, 3));
    let reissued = Outcome::Reissued { slot: (2, 4) };
    assert_eq!(again.events.count(|outcome| *outcome == reissued), 3);
    assert_eq!(new.opens(&issued), 3);
    assert_eq!(ledger::rows(&world), rows, "no slot was taken");
}

#[test]
fn the_old_computer_gets_its_own_back_without_a_service() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    world.restore(&new, &stick);
    let rows = ledger::rows(&world);
    old.lose_store();
    let transport = world.direct();
    // Nobody agrees to anything: nothing has to be agreed to.
    let ended = old.restore(world.refused(&stick), transport.clone());
    assert_eq!((ended.failure(), ended.report().counts.restored), (None, 3));
    assert_eq!(transport.traffic().connections(), 0);
    assert_eq!(old.opens(&issued), 3);
    assert_eq!(ledger::rows(&world), rows);
}

#[test]
fn the_old_computer_asks_the_service_when_its_return_key_is_gone() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    for number in 2..=4 {
        world.restore(&world.computer(&format!("computer {number}")), &stick);
    }
    let rows = ledger::rows(&world);
    old.store().forget_return_keys().expect("forgotten");
    old.lose_store();
    let ended = world.restore(&old, &stick);
    assert_eq!(
        (ended.failure(), ended.report().counts.reissued),
        (None, 2),
        "{:?}",
        ended.report()
    );
    assert_eq!(old.opens(&issued), 2, "it holds slot 1 although all are taken");
    assert_eq!(ledger::rows(&world), rows);
}

#[test]
fn restored_licenses_are_backed_up_and_go_on_to_the_next_computer() {
    let world = World::new();
    let (_, issued, first) = world.backed_up(3);
    let mut from = first;
    for slot in 2..=4 {
        let computer = world.computer(&format!("computer {slot}"));
        all_restored(&world.restore(&computer, &from), 3, slot);
        from = world.folder(&format!("stick of {slot}"));
        let report = world.back_up(&computer, &from);
        assert_eq!((report.counts.backed_up, report.counts.restricted), (3, 0));
        // A restored license comes back like an issued one.
        computer.lose_store();
        let back = computer.restore(world.refused(&from), world.direct());
        assert_eq!((back.failure(), computer.opens(&issued)), (None, 3));
    }
    let fifth = world.restore(&world.computer("computer 5"), &from);
    assert_eq!(
        fifth.failure(),
        Some(Failure::Limit),
        "whichever backup it came from"
    );
    assert_eq!(ledger::rows(&world).len(), 9);
}

#[test]
fn of_a_hundred_computers_at_once_three_get_each_license() {
    const COMPUTERS: usize = 100;
    const LICENSES: usize = 5;
    let world = World::new();
    let (_, issued, stick) = world.backed_up(LICENSES);
    let computers: Vec<Computer> = (0..COMPUTERS)
        .map(|at| world.computer(&format!("computer {at}")))
        .collect();
    let start = Barrier::new(COMPUTERS);
    let restore = |computer: &Computer| {
        start.wait();
        world.restore(computer, &stick)
    };
    let ended: Vec<Ended<RestoreReport>> = std::thread::scope(|scope| {
        let started: Vec<_> = computers.iter().map(|one| scope.spawn(|| restore(one))).collect();
        started
            .into_iter()
            .map(|thread| thread.join().expect("it ended"))
            .collect()
    });
    let granted = |events: &Recorder| events.count(|outcome| outcome.is_here());
    let here: Vec<usize> = ended.iter().map(|ended| granted(&ended.events)).collect();
    assert_eq!(here.iter().sum::<usize>(), 3 * LICENSES);
    for license in &issued {
        let rows = ledger::rows_of(&world, license);
        let slots: Vec<u32> = rows.iter().map(|row| row.slot).collect();
        assert_eq!(slots, [2, 3, 4]);
        assert!(rows.iter().all(|row| row.change == Change::Take));
        let holders: Vec<Thumbprint> = rows.iter().map(|row| row.computer).collect();
        let opens: Vec<Thumbprint> = computers
            .iter()
            .filter(|computer| computer.opens(std::slice::from_ref(license)) == 1)
            .map(|computer| computer.card().thumbprint())
            .collect();
        assert_eq!(opens.len(), 3);
        assert!(opens.iter().all(|computer| holders.contains(computer)));
    }
    for (ended, here) in ended.iter().zip(here) {
        let expected = match here {
            LICENSES => None,
            0 => Some(Failure::Limit),
            _ => Some(Failure::NotAllStored),
        };
        assert_eq!(ended.failure(), expected);
    }
}
