//! Every vector of `testdata/protocol/`, through every path: decode, verify, body, encode again.

use base64::prelude::*;
use keyferry_license::{
    Card, REVOCATION_LIST_LIMIT, RevocationList, Sign1, Typ, VerifyingKey, decode_exact, encode,
};
use keyferry_protocol::{
    Answer, CHALLENGE_ANSWER_LIMIT, CHALLENGE_LIMIT, Challenge, ChallengeAnswer, Error, ListAcknowledgement,
    ListReceipt, MESSAGE_LIMIT, POSTED_LIMIT, Posted, Receipt, Request, Row, SignedRequest, kind,
};

use crate::vector::{Vector, folder, hex, unhex};

/// How many there are: a vector that is lost is missed.
const VECTORS: usize = 108;

#[test]
fn each_does_what_it_says() {
    let all = Vector::all();
    assert_eq!(all.len(), VECTORS);
    let wrong: Vec<_> = all.iter().filter_map(|vector| run(vector).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for kind in [
        "request",
        "receipt",
        "answer",
        "row",
        "revocation-list",
        "posted",
        "list-receipt",
        "challenge",
        "challenge-answer",
        "list-acknowledgement",
    ] {
        let of_kind = || all.iter().filter(|vector| vector.need("kind") == kind);
        assert!(of_kind().any(|vector| vector.need("expect") == "ok"), "{kind}");
        assert!(of_kind().any(|vector| vector.need("expect") != "ok"), "{kind}");
    }
}

/// With KEYFERRY_WRITE_VECTORS set, writes them instead.
#[test]
fn the_files_are_what_this_program_makes() {
    let mut made = crate::made::vectors();
    made.sort_by(|a, b| a.name.cmp(&b.name));
    if std::env::var_os("KEYFERRY_WRITE_VECTORS").is_some() {
        for vector in &made {
            std::fs::write(folder().join(format!("{}.txt", vector.name)), vector.to_text()).unwrap();
        }
        return;
    }
    let kept = Vector::all();
    let names = |all: &[Vector]| all.iter().map(|vector| vector.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&made));
    for (kept, made) in kept.iter().zip(&made) {
        assert_eq!(kept, made, "{}", kept.name);
    }
}

type Outcome = Result<(), (&'static str, Error)>;

fn run(vector: &Vector) -> Result<(), String> {
    let outcome = match vector.need("kind") {
        "request" => run_request(vector),
        "receipt" => run_receipt(vector),
        "answer" => run_answer(vector),
        "row" => run_row(vector),
        "revocation-list" => run_list(vector),
        "posted" => run_posted(vector),
        "list-receipt" => run_list_receipt(vector),
        "challenge" => run_challenge(vector),
        "challenge-answer" => run_challenge_answer(vector),
        "list-acknowledgement" => run_acknowledgement(vector),
        other => panic!("{}: kind {other:?}", vector.name),
    };
    let (stage, found) = match outcome {
        Ok(()) => ("", "ok".to_owned()),
        Err((stage, error)) => (stage, variant(&error)),
    };
    let expected = (vector.get("fails").unwrap_or(""), vector.need("expect"));
    if (stage, found.as_str()) == expected {
        return Ok(());
    }
    Err(format!(
        "{}: {expected:?} expected, {:?} found",
        vector.name,
        (stage, found)
    ))
}

/// An error's name: the document's own, if it is one of those.
fn variant(error: &Error) -> String {
    let shown = match error {
        Error::Document(error) => format!("{error:?}"),
        error => format!("{error:?}"),
    };
    shown.split([' ', '(']).next().unwrap().to_owned()
}

fn at(stage: &'static str) -> impl Fn(Error) -> (&'static str, Error) {
    move |error| (stage, error)
}

fn run_request(vector: &Vector) -> Outcome {
    let signed = SignedRequest::decode(&vector.body).map_err(at("decode"))?;
    let again = Sign1::decode(Typ::Request, &vector.body, MESSAGE_LIMIT).unwrap();
    assert_eq!(encode(signed.claim()), again.payload);
    let key = VerifyingKey::from_bytes(unhex(vector.need("key"))).unwrap();
    let (id, request) = signed.verify(&key).map_err(at("verify"))?;
    check_body(&request).map_err(at("body"))?;
    assert_eq!(hex(&id), vector.need("id"));
    Ok(())
}

fn check_body(request: &Request) -> Result<(), Error> {
    match &*request.kind {
        kind::INDIVIDUALIZE => {
            let (body, _) = request.individualize_body()?;
            assert_eq!(encode(&body), request.body);
        }
        kind::PLAN | kind::RESTORE => {
            let body = request.restore_body()?;
            assert_eq!(encode(&body), request.body);
            if *request.kind == *kind::RESTORE {
                request.one_time_key()?;
            }
        }
        kind::RELEASE => assert_eq!(encode(&request.release_body()?), request.body),
        kind::REVOCATIONS => assert_eq!(encode(&request.revocations_body()?), request.body),
        kind::ACKNOWLEDGE => assert_eq!(encode(&request.acknowledge_body()?), request.body),
        kind::RECEIPTS => {
            let body = request.receipts_body()?;
            assert_eq!(encode(&body), request.body);
            body.verified(&crate::cast::service_card(), request)?;
        }
        _ => {}
    }
    Ok(())
}

fn run_receipt(vector: &Vector) -> Outcome {
    let card = Card::verify(&BASE64_STANDARD.decode(vector.need("service")).unwrap()).unwrap();
    let parts = Sign1::decode(Typ::Receipt, &vector.body, MESSAGE_LIMIT)
        .map_err(|error| at("decode")(error.into()))?;
    let receipt = Receipt::verify(&vector.body, &card).map_err(at("verify"))?;
    assert_eq!(encode(&receipt), parts.payload);
    Ok(())
}

fn run_answer(vector: &Vector) -> Outcome {
    let answer = Answer::decode(&vector.body).map_err(at("decode"))?;
    assert_eq!(answer.encode(), vector.body);
    Ok(())
}

fn run_row(vector: &Vector) -> Outcome {
    let row: Row = decode_exact("row", &vector.body, 1024).map_err(|error| at("decode")(error.into()))?;
    assert_eq!(row.hash().to_string(), vector.need("hash"));
    Ok(())
}

fn run_list(vector: &Vector) -> Outcome {
    let card = Card::verify(&BASE64_STANDARD.decode(vector.need("issuer")).unwrap()).unwrap();
    let list = RevocationList::parse(&vector.body).map_err(|error| at("decode")(error.into()))?;
    let parts = Sign1::decode(Typ::RevocationList, &vector.body, REVOCATION_LIST_LIMIT).unwrap();
    assert_eq!(encode(list.claim()), parts.payload);
    assert_eq!(parts.encode(), vector.body);
    let list = list
        .verify_with(&card)
        .map_err(|error| at("verify")(error.into()))?;
    assert_eq!(list.digest().to_string(), vector.need("digest"));
    Ok(())
}

fn run_posted(vector: &Vector) -> Outcome {
    let posted = Posted::decode(&vector.body).map_err(at("decode"))?;
    assert_eq!(posted.encode(), vector.body);
    Ok(())
}

fn run_list_receipt(vector: &Vector) -> Outcome {
    let card = Card::verify(&BASE64_STANDARD.decode(vector.need("service")).unwrap()).unwrap();
    let receipt = ListReceipt::verify(&vector.body, &card).map_err(at("verify"))?;
    let parts = Sign1::decode(Typ::ListReceipt, &vector.body, POSTED_LIMIT).unwrap();
    assert_eq!(encode(&receipt), parts.payload);
    Ok(())
}

/// Takes a signed document apart; its one spelling is the one that was decoded.
fn claim<T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>>(
    vector: &Vector,
    typ: Typ,
    limit: usize,
) -> Result<T, (&'static str, Error)> {
    let failed = |error: keyferry_license::Error| at("decode")(error.into());
    let parts = Sign1::decode(typ, &vector.body, limit).map_err(failed)?;
    let claim: T = decode_exact(typ.name(), parts.payload, limit).map_err(failed)?;
    assert_eq!(encode(&claim), parts.payload);
    assert_eq!(parts.encode(), vector.body);
    Ok(claim)
}

fn run_challenge(vector: &Vector) -> Outcome {
    claim::<Challenge>(vector, Typ::Challenge, CHALLENGE_LIMIT)?;
    let nobody = |_: &_| Ok::<_, Error>(None);
    Challenge::verify(&vector.body, nobody)
        .map(drop)
        .map_err(at("verify"))
}

fn run_challenge_answer(vector: &Vector) -> Outcome {
    let claim: ChallengeAnswer = claim(vector, Typ::ChallengeAnswer, CHALLENGE_ANSWER_LIMIT)?;
    let answer = ChallengeAnswer::verify(&vector.body).map_err(at("verify"))?;
    assert_eq!(answer, claim);
    Ok(())
}

fn run_acknowledgement(vector: &Vector) -> Outcome {
    let claim: ListAcknowledgement = claim(vector, Typ::ListAcknowledgement, CHALLENGE_ANSWER_LIMIT)?;
    let word = ListAcknowledgement::verify(&vector.body).map_err(at("verify"))?;
    assert_eq!(word, claim);
    Ok(())
}
