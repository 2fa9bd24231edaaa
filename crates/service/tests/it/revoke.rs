//! Revocation lists: who may post them, what they end, and how computers hear of them.

use keyferry_license::{IssuerKey, KeyId, LicenseId, Revocation, RevocationList, Text, Verified, random};
use keyferry_protocol::{
    Acknowledge, CheckedLists, ListNumber, ListProblem, ListProblemCode, ListReceipt, POSTED_TYPE, Posted,
    ProblemCode, REVOCATIONS_TYPE, Reason, Revocations, Verdict, check_acknowledgement, check_posted,
    check_revocations, kind,
};
use keyferry_service::ledger::{Ledger, SqliteLedger};

use crate::restore::outcome;
use crate::server::Server;
use crate::world::{Computer, NOW, World, open};

fn list(world: &World, number: u64, entries: Vec<Revocation>) -> Verified<RevocationList> {
    let list = RevocationList {
        issuer: world.issuer_card.thumbprint(),
        number,
        nonce: None,
        entries,
    };
    list.sign(world.issuer.signing()).unwrap()
}

fn post(world: &World, list: &Verified<RevocationList>, now: u64) -> Result<ListReceipt, ListProblem> {
    let answer = world.service.take_list(list.as_bytes(), now).encode();
    check_posted(&answer, list, world.service.card()).unwrap()
}

/// Posts a list.
pub fn revoke(world: &World, number: u64, entries: Vec<Revocation>) -> ListReceipt {
    post(world, &list(world, number, entries), NOW).unwrap()
}

fn one() -> Vec<Revocation> {
    vec![Revocation::License(LicenseId::new_at(NOW, random().unwrap()))]
}

fn ask(world: &World, computer: &mut Computer, since: u64) -> CheckedLists {
    let since = vec![ListNumber {
        issuer: world.issuer_card.thumbprint(),
        number: since,
    }];
    let request = computer.prepare(
        &world.service,
        kind::REVOCATIONS,
        random().unwrap(),
        &Revocations { since },
    );
    let answer = world.service.handle(&request.bytes, NOW);
    let known = [world.issuer_card.clone()];
    let checked = check_revocations(&answer, &request.bytes, world.service.card(), &known);
    let checked = checked.unwrap().unwrap();
    computer.know(&checked.receipt);
    checked
}

#[test]
fn each_way_of_naming_ends_a_license_for_everybody() {
    let subject = |name: &str| Some(Text::new("subject", name).unwrap());
    for way in 0..4 {
        let world = World::new();
        let mut origin = world.computer("old-laptop");
        let named = world.issue_with(origin.id(), |grant| grant.subject = subject("reader-17"));
        let other = world.issue_with(origin.id(), |grant| grant.subject = subject("reader-18"));
        let licenses = [named, other];
        let mut holder = world.computer("holder");
        let before = holder.restore(&world.service, &licenses);
        world.send(&mut holder, &before, &licenses, NOW).unwrap();
        let grant = &licenses[0].0;
        let entry = match way {
            0 => Revocation::License(grant.license),
            1 => Revocation::KeyId(grant.key_id),
            2 => Revocation::Subject(Text::new("subject", "reader-17").unwrap()),
            _ => Revocation::Everything,
        };
        revoke(&world, 1, vec![entry]);
        let mut new = world.computer("new-laptop");
        for computer in [&mut origin, &mut holder, &mut new] {
            let checked = world.restore(computer, &licenses, NOW + 1);
            assert_eq!(outcome(&checked.items[0]), Err(Reason::Revoked), "{way}");
            assert_eq!(outcome(&checked.items[1]).is_err(), way == 3, "{way}");
            assert!(checked.page(Reason::Revoked).is_some());
            let plan = computer.plan(&world.service, &licenses, true);
            let plan = world.send(computer, &plan, &licenses, NOW + 1).unwrap();
            assert_eq!(outcome(&plan.items[0]), Err(Reason::Revoked), "{way}");
        }
        // The bytes that once got it don't any more, and neither does a service that was started anew.
        let again = world.send(&mut holder, &before, &licenses, NOW + 2).unwrap();
        assert_eq!(outcome(&again.items[0]), Err(Reason::Revoked), "{way}");
        let world = World {
            service: open(&world.dir, vec![], Default::default()),
            ..world
        };
        assert_eq!(
            outcome(&world.restore(&mut new, &licenses, NOW + 3).items[0]),
            Err(Reason::Revoked)
        );
    }
}

#[test]
fn what_is_issued_later_under_a_revoked_key_or_subject_is_revoked_too() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let key_id = KeyId([7; 16]);
    let entries = vec![
        Revocation::KeyId(key_id),
        Revocation::Subject(Text::new("subject", "reader").unwrap()),
    ];
    revoke(&world, 1, entries);
    let by_key = world.issue_with(origin.id(), |grant| grant.key_id = key_id);
    let by_subject = world.issue_with(origin.id(), |grant| {
        grant.subject = Some(Text::new("subject", "reader").unwrap());
    });
    let licenses = [by_key, by_subject, world.issue(origin.id())];
    let mut new = world.computer("new-laptop");
    let checked = world.restore(&mut new, &licenses, NOW);
    let outcomes: Vec<_> = checked.items.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        [
            Err(Reason::Revoked),
            Err(Reason::Revoked),
            Ok((Verdict::Restored, 2, 4))
        ]
    );
}

#[test]
fn an_issuer_ends_its_own_licenses_only() {
    let mut world = World::new();
    let other = IssuerKey::generate().unwrap();
    let other_card = other.card("Other", &[], NOW).unwrap();
    world.service = open(
        &world.dir,
        vec![world.issuer_card.clone(), other_card.clone()],
        Default::default(),
    );
    let origin = world.computer("old-laptop");
    let license = world.issue(origin.id());
    let theirs = RevocationList {
        issuer: other_card.thumbprint(),
        number: 1,
        nonce: None,
        entries: vec![
            Revocation::License(license.0.license),
            Revocation::KeyId(license.0.key_id),
            Revocation::Everything,
        ],
    };
    let theirs = theirs.sign(other.signing()).unwrap();
    assert!(!theirs.revokes(&license.0));
    assert!(post(&world, &theirs, NOW).is_ok());
    let mut new = world.computer("new-laptop");
    assert!(outcome(&world.restore(&mut new, &[license], NOW).items[0]).is_ok());
    // And it can't sign in another's name.
    let forged = RevocationList {
        issuer: world.issuer_card.thumbprint(),
        ..(*theirs).clone()
    };
    let forged = forged.sign(other.signing()).unwrap();
    let problem = post(&world, &forged, NOW).unwrap_err();
    assert_eq!(problem.code, ListProblemCode::BadSignature);
    // And a list for one computer is none for a service.
    let for_one = RevocationList {
        number: 2,
        nonce: Some([1; 16]),
        ..(*theirs).clone()
    };
    let problem = post(&world, &for_one.sign(other.signing()).unwrap(), NOW).unwrap_err();
    assert_eq!(problem.code, ListProblemCode::Malformed);
}

#[test]
fn lists_come_in_order_and_each_number_once() {
    let world = World::new();
    let stranger = World::new();
    let first = list(&world, 1, one());
    let problem = post(&world, &list(&world, 2, one()), NOW).unwrap_err();
    assert_eq!((problem.code, problem.next), (ListProblemCode::Gap, Some(1)));
    let receipt = post(&world, &first, NOW).unwrap();
    assert_eq!((receipt.number, receipt.time), (1, NOW));
    assert_eq!(
        post(&world, &first, NOW + 100).unwrap(),
        receipt,
        "the same list again is answered as the first time"
    );
    let problem = post(&world, &list(&world, 1, one()), NOW).unwrap_err();
    assert_eq!((problem.code, problem.next), (ListProblemCode::Conflict, Some(2)));
    let problem = post(&world, &list(&world, u64::MAX, one()), NOW).unwrap_err();
    assert_eq!((problem.code, problem.next), (ListProblemCode::Gap, Some(2)));
    assert!(post(&world, &list(&world, 2, one()), NOW).is_ok());
    let foreign = list(&stranger, 1, one());
    let problem = post(&world, &foreign, NOW).unwrap_err();
    assert_eq!(problem.code, ListProblemCode::UnknownIssuer);
    assert!(problem.message.contains(&foreign.issuer.to_string()));
    let posted = world.service.take_list(b"no list", NOW);
    assert_eq!(posted.problem.unwrap().code, ListProblemCode::Malformed);
}

#[test]
fn a_computer_gets_what_came_since_and_nothing_twice() {
    let world = World::new();
    let mut computer = world.computer("laptop");
    let empty = ask(&world, &mut computer, 0);
    assert_eq!(
        (empty.issuers[0].newest, empty.issuers[0].lists.len()),
        (Some(0), 0)
    );
    let lists: Vec<_> = (1..=5).map(|number| list(&world, number, one())).collect();
    for list in &lists {
        post(&world, list, NOW).unwrap();
    }
    for since in 0..=5 {
        let checked = ask(&world, &mut computer, since);
        let told = &checked.issuers[0];
        assert_eq!((told.newest, told.broken.is_none()), (Some(5), true));
        assert!(!told.has_more(since));
        let bytes: Vec<_> = told.lists.iter().map(|list| list.as_bytes()).collect();
        let expected: Vec<_> = lists[since as usize..]
            .iter()
            .map(|list| list.as_bytes())
            .collect();
        assert_eq!(bytes, expected);
    }
    let beyond = ask(&world, &mut computer, u64::MAX);
    assert!(beyond.issuers[0].lists.is_empty());
}

#[test]
fn what_does_not_fit_comes_with_the_next_request() {
    let world = World::new();
    let mut computer = world.computer("laptop");
    let subjects = |list: u64| {
        let name = move |n| format!("{list:03}-{n:04}-{}", "s".repeat(240));
        (0..1000)
            .map(|n| Revocation::Subject(Text::new("subject", name(n)).unwrap()))
            .collect::<Vec<_>>()
    };
    for number in 1..=40 {
        revoke(&world, number, subjects(number));
    }
    let (mut since, mut answers) = (0, 0);
    loop {
        let checked = ask(&world, &mut computer, since);
        let told = &checked.issuers[0];
        assert!(told.broken.is_none() && !told.lists.is_empty());
        let more = told.has_more(since);
        since = told.lists.last().unwrap().number;
        answers += 1;
        if !more {
            break;
        }
    }
    assert_eq!((since, answers), (40, 2));
}

#[test]
fn an_issuer_that_is_not_known_here_is_told_as_that() {
    let world = World::new();
    let stranger = World::new();
    let computer = world.computer("laptop");
    revoke(&world, 1, one());
    let since = vec![
        ListNumber {
            issuer: stranger.issuer_card.thumbprint(),
            number: 0,
        },
        ListNumber {
            issuer: world.issuer_card.thumbprint(),
            number: 0,
        },
    ];
    let request = computer.prepare(&world.service, kind::REVOCATIONS, [1; 16], &Revocations { since });
    let answer = world.service.handle(&request.bytes, NOW);
    let known = [world.issuer_card.clone(), stranger.issuer_card.clone()];
    let checked = check_revocations(&answer, &request.bytes, world.service.card(), &known);
    let issuers = checked.unwrap().unwrap().issuers;
    assert_eq!((issuers[0].newest, issuers[0].lists.len()), (None, 0));
    assert_eq!((issuers[1].newest, issuers[1].lists.len()), (Some(1), 1));
}

#[test]
fn acknowledgements_are_kept_for_each_list_and_computer() {
    let world = World::new();
    let mut computers = [world.computer("a"), world.computer("b")];
    let issuer = world.issuer_card.thumbprint();
    for number in 1..=2 {
        revoke(&world, number, one());
    }
    let acknowledge = |computer: &mut Computer, numbers: &[u64], now: u64| {
        let lists = numbers.iter().map(|number| ListNumber {
            issuer,
            number: *number,
        });
        let body = Acknowledge {
            lists: lists.collect(),
        };
        let request = computer.prepare(&world.service, kind::ACKNOWLEDGE, random().unwrap(), &body);
        let answer = world.service.handle(&request.bytes, now);
        let checked = check_acknowledgement(&answer, &request.bytes, world.service.card());
        (request.id, checked.unwrap())
    };
    let (first, told) = acknowledge(&mut computers[0], &[1, 2], NOW);
    assert!(told.unwrap().receipt.entries.is_empty());
    acknowledge(&mut computers[0], &[2], NOW + 9).1.unwrap();
    acknowledge(&mut computers[1], &[2], NOW + 9).1.unwrap();
    let problem = acknowledge(&mut computers[1], &[1, 3], NOW).1.unwrap_err();
    assert_eq!(problem.code, ProblemCode::BadRequest);
    assert!(problem.message.contains("no list 3"), "{problem:?}");
    let ledger = SqliteLedger::open(&world.ledger()).unwrap();
    let of = |number| ledger.acknowledgements(ListNumber { issuer, number }).unwrap();
    assert_eq!((of(1).len(), of(2).len(), of(3).len()), (1, 2, 0));
    let kept = of(2)
        .into_iter()
        .find(|(id, _)| *id == computers[0].id())
        .unwrap()
        .1;
    assert_eq!((kept.request, kept.time), (first, NOW), "the first word counts");
}

#[test]
fn lists_are_posted_over_the_wire() {
    let world = World::new();
    let (first, second) = (list(&world, 1, one()), list(&world, 2, one()));
    let conflicting = list(&world, 1, one());
    let card = world.service.card().clone();
    let server = Server::start(world.service);
    let post = |list: &Verified<RevocationList>| {
        let response = server.post_to("/v1/revocations", REVOCATIONS_TYPE, list.as_bytes());
        assert!(response.head.contains(POSTED_TYPE), "{}", response.head);
        (
            response.status,
            check_posted(&response.body, list, &card).unwrap(),
        )
    };
    assert_eq!(post(&second).0, 409);
    let (status, receipt) = post(&first);
    assert_eq!((status, receipt.unwrap().number), (200, 1));
    assert_eq!(post(&conflicting).0, 409);
    assert_eq!(post(&second).0, 200);
    let code = |response: crate::server::Response| {
        let posted = Posted::decode(&response.body).unwrap();
        (response.status, posted.problem.unwrap().code)
    };
    let wrong = server.post_to("/v1/revocations", "application/json", first.as_bytes());
    assert_eq!(code(wrong), (415, ListProblemCode::Malformed));
    let garbage = server.post_to("/v1/revocations", REVOCATIONS_TYPE, b"garbage");
    assert_eq!(code(garbage), (400, ListProblemCode::Malformed));
    let large = server.send(&crate::server::head(
        "/v1/revocations",
        REVOCATIONS_TYPE,
        600 * 1024,
    ));
    assert_eq!(code(large), (413, ListProblemCode::Malformed));
    assert_eq!(server.get("/v1/revocations").status, 405);
}
