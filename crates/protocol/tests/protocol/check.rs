//! What a computer checks before it takes anything of an answer (docs/protocol.md section 6).

use keyferry_license::{CardKind, Digest, Sealer};
use keyferry_protocol::{
    Answer, Checked, CheckedItem, Delivery, Entry, Error, Prepared, Problem, ProblemCode, Reason, Receipt,
    Request, check_answer, kind,
};

use crate::cast::*;

/// A restore of two licenses, and what a service makes of it.
struct Exchange {
    request: Prepared,
    receipt: Receipt,
    delivery: Delivery,
}

impl Exchange {
    fn new() -> Self {
        let service = service_card().thumbprint();
        let request = Request::prepare(
            &computer_key(),
            service,
            [0x22; 16],
            None,
            kind::RESTORE,
            &restore(2),
        )
        .unwrap();
        let (enc, sealer) = Sealer::delivery(&request.one_time.as_ref().unwrap().public().unwrap()).unwrap();
        let keys = (0..2).map(|n| Some(sealer.seal(&grant(n), &content_key(n)).unwrap()));
        let delivery = Delivery {
            enc,
            ..delivery(keys.collect())
        };
        let receipt = Receipt {
            request: request.id,
            ..receipt(vec![granted(0), granted(1)])
        };
        Self {
            request,
            receipt,
            delivery,
        }
    }

    fn answer(&self) -> Answer {
        Answer {
            receipt: Some(self.receipt.sign(&service_key())),
            delivery: Some(self.delivery.clone()),
            card: Some(service_card().as_bytes().to_vec()),
            problem: None,
            lists: None,
        }
    }

    fn check(&self) -> Result<Checked, Error> {
        self.check_of(&self.answer()).map(|judged| judged.unwrap())
    }

    fn check_of(&self, answer: &Answer) -> Result<Result<Checked, Problem>, Error> {
        let grants = [grant(0), grant(1)];
        let one_time = self.request.one_time.as_ref();
        check_answer(
            &answer.encode(),
            &self.request.bytes,
            &grants,
            &service_card(),
            one_time,
        )
    }
}

fn is_granted(item: &CheckedItem, n: u8) -> bool {
    matches!(item, CheckedItem::Granted { key: Some(key), slot: 2, of: 4, .. } if key.expose() == content_key(n).expose())
}

#[test]
fn a_sound_answer_gives_the_keys() {
    let checked = Exchange::new().check().unwrap();
    assert!(is_granted(&checked.items[0], 0) && is_granted(&checked.items[1], 1));
    assert!(checked.newer_card.is_none());
}

#[test]
fn an_answer_to_another_request_is_not_taken() {
    let other = Exchange::new();
    let changes: [fn(&mut Receipt); 3] = [
        |receipt| receipt.request = [0; 32],
        |receipt| receipt.operation = [0; 16],
        |receipt| receipt.computer = signing(4).public().thumbprint(),
    ];
    for change in changes {
        let mut exchange = Exchange::new();
        change(&mut exchange.receipt);
        assert_eq!(exchange.check().unwrap_err(), Error::OtherRequest);
    }
    let exchange = Exchange::new();
    assert_eq!(
        exchange.check_of(&other.answer()).unwrap_err(),
        Error::OtherRequest
    );
}

#[test]
fn a_receipt_of_another_kind_or_with_a_certificate_is_not_taken() {
    let mut exchange = Exchange::new();
    exchange.receipt.kind = text(kind::PLAN);
    assert!(matches!(
        exchange.check(),
        Err(Error::Mismatch { field: "kind", .. })
    ));
    let mut exchange = Exchange::new();
    exchange.receipt.card = Some(Digest([1; 32]));
    assert!(matches!(
        exchange.check(),
        Err(Error::Mismatch { field: "card", .. })
    ));
}

#[test]
fn a_certificate_is_of_the_card_that_was_sent() {
    let service = service_card().thumbprint();
    let body = individualize();
    let request = Request::prepare(
        &computer_key(),
        service,
        [0x22; 16],
        None,
        kind::INDIVIDUALIZE,
        &body,
    )
    .unwrap();
    let check = |card| {
        let receipt = Receipt {
            request: request.id,
            kind: text(kind::INDIVIDUALIZE),
            card,
            ..receipt(vec![])
        };
        let answer = Answer {
            delivery: None,
            ..Exchange {
                receipt,
                ..Exchange::new()
            }
            .answer()
        };
        check_answer(&answer.encode(), &request.bytes, &[], &service_card(), None)
    };
    assert!(check(Some(*computer_card().digest())).unwrap().is_ok());
    for card in [None, Some(Digest([1; 32]))] {
        assert!(matches!(check(card), Err(Error::Mismatch { field: "card", .. })));
    }
}

#[test]
fn keys_that_were_swapped_or_altered_are_named_and_the_others_taken() {
    let mut exchange = Exchange::new();
    exchange.delivery.keys.swap(0, 1);
    let swapped = exchange.check().unwrap();
    assert!(
        swapped
            .items
            .iter()
            .all(|item| matches!(item, CheckedItem::WrongKey(_)))
    );
    let mut exchange = Exchange::new();
    exchange.delivery.keys[0].as_mut().unwrap().0[0] ^= 1;
    let altered = exchange.check().unwrap();
    assert!(matches!(altered.items[0], CheckedItem::WrongKey(_)) && is_granted(&altered.items[1], 1));
    let mut exchange = Exchange::new();
    exchange.delivery.keys[1] = None;
    let missing = exchange.check().unwrap();
    assert!(is_granted(&missing.items[0], 0) && matches!(missing.items[1], CheckedItem::WrongKey(_)));
}

#[test]
fn a_key_for_another_one_time_key_does_not_open() {
    let exchange = Exchange {
        delivery: Exchange::new().delivery,
        ..Exchange::new()
    };
    let checked = exchange.check().unwrap();
    assert!(
        checked
            .items
            .iter()
            .all(|item| matches!(item, CheckedItem::WrongKey(_)))
    );
}

#[test]
fn entries_that_contradict_themselves_or_the_request_are_not_taken() {
    let changes: [fn(&mut Entry); 7] = [
        |entry| *entry = granted(1),
        |entry| entry.slot = None,
        |entry| entry.slot = Some(0),
        |entry| entry.slot = Some(5),
        |entry| entry.of = None,
        |entry| entry.reason = Some(Reason::Limit),
        |entry| {
            *entry = Entry {
                reason: None,
                ..refused(0, Reason::Limit)
            }
        },
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut exchange = Exchange::new();
        change(&mut exchange.receipt.entries[0]);
        assert!(matches!(exchange.check(), Err(Error::Inconsistent(_))), "{n}");
    }
    let mut exchange = Exchange::new();
    exchange.receipt.entries.pop();
    assert!(matches!(exchange.check(), Err(Error::Inconsistent(_))));
    let mut exchange = Exchange::new();
    exchange.delivery.keys.pop();
    assert!(matches!(exchange.check(), Err(Error::Inconsistent(_))));
}

#[test]
fn a_refusal_needs_no_delivery() {
    let mut exchange = Exchange::new();
    exchange.receipt.entries = vec![refused(0, Reason::Limit), refused(1, Reason::Revoked)];
    exchange.receipt.pages = receipt(exchange.receipt.entries.clone()).pages;
    let answer = Answer {
        delivery: None,
        ..exchange.answer()
    };
    let checked = exchange.check_of(&answer).unwrap().unwrap();
    assert!(matches!(checked.items[0], CheckedItem::Refused(Reason::Limit)));
    assert!(checked.page(Reason::Revoked).is_some() && checked.page(Reason::Twice).is_none());
}

#[test]
fn a_plan_has_no_keys_and_takes_none() {
    let service = service_card().thumbprint();
    let request = Request::prepare(
        &computer_key(),
        service,
        [0x22; 16],
        None,
        kind::PLAN,
        &restore(2),
    )
    .unwrap();
    let mut exchange = Exchange::new();
    exchange.receipt = Receipt {
        request: request.id,
        kind: text(kind::PLAN),
        ..exchange.receipt
    };
    exchange.request = request;
    let answer = Answer {
        delivery: None,
        ..exchange.answer()
    };
    let checked = exchange.check_of(&answer).unwrap().unwrap();
    assert!(matches!(
        checked.items[0],
        CheckedItem::Granted {
            key: None,
            slot: 2,
            ..
        }
    ));
    assert!(matches!(exchange.check(), Err(Error::Inconsistent(_))));
}

#[test]
fn only_a_newer_card_of_the_same_root_is_taken() {
    let exchange = Exchange::new();
    let with = |card: &keyferry_license::Verified<keyferry_license::Card>| {
        let answer = Answer {
            card: Some(card.as_bytes().to_vec()),
            ..exchange.answer()
        };
        exchange
            .check_of(&answer)
            .unwrap()
            .unwrap()
            .newer_card
            .map(|card| card.serial)
    };
    assert_eq!(
        with(&card_of(CardKind::Service, "Renamed", &service_key(), 2)),
        Some(2)
    );
    assert_eq!(
        with(&card_of(CardKind::Service, "Older", &service_key(), 0)),
        None
    );
    assert_eq!(
        with(&card_of(CardKind::Issuer, "Of another kind", &service_key(), 9)),
        None
    );
    assert_eq!(
        with(&card_of(CardKind::Service, "Of another root", &signing(4), 9)),
        None
    );
}

#[test]
fn a_problem_is_handed_on() {
    let exchange = Exchange::new();
    let problem = exchange
        .check_of(&Answer::problem(ProblemCode::Busy, "later", Some(7)))
        .unwrap()
        .unwrap_err();
    assert_eq!((problem.code, problem.retry_after), (ProblemCode::Busy, Some(7)));
}
