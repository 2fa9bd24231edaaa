//! What claims too much is refused, in little time and memory.

use keyferry_license::{Error as DocumentError, SealedKey, Typ, encode, sign_document};
use keyferry_protocol::{Answer, Error, MESSAGE_LIMIT, Receipt, SignedRequest, kind};

use crate::cast::*;

fn document(error: Error) -> DocumentError {
    match error {
        Error::Document(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Everything that takes bytes from outside.
fn all(bytes: &[u8]) -> Vec<Error> {
    let card = service_card();
    let errors = [
        SignedRequest::decode(bytes).map(drop).err(),
        Receipt::verify(bytes, &card).map(drop).err(),
        Answer::decode(bytes).map(drop).err(),
    ];
    errors.into_iter().map(|error| error.expect("an error")).collect()
}

#[test]
fn nothing_deep_and_claims_of_a_gibibyte_are_refused() {
    let heads: [&[u8]; 6] = [
        &[],
        &[0x5a, 0x40, 0x00, 0x00, 0x00],
        &[0x9a, 0x40, 0x00, 0x00, 0x00],
        &[0xba, 0x40, 0x00, 0x00, 0x00],
        &[0xd2, 0x84, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xa1, 0x01, 0x5a, 0x40, 0x00, 0x00, 0x00],
    ];
    for head in heads {
        for error in all(head) {
            assert!(
                matches!(document(error), DocumentError::Malformed { .. }),
                "{head:02x?}"
            );
        }
    }
    for error in all(&vec![0x81; 1000]) {
        assert!(matches!(document(error), DocumentError::TooDeep { .. }));
    }
}

#[test]
fn a_message_over_its_bound_is_not_read() {
    for error in all(&vec![0; MESSAGE_LIMIT + 1]) {
        assert!(matches!(document(error), DocumentError::TooLarge { .. }));
    }
}

#[test]
fn a_million_items_are_refused_before_the_first() {
    let million = |item: &[u8]| {
        let mut items = vec![0x9a, 0x00, 0x0f, 0x42, 0x40];
        items.extend(std::iter::repeat_n(item, 1_000_000).flatten());
        items
    };
    // A delivery of nulls.
    let mut answer = encode(&Answer {
        receipt: Some(vec![]),
        delivery: Some(delivery(vec![])),
        card: None,
        problem: None,
        lists: None,
    });
    let at = answer.len() - 1;
    assert_eq!(answer[at], 0x80);
    answer.splice(at.., million(&[0xf6]));
    let error = document(Answer::decode(&answer).unwrap_err());
    assert!(
        matches!(
            error,
            DocumentError::TooLarge {
                limit: 1000,
                actual: 1_000_000,
                ..
            }
        ),
        "{error:?}"
    );

    // Entries of a receipt that its service signed.
    let mut payload = encode(&receipt(vec![]));
    let at = payload.windows(2).position(|w| w == [0x07, 0x80]).unwrap();
    payload.splice(at + 1..at + 2, million(&[0x80]));
    let bytes = sign_document(Typ::Receipt, &payload, &service_key());
    let error = document(Receipt::verify(&bytes, &service_card()).unwrap_err());
    assert!(
        matches!(error, DocumentError::TooLarge { limit: 1000, .. }),
        "{error:?}"
    );

    // Licenses of a request.
    let mut body = encode(&restore(0));
    let at = body.len() - 1;
    assert_eq!(body[at], 0x80);
    body.splice(at.., million(&[0x82, 0x40, 0x40]));
    let request = keyferry_protocol::Request {
        body,
        ..request(kind::RESTORE, &1u8)
    };
    let error = document(request.restore_body().unwrap_err());
    assert!(
        matches!(error, DocumentError::TooLarge { limit: 1000, .. }),
        "{error:?}"
    );
}

#[test]
fn a_thousand_licenses_fit_and_one_more_does_not() {
    let mut body = restore(1);
    body.items = vec![body.items[0].clone(); 1000];
    assert!(request(kind::PLAN, &body).restore_body().is_ok());
    body.items.push(body.items[0].clone());
    let error = document(request(kind::PLAN, &body).restore_body().unwrap_err());
    assert!(matches!(error, DocumentError::TooLarge { actual: 1001, .. }));
    let keys = |count| Answer {
        delivery: Some(delivery(vec![Some(SealedKey([1; 32])); count])),
        ..answer()
    };
    assert!(Answer::decode(&keys(1000).encode()).is_ok());
    assert!(Answer::decode(&keys(1001).encode()).is_err());
}

#[test]
fn a_grant_over_its_bound_is_not_copied() {
    let mut body = restore(1);
    body.items[0].grant = vec![0; keyferry_license::GRANT_LIMIT + 1];
    let error = document(request(kind::PLAN, &body).restore_body().unwrap_err());
    assert!(matches!(error, DocumentError::TooLarge { what: "grant", .. }));
}

#[test]
fn the_message_of_a_problem_is_cut_between_characters() {
    let answer = Answer::problem(keyferry_protocol::ProblemCode::Internal, &"é".repeat(1000), None);
    assert_eq!(answer.problem.as_ref().unwrap().message.len(), 1024);
    let odd = Answer::problem(
        keyferry_protocol::ProblemCode::Internal,
        &format!("a{}", "é".repeat(1000)),
        None,
    );
    assert_eq!(odd.problem.as_ref().unwrap().message.len(), 1023);
    assert_eq!(Answer::decode(&odd.encode()).unwrap(), odd);
}

fn answer() -> Answer {
    Answer {
        receipt: Some(receipt(vec![]).sign(&service_key())),
        delivery: None,
        card: None,
        problem: None,
        lists: None,
    }
}
