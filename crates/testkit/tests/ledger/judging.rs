//! Who gets a slot.

use keyferry_license::Digest;
use keyferry_protocol::{Change, Reason, Row};
use keyferry_service::policy::{Decision, Judgment};
use keyferry_testkit::NOW;

use crate::cast::{
    LIMIT, asks, asks_after, asks_at, case, case_of, cases, hold, is_yes, item, judge, rows, thumbprint,
};
use crate::place::Place;

pub fn a_license_has_as_many_computers_as_its_limit(place: &Place) {
    let (ledger, case) = (place.open(), case());
    let mut previous = Digest::default();
    for slot in 2..=LIMIT {
        let asker = asks_at(thumbprint(), NOW + u64::from(slot));
        let expected = Row {
            issuer: case.issuer,
            license: case.license,
            seq: u64::from(slot) - 1,
            computer: asker.computer.expect("a computer"),
            change: Change::Take,
            slot,
            lease: 0,
            request: asker.request,
            time: asker.now,
            previous,
        };
        previous = expected.hash();
        let judged = judge(&*ledger, asker, case);
        let decision = Decision::Take { slot, of: LIMIT };
        let not_before = asker.now;
        assert_eq!(
            judged,
            Judgment {
                decision,
                row: Some(expected.clone()),
                not_before
            }
        );
        assert_eq!(
            rows(&*place.open(), &case).last(),
            Some(&expected),
            "it is there at once, for everybody"
        );
    }
    let fifth = judge(&*ledger, asks(thumbprint()), case);
    assert_eq!(
        (fifth.decision, fifth.row),
        (Decision::Refused(Reason::Limit), None)
    );
    assert_eq!(hold(&case, &rows(&*ledger, &case)).len(), LIMIT as usize);
}

pub fn a_computer_that_holds_a_slot_takes_no_other(place: &Place) {
    let (ledger, case, computer) = (place.open(), case(), thumbprint());
    let origin = judge(&*ledger, asks(case.origin), case);
    assert_eq!(
        (origin.decision, origin.row),
        (Decision::Reissue { slot: 1, of: LIMIT }, None)
    );
    let taken = judge(&*ledger, asks(computer), case);
    let again = judge(&*place.open(), asks(computer), case);
    assert_eq!(again.decision, Decision::Reissue { slot: 2, of: LIMIT });
    assert_eq!(again.row, taken.row);
    assert_eq!(rows(&*ledger, &case).len(), 1);
}

pub fn the_same_request_spends_once(place: &Place) {
    let (ledger, cases, asker) = (place.open(), cases(20), asks(thumbprint()));
    let first = ledger.judge(asker, cases.clone()).expect("judged");
    for handle in [ledger, place.open()] {
        let again = handle.judge(asker, cases.clone()).expect("judged");
        for (case, (first, again)) in cases.iter().zip(first.iter().zip(&again)) {
            assert_eq!(first.decision, Decision::Take { slot: 2, of: LIMIT });
            assert_eq!(again.decision, Decision::Reissue { slot: 2, of: LIMIT });
            assert_eq!(again.row, first.row);
            assert_eq!(rows(&*handle, case).len(), 1);
        }
    }
}

pub fn what_may_not_move_stays(place: &Place) {
    let ledger = place.open();
    let mut case = case();
    case.backup = false;
    let judged = judge(&*ledger, asks(thumbprint()), case);
    assert_eq!(judged.decision, Decision::Refused(Reason::NoBackupRight));
    case.backup = true;
    case.limit = 1;
    let judged = judge(&*ledger, asks(thumbprint()), case);
    assert_eq!(judged.decision, Decision::Refused(Reason::Limit));
    assert!(rows(&*ledger, &case).is_empty(), "a no leaves nothing behind");
}

pub fn a_plan_tells_what_a_restore_would_and_writes_nothing(place: &Place) {
    let (ledger, cases) = (place.open(), cases(30));
    for (number, case) in cases.iter().enumerate() {
        for _ in 0..number % 4 {
            judge(&*ledger, asks(thumbprint()), *case);
        }
    }
    let before: Vec<_> = cases.iter().map(|case| rows(&*ledger, case)).collect();
    let asker = asks_at(thumbprint(), NOW + 1);
    let planned = place.open().plan(asker, cases.clone()).expect("planned");
    let nobody = keyferry_service::policy::Asker {
        computer: None,
        ..asker
    };
    let for_anybody = ledger.plan(nobody, cases.clone()).expect("planned");
    let after: Vec<_> = cases.iter().map(|case| rows(&*ledger, case)).collect();
    assert_eq!(before, after);
    let judged = ledger.judge(asker, cases).expect("judged");
    assert_eq!(planned, judged);
    let decisions = |all: &[Judgment]| all.iter().map(|one| one.decision).collect::<Vec<_>>();
    assert_eq!(decisions(&for_anybody), decisions(&judged));
    assert!(judged.iter().any(is_yes) && !judged.iter().all(is_yes));
}

pub fn licenses_of_two_issuers_are_two_though_they_share_an_id(place: &Place) {
    let (ledger, one) = (place.open(), case());
    let mut other = one;
    other.issuer = thumbprint();
    other.limit = 1;
    let judged = ledger
        .judge(asks(thumbprint()), vec![one, other])
        .expect("judged");
    assert_eq!(judged[0].decision, Decision::Take { slot: 2, of: LIMIT });
    assert_eq!(judged[1].decision, Decision::Refused(Reason::Limit));
    let names = [(other.issuer, other.license), (one.issuer, one.license)];
    let found = ledger.rows(&names).expect("rows");
    assert_eq!((found[0].len(), found[1].len()), (0, 1));
}

pub fn a_time_never_falls_and_may_be_as_high_as_it_goes(place: &Place) {
    let (ledger, case) = (place.open(), case());
    let highest = i64::MAX as u64;
    let computer = thumbprint();
    for (asker, time) in [
        (asks_at(computer, NOW), NOW),
        (asks_at(thumbprint(), NOW - 3600), NOW),
        (asks_at(thumbprint(), highest), highest),
    ] {
        let judged = judge(&*ledger, asker, case);
        assert_eq!(judged.row.map(|row| row.time), Some(time));
        assert!(judged.not_before >= time, "a receipt is not older than its row");
    }
    // One process' clock is behind: what it gives back is no older than what was given.
    let behind = asks_after(&asks_at(computer, highest), NOW);
    let returned = ledger
        .release(behind, vec![item(&case, computer)])
        .expect("released");
    assert_eq!(returned[0].row.as_ref().map(|row| row.time), Some(highest));
    hold(&case, &rows(&*place.open(), &case));
}

pub fn a_batch_may_be_a_thousand_in_any_order(place: &Place) {
    let ledger = place.open();
    let issuers = [thumbprint(), thumbprint(), thumbprint()];
    // IDs of one moment are random in their order; issuers by turns.
    let mut batch: Vec<_> = (0..1000).map(|number| case_of(issuers[number % 3])).collect();
    for (number, case) in batch.iter_mut().enumerate() {
        case.limit = 1 + (number % 5) as u32;
    }
    for round in 1_u32..=3 {
        let judged = ledger.judge(asks(thumbprint()), batch.clone()).expect("judged");
        assert_eq!(judged.len(), batch.len());
        for (case, judgment) in batch.iter().zip(&judged) {
            let decision = match round < case.limit {
                true => Decision::Take {
                    slot: round + 1,
                    of: case.limit,
                },
                false => Decision::Refused(Reason::Limit),
            };
            assert_eq!(judgment.decision, decision);
            let row = judgment.row.as_ref().map(|row| (row.issuer, row.license));
            assert_eq!(row, (round < case.limit).then_some((case.issuer, case.license)));
        }
    }
    let names: Vec<_> = batch.iter().map(|case| (case.issuer, case.license)).collect();
    let found = ledger.rows(&names).expect("rows");
    for (case, rows) in batch.iter().zip(&found) {
        assert_eq!(hold(case, rows).len() as u32, case.limit.min(4));
    }
    assert!(
        ledger
            .judge(asks(thumbprint()), Vec::new())
            .expect("judged")
            .is_empty()
    );
}
