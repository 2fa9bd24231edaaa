//! The vectors of `testdata/protocol/`, made from fixed seeds.

use base64::prelude::*;
use keyferry_license::{SealedKey, Typ, encode, sign_document};
use keyferry_protocol::{Answer, Change, ProblemCode, Reason, Request, Row, Verdict, kind};

use crate::cast::*;
use crate::vector::{Vector, hex};

pub fn vectors() -> Vec<Vector> {
    let mut all = requests();
    all.extend(bad_requests());
    all.extend(receipts());
    all.extend(answers());
    all.extend(rows());
    all.extend(crate::made_revocations::vectors());
    all.extend(crate::made_challenges::vectors());
    all.extend(crate::made_recovery::vectors());
    all
}

pub fn sign(request: &Request) -> Vec<u8> {
    sign_document(Typ::Request, &encode(request), &computer_key())
}

fn request_vector(name: &str, expect: &str, comment: &str, body: Vec<u8>) -> Vector {
    let key = hex(computer_key().public().as_bytes());
    Vector::new(&format!("request-{name}"), "request", expect, comment, body).with("key", key)
}

pub fn good(name: &str, comment: &str, request: &Request) -> Vector {
    let bytes = sign(request);
    let id = keyferry_protocol::SignedRequest::decode(&bytes).unwrap().id();
    request_vector(name, "ok", comment, bytes).with("id", hex(&id))
}

pub fn bad(name: &str, step: &str, expect: &str, comment: &str, body: Vec<u8>) -> Vector {
    request_vector(name, expect, comment, body).with("fails", step)
}

fn requests() -> Vec<Vector> {
    let first = Request {
        last_receipt: None,
        ..request(kind::INDIVIDUALIZE, &individualize())
    };
    let as_new = keyferry_protocol::Restore {
        as_new: Some(true),
        ..restore(2)
    };
    vec![
        good("individualize", "the first thing that a computer sends", &first),
        good("restore-1", "one license", &request(kind::RESTORE, &restore(1))),
        good(
            "restore-3",
            "three licenses under one encapsulation",
            &request(kind::RESTORE, &restore(3)),
        ),
        good("plan", "no one-time key", &request(kind::PLAN, &restore(1))),
        good(
            "plan-as-new",
            "judged as a computer that holds nothing",
            &request(kind::PLAN, &as_new),
        ),
        good(
            "unknown-kind",
            "decodes and verifies; a service refuses the kind by name",
            &request("object", &1u8),
        ),
    ]
}

fn bad_requests() -> Vec<Vector> {
    let sound = request(kind::RESTORE, &restore(1));
    let bytes = sign(&sound);
    let altered = |change: fn(&mut Request)| {
        let mut request = sound.clone();
        change(&mut request);
        sign(&request)
    };
    let mut forged = bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    let foreign = sign_document(Typ::Request, &encode(&sound), &signing(4));
    let receipt = receipt(vec![granted(0)]).sign(&service_key());
    let mut longer = bytes.clone();
    longer.push(0);
    let mut payload = encode(&sound);
    payload[0] += 1;
    payload.extend([0x18, 0x63, 0x00]);
    let unknown = sign_document(Typ::Request, &payload, &computer_key());
    let mut thousand = encode(&restore(1));
    let items = thousand.windows(3).position(|w| w == [0x03, 0x81, 0x82]).unwrap();
    thousand.splice(items + 1..items + 2, [0x1a, 0x00, 0x0f, 0x42, 0x40]);
    let million = sign(&Request {
        body: thousand,
        ..sound.clone()
    });
    let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
    vec![
        bad("empty", "decode", "Malformed", "0 bytes", vec![]),
        bad(
            "cut",
            "decode",
            "Malformed",
            "the last byte is missing",
            bytes[..bytes.len() - 1].to_vec(),
        ),
        bad(
            "byte-after",
            "decode",
            "Malformed",
            "a byte after the end",
            longer,
        ),
        bad(
            "receipt",
            "decode",
            "WrongType",
            "a receipt is not a request",
            receipt,
        ),
        bad("unknown-field", "decode", "UnknownField", "a field 99", unknown),
        bad(
            "length-1-gib",
            "decode",
            "Malformed",
            "claims a payload of 1 GiB",
            {
                let mut claim = bytes[..bytes.windows(2).position(|w| w[0] == 0xa0).unwrap() + 1].to_vec();
                claim.extend([0x5a, 0x40, 0x00, 0x00, 0x00]);
                claim
            },
        ),
        bad(
            "depth-1000",
            "decode",
            "TooDeep",
            "1,000 arrays in each other",
            nested(1000),
        ),
        bad(
            "body-depth-9",
            "decode",
            "TooDeep",
            "a body of nine arrays in each other",
            {
                sign(&Request {
                    body: nested(9),
                    ..sound.clone()
                })
            },
        ),
        bad(
            "body-not-deterministic",
            "decode",
            "NotDeterministic",
            "a body with an indefinite length",
            {
                sign(&Request {
                    body: vec![0x9f, 0xff],
                    ..sound.clone()
                })
            },
        ),
        bad(
            "body-million",
            "decode",
            "Malformed",
            "a body that claims a million licenses",
            million,
        ),
        bad("kind-long", "decode", "TooLarge", "a kind of 65 bytes", {
            let mut payload = encode(&Request {
                kind: text(&"k".repeat(64)),
                ..sound.clone()
            });
            let at = payload.windows(2).position(|w| w == [0x78, 0x40]).unwrap();
            payload[at + 1] = 0x41;
            payload.insert(at + 2, b'k');
            sign_document(Typ::Request, &payload, &computer_key())
        }),
        bad(
            "signature",
            "verify",
            "BadSignature",
            "one bit of the signature is flipped",
            forged,
        ),
        bad(
            "other-signer",
            "verify",
            "BadSignature",
            "signed by another computer",
            foreign,
        ),
        bad(
            "other-computer",
            "verify",
            "Mismatch",
            "names another computer than the one that signed",
            altered(|request| request.computer = signing(4).public().thumbprint()),
        ),
        bad(
            "restore-none",
            "body",
            "Inconsistent",
            "no license",
            sign(&request(kind::RESTORE, &restore(0))),
        ),
        bad(
            "restore-suite",
            "body",
            "UnknownSuite",
            "suite 2",
            altered(|request| request.body[2] = 2),
        ),
        bad(
            "restore-no-key",
            "body",
            "Inconsistent",
            "no one-time key",
            altered(|request| request.one_time_key = None),
        ),
        bad(
            "restore-bad-key",
            "body",
            "BadKey",
            "a one-time key of 3 bytes",
            altered(|request| request.one_time_key = Some(vec![1, 2, 3])),
        ),
        bad(
            "individualize-other",
            "body",
            "Mismatch",
            "the card of another computer",
            {
                let card = card_of(keyferry_license::CardKind::Computer, "other", &signing(4), 1);
                let body = keyferry_protocol::Individualize {
                    card: card.as_bytes().to_vec(),
                    ..individualize()
                };
                sign(&request(kind::INDIVIDUALIZE, &body))
            },
        ),
        bad(
            "individualize-service",
            "body",
            "Mismatch",
            "the card of a service",
            {
                let card = card_of(
                    keyferry_license::CardKind::Service,
                    "new-laptop",
                    &computer_key(),
                    1,
                );
                let body = keyferry_protocol::Individualize {
                    card: card.as_bytes().to_vec(),
                    ..individualize()
                };
                sign(&request(kind::INDIVIDUALIZE, &body))
            },
        ),
    ]
}

fn receipts() -> Vec<Vector> {
    let vector = |name: &str, expect: &str, comment: &str, body: Vec<u8>| {
        let card = BASE64_STANDARD.encode(service_card().as_bytes());
        Vector::new(&format!("receipt-{name}"), "receipt", expect, comment, body).with("service", card)
    };
    let origin = keyferry_protocol::Entry {
        verdict: Verdict::Reissued,
        slot: Some(1),
        seq: None,
        previous: None,
        row: None,
        ..granted(1)
    };
    let unread = keyferry_protocol::Entry {
        issuer: Default::default(),
        license: Default::default(),
        ..refused(3, Reason::Malformed)
    };
    let mixed = receipt(vec![granted(0), origin, refused(2, Reason::Limit), unread]);
    let certificate = keyferry_protocol::Receipt {
        kind: text(kind::INDIVIDUALIZE),
        card: Some(*computer_card().digest()),
        ..receipt(vec![])
    };
    let bytes = mixed.sign(&service_key());
    let mut forged = bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    let elsewhere = keyferry_protocol::Receipt {
        service: signing(4).public().thumbprint(),
        ..mixed.clone()
    };
    vec![
        vector(
            "restore",
            "ok",
            "restored, reissued to the origin, refused, unreadable",
            bytes.clone(),
        ),
        vector(
            "certificate",
            "ok",
            "of an individualization",
            certificate.sign(&service_key()),
        ),
        vector(
            "cut",
            "Malformed",
            "the last byte is missing",
            bytes[..bytes.len() - 1].to_vec(),
        )
        .with("fails", "decode"),
        vector(
            "signature",
            "BadSignature",
            "one bit of the signature is flipped",
            forged,
        )
        .with("fails", "verify"),
        vector(
            "other-signer",
            "BadSignature",
            "signed by another service",
            mixed.sign(&signing(4)),
        )
        .with("fails", "verify"),
        vector(
            "other-service",
            "Mismatch",
            "names another service",
            elsewhere.sign(&service_key()),
        )
        .with("fails", "verify"),
        vector(
            "request",
            "WrongType",
            "a request is not a receipt",
            sign(&request(kind::PLAN, &restore(1))),
        )
        .with("fails", "decode"),
    ]
}

fn answers() -> Vec<Vector> {
    let vector = |name: &str, expect: &str, comment: &str, body: Vec<u8>| {
        let vector = Vector::new(&format!("answer-{name}"), "answer", expect, comment, body);
        if expect == "ok" {
            vector
        } else {
            vector.with("fails", "decode")
        }
    };
    let full = Answer {
        receipt: Some(receipt(vec![granted(0), refused(1, Reason::Limit)]).sign(&service_key())),
        delivery: Some(delivery(vec![Some(SealedKey([5; 32])), None])),
        card: Some(service_card().as_bytes().to_vec()),
        problem: None,
        lists: None,
    };
    let problem = |code, retry| Answer::problem(code, "come back later", retry).encode();
    let both = Answer {
        problem: Answer::problem(ProblemCode::Busy, "no", None).problem,
        ..full.clone()
    };
    let neither = Answer {
        receipt: None,
        ..full.clone()
    };
    let many = Answer {
        delivery: Some(delivery(vec![None; 1001])),
        ..full.clone()
    };
    let mut answers = vec![
        vector(
            "full",
            "ok",
            "a receipt, a delivery and the service's card",
            full.encode(),
        ),
        vector(
            "busy",
            "ok",
            "a problem with a time to come back",
            problem(ProblemCode::Busy, Some(30)),
        ),
        vector("both", "Inconsistent", "a receipt and a problem", both.encode()),
        vector(
            "neither",
            "Inconsistent",
            "a delivery without a receipt",
            neither.encode(),
        ),
        vector("keys-1001", "TooLarge", "1,001 keys", many.encode()),
        vector("empty", "Malformed", "0 bytes", vec![]),
        vector("code-9", "UnknownField", "a code that is not known", {
            let mut bytes = problem(ProblemCode::Internal, None);
            let at = bytes.iter().position(|byte| *byte == 8).unwrap();
            bytes[at] = 9;
            bytes
        }),
        vector(
            "null",
            "UnknownField",
            "null stands for a field that is absent",
            vec![0xa1, 0x01, 0xf6],
        ),
    ];
    for (name, code) in [
        ("bad-request", ProblemCode::BadRequest),
        ("unknown-kind", ProblemCode::UnknownKind),
        ("other-service", ProblemCode::OtherService),
        ("not-individualized", ProblemCode::NotIndividualized),
        ("certificate-revoked", ProblemCode::CertificateRevoked),
        ("too-many", ProblemCode::TooManyIndividualizations),
        ("internal", ProblemCode::Internal),
    ] {
        answers.push(vector(name, "ok", "a problem", problem(code, None)));
    }
    answers
}

fn rows() -> Vec<Vector> {
    let row = |change, slot, previous| Row {
        issuer: issuer_key().public().thumbprint(),
        license: grant(0).license,
        seq: 1,
        computer: computer_key().public().thumbprint(),
        change,
        slot,
        lease: 0,
        request: [0x33; 32],
        time: NOW,
        previous,
    };
    let first = row(Change::Take, 2, Default::default());
    let second = Row {
        seq: 2,
        ..row(Change::Release, 2, first.hash())
    };
    let third = Row {
        seq: 3,
        ..row(Change::Revoke, 0, second.hash())
    };
    let vector = |name: &str, comment: &str, row: &Row| {
        Vector::new(&format!("row-{name}"), "row", "ok", comment, encode(row))
            .with("hash", row.hash().to_string())
    };
    let mut unknown = encode(&first);
    let at = unknown.windows(3).position(|w| w == [0x01, 0x02, 0x00]).unwrap();
    unknown[at] = 4;
    vec![
        vector("take", "the first row of a license", &first),
        vector("release", "the second, with the hash of row-take", &second),
        vector("revoke", "the third, with the hash of row-release", &third),
        Vector::new(
            "row-change-4",
            "row",
            "Malformed",
            "a change that is not known",
            unknown,
        )
        .with("fails", "decode"),
    ]
}
