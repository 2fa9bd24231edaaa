//! What a computer makes of revocation lists, and an issuer of the answer to one.

use keyferry_license::{
    Card, MAX_REVOCATIONS, REVOCATION_LIST_LIMIT, Revocation, RevocationList, Text, Verified, encode,
};
use keyferry_protocol::{
    Answer, CheckedLists, Error, ListNumber, ListProblemCode, ListReceipt, Lists, Posted, Receipt,
    Revocations, check_posted, check_revocations, kind,
};
use proptest::prelude::*;

use crate::cast::*;
use crate::made::sign;
use crate::made_revocations::{list, list_receipt, number};

fn signed(number: u64) -> Vec<u8> {
    let list = RevocationList { number, ..list() };
    list.sign(&issuer_key()).unwrap().as_bytes().to_vec()
}

fn answer(request: &[u8], newest: u64, lists: Vec<Vec<u8>>, cards: Vec<Vec<u8>>) -> Vec<u8> {
    let receipt = Receipt {
        request: keyferry_protocol::SignedRequest::decode(request).unwrap().id(),
        kind: text(kind::REVOCATIONS),
        newest: Some(vec![number(newest)]),
        ..receipt(vec![])
    };
    let answer = Answer {
        receipt: Some(receipt.sign(&service_key())),
        delivery: None,
        card: None,
        problem: None,
        lists: Some(Lists { lists, cards }),
    };
    answer.encode()
}

/// Asked since list 3, with this card of the issuer at hand.
fn told(lists: Vec<Vec<u8>>, cards: Vec<Vec<u8>>, known: &[Verified<Card>]) -> Result<CheckedLists, Error> {
    let since = vec![number(3)];
    let request = sign(&request(kind::REVOCATIONS, &Revocations { since }));
    let answer = answer(&request, 6, lists, cards);
    Ok(check_revocations(&answer, &request, &service_card(), known)?.unwrap())
}

#[test]
fn lists_are_taken_in_order_up_to_the_first_that_can_not_be() {
    let mut forged = signed(5);
    *forged.last_mut().unwrap() ^= 1;
    let for_one = RevocationList {
        number: 4,
        nonce: Some([1; 16]),
        ..list()
    };
    let for_one = for_one.sign(&issuer_key()).unwrap().as_bytes().to_vec();
    for (lists, taken, sound) in [
        (vec![], 0, true),
        (vec![signed(4)], 1, true),
        (vec![signed(4), signed(5), signed(6)], 3, true),
        (vec![signed(5)], 0, false),
        (vec![for_one], 0, false),
        (vec![signed(3)], 0, false),
        (vec![signed(4), signed(6)], 1, false),
        (vec![signed(4), signed(4), signed(5)], 1, false),
        (vec![signed(4), forged, signed(6)], 1, false),
    ] {
        let checked = told(lists, vec![], &[issuer_card()]).unwrap();
        let issuer = &checked.issuers[0];
        let numbers: Vec<_> = issuer.lists.iter().map(|list| list.number).collect();
        assert_eq!(numbers, (4..4 + taken).collect::<Vec<u64>>());
        assert_eq!(issuer.broken.is_none(), sound, "{:?}", issuer.broken);
        assert_eq!((issuer.newest, issuer.has_more(3)), (Some(6), taken < 3));
    }
}

#[test]
fn a_newer_card_of_the_issuer_is_used_and_a_strangers_is_not() {
    let rotated = signing(12);
    let newer = {
        let mut card = (*card_of(
            keyferry_license::CardKind::Issuer,
            "Northwind Audio",
            &issuer_key(),
            2,
        ))
        .clone();
        card.keys[0].key = keyferry_license::PublicKey::Ed25519(rotated.public());
        card.sign(&issuer_key()).unwrap()
    };
    let list = RevocationList { number: 4, ..list() };
    let list = list.sign(&rotated).unwrap().as_bytes().to_vec();
    let card = newer.as_bytes().to_vec();
    let known = [issuer_card()];
    let checked = told(vec![list.clone()], vec![card.clone()], &known).unwrap();
    assert_eq!(checked.issuers[0].lists.len(), 1);
    assert_eq!(checked.issuers[0].newer_card.as_ref().unwrap().serial, 2);
    let without = told(vec![list.clone()], vec![], &known).unwrap();
    assert!(without.issuers[0].broken.is_some());
    let unknown = told(vec![list], vec![card], &[]).unwrap();
    assert!(unknown.issuers[0].broken.is_some() && unknown.issuers[0].newer_card.is_none());
    let older = told(vec![], vec![issuer_card().as_bytes().to_vec()], &[newer]).unwrap();
    assert!(older.issuers[0].newer_card.is_none());
}

#[test]
fn a_list_that_nobody_asked_for_spoils_the_answer() {
    let stranger = RevocationList {
        issuer: signing(6).public().thumbprint(),
        number: 4,
        ..list()
    };
    let stranger = stranger.sign(&signing(6)).unwrap().as_bytes().to_vec();
    let error = told(vec![stranger], vec![], &[issuer_card()]).unwrap_err();
    assert!(matches!(error, Error::Inconsistent(_)), "{error:?}");
    assert!(matches!(
        told(vec![b"garbage".to_vec()], vec![], &[issuer_card()]).unwrap_err(),
        Error::Document(_)
    ));
}

#[test]
fn a_list_speaks_of_its_own_issuers_licenses() {
    let grant = grant(1);
    for (entry, named) in [
        (Revocation::License(grant.license), true),
        (Revocation::License(crate::cast::grant(2).license), false),
        (Revocation::KeyId(grant.key_id), true),
        (Revocation::KeyId(crate::cast::grant(2).key_id), false),
        (Revocation::Subject(text("reader")), false),
        (Revocation::Everything, true),
    ] {
        let entries = vec![entry];
        let own = RevocationList {
            entries: entries.clone(),
            ..list()
        };
        assert_eq!(own.revokes(&grant), named, "{entries:?}");
        let other = RevocationList {
            issuer: signing(6).public().thumbprint(),
            ..own
        };
        assert!(!other.revokes(&grant));
    }
    let mut reader = (*grant).clone();
    reader.subject = Some(text("reader"));
    let by_subject = RevocationList {
        entries: vec![Revocation::Subject(text("reader"))],
        ..list()
    };
    assert!(by_subject.revokes(&reader));
}

#[test]
fn the_largest_list_fits_into_its_bound() {
    let name = |n: usize| format!("{n:04}{}", "s".repeat(252));
    let list = RevocationList {
        number: u64::MAX,
        nonce: Some([1; 16]),
        entries: (0..MAX_REVOCATIONS)
            .map(|n| Revocation::Subject(Text::new("subject", name(n)).unwrap()))
            .collect(),
        ..list()
    };
    let signed = list.sign(&issuer_key()).unwrap();
    assert!(signed.as_bytes().len() < REVOCATION_LIST_LIMIT);
    let long = vec![0; REVOCATION_LIST_LIMIT + 1];
    assert!(matches!(
        RevocationList::parse(&long).unwrap_err(),
        keyferry_license::Error::TooLarge { .. }
    ));
}

#[test]
fn an_issuer_takes_the_receipt_of_its_own_list_only() {
    let list = list().sign(&issuer_key()).unwrap();
    let answer = |receipt: ListReceipt| {
        let posted = Posted {
            receipt: Some(receipt.sign(&service_key())),
            problem: None,
        };
        check_posted(&posted.encode(), &list, &service_card())
    };
    assert_eq!(answer(list_receipt()).unwrap().unwrap(), list_receipt());
    for wrong in [
        ListReceipt {
            number: 2,
            ..list_receipt()
        },
        ListReceipt {
            list: keyferry_license::Digest([1; 32]),
            ..list_receipt()
        },
        ListReceipt {
            issuer: signing(6).public().thumbprint(),
            ..list_receipt()
        },
    ] {
        assert_eq!(answer(wrong).unwrap_err(), Error::OtherRequest);
    }
    let gap = Posted::problem(ListProblemCode::Gap, "missing", Some(1)).encode();
    let problem = check_posted(&gap, &list, &service_card()).unwrap().unwrap_err();
    assert_eq!((problem.code, problem.next), (ListProblemCode::Gap, Some(1)));
}

fn entry() -> impl Strategy<Value = Revocation> {
    prop_oneof![
        any::<[u8; 10]>().prop_map(|n| Revocation::License(keyferry_license::LicenseId::new_at(NOW, n))),
        any::<[u8; 16]>().prop_map(|n| Revocation::KeyId(keyferry_license::KeyId(n))),
        "\\PC{1,40}".prop_map(|name| Revocation::Subject(text(&name))),
        Just(Revocation::Everything),
    ]
}

proptest! {
    #[test]
    fn lists_come_back(entries in prop::collection::hash_set(entry(), 1..20), number in 1..u64::MAX, nonce: Option<[u8; 16]>) {
        let list = RevocationList { number, nonce, entries: entries.into_iter().collect(), ..list() };
        let signed = list.sign(&issuer_key()).unwrap();
        let again = RevocationList::verify(signed.as_bytes(), &issuer_card()).unwrap();
        prop_assert_eq!(&*again, &list);
        prop_assert_eq!(again.as_bytes(), signed.as_bytes());
    }

    #[test]
    fn no_damaged_list_verifies(at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = signed(1);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(RevocationList::verify(&bytes, &issuer_card()).is_err());
    }

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200), cut: prop::sample::Index) {
        let sound = encode(&Revocations { since: vec![ListNumber { ..number(3) }] });
        for body in [body, sound[..cut.index(sound.len())].to_vec()] {
            let request = keyferry_protocol::Request { body: body.clone(), ..request(kind::RELEASE, &1u8) };
            let _ = request.release_body();
            let _ = request.revocations_body();
            let _ = request.acknowledge_body();
            let _ = RevocationList::parse(&body);
            let _ = Posted::decode(&body);
            let _ = ListReceipt::verify(&body, &service_card());
        }
    }
}
