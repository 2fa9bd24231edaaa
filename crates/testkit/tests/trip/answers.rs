//! Must hold: one request sent twice or a hundred times, a release that the computer doesn't know of, exchanged keys, an
//! answer to another request, half an answer, a clock a year off: each named, nothing spent, nothing wrong stored.

use std::sync::Arc;

use keyferry::{Failure, Outcome};
use keyferry_license::{ContentKey, Grant};
use keyferry_protocol::{Answer, Receipt, SignedRequest, Verdict, kind};
use keyferry_testkit::{Bent, Computer, Fault, NOW, World};

use crate::careless::{Careless, DELIVERY};
use crate::ledger;

const YEAR: u64 = 365 * 24 * 60 * 60;

/// The receipt in an answer, verified.
fn receipt(world: &World, answer: &[u8]) -> Receipt {
    let receipt = Answer::decode(answer)
        .expect("an answer")
        .receipt
        .expect("a receipt");
    Receipt::verify(&receipt, world.service.card()).expect("signed by the service")
}

/// A computer that has restored, and its one request to restore with the answer.
fn restored(world: &World, from: &std::path::Path) -> (Computer, Vec<u8>, Vec<u8>) {
    let new = world.computer("new laptop");
    let transport = world.direct();
    assert_eq!(new.restore(world.agreed(from), transport.clone()).failure(), None);
    let mut exchanges = transport.traffic().of_kind(kind::RESTORE);
    let (request, answer) = exchanges.remove(0);
    assert!(exchanges.is_empty(), "one request was enough");
    (new, request, answer)
}

#[test]
fn a_request_that_is_sent_a_hundred_times_gets_the_same_answer_and_spends_nothing() {
    let world = World::new();
    let (_, _, stick) = world.backed_up(4);
    let (_, request, first) = restored(&world, &stick);
    let rows = ledger::rows(&world);
    let told = receipt(&world, &first);
    let mut deliveries = vec![Answer::decode(&first).unwrap().delivery.expect("keys").enc];
    for later in 1..=100 {
        let answer = world.service.handle(&request, NOW + later);
        let again = receipt(&world, &answer);
        assert_eq!(again.entries, told.entries, "same slots, same hashes of rows");
        assert!(
            again
                .entries
                .iter()
                .all(|entry| entry.verdict == Verdict::Restored)
        );
        assert_eq!(again.request, told.request);
        let enc = Answer::decode(&answer).unwrap().delivery.expect("keys").enc;
        assert!(!deliveries.contains(&enc), "keys are sealed anew");
        deliveries.push(enc);
    }
    assert_eq!(ledger::rows(&world), rows);
}

#[test]
fn a_computer_takes_the_second_answer_to_its_request_like_the_first() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    for (times, slot) in [(2, 2), (100, 3)] {
        let new = world.computer(&format!("computer {slot}"));
        let ended = world.restore_bent(&new, &stick, Fault::Repeats(times));
        let here = Outcome::Restored {
            slot: Some((slot, 4)),
        };
        assert_eq!(
            (ended.failure(), ended.events.count(|outcome| *outcome == here)),
            (None, 3)
        );
        assert_eq!(new.opens(&issued), 3);
    }
    assert_eq!(ledger::rows(&world).len(), 6, "three licenses, two computers");
}

#[test]
fn an_old_request_spends_nothing_after_a_release() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let (new, request, _) = restored(&world, &stick);
    ledger::release(&world, &issued[0], new.card().thumbprint(), 2, NOW + 10);
    let rows = ledger::rows(&world);
    for later in 20..120 {
        let answer = receipt(&world, &world.service.handle(&request, NOW + later));
        let verdicts: Vec<Verdict> = answer.entries.iter().map(|entry| entry.verdict).collect();
        assert_eq!(
            verdicts
                .iter()
                .filter(|verdict| **verdict == Verdict::Refused)
                .count(),
            1
        );
    }
    assert_eq!(
        ledger::rows(&world),
        rows,
        "what was given back isn't taken by an old request"
    );
}

#[test]
fn a_computer_that_doesnt_know_of_a_release_hears_of_it_before_it_asks() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let (new, ..) = restored(&world, &stick);
    ledger::release(&world, &issued[0], new.card().thumbprint(), 2, NOW + 10);
    let other = world.computer("third");
    world.service_clock.set(NOW + 20);
    assert_eq!(
        world.restore(&other, &stick).failure(),
        None,
        "the slot is free for another"
    );
    new.lose_store();
    let transport = world.direct();
    let ended = new.restore(world.agreed(&stick), transport.clone());
    assert_eq!(ended.failure(), None, "{:?}", ended.report());
    let mut slots: Vec<Outcome> = ended.events.outcomes().iter().map(|said| said.outcome).collect();
    slots.sort_by_key(|outcome| format!("{outcome:?}"));
    let expected = [
        Outcome::Reissued { slot: (2, 4) },
        Outcome::Restored { slot: Some((3, 4)) },
    ];
    assert_eq!(slots, expected, "the one that was given back takes a new slot");
    assert_eq!(
        transport.traffic().of_kind(kind::RESTORE).len(),
        1,
        "it had heard before it asked"
    );
    assert_eq!(new.opens(&issued), 2);
    assert!(new.store().outbox_pending().unwrap().is_empty());
}

#[test]
fn exchanged_keys_are_noticed_and_not_stored() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(4);
    let new = world.computer("new laptop");
    let ended = world.restore_bent(&new, &stick, Fault::SwappedKeys);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    assert_eq!(
        ended
            .events
            .count(|outcome| *outcome == Outcome::Failed(Failure::BadData)),
        2
    );
    let why: Vec<String> = ended
        .events
        .outcomes()
        .into_iter()
        .filter_map(|said| said.why)
        .collect();
    assert!(
        why.iter()
            .all(|why| why.starts_with("the service delivered a wrong key")),
        "{why:?}"
    );
    assert_eq!((new.opens(&issued), new.store().count().unwrap()), (2, 2));
    let rows = ledger::rows(&world);
    let again = world.restore(&new, &stick);
    assert_eq!((again.failure(), again.report().counts.reissued), (None, 2));
    assert_eq!(new.opens(&issued), 4);
    assert_eq!(ledger::rows(&world), rows, "the slots were taken once");
}

#[test]
fn when_both_keys_are_exchanged_nothing_comes_and_it_is_named() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = world.computer("new laptop");
    let ended = world.restore_bent(&new, &stick, Fault::SwappedKeys);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2745", 1));
    assert_eq!(new.opens(&issued), 0);
}

#[test]
fn an_answer_to_another_request_is_not_taken() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let (first, _, of_another_computer) = restored(&world, &stick);
    let rows = ledger::rows(&world);
    let second = world.computer("second");
    let ended = world.restore_bent(&second, &stick, Fault::Answers(of_another_computer.clone()));
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D272E", 1));
    assert_eq!((second.opens(&issued), second.store().count().unwrap()), (0, 0));
    first.lose_store();
    let replayed = world.restore_bent(&first, &stick, Fault::Answers(of_another_computer));
    assert_eq!(
        replayed.hresult(),
        "C00D272E",
        "its own earlier answer is another request's too"
    );
    assert_eq!(first.opens(&issued), 0);
    assert_eq!(ledger::rows(&world), rows, "nothing was spent");
    assert_eq!(world.restore(&first, &stick).failure(), None);
    assert_eq!(world.restore(&second, &stick).failure(), None);
    assert_eq!((first.opens(&issued), second.opens(&issued)), (3, 3));
}

#[test]
fn an_answer_to_an_earlier_request_of_the_same_operation_is_not_taken() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2000);
    let new = world.computer("new laptop");
    let ended = world.restore_bent(&new, &stick, Fault::FirstAnswer);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    assert_eq!(ended.report().counts.failed["bad-request-id"], 1000);
    assert_eq!(new.opens(&issued), 1000);
    assert_eq!(
        (world.restore(&new, &stick).failure(), new.opens(&issued)),
        (None, 2000)
    );
}

/// Delivers to the computer, correctly sealed for each license, the key of nobody.
fn with_wrong_keys(request: &[u8], answer: &[u8]) -> Vec<u8> {
    let request = SignedRequest::decode(request).expect("a request");
    let body = request.claim().restore_body().expect("a restore");
    let (enc, sealer) = Careless::new(DELIVERY, &request.claim().one_time_key().expect("a key"));
    let key = ContentKey::from_bytes([0x5a; 16]);
    let seal = |item: &keyferry_protocol::Item| {
        let grant = Grant::parse(&item.grant).expect("a grant");
        Some(sealer.seal(&grant.digest(), &key))
    };
    let mut answer = Answer::decode(answer).expect("an answer");
    let delivery = answer.delivery.as_mut().expect("keys");
    delivery.enc = enc;
    delivery.keys = body.items.iter().map(seal).collect();
    answer.encode()
}

#[test]
fn a_key_that_the_grant_did_not_commit_to_is_not_taken_from_the_service() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = world.computer("new laptop");
    let ended = world.restore_bent(&new, &stick, Fault::Altered(with_wrong_keys));
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2745", 1));
    assert_eq!((new.opens(&issued), new.store().count().unwrap()), (0, 0));
    assert_eq!(
        (world.restore(&new, &stick).failure(), new.opens(&issued)),
        (None, 2)
    );
}

#[test]
fn half_an_answer_is_no_answer() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let ended = world.restore_bent(&new, &stick, Fault::Truncated);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2745", 1));
    assert_eq!((new.opens(&issued), new.store().count().unwrap()), (0, 0));
    let rows = ledger::rows(&world);
    let again = world.restore(&new, &stick);
    assert_eq!((again.failure(), again.report().counts.reissued), (None, 3));
    assert_eq!(ledger::rows(&world), rows, "the slots were taken once");
}

#[test]
fn a_connection_that_breaks_after_the_service_judged_costs_nothing() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    for _ in 0..5 {
        let ended = world.restore_bent(&new, &stick, Fault::ClosesAfterCommit);
        assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2846", 6));
        assert_eq!(new.opens(&issued), 0);
    }
    let rows = ledger::rows(&world);
    assert_eq!(rows.len(), 3, "the slots were taken once");
    assert_eq!(world.restore(&new, &stick).failure(), None);
    assert_eq!(new.opens(&issued), 3);
    assert_eq!(ledger::rows(&world), rows);
}

#[test]
fn the_clock_of_a_computer_decides_nothing() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    for (slot, clock) in [(2, NOW - YEAR), (3, NOW + YEAR)] {
        let new = world.computer(&format!("computer at {clock}"));
        new.clock.set(clock);
        let ended = world.restore(&new, &stick);
        let here = Outcome::Restored {
            slot: Some((slot, 4)),
        };
        assert_eq!(
            (ended.failure(), ended.events.count(|outcome| *outcome == here)),
            (None, 2)
        );
        let rows = ledger::rows(&world);
        assert!(
            rows.iter().all(|row| row.time == NOW),
            "the time is the service's"
        );
        // It goes wrong in the other direction, and nothing changes.
        new.clock.set(2 * NOW - clock);
        new.lose_store();
        let again = world.restore(&new, &stick);
        assert_eq!((again.failure(), again.report().counts.reissued), (None, 2));
        assert_eq!((new.opens(&issued), ledger::rows(&world)), (2, rows));
        let copy = world.folder(&format!("stick of {clock}"));
        world.back_up(&new, &copy);
    }
}

#[test]
fn a_service_whose_clock_goes_back_spends_nothing_twice() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let (new, request, _) = restored(&world, &stick);
    let rows = ledger::rows(&world);
    world.service_clock.set(NOW - YEAR);
    new.lose_store();
    assert_eq!(world.restore(&new, &stick).failure(), None);
    world.service.handle(&request, NOW - YEAR);
    assert_eq!((new.opens(&issued), ledger::rows(&world)), (2, rows));
}

#[test]
fn what_came_before_the_service_went_away_stays() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(1500);
    let new = world.computer("new laptop");
    let direct = world.direct();
    let bent = Arc::new(Bent::new(direct.clone(), Fault::DownAfter(1)));
    let ended = new.restore(world.agreed(&stick), bent);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    let counts = &ended.report().counts;
    let came = counts.restored;
    // Two requests are on their way, and either may be the first to arrive.
    assert!([500, 1000].contains(&came), "{counts:?}");
    assert_eq!(counts.failed["service-unavailable"], 1500 - came);
    assert_eq!(new.opens(&issued) as u64, came);
    let again = world.restore(&new, &stick);
    assert_eq!((again.failure(), new.opens(&issued)), (None, 1500));
    assert_eq!(
        (again.report().counts.already_here, again.report().counts.restored),
        (came, 1500 - came)
    );
}

#[test]
fn two_requests_are_on_their_way_at_once_and_the_second_may_be_answered_first() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2500);
    let new = world.computer("new laptop");
    let direct = world.direct();
    let overtaken = Arc::new(Bent::new(direct.clone(), Fault::Overtaken));
    assert_eq!(new.restore(world.agreed(&stick), overtaken).failure(), None);
    assert_eq!((new.opens(&issued), ledger::rows(&world).len()), (2500, 2500));
    assert_eq!(direct.traffic().of_kind(kind::RESTORE).len(), 3);
}
