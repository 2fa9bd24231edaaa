//! The vectors of releases, revocation lists and what is said about them.

use base64::prelude::*;
use keyferry_license::{
    KeyId, LicenseId, Revocation, RevocationList, SigningSecret, Typ, encode, sign_document,
};
use keyferry_protocol::{
    Acknowledge, Answer, Entry, ListNumber, ListProblemCode, ListReceipt, Lists, Posted, Receipt, Release,
    ReleaseItem, Revocations, Verdict, kind,
};

use crate::cast::*;
use crate::made::{bad, good, sign};
use crate::vector::Vector;

pub fn vectors() -> Vec<Vector> {
    let mut all = requests();
    all.extend(receipts());
    all.extend(lists());
    all.extend(bad_lists());
    all.extend(posted());
    all
}

/// What the vectors' issuer revokes with its first list.
pub fn list() -> RevocationList {
    RevocationList {
        issuer: issuer_key().public().thumbprint(),
        number: 1,
        nonce: None,
        entries: vec![Revocation::License(license(1))],
    }
}

pub fn number(number: u64) -> ListNumber {
    ListNumber {
        issuer: issuer_key().public().thumbprint(),
        number,
    }
}

pub fn list_receipt() -> ListReceipt {
    let list = list().sign(&issuer_key()).unwrap();
    ListReceipt {
        service: service_key().public().thumbprint(),
        issuer: list.issuer,
        number: list.number,
        list: *list.digest(),
        time: NOW,
    }
}

fn license(n: u8) -> LicenseId {
    grant(n).license
}

fn requests() -> Vec<Vector> {
    let named = ReleaseItem {
        grant: None,
        ..ReleaseItem::of(&grant(2))
    };
    let release = Release {
        items: vec![ReleaseItem::of(&grant(1)), named],
    };
    let revocations = |since: &[u64]| Revocations {
        since: since.iter().map(|n| number(*n)).collect(),
    };
    let acknowledge = |lists: &[u64]| Acknowledge {
        lists: lists.iter().map(|n| number(*n)).collect(),
    };
    let body = |name: &str, comment: &str, request: &keyferry_protocol::Request| {
        bad(name, "body", "Inconsistent", comment, sign(request))
    };
    vec![
        good(
            "release",
            "one license with its grant, one by its name alone",
            &request(kind::RELEASE, &release),
        ),
        body(
            "release-none",
            "no license",
            &request(kind::RELEASE, &Release { items: vec![] }),
        ),
        good(
            "revocations",
            "whoever knows list 3 asks for the next",
            &request(kind::REVOCATIONS, &revocations(&[3])),
        ),
        body(
            "revocations-none",
            "no issuer",
            &request(kind::REVOCATIONS, &revocations(&[])),
        ),
        body(
            "revocations-twice",
            "one issuer with two numbers",
            &request(kind::REVOCATIONS, &revocations(&[3, 4])),
        ),
        good(
            "acknowledge",
            "two lists were obeyed",
            &request(kind::ACKNOWLEDGE, &acknowledge(&[3, 4])),
        ),
        body(
            "acknowledge-0",
            "lists are numbered from 1",
            &request(kind::ACKNOWLEDGE, &acknowledge(&[0])),
        ),
        body(
            "acknowledge-twice",
            "one list twice",
            &request(kind::ACKNOWLEDGE, &acknowledge(&[3, 3])),
        ),
    ]
}

fn receipts() -> Vec<Vector> {
    let verdict = |n, verdict| Entry {
        verdict,
        of: None,
        ..granted(n)
    };
    let bare = |n, verdict| Entry {
        verdict,
        reason: None,
        ..refused(n, keyferry_protocol::Reason::Twice)
    };
    let released = Receipt {
        kind: text(kind::RELEASE),
        ..receipt(vec![
            verdict(1, Verdict::Released),
            bare(2, Verdict::NotHeld),
            bare(3, Verdict::Stale),
        ])
    };
    let told = Receipt {
        kind: text(kind::REVOCATIONS),
        newest: Some(vec![number(4)]),
        ..receipt(vec![])
    };
    let of = |name: &str, comment: &str, receipt: &Receipt| {
        let card = BASE64_STANDARD.encode(service_card().as_bytes());
        let bytes = receipt.sign(&service_key());
        Vector::new(&format!("receipt-{name}"), "receipt", "ok", comment, bytes).with("service", card)
    };
    let answer = Answer {
        receipt: Some(told.sign(&service_key())),
        delivery: None,
        card: None,
        problem: None,
        lists: Some(Lists {
            lists: vec![list().sign(&issuer_key()).unwrap().as_bytes().to_vec()],
            cards: vec![issuer_card().as_bytes().to_vec()],
        }),
    };
    vec![
        of("release", "released, not held, stale", &released),
        of("revocations", "the newest list of an issuer", &told),
        Vector::new(
            "answer-lists",
            "answer",
            "ok",
            "a list and its issuer's card",
            answer.encode(),
        ),
    ]
}

fn list_vector(name: &str, expect: &str, comment: &str, body: Vec<u8>) -> Vector {
    let card = BASE64_STANDARD.encode(issuer_card().as_bytes());
    Vector::new(&format!("list-{name}"), "revocation-list", expect, comment, body).with("issuer", card)
}

fn lists() -> Vec<Vector> {
    let ok = |name: &str, comment: &str, list: &RevocationList| {
        let signed = list.sign(&issuer_key()).unwrap();
        let digest = signed.digest().to_string();
        list_vector(name, "ok", comment, signed.as_bytes().to_vec()).with("digest", digest)
    };
    let kinds = RevocationList {
        number: 2,
        nonce: Some([0x55; 16]),
        entries: vec![
            Revocation::License(license(2)),
            Revocation::KeyId(KeyId([3; 16])),
            Revocation::Subject(text("reader-17")),
            Revocation::Everything,
        ],
        ..list()
    };
    let thousand = RevocationList {
        number: u64::MAX,
        entries: (0..1000u16)
            .map(|n| {
                let mut key_id = [0; 16];
                key_id[..2].copy_from_slice(&n.to_be_bytes());
                Revocation::KeyId(KeyId(key_id))
            })
            .collect(),
        ..list()
    };
    vec![
        ok("license", "one license", &list()),
        ok("kinds", "each way to name licenses, and a nonce", &kinds),
        ok("thousand", "as many entries as fit", &thousand),
    ]
}

fn signed(list: &RevocationList, key: &SigningSecret) -> Vec<u8> {
    sign_document(Typ::RevocationList, &encode(list), key)
}

fn bad_lists() -> Vec<Vector> {
    let fails = |name: &str, step: &str, expect: &str, comment: &str, body: Vec<u8>| {
        list_vector(name, expect, comment, body).with("fails", step)
    };
    let with = |change: fn(&mut RevocationList)| {
        let mut list = list();
        change(&mut list);
        signed(&list, &issuer_key())
    };
    let mut kind_5 = encode(&list());
    let at = kind_5.windows(3).position(|w| w == [0x81, 0x82, 0x01]).unwrap();
    kind_5[at + 2] = 5;
    let mut forged = signed(&list(), &issuer_key());
    *forged.last_mut().unwrap() ^= 1;
    vec![
        fails(
            "number-0",
            "decode",
            "OutOfRange",
            "numbers start at 1",
            with(|list| list.number = 0),
        ),
        fails(
            "none",
            "decode",
            "OutOfRange",
            "no entry",
            with(|list| list.entries.clear()),
        ),
        fails(
            "twice",
            "decode",
            "OutOfRange",
            "one entry twice",
            with(|list| list.entries = vec![Revocation::Everything; 2]),
        ),
        fails(
            "1001",
            "decode",
            "TooLarge",
            "an entry more than fits",
            with(|list| list.entries = vec![Revocation::Everything; 1001]),
        ),
        fails(
            "subject-empty",
            "decode",
            "OutOfRange",
            "a subject without a name",
            with(|list| list.entries = vec![Revocation::Subject(text(""))]),
        ),
        fails(
            "license-4",
            "decode",
            "OutOfRange",
            "a license ID that is no UUID of version 7",
            with(|list| list.entries = vec![Revocation::License(LicenseId([0x44; 16]))]),
        ),
        fails(
            "kind-5",
            "decode",
            "Malformed",
            "a way to name licenses that is not known",
            sign_document(Typ::RevocationList, &kind_5, &issuer_key()),
        ),
        fails(
            "grant",
            "decode",
            "WrongType",
            "a grant is not a list",
            grant(1).as_bytes().to_vec(),
        ),
        fails(
            "signature",
            "verify",
            "BadSignature",
            "one bit of the signature is flipped",
            forged,
        ),
        fails(
            "other-signer",
            "verify",
            "BadSignature",
            "another issuer signed in this one's name",
            signed(&list(), &signing(6)),
        ),
        fails(
            "other-issuer",
            "verify",
            "OutOfRange",
            "the list of another issuer",
            with(|list| list.issuer = signing(6).public().thumbprint()),
        ),
    ]
}

fn posted() -> Vec<Vector> {
    let answer = |name: &str, expect: &str, comment: &str, posted: &Posted| {
        Vector::new(
            &format!("posted-{name}"),
            "posted",
            expect,
            comment,
            posted.encode(),
        )
    };
    let problem = |code, next| Posted::problem(code, "why", next);
    let taken = Posted {
        receipt: Some(list_receipt().sign(&service_key())),
        problem: None,
    };
    let both = Posted {
        problem: problem(ListProblemCode::Gap, None).problem,
        ..taken.clone()
    };
    let neither = Posted {
        receipt: None,
        problem: None,
    };
    let mut code_8 = problem(ListProblemCode::Internal, None).encode();
    let at = code_8.windows(2).position(|w| w == [0x01, 0x07]).unwrap();
    code_8[at + 1] = 8;
    let receipt = |name: &str, expect: &str, comment: &str, bytes: Vec<u8>| {
        let card = BASE64_STANDARD.encode(service_card().as_bytes());
        Vector::new(
            &format!("list-receipt-{name}"),
            "list-receipt",
            expect,
            comment,
            bytes,
        )
        .with("service", card)
    };
    let elsewhere = ListReceipt {
        service: signing(6).public().thumbprint(),
        ..list_receipt()
    };
    vec![
        answer("taken", "ok", "the list is in force", &taken),
        answer(
            "gap",
            "ok",
            "a list before it is missing",
            &problem(ListProblemCode::Gap, Some(3)),
        ),
        answer(
            "conflict",
            "ok",
            "another list has its number",
            &problem(ListProblemCode::Conflict, Some(4)),
        ),
        answer("busy", "ok", "later", &Posted::busy("later", 30)),
        answer("both", "Inconsistent", "a receipt and a problem", &both).with("fails", "decode"),
        answer("neither", "Inconsistent", "neither receipt nor problem", &neither).with("fails", "decode"),
        Vector::new(
            "posted-code-8",
            "posted",
            "UnknownField",
            "a code that is not known",
            code_8,
        )
        .with("fails", "decode"),
        receipt(
            "ok",
            "ok",
            "a service has list 1",
            list_receipt().sign(&service_key()),
        ),
        receipt(
            "other-signer",
            "BadSignature",
            "another service signed it",
            list_receipt().sign(&signing(6)),
        )
        .with("fails", "verify"),
        receipt(
            "other-service",
            "Mismatch",
            "it names another service than the one that signed",
            elsewhere.sign(&service_key()),
        )
        .with("fails", "verify"),
    ]
}
