//! What the fuzz targets do with messages from elsewhere. The targets in `fuzz/` and the test beside this file call the same
//! functions: whatever decodes is encoded again, and MUST be the same bytes; nothing may panic.

use keyferry_license::{
    REVOCATION_LIST_LIMIT, RevocationList, Secret32, Sign1, SigningSecret, Typ, armor, decode_exact, encode,
    sign_document,
};
use keyferry_protocol::{
    ANSWER_LABEL, Acknowledge, Answer, AnswerParcel, Challenge, ChallengeAnswer, Error, Individualize,
    ListAcknowledgement, ListReceipt, MESSAGE_LIMIT, Posted, REQUEST_LABEL, Receipt, Receipts, Release,
    Request, RequestParcel, Restore, Revocations, SignedRequest, kept_receipt, kind, next_kept_receipt,
};
use minicbor::{Decode, Encode};

/// A value that decodes, whose one spelling is the one that was decoded.
fn exact<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Option<T> {
    let value: T = decode_exact("a message", bytes, MESSAGE_LIMIT).ok()?;
    assert_eq!(encode(&value), bytes);
    Some(value)
}

/// A signed request, and the body of its kind.
pub fn request(bytes: &[u8]) {
    let Ok(signed) = SignedRequest::decode(bytes) else {
        return;
    };
    let claim = signed.claim().clone();
    if let Ok(sign1) = Sign1::decode(Typ::Request, bytes, MESSAGE_LIMIT) {
        assert_eq!(encode(&claim), sign1.payload);
        assert_eq!(sign1.encode(), bytes);
    }
    let body = &claim.body[..];
    let known = match &*claim.kind {
        kind::INDIVIDUALIZE => exact::<Individualize>(body).is_some(),
        kind::RESTORE | kind::PLAN => exact::<Restore>(body).is_some(),
        kind::RELEASE => exact::<Release>(body).is_some(),
        kind::REVOCATIONS => exact::<Revocations>(body).is_some(),
        kind::ACKNOWLEDGE => exact::<Acknowledge>(body).is_some(),
        kind::RECEIPTS => exact::<Receipts>(body).is_some(),
        _ => false,
    };
    let _ = (known, signed.id());
}

/// A request's payload, which a fuzzer can't sign.
pub fn request_payload(payload: &[u8]) {
    let _ = exact::<Request>(payload);
    request(&sign_document(Typ::Request, payload, &key()));
}

/// An answer: a receipt with keys, or a problem.
pub fn answer(bytes: &[u8]) {
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
}

/// The answer to a revocation list.
pub fn posted(bytes: &[u8]) {
    if let Ok(posted) = Posted::decode(bytes) {
        assert_eq!(posted.encode(), bytes);
    }
    let _ = exact::<ListReceipt>(bytes);
}

/// A receipt's payload, refusals and releases included, and the whole as it is signed.
pub fn receipt(payload: &[u8]) {
    let _ = (exact::<Receipt>(payload), Receipt::claimed_computer(payload));
    let signed = sign_document(Typ::Receipt, payload, &key());
    let _ = Receipt::claimed_computer(&signed);
    // The same bytes as a file of receipts: each that is read is a part of them.
    let (mut file, mut read) = (payload, 0);
    while let Ok(Some(kept)) = next_kept_receipt(&mut file) {
        read += kept_receipt(&kept).len().min(kept.len() + 1);
    }
    assert!(read <= payload.len());
}

/// A revocation list's payload.
pub fn revocation_list(payload: &[u8]) {
    if let Ok(list) = decode_exact::<RevocationList>("a list", payload, REVOCATION_LIST_LIMIT) {
        assert_eq!(encode(&list), payload);
    }
}

/// A challenge, an answer to one, or an acknowledgement: its payload, and the whole as it is signed.
pub fn challenge(payload: &[u8]) {
    if exact::<Challenge>(payload).is_some() {
        let signed = sign_document(Typ::Challenge, payload, &key());
        let _ = Challenge::verify(&signed, |_| Ok::<_, Error>(None));
    }
    if exact::<ChallengeAnswer>(payload).is_some() {
        let _ = ChallengeAnswer::verify(&sign_document(Typ::ChallengeAnswer, payload, &key()));
    }
    if exact::<ListAcknowledgement>(payload).is_some() {
        let _ = ListAcknowledgement::verify(&sign_document(Typ::ListAcknowledgement, payload, &key()));
    }
}

/// Requests and answers by file.
pub fn by_file(text: &[u8]) {
    for block in armor::Blocks::new(REQUEST_LABEL, text).map_while(Result::ok) {
        if let Ok((parcel, _)) = RequestParcel::decode(&block) {
            assert_eq!(encode(&parcel), block);
            request(&parcel.request);
        }
    }
    for block in armor::Blocks::new(ANSWER_LABEL, text).map_while(Result::ok) {
        if let Ok(parcel) = AnswerParcel::decode(&block) {
            assert_eq!(encode(&parcel), block);
            answer(&parcel.answer);
        }
    }
}

fn key() -> SigningSecret {
    SigningSecret::from_seed(Secret32::from_bytes([1; 32]))
}
