//! Slots that are given back.

use keyferry_protocol::{Change, Reason};
use keyferry_service::policy::{Decision, ReturnDecision};
use keyferry_testkit::NOW;

use crate::cast::{LIMIT, asks, asks_after, asks_at, case, cases, hold, item, judge, rows, thumbprint};
use crate::place::Place;

pub fn what_is_given_back_is_free_again(place: &Place) {
    let (ledger, case) = (place.open(), case());
    let askers: Vec<_> = (2..=LIMIT).map(|_| asks(thumbprint())).collect();
    for asker in &askers {
        judge(&*ledger, *asker, case);
    }
    let newcomer = thumbprint();
    assert_eq!(
        judge(&*ledger, asks(newcomer), case).decision,
        Decision::Refused(Reason::Limit)
    );
    let back = asks_after(&askers[1], NOW + 5);
    let gone = back.computer.expect("a computer");
    let returned = ledger.release(back, vec![item(&case, gone)]).expect("released");
    let row = returned[0].row.clone().expect("a row");
    assert_eq!(returned[0].decision, ReturnDecision::Released { slot: 3 });
    assert!(returned[0].is_new && returned[0].not_before == row.time);
    assert_eq!(
        (row.change, row.slot, row.seq, row.time),
        (Change::Release, 3, 4, NOW + 5)
    );
    assert_eq!((row.computer, row.request), (gone, back.request));
    assert_eq!(
        judge(&*place.open(), asks(newcomer), case).decision,
        Decision::Take { slot: 3, of: LIMIT }
    );
    // The origin holds the first slot without a row, and gives it back by one.
    let origin = ledger
        .release(asks(case.origin), vec![item(&case, case.origin)])
        .expect("released");
    assert_eq!(origin[0].decision, ReturnDecision::Released { slot: 1 });
    let holders = hold(&case, &rows(&*ledger, &case));
    assert_eq!((holders.get(&1), holders.get(&3)), (None, Some(&newcomer)));
}

pub fn the_same_release_frees_once(place: &Place) {
    let (ledger, cases) = (place.open(), cases(20));
    let first = asks(thumbprint());
    ledger.judge(first, cases.clone()).expect("judged");
    let back = asks_after(&first, NOW + 1);
    let items: Vec<_> = cases.iter().map(|case| item(case, thumbprint())).collect();
    let returned = ledger.release(back, items.clone()).expect("released");
    // Somebody else has the slot by now: the retry doesn't take it away.
    ledger
        .judge(asks_at(thumbprint(), NOW + 2), cases.clone())
        .expect("judged");
    let again = place.open().release(back, items).expect("released");
    for (case, (first, again)) in cases.iter().zip(returned.iter().zip(&again)) {
        assert_eq!(
            (first.decision, first.is_new),
            (ReturnDecision::Released { slot: 2 }, true)
        );
        assert_eq!((again.decision, again.is_new), (first.decision, false));
        assert_eq!(again.row, first.row);
        assert_eq!(rows(&*ledger, case).len(), 3);
    }
}

pub fn what_is_not_held_is_not_given_back(place: &Place) {
    let (ledger, case, stranger) = (place.open(), case(), thumbprint());
    let returned = ledger
        .release(asks(stranger), vec![item(&case, stranger)])
        .expect("released");
    assert_eq!(
        (returned[0].decision, &returned[0].row),
        (ReturnDecision::NotHeld, &None)
    );
    assert!(rows(&*ledger, &case).is_empty());
}

pub fn a_release_that_knows_too_little_changes_nothing(place: &Place) {
    let (ledger, case) = (place.open(), case());
    let taken = asks(thumbprint());
    let computer = taken.computer.expect("a computer");
    judge(&*ledger, taken, case);
    let ignorant = ledger
        .release(asks(computer), vec![item(&case, computer)])
        .expect("released");
    assert_eq!(ignorant[0].decision, ReturnDecision::Stale);
    assert_eq!(rows(&*ledger, &case).len(), 1);
    // After a release the same holds for a restore: an old request brings back nothing.
    let back = asks_after(&taken, NOW + 1);
    ledger
        .release(back, vec![item(&case, computer)])
        .expect("released");
    let late = judge(&*ledger, asks_at(computer, NOW + 2), case);
    assert_eq!(
        (late.decision, late.row),
        (Decision::Refused(Reason::Released), None)
    );
    assert!(
        late.not_before > NOW + 1,
        "the receipt shows that the computer may ask again"
    );
    let informed = judge(&*ledger, asks_after(&back, NOW + 3), case);
    assert_eq!(informed.decision, Decision::Take { slot: 2, of: LIMIT });
    hold(&case, &rows(&*ledger, &case));
}
