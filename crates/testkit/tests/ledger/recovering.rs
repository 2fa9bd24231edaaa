//! A ledger that lost rows takes them back from whoever proves them, in any order, and writes no other meanwhile.

use std::sync::Arc;

use keyferry_protocol::{Reason, Row};
use keyferry_service::ledger::{Ledger, Placed};
use keyferry_service::policy::{Asker, Case, Decision, Return, ReturnDecision};

use keyferry_testkit::NOW;

use crate::cast::{asks, asks_at, cases, rows, thumbprint};
use crate::place::Place;

/// Four computers take a license, one after the other.
fn chain(ledger: &dyn Ledger, case: &Case) -> Vec<Row> {
    for later in 0..4 {
        let asker = asks_at(thumbprint(), NOW + later);
        ledger
            .judge(asker, vec![Case { limit: 9, ..*case }])
            .expect("judged");
    }
    rows(ledger, case)
}

fn recovering(asker: Asker) -> Asker {
    Asker {
        recovering: true,
        ..asker
    }
}

/// A ledger that lost all rows but the first of each of its licenses, and what it had.
fn emptied(place: &Place) -> (Arc<dyn Ledger>, Vec<Case>, Vec<Vec<Row>>) {
    let ledger = place.open();
    let cases = cases(3);
    let rows = cases.iter().map(|case| chain(&*ledger, case)).collect();
    place.lose_rows(NOW);
    (ledger, cases, rows)
}

pub fn rows_come_back_in_any_order(place: &Place) {
    let (ledger, cases, whole) = emptied(place);
    let other = place.open();
    for (case, order) in cases.iter().zip([[3, 2, 1], [2, 3, 1], [3, 1, 2]]) {
        let at = cases.iter().position(|known| known == case).expect("one of them");
        assert_eq!(rows(&*ledger, case), whole[at][..1]);
        for (turn, number) in order.into_iter().enumerate() {
            let row = whole[at][number].clone();
            // By turns through two handles, and each twice.
            let handle = [&ledger, &other][turn % 2];
            assert_eq!(
                handle.put_rows(vec![row.clone()], NOW).expect("put"),
                [Placed::Made]
            );
            assert_eq!(ledger.put_rows(vec![row], NOW).expect("put"), [Placed::Known]);
        }
        assert_eq!(rows(&*ledger, case), whole[at]);
    }
    let told = ledger.recovered(NOW).expect("counted");
    assert_eq!((told.rows, told.gaps, told.conflicts), (9, 0, 0));
    assert_eq!(
        ledger.recovered(NOW + 1).expect("counted").rows,
        0,
        "another recovery's"
    );
}

pub fn rows_that_contradict_are_kept_apart(place: &Place) {
    let (ledger, cases, whole) = emptied(place);
    let (case, rows_of) = (&cases[0], &whole[0]);
    let given = ledger.judge(asks_at(thumbprint(), NOW + 50), vec![Case { limit: 9, ..*case }]);
    let given = given.expect("judged")[0].row.clone().expect("a row");
    let placed = ledger.put_rows(rows_of[1..].to_vec(), NOW).expect("put");
    assert_eq!(placed, [Placed::Conflict, Placed::Conflict, Placed::Made]);
    let again = ledger.put_rows(rows_of[1..2].to_vec(), NOW).expect("put");
    assert_eq!(again, [Placed::Conflict]);
    let now = rows(&*ledger, case);
    assert_eq!(now, [rows_of[0].clone(), given, rows_of[3].clone()]);
    let told = ledger.recovered(NOW).expect("counted");
    assert_eq!((told.rows, told.gaps, told.conflicts), (1, 1, 2));
}

pub fn a_missing_row_blocks_new_slots_and_nothing_else(place: &Place) {
    let (ledger, cases, whole) = emptied(place);
    let (case, rows_of) = (cases[0], &whole[0]);
    ledger.put_rows(vec![rows_of[3].clone()], NOW).expect("put");
    let wide = Case { limit: 9, ..case };
    let judge = |asker: Asker| ledger.judge(asker, vec![wide]).expect("judged")[0].decision;
    let at = asks_at(thumbprint(), NOW + 100);
    assert_eq!(judge(at), Decision::Refused(Reason::Recovery));
    let holder = asks_at(rows_of[3].computer, NOW + 100);
    let held = Decision::Reissue {
        slot: rows_of[3].slot,
        of: 9,
    };
    assert_eq!(judge(holder), held);
    ledger.put_rows(rows_of[1..3].to_vec(), NOW).expect("put");
    assert!(matches!(judge(at), Decision::Take { .. }));
}

pub fn in_recovery_nothing_is_taken_or_given_back(place: &Place) {
    let ledger = place.open();
    let case = cases(1)[0];
    let holder = thumbprint();
    ledger.judge(asks_at(holder, NOW), vec![case]).expect("judged");
    let before = rows(&*ledger, &case);
    let asker = recovering(asks(thumbprint()));
    let refused = ledger.judge(asker, vec![case]).expect("judged");
    assert_eq!(refused[0].decision, Decision::Refused(Reason::Recovery));
    let held = ledger
        .judge(recovering(asks(holder)), vec![case])
        .expect("judged");
    assert!(matches!(held[0].decision, Decision::Reissue { slot: 2, .. }));
    let item = Return {
        issuer: case.issuer,
        license: case.license,
        origin: false,
    };
    for computer in [holder, thumbprint()] {
        let told = ledger
            .release(recovering(asks(computer)), vec![item])
            .expect("judged");
        assert_eq!(told[0].decision, ReturnDecision::Stale);
    }
    assert_eq!(rows(&*ledger, &case), before);
}

pub fn a_recovery_is_for_all_processes_and_goes_on_until_it_ends(place: &Place) {
    let (ledger, other) = (place.open(), place.open());
    assert_eq!(ledger.recovery().expect("read"), None);
    assert_eq!(ledger.end_recovery(NOW).expect("ended"), None);
    let started = ledger.start_recovery(NOW - 50, NOW).expect("started");
    assert_eq!(
        (started.started, started.since, started.ended),
        (NOW, NOW - 50, None)
    );
    assert_eq!(other.recovery().expect("read"), Some(started));
    let earlier = other.start_recovery(NOW - 90, NOW + 5).expect("started");
    assert_eq!((earlier.started, earlier.since), (NOW, NOW - 90));
    let same = ledger.start_recovery(NOW - 10, NOW + 6).expect("started");
    assert_eq!((same.started, same.since), (NOW, NOW - 90));
    let computer = thumbprint();
    for _ in 0..2 {
        ledger.shown(computer, NOW).expect("kept");
    }
    assert_eq!(other.recovered(NOW).expect("counted").shown, 1);
    let ended = other.end_recovery(NOW + 7).expect("ended").expect("one");
    assert_eq!(
        (ended.started, ended.since, ended.ended),
        (NOW, NOW - 90, Some(NOW + 7))
    );
    assert_eq!(ledger.end_recovery(NOW + 8).expect("ended"), Some(ended));
    assert_eq!(ledger.recovery().expect("read"), Some(ended));
    // Another one, though the clock was set back.
    let next = ledger.start_recovery(NOW, NOW - 1000).expect("started");
    assert_eq!((next.started, next.ended), (NOW + 1, None));
    assert_eq!(ledger.recovered(next.started).expect("counted").shown, 0);
}
