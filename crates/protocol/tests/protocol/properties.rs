//! Random messages decode to what was encoded; random damage is refused or changes nothing.

use keyferry_license::{Digest, LicenseId, SealedKey, Text, Thumbprint, decode_exact, encode};
use keyferry_protocol::{
    Answer, Change, Entry, LastReceipt, ProblemCode, Receipt, Request, Row, SignedRequest, Verdict,
};
use proptest::prelude::*;

use crate::cast::{computer_key, delivery, receipt, service_card, service_key};

fn entry() -> impl Strategy<Value = Entry> {
    let numbers = (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u64>>());
    let hashes = any::<(Option<[u8; 32]>, Option<[u8; 32]>)>();
    (any::<([u8; 32], [u8; 16])>(), 1..4u8, numbers, hashes).prop_map(|(name, verdict, numbers, hashes)| {
        Entry {
            issuer: Thumbprint(name.0),
            license: LicenseId(name.1),
            verdict: [Verdict::Restored, Verdict::Reissued, Verdict::Refused][usize::from(verdict) - 1],
            reason: None,
            slot: numbers.0,
            of: numbers.1,
            seq: numbers.2,
            previous: hashes.0.map(Digest),
            row: hashes.1.map(Digest),
        }
    })
}

fn request() -> impl Strategy<Value = Request> {
    let last = prop::option::of((any::<[u8; 32]>(), any::<u64>()));
    let key = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    (
        any::<([u8; 16], [u8; 16], [u8; 32])>(),
        last,
        key,
        "\\PC{0,16}",
        any::<u64>(),
    )
        .prop_map(
            |((nonce, operation, service), last, one_time_key, kind, body)| Request {
                nonce,
                operation,
                service: Thumbprint(service),
                computer: computer_key().public().thumbprint(),
                last_receipt: last.map(|(request, time)| LastReceipt { request, time }),
                one_time_key,
                kind: Text::new("kind", kind).unwrap(),
                body: encode(&body),
            },
        )
}

proptest! {
    #[test]
    fn requests_come_back(request in request()) {
        let bytes = keyferry_license::sign_document(keyferry_license::Typ::Request, &encode(&request), &computer_key());
        let signed = SignedRequest::decode(&bytes).unwrap();
        let (_, verified) = signed.verify(&computer_key().public()).unwrap();
        prop_assert_eq!(verified, request);
    }

    #[test]
    fn receipts_come_back(entries in prop::collection::vec(entry(), 0..5), time: u64) {
        let receipt = Receipt { entries, time, ..receipt(vec![]) };
        let bytes = receipt.sign(&service_key());
        prop_assert_eq!(Receipt::verify(&bytes, &service_card()).unwrap(), receipt);
    }

    #[test]
    fn answers_come_back(keys in prop::collection::vec(any::<Option<[u8; 32]>>(), 0..5), card: bool) {
        let answer = Answer {
            receipt: Some(vec![1, 2, 3]),
            delivery: Some(delivery(keys.into_iter().map(|key| key.map(SealedKey)).collect())),
            card: card.then(|| vec![4, 5]),
            problem: None,
            lists: None,
        };
        prop_assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer);
    }

    #[test]
    fn problems_come_back(message in "\\PC{0,200}", retry: Option<u32>) {
        let answer = Answer::problem(ProblemCode::Busy, &message, retry);
        prop_assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer);
    }

    #[test]
    fn rows_come_back(name: ([u8; 32], [u8; 16], [u8; 32]), numbers: (u64, u32, u64, u64), change in 0..3usize) {
        let row = Row {
            issuer: Thumbprint(name.0),
            license: LicenseId(name.1),
            seq: numbers.0,
            computer: Thumbprint(name.2),
            change: [Change::Take, Change::Release, Change::Revoke][change],
            slot: numbers.1,
            lease: numbers.2,
            request: name.0,
            time: numbers.3,
            previous: Digest(name.2),
        };
        prop_assert_eq!(decode_exact::<Row>("row", &encode(&row), 1024).unwrap(), row);
    }

    #[test]
    fn no_damaged_receipt_verifies(at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = receipt(vec![crate::cast::granted(0)]).sign(&service_key());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Receipt::verify(&bytes, &service_card()).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SignedRequest::decode(&bytes);
        let _ = Receipt::verify(&bytes, &service_card());
        let _ = Answer::decode(&bytes);
    }
}
