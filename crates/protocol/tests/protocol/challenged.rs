//! Must hold: an answer is its computer's and its challenge's, a list for one computer repeats all that it lacks, and an
//! acknowledgement stands for one list of one computer.

use keyferry_license::{
    Card, Error as License, KeyId, MAX_REVOCATIONS, Revocation, RevocationList, Thumbprint, Verified,
};
use keyferry_protocol::{
    CHALLENGE_ANSWER_LIMIT, CHALLENGE_LIMIT, Challenge, ChallengeAnswer, Error, ListAcknowledgement, Result,
};

use crate::cast::*;
use crate::made_challenges::{acknowledgement, answer, challenge};
use crate::made_revocations::list;

fn nobody(_: &Thumbprint) -> Result<Option<Verified<Card>>> {
    Ok(None)
}

/// The issuer's list of this number, with so many key IDs.
fn numbered(number: u64, keys: std::ops::Range<u32>) -> Verified<RevocationList> {
    let key = |n: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        Revocation::KeyId(KeyId(id))
    };
    let list = RevocationList {
        number,
        entries: keys.map(key).collect(),
        ..list()
    };
    list.sign(&issuer_key()).unwrap()
}

#[test]
fn the_newer_card_counts_and_whoever_knows_the_issuer_decides() {
    let bytes = challenge().sign(&issuer_key());
    let newer = card_of(keyferry_license::CardKind::Issuer, "Northwind", &issuer_key(), 2);
    assert_eq!(Challenge::verify(&bytes, nobody).unwrap().serial, 1);
    let known = Challenge::verify(&bytes, |root| {
        assert_eq!(*root, issuer_card().thumbprint());
        Ok::<_, Error>(Some(newer.clone()))
    });
    assert_eq!(known.unwrap().serial, 2);
    let older = Challenge::new(&newer).unwrap().sign(&issuer_key());
    let known = Challenge::verify(&older, |_| Ok::<_, Error>(Some(issuer_card())));
    assert_eq!(known.unwrap().serial, 2);
    let refused = Challenge::verify(&bytes, |_| Err(Error::OtherRequest));
    assert_eq!(refused.unwrap_err(), Error::OtherRequest);
}

#[test]
fn an_answer_serves_its_challenge_and_its_issuer_only() {
    let (asked, bytes) = (challenge().sign(&issuer_key()), answer().sign(&computer_key()));
    let issuer = issuer_card().thumbprint();
    assert_eq!(ChallengeAnswer::of(&bytes, &asked, &issuer).unwrap(), answer());
    assert_eq!(answer().computer().unwrap(), computer_key().public().thumbprint());
    let another = Challenge::new(&issuer_card()).unwrap().sign(&issuer_key());
    let other = ChallengeAnswer::of(&bytes, &another, &issuer).unwrap_err();
    assert_eq!(other, Error::OtherRequest);
    let other = ChallengeAnswer::of(&bytes, &asked, &service_card().thumbprint()).unwrap_err();
    assert_eq!(other, Error::OtherRequest);
}

#[test]
fn a_list_for_one_computer_repeats_all_that_it_lacks() {
    let lists = [1, 2, 3, 4, 5].map(|n: u64| numbered(n, (n as u32)..(n as u32 + 2)));
    let made = answer().list(&lists).unwrap().expect("it lacks two");
    assert_eq!((made.number, made.nonce), (5, Some(answer().nonce)));
    // Key 5 stands in both lists, and once here.
    assert_eq!(made.entries, numbered(1, 4..7).entries);
    assert_eq!(answer().list(&lists[3..]).unwrap(), Some(made));
    assert_eq!(answer().list(&lists[..3]).unwrap(), None, "it has them all");
    for wrong in [&lists[4..], &[lists[3].clone(), lists[3].clone()][..]] {
        assert!(matches!(answer().list(wrong), Err(Error::Inconsistent(_))));
    }
    let for_another = RevocationList {
        nonce: Some([1; 16]),
        ..(*lists[3]).clone()
    };
    let for_another = [for_another.sign(&issuer_key()).unwrap()];
    assert!(matches!(answer().list(&for_another), Err(Error::Inconsistent(_))));
}

#[test]
fn what_does_not_fit_into_one_list_is_left_for_the_next_challenge() {
    let lists = [
        numbered(4, 0..600),
        numbered(5, 600..1000),
        numbered(6, 0..1),
        numbered(7, 2000..2001),
    ];
    let made = answer().list(&lists).unwrap().unwrap();
    assert_eq!((made.number, made.entries.len()), (6, MAX_REVOCATIONS));
    assert!(made.sign(&issuer_key()).is_ok());
}

#[test]
fn an_acknowledgement_is_the_word_of_one_computer_on_one_list() {
    let made = answer().list(&[numbered(4, 0..1)]).unwrap().unwrap();
    let made = made.sign(&issuer_key()).unwrap();
    let word = ListAcknowledgement::of(&made, &answer()).unwrap();
    let good = word.sign(&computer_key());
    assert_eq!(ListAcknowledgement::check(&good, &made, &answer()), Ok(()));
    let other_list = answer().list(&[numbered(4, 1..2)]).unwrap().unwrap();
    let other_list = other_list.sign(&issuer_key()).unwrap();
    let on_another = ListAcknowledgement::check(&good, &other_list, &answer());
    assert_eq!(on_another, Err(Error::OtherRequest));
    let of_another = ListAcknowledgement {
        key: *signing(6).public().as_bytes(),
        ..word.clone()
    };
    let of_another = ListAcknowledgement::check(&of_another.sign(&signing(6)), &made, &answer());
    assert_eq!(of_another, Err(Error::OtherRequest));
    let forged = ListAcknowledgement::check(&word.sign(&signing(6)), &made, &answer());
    assert!(matches!(
        forged,
        Err(Error::Document(License::BadSignature { .. }))
    ));
}

#[test]
fn a_list_serves_the_answer_that_it_was_made_for() {
    let of = |change: fn(&mut ChallengeAnswer)| {
        let made = answer().list(&[numbered(4, 0..1)]).unwrap().unwrap();
        let mut answer = answer();
        change(&mut answer);
        ListAcknowledgement::of(&made.sign(&issuer_key()).unwrap(), &answer)
    };
    assert!(of(|_| {}).is_ok());
    assert_eq!(of(|answer| answer.nonce = [0; 16]), Err(Error::OtherRequest));
    assert_eq!(
        of(|answer| answer.issuer = Thumbprint([1; 32])),
        Err(Error::OtherRequest)
    );
    assert!(matches!(
        of(|answer| answer.since = 4),
        Err(Error::Inconsistent(_))
    ));
    let general = ListAcknowledgement::of(&numbered(4, 0..1), &answer());
    assert_eq!(general, Err(Error::OtherRequest));
}

#[test]
fn what_is_longer_than_its_bound_is_not_read() {
    let too_large = |error| matches!(error, Error::Document(License::TooLarge { .. }));
    let long = vec![0; CHALLENGE_LIMIT + 1];
    assert!(too_large(Challenge::verify(&long, nobody).unwrap_err()));
    let long = vec![0; CHALLENGE_ANSWER_LIMIT + 1];
    assert!(too_large(ChallengeAnswer::verify(&long).unwrap_err()));
    assert!(too_large(ListAcknowledgement::verify(&long).unwrap_err()));
    let longest = ChallengeAnswer {
        since: u64::MAX,
        ..answer()
    };
    assert!(longest.sign(&computer_key()).len() < CHALLENGE_ANSWER_LIMIT);
    let longest = ListAcknowledgement {
        number: u64::MAX,
        ..acknowledgement()
    };
    assert!(longest.sign(&computer_key()).len() < CHALLENGE_ANSWER_LIMIT);
}
