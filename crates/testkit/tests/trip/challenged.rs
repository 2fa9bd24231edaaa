//! Must hold: an issuer revokes without a service, on the computer that answered its challenge and nowhere else; what
//! doesn't fit removes nothing, and an acknowledgement is never lost.

use keyferry::{Error, Failure, Obeyed, Restorer, Result};
use keyferry_license::{Revocation, RevocationList, Thumbprint};
use keyferry_protocol::{Error as Protocol, ListAcknowledgement};
use keyferry_store::Presence;
use keyferry_testkit::{Computer, Fault, Issued, Publisher, Wanted, World};

fn agent(world: &World, computer: &Computer) -> Restorer {
    computer.restorer(world.bent(Fault::Down))
}

fn obey(world: &World, computer: &Computer, list: &[u8]) -> Result<Obeyed> {
    agent(world, computer).obey_list(list)
}

fn failure(obeyed: Result<Obeyed>) -> Failure {
    obeyed.expect_err("refused").failure()
}

fn one(issued: &Issued) -> Vec<Revocation> {
    vec![Revocation::License(issued.grant.license)]
}

#[test]
fn what_the_list_names_goes_and_stays_away_and_the_issuer_knows() {
    for what in [
        |issued: &Issued| Revocation::License(issued.grant.license),
        |issued: &Issued| Revocation::KeyId(issued.grant.key_id),
        |_: &Issued| Revocation::Everything,
    ] {
        let world = World::new();
        let (old, issued, stick) = world.backed_up(2);
        let lists = [world.publisher.revoke(1, vec![what(&issued[0])])];
        let gone = if lists[0].entries == [Revocation::Everything] {
            2
        } else {
            1
        };
        let challenge = world.publisher.challenge();
        let agent = agent(&world, &old);
        let answer = agent.answer_challenge(&challenge, Some(&old.store().id()));
        let (list, answer) = world
            .publisher
            .list_for(&challenge, &answer.expect("an answer"), &lists);
        assert_eq!((answer.since, answer.computer()), (0, Ok(old.store().id())));
        let obeyed = agent.obey_list(list.as_bytes()).expect("obeyed");
        assert_eq!((obeyed.removed.len(), old.opens(&issued)), (gone, 2 - gone));
        let word = &obeyed.acknowledgement;
        assert_eq!(ListAcknowledgement::check(word, &list, &answer), Ok(()));
        let (issuer, license) = (world.publisher.root(), issued[0].grant.license);
        let presence = old.store().presence([(&issuer, &license)]);
        assert_eq!(presence.expect("known"), [Presence::Revoked]);
        assert_eq!(old.store().revocation_seen(&issuer).expect("a number"), 1);
        // Its own backup doesn't bring it back, with a service that heard nothing of it neither.
        let down = world.restore_bent(&old, &stick, Fault::Down);
        assert_ne!(down.failure(), None);
        let ended = world.restore(&old, &stick);
        assert_eq!(ended.report().counts.failed["revoked"], gone as u64);
        assert_eq!(old.opens(&issued), 2 - gone);
    }
}

#[test]
fn whoever_hands_the_list_in_again_gets_the_same_acknowledgement_until_the_next_challenge() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(2);
    let publisher = &world.publisher;
    let lists = [
        publisher.revoke(1, one(&issued[0])),
        publisher.revoke(2, one(&issued[1])),
    ];
    let challenge = publisher.challenge();
    let ask = |challenge: &[u8]| {
        agent(&world, &old)
            .answer_challenge(challenge, None)
            .expect("an answer")
    };
    let answer = ask(&challenge);
    assert_eq!(ask(&challenge), answer, "the same challenge gets the same answer");
    let (list, _) = publisher.list_for(&challenge, &answer, &lists[..1]);
    let first = obey(&world, &old, list.as_bytes()).expect("obeyed");
    assert_eq!(first.removed.len(), 1);
    for _ in 0..2 {
        let again = obey(&world, &old, list.as_bytes()).expect("obeyed before");
        assert_eq!(again.acknowledgement, first.acknowledgement);
        assert!(again.removed.is_empty());
    }
    // Another list for the same answer comes too late: an answer serves one list.
    let (another, _) = publisher.list_for(&challenge, &answer, &lists);
    assert_eq!(
        failure(obey(&world, &old, another.as_bytes())),
        Failure::BadRequestId
    );
    assert_eq!(old.opens(&issued), 1);
    let second = publisher.challenge();
    let (list_2, answer_2) = publisher.list_for(&second, &ask(&second), &lists);
    assert_eq!((answer_2.since, list_2.number, list_2.entries.len()), (1, 2, 1));
    assert_eq!(
        failure(obey(&world, &old, list.as_bytes())),
        Failure::BadRequestId,
        "replayed"
    );
    assert_eq!(
        obey(&world, &old, list_2.as_bytes())
            .expect("obeyed")
            .removed
            .len(),
        1
    );
    assert_eq!(old.opens(&issued), 0);
}

#[test]
fn a_list_removes_nothing_where_it_does_not_belong() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(2);
    let other = world.computer("other");
    world.issue(&other, &Wanted::many(1, None));
    let publisher = &world.publisher;
    let lists = [publisher.revoke(1, vec![Revocation::Everything])];
    let challenge = publisher.challenge();
    let answer_of = |computer: &Computer| {
        let answer = agent(&world, computer).answer_challenge(&challenge, None);
        answer.expect("an answer")
    };
    let (for_other, _) = publisher.list_for(&challenge, &answer_of(&other), &lists);
    // Nothing waits here yet; then an answer does, and the list is another computer's.
    assert_eq!(
        failure(obey(&world, &old, for_other.as_bytes())),
        Failure::BadRequestId
    );
    let (list, answer) = publisher.list_for(&challenge, &answer_of(&old), &lists);
    assert_eq!(
        failure(obey(&world, &old, for_other.as_bytes())),
        Failure::BadRequestId
    );
    assert_eq!(
        failure(obey(&world, &old, lists[0].as_bytes())),
        Failure::BadRequestId,
        "no nonce"
    );
    let mut altered = list.as_bytes().to_vec();
    for at in 0..altered.len() {
        altered[at] ^= 1;
        assert!(obey(&world, &old, &altered).is_err(), "byte {at}");
        altered[at] ^= 1;
    }
    let known = publisher.sign_list(&RevocationList {
        number: answer.since + 1,
        nonce: Some([0; 16]),
        ..(*list).clone()
    });
    assert_eq!(
        failure(obey(&world, &old, known.as_bytes())),
        Failure::BadRequestId
    );
    let forged = Publisher::new("Somebody").sign_list(&list);
    assert_eq!(failure(obey(&world, &old, forged.as_bytes())), Failure::BadData);
    assert_eq!(old.opens(&issued), 2);
    assert_eq!(
        obey(&world, &old, list.as_bytes()).expect("obeyed").removed.len(),
        2
    );
}

#[test]
fn an_issuer_that_nobody_accepted_gets_no_answer_and_one_that_is_revokes_its_own_only() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(1);
    let stranger = Publisher::new("Somebody");
    // Known, as by a license that was imported, is not accepted.
    old.store().put_card(stranger.card()).expect("kept");
    let challenge = stranger.challenge();
    let asked = agent(&world, &old).answer_challenge(&challenge, None);
    assert!(matches!(asked, Err(Error::IssuerNotAccepted { issuer }) if issuer == stranger.root()));
    let list = stranger.revoke(1, vec![Revocation::Everything]);
    assert_eq!(
        failure(obey(&world, &old, list.as_bytes())),
        Failure::IssuerNotAccepted
    );
    old.store()
        .accept_root(stranger.card(), None, 0)
        .expect("accepted");
    let answer = agent(&world, &old)
        .answer_challenge(&challenge, None)
        .expect("an answer");
    let all = one(&issued[0])
        .into_iter()
        .chain([Revocation::KeyId(issued[0].grant.key_id), Revocation::Everything]);
    let lists = [stranger.revoke(1, all.collect())];
    let (list, _) = stranger.list_for(&challenge, &answer, &lists);
    let obeyed = obey(&world, &old, list.as_bytes()).expect("obeyed");
    assert_eq!((obeyed.removed.len(), old.opens(&issued)), (0, 1));
}

#[test]
fn another_computer_and_a_bent_challenge_are_named() {
    let world = World::new();
    let (old, _, _) = world.backed_up(1);
    let challenge = world.publisher.challenge();
    let elsewhere = agent(&world, &old).answer_challenge(&challenge, Some(&Thumbprint([1; 32])));
    assert_eq!(elsewhere.expect_err("refused").failure(), Failure::OtherComputer);
    let mut altered = challenge.clone();
    for at in (0..altered.len()).step_by(7) {
        altered[at] ^= 1;
        assert!(
            agent(&world, &old).answer_challenge(&altered, None).is_err(),
            "byte {at}"
        );
        altered[at] ^= 1;
    }
    assert!(old.store().outbox_pending().expect("outbox").is_empty());
    let list = world.publisher.revoke(1, vec![Revocation::Everything]);
    let wrong = agent(&world, &old).answer_challenge(list.as_bytes(), None);
    assert!(matches!(wrong, Err(Error::Protocol(Protocol::Document(_)))));
}

#[test]
fn lists_of_a_service_that_came_meanwhile_do_no_harm() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(3);
    let publisher = &world.publisher;
    let lists = [1, 2, 3].map(|n: u64| publisher.revoke(n, one(&issued[n as usize - 1])));
    let challenge = publisher.challenge();
    let answer = agent(&world, &old)
        .answer_challenge(&challenge, None)
        .expect("an answer");
    let (list, _) = publisher.list_for(&challenge, &answer, &lists[..2]);
    // As it does at a contact with a service.
    old.store().revoke(&lists, &[], 0).expect("obeyed");
    let obeyed = obey(&world, &old, list.as_bytes()).expect("obeyed");
    assert!(obeyed.removed.is_empty());
    assert_eq!(
        old.store().revocation_seen(&publisher.root()).expect("a number"),
        3
    );
    // And what was obeyed without a service isn't missing at the next contact.
    let next = world.computer("next");
    let later = world.issue(&next, &Wanted::many(2, None));
    let lists = [
        publisher.revoke(4, one(&later[0])),
        publisher.revoke(5, one(&later[1])),
    ];
    next.store().revoke(&lists[..0], &[], 0).expect("nothing");
    let challenge = publisher.challenge();
    let answer = agent(&world, &old)
        .answer_challenge(&challenge, None)
        .expect("an answer");
    let (list, _) = publisher.list_for(&challenge, &answer, &lists[..1]);
    obey(&world, &old, list.as_bytes()).expect("obeyed");
    old.store()
        .revoke(&lists[1..], &[], 0)
        .expect("list 5 follows list 4");
}

#[test]
fn while_another_operation_runs_it_has_to_wait() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(1);
    let lists = [world.publisher.revoke(1, one(&issued[0]))];
    let challenge = world.publisher.challenge();
    let answer = agent(&world, &old)
        .answer_challenge(&challenge, None)
        .expect("an answer");
    let (list, _) = world.publisher.list_for(&challenge, &answer, &lists);
    let lock = old.store().operation_lock().expect("free");
    assert_eq!(failure(obey(&world, &old, list.as_bytes())), Failure::Busy);
    drop(lock);
    assert_eq!(
        obey(&world, &old, list.as_bytes()).expect("obeyed").removed.len(),
        1
    );
}
