//! Must hold: what its issuer revoked does not come back, is removed at the next contact wherever it is, and is told; a
//! list that can't be believed removes nothing.

use std::sync::Arc;

use keyferry::{
    Error, Failure, HttpTransport, Patience, Silent, Transport, TransportError, post_revocations,
};
use keyferry_license::{Card, Revocation, RevocationList, Verified};
use keyferry_protocol::{Answer, ListProblemCode, ListReceipt, kind};
use keyferry_testkit::{Direct, Fault, Issued, Publisher, World, kind_of};

fn licenses(issued: &[Issued]) -> Vec<Revocation> {
    issued
        .iter()
        .map(|one| Revocation::License(one.grant.license))
        .collect()
}

fn post(
    way: Arc<dyn Transport>,
    list: &Verified<RevocationList>,
    service: &Verified<Card>,
) -> Result<ListReceipt, Error> {
    post_revocations(&way, Patience::none(), &Silent, list, service)
}

fn revoke(world: &World, number: u64, entries: Vec<Revocation>) {
    let list = world.publisher.revoke(number, entries);
    post(world.direct(), &list, world.service.card()).expect("taken");
}

/// A way that alters the answers to one kind of request, or loses them.
struct Tampering {
    direct: Arc<Direct>,
    kind: &'static str,
    alter: fn(Answer) -> Option<Answer>,
}

impl Transport for Tampering {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        self.direct.card(base)
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answer = self.direct.send(base, request)?;
        if kind_of(request) != self.kind {
            return Ok(answer);
        }
        let altered = (self.alter)(Answer::decode(&answer).expect("an answer"));
        altered
            .map(|answer| answer.encode())
            .ok_or(TransportError::Unreachable {
                url: base.into(),
                why: "cut".into(),
            })
    }
}

#[test]
fn what_was_revoked_after_the_backup_stays_away_and_the_rest_comes() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    revoke(&world, 1, licenses(&issued[..1]));
    let new = world.computer("new laptop");
    let ended = world.restore(&new, &stick);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    assert_eq!(ended.report().counts.failed["revoked"], 1);
    assert_eq!((new.opens(&issued), new.opens(&issued[..1])), (2, 0));
    revoke(&world, 2, licenses(&issued[1..]));
    let other = world.computer("other");
    let ended = world.restore(&other, &stick);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D27E1", 7));
    assert_eq!(
        (ended.report().counts.failed["revoked"], other.opens(&issued)),
        (3, 0)
    );
}

#[test]
fn a_computer_that_holds_it_hears_at_its_next_contact_and_obeys() {
    for what in [
        |issued: &Issued| Revocation::License(issued.grant.license),
        |issued: &Issued| Revocation::KeyId(issued.grant.key_id),
        |_: &Issued| Revocation::Everything,
    ] {
        let world = World::new();
        let (_, issued, stick) = world.backed_up(2);
        let new = world.computer("new laptop");
        assert_eq!(world.restore(&new, &stick).failure(), None);
        let own = world.folder("own stick");
        world.back_up(&new, &own);
        let entry = what(&issued[0]);
        let gone = if entry == Revocation::Everything { 2 } else { 1 };
        revoke(&world, 1, vec![entry]);
        // One that the service alone can give makes the computer ask.
        let bait = world.issue(&world.computer("third"), &keyferry_testkit::Wanted::many(1, None));
        let lure = world.folder("lure");
        world.back_up(&world.computer("third"), &lure);
        let transport = world.direct();
        let ended = new.restore(world.refused(&lure), transport.clone());
        assert_eq!(ended.report().news.revoked, gone);
        let told = ended.events.besides();
        assert_eq!(told.len() as u64, gone);
        assert!(told.iter().all(|said| said.outcome.word() == "revoked"));
        assert_eq!(new.opens(&issued) as u64, 2 - gone);
        assert_eq!(
            new.opens(&bait) as u64,
            2 - gone,
            "Everything takes the later ones too"
        );
        assert_eq!(transport.traffic().of_kind(kind::ACKNOWLEDGE).len(), 1);
        assert!(new.store().outbox_pending().unwrap().is_empty());
        // Neither return seals nor a new store bring it back.
        let before = new.opens(&issued);
        for _ in 0..2 {
            let ended = world.restore(&new, &own);
            assert_eq!(ended.report().counts.failed["revoked"], gone);
            assert_eq!(new.opens(&issued), before);
            let down = world.restore_bent(&new, &own, Fault::Down);
            assert_ne!(down.failure(), None);
            assert_eq!(new.opens(&issued), before);
            new.lose_store();
        }
    }
}

#[test]
fn a_return_seal_does_not_bring_back_what_the_store_was_told_of() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    old.lose_store();
    assert_eq!(world.restore_bent(&old, &stick, Fault::Down).failure(), None);
    let list = world
        .publisher
        .revoke(1, vec![Revocation::KeyId(issued[0].grant.key_id)]);
    old.store().revoke(&[list], &[], 0).expect("obeyed");
    let transport = world.direct();
    let ended = old.restore(world.refused(&stick), transport.clone());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    assert_eq!(ended.report().counts.failed["revoked"], 1);
    assert_eq!(transport.traffic().connections(), 0, "nobody has to be asked");
    assert_eq!((old.opens(&issued), old.opens(&issued[..1])), (1, 0));
}

#[test]
fn a_list_that_came_while_the_store_was_lost_kills_the_return_seals() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    let other = world.computer("other");
    world.issue(&other, &keyferry_testkit::Wanted::many(1, None));
    let lure = world.folder("lure");
    world.back_up(&other, &lure);
    old.lose_store();
    revoke(&world, 1, licenses(&issued[..1]));
    assert_eq!(world.restore(&old, &lure).failure(), None);
    // The tombstone dies with this store too.
    old.lose_store();
    let down = world.restore_bent(&old, &stick, Fault::Down);
    assert_eq!(
        (down.failure(), old.opens(&issued)),
        (Some(Failure::ServiceUnavailable), 0)
    );
    let ended = world.restore(&old, &stick);
    assert_eq!(
        (ended.exit_code(), old.opens(&issued), old.opens(&issued[..1])),
        (3, 1, 0)
    );
}

#[test]
fn lists_that_are_altered_or_missing_are_told_and_remove_nothing() {
    fn flipped(mut answer: Answer) -> Option<Answer> {
        let lists = answer.lists.as_mut().expect("lists");
        let last = lists.lists[0].last_mut().expect("a signature");
        *last ^= 1;
        Some(answer)
    }
    fn without_the_first(mut answer: Answer) -> Option<Answer> {
        answer.lists.as_mut().expect("lists").lists.remove(0);
        Some(answer)
    }
    for alter in [flipped, without_the_first] {
        let world = World::new();
        let (_, issued, stick) = world.backed_up(2);
        let new = world.computer("new laptop");
        assert_eq!(world.restore(&new, &stick).failure(), None);
        revoke(&world, 1, licenses(&issued[..1]));
        revoke(&world, 2, licenses(&issued[1..]));
        let bait = world.computer("third");
        world.issue(&bait, &keyferry_testkit::Wanted::many(1, None));
        let lure = world.folder("lure");
        world.back_up(&bait, &lure);
        let way = Tampering {
            direct: world.direct(),
            kind: kind::REVOCATIONS,
            alter,
        };
        let ended = new.restore(world.refused(&lure), Arc::new(way));
        assert_eq!((ended.failure(), new.opens(&issued)), (None, 2));
        let warnings = &ended.report().news.warnings;
        assert!(
            warnings.iter().any(|why| why.contains("Northwind Audio")),
            "{warnings:?}"
        );
        assert_eq!(new.store().revocation_seen(&world.publisher.root()).unwrap(), 0);
    }
}

#[test]
fn an_acknowledgement_that_is_lost_is_sent_again() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    revoke(&world, 1, licenses(&issued[..1]));
    let new = world.computer("new laptop");
    let way = Tampering {
        direct: world.direct(),
        kind: kind::ACKNOWLEDGE,
        alter: |_| None,
    };
    let ended = new.restore(world.agreed(&stick), Arc::new(way));
    assert_eq!(ended.failure(), Some(Failure::ServiceUnavailable));
    assert_eq!(new.store().pending(Some(kind::ACKNOWLEDGE)).unwrap().len(), 1);
    let transport = world.direct();
    let ended = new.restore(world.agreed(&stick), transport.clone());
    assert_eq!(ended.failure(), Some(Failure::NotAllStored));
    assert_eq!(transport.traffic().of_kind(kind::ACKNOWLEDGE).len(), 1);
    assert!(new.store().outbox_pending().unwrap().is_empty());
}

#[test]
fn lists_are_posted_over_http_and_what_is_wrong_is_named() {
    let (world, _hosted) = World::hosted();
    let (_, issued, stick) = world.backed_up(2);
    let (http, service) = (HttpTransport::default(), world.service.card());
    let first = world.publisher.revoke(1, licenses(&issued[..1]));
    let receipt = post(Arc::new(http.clone()), &first, service).expect("taken");
    assert_eq!(
        post(Arc::new(http.clone()), &first, service).expect("taken"),
        receipt
    );
    let refused = |list| match post(Arc::new(http.clone()), &list, service) {
        Err(Error::ListNotTaken { code, next, .. }) => (code, next),
        other => panic!("{other:?}"),
    };
    let late = world.publisher.revoke(5, vec![Revocation::Everything]);
    assert_eq!(refused(late), (ListProblemCode::Gap, Some(2)));
    let other = world.publisher.revoke(1, vec![Revocation::Everything]);
    assert_eq!(refused(other), (ListProblemCode::Conflict, Some(2)));
    let stranger = Publisher::new("Somebody").revoke(1, vec![Revocation::Everything]);
    assert_eq!(refused(stranger).0, ListProblemCode::UnknownIssuer);
    let new = world.computer("new laptop");
    let ended = new.restore(world.agreed(&stick), Arc::new(http.clone()));
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    let back = new.release(None, Arc::new(http.clone()));
    assert_eq!((back.failure(), back.report().counts.released), (None, 1));
}

#[test]
fn an_issuer_with_an_older_card_of_the_service_goes_on() {
    let world = World::new();
    let before = world.service.card().clone();
    let uses = [keyferry_license::KeyUse::Sign];
    // After the keys that were made with the world, by any clock.
    let at = 4_000_000_000;
    world.service_clock.set(at);
    keyferry_service::rotate(&world.service_folder(), &uses, at, at).expect("rotated");
    world.service.renew().expect("renewed");
    let list = world.publisher.revoke(1, vec![Revocation::Everything]);
    let way = world.direct();
    let receipt = post(way.clone(), &list, &before).expect("taken");
    assert_eq!((receipt.number, way.traffic().cards), (1, 1));
    post(way.clone(), &list, world.service.card()).expect("taken");
    assert_eq!(way.traffic().cards, 1, "the newest card needs no other");
}
