//! An issuer takes licenses back: what its lists name goes and stays away, and nothing else does.

use keyferry_license::{KeyId, LicenseId, Revocation, Secret32, Text, Thumbprint};
use keyferry_store::{Arrival, Error, Inserted, NewLicense, OutboxEntry, Presence, Store};

use crate::world::{Issuer, NOW, World, arriving, key_id};

fn subject(name: &str) -> Revocation {
    Revocation::Subject(Text::new("subject", name).unwrap())
}

fn id(license: &NewLicense) -> LicenseId {
    license.grant.license
}

fn acknowledgement() -> OutboxEntry {
    OutboxEntry {
        request_id: [9; 32],
        operation: [5; 16],
        service: Thumbprint([7; 32]),
        kind: "acknowledge".into(),
        bytes: vec![9; 100],
        one_time: None,
    }
}

/// Two issuers with licenses for the same keys and subjects.
struct Two {
    world: World,
    store: Store,
    issuer: Issuer,
    other: Issuer,
    /// Of the first issuer: a plain one, one for a key whose ID begins like the plain one's, two of Ann, one of Bob.
    licenses: [NewLicense; 5],
}

fn two() -> Two {
    let world = World::new();
    let store = world.store();
    let (issuer, other) = (Issuer::new("Issuer"), Issuer::new("Other"));
    let mut near = key_id(1);
    near.0[15] = 0;
    let own = [
        issuer.license(1),
        issuer.for_key(near, 2),
        issuer.given_to("Ann", 3),
        issuer.given_to("Ann", 4),
        issuer.given_to("Bob", 5),
    ];
    let others = [
        other.for_key(key_id(1), 11),
        other.for_key(near, 12),
        other.for_key(key_id(3), 13),
        other.given_to("Ann", 14),
        other.given_to("Bob", 5),
    ];
    for (issuer, licenses) in [(&issuer, &own), (&other, &others)] {
        store.accept_root(&issuer.card, None, NOW).unwrap();
        store.insert(licenses).unwrap();
    }
    store
        .add_return_key([1; 16], &Secret32::generate().unwrap())
        .unwrap();
    Two {
        world,
        store,
        issuer,
        other,
        licenses: own,
    }
}

#[test]
fn entries_find_licenses_of_their_issuer_only() {
    let two = two();
    let [plain, near, ann, ann_too, bob] = two.licenses.each_ref().map(id);
    let cases = [
        (vec![], vec![]),
        (vec![Revocation::License(ann)], vec![ann]),
        (vec![Revocation::License(LicenseId([0; 16]))], vec![]),
        (vec![Revocation::KeyId(key_id(1))], vec![plain]),
        (vec![Revocation::KeyId(KeyId([0; 16]))], vec![]),
        (vec![subject("Ann")], vec![ann, ann_too]),
        (vec![subject("ann")], vec![]),
        (
            vec![
                subject("Bob"),
                subject("Ann"),
                Revocation::License(ann),
                Revocation::KeyId(key_id(3)),
            ],
            vec![ann, ann_too, bob],
        ),
        (vec![Revocation::Everything], vec![plain, near, ann, ann_too, bob]),
        (
            vec![Revocation::License(bob), Revocation::Everything],
            vec![plain, near, ann, ann_too, bob],
        ),
    ];
    for (entries, expected) in cases {
        let found = two.store.licenses_matching(&two.issuer.id(), &entries).unwrap();
        assert_eq!(found, expected, "{entries:?}");
        let stranger = two.store.licenses_matching(&Thumbprint([1; 32]), &entries);
        assert!(stranger.unwrap().is_empty());
    }
}

#[test]
fn a_grant_that_cannot_be_read_is_found_by_its_id() {
    let two = two();
    two.world
        .sqlite()
        .execute("UPDATE license SET grant_bytes = x'00'", [])
        .unwrap();
    let found = |entry| two.store.licenses_matching(&two.issuer.id(), &[entry]).unwrap();
    let ann = id(&two.licenses[2]);
    assert_eq!(found(Revocation::License(ann)), [ann]);
    assert_eq!(found(Revocation::Everything).len(), 5);
    assert!(found(Revocation::KeyId(key_id(3))).is_empty());
    assert!(found(subject("Ann")).is_empty());
}

#[test]
fn what_a_list_names_goes_and_stays_away() {
    let entries = [
        (Revocation::License(id(&two().licenses[2])), vec![2]),
        (Revocation::KeyId(key_id(3)), vec![2]),
        (subject("Ann"), vec![2, 3]),
        (Revocation::Everything, vec![0, 1, 2, 3, 4]),
    ];
    for (entry, gone) in entries {
        let two = two();
        let list = two.issuer.list(1, std::slice::from_ref(&entry));
        let removed = two.store.revoke(&[list], &[acknowledgement()], NOW).unwrap();
        let named = |at: &usize| (two.issuer.id(), id(&two.licenses[*at]));
        let expected: Vec<_> = gone.iter().map(named).collect();
        assert_eq!(removed, expected, "{entry:?}");
        let store = two.world.store();
        assert_eq!(store.count().unwrap(), 10 - gone.len() as u64);
        assert_eq!(store.revocation_seen(&two.issuer.id()).unwrap(), 1);
        assert_eq!(store.revocation_seen(&two.other.id()).unwrap(), 0);
        assert!(store.return_key(&[1; 16]).unwrap().is_none());
        assert_eq!(store.pending(Some("acknowledge")).unwrap().len(), 1);
        for arrival in [Arrival::Issued, Arrival::Receipt, Arrival::Return] {
            for (at, license) in two.licenses.iter().enumerate() {
                let comes = store.insert(&[arriving(license.clone(), arrival)]).unwrap();
                let expected = if gone.contains(&at) {
                    Inserted::Revoked
                } else {
                    Inserted::AlreadyHere
                };
                assert_eq!(comes, [expected], "{entry:?} {at} {arrival:?}");
            }
        }
        for (_, license) in expected {
            let presence = store.presence([(&two.issuer.id(), &license)]).unwrap();
            assert_eq!(presence, [Presence::Revoked]);
        }
    }
}

#[test]
fn what_was_never_here_stays_away_too() {
    let world = World::new();
    let store = world.store();
    let (issuer, other) = (Issuer::new("Issuer"), Issuer::new("Other"));
    store
        .add_return_key([1; 16], &Secret32::generate().unwrap())
        .unwrap();
    let entries = [
        Revocation::License(id(&issuer.license(1))),
        Revocation::KeyId(key_id(2)),
        subject("Ann"),
    ];
    let lists = [
        issuer.list(1, &entries),
        other.list(1, &[Revocation::KeyId(key_id(9)), subject("Eve")]),
    ];
    assert!(store.revoke(&lists, &[], NOW).unwrap().is_empty());
    // Nothing was here, so no backup has to lose its way home.
    assert!(store.return_key(&[1; 16]).unwrap().is_some());
    let come = [
        issuer.license(1),
        issuer.license(2),
        other.license(2),
        issuer.given_to("Ann", 3),
        issuer.given_to("Bob", 4),
        other.given_to("Ann", 3),
        issuer.license(5),
    ];
    let (away, here) = (Presence::Revoked, Presence::Absent);
    let presence = store.presence_of(come.iter().map(|license| &*license.grant));
    assert_eq!(presence.unwrap(), [away, away, here, away, here, here, here]);
    let (away, here) = (Inserted::Revoked, Inserted::Added { spent: false });
    let come = store.insert(&come).unwrap();
    assert_eq!(come, [away, away, here, away, here, here, here]);
}

#[test]
fn of_an_issuer_that_took_everything_back_nothing_comes() {
    let world = World::new();
    let store = world.store();
    let (issuer, other) = (Issuer::new("Issuer"), Issuer::new("Other"));
    let list = issuer.list(1, &[Revocation::Everything]);
    store.revoke(&[list], &[], NOW).unwrap();
    for arrival in [Arrival::Issued, Arrival::Receipt, Arrival::Return] {
        let comes = [issuer.license(1), issuer.given_to("Ann", 2)].map(|new| arriving(new, arrival));
        assert_eq!(store.insert(&comes).unwrap(), [Inserted::Revoked; 2]);
    }
    let comes = store.insert(&[other.license(1)]).unwrap();
    assert_eq!(comes, [Inserted::Added { spent: false }]);
}

#[test]
fn a_subject_is_no_key_id() {
    let world = World::new();
    let store = world.store();
    let issuer = Issuer::new("Issuer");
    let name = "sixteen letters!";
    let key_id = KeyId::from_slice(name.as_bytes()).unwrap();
    let license = issuer.for_key(key_id, 1);
    store.insert(std::slice::from_ref(&license)).unwrap();
    let list = issuer.list(1, &[subject(name)]);
    assert!(store.revoke(&[list], &[], NOW).unwrap().is_empty());
    assert_eq!(store.insert(&[license]).unwrap(), [Inserted::AlreadyHere]);
    let comes = store.insert(&[issuer.for_key(key_id, 2)]).unwrap();
    assert_eq!(comes, [Inserted::Added { spent: false }]);
}

#[test]
fn nothing_lifts_it() {
    let two = two();
    let ann = &two.licenses[2];
    let name = (two.issuer.id(), id(ann));
    let list = two.issuer.list(1, &[Revocation::License(name.1)]);
    two.store.revoke(&[list], &[], NOW).unwrap();
    two.store.release(&[name], &[], NOW).unwrap();
    let presence = two.store.presence([(&name.0, &name.1)]).unwrap();
    assert_eq!(presence, [Presence::Revoked]);
    let comes = arriving(ann.clone(), Arrival::Receipt);
    assert_eq!(two.store.insert(&[comes]).unwrap(), [Inserted::Revoked]);
}

#[test]
fn lists_are_obeyed_in_their_order_and_once() {
    let two = two();
    let issuer = &two.issuer;
    let lists = [
        issuer.list(1, &[Revocation::KeyId(key_id(1))]),
        issuer.list(2, &[subject("Bob")]),
        issuer.list(3, &[subject("Ann")]),
        two.other.list(1, &[subject("Bob")]),
    ];
    let [first, second, third, others] = lists;
    let seen = || two.store.revocation_seen(&issuer.id()).unwrap();
    let gap = two.store.revoke(std::slice::from_ref(&second), &[], NOW);
    assert!(matches!(
        gap,
        Err(Error::RevocationGap {
            seen: 0,
            found: 2,
            ..
        })
    ));
    // The first of these fits, and still nothing of them is done.
    let gap = two
        .store
        .revoke(&[first.clone(), third.clone()], &[acknowledgement()], NOW);
    assert!(matches!(
        gap,
        Err(Error::RevocationGap {
            seen: 1,
            found: 3,
            ..
        })
    ));
    assert_eq!((seen(), two.store.count().unwrap()), (0, 10));
    assert!(two.store.pending(None).unwrap().is_empty());
    assert!(two.store.return_key(&[1; 16]).unwrap().is_some());

    let all = [first.clone(), others, second, first.clone(), third];
    assert_eq!(two.store.revoke(&all, &[], NOW).unwrap().len(), 5);
    assert_eq!((seen(), two.store.count().unwrap()), (3, 5));
    two.store
        .add_return_key([2; 16], &Secret32::generate().unwrap())
        .unwrap();
    assert!(two.store.revoke(&all, &[], NOW).unwrap().is_empty());
    assert!(two.store.return_key(&[2; 16]).unwrap().is_some());
}

#[test]
fn it_happens_as_a_whole_or_not_at_all() {
    for place in [
        "DELETE ON license",
        "INSERT ON tombstone",
        "INSERT ON revocation",
        "INSERT ON revocation_list",
        "INSERT ON outbox",
        "INSERT ON meta",
    ] {
        let two = two();
        let stop = format!("CREATE TRIGGER stop BEFORE {place} BEGIN SELECT RAISE(ABORT, 'stop'); END");
        two.world.sqlite().execute(&stop, []).unwrap();
        let list = two.issuer.list(1, &[subject("Ann"), subject("Eve")]);
        let stopped = two.store.revoke(&[list], &[acknowledgement()], NOW);
        assert!(matches!(stopped, Err(Error::Database { .. })), "{place}");
        let store = two.world.store();
        assert_eq!(store.count().unwrap(), 10, "{place}");
        assert_eq!(store.revocation_seen(&two.issuer.id()).unwrap(), 0);
        let presence = store.presence([(&two.issuer.id(), &id(&two.licenses[2]))]);
        assert_eq!(presence.unwrap(), [Presence::Here]);
        assert!(store.pending(None).unwrap().is_empty());
    }
}

fn answer_of(issuer: &Issuer) -> OutboxEntry {
    OutboxEntry {
        request_id: [3; 32],
        service: issuer.id(),
        kind: "challenge-answer".into(),
        ..acknowledgement()
    }
}

#[test]
fn a_list_that_answers_is_obeyed_once_and_in_any_order() {
    let two = two();
    let (store, issuer) = (&two.store, &two.issuer);
    let (answer, word) = (answer_of(issuer), acknowledgement());
    let fifth = issuer.list(5, &[subject("Ann")]);
    let nobody = store.revoke_answered(&fifth, &answer.request_id, &word, NOW);
    assert!(matches!(nobody, Err(Error::NotPending)));
    assert_eq!(
        (store.count().unwrap(), store.pending(None).unwrap().len()),
        (10, 0)
    );
    store.outbox_put(&answer).unwrap();
    let removed = store.revoke_answered(&fifth, &answer.request_id, &word, NOW);
    assert_eq!(removed.unwrap().len(), 2);
    assert!(store.return_key(&[1; 16]).unwrap().is_none());
    assert_eq!(store.revocation_seen(&issuer.id()).unwrap(), 5);
    let waiting = store.pending(None).unwrap();
    assert_eq!((waiting.len(), waiting[0].request_id), (1, word.request_id));
    let again = store.revoke_answered(&fifth, &answer.request_id, &word, NOW);
    assert!(matches!(again, Err(Error::NotPending)));
    // A lower number takes nothing from the higher one, and what it names goes all the same.
    store.outbox_put(&answer).unwrap();
    let second = issuer.list(2, &[subject("Bob")]);
    let removed = store.revoke_answered(&second, &answer.request_id, &word, NOW);
    assert_eq!((removed.unwrap().len(), store.count().unwrap()), (1, 7));
    assert_eq!(store.revocation_seen(&issuer.id()).unwrap(), 5);
    store
        .revoke(&[issuer.list(6, &[subject("Eve")])], &[], NOW)
        .unwrap();
}

#[test]
fn an_answer_goes_and_its_acknowledgement_comes_as_a_whole_or_not_at_all() {
    for place in [
        "DELETE ON license",
        "INSERT ON tombstone",
        "INSERT ON revocation",
        "INSERT ON revocation_list",
        "INSERT ON outbox",
        "INSERT ON meta",
    ] {
        let two = two();
        let answer = answer_of(&two.issuer);
        two.store.outbox_put(&answer).unwrap();
        let stop = format!("CREATE TRIGGER stop BEFORE {place} BEGIN SELECT RAISE(ABORT, 'stop'); END");
        two.world.sqlite().execute(&stop, []).unwrap();
        let list = two.issuer.list(1, &[subject("Ann")]);
        let word = acknowledgement();
        let stopped = two.store.revoke_answered(&list, &answer.request_id, &word, NOW);
        assert!(matches!(stopped, Err(Error::Database { .. })), "{place}");
        let store = two.world.store();
        assert_eq!(store.count().unwrap(), 10, "{place}");
        assert_eq!(store.revocation_seen(&two.issuer.id()).unwrap(), 0);
        let waiting = store.pending(None).unwrap();
        assert_eq!((waiting.len(), waiting[0].request_id), (1, answer.request_id));
    }
}

#[test]
fn an_entry_takes_the_place_of_those_of_its_kinds_for_the_same_peer() {
    let two = two();
    let (own, others) = (answer_of(&two.issuer), answer_of(&two.other));
    let others = OutboxEntry {
        request_id: [4; 32],
        ..others
    };
    for entry in [&own, &others, &acknowledgement()] {
        two.store.outbox_put(entry).unwrap();
    }
    let next = OutboxEntry {
        request_id: [5; 32],
        ..own.clone()
    };
    let kinds = ["challenge-answer", "list-acknowledgement"];
    two.store.outbox_replace(&kinds, &next).unwrap();
    let waiting = two.store.pending(None).unwrap();
    let ids: Vec<_> = waiting.iter().map(|waiting| waiting.request_id[0]).collect();
    assert_eq!(ids, [4, 9, 5]);
}

#[test]
fn an_older_copy_is_noticed_and_a_new_store_asks_again() {
    let two = two();
    let Two {
        world, store, issuer, ..
    } = two;
    drop(store);
    let (_, before) = world.copy();
    let list = issuer.list(1, &[subject("Nobody here")]);
    world
        .store()
        .revoke(std::slice::from_ref(&list), &[], NOW)
        .unwrap();
    world.delete_store();
    world.put_back("store.sqlite", &before);
    assert!(matches!(world.try_store(), Err(Error::CheckpointFailed { .. })));
    world.delete_store();
    assert_eq!(world.store().revocation_seen(&issuer.id()).unwrap(), 0);
    world.store().revoke(&[list], &[], NOW).unwrap();
}
