//! The vectors of revocation without a service: challenges, their answers, and acknowledgements.

use keyferry_license::{CardKind, Digest, Typ, encode, sign_document};
use keyferry_protocol::{Challenge, ChallengeAnswer, ListAcknowledgement};

use crate::cast::*;
use crate::made_revocations::list;
use crate::vector::Vector;

pub fn vectors() -> Vec<Vector> {
    let mut all = challenges();
    all.extend(answers());
    all.extend(acknowledgements());
    all
}

pub fn challenge() -> Challenge {
    Challenge {
        card: issuer_card().as_bytes().to_vec(),
        random: [0x66; 16],
    }
}

pub fn answer() -> ChallengeAnswer {
    ChallengeAnswer {
        challenge: Challenge::id(&challenge().sign(&issuer_key())),
        issuer: issuer_key().public().thumbprint(),
        key: *computer_key().public().as_bytes(),
        nonce: [0x77; 16],
        since: 3,
    }
}

pub fn acknowledgement() -> ListAcknowledgement {
    ListAcknowledgement {
        issuer: issuer_key().public().thumbprint(),
        key: answer().key,
        nonce: answer().nonce,
        number: 5,
        list: Digest([0x88; 32]),
    }
}

fn ok(kind: &str, comment: &str, bytes: Vec<u8>) -> Vector {
    Vector::new(&format!("{kind}-ok"), kind, "ok", comment, bytes)
}

fn bad(kind: &str, name: &str, step: &str, expect: &str, comment: &str, bytes: Vec<u8>) -> Vector {
    Vector::new(&format!("{kind}-{name}"), kind, expect, comment, bytes).with("fails", step)
}

fn challenges() -> Vec<Vector> {
    let kind = "challenge";
    let of_service = Challenge {
        card: service_card().as_bytes().to_vec(),
        ..challenge()
    };
    let mut altered = challenge();
    *altered.card.last_mut().unwrap() ^= 1;
    let computer = card_of(CardKind::Computer, "new-laptop", &issuer_key(), 1);
    let of_computer = Challenge {
        card: computer.as_bytes().to_vec(),
        ..challenge()
    };
    vec![
        ok(kind, "who are you?", challenge().sign(&issuer_key())),
        bad(
            kind,
            "other-signer",
            "verify",
            "BadSignature",
            "another issuer signed it",
            challenge().sign(&signing(6)),
        ),
        bad(
            kind,
            "card-altered",
            "verify",
            "BadSignature",
            "one bit of the card's signature is flipped",
            altered.sign(&issuer_key()),
        ),
        bad(
            kind,
            "service",
            "verify",
            "Inconsistent",
            "a service is no issuer",
            of_service.sign(&service_key()),
        ),
        bad(
            kind,
            "computer",
            "verify",
            "Inconsistent",
            "a computer is no issuer",
            of_computer.sign(&issuer_key()),
        ),
        bad(
            kind,
            "list",
            "decode",
            "WrongType",
            "a revocation list is no challenge",
            list().sign(&issuer_key()).unwrap().as_bytes().to_vec(),
        ),
        bad(
            kind,
            "empty",
            "decode",
            "Malformed",
            "neither card nor random bytes",
            sign_document(Typ::Challenge, &[0xa0], &issuer_key()),
        ),
    ]
}

fn answers() -> Vec<Vector> {
    let kind = "challenge-answer";
    let small = ChallengeAnswer {
        key: [0; 32],
        ..answer()
    };
    let mut more = encode(&answer());
    more[0] += 1;
    more.extend([0x06, 0x00]);
    vec![
        ok(
            kind,
            "a computer that obeyed list 3",
            answer().sign(&computer_key()),
        ),
        bad(
            kind,
            "other-signer",
            "verify",
            "BadSignature",
            "another computer signed it",
            answer().sign(&signing(6)),
        ),
        bad(
            kind,
            "small-order",
            "verify",
            "SmallOrderKey",
            "a key of small order signs anything",
            small.sign(&computer_key()),
        ),
        bad(
            kind,
            "unknown-field",
            "decode",
            "UnknownField",
            "a field that is not known",
            sign_document(Typ::ChallengeAnswer, &more, &computer_key()),
        ),
    ]
}

fn acknowledgements() -> Vec<Vector> {
    let kind = "list-acknowledgement";
    let zero = ListAcknowledgement {
        number: 0,
        ..acknowledgement()
    };
    vec![
        ok(
            kind,
            "a computer obeyed list 5",
            acknowledgement().sign(&computer_key()),
        ),
        bad(
            kind,
            "other-signer",
            "verify",
            "BadSignature",
            "another computer signed it",
            acknowledgement().sign(&signing(6)),
        ),
        bad(
            kind,
            "number-0",
            "verify",
            "Inconsistent",
            "lists are numbered from 1",
            zero.sign(&computer_key()),
        ),
        bad(
            kind,
            "answer",
            "decode",
            "WrongType",
            "an answer to a challenge acknowledges nothing",
            answer().sign(&computer_key()),
        ),
    ]
}
