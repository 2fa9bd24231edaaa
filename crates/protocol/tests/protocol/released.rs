//! What a computer makes of the answer to a release.

use keyferry_license::encode;
use keyferry_protocol::{
    Answer, Entry, Error, ProblemCode, Reason, Receipt, Release, ReleaseItem, ReleasedItem, Verdict,
    check_release, kind,
};

use crate::cast::*;
use crate::made::sign;

fn asked() -> Vec<u8> {
    let items = (1..=2).map(|n| ReleaseItem::of(&grant(n))).collect();
    sign(&request(kind::RELEASE, &Release { items }))
}

fn entry(n: u8, verdict: Verdict) -> Entry {
    Entry {
        verdict,
        of: None,
        ..granted(n)
    }
}

fn bare(n: u8, verdict: Verdict) -> Entry {
    Entry {
        verdict,
        reason: None,
        ..refused(n, Reason::Twice)
    }
}

fn answer(request: &[u8], entries: Vec<Entry>) -> Vec<u8> {
    let id = keyferry_protocol::SignedRequest::decode(request).unwrap().id();
    let receipt = Receipt {
        request: id,
        kind: text(kind::RELEASE),
        entries,
        pages: vec![],
        ..receipt(vec![])
    };
    let answer = Answer {
        receipt: Some(receipt.sign(&service_key())),
        delivery: None,
        card: None,
        problem: None,
        lists: None,
    };
    answer.encode()
}

fn checked(entries: Vec<Entry>) -> Result<Vec<ReleasedItem>, Error> {
    let request = asked();
    let checked = check_release(&answer(&request, entries), &request, &service_card())?;
    Ok(checked.unwrap().items)
}

#[test]
fn each_license_is_told_once_and_in_order() {
    let released = ReleasedItem::Released { slot: 2 };
    for (second, expected) in [
        (entry(2, Verdict::Released), released),
        (bare(2, Verdict::NotHeld), ReleasedItem::NotHeld),
        (bare(2, Verdict::Stale), ReleasedItem::Stale),
        (refused(2, Reason::Twice), ReleasedItem::Refused(Reason::Twice)),
    ] {
        let items = checked(vec![entry(1, Verdict::Released), second]);
        assert_eq!(items.unwrap(), [released, expected]);
    }
}

#[test]
fn a_receipt_that_contradicts_itself_or_the_request_is_not_taken() {
    let first = || entry(1, Verdict::Released);
    let without = |change: fn(&mut Entry)| {
        let mut entry = entry(2, Verdict::Released);
        change(&mut entry);
        vec![first(), entry]
    };
    for entries in [
        vec![],
        vec![first()],
        vec![first(), first()],
        vec![entry(2, Verdict::Released), first()],
        vec![first(), entry(2, Verdict::Released), entry(3, Verdict::Released)],
        vec![first(), granted(2)],
        vec![first(), entry(2, Verdict::NotHeld)],
        vec![first(), bare(2, Verdict::Released)],
        vec![first(), bare(2, Verdict::Refused)],
        without(|entry| entry.slot = Some(0)),
        without(|entry| entry.slot = None),
        without(|entry| entry.seq = None),
        without(|entry| entry.previous = None),
        without(|entry| entry.row = None),
        without(|entry| entry.reason = Some(Reason::Limit)),
    ] {
        let error = checked(entries.clone()).unwrap_err();
        assert!(matches!(error, Error::Inconsistent(_)), "{entries:?}: {error:?}");
    }
}

#[test]
fn an_answer_to_another_request_is_not_taken() {
    let (request, other) = (
        asked(),
        sign(&request(
            kind::RELEASE,
            &Release {
                items: vec![ReleaseItem::of(&grant(1))],
            },
        )),
    );
    let answer = answer(&other, vec![entry(1, Verdict::Released)]);
    let error = check_release(&answer, &request, &service_card()).unwrap_err();
    assert_eq!(error, Error::OtherRequest);
    let problem = Answer::problem(ProblemCode::Busy, "later", Some(3)).encode();
    let told = check_release(&problem, &request, &service_card()).unwrap();
    assert_eq!(told.unwrap_err().code, ProblemCode::Busy);
}

#[test]
fn keys_and_lists_do_not_come_with_a_release() {
    let request = asked();
    let sound = answer(
        &request,
        vec![entry(1, Verdict::Released), entry(2, Verdict::Released)],
    );
    let sound = Answer::decode(&sound).unwrap();
    let keys = Answer {
        delivery: Some(delivery(vec![None, None])),
        ..sound.clone()
    };
    let lists = Answer {
        lists: Some(keyferry_protocol::Lists {
            lists: vec![],
            cards: vec![],
        }),
        ..sound
    };
    for answer in [keys, lists] {
        let error = check_release(&answer.encode(), &request, &service_card()).unwrap_err();
        assert!(matches!(error, Error::Inconsistent(_)), "{error:?}");
    }
}

#[test]
fn a_thousand_licenses_fit_and_one_more_does_not() {
    let body = |count| {
        let items = vec![ReleaseItem::of(&grant(1)); count];
        request(kind::RELEASE, &Release { items }).release_body()
    };
    assert_eq!(body(1000).unwrap().items.len(), 1000);
    assert!(matches!(
        body(1001).unwrap_err(),
        Error::Document(keyferry_license::Error::TooLarge { actual: 1001, .. })
    ));
    let long = ReleaseItem {
        grant: Some(vec![0; keyferry_license::GRANT_LIMIT + 1]),
        ..ReleaseItem::of(&grant(1))
    };
    let error = request(kind::RELEASE, &Release { items: vec![long] }).release_body();
    assert!(matches!(
        error.unwrap_err(),
        Error::Document(keyferry_license::Error::TooLarge { what: "grant", .. })
    ));
    let nulls = request(kind::RELEASE, &1u8);
    let nulls = keyferry_protocol::Request {
        // [issuer, license, null]: what is null at the end is left out.
        body: {
            let bare = ReleaseItem {
                grant: None,
                ..ReleaseItem::of(&grant(1))
            };
            let mut body = encode(&Release { items: vec![bare] });
            body[3] = 0x83;
            body.push(0xf6);
            body
        },
        ..nulls
    };
    assert!(nulls.release_body().is_err());
}
