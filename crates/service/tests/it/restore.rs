//! Restores through bytes: the straight path, requests that are sent again, and answers that were tampered with.

use keyferry_license::{PLAY, Text, random};
use keyferry_protocol::{
    Answer, CheckedItem, Error, Individualize, ProblemCode, Reason, Verdict, check_answer, kind,
};
use keyferry_service::policy::{IssuerPolicy, Policy};

use crate::ledger::write_row;
use crate::world::{Computer, License, NOW, World, body, check, rights};

/// (verdict, slot, of), or the reason of a no.
pub fn outcome(item: &CheckedItem) -> Result<(Verdict, u32, u32), Reason> {
    match item {
        CheckedItem::Granted {
            verdict, slot, of, ..
        } => Ok((*verdict, *slot, *of)),
        CheckedItem::Refused(reason) => Err(*reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_computers_get_a_license_and_the_fourth_does_not() {
    let world = World::new();
    let mut old = world.computer("old-laptop");
    let licenses = vec![world.issue(old.id()), world.issue(old.id())];
    for slot in 2..=4 {
        let mut computer = world.computer("new-laptop");
        let checked = world.restore(&mut computer, &licenses, NOW);
        for (item, (_, key)) in checked.items.iter().zip(&licenses) {
            assert_eq!(outcome(item), Ok((Verdict::Restored, slot, 4)));
            let CheckedItem::Granted {
                key: Some(delivered), ..
            } = item
            else {
                panic!("{item:?}")
            };
            assert_eq!(delivered.expose(), key.expose());
        }
        let again = world.restore(&mut computer, &licenses, NOW);
        assert_eq!(outcome(&again.items[0]), Ok((Verdict::Reissued, slot, 4)));
    }
    let mut fifth = world.computer("fifth");
    let checked = world.restore(&mut fifth, &licenses, NOW);
    assert_eq!(outcome(&checked.items[0]), Err(Reason::Limit));
    assert!(checked.page(Reason::Limit).is_some());
    let back = world.restore(&mut old, &licenses, NOW);
    assert_eq!(outcome(&back.items[1]), Ok((Verdict::Reissued, 1, 4)));
    assert_eq!(back.receipt.entries[1].row, None);
}

#[test]
fn an_operator_may_allow_more_and_an_issuer_fewer() {
    let issuer = World::new().issuer_card.thumbprint();
    let mut policy = Policy::default();
    policy.issuers.insert(issuer, IssuerPolicy { computers: Some(6) });
    let grants_of_others = World::with_policy(policy);
    let mut world = World::new();
    let origin = world.computer("old-laptop");
    let fewer = [world.issue_with(origin.id(), |grant| grant.computers = Some(2))];
    assert_eq!(
        outcome(&world.restore(&mut world.computer("a"), &fewer, NOW).items[0]),
        Ok((Verdict::Restored, 2, 2))
    );
    assert_eq!(
        outcome(&world.restore(&mut world.computer("b"), &fewer, NOW).items[0]),
        Err(Reason::Limit)
    );
    let usual = grants_of_others.issue(origin.id());
    let checked = grants_of_others.restore(&mut grants_of_others.computer("a"), &[usual], NOW);
    assert_eq!(outcome(&checked.items[0]), Ok((Verdict::Restored, 2, 4)));

    let mut policy = Policy::default();
    policy.issuers.insert(
        world.issuer_card.thumbprint(),
        IssuerPolicy { computers: Some(6) },
    );
    world.service = crate::world::open(&world.dir, vec![], policy);
    assert_eq!(
        outcome(&world.restore(&mut world.computer("c"), &fewer, NOW).items[0]),
        Ok((Verdict::Restored, 3, 6))
    );
}

#[test]
fn a_request_sent_a_hundred_times_is_answered_alike_and_spends_one_slot() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id()), world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    let request = computer.restore(&world.service, &licenses);
    let first = world.send(&mut computer, &request, &licenses, NOW).unwrap();
    for time in 0..100 {
        let again = world
            .send(&mut computer, &request, &licenses, NOW + time)
            .unwrap();
        assert_eq!(again.receipt.entries, first.receipt.entries);
        assert!(
            again
                .items
                .iter()
                .all(|item| matches!(item, CheckedItem::Granted { key: Some(_), .. }))
        );
    }
    let mut next = world.computer("next");
    assert_eq!(
        outcome(&world.restore(&mut next, &licenses, NOW).items[0]),
        Ok((Verdict::Restored, 3, 4))
    );
}

#[test]
fn after_a_release_the_old_request_gives_nothing_and_a_new_one_takes_a_slot() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    let request = computer.restore(&world.service, &licenses);
    world.send(&mut computer, &request, &licenses, NOW).unwrap();
    write_row(&world, &licenses[0], 2, computer.id(), 2, 2, NOW + 5);

    for time in [0, 5, 6, 365 * 86_400] {
        let again = world
            .send(&mut computer, &request, &licenses, NOW + time)
            .unwrap();
        assert_eq!(outcome(&again.items[0]), Err(Reason::Released));
        assert!(again.page(Reason::Released).is_some());
    }
    let fresh = world.restore(&mut computer, &licenses, NOW + 5);
    assert_eq!(outcome(&fresh.items[0]), Ok((Verdict::Restored, 2, 4)));
    assert_eq!(fresh.receipt.entries[0].seq, Some(3));
}

#[test]
fn a_computer_that_does_not_know_of_its_release_asks_twice() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    world.restore(&mut computer, &licenses, NOW);
    write_row(&world, &licenses[0], 2, computer.id(), 2, 2, NOW);
    computer.last = None;
    let first = world.restore(&mut computer, &licenses, NOW);
    assert_eq!(outcome(&first.items[0]), Err(Reason::Released));
    assert_eq!(
        first.receipt.time,
        NOW + 1,
        "newer than the row, although no second has passed"
    );
    let second = world.restore(&mut computer, &licenses, NOW);
    assert_eq!(outcome(&second.items[0]), Ok((Verdict::Restored, 2, 4)));
}

#[test]
fn what_was_revoked_comes_back_to_nobody() {
    let world = World::new();
    let mut origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id()), world.issue(origin.id())];
    write_row(&world, &licenses[0], 1, origin.id(), 3, 0, NOW);
    for computer in [&mut origin, &mut world.computer("new-laptop")] {
        let checked = world.restore(computer, &licenses, NOW);
        assert_eq!(outcome(&checked.items[0]), Err(Reason::Revoked));
        assert!(
            outcome(&checked.items[1]).is_ok(),
            "a message is not atomic, each license is"
        );
    }
}

#[test]
fn a_clock_a_year_off_changes_nothing() {
    let year = 365 * 86_400;
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    // The service's clock jumps ahead and back; the computer's is never asked.
    let request = computer.restore(&world.service, &licenses);
    let ahead = world
        .send(&mut computer, &request, &licenses, NOW + year)
        .unwrap();
    let back = world
        .send(&mut computer, &request, &licenses, NOW - year)
        .unwrap();
    assert_eq!(ahead.receipt.entries, back.receipt.entries);
    assert!(
        back.receipt.time >= NOW + year,
        "a receipt is not older than the rows it speaks of"
    );
    let mut next = world.computer("next");
    let checked = world.restore(&mut next, &licenses, NOW - year);
    assert_eq!(outcome(&checked.items[0]), Ok((Verdict::Restored, 3, 4)));
}

#[test]
fn each_no_has_its_reason_and_none_spends_a_slot() {
    let world = World::new();
    let stranger = World::new();
    let origin = world.computer("old-laptop");
    let sound = world.issue(origin.id());
    let other_service = world.issue_with(origin.id(), |grant| grant.service = origin.id());
    let no_backup = world.issue_with(origin.id(), |grant| grant.rights = rights(&[PLAY]));
    let licenses: Vec<License> = vec![
        sound.clone(),
        stranger.issue(origin.id()),
        other_service,
        no_backup,
        world.issue(origin.id()),
        world.issue(origin.id()),
        world.issue(origin.id()),
        sound.clone(),
    ];
    let mut restore = body(&world.service, &licenses);
    let last = restore.items[4].grant.len() - 1;
    restore.items[4].grant[last] ^= 1;
    restore.items[5].escrow.0[0] ^= 1;
    restore.items[6].grant = vec![0x80];
    let computer = world.computer("new-laptop");
    let request = computer.prepare(&world.service, kind::RESTORE, random().unwrap(), &restore);
    let answer = world.service.handle(&request.bytes, NOW);
    let checked = check(&answer, &request, &licenses, &world.service).unwrap();
    let outcomes: Vec<_> = checked
        .items
        .iter()
        .map(|item| outcome(item).map(|(verdict, ..)| verdict))
        .collect();
    assert_eq!(
        outcomes,
        [
            Ok(Verdict::Restored),
            Err(Reason::UnknownIssuer),
            Err(Reason::OtherService),
            Err(Reason::NoBackupRight),
            Err(Reason::BadSignature),
            Err(Reason::BadEscrow),
            Err(Reason::Malformed),
            Err(Reason::Twice),
        ]
    );
    assert_eq!(checked.receipt.pages.len(), 7);
    let untouched = world.restore(&mut world.computer("next"), &licenses[4..6], NOW);
    for item in &untouched.items {
        assert_eq!(outcome(item), Ok((Verdict::Restored, 2, 4)));
    }
}

#[test]
fn a_plan_judges_the_same_and_writes_nothing() {
    let world = World::new();
    let mut origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    for _ in 0..3 {
        let plan = computer.plan(&world.service, &licenses, false);
        let checked = world.send(&mut computer, &plan, &licenses, NOW).unwrap();
        assert!(matches!(
            checked.items[0],
            CheckedItem::Granted {
                verdict: Verdict::Reissued | Verdict::Restored,
                slot: 2,
                of: 4,
                key: None
            }
        ));
    }
    let plan = origin.plan(&world.service, &licenses, false);
    assert_eq!(
        outcome(&world.send(&mut origin, &plan, &licenses, NOW).unwrap().items[0]),
        Ok((Verdict::Reissued, 1, 4))
    );
    assert!(
        plan_of(&world, &mut computer, &licenses).row.is_none(),
        "nothing was written"
    );
    let as_new = origin.plan(&world.service, &licenses, true);
    assert_eq!(
        outcome(&world.send(&mut origin, &as_new, &licenses, NOW).unwrap().items[0]),
        Ok((Verdict::Restored, 2, 4))
    );
    assert_eq!(
        outcome(&world.restore(&mut computer, &licenses, NOW).items[0]),
        Ok((Verdict::Restored, 2, 4))
    );
}

fn plan_of(world: &World, computer: &mut Computer, licenses: &[License]) -> keyferry_protocol::Entry {
    let plan = computer.plan(&world.service, licenses, false);
    world
        .send(computer, &plan, licenses, NOW)
        .unwrap()
        .receipt
        .entries[0]
        .clone()
}

#[test]
fn a_tampered_answer_is_taken_for_what_it_is() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id()), world.issue(origin.id())];
    let computer = world.computer("new-laptop");
    let (request, other) = (
        computer.restore(&world.service, &licenses),
        computer.restore(&world.service, &licenses),
    );
    let bytes = world.service.handle(&request.bytes, NOW);

    let mut swapped = Answer::decode(&bytes).unwrap();
    swapped.delivery.as_mut().unwrap().keys.swap(0, 1);
    let checked = check(&swapped.encode(), &request, &licenses, &world.service).unwrap();
    assert!(
        checked
            .items
            .iter()
            .all(|item| matches!(item, CheckedItem::WrongKey(_))),
        "{:?}",
        checked.items
    );

    let grants: Vec<_> = licenses.iter().map(|(grant, _)| grant.clone()).collect();
    let taken = |answer: &[u8], request: &[u8]| {
        check_answer(
            answer,
            request,
            &grants,
            world.service.card(),
            other.one_time.as_ref(),
        )
        .unwrap_err()
    };
    assert_eq!(taken(&bytes, &other.bytes), Error::OtherRequest);
    for end in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(taken(&bytes[..end], &request.bytes), Error::Document(_)));
    }
}

#[test]
fn requests_that_can_not_be_judged_are_told_why() {
    let world = World::new();
    let mut unknown = Computer::new("unknown");
    let licenses = [world.issue(unknown.id())];
    let code = |bytes: &[u8]| {
        Answer::decode(&world.service.handle(bytes, NOW))
            .unwrap()
            .problem
            .unwrap()
    };
    let request = unknown.restore(&world.service, &licenses);
    assert_eq!(
        world
            .send(&mut unknown, &request, &licenses, NOW)
            .unwrap_err()
            .code,
        ProblemCode::NotIndividualized
    );

    let dance = unknown.prepare(&world.service, "dance", random().unwrap(), &1u8);
    let problem = code(&dance.bytes);
    assert_eq!(problem.code, ProblemCode::UnknownKind);
    assert!(problem.message.contains("dance"), "{:?}", problem.message);

    let elsewhere = unknown.individualize(&World::new().service);
    assert_eq!(code(&elsewhere.bytes).code, ProblemCode::OtherService);

    let foreign = Individualize {
        card: Computer::new("other").card.as_bytes().to_vec(),
        consent: NOW,
    };
    let foreign = unknown.prepare(&world.service, kind::INDIVIDUALIZE, random().unwrap(), &foreign);
    assert_eq!(code(&foreign.bytes).code, ProblemCode::BadRequest);

    let known = world.computer("known");
    let mut altered = known.restore(&world.service, &licenses).bytes;
    let last = altered.len() - 1;
    altered[last] ^= 1;
    for bytes in [
        &altered[..],
        &[],
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &request.bytes[..99],
    ] {
        assert_eq!(code(bytes).code, ProblemCode::BadRequest);
    }
    let empty = body(&world.service, &[]);
    let empty = known.prepare(&world.service, kind::RESTORE, random().unwrap(), &empty);
    assert_eq!(code(&empty.bytes).code, ProblemCode::BadRequest);
}

#[test]
fn individualizing_again_changes_nothing_and_renames() {
    let world = World::new();
    let mut computer = Computer::new("first name");
    let request = computer.individualize(&world.service);
    let certify = |request: &keyferry_protocol::Prepared| {
        check(
            &world.service.handle(&request.bytes, NOW),
            request,
            &[],
            &world.service,
        )
        .unwrap()
    };
    for _ in 0..3 {
        let receipt = certify(&request).receipt;
        assert_eq!(receipt.card, Some(*computer.card.digest()));
        assert!(receipt.entries.is_empty());
    }
    let mut card = (*computer.card).clone();
    (card.serial, card.name) = (2, Text::new("name", "second name").unwrap());
    computer.card = card.sign(&computer.signing).unwrap();
    assert_eq!(
        certify(&computer.individualize(&world.service)).receipt.card,
        Some(*computer.card.digest())
    );
    assert_eq!(certify(&request).receipt.request, request.id);
}
