//! A slice of fuzzing that every test run repeats: the vectors, changed in thousands of ways that a seed decides.

use keyferry_license::{Sign1, Text, Typ};
use keyferry_protocol::{AnswerParcel, MESSAGE_LIMIT, RequestParcel, SignedRequest};

use crate::bodies;
use crate::changes::slice;
use crate::vector::Vector;

const ROUNDS: usize = 5_000;
/// The vectors of bounds are long; changes to them say no more than those to short ones.
const SHORT: usize = 64 * 1024;

fn of_kind(kind: &str) -> Vec<Vec<u8>> {
    let of_kind = Vector::all()
        .into_iter()
        .filter(|vector| vector.need("kind") == kind && vector.body.len() < SHORT);
    of_kind.map(|vector| vector.body).collect()
}

/// Payloads of the documents whose envelope is good: changes to these meet more than the signature.
fn payloads(kind: &str, typ: Typ) -> Vec<Vec<u8>> {
    let bodies = of_kind(kind);
    let decoded = bodies
        .iter()
        .filter_map(|body| Sign1::decode(typ, body, MESSAGE_LIMIT).ok());
    decoded.map(|parts| parts.payload.to_vec()).collect()
}

/// The vectors as files carry them.
fn files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for request in of_kind("request") {
        if let Ok(signed) = SignedRequest::decode(&request) {
            let parcel = RequestParcel {
                service: signed.claim().service,
                url: Text::new("url", "https://licenses.example").unwrap(),
                request: request.clone(),
            };
            files.push(parcel.to_armor().unwrap().into_bytes());
        }
    }
    for answer in of_kind("answer") {
        let parcel = AnswerParcel {
            request: [7; 32],
            answer,
        };
        files.push(parcel.to_armor().unwrap().into_bytes());
    }
    files
}

#[test]
fn requests() {
    slice(1, &of_kind("request"), ROUNDS, bodies::request);
}

#[test]
fn request_payloads() {
    slice(
        2,
        &payloads("request", Typ::Request),
        ROUNDS,
        bodies::request_payload,
    );
}

#[test]
fn answers() {
    slice(3, &of_kind("answer"), ROUNDS, bodies::answer);
}

#[test]
fn receipts() {
    slice(4, &payloads("receipt", Typ::Receipt), ROUNDS, bodies::receipt);
}

#[test]
fn revocation_lists() {
    let seeds = payloads("revocation-list", Typ::RevocationList);
    slice(5, &seeds, ROUNDS, bodies::revocation_list);
}

#[test]
fn answers_to_lists() {
    slice(6, &of_kind("posted"), ROUNDS, bodies::posted);
}

#[test]
fn messages_by_file() {
    slice(7, &files(), ROUNDS / 5, bodies::by_file);
}

/// Payloads of what goes between an issuer and a computer without a service.
fn challenges() -> Vec<Vec<u8>> {
    [
        payloads("challenge", Typ::Challenge),
        payloads("challenge-answer", Typ::ChallengeAnswer),
        payloads("list-acknowledgement", Typ::ListAcknowledgement),
    ]
    .concat()
}

#[test]
fn challenges_and_answers_to_them() {
    slice(8, &challenges(), ROUNDS, bodies::challenge);
}

/// With KEYFERRY_WRITE_CORPUS set, gives the fuzz targets their seeds.
#[test]
fn corpus() {
    let seeds = [
        ("request", of_kind("request")),
        ("request_payload", payloads("request", Typ::Request)),
        ("answer", of_kind("answer")),
        ("receipt", payloads("receipt", Typ::Receipt)),
        (
            "revocation_list",
            payloads("revocation-list", Typ::RevocationList),
        ),
        ("posted", of_kind("posted")),
        ("challenge", challenges()),
        ("by_file", files()),
    ];
    for (target, seeds) in seeds {
        crate::changes::corpus(target, &seeds);
    }
}
